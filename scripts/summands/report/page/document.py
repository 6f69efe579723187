"""A page as one HTML file, which needs nothing beside it."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

import altair
import jinja2
import vl_convert
from markupsafe import Markup, escape

from summands.report.page import HERE
from summands.report.page.content import Chart, Page, Select, columns

# A choice of more than so many is typed, with a list to choose from.
MANY = 40

# What the bundle of Vega gives to the page's own script.
_GLOBALS = "window.vegaEmbed = vegaEmbed;"


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
    style, script = (
        (HERE / name).read_text(encoding="utf-8") for name in ("page.css", "page.js")
    )
    bundle = _bundle()
    return environment.get_template("template.html").render(
        page=page,
        style=Markup(style),
        script=Markup(script),
        bundle=Markup(bundle),
        allowed=Markup(" ".join(_digest(code) for code in (bundle, script))),
        data=Markup(embedded(_data(page))),
        marked=marked,
        MANY=MANY,
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
    """Vega, Vega-Lite and vega-embed in one script."""
    # The Vega-Lite that Altair wrote the charts for.
    version = ".".join(altair.SCHEMA_VERSION.split(".")[:2])
    bundle = vl_convert.javascript_bundle(_GLOBALS, vl_version=version)
    return bundle.replace("</script", "<\\/script")


def _digest(code: str) -> str:
    """Name a script as a content security policy does: no other one runs."""
    digest = hashlib.sha256(code.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


def _data(page: Page) -> dict[str, Any]:
    selects = _selects(page)
    return {
        "study": page.study,
        "defaults": {name: select.default for name, select in selects.items()},
        "options": {
            name: ([] if select.default else [""]) + list(select.options)
            for name, select in selects.items()
        },
        "charts": {chart.id: _chart(chart, page) for chart in page.charts},
    }


def _selects(page: Page) -> dict[str, Select]:
    """All choices by field: charts share those of one field."""
    found: dict[str, Select] = {}
    for select in (*page.selects, *(each for c in page.charts for each in c.selects)):
        first = found.setdefault(select.field, select)
        if (first.default, *first.options) != (select.default, *select.options):
            raise ValueError(f"two choices of {select.field} differ: {first}, {select}")
    return found


def _chart(chart: Chart, page: Page) -> Mapping[str, Any]:
    return {
        "spec": chart.spec,
        "columns": columns(chart.data),
        "titles": chart.titles,
        "filters": list(chart.filters),
        "facet_width": chart.facet_width,
        "margin": chart.margin,
        "edge": chart.edge,
        "most": chart.facet_most,
        "varies": chart.varies,
        "specs": chart.specs,
        "source": {
            "path": f"{page.results}/{chart.source.table}.parquet",
            "filters": [list(one) for one in chart.source.filters],
            "columns": chart.source.columns,
            "words": chart.source.words,
        },
    }
