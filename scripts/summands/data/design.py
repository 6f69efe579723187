"""A design: one point of a study's grid, or a named design with given coefficients."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from types import MappingProxyType
from typing import Any

from summands.data import layouts, mechanisms, noises, truths
from summands.data.layouts import UNIFORM, Layout
from summands.data.mechanisms import Mechanism
from summands.data.noises import NORMAL, Noise
from summands.data.truths import OneOff
from summands.model import distributions
from summands.model.distributions import OF_SCALES, Distribution
from summands.model.levels import Levels
from summands.model.problem import PRIORS, Problem
from summands.model.units import Units

Coefficients = tuple[tuple[tuple[float, float], ...], ...]

# Priors by name.
Stated = dict[str, Any]

# What drawn coefficients depend on, beside the number of their truth.
OF_COEFFICIENTS = ("levels", "mu_mean", "mu_sd", "log_sigma_mean", "log_sigma_sd")

# How values of a study file, or of a design's content, are read where they are neither
# numbers nor words.
READERS: Mapping[str, Callable[[Any], Any]] = {
    "layout": layouts.read,
    "noise": noises.read,
    "truth": truths.read,
}

# File systems take names of 255 bytes; an id is also part of file names.
LONGEST_ID = 120


@dataclass(frozen=True)
class Design:
    """What is simulated, and the scales from which the truth is drawn.

    The scales are the priors of the estimators as well. A design with given
    coefficients need not have them: those that are None follow each data set, see
    `Design.problem`.

    Parameters
    ----------
    levels : Levels
        Contributors per level.
    rows : int
        Rows of a data set.
    mu_mean : float
    mu_sd : float, Distribution or None
        mu ~ Normal(mu_mean, mu_sd), then centred within its level. Of a distribution
        each level has a draw of its own.
    log_sigma_mean, log_sigma_sd : float, Distribution or None
        sigma ~ LogNormal(log_sigma_mean, log_sigma_sd), likewise.
    intercept_sd : float or None
        intercept ~ Normal(0, intercept_sd).
    truth : {"drawn", "fixed", "posterior"} or OneOff
        Coefficients drawn anew for every replicate, or once for the design, or from the
        posterior of an observed table, see `summands.data.imitation`; or alike but for
        one contributor.
    truth_number : int
        Which of the fixed truths this is.
    intercept_mean : float or None
        Mean of the intercept's prior; drawn intercepts have the mean 0.
    coefficients : tuple, optional
        Given truth: for each level, for each contributor, (mu, sigma).
    name : str, optional
        Name of a design with given coefficients.
    layout : Layout, optional
        Which contributors rows have.
    noise : Noise, optional
        Law of what a contributor adds at random, with the standard deviation sigma.
    interaction_sd : float, optional
        Standard deviation of a random effect of each cell.
    drift : float, optional
        Standard deviation, over the rows, of means that move; see
        `summands.data.noises.Drift`.
    autocorrelation : float, optional
        Of the noise of a contributor in successive rows that it takes part in; see
        `summands.data.noises.Memory`.
    """

    levels: Levels
    rows: int
    mu_mean: float = 0.0
    mu_sd: float | Distribution | None = 1.0
    log_sigma_mean: float | Distribution | None = 0.0
    log_sigma_sd: float | Distribution | None = 1.0
    intercept_sd: float | None = 5.0
    truth: str | OneOff = "drawn"
    truth_number: int = 0
    intercept_mean: float | None = 0.0
    coefficients: Coefficients | None = None
    name: str | None = None
    layout: Layout = UNIFORM
    noise: Noise = NORMAL
    interaction_sd: float = 0.0
    drift: float = 0.0
    autocorrelation: float = 0.0

    @property
    def content(self) -> dict[str, Any]:
        """Everything that the data depend on, as plain JSON values.

        The name is no part of it: a design renamed gives the same data. What has its
        default is left out, so that a design keeps its seeds when designs learn to
        differ in something new.
        """
        # Where coefficients are given, the default of a prior is to follow the data.
        given = self.coefficients is not None
        content = {
            field.name: getattr(self, field.name)
            for field in fields(self)
            if field.name != "name"
            and getattr(self, field.name)
            != (None if given and field.name in PRIORS else field.default)
        }
        content |= {
            name: distributions.written(scale)
            for name, scale in self.drawn_scales.items()
        }
        content |= {
            name: value.written
            for name, value in content.items()
            if isinstance(value, Mechanism)
        }
        content["levels"] = list(self.levels.sizes)
        if self.coefficients is not None:
            content["coefficients"] = [
                [list(pair) for pair in level] for level in self.coefficients
            ]
        return content

    @property
    def drawn_scales(self) -> dict[str, Distribution]:
        """Scales that are drawn for each level, by name."""
        own = {name: getattr(self, name) for name in OF_SCALES}
        return {
            name: scale
            for name, scale in own.items()
            if scale is not None and not isinstance(scale, int | float)
        }

    def stated(self, instead: Mapping[str, Any] = MappingProxyType({})) -> Stated:
        """Give the priors that are stated, by name; others follow the data.

        An intercept that is always 0 has a weak prior none the less.

        Parameters
        ----------
        instead : mapping of str to float, optional
            What an estimator is told instead of what the design states.
        """
        own = {name: getattr(self, name) for name in PRIORS}
        if own["intercept_sd"] == 0.0:
            own["intercept_sd"] = Problem.intercept_sd
        stated = {name: value for name, value in own.items() if value is not None}
        return stated | dict(instead)

    def problem(
        self,
        units: Units | None = None,
        instead: Mapping[str, Any] = MappingProxyType({}),
        noise: float | None = None,
    ) -> Problem:
        """Levels, with the priors that are stated or that follow the data.

        Parameters
        ----------
        units : Units, optional
            Those of the data; see `Problem.following`.
        instead : mapping of str to float, optional
            See `stated`.
        noise : float, optional
            See `Problem.following`.
        """
        following = Problem.following(self.levels, units, noise)
        return following.told(self.stated(instead))

    @classmethod
    def from_content(
        cls,
        content: dict[str, Any],
        name: str | None = None,
        level_names: Sequence[str] = (),
        labels: Sequence[Sequence[str]] = (),
    ) -> Design:
        """Rebuild a design from its `content`.

        Parameters
        ----------
        content : dict
        name : str, optional
        level_names, labels : sequence, optional
            See `Levels`, which they are the names and labels of.
        """
        values = {key: read(key, value) for key, value in content.items()}
        values["levels"] = Levels(
            Levels.of(values["levels"]).sizes,
            tuple(level_names),
            tuple(map(tuple, labels)),
        )
        if values.get("coefficients") is not None:
            values["coefficients"] = pairs_of(values["coefficients"])
            values = dict.fromkeys(PRIORS) | values
        return cls(name=name, **values)

    @property
    def id(self) -> str:
        """Readable id that depends on nothing but this design.

        Levels and rows always, the other parameters where they are not the default.
        A hash stands in only for what would make the id too long.
        """
        if self.name is not None:
            return self.name
        parts = [
            "levels-" + "-".join(map(str, self.levels.sizes)),
            f"rows-{self.rows}",
        ]
        for key, value in self.content.items():
            if key not in ("levels", "rows", "coefficients"):
                parts.append(_part_of_id(key, value))
        return _short_enough("_".join(parts), self.content)

    def variant(self, name: str, keys: Iterable[str]) -> str:
        """Name of a design that is one of several with the same given coefficients.

        Parameters
        ----------
        name : str
            What they have in common.
        keys : iterable of str
            In what they differ.
        """
        own = {key: getattr(self, key) for key in keys}
        parts = [
            _part_of_id(key, value.written if isinstance(value, Mechanism) else value)
            for key, value in own.items()
        ]
        return _short_enough("_".join([name, *parts]), self.content)

    def problems(self) -> list[str]:
        """Say why such data cannot be drawn, a sentence each."""
        found = [self.layout.problem(self.levels)]
        if not isinstance(self.truth, str):
            found.append(self.truth.problem(self.levels))
        return [problem for problem in found if problem]

    @property
    def keeps_contributors(self) -> bool:
        """Whether a contributor is the same one in every replicate."""
        return self.truth in ("fixed", truths.POSTERIOR)

    @property
    def as_modelled(self) -> bool:
        """Whether rows have the law that the model gives them, and estimators assume.

        Whatever the layout: the model takes who contributed as given.
        """
        return not {"noise", "interaction_sd", "drift", "autocorrelation"} & {
            *self.content
        }


def read(key: str, value: Any) -> Any:
    """Read a value of a study file, or of the content of a design, by its key."""
    reader = READERS.get(key)
    return distributions.read(key, value) if reader is None else reader(value)


def _part_of_id(key: str, value: Any) -> str:
    """Write a plain value of a design as a part of its id."""
    return f"{key}-{mechanisms.shown(value)}"


def _short_enough(name: str, content: Mapping[str, Any]) -> str:
    """Put a hash of the content in place of what would make an id too long."""
    if len(name) <= LONGEST_ID:
        return name
    digest = hashlib.sha256(json.dumps(content).encode()).hexdigest()[:12]
    return f"{name[: LONGEST_ID - 13]}_{digest}"


def written(value: Any) -> str | None:
    """Write a mechanism, or a word, as a column of text: a word, or JSON."""
    plain = value.written if isinstance(value, Mechanism) else value
    return plain if isinstance(plain, str) else json.dumps(plain)


def levels_of(coefficients: Any) -> Levels:
    """Levels of the coefficients of a study file, with what they are called.

    Parameters
    ----------
    coefficients : sequence or mapping
        A sequence of levels, each a sequence of contributors; or a mapping of names to
        levels, each a mapping of labels to contributors.

    Raises
    ------
    ValueError
        If two contributors would be called the same.
    """
    if not isinstance(coefficients, Mapping):
        return Levels.of(map(len, coefficients))
    return Levels(
        tuple(map(len, coefficients.values())),
        tuple(coefficients),
        tuple(tuple(level) for level in coefficients.values()),
    )


def pairs_of(coefficients: Any) -> Coefficients:
    """Coefficients of a study file, without what they are called; see `levels_of`."""
    if isinstance(coefficients, Mapping):
        coefficients = [list(level.values()) for level in coefficients.values()]
    return tuple(
        tuple((float(mu), float(sigma)) for mu, sigma in level)
        for level in coefficients
    )
