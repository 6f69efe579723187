"""The designs of a study: what the lists of its file multiply to."""

from __future__ import annotations

import dataclasses
import itertools
import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from summands.data import design as data_design
from summands.data.design import Design, levels_of, pairs_of
from summands.model.distributions import OF_SCALES
from summands.model.levels import Levels
from summands.model.problem import PRIORS
from summands.recovery.plans import Planned
from summands.study import targets
from summands.study.table_layouts import Tables

# A few lists of a grid multiply to more than any machine fits. So many take 9 seconds
# to check and 4 to plan.
MOST_DESIGNS = 100_000


def make(
    resolved: Mapping[str, Any], tables: Tables, memory: Path | None = None
) -> tuple[dict[str, Design], list[Planned], list[str]]:
    """Make the designs, with the problems that no schema can see.

    Parameters
    ----------
    resolved : mapping
        The checked study file.
    tables : Tables
        Those that are layouts.
    memory : Path, optional
        See `summands.study.targets.planned`.

    Returns
    -------
    designs : dict of str to Design
        By id, the grid first.
    planned : list of Planned
        What the targets of a plan take.
    problems : list of str
        A sentence for each thing that is wrong.
    """
    designs: dict[str, Design] = {}
    contents: dict[str, str] = {}
    found: list[str] = []
    grid = resolved.get("grid", {})
    if grid.get("fixed_truths", 1) > 1 and "fixed" not in grid["truth"]:
        found.append(
            f"grid.fixed_truths: {grid['fixed_truths']} truths, but none is fixed; "
            "add fixed to grid.truth, or take this key away"
        )
    lists = [values for values in grid.values() if isinstance(values, list)]
    count = math.prod(map(len, lists)) if grid else 0
    if "fixed" in grid.get("truth", []):
        others = count // len(grid["truth"])
        count += others * (grid["fixed_truths"] - 1)
    if count > MOST_DESIGNS:
        return {}, [], [f"grid: {_too_many(count)}"]
    planned: list[Planned] = []
    grid_of: Iterable[tuple[str, Design | str]] = _grid(resolved, tables)
    if "plan" in resolved:
        grid_of, planned, wrong = _planned(resolved, grid_of, memory)
        found += wrong
    for where, design in itertools.chain(grid_of, _named(resolved, tables)):
        if isinstance(design, str):
            found.append(f"{where}: {design}")
            continue
        if design.id in designs:
            found.append(f"{where}: the design {design.id} is given twice")
            continue
        content = json.dumps(design.content)
        if content in contents:
            found.append(
                f"{where}: the same as {contents[content]}, so both would have the "
                "same data; keep one of them"
            )
        contents[content] = where
        if design.rows < design.levels.parameters:
            found.append(
                f"{where}: {design.rows} rows are fewer than the "
                f"{design.levels.parameters} parameters of levels "
                f"{list(design.levels.sizes)}"
            )
        elif design.coefficients is not None and not any(
            sigma > 0 for level in design.coefficients for _, sigma in level
        ):
            found.append(f"{where}: every sigma is 0; at least one must be above 0")
        found += [f"{where}: {problem}" for problem in design.problems()]
        designs[design.id] = design
    return designs, planned, found


def _too_many(count: int) -> str:
    return (
        f"its lists multiply to {count} designs, and {MOST_DESIGNS} are the most; "
        "shorten them, or make several studies"
    )


def _grid(
    resolved: Mapping[str, Any], tables: Tables
) -> Iterator[tuple[str, Design | str]]:
    grid = resolved.get("grid")
    if grid is None:
        return
    # Levels vary slowest, then rows, whatever the order in the file.
    keys = [field.name for field in fields(Design) if field.name in grid]
    for combination in itertools.product(*(enumerate(grid[key]) for key in keys)):
        values = dict(zip(keys, combination, strict=True))
        places = [str(key) for key in ("levels", "rows") if key in values]
        if len(grid["layout"]) > 1 or not places:
            places.append("layout")
        where = " with ".join(f"grid.{key}[{values[key][0]}]" for key in places)
        plain = {key: value for key, (_, value) in values.items()}
        given = Levels.of(plain.pop("levels")) if "levels" in plain else None
        try:
            levels = tables.lay_out(plain, given)
        except ValueError as error:
            yield where, str(error)
            continue
        # Of a plan, which says how many there are.
        plain.setdefault("rows", levels.parameters)
        truths = grid["fixed_truths"] if plain["truth"] == "fixed" else 1
        for number in range(truths):
            yield where, _design(levels, plain | {"truth_number": number})


def _planned(
    resolved: Mapping[str, Any],
    grid: Iterable[tuple[str, Design | str]],
    memory: Path | None,
) -> tuple[list[tuple[str, Design | str]], list[Planned], list[str]]:
    """Give the designs of a grid the rows that a plan takes of them."""
    plan = resolved["plan"]
    problems = targets.problems(plan)
    if "rows" in resolved["grid"]:
        problems.append("plan: says how many rows there are; take grid.rows away")
    if problems:
        return [], [], problems
    wanted = targets.read(plan)
    planned: list[Planned] = []
    verifying: dict[str, tuple[str, Design | str]] = {}
    for where, design in grid:
        if isinstance(design, str):
            verifying[where] = where, design
            continue
        for one in targets.planned(design, wanted, int(resolved["seed"]), memory):
            if isinstance(one, str):
                verifying[where] = where, one
                continue
            planned.append(one)
            if plan["verify"] and one.needed.rows is not None:
                # Two targets may take the same.
                verifying.setdefault(one.design.id, (where, one.design))
    return list(verifying.values()), planned, []


def _named(
    resolved: Mapping[str, Any], tables: Tables
) -> Iterator[tuple[str, Design | str]]:
    for name, given in resolved.get("designs", {}).items():
        plain = dict(given)
        coefficients = plain.pop("coefficients")
        try:
            levels = levels_of(coefficients)
        except ValueError as error:
            yield f"designs.{name}.coefficients", str(error)
            continue
        pairs = pairs_of(coefficients)
        if "intercept_sd" in plain:
            plain.setdefault("intercept_mean", 0.0)
        # Of lists each combination is a design.
        keys = [field.name for field in fields(Design) if field.name in plain]
        lists = {key: plain[key] for key in keys if isinstance(plain[key], list)}
        count = math.prod(map(len, lists.values()))
        if count > MOST_DESIGNS:
            yield f"designs.{name}", _too_many(count)
            continue
        for combination in itertools.product(*map(enumerate, lists.values())):
            of_lists = dict(zip(lists, combination, strict=True))
            where = " with ".join(
                [
                    f"designs.{name}",
                    *(f"{key}[{place}]" for key, (place, _) in of_lists.items()),
                ]
            )
            variant = plain | {key: value for key, (_, value) in of_lists.items()}
            try:
                found = tables.lay_out(variant, levels)
            except ValueError as error:
                yield where, str(error)
                continue
            extra = {"truth": "fixed", "coefficients": pairs}
            made = _design(found, dict.fromkeys(PRIORS) | variant | extra)
            yield where, dataclasses.replace(made, name=made.variant(name, of_lists))


def _design(levels: Levels, values: Mapping[str, Any]) -> Design:
    """Make a design of plain values, with the number types of its fields.

    YAML's 1 and 1.0 are one number here, and so they must give one id and one seed.
    """
    kinds = {field.name: str(field.type) for field in fields(Design)}
    convert = {"int": int, "float": float, "float | None": float}
    made: dict[str, Any] = {}
    for key, value in values.items():
        if key in OF_SCALES and isinstance(value, int | float):
            made[key] = float(value)
        elif value is None or kinds[key] not in convert:
            made[key] = data_design.read(key, value)
        else:
            made[key] = convert[kinds[key]](value)
    return Design(levels, **made)
