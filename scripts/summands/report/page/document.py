"""A page as one HTML file, which needs nothing beside it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import jinja2
import vl_convert
from markupsafe import Markup, escape

from summands.report.page import HERE
from summands.report.page.content import Chart, Page, Select, columns

_CHOOSER = """<label>{{ select.label }} <select data-field="{{ select.field }}">
{% if not select.default %}<option value="">all</option>{% endif %}
{% for option in select.options %}<option>{{ option }}</option>{% endfor %}
</select></label>"""


def render(page: Page) -> str:
    """Put a page into HTML.

    All text is escaped: names of levels and contributors are whatever users call them.

    Parameters
    ----------
    page : Page

    Returns
    -------
    str
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    chooser = environment.from_string(_CHOOSER)
    return environment.get_template("template.html").render(
        page=page,
        style=Markup((HERE / "page.css").read_text(encoding="utf-8")),
        script=Markup((HERE / "page.js").read_text(encoding="utf-8")),
        bundle=Markup(_bundle()),
        data=Markup(embedded(_data(page))),
        marked=marked,
        chooser=lambda select: Markup(chooser.render(select=select)),
    )


def embedded(data: Any) -> str:
    """Write JSON that may stand in a script element: no text can end it.

    Parameters
    ----------
    data : object
        What JSON can hold.

    Returns
    -------
    str
    """
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for letter in "<>&\u2028\u2029":
        text = text.replace(letter, f"\\u{ord(letter):04x}")
    return text


def marked(text: str) -> Markup:
    """Escape a paragraph, and mark as code what stands between double backticks."""
    parts = re.split(r"``(.+?)``", text)
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if place % 2 else escape(part)
        for place, part in enumerate(parts)
    )


def _bundle() -> str:
    """Vega, Vega-Lite and vega-embed in one script, which sets their globals."""
    return vl_convert.javascript_bundle().replace("</script", "<\\/script")


def _data(page: Page) -> dict[str, Any]:
    selects: list[Select] = [*page.selects]
    for chart in page.charts:
        selects += chart.selects
    return {
        "study": page.study,
        "defaults": {select.field: select.default for select in selects},
        "options": {
            select.field: ([] if select.default else [""]) + list(select.options)
            for select in selects
        },
        "charts": {chart.id: _chart(chart, page) for chart in page.charts},
    }


def _chart(chart: Chart, page: Page) -> Mapping[str, Any]:
    return {
        "label": chart.title,
        "spec": chart.spec,
        "columns": columns(chart.data),
        "titles": chart.titles,
        "filters": list(chart.filters),
        "facet_width": chart.facet_width,
        "margin": chart.margin,
        "edge": chart.edge,
        "facet_most": chart.facet_most,
        "varies": chart.varies,
        "specs": chart.specs,
        "source": {
            "path": f"{page.results}/{chart.source.table}.parquet",
            "filters": [list(one) for one in chart.source.filters],
            "columns": list(chart.source.columns),
        },
    }
