"""Estimates against the truth: scores, ranks, metrics, calibration."""
