"""Final tables of an observed table that a test makes up: no sampler runs."""

from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from summands.data import imitation, table_data
from summands.estimation import fitting, tables
from summands.estimation.results import Components, Point, Scales
from summands.model import estimands
from summands.model.data_set import DataSet
from summands.model.levels import Levels
from summands.model.problem import Problem
from summands.recovery import calibration, held, metrics_table
from summands.report import findings
from summands.report.reading import Tables
from summands.study import answers, study

from .decomposition.stand_ins import cells_of, draws_of, table_of
from .stand_ins import score_of, tables_of

LONG = "a label that is much longer than what a figure has room for, of "

# Labels that users have: markup, templates, right to left, and some that become alike.
TOOLS = (
    "<script>alert(1)</script>",
    "${x}",
    f"{LONG}A",
    f"{LONG}B" + "b" * 250,
    "עברית",
)
LOTS = ("L1", "L1 ", "l1")

# Tables that a check draws.
AGAIN = 30


@dataclass(frozen=True)
class Made:
    """A study and its final tables."""

    study: study.Study
    tables: dict[str, pa.Table]

    @property
    def frames(self):
        return {name: table.to_pandas() for name, table in self.tables.items()}

    def written(self, folder):
        """The same as files."""
        for name, table in self.tables.items():
            pq.write_table(table, folder / f"{name}.parquet")
        record = '{"commit": "c", "modified": false, "python": "3", "platform": "p"'
        (folder / "provenance.json").write_text(
            record + ', "packages": {}, "table": "t", '
            '"values": {"rows": 49, "mean": 10.23, "sd": 1.3}}'
        )
        paths = {name: str(folder / f"{name}.parquet") for name in self.tables}
        return Tables(
            self.study, paths | {"provenance": str(folder / "provenance.json")}
        )


def made(
    *,
    tools=TOOLS,
    lots=LOTS,
    once=True,
    converged=True,
    mu_sd=1.0,
    shift=3.0,
    noisy=4.0,
    origin=0.0,
    unit=1.0,
    differences=True,
    seed=0,
):
    """Take a table apart in which the first tool is high, and the second noisy.

    Parameters
    ----------
    tools, lots : sequences of str
        Labels.
    once : bool
        Whether the last tool has a single row.
    converged : bool
        Whether "full" has.
    mu_sd : float
        Scale of each level; 0 for draws that leave 0 possible.
    shift, noisy : float
        Mean of the first tool, and noise of the second, where the others have 0 and 1.
    origin, unit : float
        Of the values.
    differences : bool
        Whether pairs are asked for.
    """
    rng = np.random.default_rng(seed)
    levels = Levels(
        (1, len(tools), len(lots)),
        ("baseline", "tool $x$", "lot"),
        (("all",), tuple(tools), tuple(lots)),
    )
    picked = np.indices((len(tools), len(lots), 4)).reshape(3, -1)[:2]
    if once:
        of_last = np.flatnonzero(picked[0] == len(tools) - 1)
        picked = np.delete(picked, of_last[1:], axis=1)
    k = levels.contributors
    mu, sigma = np.zeros(k), np.ones(k)
    mu[1], sigma[2] = shift, noisy
    sigma[0] = 0.0
    columns = [np.zeros(picked.shape[1], int), *picked]
    rows = table_of(levels, columns, 0.0, mu, sigma, rng)
    rows = replace(rows, value=origin + unit * rows.value)
    cells, cell, smallest, largest = cells_of(rows)
    data_set = DataSet(cells)
    spread = data_set.units.scale / unit

    def full(data, problem, options, seed, progress, *, constant=False):
        shape = (4, 250)
        some = levels.centre(mu + rng.normal(0, 0.2, (*shape, k))) / spread
        if constant:
            drawn = np.zeros((*shape, k))
            drawn[..., 0] = rng.lognormal(0.4, 0.1, shape) / spread
        else:
            drawn = sigma * rng.lognormal(0, 0.1, (*shape, k)) / spread
        scale = np.abs(rng.normal(mu_sd, 0.2 if mu_sd else 1.0, (*shape, 3))) / spread
        scale[..., 0] = 0.0
        others = (
            ()
            if constant
            else (
                rng.normal(0, 0.2, (*shape, 3)),
                rng.lognormal(-0.7, 0.3, (*shape, 3)),
            )
        )
        return draws_of(
            levels, rng.normal(0, 0.1, shape), some, drawn, Scales(scale, *others)
        )

    def one_noise(*arguments):
        return full(*arguments, constant=True)

    def point(data, problem, options, seed, progress):
        names = estimands.index(levels)
        estimate = np.full(len(names.parameter), np.nan)
        estimate[names.where("mu")] = levels.centre(mu) / spread
        known = np.where(np.isnan(estimate), np.nan, 0.1)
        sd = np.array([0.0, 1.0, 0.0, 1.2])
        return Point(
            estimate, known, True, components=Components(sd, 0.5 * sd, 2.0 * sd)
        )

    checked = study.load(
        {
            "study": "s",
            "seed": 1,
            "observed": {
                "table": "table.csv",
                "value": "thickness of <b>",
                "levels": ["tool $x$", "lot"],
                "differences": ["tool $x$"] if differences else [],
                "gauge": {"part": "tool $x$", "operator": "lot"},
            },
            "check": {"replicates": AGAIN},
            "estimators": {
                "full": {"method": "nutpie"},
                "constant": {"method": "nutpie", "noise": "constant"},
                "reml": {"method": "homoscedastic"},
            },
        }
    )
    problem = Problem.following(levels, data_set.units, data_set.noise)
    fitted, again = {}, {}
    for (name, entry), estimate in zip(
        checked.estimators.items(), (full, one_noise, point), strict=True
    ):
        fit = fitting.fit(estimate, data_set, problem, {}, 0, progress=str)
        assert fit.error is None, fit.error
        if name == "full" and not converged:
            fit.converged, fit.criterion = False, "max_rhat 1.2 >= 1.01"
        again[name] = fit
        fitted[name] = answers.Fitted(
            entry,
            tables.estimates("observed", name, levels, [0], [fit]),
            tables.fits("observed", name, [0], [fit]),
            fit.components,
            fit.draws,
        )
    counts = table_data.Counts(len(rows.value), 0, 0, {}, True)
    whole = answers.Table(levels, cells, counts, smallest, largest, rows.value, cell)
    found = {
        "estimates": pa.concat_tables(one.estimates for one in fitted.values()),
        "fits": pa.concat_tables(one.fits for one in fitted.values()),
    }
    found |= answers.make(checked, whole, fitted, str)
    main = findings.main_estimator({n: t.to_pandas() for n, t in found.items()})
    found["cautions"] = answers.cautions(cells, found, main)
    return Made(checked, found | _check(cells, again))


def _check(cells, fits):
    """As if all tables drawn from the posterior of "full" had been the same."""
    levels, draws = cells.levels, fits["full"].draws
    truths = np.stack(
        [
            estimands.evaluate_truth(levels, one.intercept, one.mu, one.sigma)
            for one in (
                imitation.truth(draws.intercept, draws.mu, draws.sigma, 1, replicate)
                for replicate in range(AGAIN)
            )
        ]
    )
    known = {"truth": truths, "bound": np.full(truths.shape, np.nan)}
    alone, joint = (
        {
            name: tables_of(kind, name, levels, [fit] * AGAIN, known, scores)
            for name, fit in fits.items()
        }
        for kind, scores in (
            ("alone", None),
            (
                "joint",
                [
                    score_of(
                        truths.shape[1],
                        rank=np.full(truths.shape[1], 3.0 * replicate),
                        rank_of=np.full(truths.shape[1], 99.0),
                        log_likelihood_rank=3 * replicate,
                        log_likelihood_rank_of=99,
                    )
                    for replicate in range(AGAIN)
                ],
            ),
        )
    )
    design = imitation.design(levels, int(cells.n.sum()))
    return {
        "held": held.held(levels, alone),
        "recovery": metrics_table.recovery("alone", design, alone),
        "calibration": calibration.calibration("joint", design, "full", *joint["full"]),
        "check_estimates": pa.concat_tables(pair[0] for pair in alone.values()),
        "check_fits": pa.concat_tables(pair[1] for pair in alone.values()),
    }
