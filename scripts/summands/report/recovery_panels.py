"""Panels of a recovery study, each made of what it needs of the study's tables."""

from __future__ import annotations

from dataclasses import replace

from summands.recovery import calibration
from summands.report import (
    design_panels,
    fit_panels,
    grid_panels,
    panels,
    plan_panels,
    power_panels,
    replicate_panels,
)
from summands.report.axes import Axis
from summands.report.reading import Tables
from summands.report.ridge_panel import Ridge

ERROR = Axis(
    "root mean squared error / total standard deviation (of variances: total variance)",
    "log",
    brief="error / total",
)


def truth(tables: Tables) -> panels.Scatter:
    """Set estimates against true values."""
    return panels.truth_against_estimate(tables.estimates(), tables.fits())


def ranks(tables: Tables) -> panels.Ranks:
    """Set the ranks of truths against what is expected."""
    several = len(tables.study.estimators) > 1
    return panels.ranks_by_design(tables.ranked(), calibration.LEVEL, several=several)


def metrics(
    tables: Tables, names: tuple[str, ...], axis: Axis
) -> design_panels.ByDesign:
    """Average metrics by design, and count the fits that did not converge."""
    panel = design_panels.metrics_by_design(
        tables.recovery(names), tables.sizes(), names, axis, tables.loose()
    )
    missed = ~tables.fits().set_index(["design", "estimator"])["converged"]
    counts = missed.groupby(level=[0, 1]).sum().rename("unconverged")
    told = panel.designs.merge(
        counts, left_on=["design", "estimator"], right_index=True, how="left"
    )
    return replace(panel, designs=told)


def convergence(tables: Tables) -> design_panels.ByDesign:
    """Tell by design how many fits converged."""
    return fit_panels.convergence(tables.fits(), tables.sizes())


def cost(tables: Tables) -> design_panels.ByDesign:
    """Tell by design how long a fit takes."""
    return fit_panels.cost(tables.fits(), tables.sizes())


def outcomes(tables: Tables) -> fit_panels.Outcomes:
    """Count how fits ended."""
    return fit_panels.outcomes(tables.whole("failures"))


def contraction(tables: Tables) -> replicate_panels.Contraction:
    """Set what posteriors learnt against how far off they are."""
    return replicate_panels.contraction(
        tables.estimates(), tables.fits(), tables.spreads(), tables.loose()
    )


def zipped(tables: Tables) -> replicate_panels.Zip:
    """Order intervals by how far they are from the truth."""
    return replicate_panels.zipped(tables.estimates())


def nested_loop(tables: Tables) -> grid_panels.Loop:
    """Run through the grid in nested loops."""
    designs = tables.by_design()
    errors = designs[designs["metric"] == "rmse_over_total"]
    factors = grid_panels.factors(tables.study.designs)
    return grid_panels.nested_loop(errors, factors, ERROR)


def heat(tables: Tables) -> grid_panels.Map:
    """Lay metrics over two factors of the grid."""
    factors = grid_panels.factors(tables.study.designs)
    return grid_panels.heat(tables.by_design(), factors)


def pooled(tables: Tables) -> grid_panels.Pool:
    """Average metrics over designs of like size."""
    return grid_panels.pooled(tables.by_design(), tables.classes(), tables.loose())


def plan(tables: Tables) -> plan_panels.Plan:
    """Set what fits reach beside the curves of a plan."""
    curves, needed = (tables.whole(name) for name in ("plan_curves", "rows_needed"))
    return plan_panels.plan(curves, needed, list(tables.study.estimators))


def power(tables: Tables) -> power_panels.Power:
    """Follow what is detected over rows."""
    return power_panels.power(
        tables.recovery(power_panels.METRICS), tables.study.designs
    )


def ridge(tables: Tables) -> Ridge:
    """Set one level's sigma against another's, of one data set."""
    return tables.ridge()
