"""What to beware of in a decomposition, in sentences for those who read it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from itertools import combinations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from summands.decomposition import sensitivity, tables
from summands.files.columns import schema
from summands.files.words import alike
from summands.model import information
from summands.model.cells import Cells
from summands.model.levels import Levels

# Names beyond which a list says how many there are more.
LISTED = 8

# Contributors up to which what the data determine is checked in full: the effort grows
# with their cube.
CHECKED = 500


class Kind(StrEnum):
    """What a caution is about."""

    FAILED = "failed"
    UNCONVERGED = "not converged"
    PRIOR_CONTRADICTED = "prior contradicted"
    REMARK = "remark"
    ALIKE = "levels alike"
    NESTED = "nested"
    GROUPS = "groups never meet"
    UNDETERMINED = "means not determined"
    LABELS_ALIKE = "labels alike"
    SEEN_ONCE = "seen once"
    ONE_ROW_EACH = "no combination twice"
    AT_ZERO = "component at 0"
    FROM_ZERO = "component may be 0"
    PRIOR_DECIDES = "prior decides"
    PRIOR_MATTERS = "prior matters"


CAUTIONS = schema(
    ("kind", pa.string(), f"one of {', '.join(Kind)}"),
    ("estimator", pa.string(), "whose answer it is about; null if that of all"),
    (
        "component",
        pa.string(),
        "a level's name, or noise, if it is about one of them; null otherwise",
    ),
    ("other", pa.string(), "name of the other level, if it is about two"),
    ("text", pa.string(), "what to beware of, in a sentence or two"),
)


@dataclass(frozen=True)
class Caution:
    """A row of the table of cautions: its columns say what is what.

    Parameters
    ----------
    kind : Kind
    text : str
    estimator, component, other : str, optional
    """

    kind: Kind
    text: str
    estimator: str | None = None
    component: str | None = None
    other: str | None = None


def table(found: Iterable[Caution]) -> pa.Table:
    """Tabulate cautions.

    Parameters
    ----------
    found : iterable of Caution

    Returns
    -------
    pyarrow.Table
        With the columns of `CAUTIONS`.
    """
    return pa.Table.from_pylist([asdict(one) for one in found], schema=CAUTIONS)


def of_fits(fits: pa.Table) -> list[Caution]:
    """Say which estimators failed or did not converge, and what else is known of them.

    Parameters
    ----------
    fits : pyarrow.Table
        With the columns of `estimation.tables.FITS`.

    Returns
    -------
    list of Caution
    """
    rows = fits.to_pylist()
    told = []
    for row in rows:
        name = row["estimator"]
        if row["error"]:
            text = f"{name} failed ({row['error']}): it has no answer."
            told.append(Caution(Kind.FAILED, text, name))
        elif not row["converged"]:
            text = f"{name} did not converge ({row['criterion']}): do not trust its "
            told.append(Caution(Kind.UNCONVERGED, f"{text}numbers.", name))
    told += [
        Caution(
            Kind.PRIOR_CONTRADICTED,
            f"The priors of {row['estimator']} contradict the table: "
            f"{row['prior_conflict']}.",
            row["estimator"],
        )
        for row in rows
        if row["prior_conflict"]
    ]
    told += [
        Caution(Kind.REMARK, f"{row['estimator']}: {row['remark']}.", row["estimator"])
        for row in rows
        if row["remark"]
    ]
    return told


def of_cells(cells: Cells) -> list[Caution]:
    """Say what the layout of a table leaves open, whatever the values.

    Parameters
    ----------
    cells : Cells

    Returns
    -------
    list of Caution
    """
    told = _one_in_the_other(cells)
    nested = bool(told)
    apart = _apart(cells)
    told += apart
    if not nested and not apart and cells.levels.contributors <= CHECKED:
        lost = information.unidentified_means(cells)
        if lost:
            text = f"The data do not determine all means: {lost}. There the prior "
            told.append(Caution(Kind.UNDETERMINED, f"{text}decides."))
    return told + _alike(cells.levels) + _seen_once(cells) + _one_row_each(cells)


def of_components(found: pa.Table) -> list[Caution]:
    """Say which components may be 0.

    Parameters
    ----------
    found : pyarrow.Table
        With the columns of `components.COMPONENTS`.

    Returns
    -------
    list of Caution
    """
    told = []
    for row in found.to_pylist():
        name, upper = row["component"], row["sd_upper_95"]
        if row["level"] is None or row["sd"] is None:
            continue
        if row["sd"] == 0:
            text = (
                f"{row['estimator']} puts the component of {name} at 0: its "
                "contributors differ no more than their noise alone would make them."
            )
            told.append(Caution(Kind.AT_ZERO, text, row["estimator"], name))
        elif row["sd_lower_95"] == 0 and upper is not None:
            text = (
                f"The data cannot tell whether {name} shifts the values: by "
                f"{row['estimator']} its standard deviation may be 0, and is below "
                f"{upper:.4g} with probability 95 %."
            )
            told.append(Caution(Kind.FROM_ZERO, text, row["estimator"], name))
    return told


def of_sensitivity(found: pa.Table) -> list[Caution]:
    """Say where the priors decide the answer.

    Parameters
    ----------
    found : pyarrow.Table
        With the columns of `sensitivity.SENSITIVITY`.

    Returns
    -------
    list of Caution
    """
    told = []
    for row in found.to_pylist():
        name, component = row["estimator"], row["component"]
        what = "the noise" if row["level"] is None else f"the component {component}"
        before = f"{row['prior_lower_95']:.3g} to {row['prior_upper_95']:.3g}"
        after = f"{row['lower_95']:.3g} to {row['upper_95']:.3g}"
        match row["diagnosis"]:
            case sensitivity.STRONG:
                text = (
                    f"The prior decides much of {what} ({name}): the data say little "
                    f"of it. Standard deviation before the data {before}, after them "
                    f"{after}."
                )
                told.append(Caution(Kind.PRIOR_DECIDES, text, name, component))
            case sensitivity.CONFLICT:
                text = (
                    f"The prior has a say in {what} ({name}), beside the data. "
                    f"Standard deviation before the data {before}, after them {after}."
                )
                told.append(Caution(Kind.PRIOR_MATTERS, text, name, component))
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


def _one_in_the_other(cells: Cells) -> list[Caution]:
    """Say which levels split the rows alike, and which are nested."""
    levels = cells.levels
    told = []
    for first, second in combinations(tables.several(levels), 2):
        within = _inside(cells, first, second), _inside(cells, second, first)
        if within[0] is not None and within[1] is not None:
            names = levels.names[first], levels.names[second]
            text = (
                f"{names[0]} and {names[1]} split the rows in the same way "
                f"({_pairs(levels, first, second, within[0])}): the data cannot tell "
                "which of the two shifts the values or makes their noise. Leave one "
                "out."
            )
            told.append(Caution(Kind.ALIKE, text, None, *names))
        elif within[0] is not None:
            told.append(_nested(levels, first, second, within[0]))
        elif within[1] is not None:
            told.append(_nested(levels, second, first, within[1]))
    return told


def _nested(
    levels: Levels, inner: int, outer: int, place: NDArray[np.int64]
) -> Caution:
    low, high = levels.names[inner], levels.names[outer]
    text = (
        f"{low} is nested in {high}: each contributor of {low} occurs with one of "
        f"{high} ({_pairs(levels, inner, outer, place)}). What a contributor of "
        f"{high} adds, and what all of {low} within it have in common, are told apart "
        "by the prior alone, according to how much each level varies."
    )
    return Caution(Kind.NESTED, text, None, low, high)


def _pairs(levels: Levels, inner: int, outer: int, place: NDArray[np.int64]) -> str:
    low, high = levels.labels[inner], levels.labels[outer]
    pairs = [f"{mine} with {high[k]}" for mine, k in zip(low, place, strict=True)]
    return listed(pairs, np.flatnonzero(place >= 0))


def _apart(cells: Cells) -> list[Caution]:
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
            names = levels.names[first], levels.names[second]
            text = (
                f"{names[0]} and {names[1]} fall into {len(groups)} groups that never "
                f"meet in a row ({_groups(levels, (first, second), group, groups)}): "
                "how much of the difference between the groups belongs to which of the "
                "two levels, the prior decides."
            )
            told.append(Caution(Kind.GROUPS, text, None, *names))
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


def _alike(levels: Levels) -> list[Caution]:
    """Say which contributors may be one, written in two ways."""
    told = []
    for level in tables.several(levels):
        groups: dict[str, list[str]] = {}
        for label in levels.labels[level]:
            groups.setdefault(alike(label), []).append(label)
        doubtful = [group for group in groups.values() if len(group) > 1]
        if not doubtful:
            continue
        examples = [" and ".join(f'"{label}"' for label in group) for group in doubtful]
        name = levels.names[level]
        text = (
            f"Labels of {name} differ by case or blanks alone "
            f"({listed(examples, np.arange(len(examples)))}): each counts as a "
            "contributor of its own. If they are one, write them alike."
        )
        told.append(Caution(Kind.LABELS_ALIKE, text, None, name))
    return told


def _seen_once(cells: Cells) -> list[Caution]:
    """Say which contributors have a single row."""
    levels = cells.levels
    told = []
    for level in tables.several(levels):
        name, mine = levels.names[level], cells.rows[tables.members(levels, level)]
        once = np.flatnonzero(mine == 1)
        if not len(once):
            continue
        text = (
            f"Each contributor of {name} has a single row: what {name} adds cannot be "
            "told from the noise."
            if len(once) == len(mine)
            else f"{len(once)} of the {len(mine)} contributors of {name} have a single "
            f"row ({listed(levels.labels[level], once)}): they say next to nothing of "
            "their own noise, and their means are drawn to those of the others."
        )
        told.append(Caution(Kind.SEEN_ONCE, text, None, name))
    return told


def _one_row_each(cells: Cells) -> list[Caution]:
    """Say that interactions cannot be told from noise."""
    if len(tables.several(cells.levels)) < 2 or cells.n.max() > 1:
        return []
    text = (
        "No combination of contributors was measured twice: what a combination adds "
        "beyond its contributors (interaction) is counted as noise."
    )
    return [Caution(Kind.ONE_ROW_EACH, text)]
