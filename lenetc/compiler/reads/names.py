"""What the code of a function can read and change, as far as its bytecode tells: the names in it, and their lines."""

from __future__ import annotations

import dis
import functools
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
    getattr(x, "name"). formats: whether it has a `%` that may format a number, which the number cannot notice.
    """

    outer: frozenset[str]
    attributes: frozenset[str]
    formats: bool


@functools.lru_cache(maxsize=8192)
def names_of(code: CodeType) -> Names:
    """The names in `code` itself, without functions that are defined in it."""
    outer, attributes, is_modulo = set(), set(), False
    for instruction in dis.get_instructions(code):
        if instruction.opname in _GLOBAL:
            outer.add(instruction.argval)
        elif instruction.opcode in dis.hasname:
            attributes.add(instruction.argval)
        elif instruction.opname == "BINARY_OP":
            is_modulo |= "%" in instruction.argrepr
    texts = set(_texts(code.co_consts))
    attributes |= {text for text in texts if text.isidentifier()}
    return Names(frozenset(outer), frozenset(attributes), is_modulo and any("%" in text for text in texts))


def _texts(constants: tuple[object, ...] | frozenset[object]) -> Iterator[str]:
    for constant in constants:
        if isinstance(constant, str):
            yield constant
        elif isinstance(constant, (tuple, frozenset)):
            yield from _texts(constant)


def line_of(code: CodeType, name: str) -> int | None:
    """The last line of `code` that names `name`, where a change of it is likelier than at the first."""
    found = None
    line = code.co_firstlineno
    for instruction in dis.get_instructions(code):
        if instruction.starts_line is not None:
            line = _line(instruction, line)
        if instruction.argval == name:
            found = line
    return found


def _line(instruction: dis.Instruction, before: int) -> int:
    # A number up to Python 3.12; later a flag, with the number beside it.
    number = getattr(instruction, "line_number", None) or instruction.starts_line
    return before if number is None or number is True or number is False else int(number)
