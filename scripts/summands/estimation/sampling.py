"""Which sampler a posterior is given to, and its draws in one form.

Each samples in the coordinates that suit it: those fitted to the data
(`summands.posterior.density`), the scales and variances alone, with the means
integrated out (`pooled`), of hundreds of contributors the means of all levels but the
largest as well (`heteroscedastic`, or with one noise `crossed`); and the model as PyMC
states it (`stated`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from summands.estimation.results import Scales
from summands.model.cells import Cells
from summands.model.problem import Problem
from summands.posterior.attempts import (
    ATTEMPTS,
    MANY_ATTEMPTS,
    POOLED_ATTEMPTS,
    Attempt,
)

# Contributors above which sampling means is cheaper than factorising at each gradient.
MANY = 300

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Sampled:
    """Draws as a route returns them.

    Parameters
    ----------
    intercept : ndarray, shape (chains, draws)
    mu, sigma : ndarray, shape (chains, draws, K)
    statistics : mapping of str to ndarray, each of shape (chains, draws)
        Of all draws, those that thinning leaves out too.
    gradients : int
    parametrisation : str
        Name of the coordinates.
    scales : Scales, optional
    """

    intercept: Array
    mu: Array
    sigma: Array
    statistics: Mapping[str, NDArray[Any]]
    gradients: int
    parametrisation: str
    scales: Scales | None = None

    @property
    def arrays(self) -> list[Array]:
        """All draws."""
        found = [self.intercept, self.mu, self.sigma]
        if self.scales is not None:
            found += [
                values for values in vars(self.scales).values() if values is not None
            ]
        return found


@dataclass(frozen=True)
class Route:
    """How a posterior is sampled.

    Parameters
    ----------
    contributors : int
        Of all levels.
    estimated : bool
        Whether scales are estimated.
    constant : bool
        Whether all rows have one noise.
    stated : bool, optional
        Whether the model is sampled as PyMC states it.
    """

    contributors: int
    estimated: bool
    constant: bool
    stated: bool = False

    @property
    def many(self) -> bool:
        """Whether only the means of the largest level are integrated out."""
        return self.contributors > MANY

    @property
    def integrates(self) -> bool:
        """Whether means are integrated out."""
        return self.estimated or self.constant or self.many

    @property
    def attempts(self) -> tuple[Attempt, ...]:
        """What each attempt changes."""
        if self.many:
            return ATTEMPTS if self.constant else MANY_ATTEMPTS
        return POOLED_ATTEMPTS if self.integrates else ATTEMPTS

    def prepare(self, problem: Problem) -> None:
        """Compile, or load from the cache, what all data sets of its levels share."""
        if self.stated:
            from summands.posterior import stated

            stated.compiled(problem.levels, self.estimated, self.constant)
        elif self.many:
            from summands.posterior import crossed_draws, heteroscedastic_draws

            (crossed_draws if self.constant else heteroscedastic_draws).prepare()
            return
        elif self.integrates:
            from summands.posterior import pooled_draws

            pooled_draws.prepare(problem, self.estimated, self.constant)
            return
        else:
            from summands.posterior import density, foreign

            foreign.functions(density.callback)
        from summands.posterior import allocation

        allocation.mix(problem, np.ones((1, problem.levels.contributors)), 0)

    def sample(
        self,
        cells: Cells,
        problem: Problem,
        settings: dict[str, Any],
        attempt: Attempt,
        seed: int,
    ) -> Sampled:
        """Sample once.

        Parameters
        ----------
        cells : Cells
        problem : Problem
        settings : dict
            Arguments of `summands.posterior.nuts.sample`.
        attempt : Attempt
        seed : int
            Of what is drawn after the sampler.

        Returns
        -------
        Sampled
        """
        if self.stated:
            return _sample_stated(self, cells, problem, settings, attempt, seed)
        if self.integrates:
            return _sample_integrated(self, cells, problem, settings, attempt, seed)
        return _sample_fitted(cells, problem, settings, attempt, seed)


def _sample_fitted(
    cells: Cells,
    problem: Problem,
    settings: dict[str, Any],
    attempt: Attempt,
    seed: int,
) -> Sampled:
    """Sample in coordinates of the attempt's kind, or in those that suit the data."""
    from summands.posterior import allocation, coordinates, density, nuts

    chosen = coordinates.fit(problem, cells, attempt.kind)

    def start(chain_seed: int) -> Array:
        # Dispersed along the ridges as well, where the prior alone decides.
        z = np.random.default_rng(chain_seed).normal(size=chosen.dimension)
        intercept, mu, variance = chosen.coefficients(z)
        moved = chosen.locate(
            intercept, mu, allocation.mix(problem, variance, chain_seed)
        )
        return moved if np.isfinite(moved).all() else z

    trace = nuts.sample(
        density.callback,
        chosen.packed(problem, cells),
        chosen.dimension,
        start,
        **settings,
    )
    intercept, mu, variance = chosen.coefficients(trace.z)
    kept = slice(None, None, attempt.thinning)
    return Sampled(
        intercept[:, kept],
        mu[:, kept],
        np.sqrt(allocation.mix(problem, variance[:, kept], seed, attempt.sweeps)),
        statistics=trace.statistics,
        gradients=trace.gradients,
        parametrisation=chosen.kind,
    )


def _sample_integrated(
    route: Route,
    cells: Cells,
    problem: Problem,
    settings: dict[str, Any],
    attempt: Attempt,
    seed: int,
) -> Sampled:
    """Sample with means integrated out, and draw what was integrated out."""
    from summands.posterior import nuts

    complete: Callable[..., Any]
    target: Any
    if route.many and route.constant:
        from summands.posterior import crossed, crossed_draws

        complete = crossed_draws.complete
        target = crossed.fit(problem, cells, route.estimated)
    elif route.many:
        from summands.posterior import heteroscedastic, heteroscedastic_draws

        complete = heteroscedastic_draws.complete
        target = heteroscedastic.fit(problem, cells, route.estimated)
    else:
        from summands.posterior import pooled, pooled_draws

        complete = pooled_draws.complete
        integrated = None if attempt.kind is None else False
        target = pooled.fit(problem, cells, route.estimated, route.constant, integrated)
    trace = nuts.sample(
        target.density.callback,
        target.packed(),
        target.dimension,
        target.start,
        **settings,
    )
    z = trace.z[:, :: attempt.thinning]
    intercept, mu, sigma, scales = complete(
        target, z, seed, attempt.sweeps, route.estimated
    )
    return Sampled(
        intercept,
        mu,
        sigma,
        scales=scales and Scales(*scales),
        statistics=trace.statistics,
        gradients=trace.gradients,
        parametrisation=target.kind,
    )


def _sample_stated(
    route: Route,
    cells: Cells,
    problem: Problem,
    settings: dict[str, Any],
    attempt: Attempt,
    seed: int,
) -> Sampled:
    """Sample the model as PyMC states it; there is only one set of coordinates."""
    from summands.posterior import allocation, stated

    trace = stated.sample(cells, problem, settings, route.estimated, route.constant)
    posterior = {
        name: values[:, :: attempt.thinning] for name, values in trace.draws.items()
    }
    scales = None
    variance = posterior["sigma"] ** 2
    if not route.constant:
        variance = allocation.mix(
            problem, variance, seed, attempt.sweeps, pooled=route.estimated
        )
    sigma = np.sqrt(variance)
    if route.estimated:
        from summands.posterior import pooled_draws

        noise = None if route.constant else sigma
        scales = Scales(
            *pooled_draws.scales_of(problem, posterior["mu_sd"], noise, seed)
        )
    return Sampled(
        posterior["intercept"],
        posterior["mu"],
        sigma,
        statistics=trace.statistics,
        gradients=trace.gradients,
        parametrisation="non-centred"
        if route.estimated or route.constant
        else "softplus",
        scales=scales,
    )
