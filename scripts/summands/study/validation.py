"""Check a study file against its schema, and say all that is wrong at once."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import jsonschema
import yaml

from summands.files.words import nearest

# Values that aliases of YAML may add to a document. A few lines of aliases of aliases
# stand for billions.
MOST_REPEATED = 100_000


class StudyError(ValueError):
    """A study file that cannot be run; its text is meant for the user."""


def overgrown(document: Any) -> bool:
    """Whether aliases repeat more values than anyone means, or one holds itself.

    Takes as long as it takes to look at each value once, however often it is repeated.
    """
    sizes: dict[int, float] = {}
    written = 0

    def expanded(value: Any) -> float:
        """Count a value with all within it, as often as they are repeated."""
        nonlocal written
        if not isinstance(value, Mapping | list):
            written += 1
            return 1
        if id(value) not in sizes:
            written += 1
            # What is met again while it is counted is within itself.
            sizes[id(value)] = math.inf
            items = value.values() if isinstance(value, Mapping) else value
            sizes[id(value)] = 1 + sum(map(expanded, items))
        return sizes[id(value)]

    return expanded(document) - written > MOST_REPEATED


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
    # The schema misses two keys twice.
    return list(dict.fromkeys(sentence for _, sentence in sorted(found)))


def at(path: Iterable[str | int]) -> str:
    """Write a path in a document the way a person would, e.g. ``grid.rows[1]``."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}"
    return text.removeprefix(".") or "the study file"


def not_yaml(error: yaml.YAMLError, text: str) -> str:
    """Say where and why a text is no YAML, in one line after the file's name."""
    if isinstance(error, yaml.reader.ReaderError):
        before = text[: error.position]
        line, column = before.count("\n"), len(before.rpartition("\n")[2])
        odd = text[error.position]
        return f"{_place(line, column)}: the character {odd!r} is not allowed"
    if not isinstance(error, yaml.MarkedYAMLError) or error.problem_mark is None:
        return f": is not YAML ({' '.join(str(error).split())})"
    mark, begun = error.problem_mark, error.context_mark
    said = f"{_place(mark.line, mark.column)}: is not YAML: {error.problem}"
    if error.context is not None:
        said += f", {error.context}"
    if begun is not None and begun.line != mark.line:
        said += f" that begins in line {begun.line + 1}"
    if "'\\t'" in said:
        said += "; indent with blanks, not tabs"
    elif "<block end>" in said:
        said += "; keys that belong together begin in one column"
    return said


def _place(line: int, column: int) -> str:
    return f", line {line + 1}, column {column + 1}"


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
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError:
        # JSON, with tabs for instance: what is neither has been refused before.
        return []
    return [
        f"{at([*path, key])}: given twice, the second time in line {line}; "
        "keep one of them"
        for path, key, line in _repeated(root, [], set())
    ]


def _repeated(
    node: yaml.Node | None, path: list[str | int], visited: set[yaml.Node]
) -> Iterator[tuple[list[str | int], str, int]]:
    # An alias is the node that it names: looked through once, where it was written.
    if node is None or node in visited:
        return
    visited.add(node)
    if isinstance(node, yaml.MappingNode):
        seen = set()
        for key, value in node.value:
            if key.value in seen:
                yield path, key.value, key.start_mark.line + 1
            seen.add(key.value)
            yield from _repeated(value, [*path, key.value], visited)
    elif isinstance(node, yaml.SequenceNode):
        for number, value in enumerate(node.value):
            yield from _repeated(value, [*path, number], visited)


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
            other = (
                ", or name its `method`" if list(error.path) == ["estimators"] else ""
            )
            for key in value:
                if key not in known:
                    path = at([*error.absolute_path, str(key)])
                    yield f"{path}: unknown key; {nearest(str(key), known)}{other}"
        case "required":
            for key in rule:
                if key not in value:
                    yield f"{at([*error.absolute_path, key])}: missing"
        case "anyOf":
            yield f'{where}: give "grid", "designs" or both, or "observed"'
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
            hint = _hint(value, wanted)
            yield f"{where}: {_shown(value)} is not {names[wanted]}{hint}"
        case "enum":
            words = ", ".join([*map(_word, rule), *rules.get("mappings", [])])
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
        case "maxProperties":
            keys = " and ".join(map(str, value))
            yield f"{where}: has {keys}, which are one or the other; keep one"
        case "pattern" if list(error.absolute_path) == ["estimators"]:
            yield (
                f"{where}: {_shown(value)} cannot be used as an estimator's name; use "
                "small letters, digits and '_', starting with a letter"
            )
        case "pattern":
            yield (
                f"{where}: {_shown(value)} cannot be used as a name; use letters, "
                "digits, '.', '_' and '-', starting with a letter or digit"
            )
        case _:
            yield f"{where}: {error.message}"


def _word(word: Any) -> str:
    if isinstance(word, bool):
        return str(word).lower()
    return str(word) if str(word).isidentifier() else repr(word)


def _hint(value: Any, wanted: str) -> str:
    """Say how to write a number that YAML reads as text, nothing for other values."""
    if wanted not in ("integer", "number") or not isinstance(value, str):
        return ""
    try:
        number = float(value)
    except ValueError:
        return ""
    if not (number.is_integer() or (wanted == "number" and math.isfinite(number))):
        return ""
    return f" (YAML reads {value} as text; write {_written(value, number)})"


def _written(value: str, number: float) -> str:
    """Write a number such that YAML 1.1 reads it as one: 1e9 is text to it.

    Parameters
    ----------
    value : str
        As it is in the file.
    number : float
        What is meant; finite.
    """
    if re.fullmatch(r"[+-]?\d+", value):
        # In quotes: digits that a float could not hold.
        return str(int(value))
    if number.is_integer() and abs(number) < 1e15:
        return str(int(number))
    # A float has a point to YAML, which Python leaves out before an exponent.
    mantissa, exponent, power = repr(number).partition("e")
    return mantissa + ".0" * ("." not in mantissa) + exponent + power


def _shown(value: Any) -> str:
    text = "nothing" if value is None else repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
