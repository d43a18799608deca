"""Tables as text, for `print` and for logs."""

from __future__ import annotations

from io import StringIO
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

WIDTH = 120  # of printed tables, where there is no terminal to say it


def text_of(shown: Any) -> str:
    """What rich shows, as lines without colors."""
    out = StringIO()
    Console(file=out, width=WIDTH, color_system=None, highlight=False, soft_wrap=True).print(shown, end="")
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines())


def plain_table(first: str, *others: str) -> Table:
    """A table without lines but one. first, others: its columns; the others are numbers, on the right."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column(first)
    for name in others:
        table.add_column(name, justify="right", no_wrap=True)
    return table
