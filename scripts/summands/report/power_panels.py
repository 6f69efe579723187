"""What the figure of power curves shows: detection over rows, and false alarms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from summands.data import mechanisms
from summands.data.design import Design
from summands.data.truths import OneOff
from summands.report import design_panels, grid_panels
from summands.report.axes import Axis
from summands.report.panels import present, together

DETECTED, ALARM = METRICS = ("worst_detection_rate", "false_alarm_rate")

OF_CURVE = ("size", "designs", "value", "lower", "upper")
CURVES = ("estimator", "parameter", "truth", "kind", *OF_CURVE)

# What points of a curve are shares of.
KINDS = {DETECTED: "detected", ALARM: "false alarm"}


@dataclass(frozen=True)
class Power:
    """How often what is off is detected, over the rows of a contributor.

    Parameters
    ----------
    curves : pandas.DataFrame
        Columns `CURVES`: of each ``truth`` of a parameter the mean ``value`` over so
        many ``designs``, with its Monte-Carlo interval. ``kind`` is of `KINDS`: the
        share of data sets in which the farthest from the average is detected, or, of
        truths in which nobody is, the share of contributors with a false alarm.
        ``size`` is the rows per contributor of the level.
    truths : tuple of str
        In the order of the study.
    axis : Axis
        Of the shares.
    sizes : Axis
        Of the rows.
    """

    curves: pd.DataFrame
    truths: tuple[str, ...]
    axis: Axis
    sizes: Axis


def power(recovery: pd.DataFrame, designs: Mapping[str, Design]) -> Power:
    """Follow what is detected over the rows of designs of the same truth.

    Parameters
    ----------
    recovery : pandas.DataFrame
        The table of that name, with `METRICS`; pooled rows of the gate "common" count.
    designs : mapping of str to Design
        Those with own coefficients are left out.

    Returns
    -------
    Power
    """
    gridded = {
        name: design for name, design in designs.items() if design.coefficients is None
    }
    some = recovery[recovery["design"].isin(gridded) & recovery["value"].notna()]
    told = {name: design.truth for name, design in gridded.items()}
    # Of a truth that is off at a given level the others tell false alarms alone.
    asked = {
        name: truth.level for name, truth in told.items() if isinstance(truth, OneOff)
    }
    where = some["design"].map(asked)
    some = some[where.isna() | (where == some["level"])]
    some = some.assign(
        size=[
            gridded[name].rows / gridded[name].levels.sizes[int(level)]
            for name, level in zip(some["design"], some["level"], strict=True)
        ]
    )
    keys = ["design", "estimator", "parameter", "metric"]
    sizes = np.exp(np.log(some["size"]).groupby([some[key] for key in keys]).mean())
    found = design_panels.metrics_by_design(some, {}, METRICS, Axis("")).designs
    found = found.drop(columns="size").merge(
        sizes.rename("size"), left_on=keys, right_index=True
    )
    found["truth"] = found["design"].map(
        {name: written(truth) for name, truth in told.items()}
    )
    found["rows"] = found["design"].map(
        {name: design.rows for name, design in gridded.items()}
    )
    truths = tuple(
        dict.fromkeys(
            found["truth"].iloc[
                np.argsort(found["design"].map([*gridded].index), kind="stable")
            ]
        )
    )
    return Power(
        _curves(found, truths),
        truths,
        Axis(
            "share of data sets in which the farthest is detected "
            "(hollow: of contributors, with a false alarm)",
            limits=(-0.03, 1.03),
            marks=(0.05,),
            brief="share",
        ),
        Axis("rows per contributor of the level", "log"),
    )


def written(truth: str | OneOff) -> str:
    """Say of a truth what differs, as a legend does."""
    if isinstance(truth, str):
        return truth
    told = dict(truth.written["one_off"])
    told.pop("level", None)
    if not told:
        return "all alike"
    return ", ".join(
        f"{name} {mechanisms.shown(value)}" for name, value in told.items()
    )


def _curves(found: pd.DataFrame, truths: Sequence[str]) -> pd.DataFrame:
    parts = []
    for parameter in present(found):
        of_parameter = found[found["parameter"] == parameter]
        for (estimator, truth), part in of_parameter.groupby(
            ["estimator", "truth"], sort=False
        ):
            metric = DETECTED if (part["metric"] == DETECTED).any() else ALARM
            records = [
                (
                    float(np.exp(np.log(here["size"]).mean())),
                    len(here),
                    *grid_panels.mean_over_designs(here, log=False),
                )
                for _, here in part[part["metric"] == metric].groupby("rows")
            ]
            parts.append(
                pd.DataFrame(records, columns=list(OF_CURVE)).assign(
                    estimator=str(estimator),
                    parameter=parameter,
                    truth=str(truth),
                    kind=KINDS[metric],
                )
            )
    curves = together(parts, CURVES)
    order = curves["truth"].map([*truths].index) if len(curves) else curves["truth"]
    return curves.iloc[np.argsort(order, kind="stable")].reset_index(drop=True)
