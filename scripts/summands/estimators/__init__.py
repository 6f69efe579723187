"""Estimators: one module a method, found by its name.

A module of this package is an estimator. It defines

``READS``
    "cells" or "rows": what its function is given.
``SAMPLES``
    Whether it returns draws, which are then kept as a NetCDF file.
``OPTIONS``
    Its options: JSON schemas by name, each with a default and a description.
``PRIORS`` (optional)
    True where it uses the problem's priors: then data that contradict those that are
    stated are told. An option ``priors`` (`PRIORS_OPTION`) lets a study state others
    than the design's; they are the problem's when the estimator is called.
``OBSERVED`` (optional)
    Changes to ``OPTIONS`` where the data are an observed table, whose scales nobody
    knows: JSON schemas by name.
``seconds(contributors, size, options)`` (optional)
    What a fit is expected to take on one core, of so many contributors in all levels
    and so many rows or cells, whichever it reads; by default what a regression takes.
    It need not be exact: it decides how many fits make a job, and what a cluster is
    asked for.
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
from dataclasses import dataclass, field
from typing import Any, Protocol, cast

from summands.model import distributions
from summands.model.distributions import Distribution
from summands.model.problem import PRIORS


class EstimatorError(TypeError):
    """An estimator's module that is not one; its text is meant for its author."""


class Estimator(Protocol):
    """What a module of this package offers."""

    READS: str
    SAMPLES: bool
    OPTIONS: Mapping[str, Mapping[str, Any]]
    prepare: Callable[..., None]
    estimate: Callable[..., Any]


@dataclass(frozen=True)
class Entry:
    """An estimator of a study: a method with its options, under a name.

    Parameters
    ----------
    name : str
        What tables and files call it.
    method : str
        Name of a module of this package.
    options : mapping
    """

    name: str
    method: str
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def module(self) -> Estimator:
        """The method's module."""
        return load(self.method)

    @property
    def estimates_scales(self) -> bool:
        """Whether the scales of levels are estimated, not known."""
        return self.options.get("scales") == "estimated"

    @property
    def priors(self) -> Mapping[str, float | Distribution]:
        """Priors that it is told instead of the design's, or of those of the data."""
        return {
            name: distributions.read(name, prior)
            for name, prior in self.options.get("priors", {}).items()
        }


def prior_schema(name: str) -> dict[str, Any]:
    """JSON schema of a prior: a number, or the distribution of an estimated scale."""
    number = {"type": "number"} | ({"exclusiveMinimum": 0} if "_sd" in name else {})
    if name not in distributions.OF_SCALES:
        return number
    return number | distributions.schema(name) | {"type": ["number", "object"]}


PRIORS_OPTION = {
    "type": "object",
    "additionalProperties": False,
    "default": {},
    "description": (
        "Priors to use instead of those of the designs or of the data, in the units of "
        "the data: `mu_sd`, `log_sigma_mean`, `log_sigma_sd`, `intercept_mean`, "
        "`intercept_sd`. What a wrong prior costs is seen beside an entry without this "
        "option. Where scales are estimated they have distributions: "
        "`mu_sd: {half_normal: 1.0}`, `log_sigma_mean: {normal: [0.0, 1.0]}`, "
        "`log_sigma_sd: {log_normal: [-0.7, 0.6]}`."
    ),
    "properties": {name: prior_schema(name) for name in PRIORS},
}


def names() -> list[str]:
    """Names of all methods."""
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


def seconds(
    method: str, contributors: int, size: int, options: Mapping[str, Any]
) -> float:
    """Time that a fit is expected to take on one core, in seconds.

    Parameters
    ----------
    method : str
    contributors : int
        Of all levels.
    size : int
        Rows or cells, whichever the method reads.
    options : mapping
        Every option with its value.
    """
    own = getattr(load(method), "seconds", None)
    if own is not None:
        return own(contributors, size, options)
    return 0.01 + 3e-7 * size * contributors + 3e-8 * contributors**3


def options_schema(
    method: str, of_its_name: bool = True, observed: bool = False
) -> dict[str, Any]:
    """JSON schema of a study's entry with this method; null means all defaults.

    Parameters
    ----------
    method : str
        Any text; where no method has this name, only ``method`` is checked.
    of_its_name : bool, optional
        Whether the entry is called as its method, which it need not name then.
    observed : bool, optional
        Whether the study takes an observed table apart.
    """
    known = [method] if of_its_name else names()
    options = dict(load(method).OPTIONS) if method in names() else {}
    if observed and options:
        options |= getattr(load(method), "OBSERVED", {})
    return {
        "type": ["object", "null"],
        "additionalProperties": method not in names(),
        "properties": {"method": {"enum": known, "default": method}} | dict(options),
    }
