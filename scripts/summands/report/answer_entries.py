"""The figures of an observed table; see `registry`."""

from __future__ import annotations

from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any

from summands.report.entries import Entry

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from summands.report.page.content import Chart
    from summands.report.reading import Tables
    from summands.study.study import Study


def _panel(where: tuple[str, str], needs: tuple[str, ...], tables: Tables) -> Any:
    module, name = where
    make = getattr(import_module(f"summands.report.{module}"), name)
    return make({table: tables.whole(table) for table in needs}, tables.study)


def _draw(form: str, panel: Any) -> Figure:
    from summands.report import answer_figures

    figure: Figure = getattr(answer_figures, form)(panel)
    return figure


def _chart(form: str, panel: Any, entry: Entry, estimators: list[str]) -> Chart:
    from summands.report.page import answer_charts

    chart: Chart = getattr(answer_charts, form)(panel, entry)
    return chart


def _of_table(
    name: str,
    shows: str,
    panel: tuple[str, str],
    form: str,
    needs: tuple[str, ...],
    filters: tuple[tuple[str, str, Any], ...] = (),
    condition: Any = None,
) -> Entry:
    """Enter a figure.

    Parameters
    ----------
    name, shows, needs, filters, condition
        As of `Entry`.
    panel : (str, str)
        Module of the report and its function that makes the panel of final tables, by
        name, and of the study.
    form : str
        Name of the functions that draw it, in `answer_figures` and `answer_charts`.
    """
    return Entry(
        name,
        shows,
        needs,
        partial(_panel, panel, needs),
        partial(_draw, form),
        partial(_chart, form),
        filters,
        condition,
    )


def _samples(study: Study, least: int) -> bool:
    drawing = [entry.module.SAMPLES for entry in study.estimators.values()]
    return sum(drawing) >= least


def _asks_differences(study: Study) -> bool:
    return study.observed is not None and bool(study.observed.differences)


def _asks_gauge(study: Study) -> bool:
    return study.observed is not None and study.observed.gauge is not None


def _asks_check(study: Study) -> bool:
    return study.check is not None


OF_TABLES = (
    _of_table(
        "shares",
        "share of the variance of each level",
        ("answer_panels", "shares"),
        "forest",
        ("components", "fits", "sensitivity"),
    ),
    _of_table(
        "means",
        "which contributors shift the values",
        ("answer_panels", "means"),
        "forest",
        ("shrinkage", "estimates", "components", "fits"),
    ),
    _of_table(
        "noise",
        "which contributors are noisy",
        ("answer_panels", "noise"),
        "forest",
        ("estimates", "scatter", "shrinkage", "components", "fits"),
        (("parameter", "==", "variance_contrast"),),
    ),
    _of_table(
        "extremes",
        "how probable each contributor is the extreme one",
        ("check_panels", "extremes"),
        "extremes",
        ("ranking", "estimates", "fits", "components"),
        condition=partial(_samples, least=1),
    ),
    _of_table(
        "differences",
        "how far contributors are apart, pair by pair",
        ("answer_panels", "differences"),
        "forest",
        ("differences", "estimates", "fits"),
        condition=_asks_differences,
    ),
    _of_table(
        "gauge",
        "what the gauge adds to what differs between parts",
        ("answer_panels", "gauge_study"),
        "forest",
        ("gauge", "fits"),
        condition=_asks_gauge,
    ),
    _of_table(
        "checks",
        "whether the model explains the table",
        ("check_panels", "checks"),
        "checks",
        ("checks", "estimates", "fits"),
        condition=partial(_samples, least=1),
    ),
    _of_table(
        "again",
        "whether it would be found again in tables like this",
        ("answer_panels", "held"),
        "forest",
        ("recovery", "estimates", "fits"),
        (("metric", "==", "coverage_95"), ("gate", "==", "all")),
        condition=_asks_check,
    ),
    _of_table(
        "priors",
        "what was believed before the data, and after them",
        ("check_panels", "priors"),
        "priors",
        ("sensitivity", "fits"),
        condition=partial(_samples, least=1),
    ),
    _of_table(
        "variants",
        "which variant predicts rows that it has not seen",
        ("answer_panels", "variants"),
        "forest",
        ("comparison", "fits"),
        condition=partial(_samples, least=2),
    ),
)
