"""The summary of an observed table claims what its tables say, and no more."""

import numpy as np
import pyarrow as pa
import pytest

from summands.data.table_data import Counts
from summands.decomposition import components, ranking, scatter
from summands.estimation.results import Scales
from summands.estimation.tables import ESTIMATES, FITS
from summands.model.cells import collapse
from summands.model.levels import Levels
from summands.model.rows import Rows
from summands.report import answer
from summands.study import answers, study
from tests.unit.decomposition.stand_ins import draws_of

LEVELS = Levels((1, 3), ("baseline", "tool"), (("all",), ("A", "B", "C")))


def empty(name):
    return answers.SCHEMAS[name].empty_table()


def of_schema(schema, rows):
    return pa.Table.from_pylist(
        [{name: row.get(name) for name in schema.names} for row in rows], schema
    )


def tables(*, mu_sd, identified=True, name="nutpie", mu=(2.0, 0.0, -2.0)):
    """The answer where B is noisy, and A high."""
    rng = np.random.default_rng(3)
    shape = (4, 250)
    mine = np.array([0.0, *mu]) + rng.normal(0, 0.01, (*shape, 4)) * [0, 1, 1, 1]
    sigma = np.array([0.0, 1.0, 5.0, 2.0]) * rng.lognormal(0, 0.01, (*shape, 4))
    scales = Scales(np.stack([np.zeros(shape), mu_sd(rng, shape)], axis=-1))
    draws = draws_of(LEVELS, np.zeros(shape), LEVELS.centre(mine), sigma, scales)
    picked = np.tile(np.arange(3), 8)
    cells = collapse(Rows(LEVELS, picked * 1.0, (0 * picked, picked)))
    variance = (sigma**2).mean(axis=(0, 1))[1:]
    estimates = [
        {
            "estimator": name,
            "parameter": parameter,
            "level": 1,
            "level_name": "tool",
            "contributor": k,
            "label": label,
            "estimate": value[k] if name == "nutpie" else None,
            "lower_95": value[k] - 1,
            "upper_95": value[k] + 1,
            "identified": identified,
        }
        for parameter, value in (
            ("mu", mu),
            ("variance_contrast", variance - variance.mean()),
        )
        for k, label in enumerate("ABC")
    ]
    fits = [{"estimator": name, "converged": True, "seconds": 1.0}]
    found = {key: empty(key) for key in ("comparison", "cautions")}
    if name != "nutpie":
        found |= {key: empty(key) for key in ("components", "ranking", "scatter")}
    else:
        found |= {
            "components": components.of_draws(name, draws, cells),
            "ranking": ranking.of_draws(name, draws, LEVELS),
            "scatter": scatter.of_draws(name, draws, cells),
        }
    return found | {
        "estimates": of_schema(ESTIMATES, estimates),
        "fits": of_schema(FITS, fits),
    }


def told(found):
    (name,) = found["fits"]["estimator"].to_pylist()
    checked = study.load(
        {
            "study": "s",
            "observed": {"table": "t.csv", "value": "x", "levels": ["tool"]},
            "estimators": {name: {}},
        }
    )
    return answer.text(checked, LEVELS, Counts(24, 0, 0, {}, True), found)


def clear(rng, shape):
    return rng.lognormal(0.5, 0.1, shape)


def perhaps_nothing(rng, shape):
    return np.abs(rng.normal(size=shape))


def test_noise_is_told_as_standard_deviations():
    found = tables(mu_sd=clear)
    text = told(found)
    assert "  tool\n    highest   A, probability 1.00: +2 (1 to 3)\n" in text
    (row,) = (row for row in found["scatter"].to_pylist() if row["label"] == "B")
    assert row["sd"] == pytest.approx(5.0, rel=0.01)
    assert row["others_sd"] == pytest.approx(np.sqrt(2.5), rel=0.01)
    assert (
        "    noisiest  B, probability 1.00: its variance less the mean of its level "
        in text
    )
    assert (
        f"\n              rows with it scatter with sd {row['sd']:.4g} "
        f"({row['sd_lower_95']:.4g} to {row['sd_upper_95']:.4g}), "
        f"with the others {row['others_sd']:.4g}\n" in text
    )


def test_of_a_level_that_may_shift_nothing_nobody_is_named():
    """Its noise is another matter."""
    text = told(tables(mu_sd=perhaps_nothing))
    assert "highest   not clear, perhaps none is: A 1.00, B 0.00, C 0.00" in text
    assert "lowest    not clear, perhaps none is: C 1.00" in text
    assert "noisiest  B, probability 1.00" in text


def test_what_rests_on_the_prior_is_said_to():
    text = told(tables(mu_sd=clear, identified=False))
    assert "  tool, as far as the prior tells it from other levels\n" in text


def test_nothing_is_said_to_be_in_a_table_that_has_it_not():
    found = tables(mu_sd=clear, name="maximum_likelihood", identified=False)
    text = " ".join(told(found).split())
    assert "and this study has none (nutpie is one); the data alone do not" in text
    assert "do not determine those of tool." in text
    assert "shrinkage.parquet" not in text
