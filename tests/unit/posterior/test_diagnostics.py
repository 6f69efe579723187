import itertools
import re
from pathlib import Path

import numpy as np
import pytest
from arviz_stats.base import array_stats
from hypothesis import given, settings
from hypothesis import strategies as st

from summands.estimation.tables import FITS
from summands.model import estimands
from summands.model.levels import Levels
from summands.posterior import diagnostics
from summands.posterior.convergence import MAX_RHAT, MIN_EBFMI, MIN_ESS


@settings(deadline=None, max_examples=80)
@given(
    st.integers(2, 5),
    st.integers(10, 600),
    st.floats(-0.9, 0.995),
    st.sampled_from(["normal", "cauchy", "rounded", "shifted", "constant"]),
    st.integers(0, 10**6),
)
def test_diagnostics_are_those_of_arviz(chains, draws, memory, kind, seed):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(3, chains, draws))
    for t in range(1, draws):
        x[:, :, t] += memory * x[:, :, t - 1]
    if kind == "cauchy":
        x = np.tan(np.arctan(x) * 0.99)
    elif kind == "rounded":
        x = np.round(x)
    elif kind == "shifted":
        x += 1e6 + np.arange(chains)[None, :, None]
    elif kind == "constant":
        x[0] = 1.0
    with np.errstate(all="ignore"):
        expected = (
            array_stats.rhat(x, method="rank"),
            array_stats.ess(x, method="bulk"),
            array_stats.ess(x, method="tail", prob=(0.05, 0.95)),
        )
        found = diagnostics.mixing(x)
    for mine, other in zip(found, expected, strict=True):
        assert mine == pytest.approx(other, rel=1e-7, nan_ok=True)


def test_the_limits_are_those_that_tables_and_pages_tell():
    told = FITS.field("converged").metadata[b"description"].decode()
    page = (Path(__file__).parents[3] / "docs" / "estimators.md").read_text()
    for text in (told, " ".join(page.split())):
        for limit in (MAX_RHAT, f"{MIN_ESS:g}", MIN_EBFMI):
            assert re.search(rf"(?<![\d.]){re.escape(str(limit))}(?![\d])", text), limit


def diagnosed(rhat=1.0, bulk=1e4, tail=1e4, divergences=0, ebfmi=1.0):
    """Of a constant, whose diagnostics do not exist, and of two more quantities."""
    return diagnostics.Diagnostics(
        np.array([np.nan, 1.0, rhat]),
        np.array([np.nan, bulk, 1e4]),
        np.array([np.nan, 1e4, tail]),
        divergences,
        ebfmi,
    )


def test_draws_pass_up_to_the_published_limits_and_not_beyond():
    """R-hat below 1.01 and sizes of 400 (Vehtari et al. 2021), E-BFMI of 0.3."""
    near = 1e-9
    assert diagnosed(rhat=1.01 - near).criterion is None
    assert diagnosed(rhat=1.01).criterion == "max_rhat 1.01 >= 1.01"
    assert diagnosed(rhat=1.01 + near).criterion == "max_rhat 1.011 >= 1.01"
    assert diagnosed(bulk=400.0).converged
    assert diagnosed(bulk=400.0 - near).criterion == "min_ess_bulk 399 < 400"
    assert diagnosed(tail=400.0).converged
    assert diagnosed(tail=400.0 - near).criterion == "min_ess_tail 399 < 400"
    assert diagnosed(divergences=1).criterion == "divergences 1 > 0"
    assert diagnosed(ebfmi=0.3).converged
    assert diagnosed(ebfmi=0.3 - near).criterion == "min_ebfmi 0.299 < 0.3"
    for broken in ({"rhat": np.inf}, {"ebfmi": np.nan}):
        assert not diagnosed(**broken).converged
    everything = diagnosed(1.5, 3.0, 2.0, 4, 0.1).criterion
    assert everything.count(";") == 4


def test_ebfmi_is_its_definition():
    energy = np.random.default_rng(0).normal(size=(2, 50)).cumsum(axis=1)
    for chain, found in zip(energy, diagnostics.ebfmi(energy), strict=True):
        moved = np.mean([(b - a) ** 2 for a, b in itertools.pairwise(chain)])
        assert found == pytest.approx(moved / np.mean((chain - chain.mean()) ** 2))


def test_a_fit_has_the_diagnostics_of_its_quantities():
    levels = Levels.of([1, 2])
    rng = np.random.default_rng(0)
    intercept, sigma = rng.normal(size=(4, 200)), rng.lognormal(size=(4, 200, 3))
    mu = levels.centre(rng.normal(size=(4, 200, 3)).cumsum(axis=1))
    values = estimands.evaluate(levels, intercept, mu, sigma)
    diverging = np.zeros((4, 200), bool)
    diverging[1, :3] = True
    energy = rng.normal(size=(4, 200)).cumsum(axis=1)
    found = diagnostics.diagnose(
        levels, values, {"diverging": diverging, "energy": energy}
    )
    varies = ~estimands.constant(levels)
    expected = diagnostics.mixing(np.moveaxis(values[..., varies], -1, 0).copy())
    for name, numbers in zip(("rhat", "ess_bulk", "ess_tail"), expected, strict=True):
        assert getattr(found, name)[varies] == pytest.approx(numbers)
        assert np.isnan(getattr(found, name)[~varies]).all()
    assert not varies.all()
    assert found.divergences == 3
    assert found.min_ebfmi == diagnostics.ebfmi(energy).min()
    # What ought to vary and does not is no sign of convergence.
    values[..., 0] = 1.0
    stuck = diagnostics.diagnose(
        levels, values, {"diverging": diverging, "energy": energy}
    )
    assert stuck.rhat[0] == np.inf
