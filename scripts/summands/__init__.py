"""Simulate multilevel sums, fit them, and measure how well the truth is recovered.

A package a step, each of which imports none but those before it:

``files``
    whole or not at all; locks, logs, digests, the manifest
``model``
    levels, rows, cells, priors, estimands, what data can tell, the model in PyMC
``data``
    designs, seeds, the generator, files of data sets
``posterior``
    the compiled density, its mode, coordinates, the sampler, its diagnostics
``estimation``
    running an estimator, its results, tables of estimates and fits, files of draws
``estimators``
    one module an estimator
``recovery``
    what needs a truth: scores, ranks, metrics, calibration
``decomposition``
    what fits of one observed table say: components, ranking, checks, warnings
``study``
    the study file, its checks, jobs and costs, the final tables
``report``
    figures, summary, page, protocol, generated pages
"""
