"""The posterior of a batch, as one ArviZ DataTree in one NetCDF file."""

from __future__ import annotations

import functools
import operator
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from summands.estimation.results import Draws
from summands.files import storage
from summands.model import estimands
from summands.model.cells import Cells
from summands.model.levels import Levels

Array = NDArray[np.float64]

# Variables of observed_data where a replicate, or a design of a file, has fewer cells.
NO_CELL = {"n": 0, "mean": np.nan, "sum_of_squares": np.nan}


def to_datatree(
    levels: Levels,
    replicates: Sequence[int],
    draws: Sequence[Draws | None],
    attributes: Mapping[str, str],
    truth: NDArray[np.float64] | None,
    data: Sequence[Cells],
    generators: Sequence[np.random.Generator],
) -> xr.DataTree:
    """Stack the draws of a batch, with what they are draws of.

    Parameters
    ----------
    levels : Levels
    replicates : sequence of int, length R
    draws : sequence of Draws or None, length R
        None for a fit that failed; it is NaN in the file.
    attributes : mapping of str to str
        Kept with the file.
    truth : ndarray, shape (R, P), or None
        In the order of `summands.model.estimands.index`; None where nobody knows it.
    data : sequence of Cells, length R
    generators : sequence of numpy.random.Generator, length R
        Draw what is predicted, where draws ask for it.

    Returns
    -------
    xarray.DataTree
        Groups ``posterior`` (intercept, mu, sigma; where they are estimated, mu_sd,
        log_sigma_mean and log_sigma_sd of each level) and ``sample_stats``, with the
        dimensions replicate, chain, draw, contributor and level. Contributors are
        called "level/label"; ``constant_data`` has names and numbers of both, and the
        truth. mu of a contributor alone in its level is 0 by definition: NaN in the
        posterior, as it has no error that could be diagnosed. ``observed_data`` has the
        mean of each cell's rows, with n, sum_of_squares and the contributor of each
        level as coordinates, so that ArviZ takes the mean alone for what is predicted;
        a replicate with fewer cells than others ends with cells of no rows. Where draws
        ask for it, ``log_likelihood`` and ``posterior_predictive`` have ``mean`` too.
    """
    done = [item for item in draws if item is not None]
    chains, length = done[0].intercept.shape if done else (0, 0)
    kind = done[0].kept_as if done else "float64"
    coordinates = {
        "replicate": list(replicates),
        "chain": np.arange(chains),
        "draw": np.arange(length),
    }
    contributor = {"contributor": list(levels.titles)}
    iteration = ("replicate", "chain", "draw")

    def stack(arrays: list[np.ndarray | None], tail: tuple[int, ...]) -> np.ndarray:
        whole = [array for array in arrays if array is not None]
        if len(whole) == len(arrays):
            return np.stack(whole)
        out = np.full((len(arrays), chains, length, *tail), np.nan)
        for place, array in zip(out, arrays, strict=True):
            if array is not None:
                place[...] = array
        return out

    def variable(name: str, tail: tuple[int, ...]) -> np.ndarray:
        return stack([None if d is None else getattr(d, name) for d in draws], tail)

    k = (levels.contributors,)
    mu = variable("mu", k)
    mu[..., np.asarray(levels.sizes)[levels.level] == 1] = np.nan
    variables = {
        "intercept": (iteration, variable("intercept", ())),
        "mu": ((*iteration, "contributor"), mu),
        "sigma": ((*iteration, "contributor"), variable("sigma", k)),
    }
    level = {}
    for name in _scales_of(done):
        level = {"level": list(levels.names)}
        found = [None if d is None else getattr(d.scales, name) for d in draws]
        variables[name] = ((*iteration, "level"), stack(found, (levels.count,)))
    groups = {
        "posterior": xr.Dataset(
            variables,
            coords=coordinates | contributor | level,
            attrs=dict(attributes),
        ).astype(kind)
    }
    statistics = {
        name: (
            iteration,
            stack([None if d is None else d.statistics[name] for d in draws], ()),
        )
        for name in (done[0].statistics if done else ())
    }
    groups["sample_stats"] = xr.Dataset(
        statistics, coords=coordinates, attrs=dict(attributes)
    )
    groups["observed_data"] = _observed(levels, replicates, data)
    if any(item.keep_predictive for item in done):
        cell = {"cell": groups["observed_data"]["cell"].to_numpy()}
        shape = (len(draws), chains, length, len(cell["cell"]))
        density, predicted = np.full((2, *shape), np.nan, kind)
        for place, (item, cells, rng) in enumerate(
            zip(draws, data, generators, strict=True)
        ):
            if item is not None:
                here = (place, ..., slice(len(cells.n)))
                density[here], predicted[here] = _predict(item, cells, rng)
        for name, values in (
            ("log_likelihood", density),
            ("posterior_predictive", predicted),
        ):
            groups[name] = xr.Dataset(
                {"mean": ((*iteration, "cell"), values)},
                coords=coordinates | cell,
                attrs=dict(attributes),
            )
    constant: dict[str, Any] = {
        "level": ("contributor", levels.level),
        "contributor_in_level": ("contributor", levels.contributor),
        "level_name": ("contributor", levels.level_name),
        "label": ("contributor", levels.label),
    }
    if truth is not None:
        names = estimands.index(levels)
        of_truth = ("replicate", "contributor")
        constant |= {
            "true_intercept": ("replicate", truth[:, 0]),
            "true_mu": (of_truth, truth[:, names.where("mu")]),
            "true_sigma": (of_truth, truth[:, names.where("sigma")]),
        }
    groups["constant_data"] = xr.Dataset(
        constant, coords={"replicate": list(replicates)} | contributor
    )
    return xr.DataTree.from_dict(groups)


def _scales_of(done: Sequence[Draws]) -> list[str]:
    """Names of the scales that draws have."""
    found = done[0].scales if done else None
    names = [] if found is None else [field.name for field in fields(found)]
    return [name for name in names if getattr(found, name) is not None]


def _observed(
    levels: Levels, replicates: Sequence[int], data: Sequence[Cells]
) -> xr.Dataset:
    """Cells of all replicates, those of a replicate one after the other."""
    shape = (len(data), max(len(cells.n) for cells in data))
    contributors = np.full((levels.count, *shape), -1)
    values = {name: np.full(shape, none) for name, none in NO_CELL.items()}
    for place, cells in enumerate(data):
        here = (place, slice(len(cells.n)))
        contributors[:, *here] = cells.contributors.T
        for name, kept in values.items():
            kept[here] = getattr(cells, name)
    values |= {f"level_{level}": kept for level, kept in enumerate(contributors)}
    return xr.Dataset(
        {name: (("replicate", "cell"), kept) for name, kept in values.items()},
        coords={"replicate": list(replicates), "cell": np.arange(shape[1])},
    ).set_coords([name for name in values if name != "mean"])


def _predict(
    draws: Draws, cells: Cells, rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Log density of the rows of each cell, and a mean of its rows drawn anew.

    Rows are normal around m with variance v, so their density is that of
    `model.statement.cell_log_likelihood`, and their mean Normal(m, sqrt(v / n)).

    Returns
    -------
    density, predicted : ndarray, shape (chains, draws, C)
    """
    mean = draws.intercept[..., None] + _of_cells(draws.mu, cells)
    v = _of_cells(draws.sigma**2, cells)
    residual = cells.sum_of_squares + cells.n * (cells.mean - mean) ** 2
    density = -0.5 * (cells.n * np.log(2.0 * np.pi * v) + residual / v)
    return density, rng.normal(mean, np.sqrt(v / cells.n))


def _of_cells(values: NDArray[np.float64], cells: Cells) -> NDArray[np.float64]:
    """Sum over each cell's contributors, level by level to save memory."""
    of_levels = (values[..., members] for members in cells.members.T)
    return functools.reduce(operator.iadd, of_levels)


def together(trees: Mapping[str, xr.DataTree]) -> xr.DataTree:
    """Make one tree of those of some designs.

    Parameters
    ----------
    trees : mapping of str to xarray.DataTree
        By id of the design; see `to_datatree`.

    Returns
    -------
    xarray.DataTree
        The tree itself of a design alone. Of several, the same groups with a dimension
        ``design`` before the others; a contributor or a cell that a design does not
        have is NaN there. (A group for each design would take longer to write than tiny
        designs take to fit, and far longer to open.)
    """
    if len(trees) == 1:
        return next(iter(trees.values()))
    groups: dict[str, xr.Dataset] = {}
    for group in dict.fromkeys(name for tree in trees.values() for name in tree):
        parts = {
            design: tree[group].to_dataset().reset_coords()
            for design, tree in trees.items()
            if group in tree
        }
        names = {str(name) for part in parts.values() for name in part.data_vars}
        groups[group] = xr.concat(
            list(parts.values()),
            dim=pd.Index(parts, name="design"),
            join="outer",
            fill_value={name: _nothing(parts, name) for name in names},
        )
        groups[group].attrs.pop("design", None)
    groups["observed_data"] = groups["observed_data"].set_coords(
        [name for name in groups["observed_data"].data_vars if name != "mean"]
    )
    return xr.DataTree.from_dict(groups)


def write(tree: xr.DataTree, path: str | Path) -> None:
    """Write a DataTree as NetCDF, whole or not at all.

    Numbers that repeat are compressed. Draws are noise: a compressor would take longer
    than small fits do, to save a fifth of the file.
    """
    compressed = {"zlib": True, "complevel": 1, "shuffle": True}
    with storage.whole(path) as partial:
        tree.to_netcdf(
            partial,
            engine="h5netcdf",
            encoding={
                group: {
                    name: compressed if _repeats(variable) else {}
                    for name, variable in tree[group].data_vars.items()
                }
                for group in tree.groups
                if group != "/"
            },
        )


def read_coefficients(path: str | Path) -> tuple[Array, Array, Array]:
    """Read draws of the coefficients from a file of one data set.

    Returns
    -------
    intercept : ndarray, shape (chains, draws)
    mu, sigma : ndarray, shape (chains, draws, K)
        mu of a contributor alone in its level is 0.
    """
    with storage.reading(path), xr.open_datatree(path, engine="h5netcdf") as tree:
        posterior = tree["posterior"].to_dataset().isel(replicate=0)
        intercept, mu, sigma = (
            posterior[name].to_numpy() for name in ("intercept", "mu", "sigma")
        )
    alone = np.isnan(mu).all(axis=(0, 1))
    return intercept, np.where(alone, 0.0, mu), sigma


def _nothing(parts: Mapping[str, xr.Dataset], name: str) -> Any:
    """Choose what stands for a contributor or a cell that a design does not have."""
    kind = next(part[name].dtype.kind for part in parts.values() if name in part)
    return NO_CELL.get(name, {"i": -1, "f": np.nan}.get(kind, ""))


def _repeats(variable: xr.DataArray) -> bool:
    """Whether a variable has few different values, by a look at its first draws."""
    if variable.dtype.kind not in "fiub":
        return False  # words are not compressed
    some = variable.to_numpy().ravel()[:4000]
    return len(np.unique(some)) < len(some) / 2
