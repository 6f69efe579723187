"""The posterior of a batch, as one ArviZ DataTree in one NetCDF file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from summands import storage
from summands.fitting import Draws
from summands.levels import Levels


def to_datatree(
    levels: Levels,
    replicates: Sequence[int],
    draws: Sequence[Draws | None],
    attributes: Mapping[str, str],
) -> xr.DataTree:
    """Stack the draws of a batch.

    Parameters
    ----------
    levels : Levels
    replicates : sequence of int, length R
    draws : sequence of Draws or None, length R
        None for a fit that failed; it is NaN in the file.
    attributes : mapping of str to str
        Kept with the file.

    Returns
    -------
    xarray.DataTree
        Groups ``posterior`` (intercept, mu, sigma) and ``sample_stats``, with the
        dimensions replicate, chain, draw and contributor. Contributors are labelled
        "level/contributor"; ``constant_data`` has both numbers by that label.
    """
    done = [item for item in draws if item is not None]
    chains, length = done[0].intercept.shape if done else (0, 0)
    coordinates = {
        "replicate": list(replicates),
        "chain": np.arange(chains),
        "draw": np.arange(length),
    }
    contributor = {
        "contributor": [
            f"{level}/{number}"
            for level, number in zip(levels.level, levels.contributor, strict=True)
        ]
    }
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
    posterior = xr.Dataset(
        {
            "intercept": (iteration, variable("intercept", ())),
            "mu": ((*iteration, "contributor"), variable("mu", k)),
            "sigma": ((*iteration, "contributor"), variable("sigma", k)),
        },
        coords=coordinates | contributor,
        attrs=dict(attributes),
    ).astype(done[0].kept_as if done else float)
    statistics = {
        name: (
            iteration,
            stack([None if d is None else d.statistics[name] for d in draws], ()),
        )
        for name in (done[0].statistics if done else ())
    }
    sample_stats = xr.Dataset(statistics, coords=coordinates, attrs=dict(attributes))
    constant_data = xr.Dataset(
        {
            "level": ("contributor", levels.level),
            "contributor_in_level": ("contributor", levels.contributor),
        },
        coords=contributor,
    )
    return xr.DataTree.from_dict(
        {
            "posterior": posterior,
            "sample_stats": sample_stats,
            "constant_data": constant_data,
        }
    )


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
        ``design`` before the others; a contributor that a design does not have is NaN
        there. (A group for each design would take longer to write than tiny designs
        take to fit, and far longer to open.)
    """
    if len(trees) == 1:
        return next(iter(trees.values()))
    designs = pd.Index(trees, name="design")
    groups: dict[str, xr.Dataset] = {}
    for group in ("posterior", "sample_stats"):
        parts = [tree[group].to_dataset() for tree in trees.values()]
        groups[group] = xr.concat(parts, dim=designs, join="outer")
        groups[group].attrs.pop("design", None)
    groups["constant_data"] = xr.merge(
        [tree["constant_data"].to_dataset() for tree in trees.values()],
        join="outer",
        compat="no_conflicts",
    ).astype(int)
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


def _repeats(variable: xr.DataArray) -> bool:
    """Whether a variable has few different values, by a look at its first draws."""
    some = variable.to_numpy().ravel()[:4000]
    return len(np.unique(some)) < len(some) / 2
