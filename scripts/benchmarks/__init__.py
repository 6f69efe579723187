"""Compare summands with other samplers, side by side in one run: ``make bench``."""
