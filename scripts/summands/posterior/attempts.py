"""The rule by which a data set whose draws did not converge is sampled again.

It is fixed, and the same data are sampled again, so that it cannot be fitted to the
outcome.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Attempt:
    """What an attempt changes.

    Parameters
    ----------
    tuning : int
        How many times as long it tunes.
    accept : float
        Least acceptance rate.
    thinning : int
        How many draws it makes for one that is kept.
    kind : str, optional
        Coordinates; by default those that suit the data.
    sweeps : int, optional
        Of moves along the ridges after each draw that is kept.
    """

    tuning: int
    accept: float
    thinning: int
    kind: str | None = None
    sweeps: int = 1


# Of the fits that the first two give up, most are of few rows and mix slowly; there
# "floors" takes ten times the gradients and mixes no better.
ATTEMPTS = (
    Attempt(1, 0.0, 1),
    Attempt(2, 0.97, 1),
    Attempt(4, 0.99, 4, "warped"),
)

# Where the means are integrated out, what mixes slowly are the ridges, and what fails
# are single divergences. With the spreads of noise integrated out as well, energies may
# have tails too long to explore, which they have not where spreads are sampled.
POOLED_ATTEMPTS = (
    Attempt(1, 0.98, 1, sweeps=3),
    Attempt(2, 0.99, 1, sweeps=3),
    Attempt(4, 0.998, 4, "non-centred", sweeps=3),
)

# Of many contributors with a noise each, what mixes slowly is how far the noise of one
# level's differs: more draws help, and smaller steps do not.
MANY_ATTEMPTS = (
    Attempt(1, 0.0, 1),
    Attempt(1, 0.0, 3),
    Attempt(4, 0.99, 6),
)
