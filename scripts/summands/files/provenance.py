"""What a result was made by: code, packages, commit."""

from __future__ import annotations

import ast
import hashlib
import os
import platform
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterable
from contextlib import suppress
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

SCRIPTS = Path(__file__).parents[2]

# How files are written, locked and recorded changes no number in them.
WITHOUT_NUMBERS = Path("summands", "files")

# Distributions whose name is not that of the package they install.
DISTRIBUTIONS = {"sklearn": "scikit-learn", "yaml": "pyyaml"}


def digest(script: str, *modules: str, wording: bool = False) -> str:
    """Digest of the code and packages that a script's results depend on.

    It covers the script, the modules of this library that it imports, directly or
    through others, and the versions of the packages that these import. What changes no
    number does not count: comments, docstrings, layout, wording (text with a space in
    it: messages, descriptions of options and columns), and the package `files`.

    Parameters
    ----------
    script : str
        File name of a script in scripts/.
    *modules : str
        Modules that it imports by a computed name, such as an estimator.
    wording : bool
        Whether the wording counts, docstrings included: of a script whose results are
        words.

    Returns
    -------
    str
        Hexadecimal digits.
    """
    todo = [SCRIPTS / script, *(_file(module) for module in modules)]
    seen: dict[Path, str] = {}
    packages: set[str] = set()
    while todo:
        path = todo.pop()
        if path is None or path in seen:
            continue
        code, imported = _read(path, path.stat().st_mtime_ns, wording)
        seen[path] = code
        for name in imported:
            file = _file(name)
            if file is not None:
                if file.parent != SCRIPTS / WITHOUT_NUMBERS:
                    todo.append(file)
            elif name.split(".")[0] not in {*sys.stdlib_module_names, "summands"}:
                packages.add(name.split(".")[0])
    parts = [f"{path.relative_to(SCRIPTS)} {seen[path]}" for path in sorted(seen)]
    parts += [f"{package} {_version(package)}" for package in sorted(packages)]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


@cache
def _read(path: Path, changed: int, wording: bool) -> tuple[str, tuple[str, ...]]:
    """Digest of one file's code as it was changed last, and the names it imports."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            node.body = [ast.Pass()]  # never runs
    imported = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            imported += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            imported.append(node.module)
            imported += [f"{node.module}.{alias.name}" for alias in node.names]
        if wording:
            continue
        if isinstance(
            node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
        ) and ast.get_docstring(node, clean=False):
            node.body = node.body[1:] or [ast.Pass()]
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            # No key, name or format has a space in it.
            node.value = "" if " " in node.value else node.value
    return hashlib.sha256(ast.dump(tree).encode()).hexdigest(), tuple(imported)


def _file(module: str) -> Path | None:
    """File of a module of this library, None for any other name."""
    base = SCRIPTS.joinpath(*module.split("."))
    if module.split(".")[0] != "summands":
        return None
    for path in (base.with_suffix(".py"), base / "__init__.py"):
        if path.is_file():
            return path
    return None


@cache
def _version(package: str) -> str | None:
    try:
        return metadata.version(DISTRIBUTIONS.get(package, package))
    except metadata.PackageNotFoundError:
        return None


def dependencies() -> list[str]:
    """Distributions that the project names as its own, from pyproject.toml."""
    project = tomllib.loads((SCRIPTS.parent / "pyproject.toml").read_text())
    names = (re.match(r"[\w.-]+", item) for item in project["project"]["dependencies"])
    return [match[0] for match in names if match]


def record(packages: Iterable[str]) -> dict[str, Any]:
    """Versions and commit, to be kept beside results.

    Parameters
    ----------
    packages : iterable of str
        Names of the packages to list.

    Returns
    -------
    dict
        ``commit`` is null outside a git checkout; ``modified`` tells whether code
        differed from it or was not part of it; ``cores`` and ``processor`` are those of
        the machine that gathered the tables.
    """
    commit = _git("rev-parse", "HEAD")
    code = ("Snakefile", "workflow", "scripts", "envs")
    changes = _git("status", "--porcelain", "--", *(f":/{path}" for path in code))
    return {
        "commit": commit,
        "modified": None if commit is None else bool(changes),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "packages": {name: _version(name) for name in sorted(packages)},
    }


def _processor() -> str:
    """Name of the processor, as far as the machine tells."""
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _git(*arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(SCRIPTS), *arguments],
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()
