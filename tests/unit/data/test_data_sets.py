"""What cells cannot tell is worked out once, and read by whoever asks."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from summands.data import data_sets, generator
from summands.data.design import Design
from summands.estimation import fitting
from summands.estimators import least_squares
from summands.model import estimands, indicators, information
from summands.model.cells import collapse
from summands.model.data_set import DataSet
from summands.model.levels import Levels

DESIGNS = {
    "one": Design(Levels.of([4]), 10),
    "gaps": Design(Levels.of([1, 3, 6]), 11),
    "whole": Design(Levels.of([2, 3]), 300),
}


def cells_of(design, replicate=0):
    truth = generator.draw_truth(design, 1, replicate)
    return collapse(generator.draw_rows(design, truth, 1, replicate))


def test_what_is_not_determined_reads_back_to_the_last_bit(tmp_path):
    path = tmp_path / "identification.parquet"
    data = {name: [cells_of(each, r) for r in (0, 1)] for name, each in DESIGNS.items()}
    tables = [
        data_sets.identification_table(cells, name, replicate)
        for name, of_design in data.items()
        for replicate, cells in enumerate(of_design)
    ]
    pq.write_table(pa.concat_tables(tables), path)
    read = data_sets.read_null_spaces(path)
    assert [*read] == [*DESIGNS]
    for name, of_design in data.items():
        for cells, null_space in zip(of_design, read[name], strict=True):
            assert null_space.tobytes() == cells.null_space.tobytes()
            assert null_space.shape == cells.null_space.shape
    lines = tables[2].to_pylist()
    identified = information.identified(data["gaps"][0])
    assert [line["identified"] for line in lines] == identified.tolist()
    assert [line["directions"] is not None for line in lines] == [
        line["parameter"] == "sigma" for line in lines
    ]


@settings(deadline=None)
@given(
    st.lists(st.integers(1, 5), min_size=1, max_size=4).map(Levels.of),
    st.integers(1, 60),
    st.integers(0, 1000),
)
def test_the_null_space_is_all_that_cells_cannot_tell(levels, rows, seed):
    cells = cells_of(Design(levels, rows), seed)
    z, null_space = cells.indicators, cells.null_space
    assert z @ null_space == pytest.approx(np.zeros((len(z), null_space.shape[1])))
    missing = null_space.shape[1]
    assert missing == levels.contributors - np.linalg.matrix_rank(z)
    assert null_space.T @ null_space == pytest.approx(np.eye(missing))


def test_it_is_worked_out_once_a_data_set(monkeypatch):
    """Not at all where it is known, though estimator and tables ask for it."""
    asked = []
    compute = indicators.null_space

    def counted(members, sizes):
        asked.append(sizes)
        return compute(members, sizes)

    monkeypatch.setattr(indicators, "null_space", counted)
    cells = cells_of(DESIGNS["gaps"])
    problem = DESIGNS["gaps"].problem()
    fits = [
        fitting.fit(least_squares.estimate, data_set, problem, {}, 0, progress=str)
        for data_set in (DataSet(cells), DataSet(cells_of(DESIGNS["gaps"])))
    ]
    assert len(asked) == 2
    known = DataSet(cells_of(DESIGNS["gaps"]), cells.null_space)
    fits.append(
        fitting.fit(least_squares.estimate, known, problem, {}, 0, progress=str)
    )
    assert len(asked) == 2
    mu = estimands.index(cells.levels).where("mu")
    assert not fits[0].identified[mu].all()
    for fit in fits[1:]:
        assert fit.estimate.tobytes() == fits[0].estimate.tobytes()
        assert (fit.identified == fits[0].identified).all()
