import numpy as np
import pytest

from benchmarks import contenders
from summands.data.design import Design
from summands.model import statement
from summands.model.cells import collapse
from summands.model.levels import Levels


def test_the_row_level_model_is_the_same_model():
    """What the benchmark compares with has the same density, up to a constant."""
    design = Design(Levels.of([1, 3]), 200)
    problem = design.problem()
    (rows,) = contenders.data_sets(design, 1)
    cells = collapse(rows)
    by_rows = contenders.row_level_model(problem, rows)
    by_cells = statement.build(problem, cells)
    tau = statement.information_scale(cells)
    one, other = (built.compile_logp(jacobian=False) for built in (by_rows, by_cells))
    rng = np.random.default_rng(0)
    points = []
    for _ in range(4):
        intercept, contrasts = rng.normal(), rng.normal(size=2)
        sigma = rng.lognormal(size=4)
        ratio = sigma**2 / tau
        shared = {"intercept": intercept, "mu_1_zerosum__": contrasts}
        row_point = shared | {"sigma_log__": np.log(sigma)}
        cell_point = shared | {
            "scaled_variance_softplus__": ratio + np.log(-np.expm1(-ratio))
        }
        # A density of sigma against one of sigma^2 / tau.
        points.append(
            (one(row_point), other(cell_point) + np.log(2 * sigma / tau).sum())
        )
    differences = np.diff(np.array(points), axis=0)
    assert differences[:, 0] == pytest.approx(differences[:, 1], rel=1e-8)


def test_contenders_get_the_same_data():
    design = contenders.DESIGNS["small"]
    first, again = (list(contenders.data_sets(design, 2)) for _ in range(2))
    for one, other in zip(first, again, strict=True):
        assert (one.value == other.value).all()
    assert not (first[0].value == first[1].value).any()
