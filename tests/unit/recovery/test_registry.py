"""What a metric is, beside its formula."""

import numpy as np
import pytest

from summands.recovery import catalogue, registry


def test_the_worst_is_the_farthest_from_what_a_metric_should_be():
    values = np.array([-0.3, 0.2, 0.6, 0.9])
    for badness, worst in (
        (registry.largest, 0.9),
        (registry.smallest, -0.3),
        (registry.from_zero, 0.9),
        (registry.FromNominal(0.5), -0.3),
        (registry.FromNominal(0.1), 0.9),
    ):
        assert values[badness(values).argmax()] == worst


@pytest.mark.parametrize("level", [50, 95])
def test_a_coverage_is_best_at_its_own_level(level):
    assert catalogue.METRICS is registry.METRICS
    badness = registry.METRICS[f"coverage_{level}"].badness
    values = np.linspace(0, 1, 101)
    assert values[badness(values).argmin()] == pytest.approx(level / 100)
    assert badness(np.array([level / 100])) == pytest.approx(0)
