"""What the figures of an observed table show, as plain data.

A panel is made of final tables, by name, and of a study; contributors are called by
what a figure has room for, and no two of a level alike.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from summands.decomposition import gauge
from summands.recovery.held import NOMINAL
from summands.report import doubts, labels
from summands.report.axes import Axis
from summands.report.findings import Frames
from summands.study.study import Study

# Contributors of a level that are shown, at most: those that stand out.
SHOWN = 30

# Letters of each label of a pair.
OF_PAIR = 14

POINTS = (
    "level",
    "facet",
    "row",
    "estimator",
    "estimate",
    "lower",
    "upper",
    "raw",
    "beware",
)

PARAMETERS = {"mu": "mean", "sigma": "noise (sd)"}

# What a check is shown of.
HELD = {"mu": "mean", "variance_contrast": "variance"}

# The axis of its shares begins here, in percent, or lower.
FLOOR = pd.Series([85.0])


@dataclass(frozen=True)
class Forest:
    """Estimates with intervals, one under the other, in facets.

    Parameters
    ----------
    points : pandas.DataFrame
        Columns `POINTS` and those of `more`; rows of a facet from top to bottom.
        ``level`` is what a choice of levels goes by. ``lower``, ``upper`` and ``raw``,
        what the rows alone say, may be NaN; ``beware`` is empty where all is well.
    axis : Axis
        Of the estimates.
    rows : str
        What the rows are.
    estimators : sequence of str
        Those of the study, in its order, which gives them their colours.
    left_out : mapping of str to int
        Rows that are not shown, by facet.
    raw : str
        What the raw points are; empty where there are none.
    more : mapping of str to str
        Other columns that a table of the points has, with what they are called.
    """

    points: pd.DataFrame
    axis: Axis
    rows: str = "contributor"
    estimators: Sequence[str] = ()
    left_out: Mapping[str, int] = field(default_factory=dict)
    raw: str = ""
    more: Mapping[str, str] = field(default_factory=dict)


def shares(frames: Frames, study: Study) -> Forest:
    """Take the share of the variance of each component and estimator."""
    known = frames["components"]
    known = known[known["share"].notna()]
    points = pd.DataFrame(
        {
            "level": None,
            "facet": "",
            "row": labels.of_components(known, study),
            "estimator": known["estimator"],
            "estimate": 100 * known["share"],
            "lower": 100 * known["share_lower_95"],
            "upper": 100 * known["share_upper_95"],
            "raw": np.nan,
            "beware": [
                doubts.of_component(row, frames) for row in known.to_dict("records")
            ],
            "sd": known["sd"],
            "sd_lower": known["sd_lower_95"],
            "sd_upper": known["sd_upper_95"],
        }
    )
    return Forest(
        points,
        Axis("share of the variance, %", limits=(-2.0, 102.0)),
        "component",
        list(study.estimators),
        more={"sd": "sd", "sd_lower": "sd from", "sd_upper": "sd to"},
    )


def means(frames: Frames, study: Study) -> Forest:
    """Take the mean of each contributor, beside what its rows say."""
    found = frames["shrinkage"]
    assert study.observed is not None
    value = labels.short(study.observed.source.value)
    points = pd.DataFrame(
        {
            "estimate": found["mu"],
            "lower": found["lower_95"],
            "upper": found["upper_95"],
            "raw": found["least_squares"],
            "deviation": found["deviation"],
            "rows": found["rows"],
        }
    )
    return _outstanding(
        Forest(
            _named(points, found, frames, study, "mu"),
            Axis(f"{value}, less the mean over the level"),
            estimators=list(study.estimators),
            raw="least squares",
            more={"deviation": "average of its rows, less that of all", "rows": "rows"},
        )
    )


def noise(frames: Frames, study: Study) -> Forest:
    """Take the variance contrast of each contributor."""
    found = frames["estimates"]
    found = found[
        (found["parameter"] == "variance_contrast") & found["estimate"].notna()
    ]
    # A contributor alone in its level has none, nor has one noise for all rows.
    alone = found.groupby("level")["contributor"].transform("max") == 0
    alike = found.groupby("estimator")["sd"].transform("max") == 0
    found = found[~alone & ~alike]
    keys = ["estimator", "level", "contributor"]
    scatter = found[keys].merge(frames["scatter"], "left", keys)
    points = pd.DataFrame(
        {
            "estimate": found["estimate"],
            "lower": found["lower_95"],
            "upper": found["upper_95"],
            "raw": np.nan,
            "sd": scatter["sd"].to_numpy(),
            "others": scatter["others_sd"].to_numpy(),
        }
    )
    return _outstanding(
        Forest(
            _named(points, found, frames, study, "variance_contrast"),
            Axis("variance, less the mean over the level"),
            estimators=list(study.estimators),
            more={"sd": "sd of rows with it", "others": "with the others"},
        )
    )


def differences(frames: Frames, study: Study) -> Forest:
    """Take the differences between the contributors of a level, pair by pair."""
    found = frames["differences"]
    names = labels.of_contributors(frames, OF_PAIR)
    by_prior = doubts.by_prior(frames)
    level = found["level"].map(labels.by_level(study))
    first, second = (
        list(
            zip(
                found["estimator"],
                found["parameter"],
                found["level"],
                found[column],
                strict=True,
            )
        )
        for column in ("contributor", "other")
    )
    points = pd.DataFrame(
        {
            "level": level,
            "facet": level + ": " + found["parameter"].map(PARAMETERS),
            "row": [
                f"{names[one[2:]]} less {names[other[2:]]}"
                for one, other in zip(first, second, strict=True)
            ],
            "estimator": found["estimator"],
            "estimate": found["estimate"],
            "lower": found["lower_95"],
            "upper": found["upper_95"],
            "raw": np.nan,
            "beware": doubts.joined(
                [
                    doubts.BY_PRIOR * (one in by_prior or other in by_prior)
                    for one, other in zip(first, second, strict=True)
                ],
                doubts.of_fits(found, frames),
            ),
            "probability": found["probability"],
        }
    )
    assert study.observed is not None
    return _outstanding(
        Forest(
            points,
            Axis(f"difference in {labels.short(study.observed.source.value)}"),
            "pair",
            list(study.estimators),
            more={"probability": "probability that the first is larger"},
        )
    )


def gauge_study(frames: Frames, study: Study) -> Forest:
    """Take what each source owns of the total standard deviation."""
    found = frames["gauge"]
    points = pd.DataFrame(
        {
            "level": None,
            "facet": "",
            "row": found["source"],
            "estimator": found["estimator"],
            "estimate": found["study_variation"],
            "lower": found["study_variation_lower_95"],
            "upper": found["study_variation_upper_95"],
            "raw": np.nan,
            "beware": doubts.of_fits(found, frames),
            "sd": found["sd"],
            "tolerance": found["tolerance_share"],
        }
    )
    others = found["source"] != gauge.SOURCES[-1]
    points = points[others & points["estimate"].notna()]
    return Forest(
        points,
        Axis("% of the total standard deviation", limits=(-2.0, 102.0)),
        "source",
        list(study.estimators),
        more={"sd": "sd", "tolerance": "% of the tolerance"},
    )


def variants(frames: Frames, study: Study) -> Forest:
    """Take how far each variant is behind the one that predicts left-out rows best."""
    found = frames["comparison"]
    half = 1.96 * found["difference_se"].where(found["difference"] != 0)
    trusted = found["pareto_k_over_0_7"] == 0
    points = pd.DataFrame(
        {
            "level": None,
            "facet": "",
            "row": found["estimator"].map(labels.short),
            "estimator": found["estimator"],
            "estimate": found["difference"],
            "lower": found["difference"] - half,
            "upper": found["difference"] + half,
            "raw": np.nan,
            "beware": doubts.joined(
                np.where(trusted, "", "not sure for some rows"),
                doubts.of_fits(found, frames),
            ),
            "elpd": found["elpd_loo"],
            "unsure": found["pareto_k_over_0_7"],
        }
    )
    return Forest(
        points,
        Axis("log density of left-out rows, less that of the best"),
        "variant",
        list(study.estimators),
        more={"elpd": "log density (elpd)", "unsure": "rows not sure"},
    )


def held(frames: Frames, study: Study) -> Forest:
    """Take how often the intervals of each contributor held the truth, in a check."""
    found = frames["recovery"]
    found = found[
        (found["metric"] == "coverage_95")
        & (found["gate"] == "all")
        & found["contributor"].notna()
        & found["parameter"].isin(HELD)
    ]
    level = found["level"].map(labels.by_level(study))
    points = pd.DataFrame(
        {
            "level": level,
            "facet": level + ": " + found["parameter"].map(HELD),
            "row": labels.of_rows(found, frames),
            "estimator": found["estimator"],
            "estimate": 100 * found["value"],
            "lower": 100 * found["lower"],
            "upper": 100 * found["upper"],
            "raw": np.nan,
            "beware": doubts.of_fits(found, frames),
            "replicates": found["replicates"],
        }
    )
    lowest = pd.concat([points["lower"], points["estimate"], FLOOR]).min()
    return _outstanding(
        Forest(
            points,
            Axis(
                "tables whose 95 % interval held the truth, %",
                limits=(float(lowest) - 1.0, 100.5),
                marks=(100 * NOMINAL,),
            ),
            estimators=list(study.estimators),
            more={"replicates": "tables"},
        )
    )


def _named(
    points: pd.DataFrame,
    found: pd.DataFrame,
    frames: Frames,
    study: Study,
    parameter: str,
) -> pd.DataFrame:
    """Say whose the points are, and what to beware of in them."""
    level = found["level"].map(labels.by_level(study))
    return points.assign(
        level=level,
        facet=level,
        row=labels.of_rows(found, frames),
        estimator=found["estimator"],
        beware=doubts.of_contributors(found, frames, parameter),
    )


def _outstanding(forest: Forest) -> Forest:
    """Order the rows of each facet, and keep the first and the last."""
    kept, left_out = [], {}
    known = forest.points[forest.points["estimate"].notna()]
    for facet, mine in known.groupby("facet", sort=False):
        middle = mine.groupby("row", sort=False)["estimate"].mean()
        order = middle.sort_values(ascending=False, kind="stable").index
        if len(order) > SHOWN:
            left_out[str(facet)] = len(order) - SHOWN
            order = order[: SHOWN // 2].append(order[-(SHOWN // 2) :])
        place = pd.Series(range(len(order)), index=order)
        chosen = mine[mine["row"].isin(order)]
        by_place = chosen["row"].map(place).sort_values(kind="stable").index
        kept.append(chosen.loc[by_place])
    points = pd.concat(kept) if kept else known
    return replace(forest, points=points[[*POINTS, *forest.more]], left_out=left_out)
