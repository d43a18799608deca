"""docs/compile_contract.md says what the cases declare, and explains every refusal."""

from __future__ import annotations

import re

import pytest

from tests.semantics.case import Case
from tests.semantics.matrix import all_cases
from tests.semantics.page import BEGIN, END, PAGE, updated


def test_the_tables_are_those_of_the_cases() -> None:
    page = PAGE.read_text()
    assert updated(page) == page, "write it anew: python -m tests.semantics.page"
    assert f"{len(all_cases()):,} cases" in (PAGE.parents[1] / "README.md").read_text()


@pytest.mark.parametrize("case", [case for case in all_cases() if case.refused], ids=lambda case: case.name)
def test_every_refusal_is_explained(case: Case) -> None:
    page = PAGE.read_text()
    prose = page.split(BEGIN)[0] + page.split(END)[1]
    section = prose.split("## What is refused")[1]
    for word in case.refused:
        assert re.search(rf"\b{re.escape(word)}\b", section), f"the list of refusals does not name {word!r}"
