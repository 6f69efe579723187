"""Reference pages, written from the definitions that the code itself uses.

``python -m summands.report.reference`` in scripts/ renews config/README.md and the list
of columns in README.md; a test fails when they differ from the definitions.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from summands import estimators
from summands.study import study, tables

ROOT = Path(__file__).parents[3]
BEGIN = "<!-- columns: written by summands.report.reference -->\n"
END = "<!-- end of columns -->\n"

TITLE = """\
# The study file

A study is one YAML file: a grid of designs or designs by name, how many replicates of
each, and the estimators that fit them. `config.yaml` in this folder is the default
study. Any other file is given with `make study STUDY=file.yaml` or
`snakemake --configfile file.yaml`, and stands alone: nothing of the default study leaks
into it.

A file is checked before anything runs. Unknown keys, wrong types and impossible values
are all told at once, with their place in the file.

| key | default | meaning |
|---|---|---|
"""


def study_file() -> str:
    """Write config/README.md: every key of the study file."""
    schema = study.schema()
    lines = [
        f"| `{path}` | {_default(rule)} | {_flat(rule['description'])} |\n"
        for path, rule in _keys(schema["properties"])
    ]
    text = TITLE + "".join(lines)
    for name in estimators.names():
        summary = (estimators.load(name).__doc__ or "").split("\n\n")[0]
        text += f"\n## Estimator `{name}`\n\n{_flat(summary)}\n\n"
        if not estimators.load(name).OPTIONS:
            text += "No options.\n"
            continue
        text += "| option | default | meaning |\n|---|---|---|\n"
        for option, rule in estimators.load(name).OPTIONS.items():
            text += (
                f"| `{option}` | {_default(rule)} | {_flat(rule['description'])} |\n"
            )
    return text


def columns() -> str:
    """Write the columns of the final tables."""
    text = ""
    for name, schema in tables.SCHEMAS.items():
        text += f"\n**{name}.parquet**\n\n| column | type | meaning |\n|---|---|---|\n"
        for field in schema:
            meaning = field.metadata[b"description"].decode()
            text += f"| `{field.name}` | {field.type} | {meaning} |\n"
    return text + "\n"


def renewed(readme: str) -> str:
    """Put the current columns into the text of README.md."""
    before, rest = readme.split(BEGIN)
    return before + BEGIN + columns() + END + rest.split(END)[1]


def _keys(
    properties: Mapping[str, Any], path: str = ""
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for name, rule in properties.items():
        yield path + name, rule
        inner = rule.get("additionalProperties")
        if name == "estimators":
            continue
        if isinstance(inner, Mapping):
            yield from _keys(inner.get("properties", {}), f"{path}{name}.<name>.")
        else:
            yield from _keys(rule.get("properties", {}), f"{path}{name}.")


def _default(rule: Mapping[str, Any]) -> str:
    return f"`{rule['default']}`" if "default" in rule else ""


def _flat(text: str) -> str:
    return " ".join(text.split())


if __name__ == "__main__":
    (ROOT / "config" / "README.md").write_text(study_file())
    README = ROOT / "README.md"
    README.write_text(renewed(README.read_text()))
