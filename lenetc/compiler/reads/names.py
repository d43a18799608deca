"""What the code of a function can read and change, as far as its bytecode tells: the names in it, and their lines."""

from __future__ import annotations

import builtins
import dis
import functools
import re
import sys
from collections.abc import Iterator, Mapping
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
    it reads attributes by names that it computes. gets: of calls of getattr and hasattr, by their places, where such a
    name is asked of a variable or its attributes: the path of that, () where the name is constant; these are no matter
    of `computes`. imports: modules that it imports, each with how many packages up. formats: whether it has a `%` that
    may format a number, which the number cannot notice. has_digits: whether it may make a text of an integer, or an
    integer of one. asks_kind: whether it may ask for the class of a number, which a stand-in would show; that of `self`
    is none. compares: whether it asks if two things are one object, other than a constant or what builtins names.
    """

    outer: frozenset[str]
    attributes: frozenset[str]
    handed: frozenset[str]
    computes: bool
    gets: Mapping[int, tuple[str, ...]]
    imports: frozenset[tuple[str, int]]
    formats: bool
    has_digits: bool
    asks_kind: bool
    compares: bool


@functools.lru_cache(maxsize=8192)
def names_of(code: CodeType) -> Names:
    """The names in `code` itself, without functions that are defined in it."""
    outer, attributes, handed, imports = set(), set(), set(), set()
    gets: dict[int, tuple[str, ...]] = {}
    is_modulo = is_text = computes = compares = asks_kind = False
    instructions = list(dis.get_instructions(code))
    for at, instruction in enumerate(instructions):
        name = instruction.argval
        if instruction.opname == "IMPORT_NAME":
            imports.add(
                (name, instructions[at - 2].argval)
            )  # after a constant, the level, and another, the names
        elif instruction.opname in _GLOBAL:
            outer.add(name)
            if name == "type":
                call, arguments = _call_from(instructions, at)
                asks_kind |= call is None or _path_of(instructions, at, arguments) != ("self",)
        elif instruction.opcode in dis.hasname:
            attributes.add(name)
            asks_kind |= name == "__class__" and instructions[at - 1].argval != "self"
        elif instruction.opname == "BINARY_OP":
            is_modulo |= "%" in instruction.argrepr
        elif instruction.opname.startswith(("FORMAT_", "CONVERT_")):
            is_text = True
        elif instruction.opname == "IS_OP":
            compares |= not _is_fixed(instructions[at - 1])
        elif instruction.opname == "MATCH_CLASS":  # of whatever attributes the class says
            computes = True
        if (
            isinstance(name, str)
            and instruction.opcode not in dis.hasconst
            and not _is_called(instructions, at)
        ):
            handed.add(name)
        if name in _BY_NAME:
            call, arguments = _call_from(instructions, at)
            if call is None or not _names_a_constant(arguments, _BY_NAME[name]):
                asked = _path_of(instructions, at, arguments) if call is not None and name in _GETTERS else ()
                computes |= not asked
                gets |= {call.offset: asked} if call is not None else {}
            elif name in _GETTERS:
                gets[call.offset] = ()
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
        gets,
        frozenset(imports),
        is_modulo and any("%" in text for text in texts),
        is_text or is_modulo or not outer.isdisjoint(_OF_DIGITS) or "format" in attributes,
        asks_kind or "__class__" in texts,
        compares or not attributes.isdisjoint(("is_", "is_not")),
    )


_OF_DIGITS = frozenset(("str", "repr", "ascii", "format", "print", "int"))


def _is_fixed(loading: dis.Instruction) -> bool:
    """Whether what is loaded is a constant or a name of builtins: no number or string that stands elsewhere."""
    return loading.opname == "LOAD_CONST" or (
        loading.opname == "LOAD_GLOBAL" and loading.argval in vars(builtins)
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


def _call_from(
    instructions: list[dis.Instruction], at: int
) -> tuple[dis.Instruction | None, list[dis.Instruction | None]]:
    """The call of what is loaded at `at`, and what came last for each of its arguments; None where it is not plain to
    see."""
    if not _is_called(instructions, at):
        return None, []
    made: dict[int, dis.Instruction] = {}  # by how much is on the stack above the function
    depth = 0
    for instruction in instructions[at + 1 :]:
        if instruction.opname == _CALL and instruction.arg == depth:
            call = instruction
            if _CALL != "CALL":
                call = instructions[instructions.index(instruction) + 1]
            return call, [made.get(place + 1) for place in range(depth)]
        if instruction.opcode in dis.hasjrel or instruction.opcode in dis.hasjabs:
            return None, []
        depth += dis.stack_effect(instruction.opcode, instruction.arg)
        made[depth] = instruction
    return None, []


def _names_a_constant(arguments: list[dis.Instruction | None], place: int) -> bool:
    """Whether the argument at `place`, from 1 on or from -1 back, is a string of the code's; 0 is none."""
    index = place - 1 if place > 0 else place
    if not place or not -len(arguments) <= index < len(arguments):
        return False
    made = arguments[index]
    return made is not None and made.opname == "LOAD_CONST"


def _path_of(
    instructions: list[dis.Instruction], at: int, arguments: list[dis.Instruction | None]
) -> tuple[str, ...]:
    """The variable and the attributes that the first argument of the call from `at` is read by; () for any other."""
    found: list[str] = []
    last = None
    for instruction in instructions[at + 1 :]:
        if instruction.opname == "PUSH_NULL":
            continue
        name = instruction.argval
        if not found and instruction.opname in _TWO_VARIABLES:
            return () if arguments[:1] != [None] else (name[0],)
        is_attribute = instruction.opname == "LOAD_ATTR" and "NULL" not in instruction.argrepr
        if not (is_attribute if found else instruction.opname in _VARIABLE):
            break
        found.append(name)
        last = instruction
    return tuple(found) if last is not None and arguments[:1] == [last] else ()


_GETTERS = ("getattr", "hasattr")
_VARIABLE = ("LOAD_FAST", "LOAD_FAST_CHECK", "LOAD_DEREF", "LOAD_CLASSDEREF", "LOAD_GLOBAL", "LOAD_NAME")
_TWO_VARIABLES = ("LOAD_FAST_LOAD_FAST",)


def _texts(constants: tuple[object, ...] | frozenset[object]) -> Iterator[str]:
    for constant in constants:
        if isinstance(constant, str):
            yield constant
        elif isinstance(constant, (tuple, frozenset)):
            yield from _texts(constant)


def line_of(code: CodeType, name: str) -> int | None:
    """The line of `code` where `name` is likely to be changed: the last that assigns to it, or to a part of what it
    names; else the last that names it at all."""
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
