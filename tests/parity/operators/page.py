"""docs/coverage.md: what of PyTorch is here, by name. `python -m tests.parity.operators.page` writes it."""

from __future__ import annotations

import inspect
import logging
import warnings
from pathlib import Path
from typing import Any

import torch

import lenetc
from tests.lenetc.importer.pages import operators as onnx_operators
from tests.parity.operators.checking import is_missing, refusal
from tests.parity.operators.database import infos
from tests.parity.operators.skipped import NO_VALUES, SKIPPED

PAGE = Path(__file__).parents[3] / "docs" / "coverage.md"
_HEAD = """\
# What of PyTorch is here

Made by `python -m tests.parity.operators.page` from the tables of the tests; `make parity` checks that it is current
and that it holds. *yes*: here, with PyTorch's values, gradients, variants and errors on the samples of its own
operator database, but for those that the note leaves out. *refused*: the name is here and says what to use instead.
*no*: the name is missing, and asking for it says what is close to it. The last section is of ONNX's operators.
"""


def operators() -> list[tuple[str, str, str]]:
    """(name, state, note) of the operator database."""
    rows = []
    for name in sorted(infos(), key=str.lower):
        notes = "; ".join(dict.fromkeys(f"not: {skip.reason}" for skip in SKIPPED.get(name, ())))
        if name in NO_VALUES:
            notes = f"shapes and dtypes are compared: {NO_VALUES[name]}"
        if is_missing(name):
            rows.append((name, "no", ""))
        elif (said := refusal(name)) is not None:
            rows.append((name, "refused", said))
        else:
            rows.append((name, "yes", notes))
    return rows


def classes(path: str) -> list[tuple[str, str, str]]:
    """(name, state, note) of the public classes of one of PyTorch's modules."""
    theirs: Any = torch
    ours: Any = lenetc
    for part in path.split("."):
        theirs, ours = getattr(theirs, part), getattr(ours, part)
    names = sorted(
        n
        for n, v in vars(theirs).items()
        # Of its own, not what it imports.
        if inspect.isclass(v) and not n.startswith("_") and v.__module__.startswith(f"torch.{path}")
    )
    return [(f"{path}.{n}", "yes" if hasattr(ours, n) else "no", "") for n in names]


def table(title: str, rows: list[tuple[str, str, str]]) -> str:
    counts = {state: sum(row[1] == state for row in rows) for state in ("yes", "refused", "no")}
    told = ", ".join(f"{count} {state}" for state, count in counts.items() if count)
    lines = [f"\n## {title}\n\n{len(rows)} names: {told}.\n\n| name | here | note |\n|---|---|---|\n"]
    lines += [f"| `{name}` | {state} | {note.replace('|', '/')} |\n" for name, state, note in rows]
    return "".join(lines)


def text() -> str:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return _HEAD + "".join(
            (
                table("Operators, by the operator database's names", operators()),
                table("Modules", classes("nn")),
                table("Optimizers", classes("optim")),
                table("Schedules", classes("optim.lr_scheduler")),
                table("Distributions", classes("distributions")),
                onnx_operators.text(),
            )
        )


if __name__ == "__main__":
    logging.getLogger("lenetc").setLevel(logging.ERROR)
    PAGE.write_text(text())
