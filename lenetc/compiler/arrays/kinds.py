"""Lines that ask whether something is of ndarray's very class, which a stand-in cannot answer."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from types import CodeType

from ir.errors import LenetcError
from lenetc.compiler.reads.instructions import instructions_of, is_known, names_in


def refuse_comparison(codes: Iterable[CodeType]) -> None:
    """Raise LenetcError for a line such as `type(a) is np.ndarray` in code that ran with arrays."""
    for code in codes:
        line = _compared(code)
        if line is not None:
            raise LenetcError(
                "a compiled function compares type(...) with numpy.ndarray, and what stands for a NumPy array among "
                "its arguments is of another class: write isinstance(a, numpy.ndarray)"
            ).at(f"{code.co_filename}:{line}")


@functools.lru_cache(maxsize=4096)
def _compared(code: CodeType) -> int | None:
    """The first line that compares what `type` gives with `ndarray`, as far as the instructions before it tell."""
    if not {"type", "ndarray"} <= {*code.co_names, *code.co_freevars, *code.co_cellvars, *code.co_varnames}:
        return None
    instructions = instructions_of(code)
    for at, instruction in enumerate(instructions):
        if instruction.opname in ("IS_OP", "COMPARE_OP", "CONTAINS_OP") or not is_known(instruction):
            before = {name for part in instructions[max(at - _NEAR, 0) : at] for name in names_in(part)}
            if {"type", "ndarray"} <= before:
                return getattr(instruction.positions, "lineno", None) or code.co_firstlineno
    return None


_NEAR = 12
