"""docs/architecture.md is true: its picture is of today's rooms, what the docs name exists, and no folder is a hall."""

from __future__ import annotations

import re
import runpy
from collections import Counter
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
    made = {"benchmarks/results/cuda.json"}  # by `make bench-cuda`
    assert [name for name in named if name not in made and not list(ROOT.glob(name))] == []


def test_no_folder_has_more_than_15_files() -> None:
    files = [path for package in PACKAGES for path in (ROOT / package).rglob("*.py")]
    count = Counter(path.parent.relative_to(ROOT) for path in files if path.name != "__init__.py")
    assert {str(folder): n for folder, n in count.items() if n > 15} == {}


def test_every_package_says_what_it_may_import() -> None:
    inits = [path for package in ("lenetc", "passes") for path in (ROOT / package).glob("*/__init__.py")]
    assert len(inits) > 15
    assert [str(path) for path in inits if not re.search(r"[Mm]ay import", path.read_text())] == []
