"""What the code of a function can read and change, as far as its bytecode tells: the names in it, and their lines."""

from __future__ import annotations

import builtins
import dis
import functools
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import CodeType

from lenetc.compiler.reads.instructions import (
    BY_NAME,
    OF_ATTRIBUTES,
    OF_GLOBALS,
    OF_MODULES,
    call_from,
    instructions_of,
    is_called,
    is_constant,
    is_known,
    names_in,
    path_of,
)


@dataclass(frozen=True)
class Names:
    """The names in a code object.

    outer: of globals and builtins. attributes: of attributes, and every string constant that could be one, as in
    getattr(x, "name"). handed: those of them that are loaded for another use than to call them here. computes: whether
    it reads attributes by names that it computes. gets: of calls of getattr and hasattr, by their places, where such a
    name is asked of a variable or its attributes: the path of that, () where the name is constant; these are no matter
    of `computes`. imports: modules that it imports, each with how many packages up. formats: whether it has a `%` that
    may format a number, which the number cannot notice. has_digits: whether it may make a text of an integer, or an
    integer of one. unknown: instructions of which nobody knows what they read. asks_kind: whether it may ask for the
    class of a number, which a stand-in would show; that of `self` is none. compares: whether it asks if two things are
    one object, other than a constant or what builtins names.
    """

    outer: frozenset[str]
    attributes: frozenset[str]
    handed: frozenset[str]
    computes: bool
    gets: Mapping[int, tuple[str, ...]]
    imports: frozenset[tuple[str, int]]
    formats: bool
    has_digits: bool
    unknown: frozenset[str]
    asks_kind: bool
    compares: bool


@functools.lru_cache(maxsize=8192)
def names_of(code: CodeType) -> Names:
    """The names in `code` itself, without functions that are defined in it."""
    outer, attributes, handed, unknown = set[str](), set[str](), set[str](), set[str]()
    imports = set[tuple[str, int]]()
    gets: dict[int, tuple[str, ...]] = {}
    is_modulo = is_text = computes = compares = asks_kind = False
    instructions = instructions_of(code)
    for at, instruction in enumerate(instructions):
        names = names_in(instruction)
        if not is_known(instruction):
            unknown.add(instruction.opname)
        if instruction.opname in OF_MODULES:  # after a constant, the level, and another, the names
            imports.update((name, instructions[at - 2].argval) for name in names)
        elif instruction.opcode in BY_NAME:
            outer.update(names if instruction.opname not in OF_ATTRIBUTES else ())
            attributes.update(names if instruction.opname not in OF_GLOBALS else ())
            if "type" in names:
                call, arguments = call_from(instructions, at)
                asks_kind |= call is None or path_of(instructions, at, arguments) != ("self",)
            asks_kind |= "__class__" in names and instructions[at - 1].argval != "self"
        elif instruction.opname == "BINARY_OP":
            is_modulo |= "%" in instruction.argrepr
        elif instruction.opname.startswith(("FORMAT_", "CONVERT_")):
            is_text = True
        elif instruction.opname == "IS_OP":
            compares |= not _is_fixed(instructions[at - 1])
        elif instruction.opname == "MATCH_CLASS":  # of whatever attributes the class says
            computes = True
        if names and not is_called(instructions, at):
            handed.update(names)
        for name in names:
            if name in _BY_NAME:
                call, arguments = call_from(instructions, at)
                if call is None or not is_constant(arguments, _BY_NAME[name]):
                    asked = path_of(instructions, at, arguments) if call and name in _GETTERS else ()
                    computes |= not asked
                    gets |= {call.offset: asked} if call is not None else {}
                elif name in _GETTERS:
                    gets[call.offset] = ()
            if name in _BY_FORMAT and instruction.opname in OF_ATTRIBUTES:
                before = instructions[at - 1]
                text = before.argval if before.opname == "LOAD_CONST" else None
                computes |= not isinstance(text, str)
                attributes.update(re.findall(r"[^\W\d]\w*", text) if isinstance(text, str) else ())
    texts = set(_texts(code.co_consts))
    attributes |= {text for text in texts if text.isidentifier()}
    return Names(
        frozenset(outer),
        frozenset(attributes),
        frozenset(handed),
        computes,
        gets,
        frozenset(imports),
        is_modulo and any("%" in text for text in texts),
        is_text or is_modulo or not outer.isdisjoint(_OF_DIGITS) or "format" in attributes,
        frozenset(unknown),
        asks_kind or "__class__" in texts,
        compares or not attributes.isdisjoint(("is_", "is_not")),
    )


_OF_DIGITS = frozenset(("str", "repr", "ascii", "format", "print", "int"))


def _is_fixed(loading: dis.Instruction) -> bool:
    """Whether what is loaded is a constant or a name of builtins: no number or string that stands elsewhere."""
    return loading.opname == "LOAD_CONST" or (
        loading.opname == "LOAD_GLOBAL" and loading.argval in vars(builtins)
    )


# What reads or changes an attribute by a string, and which of its arguments from the last that is, or from the first.
_BY_NAME = {"getattr": 2, "hasattr": 2, "__getattribute__": 0, "__setattr__": -2, "__delattr__": -1}


_BY_FORMAT = ("format", "format_map")  # what reads attributes that a text names


_GETTERS = ("getattr", "hasattr")


def _texts(constants: tuple[object, ...] | frozenset[object]) -> Iterator[str]:
    for constant in constants:
        if isinstance(constant, str):
            yield constant
        elif isinstance(constant, (tuple, frozenset)):
            yield from _texts(constant)


@dataclass(frozen=True)
class _Lines:
    """The lines of a code object that name something, that assign to it, and that assign to a part of anything."""

    naming: dict[str, set[int]] = field(default_factory=lambda: defaultdict(set))
    assigning: dict[str, set[int]] = field(default_factory=lambda: defaultdict(set))
    parts: set[int] = field(default_factory=set)


@functools.lru_cache(maxsize=1024)
def _lines_of(code: CodeType) -> _Lines:
    lines, line = _Lines(), code.co_firstlineno
    for instruction in instructions_of(code):
        line = (instruction.positions and instruction.positions.lineno) or line
        names, opname = names_in(instruction), instruction.opname
        for name in names:
            lines.naming[name].add(line)
        if names and opname.startswith(("STORE_", "DELETE_")):
            for name in names[:1] if opname.endswith("_LOAD_FAST") else names:
                lines.assigning[name].add(line)
        if opname in ("STORE_SUBSCR", "STORE_SLICE", "DELETE_SUBSCR", "STORE_ATTR", "DELETE_ATTR"):
            lines.parts.add(line)
    return lines


def line_of(code: CodeType, name: str) -> int | None:
    """The line of `code` where `name` is likely to be changed: the last that assigns to it, or to a part of what it
    names; else the last that names it at all."""
    named = (code.co_names, code.co_varnames, code.co_cellvars, code.co_freevars, code.co_consts)
    if not any(name in names for names in named):
        return None  # as most code of what was called: taking it apart takes longer than looking
    lines = _lines_of(code)
    naming = lines.naming.get(name, set())
    return max(lines.assigning.get(name) or lines.parts & naming or naming, default=None)
