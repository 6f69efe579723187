"""What to beware of in a decomposition, in sentences for those who read it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from summands.decomposition import sensitivity, tables
from summands.model import information
from summands.model.cells import Cells
from summands.model.levels import Levels

# Names beyond which a list says how many there are more.
LISTED = 8

# Contributors up to which what the data determine is checked in full: the effort grows
# with their cube.
CHECKED = 500


def of_cells(cells: Cells) -> list[str]:
    """Say what the layout of a table leaves open, whatever the values.

    Parameters
    ----------
    cells : Cells

    Returns
    -------
    list of str
        A sentence or two each.
    """
    told = _one_in_the_other(cells)
    nested = bool(told)
    apart = _apart(cells)
    told += apart
    if not nested and not apart and cells.levels.contributors <= CHECKED:
        lost = information.unidentified_means(cells)
        if lost:
            told.append(
                f"The data do not determine all means: {lost}. There the prior decides."
            )
    return told + _seen_once(cells) + _one_row_each(cells)


def of_components(table: pa.Table) -> list[str]:
    """Say which components may be 0.

    Parameters
    ----------
    table : pyarrow.Table
        With the columns of `components.COMPONENTS`.

    Returns
    -------
    list of str
    """
    told = []
    for row in table.to_pylist():
        name, upper = row["component"], row["sd_upper_95"]
        if row["level"] is None or row["sd"] is None:
            continue
        if row["sd"] == 0:
            told.append(
                f"{row['estimator']} puts the component of {name} at 0: its "
                "contributors differ no more than their noise alone would make them."
            )
        elif row["sd_lower_95"] == 0 and upper is not None:
            told.append(
                f"The data cannot tell whether {name} shifts the values: by "
                f"{row['estimator']} its standard deviation may be 0, and is below "
                f"{upper:.4g} with probability 95 %."
            )
    return told


def of_sensitivity(table: pa.Table) -> list[str]:
    """Say where the priors decide the answer.

    Parameters
    ----------
    table : pyarrow.Table
        With the columns of `sensitivity.SENSITIVITY`.

    Returns
    -------
    list of str
    """
    told = []
    for row in table.to_pylist():
        what = (
            "the noise" if row["level"] is None else f"the component {row['component']}"
        )
        before = f"{row['prior_lower_95']:.3g} to {row['prior_upper_95']:.3g}"
        after = f"{row['lower_95']:.3g} to {row['upper_95']:.3g}"
        match row["diagnosis"]:
            case sensitivity.STRONG:
                told.append(
                    f"The prior decides much of {what} ({row['estimator']}): the data "
                    f"say little of it. Standard deviation before the data {before}, "
                    f"after them {after}."
                )
            case sensitivity.CONFLICT:
                told.append(
                    f"The prior has a say in {what} ({row['estimator']}), beside the "
                    f"data. Standard deviation before the data {before}, after them "
                    f"{after}."
                )
    return told


def listed(labels: Sequence[str], chosen: NDArray[np.integer]) -> str:
    """Join the chosen labels, the first few of them."""
    text = ", ".join(labels[k] for k in chosen[:LISTED])
    more = len(chosen) - LISTED
    return f"{text} and {more} more" if more > 0 else text


def _inside(cells: Cells, inner: int, outer: int) -> NDArray[np.int64] | None:
    """Contributor of the outer level that each inner one occurs with, if but one.

    -1 for an inner contributor without rows; None if one occurs with several.
    """
    place = np.full(cells.levels.sizes[inner], -1)
    column = cells.contributors[:, outer]
    place[cells.contributors[:, inner]] = column
    if np.array_equal(place[cells.contributors[:, inner]], column):
        return place
    return None


def _one_in_the_other(cells: Cells) -> list[str]:
    """Say which levels split the rows alike, and which are nested."""
    levels = cells.levels
    told = []
    for first, second in combinations(tables.several(levels), 2):
        within = _inside(cells, first, second), _inside(cells, second, first)
        if within[0] is not None and within[1] is not None:
            told.append(
                f"{levels.names[first]} and {levels.names[second]} split the rows in "
                f"the same way ({_pairs(levels, first, second, within[0])}): the data "
                "cannot tell which of the two shifts the values or makes their noise. "
                "Leave one out."
            )
        elif within[0] is not None:
            told.append(_nested(levels, first, second, within[0]))
        elif within[1] is not None:
            told.append(_nested(levels, second, first, within[1]))
    return told


def _nested(levels: Levels, inner: int, outer: int, place: NDArray[np.int64]) -> str:
    low, high = levels.names[inner], levels.names[outer]
    return (
        f"{low} is nested in {high}: each contributor of {low} occurs with one of "
        f"{high} ({_pairs(levels, inner, outer, place)}). What a contributor of "
        f"{high} adds, and what all of {low} within it have in common, are told apart "
        "by the prior alone, according to how much each level varies."
    )


def _pairs(levels: Levels, inner: int, outer: int, place: NDArray[np.int64]) -> str:
    low, high = levels.labels[inner], levels.labels[outer]
    pairs = [f"{mine} with {high[k]}" for mine, k in zip(low, place, strict=True)]
    return listed(pairs, np.flatnonzero(place >= 0))


def _apart(cells: Cells) -> list[str]:
    """Say which pairs of levels fall into groups that never meet."""
    # Takes long to import.
    from scipy import sparse
    from scipy.sparse import csgraph

    levels = cells.levels
    told = []
    for first, second in combinations(tables.several(levels), 2):
        if _inside(cells, first, second) is not None:
            continue
        if _inside(cells, second, first) is not None:
            continue
        sizes = levels.sizes[first], levels.sizes[second]
        met = sparse.coo_array(
            (
                np.ones(len(cells.n), bool),
                (cells.contributors[:, first], cells.contributors[:, second]),
            ),
            shape=sizes,
        ).tocsr()
        graph = sparse.block_array([[None, met], [met.T, None]], format="csr")
        _, group = csgraph.connected_components(graph, directed=False)
        occurs = np.zeros(sum(sizes), bool)
        occurs[cells.contributors[:, first]] = True
        occurs[sizes[0] + cells.contributors[:, second]] = True
        groups = np.unique(group[occurs])
        if len(groups) > 1:
            told.append(
                f"{levels.names[first]} and {levels.names[second]} fall into "
                f"{len(groups)} groups that never meet in a row "
                f"({_groups(levels, (first, second), group, groups)}): how much of the "
                "difference between the groups belongs to which of the two levels, the "
                "prior decides."
            )
    return told


def _groups(
    levels: Levels,
    pair: tuple[int, int],
    group: NDArray[np.integer],
    groups: NDArray[np.integer],
) -> str:
    """Who is in which group, the first few of them."""
    whose = np.split(group, [levels.sizes[pair[0]]])
    words = [
        " with ".join(
            listed(levels.labels[level], np.flatnonzero(mine == chosen))
            for level, mine in zip(pair, whose, strict=True)
        )
        for chosen in groups
    ]
    more = len(words) - LISTED
    text = "; ".join(words[:LISTED])
    return f"{text}; and {more} more" if more > 0 else text


def _seen_once(cells: Cells) -> list[str]:
    """Say which contributors have a single row."""
    levels = cells.levels
    told = []
    for level in tables.several(levels):
        name, mine = levels.names[level], cells.rows[tables.members(levels, level)]
        once = np.flatnonzero(mine == 1)
        if not len(once):
            continue
        if len(once) == len(mine):
            told.append(
                f"Each contributor of {name} has a single row: what {name} adds cannot "
                "be told from the noise."
            )
            continue
        told.append(
            f"{len(once)} of the {len(mine)} contributors of {name} have a single row "
            f"({listed(levels.labels[level], once)}): they say next to nothing of "
            "their own noise, and their means are drawn to those of the others."
        )
    return told


def _one_row_each(cells: Cells) -> list[str]:
    """Say that interactions cannot be told from noise."""
    if len(tables.several(cells.levels)) < 2 or cells.n.max() > 1:
        return []
    return [
        "No combination of contributors was measured twice: what a combination adds "
        "beyond its contributors (interaction) is counted as noise."
    ]
