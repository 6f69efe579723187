"""Estimators: one module each, found by its name.

A module of this package is an estimator. It defines

``READS``
    "cells" or "rows": what its function is given.
``SAMPLES``
    Whether it returns draws, which are then kept as a NetCDF file.
``OPTIONS``
    Its options: JSON schemas by name, each with a default and a description.
``prepare(problem, options)``
    Imports and compiles what the fits of a batch share, so that the time it takes is
    not counted as theirs.
``estimate(data, problem, options, seed, progress)``
    The estimate itself, from one data set to `summands.fitting.Draws` or
    `summands.fitting.Point`. An exception that it raises is recorded as a failed fit.

Modules are imported whenever a study file is read, so what takes long to import is
imported inside the function.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Mapping
from typing import Any, Protocol, cast


class Estimator(Protocol):
    """What a module of this package offers."""

    READS: str
    SAMPLES: bool
    OPTIONS: Mapping[str, Mapping[str, Any]]
    prepare: Callable[..., None]
    estimate: Callable[..., Any]


def names() -> list[str]:
    """Names of all estimators."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def load(name: str) -> Estimator:
    """Import one estimator by its name."""
    return cast(Estimator, importlib.import_module(f"{__name__}.{name}"))


def options_schema(name: str) -> dict[str, Any]:
    """JSON schema of an estimator's options; an empty value means all defaults."""
    return {
        "type": ["object", "null"],
        "additionalProperties": False,
        "properties": dict(load(name).OPTIONS),
    }
