"""Records that hand data to compiled code."""

import gc

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from summands.posterior import coordinates, density
from summands.posterior.records import ALIGNMENT, ARRAY, pack, table, vector
from tests.unit.posterior.test_engine import data_set

# Neither the fields nor their order are those of the density.
KIND = np.dtype(
    [
        ("flag", np.bool_),
        ("integers", ARRAY),
        ("number", np.float64),
        ("floats", ARRAY),
        ("count", np.int64),
        ("line", ARRAY),
    ],
    align=True,
)


@numba.njit
def read(record):
    data = record[0]
    return (
        data.flag,
        table(data.integers, np.int64).copy(),
        data.number,
        table(data.floats, np.float64).copy(),
        data.count,
        vector(data.line, np.float64).copy(),
    )


shapes = st.tuples(st.integers(0, 20), st.integers(0, 20))


@pytest.mark.slow
@settings(deadline=None)
@given(
    st.booleans(),
    arrays.arrays(np.int64, shapes),
    st.floats(allow_nan=False),
    arrays.arrays(np.float64, shapes, elements=st.floats(allow_nan=False)),
    st.integers(-(2**63), 2**63 - 1),
    arrays.arrays(np.float64, st.integers(0, 20), elements=st.floats(allow_nan=False)),
)
def test_compiled_code_reads_what_was_packed(
    flag, integers, number, floats, count, line
):
    values = {
        "count": count,
        "flag": flag,
        "floats": np.asfortranarray(floats),
        "integers": integers,
        "line": np.repeat(line, 2)[::2],
        "number": number,
    }
    record = pack(KIND, **values)
    # The record has copies, and it alone keeps them alive.
    del values
    gc.collect()
    for found, expected in zip(
        read(record), (flag, integers, number, floats, count, line), strict=True
    ):
        assert np.shape(found) == np.shape(expected)
        assert np.array_equal(found, expected)
    for name in ("integers", "floats", "line"):
        assert record[name]["address"] % ALIGNMENT == 0


def test_a_field_without_a_value_and_a_value_without_a_field_are_refused():
    kind = np.dtype([("one", np.float64), ("other", np.float64)])
    pack(kind, one=1.0, other=2.0)
    for values in ({"one": 1.0}, {"one": 1.0, "other": 2.0, "third": 3.0}):
        with pytest.raises(AssertionError):
            pack(kind, **values)


def test_one_compiled_density_serves_every_design():
    for sizes, rows in (([1, 2], 40), ([2, 3, 5, 10], 3000)):
        problem, cells = data_set(sizes, rows)
        for kind in coordinates.KINDS:
            chosen = coordinates.fit(problem, cells, kind)
            z = np.zeros(chosen.dimension)
            density.log_density(z, np.empty_like(z), chosen.packed(problem, cells))
    assert len(density.log_density.signatures) == 1
