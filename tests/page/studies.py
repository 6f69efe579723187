"""Results of studies, made without Snakemake, and the pages of these results."""

import csv
import sys
from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import yaml

import decompose
import fit
import fit_table
import observe
import page
import simulate
import tabulate
from benchmarks import scale
from summands.study import answers, plan, study, tables
from summands.study.protocols import Told

ROOT = Path(__file__).parents[2]

# Sampling is far too short to converge, which does not matter here.
QUICK = {"chains": 2, "tune": 60, "draws": 40}

# What users may call their contributors.
LABELS = [
    "<script>alert(1)</script>",
    "</script><img src=x onerror=alert(1)>",
    "${x}",
    "{{x}}",
    "\"quoted\" and 'quoted'",
    "back\\slash",
    "line\u2028end",
    "long " * 60,
    "עברית \u202eturned",
    "😀",
    "=1+1",
    "-2+3",
    "@x, y",
]
LEVEL = "tool </script> ${x}"
VALUE = "the <b>value</b>"
TABLE = "rows <script>${x} & \"q\" 'a'.csv"


def default() -> dict:
    """The default study, with fewer replicates."""
    document = yaml.safe_load((ROOT / "config" / "config.yaml").read_text())
    document["estimators"]["nutpie"] = QUICK
    return document | {"replicates": 2}


def calibration() -> dict:
    """A calibration study, with fewer replicates and designs."""
    path = ROOT / "config" / "studies" / "calibration.yaml"
    document = yaml.safe_load(path.read_text())
    document["grid"] = {"levels": [[1, 2], [1, 3, 3]], "rows": [60]}
    return document | {"replicates": 12, "estimators": {"nutpie": QUICK}}


def simulated(document: Mapping, folder: Path) -> None:
    """Run a study of simulated data and write its page."""
    checked = study.load(dict(document))
    results = _results(folder, checked)
    units = plan.make(checked, [], {}).units
    files: dict[str, list[str]] = {"estimates": [], "fits": []}
    for entry in checked.estimators.values():
        for number, (unit, ids) in enumerate(units.items()):
            designs = {name: checked.designs[name] for name in ids}
            kinds = ("truth", "cells", "identification")
            data = {name: f"{folder}/{number}-{name}.parquet" for name in kinds}
            if not Path(data["cells"]).exists():
                simulate.main(designs, unit.batch.replicates, checked.seed, data)
            data["data"] = data["cells"]
            made = {
                name: f"{folder}/{number}-{entry.name}-{name}.parquet" for name in files
            }
            fit.main(designs, unit.batch.replicates, checked.seed, entry, data, made)
            for name, path in made.items():
                files[name].append(path)
    paths = _paths(results, tables.SCHEMAS)
    packages = ["pandas", "pyarrow"]
    tabulate.main(checked, list(units.values()), *files.values(), packages, paths)
    page.main(checked, paths, Told(), f"{folder}/report.html")


def large(folder: Path, count: int = 2000) -> None:
    """Write the page of a study of many designs, with stand-ins for their fits.

    A hundred designs are gathered, and the others get copies of their rows.
    """
    some, checked = scale.of_designs(100), scale.of_designs(count)
    results = _results(folder, checked)
    scale.stand_in(folder, 100)
    scale.aggregate(folder, 100)
    rows = sorted({design.rows for design in checked.designs.values()})
    for name in tables.SCHEMAS:
        table = pq.read_table(folder / f"{name}.parquet")
        place = table.column_names.index("design")
        copies = [
            table.set_column(
                place,
                "design",
                pc.replace_substring(table["design"], f"rows-{rows[0]}", f"rows-{own}"),
            )
            for own in rows
        ]
        pq.write_table(pa.concat_tables(copies), results / f"{name}.parquet")
    assert len(some.designs) * len(rows) == count
    paths = _paths(results, tables.SCHEMAS)
    (folder / "provenance.parquet").rename(paths["provenance"])
    page.main(checked, paths, Told(), f"{folder}/report.html")


def observed(folder: Path) -> None:
    """Take apart a table whose contributors, levels and file have strange names."""
    with (folder / TABLE).open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow([VALUE, LEVEL, "lot"])
        for place, label in enumerate(LABELS):
            for number in range(12):
                value = 1e6 + (place - 3) * 0.7 + ((7 * number + place) % 5) / 3
                writer.writerow([value, label, f"lot {number % 3}"])
    (folder / "study.yaml").write_text(
        yaml.safe_dump(
            {
                "study": "observed",
                "observed": {"table": TABLE, "value": VALUE, "levels": [LEVEL, "lot"]},
                "estimators": {"nutpie": QUICK, "homoscedastic": {}},
            }
        )
    )
    checked = study.read(folder / "study.yaml")
    assert checked.observed is not None
    results = _results(folder, checked)
    data = {
        name: f"{folder}/{name}.parquet"
        for name in ("cells", "levels", "identification", "rows")
    }
    observe.main(checked.observed.source, data)
    inputs: dict = data | {"estimates": [], "fits": [], "components": []}
    posterior = f"{folder}/posterior.nc"
    for name, entry in checked.estimators.items():
        made = {
            kind: f"{folder}/{name}-{kind}.parquet"
            for kind in ("estimates", "fits", "components")
        }
        for kind, path in made.items():
            inputs[kind].append(path)
        more = {"posterior": posterior} if name == "nutpie" else {}
        fit_table.main(checked.seed, entry, data, made | more)
    inputs["posteriors"] = [posterior]
    paths = _paths(results, answers.SCHEMAS)
    decompose.main(checked, inputs, ["nutpie"], ["pandas"], "0123abcd", paths)
    page.main(checked, paths, Told(), f"{folder}/report.html")


def _results(folder: Path, checked: study.Study) -> Path:
    """Make the folder where the page says that its tables are."""
    results = folder / "results" / checked.name
    results.mkdir(parents=True)
    return results


def _paths(results: Path, names) -> dict[str, str]:
    return {
        **{name: str(results / f"{name}.parquet") for name in names},
        "study": str(results / "study.yaml"),
        "provenance": str(results / "provenance.json"),
        "summary": str(results / "summary.txt"),
    }


MADE = {
    "default": lambda folder: simulated(default(), folder),
    "calibration": lambda folder: simulated(calibration(), folder),
    "large": large,
    "observed": observed,
}

if __name__ == "__main__":
    kind, place = sys.argv[1:]
    MADE[kind](Path(place))
