"""Run nutpie's sampler on compiled densities.

nutpie compiles a function for each model it is given. Its sampler takes any C
function, but offers no way to hand one over, so this module, and no other, reaches
into nutpie: it builds the same objects as nutpie's own PyMC path.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import importlib.util
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.machinery import ModuleSpec
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from summands.posterior import diagnostics, foreign


class _WhenUsed(importlib.abc.MetaPathFinder):
    """Let a module's code run when it is first used, not when it is imported."""

    def __init__(self, name: str) -> None:
        self._name = name

    def find_spec(self, name: str, path: Any, target: Any = None) -> ModuleSpec | None:
        if name != self._name:
            return None
        found = importlib.machinery.PathFinder.find_spec(name, path)
        if found is not None and found.loader is not None:
            found.loader = importlib.util.LazyLoader(found.loader)
        return found


# nutpie needs ArviZ for one conversion that is not made here, and importing it (with
# plots, statistics and all that these import) takes longer than twenty small fits.
_finder = _WhenUsed("arviz")
sys.meta_path.insert(0, _finder)
import nutpie  # noqa: E402
from nutpie import _lib  # noqa: E402
from nutpie.sample import CompiledModel  # noqa: E402

sys.meta_path.remove(_finder)


# Milliseconds between two lines in the log of a long fit.
HEARTBEAT = 10_000


@dataclass(frozen=True)
class Trace:
    """What came out of a sampler.

    Parameters
    ----------
    z : ndarray, shape (chains, draws, D)
    statistics : dict of str to ndarray, each of shape (chains, draws)
    gradients : int
        Gradient evaluations, tuning included.
    """

    z: NDArray[np.float64]
    statistics: dict[str, NDArray[Any]]
    gradients: int


@dataclass(frozen=True)
class _Model(CompiledModel):
    """A posterior in the form that nutpie samples."""

    callback: Callable[..., int] = None  # type: ignore[assignment]
    start: Callable[[int], NDArray[np.float64]] = None  # type: ignore[assignment]
    dimension: int = 0
    record: NDArray = None  # type: ignore[assignment]

    @property
    def n_dim(self) -> int:
        return self.dimension

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        return {"z": (self.dimension,)}

    @property
    def coords(self) -> dict[str, Any]:
        return {}

    def _make_model(self, init_mean: Any) -> Any:
        density, expand = foreign.functions(self.callback)
        address = self.record.ctypes.data
        sizes = {"coordinate": self.dimension}
        return _lib.PyMcModel(
            _lib.LogpFunc(density.address, address, self),
            _lib.ExpandFunc(
                self.dimension, self.dimension, expand.address, address, self
            ),
            _lib.PyVariable.new_variables(
                ["z"], ["float64"], [(self.dimension,)], sizes, {"z": ["coordinate"]}
            ),
            self.dimension,
            sizes,
            {},
            self.start,
            None,
        )

    def _make_sampler(
        self,
        settings: Any,
        init_mean: Any,
        cores: int,
        progress_type: Any,
        extra_callback: Any,
        extra_callback_rate: int,
        store: Any,
    ) -> Any:
        return _lib.PySampler.from_pymc(
            settings,
            cores,
            self._make_model(init_mean),
            progress_type,
            extra_callback,
            extra_callback_rate,
            store,
        )


def sample(
    callback: Callable[..., int],
    record: NDArray,
    dimension: int,
    start: Callable[[int], NDArray[np.float64]],
    **options: Any,
) -> Trace:
    """Sample a density.

    Parameters
    ----------
    callback : callable
        A density as `summands.posterior.foreign` describes it.
    record : ndarray, shape (1,)
        What it reads.
    dimension : int
    start : callable
        From a seed to a starting point, shape (D,).
    **options
        Options of `nutpie.sample`.

    Returns
    -------
    Trace
    """
    model = _Model(
        dims={}, callback=callback, start=start, dimension=dimension, record=record
    )
    raw = nutpie.sample(model, return_raw_trace=True, save_warmup=True, **options)
    return _read(raw, options["tune"], dimension)


def _read(raw: Any, tune: int, dimension: int) -> Trace:
    """Take arrays out of nutpie's Arrow tables, one pair a chain."""
    draws, statistics = raw.get_arrow_trace()
    z = np.stack(
        [
            pa.array(chain.column("z")).flatten().to_numpy().reshape(-1, dimension)
            for chain in draws
        ]
    )
    columns = {
        name: np.stack(
            [
                pa.array(chain.column(name)).to_numpy(zero_copy_only=False)
                for chain in statistics
            ]
        )
        for name in diagnostics.STATISTICS
    }
    return Trace(
        z[:, tune:],
        {name: values[:, tune:] for name, values in columns.items()},
        int(columns["n_steps"].sum()),
    )


def heartbeat(progress: Callable[[str], None]) -> Callable[[list[Any]], None]:
    """Tell how far chains are, from what nutpie's callback is given."""
    begun = time.perf_counter()

    def beat(chains: list[Any]) -> None:
        if time.perf_counter() - begun < HEARTBEAT / 2000:
            return
        done = sum(chain.finished_draws for chain in chains)
        total = sum(chain.total_draws for chain in chains)
        diverged = sum(chain.divergences for chain in chains)
        if done < total:
            progress(f"{done} of {total} iterations, {diverged} divergences so far")

    return beat
