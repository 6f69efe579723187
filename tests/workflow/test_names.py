"""What levels, contributors and estimators are called, from file to table."""

import pandas as pd
import pyarrow.parquet as pq
import xarray as xr
import yaml

from .conftest import ONLY_TABLES

FEW = {"chains": 2, "tune": 60, "draws": 20, "escalations": 0}
TOOLS = {"A b": [0, 1], "Ü-2": [3, 1], "it's": [-3, 2]}
STUDY = {
    "study": "named",
    "replicates": 2,
    "designs": {
        "line": {"rows": 600, "coefficients": {"base": {"all": [10, 1]}, "tool": TOOLS}}
    },
    "estimators": {
        "nutpie": FEW,
        "wrong": {"method": "nutpie", "priors": {"mu_sd": 0.01}, **FEW},
        "least_squares": {},
    },
}


def renamed(study):
    """The study with other names for its tools, in the same order."""
    study = yaml.safe_load(yaml.safe_dump(study, sort_keys=False))
    level = study["designs"]["line"]["coefficients"]
    level["tool"] = dict(zip("xyz", level["tool"].values(), strict=True))
    return study


def written(study):
    return yaml.safe_dump(study, sort_keys=False, allow_unicode=True)


def test_names_reach_every_table_and_file(workflow):
    workflow.run(written(STUDY), *ONLY_TABLES)
    results = workflow.results("named")
    estimates = pd.read_parquet(results / "estimates.parquet")
    means = estimates.query("parameter == 'mu' and estimator == 'nutpie'")
    assert means["label"].tolist() == ["all", *TOOLS] * 2
    assert means["level_name"].tolist() == ["base", *["tool"] * 3] * 2
    whole = estimates.query("parameter == 'intercept'")
    assert whole[["level_name", "label"]].isna().all(axis=None)
    recovery = pd.read_parquet(results / "recovery.parquet")
    of_tools = recovery.query("parameter == 'mu' and metric == 'bias'")
    assert {*of_tools["label"]} == {*TOOLS}
    worst = recovery.dropna(subset=["worst_label"])
    assert [list(TOOLS)[int(k)] for k in worst["worst_contributor"]] == [
        *worst["worst_label"]
    ]
    tree = xr.open_datatree(
        results / "fitted" / "nutpie" / "line" / "replicates-0-1" / "posterior.nc"
    )
    titles = ["base/all", *(f"tool/{label}" for label in TOOLS)]
    assert tree["posterior"]["contributor"].to_numpy().tolist() == titles
    constant = tree["constant_data"].sel(contributor="tool/Ü-2")
    assert (str(constant["label"].item()), str(constant["level_name"].item())) == (
        "Ü-2",
        "tool",
    )
    assert (constant["level"].item(), constant["contributor_in_level"].item()) == (1, 1)
    designs = pq.read_table(results / "designs.parquet")
    assert designs["level_names"].to_pylist() == [["base", "tool"]]

    # One method under two names: the same data, other priors, and so other answers.
    tight = estimates.query("parameter == 'mu' and estimator == 'wrong' and level == 1")
    loose = means.query("level == 1")
    assert (tight["sd"].to_numpy() < 0.02).all()
    assert (loose["sd"].to_numpy() > 0.02).all()
    fits = pd.read_parquet(results / "fits.parquet").set_index("estimator")
    assert fits.loc["wrong", "prior_conflict"].notna().all()
    assert fits.loc["nutpie", "prior_conflict"].isna().all()

    # Other names are another table of the same data.
    drawn = results / "simulated" / "line" / "replicates-0-1"
    kinds = ("truth", "identification", "cells")
    before = {kind: pq.read_table(drawn / f"{kind}.parquet") for kind in kinds}
    workflow.run(written(renamed(STUDY)), *ONLY_TABLES)
    for kind, table in before.items():
        again = pq.read_table(drawn / f"{kind}.parquet")
        assert ("label" in table.column_names) == (kind != "cells")
        same = [name for name in table.column_names if name != "label"]
        # As text: a bound that does not exist is NaN, which equals nothing.
        assert str(again.select(same).to_pylist()) == str(
            table.select(same).to_pylist()
        )
        if kind != "cells":
            assert {*again["label"].to_pylist()} == {None, "all", *"xyz"}
    changed = pd.read_parquet(results / "estimates.parquet")
    assert changed.query("parameter == 'mu'")["label"].tolist() == ["all", *"xyz"] * 6
    pd.testing.assert_frame_equal(
        changed.drop(columns="label"), estimates.drop(columns="label")
    )
