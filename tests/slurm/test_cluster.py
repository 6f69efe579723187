"""Studies on a real Slurm of two nodes, and what happens to clusters."""

import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

from ..workflow.conftest import (
    GO_ON,
    ONLY_TABLES,
    ROOT,
    WAITING,
    Workflow,
    assert_same_values,
    copy_of_sources,
    kill,
    run_once,
    values,
    wait_for,
)
from . import lab

pytestmark = pytest.mark.skipif(
    bool(lab.missing()),
    reason=f"no Slurm here ({lab.missing()} is missing): install slurm-wlm and munge",
)

# Jobs of some ten seconds: long enough to be interrupted.
STUDY = {
    "study": "cluster",
    "seed": 3,
    "replicates": 4,
    "replicates_per_job": 2,
    "grid": {"levels": [[1, 2, 3]], "rows": [300]},
    "estimators": {"nutpie": {"draws": 12_000, "tune": 4_000}, "least_squares": {}},
}
# Jobs that last until they are told to end.
HELD = STUDY | {"estimators": {"waiting": {}}}
ENDED = ("COMPLETED", "CANCELLED", "FAILED", "NODE_FAIL", "TIMEOUT", "OUT_OF_MEMORY")


@pytest.fixture(scope="session")
def local(once):
    """The same study without a cluster."""
    return run_once(once, "cluster", STUDY)


@pytest.fixture
def cluster():
    # Sockets want short paths, shorter than those of pytest.
    folder = Path(tempfile.mkdtemp(prefix="lab"))
    made = lab.Lab(folder)
    try:
        made.start()
        yield made
    finally:
        made.stop()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def run(tmp_path, cluster):
    """A run of the study on the cluster, started in the background."""
    workflow = Workflow(tmp_path, environment=cluster.environment)
    yield workflow
    for process in workflow.started:
        kill(process)


OPTIONS = (
    *("--profile", str(ROOT / "profiles" / "slurm"), "--latency-wait", "10"),
    # Of jobs that go on each question comes 10 seconds later than the one before: 4 and
    # 18 seconds after jobs of some ten seconds were submitted, and again at 42.
    *("--slurm-init-seconds-before-status-checks", "4"),
)


def running(cluster: lab.Lab, rule: str) -> dict[str, str] | None:
    """A running job of a rule."""
    for job in cluster.jobs():
        if job["state"] == "RUNNING" and job["comment"].startswith(f"rule_{rule}"):
            return job
    return None


def states(cluster: lab.Lab, rule: str) -> list[str]:
    return [
        job["state"]
        for job in cluster.jobs()
        if job["comment"].startswith(f"rule_{rule}")
    ]


def finish(process: subprocess.Popen) -> str:
    printed, _ = process.communicate(timeout=500)
    assert process.returncode == 0, printed
    return printed


def begun(run: Workflow, estimator: str = "nutpie") -> bool:
    """Whether a fit has said so in its log: jobs that only start up tell less."""
    logs = (run.results("cluster") / "logs" / "fit" / estimator).rglob("*.log")
    return any("started" in log.read_text() for log in logs)


def test_tables_are_those_of_a_local_run_though_jobs_and_the_controller_fail(
    run, cluster, local
):
    process = run.start(STUDY, *OPTIONS)
    wait_for(lambda: begun(run) and running(cluster, "sample"))
    cluster.cancel(running(cluster, "sample")["id"])
    cluster.stop_controller()
    time.sleep(12)
    cluster.start_controller()
    printed = finish(process)
    assert "Trying to restart job" in printed
    assert_same_values(run.results("cluster"), local.results("cluster"))
    assert {job["node"] for job in cluster.jobs()} >= set(cluster.names)
    assert states(cluster, "sample").count("COMPLETED") == 2
    assert states(cluster, "sample").count("CANCELLED") == 1


def test_a_lost_node_costs_its_jobs_only(run, cluster, local):
    process = run.start(STUDY, *OPTIONS, *ONLY_TABLES)
    wait_for(lambda: begun(run) and running(cluster, "sample"))
    lost = running(cluster, "sample")
    cluster.crash_node(lost["node"])
    finish(process)
    assert_same_values(run.results("cluster"), local.results("cluster"))
    by_id = {job["id"]: job["state"] for job in cluster.jobs()}
    assert by_id[lost["id"]] == "NODE_FAIL"
    assert states(cluster, "sample").count("COMPLETED") == 2


def test_a_killed_submitter_is_started_again(run, cluster, tmp_path):
    run.source = copy_of_sources(tmp_path / "source")
    run.add_estimator("waiting", WAITING)
    process = run.start(HELD, *OPTIONS)
    wait_for(lambda: begun(run, "waiting") and running(cluster, "fit"))
    kill(process)
    # Its jobs are still at work: a second run would write the same files.
    refused = run.run(HELD, *OPTIONS, fails=True)
    assert "by a job that it left behind" in refused
    (run.folder / GO_ON).touch()
    wait_for(lambda: all(job["state"] in ENDED for job in cluster.jobs()))
    before = len(cluster.jobs())
    run.run(HELD, *OPTIONS, *ONLY_TABLES)
    local = Workflow(tmp_path / "local", run.source)
    local.folder.mkdir()
    (local.folder / GO_ON).touch()
    local.run(HELD, *ONLY_TABLES)
    assert_same_values(run.results("cluster"), local.results("cluster"))
    # What the orphans finished is not done again.
    again = states(cluster, "simulate")
    assert len(again) == 2
    assert len(cluster.jobs()) > before
    assert values(run.results("cluster"))["fits"].num_rows == 4


def test_jobs_that_a_killed_submitter_left_in_the_queue_give_way(run, cluster, local):
    cluster.hold()
    process = run.start(STUDY, *OPTIONS)
    wait_for(lambda: len(cluster.jobs()) == 2)
    kill(process)
    # They are not at work, so another run may start.
    process = run.start(STUDY, *OPTIONS, *ONLY_TABLES)
    wait_for(lambda: len(cluster.jobs()) == 4)
    assert set(states(cluster, "simulate")) == {"PENDING"}
    cluster.release()
    finish(process)
    assert_same_values(run.results("cluster"), local.results("cluster"))
    by_id = {job["id"]: job["state"] for job in cluster.jobs()}
    assert [by_id[job] for job in sorted(by_id, key=int)[:2]] == ["FAILED"] * 2
    assert states(cluster, "simulate").count("COMPLETED") == 2
    assert set(states(cluster, "sample")) == {"COMPLETED"}
