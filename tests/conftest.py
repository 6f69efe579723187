"""Make property tests draw the same examples in every run, so failures repeat."""

from hypothesis import settings

settings.register_profile("repeatable", derandomize=True)
settings.load_profile("repeatable")
