"""Check a study file against its schema, and say all that is wrong at once."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Iterator
from typing import Any

import jsonschema
import yaml


class StudyError(ValueError):
    """A study file that cannot be run; its text is meant for the user."""


def problems(document: Any, schema: dict[str, Any]) -> list[str]:
    """List everything in a document that its schema forbids.

    Parameters
    ----------
    document : Any
        Parsed YAML.
    schema : dict
        JSON schema, draft 2020-12.

    Returns
    -------
    list of str
        One sentence each: the path in the file, what is wrong, how to mend it.
    """
    odd = [
        f"{at(path)}: the key {key!r} is not text; write it in quotes"
        for path, key in _odd_keys(document)
    ]
    if odd:
        return odd
    validator = jsonschema.Draft202012Validator(schema)
    found = [
        (list(map(str, error.absolute_path)), sentence)
        for error in validator.iter_errors(document)
        for sentence in _explain(error)
    ]
    found += [
        (list(map(str, path)), f"{at(path)}: {value} is not a finite number")
        for path, value in _numbers(document)
        if not math.isfinite(value)
    ]
    return [sentence for _, sentence in sorted(found)]


def at(path: Iterable[str | int]) -> str:
    """Write a path in a document the way a person would, e.g. ``grid.rows[1]``."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}"
    return text.removeprefix(".") or "the study file"


def nearest(word: str, known: Iterable[str]) -> str:
    """Suggest the nearest known word, or list them all."""
    known = sorted(known)
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    if close:
        return f'did you mean "{close[0]}"?'
    return "known here: " + ", ".join(known)


def repeated_keys(text: str) -> list[str]:
    """List keys that a YAML text gives twice; a YAML parser keeps only the last.

    Parameters
    ----------
    text : str
        YAML.

    Returns
    -------
    list of str
        One sentence per repeated key.
    """
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    return [
        f"{at([*path, key])}: given twice, the second time in line {line}; "
        "keep one of them"
        for path, key, line in _repeated(root, [])
    ]


def _repeated(
    node: yaml.Node | None, path: list[str | int]
) -> Iterator[tuple[list[str | int], str, int]]:
    if isinstance(node, yaml.MappingNode):
        seen = set()
        for key, value in node.value:
            if key.value in seen:
                yield path, key.value, key.start_mark.line + 1
            seen.add(key.value)
            yield from _repeated(value, [*path, key.value])
    elif isinstance(node, yaml.SequenceNode):
        for number, value in enumerate(node.value):
            yield from _repeated(value, [*path, number])


def _odd_keys(
    document: Any, path: tuple[str | int, ...] = ()
) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    if isinstance(document, dict):
        for key, value in document.items():
            if not isinstance(key, str):
                yield path, key
            yield from _odd_keys(value, (*path, str(key)))


def _numbers(
    document: Any, path: tuple[str | int, ...] = ()
) -> Iterator[tuple[tuple[str | int, ...], float]]:
    if isinstance(document, dict):
        for key, value in document.items():
            yield from _numbers(value, (*path, str(key)))
    elif isinstance(document, list):
        for number, value in enumerate(document):
            yield from _numbers(value, (*path, number))
    elif isinstance(document, float):
        yield path, document


def _explain(error: jsonschema.ValidationError) -> Iterator[str]:
    """Turn one error of the schema into sentences for a person."""
    where = at(error.absolute_path)
    value: Any = error.instance
    rule: Any = error.validator_value
    rules: Any = error.schema
    match error.validator:
        case "additionalProperties":
            known = rules.get("properties", {})
            for key in value:
                if key not in known:
                    path = at([*error.absolute_path, str(key)])
                    yield f"{path}: unknown key; {nearest(str(key), known)}"
        case "required":
            for key in rule:
                if key not in value:
                    yield f"{at([*error.absolute_path, key])}: missing"
        case "anyOf":
            yield f'{where}: give "grid", "designs" or both'
        case "type":
            wanted = rule[0] if isinstance(rule, list) else rule
            names = {
                "object": "a mapping (key: value)",
                "array": "a list",
                "integer": "a whole number",
                "number": "a number",
                "string": "text",
                "boolean": "true or false",
            }
            hint = ""
            if wanted in ("integer", "number") and _reads_as_number(value):
                hint = f" (YAML reads {value} as text; write {float(value):g})"
            yield f"{where}: {_shown(value)} is not {names[wanted]}{hint}"
        case "enum":
            words = ", ".join(map(str, rule))
            yield f"{where}: {_shown(value)} is not one of: {words}"
        case "minimum":
            yield f"{where}: {_shown(value)} is less than {rule}"
        case "maximum":
            yield f"{where}: {_shown(value)} is more than {rule}"
        case "exclusiveMinimum":
            yield f"{where}: {_shown(value)} is not more than {rule}"
        case "exclusiveMaximum":
            yield f"{where}: {_shown(value)} is not less than {rule}"
        case "minItems" | "maxItems" if rules.get("minItems") == rule == 2:
            yield f"{where}: {_shown(value)} is not a pair [mu, sigma]"
        case "minItems" | "minProperties":
            yield f"{where}: is empty; give at least {rule}"
        case "pattern":
            yield (
                f"{where}: {_shown(value)} cannot be used as a name; use letters, "
                "digits, '.', '_' and '-', starting with a letter or digit"
            )
        case _:
            yield f"{where}: {error.message}"


def _reads_as_number(value: Any) -> bool:
    try:
        return isinstance(value, str) and math.isfinite(float(value))
    except ValueError:
        return False


def _shown(value: Any) -> str:
    text = "nothing" if value is None else repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
