"""A design: one point of a study's grid, or a named design with given coefficients."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, fields
from typing import Any

from summands.levels import Levels

Coefficients = tuple[tuple[tuple[float, float], ...], ...]

# File systems take names of 255 bytes; an id is also part of file names.
LONGEST_ID = 120


@dataclass(frozen=True)
class Design:
    """What is simulated, and the scales from which the truth is drawn.

    Parameters
    ----------
    levels : Levels
        Contributors per level.
    rows : int
        Rows of a data set.
    mu_mean, mu_sd : float
        mu ~ Normal(mu_mean, mu_sd), then centred within its level.
    log_sigma_mean, log_sigma_sd : float
        sigma ~ LogNormal(log_sigma_mean, log_sigma_sd).
    intercept_sd : float
        intercept ~ Normal(0, intercept_sd).
    truth : {"drawn", "fixed"}
        Coefficients drawn anew for every replicate, or once for the design.
    coefficients : tuple, optional
        Given truth: for each level, for each contributor, (mu, sigma).
    name : str, optional
        Name of a design with given coefficients.
    """

    levels: Levels
    rows: int
    mu_mean: float = 0.0
    mu_sd: float = 1.0
    log_sigma_mean: float = 0.0
    log_sigma_sd: float = 1.0
    intercept_sd: float = 0.0
    truth: str = "drawn"
    coefficients: Coefficients | None = None
    name: str | None = None

    @property
    def content(self) -> dict[str, Any]:
        """Everything that the data depend on, as plain JSON values.

        The name is no part of it: a design renamed gives the same data. What has its
        default is left out, so that a design keeps its seeds when designs learn to
        differ in something new.
        """
        content = {
            field.name: getattr(self, field.name)
            for field in fields(self)
            if field.name != "name" and getattr(self, field.name) != field.default
        }
        content["levels"] = list(self.levels.sizes)
        if self.coefficients is not None:
            content["coefficients"] = [
                [list(pair) for pair in level] for level in self.coefficients
            ]
        return content

    @classmethod
    def from_content(cls, content: dict[str, Any], name: str | None = None) -> Design:
        """Rebuild a design from its `content`."""
        values = dict(content)
        values["levels"] = Levels.of(values["levels"])
        if values.get("coefficients") is not None:
            values["coefficients"] = tuple(
                tuple((float(mu), float(sigma)) for mu, sigma in level)
                for level in values["coefficients"]
            )
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
        for field in fields(self):
            if field.name in ("levels", "rows", "coefficients", "name"):
                continue
            value = getattr(self, field.name)
            if value != field.default:
                shown = value if isinstance(value, str) else _shortest(value)
                parts.append(f"{field.name}-{shown}")
        name = "_".join(parts)
        if len(name) <= LONGEST_ID:
            return name
        digest = hashlib.sha256(json.dumps(self.content).encode()).hexdigest()[:12]
        return f"{name[: LONGEST_ID - 13]}_{digest}"


def _shortest(value: float) -> str:
    """Shortest decimal text that reads back as the same float, without '.0'."""
    text = repr(float(value))
    return text.removesuffix(".0")
