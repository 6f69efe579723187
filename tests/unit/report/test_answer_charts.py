"""Figures and charts of an observed table show what its panels hold."""

import json
import re
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
import vl_convert

from summands.report import answer_entries, registry
from summands.report.page.content import columns

from ..observed_tables import LONG, TOOLS, made

NAMES = [entry.name for entry in answer_entries.OF_TABLES]

# The name of the values is the title of an axis.
USERS = [*TOOLS, LONG[:12], "tool $x$"]


class Recorded(dict):
    """Paths of tables, of which it is kept which were asked for."""

    def __init__(self, paths):
        super().__init__(paths)
        self.read = set()

    def __getitem__(self, name):
        self.read.add(name)
        return super().__getitem__(name)


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    return made().written(tmp_path_factory.mktemp("tables"))


@pytest.fixture(scope="module")
def unconverged(tmp_path_factory):
    return made(converged=False).written(tmp_path_factory.mktemp("unconverged"))


def chart_of(name, tables):
    entry = registry.FIGURES[name]
    return entry.chart(entry.panel(tables), entry, list(tables.study.estimators))


def chosen(chart):
    """Rows that the page shows at first."""
    data = chart.data
    for select in chart.selects:
        data = data[data[select.field] == select.default]
    return data


def drawn(chart):
    """The chart as the page draws it, as SVG."""
    held = columns(chosen(chart))
    rows = [
        {
            name: column[place]
            if isinstance(column, list)
            else None
            if column["at"][place] is None
            else column["of"][column["at"][place]]
            for name, column in held.items()
        }
        for place in range(len(chosen(chart)))
    ]
    spec = {**chart.spec, "datasets": {"rows": rows}}
    return ElementTree.fromstring(vl_convert.vegalite_to_svg(spec))


def test_a_study_has_what_it_asks_for(tables):
    assert [entry.name for entry in registry.of(tables.study)] == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_panel_reads_what_it_says_that_it_needs_and_is_drawn(name, tables):
    entry = registry.FIGURES[name]
    recorded = Recorded(tables.paths)
    panel = entry.panel(type(tables)(tables.study, recorded))
    assert recorded.read == set(entry.needs)
    figure = entry.draw(panel)
    figure.canvas.draw()
    assert all(axes.lines or axes.images or axes.collections for axes in figure.axes)


@pytest.mark.parametrize("name", NAMES)
def test_a_chart_draws_each_row_once(name, tables):
    chart = chart_of(name, tables)
    image = drawn(chart)
    text = [found for found in image.iter() if found.get("aria-roledescription")]
    points = [found for found in text if found.get("aria-roledescription") == "point"]
    cells = [
        found for found in text if found.get("aria-roledescription") == "rect mark"
    ]
    assert len(points) + len(cells) == len(chosen(chart))
    assert "NaN" not in ElementTree.tostring(image, "unicode")


@pytest.mark.parametrize("name", ["means", "noise", "extremes", "checks"])
def test_each_level_has_axes_of_its_own(name, tables):
    image = drawn(chart_of(name, tables))
    titles = [
        mark for mark in image.iter() if mark.get("aria-roledescription") == "title"
    ]
    assert len(titles) == 2
    labels = {
        "".join(text.itertext()) for text in image.iter() if text.tag.endswith("text")
    }
    assert {"tool $x$", "lot"} <= labels


@pytest.mark.parametrize("name", NAMES)
def test_rules_stand_where_their_points_do(name, tables):
    """They are placed by names that Vega-Lite gives to scales."""
    chart = chart_of(name, tables)
    image = drawn(chart)

    def heights(role):
        found = []
        for mark in image.iter():
            if mark.get("aria-roledescription") == role and mark.get("opacity") != "0":
                _, y = re.findall(r"[-\d.]+", mark.get("transform"))[:2]
                found.append(round(float(y), 3))
        return found

    points = set(heights("point"))
    # Lines that mark a number start at the top.
    rules = [height for height in heights("rule mark") if height]
    bounded = ["lower"] * (name != "checks") + ["prior_lower"] * (name == "priors")
    bounded = [column for column in bounded if column in chart.data]
    assert len(rules) == chart.data[bounded].notna().to_numpy().sum()
    assert set(rules) <= points


@pytest.mark.parametrize("name", NAMES)
def test_no_name_of_a_user_is_a_part_of_a_chart(name, tables):
    told = json.dumps(chart_of(name, tables).spec, ensure_ascii=False)
    assert not [text for text in USERS if text in told]


@pytest.mark.parametrize("name", NAMES)
def test_choices_name_what_the_rows_hold(name, tables):
    chart = chart_of(name, tables)
    for select in chart.selects:
        assert select.default in set(chart.data[select.field])
        assert set(chart.data[select.field]) <= set(select.options)
    assert set(chart.titles) <= set(chart.data.columns)
    assert set(chart.filters) <= set(chart.data.columns) | {"level"}


@pytest.mark.parametrize("name", NAMES)
def test_what_did_not_converge_is_hollow_or_has_a_question_mark(name, unconverged):
    data = chart_of(name, unconverged).data
    if name == "checks":
        assert data["beware"].eq("not converged").sum() == data["who"].eq("full").sum()
    elif name == "extremes":
        unsure = data["shown"].str.endswith("?")
        assert unsure.equals(data["asked"] == "full")
    else:
        unsure = data["estimator"] == "full"
        assert (data.loc[unsure, "doubt"] == "beware").all()


def test_crosses_of_what_the_rows_say_alone_stay_whatever_is_chosen(tables):
    data = chart_of("means", tables).data
    alone = data[data["doubt"] == "raw"]
    assert alone["estimator"].isna().all()
    raw = tables.whole("shrinkage").drop_duplicates(["level", "contributor"])
    np.testing.assert_allclose(
        np.sort(alone["estimate"]), np.sort(raw["least_squares"].dropna())
    )
