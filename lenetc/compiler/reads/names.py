"""What the code of a function can read and change, as far as its bytecode tells: the names in it, and their lines."""

from __future__ import annotations

import dis
import functools
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from types import CodeType

_GLOBAL = frozenset(
    ("LOAD_GLOBAL", "LOAD_NAME", "STORE_GLOBAL", "STORE_NAME", "DELETE_GLOBAL", "DELETE_NAME")
)


@dataclass(frozen=True)
class Names:
    """The names in a code object.

    outer: of globals and builtins. attributes: of attributes, and every string constant that could be one, as in
    getattr(x, "name"). handed: those of them that are loaded for another use than to call them here. computes: whether
    it reads attributes by names that it computes. imports: modules that it imports, each with how many packages up.
    formats: whether it has a `%` that may format a number, which the number cannot notice.
    """

    outer: frozenset[str]
    attributes: frozenset[str]
    handed: frozenset[str]
    computes: bool
    imports: frozenset[tuple[str, int]]
    formats: bool


@functools.lru_cache(maxsize=8192)
def names_of(code: CodeType) -> Names:
    """The names in `code` itself, without functions that are defined in it."""
    outer, attributes, handed, imports = set(), set(), set(), set()
    is_modulo = computes = False
    instructions = list(dis.get_instructions(code))
    for at, instruction in enumerate(instructions):
        name = instruction.argval
        if instruction.opname == "IMPORT_NAME":
            imports.add(
                (name, instructions[at - 2].argval)
            )  # after a constant, the level, and another, the names
        elif instruction.opname in _GLOBAL:
            outer.add(name)
        elif instruction.opcode in dis.hasname:
            attributes.add(name)
        elif instruction.opname == "BINARY_OP":
            is_modulo |= "%" in instruction.argrepr
        elif instruction.opname == "MATCH_CLASS":  # of whatever attributes the class says
            computes = True
        if (
            isinstance(name, str)
            and instruction.opcode not in dis.hasconst
            and not _is_called(instructions, at)
        ):
            handed.add(name)
        if name in _BY_NAME:
            computes |= not _names_a_constant(instructions, at, _BY_NAME[name])
        if name in _BY_FORMAT and instruction.opcode in dis.hasname and instruction.opname not in _GLOBAL:
            text = instructions[at - 1].argval if at and instructions[at - 1].opname == "LOAD_CONST" else None
            computes |= not isinstance(text, str)
            attributes.update(re.findall(r"[^\W\d]\w*", text) if isinstance(text, str) else ())
    texts = set(_texts(code.co_consts))
    attributes |= {text for text in texts if text.isidentifier()}
    return Names(
        frozenset(outer),
        frozenset(attributes),
        frozenset(handed),
        computes,
        frozenset(imports),
        is_modulo and any("%" in text for text in texts),
    )


_CALL = "CALL" if sys.version_info >= (3, 12) else "PRECALL"
# What reads or changes an attribute by a string, and which of its arguments from the last that is, or from the first.
_BY_NAME = {"getattr": 2, "hasattr": 2, "__getattribute__": 0, "__setattr__": -2, "__delattr__": -1}


_BY_FORMAT = ("format", "format_map")  # what reads attributes that a text names


def _is_called(instructions: list[dis.Instruction], at: int) -> bool:
    """Whether what is loaded there is called next, rather than passed on: CPython then leaves room on its stack."""
    here = instructions[at]
    if here.opname == "LOAD_METHOD" or "NULL" in here.argrepr:
        return True
    beside = at + 1 if sys.version_info >= (3, 13) else at - 1
    return 0 <= beside < len(instructions) and instructions[beside].opname == "PUSH_NULL"


def _names_a_constant(instructions: list[dis.Instruction], at: int, place: int) -> bool:
    """Whether the call that begins at `at` has a string for its argument at `place`, from 1 on or from -1 back."""
    if not place or not _is_called(instructions, at):
        return False
    made: dict[
        int, dis.Instruction
    ] = {}  # by how much is on the stack above the function, what came there last
    depth = 0
    for instruction in instructions[at + 1 :]:
        if instruction.opname == _CALL and instruction.arg == depth:
            argument = made.get(place if place > 0 else depth + 1 + place)
            return argument is not None and argument.opname == "LOAD_CONST"
        if instruction.opcode in dis.hasjrel or instruction.opcode in dis.hasjabs:
            return False
        depth += dis.stack_effect(instruction.opcode, instruction.arg)
        made[depth] = instruction
    return False


def _texts(constants: tuple[object, ...] | frozenset[object]) -> Iterator[str]:
    for constant in constants:
        if isinstance(constant, str):
            yield constant
        elif isinstance(constant, (tuple, frozenset)):
            yield from _texts(constant)


@functools.lru_cache(maxsize=8192)
def line_of(code: CodeType, name: str) -> int | None:
    """The line of `code` where `name` is likely to be changed: the last that assigns to it, or to a part of what it
    names; else the last that names it at all."""
    named = (code.co_names, code.co_varnames, code.co_cellvars, code.co_freevars, code.co_consts)
    if not any(name in names for names in named):
        return None  # as most code of what was called: taking it apart takes longer than looking
    naming, assigning, parts = set[int](), set[int](), set[int]()
    line = code.co_firstlineno
    for instruction in dis.get_instructions(code):
        if instruction.starts_line is not None:
            line = _line(instruction, line)
        if instruction.argval == name:
            naming.add(line)
            if instruction.opname.startswith(("STORE_", "DELETE_")):
                assigning.add(line)
        elif instruction.opname in ("STORE_SUBSCR", "DELETE_SUBSCR", "STORE_ATTR", "DELETE_ATTR"):
            parts.add(line)
    likely = assigning or parts & naming or naming
    return max(likely, default=None)


def _line(instruction: dis.Instruction, before: int) -> int:
    # A number up to Python 3.12; later a flag, with the number beside it.
    number = getattr(instruction, "line_number", None) or instruction.starts_line
    return before if number is None or number is True or number is False else int(number)
