"""All metrics by name, in the order of recovery.parquet: to import them lists them."""

from summands.recovery import metrics  # noqa: F401  isort: skip
from summands.recovery import decisions  # noqa: F401  isort: skip
from summands.recovery.registry import METRICS

__all__ = ["METRICS"]
