import re
from pathlib import Path

import numpy as np
import pytest
from arviz_stats.base import array_stats
from hypothesis import given, settings
from hypothesis import strategies as st

from summands.estimation.tables import FITS
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
