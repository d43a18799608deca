"""Writes the tables of docs/compile_contract.md from the cases: `python -m tests.semantics.page`."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from tests.semantics.case import Case
from tests.semantics.changes import KINDS
from tests.semantics.matrix import all_cases
from tests.semantics.places import MAIN, PLACES
from tests.semantics.programs import WHO

PAGE = Path(__file__).parents[2] / "docs" / "compile_contract.md"
BEGIN = "<!-- matrix: written by python -m tests.semantics.page -->\n"
END = "<!-- /matrix -->\n"


def holds(cases: Sequence[Case]) -> str:
    """What holds for all of `cases`: the cell of a table."""
    refused = [case for case in cases if case.refused]
    if not refused:
        return "same" if cases else ""
    names = ", ".join(dict.fromkeys(f"{case.change} ({' '.join(case.refused)})" for case in refused))
    return f"refused: {names}" if len(refused) == len(cases) else f"same; refused: {names}"


def row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |\n"


def table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    return row(titles) + row("---" for _ in titles) + "".join(map(row, rows))


def places(cases: Sequence[Case]) -> str:
    """A row for each place, a column for each who changes what stands there."""
    rows = []
    for place in PLACES:
        here = [case for case in cases if case.place == place.name]
        rows.append([place.name, *(holds([case for case in here if case.who == who]) for who in WHO)])
    return table(["place", *(f"changed by {who}" for who in WHO)], rows)


def changes(cases: Sequence[Case]) -> str:
    """A row for each kind of value and each change of it, a column for each of the main places."""
    rows = []
    for kind in KINDS:
        for change in kind.changes:
            here = [case for case in cases if case.change == f"{kind.name} {change}"]
            cells = (holds([case for case in here if case.place == place.name]) for place in MAIN)
            rows.append([kind.name, change, *cells])
    return table(["value", "change", *(place.name for place in MAIN)], rows)


def others(cases: Sequence[Case]) -> str:
    """A row for each file of cases: how many there are, and which are refused or differ uncompiled."""
    rows = []
    for about in dict.fromkeys(case.about for case in cases):
        here = [case for case in cases if case.about == about]
        refused = [f"{words(case)} ({', '.join(case.refused)})" for case in here if case.refused]
        reasons = dict.fromkeys(case.lazily for case in here if case.lazily)
        lazily = [f"{', '.join(words(c) for c in here if c.lazily == why)}: {why}" for why in reasons]
        rows.append([about, str(len(here)), "; ".join(refused), "; ".join(lazily)])
    return table(["about", "cases", "refused, and what the message names", "differs uncompiled"], rows)


def words(case: Case) -> str:
    return case.name.rpartition("/")[2].replace("_", " ")


def written() -> str:
    """The generated part of the page."""
    cases = all_cases()
    generated, by_the_caller = [c for c in cases if c.place], [c for c in cases if c.who == "the caller"]
    return (
        f"\n{len(cases)} cases, each run by PyTorch, by lenetc uncompiled, and compiled.\n"
        f"\n### Places\n\n{places(generated)}"
        f"\n### Values and their changes\n\nBy the caller, between calls.\n\n{changes(by_the_caller)}"
        f"\n### Everything else\n\n{others([c for c in cases if not c.place])}\n"
    )


def updated(page: str) -> str:
    """`page` with its generated part written anew."""
    head, rest = page.split(BEGIN)
    return head + BEGIN + written() + END + rest.split(END)[1]


def main() -> int:
    PAGE.write_text(updated(PAGE.read_text()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
