"""Every link, file, command and module that the pages name is there."""

import importlib
import importlib.util
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
import yaml

from summands.study import study

ROOT = Path(__file__).parents[3]
PAGES = sorted(
    [*ROOT.glob("*.md"), ROOT / "config" / "README.md", *ROOT.glob("docs/**/*.md")]
)

FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
SPAN = re.compile(r"`([^`\n]+(?:\n[^`\n]+)?)`")
LINK = re.compile(r"\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.*)$", re.MULTILINE)
PATH = re.compile(r"[\w.*-]+(/[\w.*-]+)*/?")

# What a run makes, and what is made beside the sources.
MADE = {
    *("results", "simulated", "fitted", "logs", "figures", "csv", "paper"),
    *("protocol.md", "amendments"),
    *(".venv", ".snakemake"),
}

# A name without a folder that ends so is one of a source file, wherever that is.
SOURCES = {".py", ".smk", ".md"}
NAMES = {
    path.name
    for top in ROOT.iterdir()
    if top.name not in MADE and not top.name.startswith(".")
    for path in (top, *top.rglob("*"))
}

MAKEFILE = (ROOT / "Makefile").read_text()
TARGETS = {*re.findall(r"^([a-z-]+):", MAKEFILE, re.MULTILINE)}
VARIABLES = {*re.findall(r"^options = (.*)$", MAKEFILE, re.MULTILINE)[0].split()}

of_each_page = pytest.mark.parametrize(
    "path", PAGES, ids=lambda path: str(path.relative_to(ROOT))
)


def prose(text: str) -> str:
    """A page without its fenced code."""
    return FENCED.sub("", text)


def blocks(text: str, language: str) -> list[str]:
    """Its fenced code of a language."""
    return [code for name, code in FENCED.findall(text) if name == language]


def commands(text: str) -> list[str]:
    """What it shows of a shell: lines of fenced code, joined, and spans of code."""
    fenced = [line for name in ("", "sh", "bash") for line in blocks(text, name)]
    lines = "".join(fenced).replace("\\\n", " ").splitlines()
    return lines + [" ".join(span.split()) for span in SPAN.findall(prose(text))]


def anchors(text: str) -> set[str]:
    """Anchors of its headings, as hosts of code make them."""
    found: dict[str, int] = {}
    for heading in HEADING.findall(prose(text)):
        shown = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading).lower()
        slug = re.sub(r"[^\w\- ]", "", shown).replace(" ", "-")
        found[slug] = found.get(slug, 0) + 1
    return {
        f"{slug}-{copy}" if copy else slug
        for slug, copies in found.items()
        for copy in range(copies)
    }


def links(text: str) -> list[str]:
    """Its links and pictures within the project."""
    return [link for link in LINK.findall(prose(text)) if not re.match(r"\w+:", link)]


def broken_links(path: Path, text: str) -> list[str]:
    """Links to files or headings that are not there."""
    broken = []
    for link in links(text):
        name, _, anchor = link.partition("#")
        target = (path.parent / name).resolve() if name else path
        there = target == path or (target.is_relative_to(ROOT) and target.exists())
        if there and anchor:
            there = anchor in anchors(text if target == path else target.read_text())
        if not there:
            broken.append(link)
    return broken


def missing_files(path: Path, text: str) -> list[str]:
    """Names of source files and folders that are not there."""
    missing = []
    for word in re.split(r"[\s=,;:\"'()]+", "\n".join(commands(text))):
        first = word.removeprefix("../").split("/")[0]
        if not PATH.fullmatch(word) or first in MADE:
            continue
        if "/" in word:
            places = (ROOT, ROOT / "scripts" / "summands", path.parent)
            # A workflow that takes this one as a module may have it in such a folder.
            inside = word.removeprefix("summands/")
            there = any(any(place.glob(inside)) for place in places)
        else:
            there = Path(word).suffix not in SOURCES or word in NAMES
        if not there:
            missing.append(word)
    return missing


def missing_targets(text: str) -> list[str]:
    """Targets and variables of make that the Makefile does not have."""
    missing = []
    for given in re.findall(r"\bmake((?: [A-Za-z][\w-]*(?:=\S+)?)+)", spelled(text)):
        for word in given.split():
            name, is_variable, _ = word.partition("=")
            if name not in (VARIABLES if is_variable else TARGETS):
                missing.append(word)
    return missing


def missing_modules(text: str) -> list[str]:
    """Modules that are run, and names of the library, that cannot be imported."""
    names = re.findall(r"-m (\w[\w.]*\w)", spelled(text))
    names += re.findall(r"(?<![\w/])summands(?:\.\w+)+", spelled(text))
    return [name for name in names if not importable(name)]


def importable(name: str) -> bool:
    """Whether a dotted name is a module, or something in one."""
    above, _, last = name.rpartition(".")
    if not above:
        return importlib.util.find_spec(name) is not None
    if not importable(above):
        return False
    module = importlib.import_module(above)
    if hasattr(module, last):
        return True
    return hasattr(module, "__path__") and importlib.util.find_spec(name) is not None


def missing_options(text: str) -> list[str]:
    """Options that Snakemake does not know."""
    return [
        option
        for line in commands(text)
        if re.search(r"\bsnakemake\b|^--", line) and "summands." not in line
        for option in re.findall(r"(?<!\S)--[a-z][\w-]*", line)
        if option not in options()
    ]


@cache
def options() -> set[str]:
    """Options of Snakemake, those of its plugins among them."""
    command = [sys.executable, "-m", "snakemake", "--help"]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return {*re.findall(r"(?<!\S)--[a-z][\w-]*", told.stdout)}


def spelled(text: str) -> str:
    return "\n".join(commands(text))


@of_each_page
def test_links_lead_somewhere(path):
    assert broken_links(path, path.read_text()) == []


@of_each_page
def test_files_that_are_named_are_there(path):
    assert missing_files(path, path.read_text()) == []


@of_each_page
def test_commands_that_are_named_are_there(path):
    text = path.read_text()
    assert missing_targets(text) == []
    assert missing_modules(text) == []
    assert missing_options(text) == []


@of_each_page
def test_studies_and_parts_of_them_that_are_shown_are_sound(path):
    rest = {"study": "shown", "estimators": {"least_squares": {}}}
    grid = {"grid": {"levels": [[1, 2]], "rows": [60]}}
    for document in map(yaml.safe_load, blocks(path.read_text(), "yaml")):
        study.load(rest | ({} if "observed" in document else grid) | document)


@of_each_page
def test_python_is_shown_only_where_it_is_run(path):
    """The tests of the workflow run what README.md and docs/ show."""
    if not (path.parent == ROOT / "docs" or path == ROOT / "README.md"):
        assert blocks(path.read_text(), "python") == []


def test_every_page_and_every_picture_is_led_to_from_the_readme():
    found, left = set(), [ROOT / "README.md"]
    while left:
        path = left.pop()
        if path in found:
            continue
        found.add(path)
        if path.suffix == ".md" and path.exists():
            names = [link.partition("#")[0] for link in links(path.read_text())]
            left += [(path.parent / name).resolve() for name in names if name]
    docs = {path for path in ROOT.glob("docs/**/*") if path.is_file()}
    assert docs | {*PAGES} <= found


@pytest.mark.parametrize(
    ("find", "text", "wrong"),
    [
        (broken_links, "[x](docs/nothing.md)", "docs/nothing.md"),
        (broken_links, "![x](docs/figures/nothing.png)", "docs/figures/nothing.png"),
        (broken_links, "[x](config/README.md#nothing)", "config/README.md#nothing"),
        (broken_links, "# One\n[x](#two)", "#two"),
        (broken_links, "[x](../elsewhere.md)", "../elsewhere.md"),
        (missing_files, "see `scripts/nothing.py`", "scripts/nothing.py"),
        (missing_files, "see `scripts/nothing/`", "scripts/nothing/"),
        (missing_files, "see `script/*.py`", "script/*.py"),
        (missing_files, "see `nothing.py`", "nothing.py"),
        (missing_files, "`make study STUDY=config/no.yaml`", "config/no.yaml"),
        (missing_files, "```\nsnakemake --configfile no/no.yaml\n```\n", "no/no.yaml"),
        (missing_targets, "run `make nothing`", "nothing"),
        (missing_targets, "```\nmake study STUDIES=x.yaml\n```\n", "STUDIES=x.yaml"),
        (missing_modules, "`python -m summands.nothing`", "summands.nothing"),
        (missing_modules, "see `summands.study.nothing`", "summands.study.nothing"),
        (missing_options, "`snakemake --nothing`", "--nothing"),
        (missing_options, "```\nsnakemake \\\n    --nothing 1\n```\n", "--nothing"),
    ],
)
def test_what_is_not_there_is_seen(find, text, wrong):
    of_page = find in (broken_links, missing_files)
    found = find(ROOT / "README.md", text) if of_page else find(text)
    assert wrong in found


@pytest.mark.parametrize(
    ("find", "text"),
    [
        (broken_links, "# A `b_c`, d\n[x](#a-b_c-d) [y](https://example.org/z)"),
        (broken_links, "# A\n# A\n[x](#a) [y](#a-1)"),
        (missing_files, "`scripts/*.py` `results/x/` `bayesian_ridge.py` `a.parquet`"),
        (missing_files, "`summands/profiles/default` `files/storage.py` `posterior/`"),
        (missing_targets, "`make study STUDY=a.yaml` `make test`, and make do"),
        (missing_modules, "`-m snakemake` `summands.model.estimands.index`"),
        (missing_options, "`.venv/bin/snakemake --cores 2 --configfile a.yaml`"),
    ],
)
def test_what_is_there_is_not_complained_of(find, text):
    of_page = find in (broken_links, missing_files)
    assert (find(ROOT / "README.md", text) if of_page else find(text)) == []
