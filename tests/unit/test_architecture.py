"""The packages stand one on the other: no import runs back up, and none in a circle."""

import ast
from pathlib import Path

import pytest

import summands

LIBRARY = Path(summands.__file__).parent

# Each imports none but those before it, and itself.
ORDER = (
    "files",
    "model",
    "data",
    "posterior",
    "estimation",
    "estimators",
    "recovery",
    "decomposition",
    "study",
    "report",
)


def imports(path: Path) -> set[str]:
    """Modules of the library that a module imports, anywhere in its code."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return {resolved(name) for name in found if name.split(".")[0] == "summands"}


def resolved(name: str) -> str:
    """Module that a dotted name is, or is an attribute of."""
    path = LIBRARY.parent.joinpath(*name.split("."))
    if path.with_suffix(".py").is_file() or (path / "__init__.py").is_file():
        return name
    return resolved(name.rpartition(".")[0])


def graph() -> dict[str, set[str]]:
    """The modules that each module imports."""
    return {
        ".".join(path.relative_to(LIBRARY.parent).with_suffix("").parts).removesuffix(
            ".__init__"
        ): imports(path)
        for path in LIBRARY.rglob("*.py")
    }


def package(module: str) -> str:
    return module.split(".")[1]


def circles(edges: dict[str, set[str]]) -> list[str]:
    """Modules that cannot be put into an order."""
    left = {module: {*targets} - {module} for module, targets in edges.items()}
    while free := [module for module, targets in left.items() if not targets & {*left}]:
        for module in free:
            del left[module]
    return sorted(left)


def test_the_library_is_packages_alone():
    inside = {path.name for path in LIBRARY.iterdir() if path.name != "__pycache__"}
    assert inside == {*ORDER, "__init__.py"}
    for name in ORDER:
        assert f"``{name}``" in summands.__doc__, "the docstring lists every package"


def test_no_import_runs_back_up():
    assert [
        f"{module} imports {target}"
        for module, targets in graph().items()
        for target in targets
        if "." in module
        and "." in target
        and ORDER.index(package(target)) > ORDER.index(package(module))
    ] == []


def test_what_needs_a_truth_and_what_has_none_stand_beside_each_other():
    assert [
        f"{module} imports {target}"
        for module, targets in graph().items()
        for target in targets
        if "." in module
        and "." in target
        and {package(module), package(target)} == {"recovery", "decomposition"}
    ] == []


def test_no_imports_go_in_a_circle():
    assert circles(graph()) == []


@pytest.mark.parametrize(
    "edges",
    [{"a": {"b"}, "b": {"a"}}, {"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}}],
)
def test_a_circle_is_seen(edges):
    assert circles(edges) == sorted({"a", "b", "c", "d"} & {*edges})


def test_every_module_has_a_test_folder_of_its_package():
    folders = {path.name for path in Path(__file__).parent.iterdir() if path.is_dir()}
    assert folders >= {*ORDER}
