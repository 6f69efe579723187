"""Final tables of a study that a test makes up."""

import numpy as np
import pyarrow as pa

from summands.data.design import Design
from summands.estimation.results import Fit
from summands.model import estimands
from summands.model.levels import Levels
from summands.recovery import calibration, metrics_table
from summands.recovery.failures import Failures
from summands.report.totals import Totals

from .stand_ins import score_of, tables_of

LEVELS = Levels.of([1, 2])
SIZE = 3 * LEVELS.contributors + 2
TABLES = ("estimates", "fits", "calibration", "recovery", "failures")


def study_tables(names=("one", "two"), estimators=("full", "partial"), replicates=6):
    """Tables of designs with drawn truths; of the last one, with a fixed truth.

    The first fit of each design did not converge, the last failed; the estimator
    "partial" knows no sigma and has no draws.
    """
    rng = np.random.default_rng(0)
    index = estimands.index(LEVELS)
    designs = {name: Design(LEVELS, 100) for name in names}
    designs[names[-1]] = Design(LEVELS, 100, truth="fixed")
    parts: dict[str, list[pa.Table]] = {name: [] for name in TABLES}
    totals, failures = Totals(), Failures()
    for name, design in designs.items():
        gathered = {}
        for estimator in estimators:
            truth = np.abs(rng.normal(1, 0.5, (replicates, SIZE))) + 0.1
            truth[:, estimands.constant(LEVELS)] = 0.0
            known = {"truth": truth, "bound": np.full_like(truth, 0.1)}
            fits, scores = [], []
            for number in range(replicates):
                fit = Fit(SIZE, seconds=0.5, converged=number > 0)
                fit.identified = ~index.where("sigma")
                if number == 0:
                    fit.identified &= ~index.where("mu")
                    fit.criterion = "min_ess_bulk 100 < 400"
                    if estimator == "full" and name == names[0]:
                        fit.criterion += "; divergences 3 > 0"
                        fit.prior_conflict = "too far"
                if number == 1 and estimator == "full":
                    fit.remark = "it rests on a point"
                fit.estimate = truth[number] + rng.normal(0, 0.1, SIZE)
                fit.sd = np.full(SIZE, 0.1)
                fit.lower_50, fit.upper_50 = fit.estimate - 0.07, fit.estimate + 0.07
                fit.lower_95, fit.upper_95 = fit.estimate - 0.2, fit.estimate + 0.2
                if estimator == "partial":
                    fit.estimate[index.where("sigma")] = np.nan
                    scores.append(score_of(SIZE))
                else:
                    rank = rng.integers(0, 99, SIZE, endpoint=True).astype(float)
                    scores.append(
                        score_of(
                            SIZE,
                            rank=rank,
                            rank_of=np.full(SIZE, 99.0),
                            log_likelihood_rank=int(rng.integers(0, 99, endpoint=True)),
                        )
                    )
                fits.append(fit)
            fits[-1] = Fit(SIZE, seconds=0.1, error="it broke")
            fits[-1].identified = ~index.where("sigma")
            scores[-1] = score_of(SIZE)
            pair = tables_of(name, estimator, LEVELS, fits, known, scores)
            gathered[estimator] = pair
            tested = calibration.calibration(name, design, estimator, *pair)
            failures.add(name, LEVELS, estimator, *pair)
            totals.add_fits(name, estimator, *pair)
            totals.add_calibration(tested)
            for kind, table in zip(TABLES, (*pair, tested), strict=False):
                parts[kind].append(table)
        metrics = metrics_table.recovery(name, design, gathered)
        totals.add_metrics(design, metrics)
        parts["recovery"].append(metrics)
    parts["failures"].append(failures.table())
    totals.add_failures(failures.table())
    whole = {kind: pa.concat_tables(made) for kind, made in parts.items()}
    return whole, totals
