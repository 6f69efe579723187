"""How much the answers hang on the priors of the scales.

By power scaling (Kallioinen, Paananen, Bürkner and Vehtari 2024, Statistics and
Computing 34:57), as ArviZ has it: the posterior is reweighted as if the prior, or the
likelihood, were raised to a power near 1, and the sensitivity is how fast a component's
distribution moves. What is scaled is the component's own prior: of a level that of the
scale of its means, of the noise those of the centres and spreads of all levels; and
the likelihood that it has (`likelihood`). What comes below its prior in the hierarchy
is part of the model.
"""

from __future__ import annotations

import arviz_stats
import numpy as np
import pyarrow as pa
import xarray as xr
from numpy.typing import NDArray
from scipy import stats

from summands.decomposition import components, likelihood, tables, thinning
from summands.estimation.results import Draws, Scales
from summands.files.columns import schema
from summands.model.cells import Cells
from summands.model.distributions import Normal, ScalePriors

Array = NDArray[np.float64]

# Sensitivities from which on something moves (Kallioinen et al. 2024, section 3.3).
THRESHOLD = 0.05

# Draws whose likelihood is computed: at most so many, and of large tables as many as
# have so many cells, but not less than the least.
MOST_DRAWS = 4_000
LEAST_DRAWS = 500
MOST_CELLS = 100_000_000

# Draws from the prior of the noise, which has no quantiles in closed form.
PRIOR_DRAWS = 10_000

CONFLICT = "prior and data both matter"
STRONG = "the prior decides"
FINE = "the data decide"

QUANTILES = (0.025, 0.5, 0.975)

SENSITIVITY = schema(
    ("estimator", pa.string(), "name of the estimator"),
    ("component", pa.string(), "as in components.parquet"),
    ("level", pa.int32(), "number of the level; null for the noise"),
    (
        "prior_lower_95",
        pa.float64(),
        "2.5 % quantile of its standard deviation a priori",
    ),
    ("prior_median", pa.float64(), "median of the same"),
    ("prior_upper_95", pa.float64(), "97.5 % quantile of the same"),
    ("lower_95", pa.float64(), "2.5 % quantile a posteriori"),
    ("median", pa.float64(), "median of the same"),
    ("upper_95", pa.float64(), "97.5 % quantile of the same"),
    (
        "prior_sensitivity",
        pa.float64(),
        "how fast the posterior moves as the component's own prior is raised to a "
        f"power; from {THRESHOLD} on it matters",
    ),
    (
        "likelihood_sensitivity",
        pa.float64(),
        "the same for the likelihood; below that the data say little",
    ),
    (
        "diagnosis",
        pa.string(),
        f"{FINE}: the prior does not matter; {CONFLICT}, as "
        f"where they pull apart; {STRONG}: the prior matters and the data say little",
    ),
)


def of_draws(
    estimator: str, draws: Draws, cells: Cells, priors: ScalePriors
) -> pa.Table:
    """Tabulate prior beside posterior, and the sensitivity to either.

    Parameters
    ----------
    estimator : str
    draws : Draws
        With `Draws.scales`, in the units of the data.
    cells : Cells
    priors : ScalePriors
        Of the problem, in the same units.

    Returns
    -------
    pyarrow.Table
        With the columns of `SENSITIVITY`; no row where the scales are not estimated.
    """
    if draws.scales is None:
        return SENSITIVITY.empty_table()
    some = thinning.thin(
        draws, min(MOST_DRAWS, max(LEAST_DRAWS, MOST_CELLS // len(cells.n)))
    )
    found = components.variances(draws, cells)
    sd = np.sqrt(found.draws)
    names = [
        *(cells.levels.names[level] for level in found.levels),
        components.NOISE,
    ]
    told = likelihood.of_components(some, sd[some.places, :-1], found.levels, cells)
    of_prior = [
        _power_scaled(*pair)
        for pair in zip(sd.T, log_prior(draws, cells, priors).T, strict=True)
    ]
    of_likelihood = [
        _power_scaled(*pair) for pair in zip(sd[some.places].T, told.T, strict=True)
    ]
    before = np.stack(
        [
            *(
                stats.halfnorm.ppf(QUANTILES, scale=priors.mu_sd.scale)
                for _ in found.levels
            ),
            np.quantile(_noise_before(draws.scales, cells, priors), QUANTILES),
        ]
    )
    after = np.quantile(sd, QUANTILES, axis=0)
    return tables.table(
        SENSITIVITY,
        {
            "estimator": estimator,
            "component": names,
            "level": [*found.levels, None],
            "prior_lower_95": before[:, 0],
            "prior_median": before[:, 1],
            "prior_upper_95": before[:, 2],
            "lower_95": after[0],
            "median": after[1],
            "upper_95": after[2],
            "prior_sensitivity": np.array(of_prior),
            "likelihood_sensitivity": np.array(of_likelihood),
            "diagnosis": [
                _diagnosis(*pair) for pair in zip(of_prior, of_likelihood, strict=True)
            ],
        },
    )


def _diagnosis(of_prior: float, of_likelihood: float) -> str | None:
    """ArviZ's rule (`arviz_stats.psense_summary`), in our words."""
    if np.isnan(of_prior) or np.isnan(of_likelihood):
        return None
    if of_prior < THRESHOLD:
        return FINE
    return STRONG if of_likelihood < THRESHOLD else CONFLICT


def log_prior(draws: Draws, cells: Cells, priors: ScalePriors) -> Array:
    """Log density of what each component has a prior of, up to a constant.

    Parameters
    ----------
    draws : Draws
        With `Draws.scales`.
    cells : Cells
    priors : ScalePriors

    Returns
    -------
    ndarray, shape (S, components)
        Of every draw, in the order of `components.variances`.
    """
    scales = draws.scales
    assert scales is not None
    several = tables.several(cells.levels)
    of_means = stats.halfnorm.logpdf(
        scales.mu_sd[..., several], scale=priors.mu_sd.scale
    )
    centre, spread = priors.log_sigma_mean, priors.log_sigma_sd
    if scales.log_sigma_mean is None or scales.log_sigma_sd is None:
        one = _one_noise(priors, cells)
        noise = 0.5 * np.log(components.noise_variance(draws.sigma, cells))
        of_noise = stats.norm.logpdf(noise, one.mean, one.sd)
    else:
        of_noise = stats.norm.logpdf(scales.log_sigma_mean, centre.mean, centre.sd).sum(
            axis=-1
        )
        of_noise += stats.lognorm.logpdf(
            scales.log_sigma_sd, spread.sd, scale=np.exp(spread.mean)
        ).sum(axis=-1)
    density = np.concatenate([of_means, of_noise[..., None]], axis=-1)
    return density.reshape(-1, len(several) + 1)


def _one_noise(priors: ScalePriors, cells: Cells) -> Normal:
    """Prior of the logarithm of a noise that all rows have, that of J levels in one."""
    centre = priors.log_sigma_mean
    return Normal(centre.mean + 0.5 * np.log(cells.levels.count), centre.sd)


def _power_scaled(sd: Array, density: Array) -> float:
    """Sensitivity of a component to a prior or a likelihood, shape (S,) both, by ArviZ.

    NaN for what is the same in all draws or not known.
    """
    if not np.ptp(sd) > 0:
        return float("nan")
    groups = {
        group: xr.Dataset(
            {"x": (("chain", "draw"), values[None])},
            coords={"chain": [0], "draw": np.arange(len(sd))},
        )
        for group, values in (("posterior", sd), ("log_prior", density))
    }
    return float(arviz_stats.psense(xr.DataTree.from_dict(groups), group="prior")["x"])


def _noise_before(scales: Scales, cells: Cells, priors: ScalePriors) -> Array:
    """Draw the standard deviation of the noise from its prior.

    With a seed of its own, so that it is always the same.
    """
    rng = np.random.default_rng(0)
    if scales.log_sigma_mean is None:
        return np.exp(_one_noise(priors, cells).draw(rng, PRIOR_DRAWS))
    levels = cells.levels
    variance = np.zeros(PRIOR_DRAWS)
    for level in range(levels.count):
        centre = priors.log_sigma_mean.draw(rng, PRIOR_DRAWS)
        spread = priors.log_sigma_sd.draw(rng, PRIOR_DRAWS)
        for share in cells.rows[tables.members(levels, level)] / cells.n.sum():
            sigma = np.exp(centre + spread * rng.standard_normal(PRIOR_DRAWS))
            variance += share * sigma**2
    return np.sqrt(variance)
