"""Which kept posterior shows what the data do not tell, and how it is read.

The rules ask when Snakemake starts, so what takes long to import is imported inside of
functions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

    from summands.model.levels import Levels
    from summands.report.panels import Array
    from summands.study.plan import Unit
    from summands.study.study import Study


@dataclass(frozen=True)
class Chosen:
    """A design and an estimator, one posterior of which is shown."""

    design: str
    estimator: str


def chosen(study: Study) -> Chosen | None:
    """Choose the design whose identified set is simplest: that of the fewest levels.

    Parameters
    ----------
    study : Study

    Returns
    -------
    Chosen or None
        None where no posteriors are kept, or all designs have a single level.
    """
    samplers = [name for name, each in study.estimators.items() if each.module.SAMPLES]
    several = {
        name: design.levels.count
        for name, design in study.designs.items()
        if design.levels.count > 1
    }
    if not (study.keep_posteriors and samplers and several):
        return None
    return Chosen(min(several, key=lambda name: several[name]), samplers[0])


def posterior(study: Study, units: Mapping[Unit, Sequence[str]]) -> str | None:
    """Name the file of the posterior that is shown.

    Parameters
    ----------
    study : Study
    units : mapping of Unit to sequence of str
        Of the study's plan: for each unit the designs that are taken from it.

    Returns
    -------
    str or None
        Below the results of the study; None where there is none to show.
    """
    found = chosen(study)
    if found is None:
        return None
    unit = next(unit for unit, designs in units.items() if found.design in designs)
    return f"fitted/{found.estimator}/{unit.name}/{unit.batch.name}/posterior.nc"


def contributors(estimates: pd.DataFrame) -> list[int]:
    """Choose the two that are set against each other: the least noisy of two levels.

    Of these the data tell least: all of the variance that levels share may be theirs.

    Parameters
    ----------
    estimates : pandas.DataFrame
        Rows of sigma of one data set, in their order.

    Returns
    -------
    list of int
        Places among them.
    """
    lower = estimates["set_lower"].fillna(0.0).reset_index(drop=True)
    of_levels = lower.groupby(estimates["level"].to_numpy(), sort=True)
    return [int(place) for place in of_levels.idxmin().iloc[:2]]


def draws(path: str, levels: Levels, fits: pd.DataFrame) -> tuple[Array, int]:
    """Read the draws of sigma of a data set from a file of posteriors.

    Parameters
    ----------
    path : str
        What `estimation.draws_file.write` wrote.
    levels : Levels
        Of the design.
    fits : pandas.DataFrame
        Rows of the table of that name for the design and estimator.

    Returns
    -------
    draws : ndarray, shape (S, K)
        Of all contributors, in their order.
    replicate : int
        The first of the file that converged, or else the first that did not fail; -1,
        with no draws, where all failed.
    """
    import xarray as xr

    from summands.files import storage

    design = str(fits["design"].iloc[0])
    with storage.reading(path), xr.open_datatree(path, engine="h5netcdf") as tree:
        sigma = tree["posterior"]["sigma"]
        if "design" in sigma.dims:
            sigma = sigma.sel(design=design)
        known = fits[fits["replicate"].isin(sigma["replicate"].to_numpy())]
        known = known[known["error"].isna()].sort_values(
            "converged", ascending=False, kind="stable"
        )
        if known.empty:
            return sigma.to_numpy()[:0].reshape(0, levels.contributors), -1
        replicate = int(known["replicate"].iloc[0])
        found = sigma.sel(replicate=replicate, contributor=list(levels.titles))
        return found.to_numpy().reshape(-1, levels.contributors), replicate
