"""Cautions: each is told where it holds, in names, and nowhere else."""

import numpy as np
import pyarrow as pa
import pytest

from summands.decomposition import cautions, components, sensitivity, tables
from summands.estimation.results import Components
from summands.estimation.tables import FITS
from summands.model.cells import Cells, collapse
from summands.model.levels import Levels
from summands.model.rows import Rows


def cells_of(columns, names=None, labels=None):
    columns = [np.asarray(column) for column in columns]
    sizes = (1, *(int(column.max()) + 1 for column in columns))
    names = ("baseline", *(names or [f"level {j}" for j in range(len(columns))]))
    labels = labels or tuple(
        tuple(f"{name[0]}{k}" for k in range(size))
        for name, size in zip(names, sizes, strict=True)
    )
    count = len(columns[0])
    value = np.random.default_rng(0).normal(size=count)
    levels = Levels(sizes, names, labels)
    return collapse(Rows(levels, value, (np.zeros(count, int), *columns)))


def crossed(*sizes, trials=2):
    return np.indices((*sizes, trials)).reshape(len(sizes) + 1, -1)[:-1]


NAMES = ["Batch", "cask"]


def texts(found):
    """Texts of cautions, each of a kind that is documented."""
    assert {one.kind for one in found} <= {*cautions.Kind}
    return [one.text for one in found]


def of_cells(*columns):
    return texts(cautions.of_cells(cells_of(*columns)))


def test_a_crossed_table_with_replicates_has_no_cautions():
    assert of_cells(crossed(4, 3)) == []
    assert of_cells(crossed(4, 3, 5)) == []
    assert of_cells(crossed(6)) == []


def test_one_row_a_cell_is_told():
    (text,) = of_cells(crossed(24, 6, trials=1))
    assert "No combination of contributors was measured twice" in text
    # One combination that was is enough.
    columns = np.concatenate([crossed(24, 6, trials=1), [[0], [0]]], axis=1)
    assert of_cells(columns) == []


def test_a_nested_level_is_told_with_who_is_in_what():
    batch = np.repeat(np.arange(3), 8)
    cask = np.repeat(np.arange(12), 2)
    for columns, names in (
        ([batch, cask], NAMES),
        ([cask, batch], NAMES[::-1]),
    ):
        (text,) = of_cells(columns, names)
        assert text.startswith("cask is nested in Batch")
        assert "c0 with B0, c1 with B0" in text
        assert "c7 with B1 and 4 more)" in text
        assert "c8" not in text
    cask[-1] = 0
    told = of_cells([batch, cask], NAMES)
    assert not any("nested" in text for text in told)
    assert "2 groups that never meet" in told[0]


def test_levels_that_split_alike_are_told():
    lot = np.repeat(np.arange(4), 3)
    machine = np.array([2, 0, 3, 1])[lot]
    operator = np.tile(np.arange(3), 4)
    told = of_cells([lot, machine, operator], ["lot", "machine", "operator"])
    assert told[0].startswith("lot and machine split the rows in the same way")
    assert "l0 with m2, l1 with m0, l2 with m3, l3 with m1" in told[0]
    assert not any("nested" in text for text in told)


def test_groups_that_never_meet_are_told():
    operator = np.array([0, 0, 1, 1, 2, 2, 3, 3] * 2)
    part = np.array([0, 1, 0, 1, 2, 3, 2, 3] * 2)
    (text,) = of_cells([operator, part], ["operator", "part"])
    assert "operator and part fall into 2 groups that never meet" in text
    assert "(o0, o1 with p0, p1; o2, o3 with p2, p3)" in text
    # One row that joins them.
    joined = [np.append(operator, [0, 0]), np.append(part, [2, 2])]
    assert of_cells(joined, ["operator", "part"]) == []


def test_who_meets_often_meets():
    """256 cells of the same two contributors: more than small integers can count."""
    shift = np.repeat(np.arange(256), 3)
    operator, part = np.tile([0, 0, 1], 256), np.tile([0, 1, 1], 256)
    told = of_cells([operator, part, shift])
    assert not any("never meet" in text for text in told)


def test_three_levels_that_are_tied_are_told():
    """Every pair of levels meets, but three cells do not give four means."""
    cells = [[0, 0, 0], [0, 1, 1], [1, 0, 1], [1, 1, 0]]
    assert of_cells(np.repeat(cells, 2, axis=0).T) == []
    (text,) = of_cells(np.repeat(cells[:3], 2, axis=0).T)
    assert text.startswith("The data do not determine all means")
    assert "level 0/l0" in text


def test_single_rows_are_told():
    columns = crossed(12, 3)
    columns = np.concatenate([columns, [[12, 13], [0, 1]]], axis=1)
    (text,) = of_cells(columns, ["plate", "sample"])
    assert text.startswith("2 of the 14 contributors of plate have a single row")
    assert "(p12, p13)" in text
    unit = np.arange(30)
    told = of_cells([unit, unit % 3], ["unit", "site"])
    assert any(
        text.startswith("Each contributor of unit has a single row") for text in told
    )


def test_lists_are_cut():
    columns = crossed(2, 3)
    more = np.stack([np.arange(2, 22), np.zeros(20, int)])
    told = of_cells(np.concatenate([columns, more], axis=1))
    (text,) = [text for text in told if "single row" in text]
    assert "l9 and 12 more)" in text


@pytest.mark.parametrize("seed", range(3))
def test_order_and_names_of_contributors_do_not_matter(seed):
    """As many cautions, and of the same kind, however contributors are numbered."""
    rng = np.random.default_rng(seed)
    batch = np.repeat(np.arange(3), 8)
    cask = np.repeat(np.arange(12), 2)
    day = rng.integers(4, size=24)
    day[:4] = np.arange(4)
    one = of_cells([batch, cask, day])
    places = [rng.permutation(column.max() + 1) for column in (batch, cask, day)]
    columns = [p[c] for p, c in zip(places, (batch, cask, day), strict=True)]
    two = of_cells(columns)
    assert [text.split("(")[0] for text in one] == [text.split("(")[0] for text in two]


def test_strange_labels_are_printed_as_they_are():
    labels = (("all",), ("a b", '"q"', "третий"), ("x, y", "z"))
    columns = np.concatenate([crossed(2, 2), [[2], [0]]], axis=1)
    (text,) = of_cells(columns, ["m", "n"], labels)
    assert "(третий)" in text


def test_components_that_may_be_zero_are_told():
    levels = Levels((1, 3, 4), ("baseline", "machine", "operator"))
    sd = np.array([0.0, 1.0, 2.0, 3.0])
    lower, upper = np.array([0.0, 0.0, 1.0, 0.0]), 2 * sd
    found = components.of_components("r", Components(sd, lower, upper), levels)
    (text,) = texts(cautions.of_components(found))
    assert text.startswith("The data cannot tell whether machine shifts the values")
    assert "is below 2 with" in text
    sd[2], lower[2] = 0.0, np.nan
    found = components.of_components("reml", Components(sd, lower, upper), levels)
    told = texts(cautions.of_components(found))
    assert len(told) == 2
    assert told[1].startswith("reml puts the component of operator at 0")
    # Without an interval, and away from 0, there is nothing to tell.
    nothing = np.full(4, np.nan)
    sd[2] = 1.0
    found = components.of_components("r", Components(sd, nothing, nothing), levels)
    assert cautions.of_components(found) == []


def test_priors_that_decide_are_told():
    found = tables.table(
        sensitivity.SENSITIVITY,
        {
            "estimator": "nutpie",
            "component": ["machine", "operator", "noise", "noise"],
            "level": [1, 2, 3, None],
            "diagnosis": [
                sensitivity.STRONG,
                sensitivity.FINE,
                None,
                sensitivity.CONFLICT,
            ],
        }
        | {
            name: np.full(4, 1.5)
            for name in sensitivity.SENSITIVITY.names
            if name not in ("estimator", "component", "level", "diagnosis")
        },
    )
    strong, both = texts(cautions.of_sensitivity(found))
    assert strong.startswith("The prior decides much of the component machine (nutpie)")
    assert both.startswith("The prior has a say in the noise (nutpie)")
    assert "before the data 1.5 to 1.5" in both


def test_labels_that_look_alike_are_told_with_examples():
    labels = (("all",), ("B 1", "b1 ", "b2", "b\u00a02"), ("x", "X", "x1"))
    one, other = of_cells(crossed(4, 3), None, labels)
    assert '("B 1" and "b1 ", "b2" and "b\u00a02")' in one
    assert '("x" and "X"): each counts' in other
    plain = (("all",), ("a1", "a11", "a", "b-1"), ("1", "1.0", "01"))
    assert of_cells(crossed(4, 3), None, plain) == []


def test_large_tables_are_read_without_matrices_of_contributors():
    """3,000 x 1,000 contributors: their square would be 128 MB, their cube hours."""
    rng = np.random.default_rng(0)
    count = 200_000
    levels = Levels.of([1, 3000, 1000])
    contributors = np.stack(
        [
            np.zeros(count, int),
            np.concatenate([np.arange(3000), rng.integers(3000, size=count - 3000)]),
            rng.integers(1000, size=count),
        ],
        axis=1,
    )
    cells = Cells(
        levels, contributors, np.full(count, 2), np.zeros(count), np.ones(count)
    )
    assert cautions.of_cells(cells) == []
    assert "null_space" not in vars(cells)


def test_the_table_has_what_is_known_of_each_caution():
    batch, cask = np.repeat(np.arange(3), 8), np.repeat(np.arange(12), 2)
    found = cautions.of_cells(cells_of([batch, cask], NAMES))
    found.append(cautions.Caution(cautions.Kind.REMARK, "A remark.", "nutpie"))
    table = cautions.table(found)
    assert table.schema.equals(cautions.CAUTIONS, check_metadata=True)
    assert [(row["component"], row["other"]) for row in table.to_pylist()] == [
        ("cask", "Batch"),
        (None, None),
    ]
    assert table["estimator"].to_pylist() == [None, "nutpie"]
    assert table["text"].to_pylist() == texts(found)
    assert cautions.table([]).schema.equals(cautions.CAUTIONS)


def test_fits_that_are_not_to_be_trusted_are_told():
    rows = [
        {"estimator": "good", "converged": True},
        {"estimator": "bad", "converged": False, "criterion": "max_rhat 1.2"},
        {"estimator": "none", "converged": False, "error": "no memory"},
        {"estimator": "prior", "converged": True, "prior_conflict": "mu_sd of tool"},
        {"estimator": "odd", "converged": True, "remark": "took 3 attempts"},
    ]
    found = cautions.of_fits(pa.Table.from_pylist(rows, schema=FITS))
    assert [(one.kind, one.estimator) for one in found] == [
        (cautions.Kind.UNCONVERGED, "bad"),
        (cautions.Kind.FAILED, "none"),
        (cautions.Kind.PRIOR_CONTRADICTED, "prior"),
        (cautions.Kind.REMARK, "odd"),
    ]
    for one, word in zip(
        found, ["max_rhat 1.2", "no memory", "mu_sd of tool", "3 attempts"], strict=True
    ):
        assert word in one.text
