import pytest

from summands.data.design import Design
from summands.model.levels import Levels
from summands.recovery import pooling


def recovered(value, **more):
    """A row of recovery.parquet as the pooling reads it."""
    return {
        "value": value,
        "lower": None,
        "upper": None,
        "largest_share": None,
        "level_name": "tool",
        "worst": None,
        "worst_label": None,
    } | more


def test_ratios_have_a_geometric_mean_and_tell_what_one_replicate_carries():
    ratio = pooling.Pooled(logarithmic=True)
    assert ratio.mean() is None
    ratio.add([recovered(1.0), recovered(4.0)])
    assert ratio.mean() == pytest.approx(2.0)
    assert not ratio.carried
    ratio.add([recovered(8.0, largest_share=0.21), recovered(0.0)])
    assert ratio.mean() == pytest.approx(4.0)
    assert ratio.carried


def test_shares_have_an_interval_and_a_worst_contributor():
    share = pooling.Pooled(logarithmic=False)
    assert share.mean() is share.interval() is share.worst is None
    share.add([recovered(0.9, lower=0.84, upper=0.94, worst=0.8, worst_label="c")])
    share.add([recovered(1.0, lower=0.92, upper=1.0, worst=1.0, worst_label="a")])
    assert share.mean() == pytest.approx(0.95)
    # Half of the root of 0.06^2 + 0.08^2, and of 0.04^2 + 0.
    assert share.interval() == pytest.approx((0.90, 0.97))
    assert (share.worst, share.whose) == (0.8, ("tool", "c"))


def test_the_interval_of_a_share_ends_at_none_and_all():
    share = pooling.Pooled(logarithmic=False)
    share.add([recovered(0.99, lower=0.2, upper=1.3)])
    assert share.interval()[1] == 1.0
    share = pooling.Pooled(logarithmic=False)
    share.add([recovered(0.01, lower=-0.2, upper=0.3)])
    assert share.interval()[0] == 0.0


@pytest.mark.parametrize(
    ("rows", "size"), [(60, 0), (62, 1), (200, 1), (2000, 3), (2002, 4)]
)
def test_designs_are_pooled_with_those_of_like_size(rows, size):
    assert pooling.size_class(Design(Levels.of([1, 1]), rows)) == size
