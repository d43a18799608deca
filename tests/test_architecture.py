"""docs/architecture.md is true: its picture is of today's rooms, what the docs name exists, and no folder is a hall."""

from __future__ import annotations

import re
import runpy
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("lenetc", "passes", "ir", "tests", "benchmarks", "runtimes", "docs", "examples")
DOCS = [*sorted((ROOT / "docs").glob("*.md")), ROOT / "README.md"]


def test_the_picture_is_of_todays_rooms() -> None:
    drawn = runpy.run_path(str(ROOT / "docs" / "pictures" / "draw_architecture.py"))["draw"]()
    stored = (ROOT / "docs" / "pictures" / "architecture.svg").read_text()
    assert drawn == stored, "run python docs/pictures/draw_architecture.py"


@pytest.mark.parametrize("document", DOCS, ids=lambda path: path.name)
def test_what_the_docs_name_is_there(document: Path) -> None:
    named = re.findall(rf"`((?:{'|'.join(PACKAGES)})/[^`\s]*)`", document.read_text())
    assert [name for name in named if not list(ROOT.glob(name))] == []


def test_no_folder_has_more_than_15_files() -> None:
    kinds = {".py", ".md", ".json", ".svg", ".png", ".js", ".c", ".onnx", ".txt"}
    files = [path for package in PACKAGES for path in (ROOT / package).rglob("*.*") if path.suffix in kinds]
    files = [path for path in files if not {"node_modules", "dist"} & set(path.parts)]  # made, not kept
    count = Counter(path.parent.relative_to(ROOT) for path in files if path.name != "__init__.py")
    assert {str(folder): n for folder, n in count.items() if n > 15} == {}


def test_every_package_says_what_it_may_import() -> None:
    inits = [path for package in ("lenetc", "passes") for path in (ROOT / package).rglob("*/__init__.py")]
    assert len(inits) > 15
    assert [str(path) for path in inits if not re.search(r"[Mm]ay import", path.read_text())] == []


def test_make_parity_collects_all_comparisons_with_pytorch() -> None:
    (line,) = re.findall(
        r"^parity:.*\n\t@\$\(PYTEST\) (.*) \$", (ROOT / "Makefile").read_text(), re.MULTILINE
    )
    collected = [ROOT / name for name in line.split()]
    marked = [
        path for path in (ROOT / "tests").rglob("test_*.py") if "pytest.mark." + "parity" in path.read_text()
    ]
    assert len(marked) > 2
    assert [path for path in marked if not {path, *path.parents} & set(collected)] == []


def test_only_comparisons_with_pytorch_need_it() -> None:
    """`make test` runs without PyTorch, which `make parity` installs."""
    users = [
        path.relative_to(ROOT)
        for path in (ROOT / "tests").rglob("*.py")
        if re.search(r"^(import torch\b|from torch\b)", path.read_text(), re.MULTILINE)
    ]
    assert len(users) > 20
    assert [str(path) for path in users if path.parts[1] not in ("parity", "semantics")] == []


# Slow to import, and not needed by most. What is not there on Windows, and slow modules of Python's own.
HEAVY = {"onnx", "rich", "matplotlib", "jsonschema", "tensorboardX"}
ELSEWHERE = {"importlib.metadata", "resource"}
IMPORT = re.compile(r"^( *)(?:from ([\w.]+) import (\([^)]*\)|.+)|import (.+))", re.MULTILINE)
TOP = re.compile(r"^\S.*", re.MULTILINE)
NO_FUNCTION = ("if TYPE_CHECKING", "try:", "except ", "with ")  # begin blocks that run at import, or never


def test_imports_inside_functions_keep_heavy_libraries_out() -> None:
    modules: dict[str, set[str]] = {}  # what each imports when it is imported
    inside: list[tuple[Path, str]] = []
    for path in [path for package in ("ir", "passes", "lenetc") for path in (ROOT / package).rglob("*.py")]:
        text = path.read_text()
        module = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        modules[module] = set()
        for found in IMPORT.finditer(text):
            indent, base, names, plain = found.groups()
            each = re.findall(r"[\w.]+", (names or plain).partition("#")[0])
            each = [f"{base}.{name}" if base else name for name in each]
            if not indent:
                modules[module] |= set(each)
            elif not TOP.findall(text[: found.start()])[-1].startswith(NO_FUNCTION):
                inside += [(path, name) for name in each]
    assert len(inside) > 20
    light = [f"{path}: {name}" for path, name in inside if not _is_heavy(name, modules)]
    assert light == []


def _is_heavy(name: str, modules: Mapping[str, set[str]]) -> bool:
    """Whether importing `name`, a module or something in one, brings a heavy library in."""
    seen, waiting = {name}, [name]
    while waiting:
        name = waiting.pop()
        home = name.rpartition(".")[0]
        if name.partition(".")[0] in HEAVY or {name, home} & ELSEWHERE:
            return True
        new = modules.get(name if name in modules else home, set()) - seen
        seen |= new
        waiting += new
    return False
