"""docs/coverage.md has the importer's operators as they are, docs/add_an_onnx_op.md shows one that stands so, and the
code of docs/importing.md and docs/migration.md runs."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from lenetc.importer.registry import TABLE
from tests.lenetc.importer.pages.operators import PAGE, TITLE, VERSION, rows, text

ROOT = PAGE.parents[1]


def test_the_operators_are_listed_and_what_is_not_here_has_a_reason() -> None:
    page = PAGE.read_text()
    if (
        f"that of ONNX {VERSION}." not in page
    ):  # another ONNX has other operators: those of the table are listed
        section = page.partition(TITLE)[2]
        assert [name for _, name in TABLE if f"| `{name}` |" not in section] == []
        return
    assert page.partition(TITLE)[1:] == (TITLE, text().removeprefix(TITLE)), (
        "run python -m tests.lenetc.importer.pages.operators"
    )
    for domain in ("", "ai.onnx.ml", "ai.onnx.preview.training"):
        assert [name for name, _, state, note in rows(domain) if state == "no" and not note] == []


def test_the_operator_of_the_walk_stands_as_it_is_shown() -> None:
    page = (ROOT / "docs" / "add_an_onnx_op.md").read_text()
    shown = re.findall(r"In `([^`]+)`:\n\n```python\n(.*?)```", page, re.DOTALL)
    assert len(shown) == 3
    for file, code in shown:
        assert code in (ROOT / file).read_text(), file


FILES = {
    "importing": {"digits.onnx": "examples/finetune/digits_0_to_4.onnx"},
    "migration": {
        "mlp.onnx": "tests/lenetc/migration/written/mlp.onnx",
        "old/checkpoint": "tests/lenetc/migration/written/after",
    },
}


@pytest.mark.parametrize("page", FILES)
def test_the_code_of_the_page_runs(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One block after the other, beside the files that it names."""
    for name, source in FILES[page].items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / source, tmp_path / name)
    monkeypatch.chdir(tmp_path)
    scope: dict[str, Any] = {}
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / f"{page}.md").read_text(), re.DOTALL)
    assert len(blocks) > 2
    for number, block in enumerate(blocks):
        exec(compile(block, f"block {number} of {page}.md", "exec"), scope)
