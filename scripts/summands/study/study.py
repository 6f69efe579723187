"""A study: what a study file asks for, checked and with every default filled in."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from summands import estimators
from summands.data import mechanisms, noises, truths
from summands.data.design import Design
from summands.data.source import Source
from summands.estimators import Entry
from summands.model import distributions
from summands.model.distributions import OF_SCALES
from summands.recovery import precision
from summands.recovery.plans import Planned
from summands.study import check, observed, table_layouts, validation
from summands.study import designs as designs_of
from summands.study.check import Check
from summands.study.observed import Observed
from summands.study.table_layouts import Tables
from summands.study.validation import StudyError

SCHEMA = Path(__file__).parents[3] / "workflow" / "schemas" / "study.schema.yaml"


@dataclass(frozen=True)
class Study:
    """A checked study.

    Parameters
    ----------
    name : str
        Names results/<name>/.
    seed : int
    replicates : int
        Replicates of each design.
    precision : dict of str to float
        Monte-Carlo standard errors that they follow from, by name of
        `summands.recovery.precision.keys`; empty where replicates were stated.
    replicates_per_job : int or None
        Replicates of a batch; None where it is left to the size of the design.
    designs_per_job : int or None
        Designs that share a job; None where it is left to their size and number.
    keep_rows : bool
        Whether simulated rows are written, or their cells alone.
    keep_posteriors : bool
        Whether draws are written, or what is computed from them alone.
    observed : Observed or None
        The table that is taken apart, instead of designs.
    check : Check or None
        Whether tables like it are drawn and fitted.
    plan : tuple of Planned
        Rows that the targets of a plan take.
    designs : dict of str to Design
        By id, the grid first. Of a plan those that verify it.
    estimators : dict of str to Entry
        By name, options with their defaults filled in.
    resolved : dict
        The study file with every default written out, which gives the same study.
        Tables that are layouts are named from the working directory.
    layout_tables : dict of str to Source
        Tables that are layouts, by digest.
    """

    name: str
    seed: int
    replicates: int
    precision: dict[str, float]
    replicates_per_job: int | None
    designs_per_job: int | None
    keep_rows: bool
    keep_posteriors: bool
    observed: Observed | None
    check: Check | None
    plan: tuple[Planned, ...]
    designs: dict[str, Design]
    estimators: dict[str, Entry]
    resolved: dict[str, Any]
    layout_tables: dict[str, Source]

    @property
    def with_drawn_truth(self) -> bool:
        """Whether a design draws its truths from the prior."""
        return any(design.truth == "drawn" for design in self.designs.values())


def schema(
    entries: Any = None, observed: bool = False, plan: bool = False
) -> dict[str, Any]:
    """JSON schema of a study file, with the options of its estimators.

    Parameters
    ----------
    entries : mapping, optional
        Estimators of the study file, whose options are those of their methods.
    observed : bool, optional
        Whether the study takes an observed table apart.
    plan : bool, optional
        Whether rows are what it is to say.
    """
    document = yaml.safe_load(SCHEMA.read_text())
    if plan:
        document["properties"]["grid"]["else"]["required"].remove("rows")
    properties = {
        name: estimators.options_schema(name, observed=observed)
        for name in estimators.names()
    }
    for name, entry in entries.items() if isinstance(entries, Mapping) else ():
        if name not in properties and isinstance(entry, Mapping) and "method" in entry:
            method = str(entry["method"])
            properties[name] = estimators.options_schema(
                method, of_its_name=False, observed=observed
            )
    document["$defs"] |= {
        "layout": table_layouts.schema(document["properties"]["observed"]),
        "noise": mechanisms.schema(noises.KINDS),
        "truth": mechanisms.schema(truths.KINDS, truths.WORDS),
    }
    for name in distributions.OF_SCALES:
        document["$defs"][f"drawn_{name}"] = estimators.prior_schema(name)
    document["properties"]["precision"]["properties"] = precision.schema()
    document["properties"]["estimators"] |= {
        "additionalProperties": False,
        "properties": properties,
    }
    return document


def load(
    document: Mapping[str, Any],
    files: tuple[Path, ...] = (),
    folder: Path | None = None,
    memory: Path | None = None,
) -> Study:
    """Check a study and fill in its defaults.

    Parameters
    ----------
    document : mapping
        The parsed study file.
    files : tuple of Path, optional
        The files that it was read from, looked through for keys given twice.
    folder : Path, optional
        What paths in it are relative to; by default the folder of the first file, or
        the working directory where there is none.
    memory : Path, optional
        See `summands.study.targets.planned`.

    Returns
    -------
    Study

    Raises
    ------
    StudyError
        With every problem found, one a line.
    """
    rules = schema(
        document.get("estimators"), "observed" in document, "plan" in document
    )
    if validation.overgrown(document):
        found = ["the study file: aliases (*name) repeat too much; write values out"]
    else:
        found = [
            sentence
            for file in files
            for sentence in validation.repeated_keys(file.read_text(encoding="utf-8"))
        ]
        found += validation.problems(document, rules)
    if not found:
        resolved = _with_defaults(dict(document), rules)
        entries = _entries(resolved["estimators"])
        found, table = [], None
        designs: dict[str, Design] = {}
        plan: list[Planned] = []
        laid_out = Tables()
        if folder is None:
            folder = files[0].parent if files else Path()
        if "observed" in resolved:
            table = observed.read(resolved["observed"], folder)
            found = observed.problems(document, table)
            resolved = {
                key: value
                for key, value in resolved.items()
                if key not in observed.OF_SIMULATIONS
            }
        else:
            resolved, laid_out, found = table_layouts.read(resolved, folder)
            if not found:
                designs, plan, found = designs_of.make(resolved, laid_out, memory)
            found += _unknowable(designs, entries)
            if "precision" in resolved and not found:
                found += _imprecise(resolved, designs, stated="replicates" in document)
        checked, wrong = check.read(resolved, entries)
        found += [*_conflicting(entries), *wrong]
        if checked:
            resolved["check"] = dataclasses.asdict(checked)
        if not resolved.get("keep_rows", True):
            found += [
                f"estimators.{name}: reads rows, which `keep_rows: false` does not keep"
                for name, entry in entries.items()
                if entry.module.READS == "rows"
            ]
    if found:
        origin = ", ".join(map(str, files)) or "the study"
        count = "1 problem" if len(found) == 1 else f"{len(found)} problems"
        lines = "".join(f"\n  - {sentence}" for sentence in found)
        raise StudyError(f"{origin} has {count}:{lines}")
    return Study(
        name=resolved["study"],
        seed=int(resolved["seed"]),
        replicates=int(resolved.get("replicates", 1)),
        precision=resolved.get("precision", {}),
        replicates_per_job=resolved.get("replicates_per_job"),
        designs_per_job=resolved.get("designs_per_job"),
        keep_rows=resolved.get("keep_rows", False),
        keep_posteriors=resolved.get("keep_posteriors", True),
        observed=table,
        check=checked,
        plan=tuple(plan),
        designs=designs,
        estimators=entries,
        resolved=resolved,
        layout_tables=laid_out.sources,
    )


def read(path: Path, folder: Path | None = None, memory: Path | None = None) -> Study:
    """Read and check a study file.

    Parameters
    ----------
    path : Path
    folder, memory : Path, optional
        See `load`.

    Raises
    ------
    StudyError
        If there is no such file, if it is not YAML, or if `load` refuses it.
    """
    if path.is_dir():
        raise StudyError(f"{path} is a folder: name a study file")
    try:
        text = path.read_bytes().decode("utf-8")
        document = yaml.safe_load(text)
    except OSError as error:
        raise StudyError(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise StudyError(
            f"{path}: byte {error.start + 1} is not UTF-8; save it as UTF-8"
        ) from None
    except yaml.YAMLError as error:
        raise StudyError(f"{path}{validation.not_yaml(error, text)}") from None
    except RecursionError:
        raise StudyError(f"{path} is nested too deeply") from None
    if not isinstance(document, Mapping):
        raise StudyError(f"{path} has no keys: a study file is a mapping (key: value)")
    return load(document, (path,), folder, memory)


def _with_defaults(value: Any, rules: Mapping[str, Any]) -> Any:
    """Copy a checked document, with defaults after what is given."""
    if "properties" in rules and (value is None or isinstance(value, Mapping)):
        value = value or {}
        given = {
            key: _with_defaults(item, rules["properties"][key])
            for key, item in value.items()
        }
        return given | {
            key: rule["default"]
            for key, rule in rules["properties"].items()
            if key not in given and "default" in rule
        }
    if rules.get("type") == "object" and isinstance(
        rules.get("additionalProperties"), Mapping
    ):
        rule = rules["additionalProperties"]
        return {key: _with_defaults(item, rule) for key, item in value.items()}
    # To the schema 1000.0 is a whole number; to what counts with it, it is not.
    return int(value) if rules.get("type") == "integer" else value


def _entries(given: Mapping[str, Mapping[str, Any]]) -> dict[str, Entry]:
    found = {}
    for name, values in given.items():
        options = dict(values)
        found[name] = Entry(name, options.pop("method"), options)
    return found


def _conflicting(entries: Mapping[str, Entry]) -> list[str]:
    """Say which priors are no priors of what an estimator estimates."""
    found = []
    for name, entry in entries.items():
        estimated = entry.estimates_scales
        for prior, given in entry.options.get("priors", {}).items():
            if prior not in OF_SCALES or isinstance(given, Mapping) == estimated:
                continue
            wanted = "a distribution, as" if estimated else "a number, as"
            found.append(
                f"estimators.{name}.priors.{prior}: {given!r} is not {wanted} the "
                f"option `scales: {entry.options.get('scales', 'known')}` needs"
            )
    return found


def _unknowable(
    designs: Mapping[str, Design], entries: Mapping[str, Entry]
) -> list[str]:
    """Say which estimators are to know scales that designs draw."""
    if not any(design.drawn_scales for design in designs.values()):
        return []
    return [
        f"estimators.{name}: the grid draws scales, which `scales: known` cannot know; "
        "use `scales: estimated`"
        for name, entry in entries.items()
        if entry.options.get("scales") == "known"
    ]


def _imprecise(
    resolved: dict[str, Any], designs: Mapping[str, Design], *, stated: bool
) -> list[str]:
    """Fill in the replicates that a precision takes, or say what is wrong with it.

    Both are in a study that is written out, and agree there.
    """
    wanted = resolved["precision"]
    found = precision.problems(wanted, (design.truth for design in designs.values()))
    if found:
        return found
    needed = precision.replicates(wanted)
    if stated and resolved["replicates"] != needed:
        return [
            f"replicates: {resolved['replicates']}, where `precision` takes {needed}; "
            "keep one of the two"
        ]
    resolved["replicates"] = needed
    return []
