"""Break the library at random places and see whether the quick tests notice.

Cosmic Ray's operators make the mutants, one change each: another operator, a number
one off, a condition turned round, a loop that is skipped. Each is tested in a process
of its own, forked from one that has imported the heavy packages already, by those tests
alone that execute the changed statement, the fastest first, until one fails.
Files stay as they are: the mutant exists in the process's memory only.

Run by `make mutants`. Fails where a mutant survives that tests/accepted_mutants.toml
does not list, or where the tests kill less than `ENOUGH` of all.
"""

from __future__ import annotations

import argparse
import ast
import collections
import importlib.machinery
import importlib.util
import json
import multiprocessing
import os
import random
import signal
import sys
import time
import tomllib
import types
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import cosmic_ray.ast
import cosmic_ray.mutating
import cosmic_ray.plugins
import pytest
from hypothesis import Phase, settings

# Matrices are small: threads that share them would only wait for each other.
os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "scripts"
ACCEPTED = Path(__file__).with_name("accepted_mutants.toml")
OUTPUT = ROOT / "results" / "mutants"

# What is broken: all that is not compiled and that a number in a table depends on.
SCOPE = (
    "summands/model/*.py",
    "summands/estimation/*.py",
    "summands/recovery/*.py",
    "summands/estimators/*.py",
    "summands/posterior/diagnostics.py",
    "summands/posterior/convergence.py",
)
PACKAGES = ("data", "estimation", "estimators", "model", "posterior", "recovery")
TESTS = (*(f"tests/unit/{name}" for name in PACKAGES), "-m", "not slow")
ENOUGH = 0.85

# What says which mutant an entry of the list of accepted ones is about.
CHANGE = ("file", "before", "after")

# A mutant may take this many times as long as its tests do without it, and some more.
PATIENCE, GRACE = 5, 30

# Imported once, before processes are forked.
HEAVY = ("matplotlib.pyplot", "nutpie", "numba", "pandas", "pyarrow.parquet", "pymc")
HEAVY += ("scipy.optimize", "scipy.stats", "sklearn.linear_model", "xarray", "yaml")

# Replacements that any test would notice are left out (a float has no bits to shift).
_ARITHMETIC = ("Add", "Sub", "Mul", "Div")
_BITS = ("BitAnd", "BitOr")


def _operators() -> dict[str, cosmic_ray.operators.operator.Operator]:
    chosen = {}
    for name in cosmic_ray.plugins.operator_names():
        kind, *ends = name.split("/")[1].split("_")
        if kind in ("VariableReplacer", "VariableInserter"):
            continue
        # Small integers are equal where they are the same.
        if (
            kind == "ReplaceComparisonOperator"
            and len({"Is", "IsNot"} & set(ends)) == 1
        ):
            continue
        if kind == "ReplaceBinaryOperator" and not (
            set(ends) <= set(_ARITHMETIC)
            or set(ends) <= set(_BITS)
            or ends == ["Pow", "Mul"]
        ):
            continue
        chosen[name] = cosmic_ray.plugins.get_operator(name)()
    return chosen


@dataclass(frozen=True)
class Module:
    """A file to break."""

    path: Path

    @property
    def name(self) -> str:
        parts = self.path.relative_to(SOURCE).with_suffix("").parts
        return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)

    @cached_property
    def source(self) -> str:
        return self.path.read_text(encoding="utf-8")

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.source)

    def untested(self) -> Iterator[tuple[tuple[int, int], tuple[int, int]]]:
        """Yield where annotations, compiled functions and some decorators stand.

        Annotations are never evaluated, numba keeps what it compiled from the file,
        and a frozen dataclass or a cache changes no number.
        """
        for node in ast.walk(self.tree):
            for name in ("annotation", "returns"):
                if note := getattr(node, name, None):
                    yield (
                        (note.lineno, note.col_offset),
                        (note.end_lineno, note.end_col_offset),
                    )
            for decorator in getattr(node, "decorator_list", ()):
                name = ast.unparse(decorator)
                if name.startswith(("numba.", "dataclass", "cache", "lru_cache")):
                    last = node if name.startswith("numba.") else decorator
                    yield (decorator.lineno, 0), (last.end_lineno + 1, 0)

    def statement(self, line: int) -> range | None:
        """Tell the lines of the statement in a function; of a compound one, its head.

        None of what is done at import, or once for all tests.
        """
        around = [
            node
            for node in ast.walk(self.tree)
            if isinstance(node, ast.stmt) and node.lineno <= line <= node.end_lineno
        ]
        functions = [node for node in around if isinstance(node, ast.FunctionDef)]
        once = [ast.unparse(mark) for node in functions for mark in node.decorator_list]
        if not any(node.body[0].lineno <= line for node in functions) or any(
            name.startswith(("cache", "lru_cache")) for name in once
        ):
            return None
        node = max(around, key=lambda node: node.lineno)
        body = getattr(node, "body", None)
        if body and line < body[0].lineno:
            return range(node.lineno, body[0].lineno)
        return range(node.lineno, node.end_lineno + 1)


@dataclass(frozen=True)
class Mutant:
    """One change of one module."""

    module: Module
    line: int
    operator: str
    occurrence: int

    @cached_property
    def source(self) -> str:
        operator = cosmic_ray.plugins.get_operator(self.operator)()
        changed = cosmic_ray.mutating.mutate_code(
            self.module.source, operator, self.occurrence
        )
        assert changed is not None
        return changed

    @property
    def change(self) -> tuple[str, str, str]:
        """The file, and what stood there before and after, without the line's number.

        So it stays the same when other lines change.
        """
        before, after = self.module.source.split("\n"), self.source.split("\n")
        while before and after and before[0] == after[0]:
            before, after = before[1:], after[1:]
        while before and after and before[-1] == after[-1]:
            before, after = before[:-1], after[:-1]
        file = str(self.module.path.relative_to(SOURCE / "summands"))
        return file, *(" ".join(" ".join(part).split()) for part in (before, after))


def mutants(module: Module) -> dict[tuple[int, int], list[Mutant]]:
    """List all mutants of a module by place."""
    untested = list(module.untested())
    nodes = list(cosmic_ray.ast.ast_nodes(cosmic_ray.ast.get_ast(module.source)))
    places = collections.defaultdict(list)
    for name, operator in _operators().items():
        occurrence = 0
        for node in nodes:
            for start, _ in operator.mutation_positions(node):
                if not any(first <= start < last for first, last in untested):
                    places[start].append(Mutant(module, start[0], name, occurrence))
                occurrence += 1
    return places


def sample(modules: list[Module], count: int, seed: int) -> list[Mutant]:
    """Draw places, and for each one of the changes that can be made there."""
    rng = random.Random(seed)
    places = [
        changes for module in modules for _, changes in sorted(mutants(module).items())
    ]
    return [
        rng.choice(changes) for changes in rng.sample(places, min(count, len(places)))
    ]


class Recorder:
    """A pytest plugin: which test executes which lines, and how long it takes."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = collections.defaultdict(float)
        self.lines: dict[str, dict[int, list[str]]] = {}
        self.test: str | None = None
        monitoring = sys.monitoring
        monitoring.use_tool_id(monitoring.COVERAGE_ID, "mutants")
        monitoring.register_callback(
            monitoring.COVERAGE_ID, monitoring.events.LINE, self.line
        )
        monitoring.set_events(monitoring.COVERAGE_ID, monitoring.events.LINE)

    def line(self, code: types.CodeType, line: int) -> object:
        """Note that a line is executed, once a test: more would cost time."""
        if self.test and code.co_filename.startswith(str(SOURCE)):
            lines = self.lines.setdefault(code.co_filename, {})
            lines.setdefault(line, []).append(self.test)
        return sys.monitoring.DISABLE

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self.test = nodeid
        sys.monitoring.restart_events()

    def pytest_runtest_logfinish(self) -> None:
        self.test = None

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.seconds[report.nodeid] += report.duration


class FastestFirst:
    """A pytest plugin: the order of tests."""

    def __init__(self, tests: list[str]) -> None:
        self.place = {test: place for place, test in enumerate(tests)}

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items.sort(key=lambda item: self.place.get(item.nodeid, len(self.place)))


class Loader(importlib.machinery.SourceFileLoader):
    """Load the mutant in place of the module, and find it before others do."""

    def __init__(self, mutant: Mutant) -> None:
        super().__init__(mutant.module.name, str(mutant.module.path))
        self.mutant = mutant

    def find_spec(self, name, path, target=None):  # type: ignore[no-untyped-def]
        if name != self.mutant.module.name:
            return None
        return importlib.util.spec_from_file_location(name, self.path, loader=self)

    def get_code(self, name):  # type: ignore[no-untyped-def]
        return compile(self.mutant.source, self.path, "exec", dont_inherit=True)


def _pytest(log: Path, arguments: list[str], plugins: list[object]) -> int:
    """Run tests in this process, which is to end after that."""
    os.setsid()
    with log.open("w") as out:
        for stream in (1, 2):
            os.dup2(out.fileno(), stream)
    # A failing example need not be the smallest, and time tells nothing here.
    settings.register_profile(
        "mutants",
        derandomize=True,
        database=None,
        deadline=None,
        phases=(Phase.explicit, Phase.generate),
    )
    quiet = ["-x", "-q", "-p", "no:cacheprovider", "--hypothesis-profile=mutants"]
    return pytest.main([*quiet, *arguments], plugins=plugins)


def _record(log: Path, file: Path) -> None:
    recorder = Recorder()
    code = _pytest(log, list(TESTS), [recorder])
    if code == 0:
        found = {"seconds": recorder.seconds, "lines": recorder.lines}
        file.write_text(json.dumps(found))
    os._exit(code)


def _test(log: Path, mutant: Mutant, tests: list[str]) -> None:
    sys.meta_path.insert(0, Loader(mutant))
    os._exit(_pytest(log, tests, [FastestFirst(tests)]))


def _run(target, arguments, limit: float | None) -> int | None:  # type: ignore[no-untyped-def]
    """Run a function in a forked process; without a result if it takes too long."""
    process = multiprocessing.get_context("fork").Process(target=target, args=arguments)
    process.start()
    process.join(limit)
    if process.exitcode is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.join()
        return None
    return process.exitcode


def choose(mutant: Mutant, record: dict) -> list[str]:
    """Choose the tests that can see a mutant, the fastest first."""
    lines = record["lines"].get(str(mutant.module.path), {})
    statement = mutant.module.statement(mutant.line)
    tests = {test for line in statement or () for test in lines.get(str(line), ())}
    if statement is None:
        # Whatever uses the module may see what is done at import.
        files = {_file(test) for found in lines.values() for test in found}
        tests = {test for test in record["seconds"] if _file(test) in files}
    return sorted(tests or record["seconds"], key=record["seconds"].get)


def _file(test: str) -> str:
    return test.partition("::")[0]


def _stands(entry: dict[str, str]) -> bool:
    """Whether the library still has the line of an accepted mutant."""
    path = SOURCE / "summands" / entry["file"]
    return path.exists() and entry["before"] in " ".join(path.read_text().split())


def main() -> int:
    """Run from the command line; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--count", type=int, default=150)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="", help="part of a file's path")
    given = parser.parse_args()

    os.chdir(ROOT)
    OUTPUT.mkdir(parents=True, exist_ok=True)
    modules = [
        Module(path)
        for pattern in SCOPE
        for path in sorted(SOURCE.glob(pattern))
        if given.only in str(path)
    ]
    drawn = sample(modules, given.count, given.seed)
    listed = tomllib.loads(ACCEPTED.read_text(encoding="utf-8"))["mutant"]
    accepted = {tuple(entry[key] for key in CHANGE) for entry in listed}
    gone = [entry for entry in listed if not _stands(entry)]
    for entry in gone:
        print(f"{ACCEPTED.name}: {entry['file']} has no longer {entry['before']!r}")
    if gone:
        return 1
    for name in HEAVY:
        importlib.import_module(name)

    file, log = OUTPUT / "tests.json", OUTPUT / "tests.log"
    file.unlink(missing_ok=True)
    print("mutants: the quick tests, without a mutant", flush=True)
    if _run(_record, (log, file), None) != 0:
        print(log.read_text())
        return 1
    record = json.loads(file.read_text())

    counts: dict[str, collections.Counter] = collections.defaultdict(
        collections.Counter
    )
    missed = []
    for number, mutant in enumerate(drawn, 1):
        tests = choose(mutant, record)
        begun = time.perf_counter()
        limit = GRACE + PATIENCE * sum(map(record["seconds"].get, tests))
        code = _run(_test, (OUTPUT / f"{number}.log", mutant, tests), limit)
        outcome = "survived" if code == 0 else "killed"
        if outcome == "survived" and mutant.change in accepted:
            outcome = "accepted"
        if outcome == "survived":
            missed.append(mutant)
        where, before, after = mutant.change
        counts[where.partition("/")[0]][outcome] += 1
        print(
            f"{number}/{len(drawn)} {outcome} {time.perf_counter() - begun:.0f} s, "
            f"{len(tests)} tests: {where}:{mutant.line}\n    - {before}\n    + {after}",
            flush=True,
        )

    for package, outcomes in sorted(counts.items()):
        print(f"{package}: {dict(outcomes)}")
    killed = sum(outcomes["killed"] for outcomes in counts.values()) / len(drawn)
    print(f"mutants: the tests killed {killed:.0%} of {len(drawn)}")
    if missed:
        print(f"Mend these with a test, or list them in tests/{ACCEPTED.name}:")
    for mutant in missed:
        # TOML's basic strings are JSON's.
        print("\n[[mutant]]")
        for key, text in zip(CHANGE, mutant.change, strict=True):
            print(f"{key} = {json.dumps(text, ensure_ascii=False)}")
    return int(bool(missed) or killed < ENOUGH)


if __name__ == "__main__":
    sys.exit(main())
