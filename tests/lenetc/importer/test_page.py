"""docs/coverage.md has the importer's operators as they are, and docs/add_an_onnx_op.md shows one that stands so."""

from __future__ import annotations

import re

from tests.lenetc.importer.page import PAGE, TITLE, rows, text

ROOT = PAGE.parents[1]


def test_the_operators_are_listed_and_what_is_not_here_has_a_reason() -> None:
    assert PAGE.read_text().partition(TITLE)[1:] == (TITLE, text().removeprefix(TITLE)), (
        "run python -m tests.lenetc.importer.page"
    )
    for domain in ("", "ai.onnx.ml", "ai.onnx.preview.training"):
        assert [name for name, _, state, note in rows(domain) if state == "no" and not note] == []


def test_the_operator_of_the_walk_stands_as_it_is_shown() -> None:
    page = (ROOT / "docs" / "add_an_onnx_op.md").read_text()
    shown = re.findall(r"In `([^`]+)`:\n\n```python\n(.*?)```", page, re.DOTALL)
    assert len(shown) == 3
    for file, code in shown:
        assert code in (ROOT / file).read_text(), file
