"""Simulate multilevel sums, fit them, and measure how well the truth is recovered.

Data flow one way: ``study`` -> ``design`` -> rows (``simulate``) -> ``cells`` ->
estimates (``estimators``, ``fitting``) -> ``recovery`` -> report (``figures``).
"""
