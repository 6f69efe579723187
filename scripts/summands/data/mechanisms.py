"""Mechanisms of data that a study file names: how they are written, read and checked.

A family is a list of classes: `layouts.KINDS`, `noises.KINDS`, `truths.KINDS`. What is
in one of them can be written in study files, has its rules in their schema, its part of
a design's content and id, and its line in the reference.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, fields
from typing import Any, ClassVar

Kinds = Sequence[type["Mechanism"]]


@dataclass(frozen=True)
class Mechanism:
    """One mechanism. A class of it is a dataclass whose fields are its options.

    Without options it is written as its name, with one as ``{name: value}``, and with
    several as ``{name: {option: value}}``.

    Attributes
    ----------
    NAME : str
        In study files.
    OPTIONS : mapping of str to dict
        JSON schema of each option, with an example.
    """

    NAME: ClassVar[str]
    OPTIONS: ClassVar[Mapping[str, Mapping[str, Any]]] = {}

    @classmethod
    def required(cls) -> list[str]:
        """Options without a default."""
        return [
            field.name
            for field in fields(cls)
            if field.name in cls.OPTIONS and field.default is MISSING
        ]

    @property
    def written(self) -> Any:
        """The mechanism as a study file has it, in plain JSON values.

        Options that have their default are left out, as of designs.
        """
        if not self.OPTIONS:
            return self.NAME
        if len(self.OPTIONS) == 1:
            return {self.NAME: getattr(self, *self.OPTIONS)}
        defaults = {field.name: field.default for field in fields(self)}
        given = {name: getattr(self, name) for name in self.OPTIONS}
        return {
            self.NAME: {k: value for k, value in given.items() if value != defaults[k]}
        }


def read(kinds: Kinds, given: Any) -> Any:
    """Read a mechanism of a checked study file, or of the content of a design.

    Parameters
    ----------
    kinds : sequence of type
        The family.
    given : str, mapping or Mechanism
        A mechanism stays what it is.
    """
    if isinstance(given, Mechanism):
        return given
    name, value = (given, {}) if isinstance(given, str) else next(iter(given.items()))
    kind = next(kind for kind in kinds if name == kind.NAME)
    if len(kind.OPTIONS) == 1:
        value = dict.fromkeys(kind.OPTIONS, value)
    # YAML's 1 and 1.0 are one number, and so they must be to ids and seeds.
    convert = {"number": float, "integer": int}
    return kind(
        **{
            option: convert.get(kind.OPTIONS[option].get("type", ""), lambda x: x)(one)
            for option, one in value.items()
        }
    )


def schema(kinds: Kinds, words: Sequence[str] = ()) -> dict[str, Any]:
    """JSON schema of a mechanism of a family.

    Parameters
    ----------
    kinds : sequence of type
        The family.
    words : sequence of str, optional
        What may stand in place of a mechanism.
    """
    alone = [*words, *(kind.NAME for kind in kinds if not kind.OPTIONS)]
    mappings = {kind.NAME: _rule(kind) for kind in kinds if kind.OPTIONS}
    return {
        "if": {"type": "object"},
        "then": {
            "minProperties": 1,
            "maxProperties": 1,
            "additionalProperties": False,
            "properties": mappings,
        },
        # No keyword of JSON schema: for those who write a name alone that needs more.
        "else": {
            "enum": alone,
            "mappings": [example(kind) for kind in kinds if kind.OPTIONS],
        },
    }


def _rule(kind: type[Mechanism]) -> dict[str, Any]:
    rules = {name: dict(rule) for name, rule in kind.OPTIONS.items()}
    if len(rules) == 1:
        return next(iter(rules.values()))
    return {
        "type": "object",
        "additionalProperties": False,
        "properties": rules,
        "required": kind.required(),
    }


def example(kind: type[Mechanism]) -> str:
    """Write a mechanism of a kind as a study file may have it."""
    values = {name: _plain(rule["examples"][0]) for name, rule in kind.OPTIONS.items()}
    if not values:
        return kind.NAME
    if len(values) == 1:
        return f"{{{kind.NAME}: {next(iter(values.values()))}}}"
    inner = ", ".join(f"{name}: {value}" for name, value in values.items())
    return f"{{{kind.NAME}: {{{inner}}}}}"


def _plain(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def shown(written: Any) -> str:
    """Write what `Mechanism.written` gives as part of an id.

    Parameters
    ----------
    written : bool, float, str, list or mapping
        Also the value of any other parameter of a design.
    """
    if isinstance(written, Mapping):
        parts = ((key, shown(value)) for key, value in written.items())
        return "-".join(part for pair in parts for part in pair if part)
    if isinstance(written, list | tuple):
        return "-".join(map(shown, written))
    if isinstance(written, bool):
        # Of an option that is but there.
        return ""
    return written if isinstance(written, str) else _shortest(written)


def _shortest(value: float) -> str:
    """Shortest decimal text that reads back as the same float, without '.0'."""
    text = repr(float(value))
    return text.removesuffix(".0")
