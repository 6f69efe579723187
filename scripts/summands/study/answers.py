"""The final tables of an observed table, made of its fits."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from summands.data import seeds
from summands.data.table_data import Counts
from summands.decomposition import (
    cautions as told,
)
from summands.decomposition import (
    comparison,
    components,
    differences,
    gauge,
    predictive,
    ranking,
    scatter,
    sensitivity,
    shrinkage,
)
from summands.estimation.results import Components, Draws
from summands.estimation.tables import ESTIMATES, FITS
from summands.estimators import Entry
from summands.model import estimands, information
from summands.model.cells import Cells
from summands.model.data_set import DataSet
from summands.model.levels import Levels
from summands.model.problem import Problem
from summands.recovery.held import HELD
from summands.recovery.tables import CALIBRATION, RECOVERY
from summands.study.observed import Observed
from summands.study.study import Study

SCHEMAS: dict[str, pa.Schema] = {
    "estimates": ESTIMATES,
    "fits": FITS,
    "components": components.COMPONENTS,
    "ranking": ranking.RANKING,
    "scatter": scatter.SCATTER,
    "shrinkage": shrinkage.SHRINKAGE,
    "comparison": comparison.COMPARISON,
    "checks": predictive.CHECKS,
    "sensitivity": sensitivity.SENSITIVITY,
    "differences": differences.DIFFERENCES,
    "gauge": gauge.GAUGE,
    "cautions": told.CAUTIONS,
}

# Those of a check: of tables that were drawn like the observed one, and fitted.
OF_CHECK: dict[str, pa.Schema] = {
    "held": HELD,
    "recovery": RECOVERY,
    "calibration": CALIBRATION,
    "check_estimates": ESTIMATES,
    "check_fits": FITS,
}

# Those of them that summary and page read.
READ_OF_CHECK = ("held", "recovery", "calibration")

# What is made of the other tables.
LAST = ("cautions",)


class RequestError(ValueError):
    """What a study asks of a table that has no answer; meant for the user."""


@dataclass(frozen=True)
class Fitted:
    """What an estimator says about a table.

    Parameters
    ----------
    entry : Entry
        The estimator.
    estimates, fits : pyarrow.Table
        Of this estimator alone.
    components : Components or None
        Of an estimator without draws that has them.
    draws : Draws or None
        In the units of the data.
    """

    entry: Entry
    estimates: pa.Table
    fits: pa.Table
    components: Components | None
    draws: Draws | None


@dataclass(frozen=True)
class Table:
    """An observed table in cells.

    Parameters
    ----------
    levels : Levels
    cells : Cells
    counts : Counts
    smallest, largest : ndarray, shape (C,)
        Of the values of each cell.
    value, cell : ndarray, shape (N,), or None
        Rows' values and their cells, if they are kept.
    """

    levels: Levels
    cells: Cells
    counts: Counts
    smallest: NDArray[np.float64]
    largest: NDArray[np.float64]
    value: NDArray[np.float64] | None
    cell: NDArray[np.int64] | None


def tables_of(observed: Observed) -> list[str]:
    """Names of the tables that a study has: some are made on request."""
    asked = {"differences": observed.differences, "gauge": observed.gauge}
    return [name for name in SCHEMAS if asked.get(name, True)]


def make(
    study: Study, table: Table, fitted: Mapping[str, Fitted], say: Callable[[str], None]
) -> dict[str, pa.Table]:
    """Make the tables, beside estimates and fits.

    Parameters
    ----------
    study : Study
    table : Table
    fitted : mapping of str to Fitted
        By name of the estimator.
    say : callable
        Takes lines for the log.

    Raises
    ------
    RequestError
        If differences or a gauge are asked for where there are none.
    """
    assert study.observed is not None
    levels, cells, asked = table.levels, table.cells, study.observed
    try:
        differences.check(levels, asked.differences)
    except ValueError as error:
        raise RequestError(f"observed.differences: {error}") from None
    pieces: dict[str, list[pa.Table]] = {name: [] for name in tables_of(asked)}
    names = estimands.index(levels)
    of_mu = names.where("mu")
    raw = shrinkage.least_squares(cells, information.identified(cells)[of_mu])
    data_set = DataSet(cells)
    following = Problem.following(levels, data_set.units, data_set.noise)
    for name, fit in fitted.items():
        say(f"{name}: its answers")
        mu = [
            fit.estimates[column].to_numpy()[of_mu]
            for column in ("estimate", "lower_95", "upper_95")
        ]
        if not np.isnan(mu[0]).all():
            pieces["shrinkage"].append(
                shrinkage.of_estimates(name, cells, mu[0], mu[1], mu[2], raw)
            )
        if fit.components is not None:
            pieces["components"].append(
                components.of_components(name, fit.components, levels)
            )
            if asked.gauge is not None:
                pieces["gauge"].append(
                    gauge.of_components(
                        name,
                        fit.components,
                        levels,
                        asked.gauge.part,
                        asked.gauge.tolerance,
                    )
                )
        if fit.draws is not None:
            _of_draws(pieces, name, fit, fit.draws, study, table, following)
    compared = {
        name: fit.draws for name, fit in fitted.items() if fit.draws is not None
    }
    if table.value is not None and table.cell is not None:
        say("leave-one-out comparison")
        pieces["comparison"].append(
            comparison.of_draws(
                compared, cells, table.value, table.cell, _rng(study, "comparison")
            )
        )
    return {
        name: pa.concat_tables(parts) if parts else SCHEMAS[name].empty_table()
        for name, parts in pieces.items()
        if name not in ("estimates", "fits", *LAST)
    }


def _of_draws(
    pieces: Mapping[str, list[pa.Table]],
    name: str,
    fit: Fitted,
    draws: Draws,
    study: Study,
    table: Table,
    following: Problem,
) -> None:
    assert study.observed is not None
    levels, cells, asked = table.levels, table.cells, study.observed
    pieces["components"].append(components.of_draws(name, draws, cells))
    pieces["ranking"].append(ranking.of_draws(name, draws, levels))
    pieces["scatter"].append(scatter.of_draws(name, draws, cells))
    pieces["checks"].append(
        predictive.of_draws(
            name,
            draws,
            cells,
            table.smallest,
            table.largest,
            _rng(study, f"checks/{name}"),
        )
    )
    priors = following.told(fit.entry.priors).scales
    assert priors is not None
    pieces["sensitivity"].append(sensitivity.of_draws(name, draws, cells, priors))
    if asked.differences:
        pieces["differences"].append(
            differences.of_draws(name, draws, levels, asked.differences)
        )
    if asked.gauge is not None and draws.scales is not None:
        pieces["gauge"].append(
            gauge.of_draws(name, draws, cells, asked.gauge.part, asked.gauge.tolerance)
        )


def _rng(study: Study, purpose: str) -> np.random.Generator:
    return np.random.default_rng(seeds.of_table(study.seed, purpose))


def cautions(cells: Cells, found: Mapping[str, pa.Table], main: str | None) -> pa.Table:
    """Tabulate what to beware of.

    Parameters
    ----------
    cells : Cells
    found : mapping of str to pyarrow.Table
        The other final tables.
    main : str or None
        The estimator whose answer is told in words.

    Returns
    -------
    pyarrow.Table
        With the columns of `cautions.CAUTIONS`.
    """
    return told.table(
        [
            *told.of_fits(found["fits"]),
            *told.of_cells(cells),
            *told.of_components(_of(found["components"], main)),
            *told.of_sensitivity(_of(found["sensitivity"], main)),
        ]
    )


def _of(table: pa.Table, estimator: str | None) -> pa.Table:
    return table.filter(pc.equal(table["estimator"], estimator or ""))
