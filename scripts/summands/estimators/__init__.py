"""Estimators: one module each, found by its name.

A module of this package is an estimator. It defines

``READS``
    "cells" or "rows": what its function is given.
``SAMPLES``
    Whether it returns draws, which are then kept as a NetCDF file.
``OPTIONS``
    Its options: JSON schemas by name, each with a default and a description.
``PRIORS`` (optional)
    True where it uses the problem's priors: then data that contradict those that a
    design states are told.
``prepare(problem, options)``
    Imports and compiles what the fits of a batch share, so that the time it takes is
    not counted as theirs.
``estimate(data, problem, options, seed, progress)``
    The estimate itself. `data` is a `summands.model.rows.Rows` or a
    `summands.model.cells.Cells`, `problem` a `summands.model.problem.Problem` (levels
    and priors), both in units in which the values have mean 0 and standard deviation
    1, `options` has every option with its value, `progress` takes a line for the log.
    It returns a `Point` (estimates and standard errors, NaN where it has none) or
    `Draws`, both of `summands.estimation.results`, in these units. Estimates stand in
    the order of `summands.model.estimands.index`. An exception that it raises is
    recorded as a failed fit.

Modules are imported whenever a study file is read, so what takes long to import is
imported inside the function.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Mapping
from typing import Any, Protocol, cast


class EstimatorError(TypeError):
    """An estimator's module that is not one; its text is meant for its author."""


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
    """Import one estimator by its name.

    Raises
    ------
    EstimatorError
        If the module lacks something that an estimator defines.
    """
    module = importlib.import_module(f"{__name__}.{name}")
    missing = [part for part in Estimator.__annotations__ if not hasattr(module, part)]
    if missing:
        raise EstimatorError(
            f"{module.__file__} does not define {', '.join(missing)}; "
            "see the docstring of summands.estimators"
        )
    return cast(Estimator, module)


def options_schema(name: str) -> dict[str, Any]:
    """JSON schema of an estimator's options; an empty value means all defaults."""
    return {
        "type": ["object", "null"],
        "additionalProperties": False,
        "properties": dict(load(name).OPTIONS),
    }
