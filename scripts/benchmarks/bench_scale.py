"""Measure how time and memory grow, and write results/bench/scale.*.

Run by ``make bench-scale``. Each step runs in a process of its own, on one core; times
are processor seconds, memory is the largest that the process held.

``python -m benchmarks.bench_scale tables`` in scripts/ measures observed tables alone;
``rows`` and ``designs`` the other parts.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
import pandas as pd
import pyarrow.parquet as pq
from matplotlib.figure import Figure

from benchmarks import scale
from summands.files import job
from summands.report import looks, plotting

ROOT = Path(__file__).parents[2]
OUT = ROOT / "results" / "bench"

ROWS = (10**5, 10**6, 10**7, 10**8)
DESIGNS = (100, 1_000, 10_000)

# Rows up to which lme4 is given a table: ten million take it long, and gigabytes.
LME4_ROWS = 10**6


def measure(*command: str, folder: str | Path = ROOT) -> tuple[float, float]:
    """Run a command and return its processor seconds and its memory in megabytes.

    The seconds are those that the command prints as such, without its imports, or else
    all of them.
    """
    process = subprocess.Popen(
        command,
        cwd=folder,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
    )
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
    seconds, memory = measure(*command, folder=ROOT / "scripts")
    job.say(f"bench: {seconds:.3g} s, {memory:,.0f} MB")
    return seconds, memory


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


def lme4() -> bool:
    """Tell whether R is here, with lme4."""
    if shutil.which("Rscript") is None:
        return False
    command = ("Rscript", "-e", "library(lme4)")
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def by_tables() -> pd.DataFrame:
    """Take observed tables apart, step by step, with lme4's REML beside ours."""
    here = lme4()
    records = []
    for rows, sizes in scale.TABLES.items():
        record: dict[str, object] = {"rows": rows, "contributors": sizes}
        with tempfile.TemporaryDirectory() as folder:
            step("table", folder, rows)
            for name in ("read", "reml", "posterior", "take-apart"):
                record[name], record[f"{name}_memory"] = step(name, folder, rows)
            cells = pq.read_metadata(Path(folder) / "cells.parquet")
            record["cells"] = cells.num_rows
            if here and rows <= LME4_ROWS:
                job.say(f"bench: lme4, {rows:,}")
                script = str(Path(__file__).with_name("reml.R"))
                record["lme4"], record["lme4_memory"] = measure(
                    "Rscript", script, folder, str(rows), *map(str, sizes)
                )
        records.append(record)
    # The first had everything compiled.
    return pd.DataFrame(records[1:])


def rows_report(table: pd.DataFrame) -> str:
    """Write the measurements by rows as Markdown."""
    text = (
        "| rows, in the same 15 cells | draw and collapse, seconds | memory, MB "
        "| posterior, seconds | gradients | memory, MB |\n"
        "|---:|---:|---:|---:|---:|---:|\n"
    )
    for row in table.to_dict("records"):
        text += (
            f"| {row['rows']:,} | {row['drawing']:.3g} | {row['drawing_memory']:,.0f} "
            f"| {row['sampling']:.3g} | {row['gradients']:,.0f} "
            f"| {row['sampling_memory']:,.0f} |\n"
        )
    return text


def designs_report(table: pd.DataFrame) -> str:
    """Write the measurements by designs as Markdown."""
    text = (
        f"{scale.REPLICATES} replicates of each design; the estimates are stand-ins "
        "(noise), nothing was fitted.\n"
        "\n| designs | fits | dry run, seconds | memory, MB | tables, seconds "
        "| memory, MB |\n|---:|---:|---:|---:|---:|---:|\n"
    )
    for row in table.to_dict("records"):
        text += (
            f"| {row['designs']:,} | {row['fits']:,} | {row['planning']:.3g} "
            f"| {row['planning_memory']:,.0f} | {row['aggregating']:.3g} "
            f"| {row['aggregating_memory']:,.0f} |\n"
        )
    return text


def tables_report(table: pd.DataFrame) -> str:
    """Write the measurements of observed tables as Markdown."""
    steps = {
        "read": "read",
        "reml": "REML",
        "lme4": "lme4's REML",
        "posterior": "posterior",
        "take-apart": "tables",
    }
    heads = [f"{title}, seconds | memory, MB" for title in steps.values()]
    text = (
        f"| rows | contributors | cells | {' | '.join(heads)} |\n"
        f"|---:|---|---:|{'---:|' * 2 * len(steps)}\n"
    )
    for row in table.to_dict("records"):
        sizes = " + ".join(f"{size:,}" for size in row["contributors"])
        text += f"| {row['rows']:,} | {sizes} | {row['cells']:,} |"
        for name in steps:
            known = pd.notna(row.get(name))
            text += (
                f" {row[name]:.3g} | {row[f'{name}_memory']:,.0f} |"
                if known
                else " | |"
            )
        text += "\n"
    if "lme4" not in table:
        text += "\nlme4 not installed: its REML is not measured.\n"
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
                colour = looks.COLOURS[number]
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


PARTS = {
    "rows": (by_rows, rows_report),
    "designs": (by_designs, designs_report),
    "tables": (by_tables, tables_report),
}


def main(parts: Sequence[str]) -> None:
    """Measure the parts, largest last."""
    OUT.mkdir(parents=True, exist_ok=True)
    measured, texts = {}, []
    for name, (by, written) in PARTS.items():
        if name in parts:
            measured[name] = by()
            measured[name].to_parquet(OUT / f"scale_{name}.parquet")
            texts.append(written(measured[name]))
    text = "\n".join(texts)
    (OUT / "scale.md").write_text(text)
    if {"rows", "designs"} <= measured.keys():
        draw(measured["rows"], measured["designs"]).savefig(OUT / "scale.png")
    print(text)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", choices=PARTS, default=list(PARTS))
    main(parser.parse_args().parts)
