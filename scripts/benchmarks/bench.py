"""Measure summands against other samplers and write results/bench/.

Run by ``make bench``. Times are processor seconds: on a shared machine they vary less
than wall time, and ratios within one run less still.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from resource import RUSAGE_CHILDREN, getrusage
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
import yaml
from matplotlib.figure import Figure

from benchmarks import layouts
from benchmarks.contenders import CONTENDERS, DESIGNS, SEED
from summands.files import job
from summands.report import looks, plotting

ROOT = Path(__file__).parents[2]
OUT = ROOT / "results" / "bench"

# Data sets that each contender fits; the row-level ones take up to minutes each.
FITS = {"small": 5, "medium": 3, "large": 1}
COMPILED_FITS = {"small": 40, "medium": 40, "large": 10}
LIMIT = 240.0

STUDY_FITS = 200

# One core each, as Snakemake gives a job.
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def measure(name: str, design: str, fits: int) -> list[dict[str, Any]]:
    """Fit with one contender in a process of its own, up to the limit of time."""
    command = [sys.executable, "-m", "benchmarks.contenders", name, design, str(fits)]
    process = subprocess.Popen(
        command,
        cwd=ROOT / "scripts",
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | dict.fromkeys(THREADS, "1"),
    )
    try:
        printed, errors = process.communicate(timeout=LIMIT)
    except subprocess.TimeoutExpired:
        process.kill()
        printed, errors = process.communicate()
    lines = [line for line in printed.splitlines() if line.startswith("RESULT ")]
    if process.returncode > 0:
        sys.exit(f"bench: {name} failed on {design}:\n{errors}")
    return [
        json.loads(line.removeprefix("RESULT "))
        | {"contender": name, "design": design, "fit": number}
        for number, line in enumerate(lines)
    ]


def study_seconds(design: str) -> tuple[float, float]:
    """Processor seconds of a study of 200 fits, everything counted, and converged."""
    chosen = DESIGNS[design]
    document = {
        "study": "bench",
        "seed": SEED,
        "replicates": STUDY_FITS,
        "replicates_per_job": STUDY_FITS // 2,
        "grid": {"levels": [list(chosen.levels.sizes)], "rows": [chosen.rows]},
        "estimators": {"nutpie": {}},
    }
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "study.yaml"
        path.write_text(yaml.safe_dump(document))
        before = getrusage(RUSAGE_CHILDREN)
        subprocess.run(
            [
                *(sys.executable, "-m", "snakemake", "--cores", "2"),
                *("--configfile", str(path), "--directory", folder),
            ],
            cwd=ROOT,
            check=True,
            capture_output=True,
        )
        after = getrusage(RUSAGE_CHILDREN)
        fits = pd.read_parquet(Path(folder) / "results" / "bench" / "fits.parquet")
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return spent, fits["converged"].mean()


def report(
    measured: pd.DataFrame,
    studies: list[dict[str, Any]],
    timed: pd.DataFrame,
) -> str:
    """Write the tables as Markdown."""
    text = (
        "| design | contender | seconds a fit | ESS a second | gradients "
        "| converged | times summands |\n|---|---|---:|---:|---:|---:|---:|\n"
    )
    for design in DESIGNS:
        part = measured[measured["design"] == design]
        reference = part[part["contender"] == "summands, compiled"]["cpu"].median()
        for name in CONTENDERS:
            some = part[part["contender"] == name]
            if some.empty:
                text += f"| {design} | {name} | over {LIMIT:.0f} | | | | |\n"
                continue
            ratio = some["cpu"] / reference
            low, high = ratio.min(), ratio.max()
            gradients = some["gradients"].median()
            text += (
                f"| {design} | {name} | {some['cpu'].median():.3g} "
                f"| {(some['ess'] / some['cpu']).median():,.0f} "
                f"| {'' if np.isnan(gradients) else f'{gradients:,.0f}'} "
                f"| {some['converged'].sum():.0f} of {len(some)} "
                f"| {ratio.median():.3g} ({low:.3g} to {high:.3g}) |\n"
            )
    text += (
        f"\n| design | study of {STUDY_FITS} fits: seconds a fit | converged "
        "| rows, nutpie: times as much |\n|---|---:|---:|---:|\n"
    )
    for row in studies:
        text += (
            f"| {row['design']} | {row['seconds'] / STUDY_FITS:.3g} "
            f"| {row['converged']:.1%} | {row['ratio']:.3g} |\n"
        )
    text += (
        "\n| levels | cells | likelihood and gradient | microseconds "
        "| nanoseconds a cell |\n|---|---:|---|---:|---:|\n"
    )
    for entry in timed.to_dict("records"):
        text += (
            f"| {entry['levels']} | {entry['cells']:,} | {entry['layout']} "
            f"| {entry['microseconds']:.2f} "
            f"| {1000 * entry['microseconds'] / entry['cells']:.1f} |\n"
        )
    return text


def draw(measured: pd.DataFrame) -> Figure:
    """Draw seconds a fit by contender."""
    with mpl.rc_context(plotting.STYLE):
        figure = Figure(figsize=(7, 2.8), layout="constrained")
        axis = figure.subplots()
        for number, design in enumerate(DESIGNS):
            part = measured[measured["design"] == design]
            for good, face in ((True, looks.COLOURS[number]), (False, "white")):
                some = part[part["converged"] == good]
                axis.plot(
                    some["cpu"],
                    [
                        list(CONTENDERS).index(name) + 0.2 * (number - 1)
                        for name in some["contender"]
                    ],
                    "o",
                    markersize=4,
                    color=looks.COLOURS[number],
                    markerfacecolor=face,
                    label=design if good else None,
                )
        axis.set_xscale("log")
        axis.set_yticks(range(len(CONTENDERS)), list(CONTENDERS))
        axis.set_xlabel("processor seconds a fit (hollow: not converged)")
        axis.legend(title="design")
    return figure


def main() -> None:
    """Measure everything, contender by contender on the same data."""
    OUT.mkdir(parents=True, exist_ok=True)
    records = []
    for design in DESIGNS:
        for name in CONTENDERS:
            fits = (COMPILED_FITS if name == "summands, compiled" else FITS)[design]
            job.say(f"bench: {design}, {name}, {fits} fits")
            # One more, not counted where there are several: imports and caches.
            found = measure(name, design, fits + (name == "summands, compiled"))
            records += found[1:] if name == "summands, compiled" else found
    measured = pd.DataFrame(records)
    studies = []
    for design in DESIGNS:
        job.say(f"bench: {design}, a study of {STUDY_FITS} fits")
        seconds, converged = study_seconds(design)
        rival = measured.query("contender == 'rows, nutpie' and design == @design")
        studies.append(
            {
                "design": design,
                "seconds": seconds,
                "converged": converged,
                "ratio": rival["cpu"].median() / (seconds / STUDY_FITS),
            }
        )
    text = report(measured, studies, layouts.measure())
    measured.to_parquet(OUT / "fits.parquet")
    (OUT / "bench.md").write_text(text)
    draw(measured).savefig(OUT / "bench.png")
    print(text)


if __name__ == "__main__":
    main()
