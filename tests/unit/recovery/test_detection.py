"""From simulated rows to decisions: five percent are false alarms, and power grows."""

from functools import partial

import numpy as np
import pytest
from scipy import stats

from summands.data import generator
from summands.data.design import Design
from summands.data.truths import OneOff
from summands.estimation import fitting
from summands.estimation.results import Fit
from summands.estimators import least_squares, maximum_likelihood
from summands.model import cells, estimands, information
from summands.model.data_set import DataSet
from summands.model.levels import Levels
from summands.recovery import metrics_table

from ..stand_ins import score_of, tables_of

LEVELS = Levels.of([1, 5])
METHODS = {"least_squares": least_squares, "maximum_likelihood": maximum_likelihood}
OPTIONS = {
    name: {key: rule["default"] for key, rule in module.OPTIONS.items()}
    for name, module in METHODS.items()
}

# Of these, differences of shares are told from chance.
ERRORS = 3.5


def decided(truth, rows, replicates, change=lambda fit: fit):
    """Simulate, fit and measure: values and Monte-Carlo errors of metrics.

    By estimator, parameter and metric, on the data sets that all have fitted.
    """
    design = Design(LEVELS, rows, truth=truth)
    found = {name: [] for name in METHODS}
    truths, bounds = [], []
    for replicate in range(replicates):
        drawn = generator.draw_truth(design, 1, replicate)
        data = cells.collapse_blocks(generator.draw_blocks(design, drawn, 1, replicate))
        truths.append(
            estimands.evaluate_truth(LEVELS, drawn.intercept, drawn.mu, drawn.sigma)
        )
        bounds.append(information.standard_errors(data, drawn.sigma**2))
        for name, module in METHODS.items():
            fit = fitting.fit(
                module.estimate,
                DataSet(data),
                design.problem(),
                OPTIONS[name],
                0,
                progress=str,
            )
            assert fit.error is None
            found[name].append(change(fit))
    known = {"truth": np.stack(truths), "bound": np.stack(bounds)}
    scores = [score_of(known["truth"].shape[1]) for _ in range(replicates)]
    tables = {
        name: tables_of("d", name, LEVELS, fits, known, scores)
        for name, fits in found.items()
    }
    return {
        (row["estimator"], row["parameter"], row["metric"]): (row["value"], row["mcse"])
        for row in metrics_table.recovery("d", design, tables).to_pylist()
        if row["gate"] == "common" and row["level"] == 1 and row["contributor"] is None
    }


def narrowed(fit: Fit) -> Fit:
    """Make intervals half as wide."""
    fit.sd = fit.sd / 2
    for name in ("lower_50", "upper_50", "lower_95", "upper_95"):
        setattr(fit, name, fit.estimate + (getattr(fit, name) - fit.estimate) / 2)
    return fit


@pytest.fixture(scope="module")
def alike():
    return partial(decided, OneOff(), 1000, 400)


CASES = [(name, of) for name in METHODS for of in ("mu", "variance_contrast")]


def test_of_contributors_that_are_alike_five_percent_are_alarms(alike):
    found = alike()
    for case in CASES:
        value, error = found[*case, "false_alarm_rate"]
        assert abs(value - 0.05) < ERRORS * error, case
        assert error < 0.01
        family, error = found[*case, "familywise_error_rate"]
        assert family > 0.05 + ERRORS * error, case
        family, _ = found[*case, "familywise_error_rate_holm"]
        assert abs(family - 0.05) < ERRORS * np.sqrt(0.05 * 0.95 / 400), case
        assert (*case, "worst_detection_rate") not in found


def test_intervals_that_are_too_narrow_give_more(alike):
    found = alike(narrowed)
    for case in CASES:
        value, error = found[*case, "false_alarm_rate"]
        assert value > 0.05 + 5 * ERRORS * error, case
        # Of normal estimates whose errors are told half as large as they are.
        assert value == pytest.approx(0.327, abs=ERRORS * error), case
        family, error = found[*case, "familywise_error_rate_holm"]
        assert family > 0.05 + 5 * ERRORS * error, case


@pytest.mark.parametrize("of", ["mu", "variance_contrast"])
def test_power_grows_with_rows_and_with_what_is_off(of):
    replicates = 120

    def rates(size, rows):
        truth = OneOff(shift=size) if of == "mu" else OneOff(noise=1 + 3 * size)
        found = decided(truth, rows, replicates)
        shares = np.array(
            [found[name, of, "worst_detection_rate"][0] for name in METHODS]
        )
        if of == "mu":
            # Of a normal test: the one is off by 4/5 of its shift, in units of a row.
            expected = stats.norm.cdf(0.8 * size / np.sqrt(0.8 * 5 / rows) - 1.96)
            chance = np.sqrt(expected * (1 - expected) / replicates)
            assert shares == pytest.approx(expected, abs=ERRORS * chance + 0.01)
        return shares

    few, some, many = (rates(0.2, rows) for rows in (50, 300, 2000))
    small, large = rates(0.1, 300), rates(0.5, 300)
    for less, more in ((few, some), (some, many), (small, some), (some, large)):
        assert (less + 0.1 < more).all()
    assert (np.array([many, large]) > 0.9).all()
