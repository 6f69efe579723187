"""What unit tests share."""

import pytest

from summands.recovery import rows_needed


@pytest.fixture
def few_truths(monkeypatch):
    """Plans from a few truths: for tests that read them and ask for no number."""
    monkeypatch.setattr(rows_needed, "TRUTHS", 4)
    monkeypatch.setattr(rows_needed, "FEW", 4)
