"""A plan: rows that targets take, verified by a run."""

import pyarrow.parquet as pq
import pytest

from summands.recovery.plans import ROWS_NEEDED

STUDY = {
    "study": "planned",
    "seed": 3,
    "replicates": 8,
    "keep_posteriors": False,
    "grid": {
        "levels": [[1, 2], [1, 3]],
        "layout": ["balanced", {"nested": True}],
        "log_sigma_sd": [0.25],
    },
    "plan": {
        "targets": [
            {"parameter": "mu", "width_95": 1.0},
            {"parameter": "mu", "detection": 0.7, "shift": 1, "level": 1},
        ]
    },
    "estimators": {"least_squares": {}, "homoscedastic": {}},
}


def test_the_rows_are_told_before_and_verified_after(workflow):
    printed = workflow.run(STUDY)
    folder = workflow.results("planned")
    table = pq.read_table(folder / "rows_needed.parquet")
    assert table.schema.equals(ROWS_NEEDED)
    found = table.to_pandas()
    assert len(found) == 4 * 2 * 2
    assert set(found["estimator"]) == {"least_squares", "homoscedastic"}
    assert (found["replicates"] == 8).all()
    assert found["verified"].notna().all()
    widths = found[found["metric"] == "width_95"]
    assert widths["verified"].between(0.6, 1.6).all()
    # Simulated were as many rows as it says.
    designs = pq.read_table(folder / "designs.parquet").to_pandas()
    rows = designs.set_index("design")["rows"]
    assert (rows[found["design"]].to_numpy() == found["rows"]).all()
    assert "Rows needed, by the information that they hold" in printed
    curves = pq.read_table(folder / "plan_curves.parquet").to_pandas()
    assert len(curves.groupby(["design", "target"])) == 8
    assert (folder / "figures" / "plan.png").stat().st_size
    page = (folder / "report.html").read_text()
    assert "How many rows it takes" in page
    assert "Nothing to be done" in workflow.run(STUDY)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"verify": False}, "plan.verify is false; `make plan` says how many rows"),
        (
            {"targets": [{"parameter": "mu", "width_95": 1e-9}]},
            "no target of the plan can be met (more than 1,000,000,000 rows)",
        ),
    ],
)
def test_a_run_without_anything_to_simulate_is_refused(workflow, changed, message):
    printed = workflow.run(STUDY | {"plan": STUDY["plan"] | changed}, fails=True)
    assert message in printed
    assert "Traceback" not in printed
