"""Draws of one data set, read back from their file and diagnosed.

Apart from what writes them: diagnostics are compiled, and fits of estimators without
draws do not depend on them.
"""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import numpy as np
import xarray as xr

from summands.estimation.results import Draws, Scales
from summands.files import storage
from summands.model import estimands
from summands.model.levels import Levels
from summands.posterior import diagnostics


def read(path: str | Path, levels: Levels) -> Draws:
    """Read the draws of a file of one data set, and diagnose them again.

    Parameters
    ----------
    path : str or Path
        What `draws_file.write` wrote of one design and one replicate.
    levels : Levels

    Returns
    -------
    Draws
    """
    with storage.reading(path), xr.open_datatree(path, engine="h5netcdf") as tree:
        posterior = tree["posterior"].to_dataset().isel(replicate=0).load()
        statistics = tree["sample_stats"].to_dataset().isel(replicate=0).load()
    found = {str(name): v.to_numpy() for name, v in posterior.data_vars.items()}
    scales = {f.name: found[f.name] for f in fields(Scales) if f.name in found}
    coefficients = found["intercept"], np.nan_to_num(found["mu"]), found["sigma"]
    sampled = {str(n): v.to_numpy() for n, v in statistics.data_vars.items()}
    return Draws(
        *coefficients,
        statistics=sampled,
        diagnostics=diagnostics.diagnose(
            levels, estimands.evaluate(levels, *coefficients), sampled
        ),
        gradients=0,
        parametrisation="",
        attempts=0,
        scales=Scales(**scales) if scales else None,
    )
