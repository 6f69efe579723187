"""Measure how time and memory grow, and write results/bench/scale.*.

Run by ``make bench-scale``. Each step runs in a process of its own, on one core; times
are seconds, memory is the largest that the process held.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import matplotlib as mpl
import pandas as pd
from matplotlib.figure import Figure

from benchmarks import scale
from summands.files import job
from summands.report import plotting

ROOT = Path(__file__).parents[2]
OUT = ROOT / "results" / "bench"

ROWS = (10**5, 10**6, 10**7, 10**8)
DESIGNS = (100, 1_000, 10_000)


def measure(*command: str, folder: str | Path = ROOT) -> tuple[float, float]:
    """Run a command and return its processor seconds and its memory in megabytes.

    The seconds are those that the command prints as such, without its imports, or else
    all of them.
    """
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    printed = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"bench: failed: {' '.join(command)}")
    told = [line for line in printed.splitlines() if line.startswith("SECONDS ")]
    seconds = usage.ru_utime + usage.ru_stime
    return float(told[-1].split()[1]) if told else seconds, usage.ru_maxrss / 1000


def step(name: str, folder: str, number: int) -> tuple[float, float]:
    """Measure one step of `benchmarks.scale`."""
    job.say(f"bench: {name}, {number:,}")
    command = (sys.executable, "-m", "benchmarks.scale", name, folder, str(number))
    return measure(*command, folder=ROOT / "scripts")


def by_rows() -> pd.DataFrame:
    """Drawing and collapsing a data set, and its posterior, against its rows."""
    records = []
    for rows in ROWS:
        with tempfile.TemporaryDirectory() as folder:
            drawing, drawing_memory = step("draw", folder, rows)
            _, sampling_memory = step("sample", folder, rows)
            fits = pd.read_parquet(Path(folder) / "fits.parquet")
        records.append(
            {
                "rows": rows,
                "drawing": drawing / scale.DATA_SETS,
                "drawing_memory": drawing_memory,
                # Without what is compiled once.
                "sampling": fits["seconds"].median(),
                "gradients": fits["gradients"].median(),
                "sampling_memory": sampling_memory,
            }
        )
    return pd.DataFrame(records)


def by_designs() -> pd.DataFrame:
    """Planning and aggregating a study against its designs, without fitting it."""
    records = []
    for designs in DESIGNS:
        with tempfile.TemporaryDirectory() as folder:
            step("stand-in", folder, designs)
            aggregating, aggregating_memory = step("aggregate", folder, designs)
            job.say(f"bench: dry run, {designs:,}")
            planning, planning_memory = measure(
                *(sys.executable, "-m", "snakemake", "--dry-run", "--quiet", "all"),
                *("--cores", "2", "--configfile", f"{folder}/study.yaml"),
                *("--directory", folder),
            )
        records.append(
            {
                "designs": designs,
                "fits": designs * scale.REPLICATES * len(scale.ESTIMATORS),
                "planning": planning,
                "planning_memory": planning_memory,
                "aggregating": aggregating,
                "aggregating_memory": aggregating_memory,
            }
        )
    return pd.DataFrame(records)


def report(of_rows: pd.DataFrame, of_designs: pd.DataFrame) -> str:
    """Write the tables as Markdown."""
    text = (
        "| rows, in the same 15 cells | draw and collapse, seconds | memory, MB "
        "| posterior, seconds | gradients | memory, MB |\n"
        "|---:|---:|---:|---:|---:|---:|\n"
    )
    for row in of_rows.to_dict("records"):
        text += (
            f"| {row['rows']:,} | {row['drawing']:.3g} | {row['drawing_memory']:,.0f} "
            f"| {row['sampling']:.3g} | {row['gradients']:,.0f} "
            f"| {row['sampling_memory']:,.0f} |\n"
        )
    text += (
        f"\n{scale.REPLICATES} replicates of each design; the estimates are stand-ins "
        "(noise), nothing was fitted.\n"
        "\n| designs | fits | dry run, seconds | memory, MB | tables, seconds "
        "| memory, MB |\n|---:|---:|---:|---:|---:|---:|\n"
    )
    for row in of_designs.to_dict("records"):
        text += (
            f"| {row['designs']:,} | {row['fits']:,} | {row['planning']:.3g} "
            f"| {row['planning_memory']:,.0f} | {row['aggregating']:.3g} "
            f"| {row['aggregating_memory']:,.0f} |\n"
        )
    return text


def draw(of_rows: pd.DataFrame, of_designs: pd.DataFrame) -> Figure:
    """Draw seconds and megabytes against rows and designs."""
    sides = (
        (of_rows, "rows", {"drawing": "draw and collapse", "sampling": "posterior"}),
        (of_designs, "designs", {"planning": "dry run", "aggregating": "tables"}),
    )
    with mpl.rc_context(plotting.STYLE):
        figure = Figure(figsize=(9, 4.6), layout="constrained")
        axes = figure.subplots(2, 2, sharex="col")
        for column, (table, name, lines) in zip(axes.T, sides, strict=True):
            for number, (line, label) in enumerate(lines.items()):
                colour = plotting.COLOURS[number]
                style = {"color": colour, "label": label, "markersize": 4}
                column[0].plot(table[name], table[line], "o-", **style)
                column[1].plot(table[name], table[f"{line}_memory"], "o-", **style)
            column[0].set_xscale("log")
            column[0].set_yscale("log")
            column[0].legend()
            column[1].set_ylim(0, None)
            column[1].set_xlabel(name)
        axes[0, 0].set_ylabel("seconds")
        axes[1, 0].set_ylabel("largest memory, MB")
    return figure


def main() -> None:
    """Measure everything, largest last."""
    OUT.mkdir(parents=True, exist_ok=True)
    of_rows, of_designs = by_rows(), by_designs()
    of_rows.to_parquet(OUT / "scale_rows.parquet")
    of_designs.to_parquet(OUT / "scale_designs.parquet")
    text = report(of_rows, of_designs)
    (OUT / "scale.md").write_text(text)
    draw(of_rows, of_designs).savefig(OUT / "scale.png")
    print(text)


if __name__ == "__main__":
    main()
