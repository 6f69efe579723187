"""Columns of the tables of recovery and of calibration."""

from __future__ import annotations

import pyarrow as pa

from summands.files.columns import schema

RECOVERY = schema(
    ("design", pa.string(), "id of the design"),
    ("estimator", pa.string(), "name of the estimator"),
    ("parameter", pa.string(), "as in estimates.parquet"),
    ("level", pa.int32(), "level, or null"),
    (
        "contributor",
        pa.int32(),
        "contributor within the level, where it is the same in all replicates; null: "
        "all contributors of the level, or none",
    ),
    ("level_name", pa.string(), "what the level is called, or null"),
    ("label", pa.string(), "what the contributor is called, or null"),
    ("metric", pa.string(), "name of the metric"),
    ("value", pa.float64(), "its value"),
    (
        "mcse",
        pa.float64(),
        "its Monte-Carlo standard error (jackknife over replicates); null for a "
        "single replicate, and for a share of exactly 0 or 1",
    ),
    (
        "lower",
        pa.float64(),
        "lower end of its 95 % Monte-Carlo interval (Wilson's for shares); null for a "
        "single replicate",
    ),
    ("upper", pa.float64(), "upper end of that interval"),
    (
        "largest_share",
        pa.float64(),
        "share of the largest replicate in the metric's sum: above 0.2 the value is "
        "that of one replicate; null for shares such as coverage",
    ),
    (
        "worst",
        pa.float64(),
        "worst value of a contributor of the level (errors: the largest; biases: the "
        "largest without its sign; coverage: the farthest from the nominal; rates of "
        "success: the smallest); null where the truth is drawn from the prior, and for "
        "levels of one",
    ),
    ("worst_contributor", pa.int32(), "the contributor that has it"),
    ("worst_label", pa.string(), "what that is called"),
    ("replicates", pa.int32(), "replicates that it rests on"),
    (
        "gate",
        pa.string(),
        "all: every fit; converged: those that converged; common: replicates that all "
        "estimators of the study fitted, of those that give the parameter at all",
    ),
)

CALIBRATION = schema(
    ("design", pa.string(), "id of the design"),
    ("estimator", pa.string(), "name of the estimator"),
    ("parameter", pa.string(), "as in estimates.parquet, or log_likelihood"),
    ("replicates", pa.int32(), "truths that were ranked"),
    ("rank_of", pa.int32(), "draws that each was ranked among"),
    ("quantities", pa.int32(), "contributors of all levels that were ranked"),
    (
        "p_value",
        pa.float64(),
        "smallest p-value of a test that a quantity's ranks are uniform; null where "
        "there is no verdict",
    ),
    (
        "p_adjusted",
        pa.float64(),
        "the same, adjusted by Holm's method for all quantities of the design",
    ),
    ("calibrated", pa.bool_(), "whether p_adjusted is at least 0.01"),
    (
        "verdict",
        pa.string(),
        "passed, if that holds for every parameter, failed, or not testable, where "
        "truths are not drawn from the prior, or data not from the model",
    ),
    ("reason", pa.string(), "why there is no verdict, else null"),
)
