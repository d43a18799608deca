"""Source of generated cases: a function that reads a value in some place, called before and after it changes.

The source is text, so that the function reads its place directly, as a user's would, and so that
`python -m tests.semantics --source` can show each case as a program that runs by itself.
"""

from __future__ import annotations

import builtins
import linecache
import re
import sys
import textwrap
import types
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tests.semantics.case import Case

IMPORTS = """\
import collections, dataclasses, enum, functools, itertools, math, operator, os, random, threading, types
import numpy as np
from tests.semantics import another
nn, F, optim = torch.nn, torch.nn.functional, torch.optim
"""


@dataclass(frozen=True)
class Place:
    """Where a function finds a value.

    setup: makes the place, holding {first}. read: an expression for the value, in the function. peek: the same
    outside. write: a statement that puts {new} there; empty where nothing can. f: the function's first line.
    declare: of the names that are assigned. made: compiles the function, which is `raw` by then, as `f`.
    top: that setup stands at module level.
    """

    name: str
    setup: str
    read: str = "k"
    write: str = "k = {new}"
    peek: str = ""
    f: str = "def f(x):"
    declare: str = ""
    made: str = "f = compile(raw)"
    top: bool = False

    @property
    def assigned_inside(self) -> bool:
        """Whether the function can put another value there, rather than give its parameter another."""
        return bool(self.write) and "k" not in re.split(r"\W+", self.f)


@dataclass(frozen=True)
class Kind:
    """What a value is. first: an expression. use: what the function computes of {k}. changes: by name, statements
    on {k}; one that begins with `=` puts another value into the place."""

    name: str
    first: str
    use: str
    changes: dict[str, Sequence[str]]


def slug(text: str) -> str:
    return "_".join("".join(c if c.isalnum() else " " for c in text).split())


def fill(template: str, **values: str) -> str:
    """`template` with its {names} replaced; other braces are Python's."""
    for name, value in values.items():
        template = template.replace(f"{{{name}}}", value)
    return template


def indent(text: str, by: int) -> str:
    return textwrap.indent(text.strip("\n"), " " * (4 * by)) + "\n" if text.strip() else ""


def statement(place: Place, change: str) -> str:
    """The change as a statement."""
    peek = place.peek or place.read
    if change.startswith("="):
        return fill(place.write, new=fill(change[1:].strip(), k=peek), k=peek)
    return fill(change, k=peek)


CALLER = """\
made = [f(x), f(x)]
for change in changes:
    change()
    made += [f(x), f(x)]
"""
ANOTHER = """\
def change_all(x):
    changes[next(turn)]()
    return x * 2.0
turn = itertools.cycle(range(len(changes)))
{compiled}made = [f(x)]
for _ in range(3):
    made += [change_all(x), f(x), f(x)]
"""
ITSELF = "made = [f(x) for _ in range(4)]\n"

WHO = {
    "the caller": CALLER,
    "a compiled function": fill(ANOTHER, compiled="change_all = compile(change_all)\n"),
    "the function, after reading": ITSELF,
    "the function, before reading": ITSELF,
    "a callback": ITSELF,
}


def program(place: Place, kind: Kind, changes: Sequence[str], who: str) -> str:
    """The text of a module with `run(torch, compile)`-like effect: it leaves what is compared in `made`."""
    use = fill(kind.use, k=place.read)
    steps = [statement(place, change) for change in changes]
    setup = fill(place.setup, first=kind.first)
    body = f"return {use}\n"
    declare = f"{place.declare}\n" if place.declare else ""
    if who.startswith("the function"):
        change = steps[0].strip("\n") + "\n"
        body = (
            f"y = {use}\n{change}return y\n" if who.endswith("after reading") else f"{change}return {use}\n"
        )
    elif who == "a callback":
        body = f"y = {use}\nfor hook in hooks:\n    hook()\nreturn y\n"
    inside = declare if who.startswith("the function") and place.assigned_inside else ""
    function = f"{place.f}\n{indent(inside + body, 1)}"
    changers = "".join(
        f"def change_{k}():\n{indent(declare + step, 1)}"
        for k, step in enumerate(steps)
        if not who.startswith("the f")
    )
    if changers:
        named = ", ".join(f"change_{k}" for k in range(len(steps)))
        changers += f"{'hooks' if who == 'a callback' else 'changes'} = [{named}]\n"
    made = f"raw = f\n{fill(place.made, first=kind.first)}\nx = torch.ones(2)\n"
    inner = changers + function + made + WHO[who] + "return made\n"
    if place.top:
        return IMPORTS + setup + "\n\ndef program():\n" + indent(inner, 1)
    return IMPORTS + "\n\ndef program():\n" + indent(setup + "\n" + inner, 1)


def generated(place: Place, kind: Kind, change: str, who: str, refused: tuple[str, ...] = ()) -> Case:
    """The case of one place, one change of one kind, and who changes it."""
    name = "/".join(map(slug, (place.name, kind.name, change, who.removeprefix("the "))))
    text = program(place, kind, kind.changes[change], who)
    title = f"{kind.name} {change}"
    return Case(name, Program(name, text), refused, place=place.name, change=title, who=who, text=text)


@dataclass(frozen=True)
class Program:
    """Runs the text of a generated case."""

    name: str
    text: str

    def __call__(self, torch: Any, compile: Any) -> Any:
        path = f"/semantics/{self.name.replace('/', '__')}.py"
        linecache.cache[path] = (len(self.text), None, self.text.splitlines(keepends=True), path)
        module = types.ModuleType("semantics_case")
        vars(module).update(torch=torch, compile=compile)
        sys.modules[module.__name__] = module  # where dataclasses look for their names
        exec(builtins.compile(self.text, path, "exec"), vars(module))
        return module.program()


def expressions(
    where: str, table: Mapping[str, str], text: str, refused: Mapping[str, tuple[str, ...]]
) -> list[Case]:
    """A case `where`/title for each entry of `table`: `text` with its expression for {use}, which may also be
    statements where {use} has a line of its own."""
    made = []
    for title, use in table.items():
        name = f"{where}/{slug(title)}"
        alone = re.sub(r"^( *)\{use\}$", lambda m: textwrap.indent(use, m[1]), text, flags=re.MULTILINE)  # noqa: B023
        source = IMPORTS + "\n\ndef program():\n" + indent(fill(alone, use=use), 1)
        made.append(Case(name, Program(name, source), refused.get(title, ()), text=source))
    return made
