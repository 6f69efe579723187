"""Reference pages, written from the definitions that the code itself uses.

A page is Markdown, with blocks between markers that name them; what stands between the
markers is written here. ``python -m summands.report.reference`` in scripts/, or ``make
docs``, renews all pages; a test fails where one differs from the definitions.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from summands import estimators
from summands.data import layouts, noises, truths
from summands.data.mechanisms import Kinds, Mechanism, example
from summands.model import estimands
from summands.recovery import precision
from summands.recovery.catalogue import METRICS
from summands.recovery.registry import GATES, Metric
from summands.report.markdown import paragraphs, table
from summands.study import answers, study, table_layouts, tables

ROOT = Path(__file__).parents[3]

BLOCK = re.compile(
    r"(<!-- (\w+): written by summands\.report\.reference -->\n)"
    r".*?"
    r"(<!-- end of \2 -->\n)",
    re.DOTALL,
)

# A table is written in more ways than other layouts.
EXAMPLES = {layouts.Table.NAME: table_layouts.EXAMPLE}

# What the regimes of metrics are called, in the order of the page.
REGIMES = {
    "both": "With any truth",
    "fixed": "With a fixed truth",
    "drawn": "With truths drawn from the prior",
}

# Units of powers of the values.
UNITS = {1: "that of the values", 2: "its square"}


def pages() -> list[Path]:
    """Pages that may have blocks."""
    of_docs = sorted((ROOT / "docs").rglob("*.md"))
    return [ROOT / "README.md", ROOT / "config" / "README.md", *of_docs]


def renewed(page: str) -> str:
    """Write the blocks of a page anew.

    Parameters
    ----------
    page : str
        Its text.

    Raises
    ------
    KeyError
        If a block has a name that is not in `BLOCKS`.
    """
    return BLOCK.sub(
        lambda found: f"{found[1]}\n{BLOCKS[found[2]]()}\n{found[3]}", page
    )


def keys() -> str:
    """List every key of the study file."""
    return table(
        ("key", "default", "meaning"),
        (
            (f"`{path}`", _default(rule), rule["description"])
            for path, rule in _keys(study.schema()["properties"])
        ),
    )


def of_family(kinds: Kinds) -> str:
    """Explain mechanisms of the study file in the words of their classes."""
    return table(
        ("value", "meaning"),
        (
            (f"`{EXAMPLES.get(kind.NAME) or example(kind)}`", described(kind))
            for kind in kinds
        ),
    )


def described(kind: type[Mechanism]) -> str:
    """All that a class says of itself before its parameters."""
    before = itertools.takewhile(
        lambda text: text[:11] != "Parameters ", paragraphs(kind)
    )
    return " ".join(before)


def options() -> str:
    """List the options of every estimator."""
    sections = []
    for name in estimators.names():
        rules = estimators.load(name).OPTIONS
        rows = [
            (f"`{option}`", _default(rule), rule["description"])
            for option, rule in rules.items()
        ]
        sections.append(
            f"## Estimator `{name}`\n\n{paragraphs(estimators.load(name))[0]}\n\n"
            + (table(("option", "default", "meaning"), rows) or "No options.\n")
        )
    return "\n".join(sections)


def methods() -> str:
    """Describe every estimator in the words of its module."""
    sections = []
    for name in estimators.names():
        module = estimators.load(name)
        facts = f"reads {module.READS} and returns "
        facts += "draws" if module.SAMPLES else "no draws"
        if getattr(module, "PRIORS", False):
            facts += "; it uses the priors"
        sections.append(
            f"## `{name}`\n\n"
            + "\n\n".join(paragraphs(module))
            + f"\n\nIt {facts}. "
            + f"[Options](../config/README.md#estimator-{name}).\n"
        )
    return "\n".join(sections)


def quantities() -> str:
    """List the quantities that are estimated."""
    return table(
        ("quantity", "of", "meaning", "unit", "determined by the data"),
        (
            (
                f"`{block.name}`",
                "the sum" if block.of == "all" else "each contributor",
                block.meaning,
                UNITS[block.power],
                block.identified,
            )
            for block in estimands.BLOCKS
        ),
    )


def metrics() -> str:
    """Explain every metric in the words of its function."""
    return "\n".join(
        f"## {title}\n\n"
        + table(
            ("metric", "meaning"),
            (
                (f"`{full_name(metric)}`", meaning(metric))
                for metric in METRICS.values()
                if metric.regime == regime
            ),
        )
        for regime, title in REGIMES.items()
    )


def precisions() -> str:
    """List what a study may want the precision of, alike ones together."""
    alike: dict[tuple[float, bool, str], list[str]] = {}
    for name, key in precision.keys().items():
        alike.setdefault((key.spread, key.relative, key.assumed), []).append(name)
    return table(
        ("precision of", "spread", "assumed", "an error of 0.01 takes"),
        (
            (
                ", ".join(f"`{name}`" for name in names),
                f"{spread:.4g}" + " of the metric" * relative,
                assumed,
                f"{precision.takes({names[0]: 0.01})[names[0]]:,}",
            )
            for (spread, relative, assumed), names in alike.items()
        ),
    )


def columns() -> str:
    """List the columns of the final tables of simulated studies."""
    return _columns(tables.SCHEMAS | tables.OF_PLAN)


def answer() -> str:
    """List the columns of the tables that only observed tables have."""
    return _columns(
        {
            name: schema
            for name, schema in (answers.SCHEMAS | answers.OF_CHECK).items()
            if name not in tables.SCHEMAS and not name.startswith("check_")
        }
    )


def _columns(schemas: Mapping[str, Any]) -> str:
    return "\n".join(
        f"## {name}.parquet\n\n"
        + table(
            ("column", "type", "meaning"),
            (
                (
                    f"`{field.name}`",
                    str(field.type),
                    field.metadata[b"description"].decode(),
                )
                for field in schema
            ),
        )
        for name, schema in schemas.items()
    )


BLOCKS: Mapping[str, Callable[[], str]] = {
    "keys": keys,
    "layouts": partial(of_family, layouts.KINDS),
    "noises": partial(of_family, noises.KINDS),
    "truths": partial(of_family, truths.KINDS),
    "options": options,
    "estimators": methods,
    "quantities": quantities,
    "metrics": metrics,
    "precision": precisions,
    "columns": columns,
    "answer": answer,
}


def _keys(
    properties: Mapping[str, Any], path: str = ""
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for name, rule in properties.items():
        yield path + name, rule
        inner = rule.get("additionalProperties")
        if name in ("estimators", "precision"):
            continue
        if isinstance(inner, Mapping):
            yield from _keys(inner.get("properties", {}), f"{path}{name}.<name>.")
        else:
            yield from _keys(rule.get("properties", {}), f"{path}{name}.")


def _default(rule: Mapping[str, Any]) -> str:
    return f"`{rule['default']}`" if "default" in rule else ""


def full_name(metric: Metric) -> str:
    """Name a metric, with what follows where it compares two estimators."""
    return metric.name + ("<estimator>" if metric.versus else "")


def meaning(metric: Metric) -> str:
    """Say what a metric is, in the words of its function."""
    text = " ".join(paragraphs(metric.statistic))
    if metric.gates != GATES:
        text += f" At gate {', '.join(f'`{gate}`' for gate in metric.gates)} alone."
    return text


if __name__ == "__main__":
    for path in pages():
        path.write_text(renewed(path.read_text()))
