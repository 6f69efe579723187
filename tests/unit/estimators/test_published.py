"""Variance components of public tables, to the digits that are published."""

import csv

import numpy as np
import pytest

from summands.estimation import fitting
from summands.estimators import homoscedastic
from summands.model import estimands
from summands.model.cells import collapse
from summands.model.data_set import DataSet
from summands.model.levels import Levels
from summands.model.problem import Problem
from summands.model.restricted import Restricted
from summands.model.rows import Rows

OPTIONS = {key: rule["default"] for key, rule in homoscedastic.OPTIONS.items()}


def read(path):
    if path.suffix == ".csv":
        with path.open(newline="") as file:
            return list(csv.DictReader(file))
    lines = path.read_text().splitlines()[60:85]
    return [
        dict(zip(("instrument", "value"), line.split(), strict=True)) for line in lines
    ]


def table(path, value, levels):
    """Rows of a table; a level "a:b" is the combination of two columns."""
    read_rows = read(path)
    picked, labels = [np.zeros(len(read_rows), dtype=int)], [("baseline",)]
    for level in levels:
        names = [
            ":".join(row[column] for column in level.split(":")) for row in read_rows
        ]
        found, places = np.unique(names, return_inverse=True)
        picked.append(places)
        labels.append(tuple(map(str, found)))
    sizes = tuple(map(len, labels))
    return Rows(
        Levels(sizes, ("baseline", *levels), tuple(labels)),
        np.array([float(row[value]) for row in read_rows]),
        tuple(picked),
    )


def fit_of(rows):
    data_set = DataSet(collapse(rows))
    problem = Problem.following(rows.levels, data_set.units)
    return fitting.fit(
        homoscedastic.estimate, data_set, problem, OPTIONS, 0, progress=str
    )


# File, value, levels; intercept, sd of the levels, residual sd, REML criterion.
PUBLISHED = [
    (
        ("Penicillin.csv", "diameter", ["plate", "sample"]),
        (22.97222, [0.84670, 1.93156], 0.54992, None),
    ),
    (
        ("Dyestuff.csv", "Yield", ["Batch"]),
        (1527.5, [1764.05**0.5], 2451.25**0.5, 319.6543),
    ),
    (("Dyestuff2.csv", "Yield", ["Batch"]), (None, [0.0], 3.7157, None)),
    (("Rail.csv", "travel", ["Rail"]), (None, [24.805], 4.0208, None)),
    (
        ("radon_mn.csv", "log_radon", ["county"]),
        (1.34983, [0.297667], 0.766070, 2184.858121),
    ),
    (
        ("radon_mn.csv", "log_radon", ["county", "floor"]),
        (1.162919, [0.315103, 0.466368], 0.725815, 2099.53752),
    ),
    # Machines are fixed effects there: where the design is balanced, components of the
    # levels within them are the same.
    (
        ("Machines.csv", "score", ["Worker", "Machine", "Worker:Machine"]),
        (None, [4.781, None, 3.7295], 0.96158, None),
    ),
    (
        ("AIAG_gauge.csv", "value", ["part", "operator"]),
        (None, [1.042327, 0.226838], 0.199933, None),
    ),
    # Of a balanced table the between and within mean squares are sufficient.
    (
        ("NIST_SiRstv.DAT", "value", ["instrument"]),
        (
            None,
            [((1.27865654e-2 - 1.08318280e-2) / 5) ** 0.5],
            0.104076068334656,
            None,
        ),
    ),
]


@pytest.mark.parametrize(
    ("given", "published"),
    PUBLISHED,
    ids=[f"{given[0]} {'+'.join(given[2])}" for given, _ in PUBLISHED],
)
def test_components_are_the_published_ones(public_tables, given, published):
    name, value, levels = given
    intercept, sds, residual, criterion = published
    rows = table(public_tables / name, value, levels)
    fit = fit_of(rows)
    assert fit.converged
    found = fit.components
    assert found.sd[0] == 0.0
    for mine, theirs in zip(found.sd[1:], [*sds, residual], strict=True):
        if theirs is not None:
            # Half a unit of the last of five digits; lme4's search for the scale of two
            # floors, which the data hardly know, ends sooner.
            rel = 3e-4 if "floor" in levels else 3e-5
            assert mine == pytest.approx(theirs, rel=rel)
    if intercept is not None:
        assert fit.estimate[0] == pytest.approx(intercept, rel=2e-6)
    assert (found.lower_95 <= found.sd).all()
    assert (found.sd <= found.upper_95).all()
    if criterion is not None:
        cells = collapse(rows)
        likelihood = Restricted(cells)
        solution = likelihood.solve(found.sd[1:-1] / found.sd[-1])
        assert likelihood.criterion(solution) == pytest.approx(criterion, abs=1e-4)


def test_effects_of_floors_and_counties_are_those_of_lme4(public_tables):
    rows = table(public_tables / "radon_mn.csv", "log_radon", ["county", "floor"])
    fit, levels = fit_of(rows), rows.levels
    mu = fit.estimate[estimands.index(levels).where("mu")]
    floors = levels.level == 2
    assert np.abs(mu[floors]) == pytest.approx([0.3279776] * 2, abs=2e-6)
    # The search of lme4 ends where the fifth digit is still open.
    counties = mu[levels.level == 1]
    assert counties[:3] == pytest.approx([-0.263051, -0.510151, 0.013153], abs=3e-5)


def test_no_spread_between_batches_is_an_answer(public_tables):
    """Not a failure: the interval starts at none, and says how large it may be."""
    fit = fit_of(table(public_tables / "Dyestuff2.csv", "Yield", ["Batch"]))
    assert fit.error is None
    found = fit.components
    assert found.sd[1] == found.lower_95[1] == 0.0
    assert 1.0 < found.upper_95[1] < found.upper_95[2]
