"""A page as one HTML file, which needs nothing beside it."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Mapping
from contextlib import suppress
from importlib import metadata
from typing import Any

import altair
import jinja2
import vl_convert
from markupsafe import Markup, escape

from summands.files import storage
from summands.report.page import HERE
from summands.report.page.content import Chart, Page, Select, columns

# A choice of more than so many is typed, with a list to choose from.
MANY = 40

# Pixels below which a chart has little room; of charts with room and without; of a
# label above its row, and of a letter of a legend.
NARROW = 600
ROOM, LITTLE, ABOVE, LETTER = 1000, 328, 15, 7

# What the bundle of Vega gives to the page's own script.
_GLOBALS = "window.vegaEmbed = vegaEmbed;"

# How charts look; a word that begins with two dashes is a colour of page.css.
_LETTERS = {"labelColor": "--text", "titleColor": "--text", "labelFontSize": 11}
_INK = {"color": "--text"}
THEME = {
    "background": "--plot",
    "aria": False,
    "font": "system-ui, sans-serif",
    "view": {"stroke": "--line"},
    "axis": {
        **_LETTERS,
        "gridColor": "--line",
        "domainColor": "--soft",
        "tickColor": "--soft",
        "titleFontWeight": "normal",
        "labelLimit": 330,
    },
    "legend": {
        **_LETTERS,
        "orient": "top",
        "symbolBaseFillColor": "--text",
        "symbolBaseStrokeColor": "--text",
    },
    "header": _LETTERS,
    "title": _INK,
    "rule": _INK,
    "text": _INK,
}


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
    # It takes seconds to make, so it is kept beside compiled code, if that is allowed.
    release = metadata.version("vl-convert-python")
    kept = HERE / "__pycache__" / f"vega-{release}-{version}.js"
    with suppress(OSError):
        return kept.read_text(encoding="utf-8")
    bundle = vl_convert.javascript_bundle(_GLOBALS, vl_version=version)
    bundle = bundle.replace("</script", "<\\/script")
    with suppress(OSError), storage.whole(kept) as unfinished:
        unfinished.write_text(bundle, encoding="utf-8")
    return bundle


def _digest(code: str) -> str:
    """Name a script as a content security policy does: no other one runs."""
    digest = hashlib.sha256(code.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


def _data(page: Page) -> dict[str, Any]:
    selects = _selects(page)
    return {
        "study": page.study,
        "theme": json.dumps(THEME),
        "labels": {name: select.label for name, select in selects.items()},
        "narrow": NARROW,
        "spelled": _spelled(page, selects),
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
    drawn = [chart.spec, *chart.specs.values()]
    return {
        "spec": chart.spec,
        "columns": columns(chart.data),
        "titles": chart.titles,
        "filters": list(chart.filters),
        "facet_width": chart.facet_width,
        "most": chart.facet_most,
        "along": {side: sorted(_along(drawn, side)) for side in "xy"},
        "signal": "child_width" if "facet" in chart.spec else "width",
        "looks": [
            {
                "config": _config(chart, ROOM),
                "edge": chart.edge,
                "margin": chart.margin,
            },
            {
                "config": _config(chart, LITTLE, ABOVE * bool(chart.line)),
                "edge": 20 if chart.line else chart.edge,
                "margin": 25 if chart.line else chart.margin,
            },
        ],
        "varies": chart.varies,
        "specs": chart.specs,
        "source": {
            "path": _python(f"{page.results}/{chart.source.table}.parquet"),
            "filters": [
                f"({', '.join(map(_python, one))})" for one in chart.source.filters
            ],
            "columns": chart.source.columns,
            "words": chart.source.words,
        },
    }


def _along(spec: Any, side: str) -> set[str]:
    """Columns that a specification sets along "x" or "y"."""
    if isinstance(spec, list):
        return set().union(*(_along(each, side) for each in spec))
    if not isinstance(spec, dict):
        return set()
    own = {
        spec[name]["field"]
        for name in (side, f"{side}2")
        if isinstance(spec.get(name), dict) and "field" in spec[name]
    }
    return own.union(*(_along(each, side) for each in spec.values()))


def _config(chart: Chart, room: int, above: int = 0) -> dict[str, Any]:
    """Say how a chart looks with some room.

    Parameters
    ----------
    chart : Chart
    room : int
        Pixels across.
    above : int
        Pixels that a label has above its row; without, it stands beside it.
    """
    lines = 1
    if offset := _found(chart.spec, "yOffset"):
        lines = chart.data[offset["field"]].nunique()
    legends = [
        str(name)
        for channel in ("color", "shape")
        for name in (_found(chart.spec, channel) or {})
        .get("scale", {})
        .get("domain", [])
    ]
    longest = max(map(len, legends), default=1)
    found: dict[str, Any] = {
        "legend": {
            "columns": max(1, room // (35 + LETTER * longest)),
            "labelLimit": room - 30,
            "layout": {
                "top": {"direction": "horizontal" if room == ROOM else "vertical"}
            },
        }
    }
    if not chart.line:
        return found
    step = chart.line + (0 if offset else above)
    found["view"] = {"discreteHeight": {"step": step}}
    if above:
        gap = above / (above + lines * chart.line)
        found["axisYBand"] = {
            "labelAlign": "left",
            "labelBaseline": "bottom",
            "labelPadding": -4,
            "ticks": False,
            "labelOffset": -lines * chart.line / 2 - 2,
            "labelLimit": room - 20,
        }
        found["scale"] = {
            f"{kind}Padding{side}": gap
            for kind in ("band", "bandWithNestedOffset")
            for side in ("Inner", "Outer")
        }
    return found


def _found(spec: Any, name: str) -> Any:
    """Find the first mapping of this name in a specification; None where none is."""
    if isinstance(spec, Mapping):
        if isinstance(spec.get(name), Mapping) and "field" in spec[name]:
            return spec[name]
        spec = list(spec.values())
    if isinstance(spec, list):
        return next(filter(None, (_found(each, name) for each in spec)), None)
    return None


def _spelled(page: Page, selects: Mapping[str, Select]) -> dict[str, str]:
    """Write what may be chosen as Python does, where JSON writes it otherwise."""
    chosen = {option for select in selects.values() for option in select.options}
    for chart in page.charts:
        chosen.update(*(words.values() for words in chart.source.words.values()))
    return {text: _python(text) for text in sorted(chosen) if not text.isprintable()}


def _python(value: Any) -> str:
    """Write a value as Python does; letters that are not seen are spelled."""
    if isinstance(value, (tuple, list)):
        return f"[{', '.join(map(_python, value))}]"
    if not isinstance(value, str):
        return repr(value)
    letters = json.dumps(value, ensure_ascii=False)
    return "".join(
        letter if letter.isprintable() else f"\\U{ord(letter):08x}"
        for letter in letters
    )
