"""Logic, and the bits of integers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import lenetc.tensors.tensor as t
from ir import ops
from ir.op import Op
from lenetc.operations import integers
from lenetc.operations.elementwise.operands import binary, refuse_floats, truth
from lenetc.tensors.convert import operand_of

if TYPE_CHECKING:
    from lenetc.tensors.convert import Number
    from lenetc.tensors.tensor import Tensor

__all__ = [
    "bitwise_and",
    "bitwise_not",
    "bitwise_or",
    "bitwise_xor",
    "logical_and",
    "logical_not",
    "logical_or",
]


def logical_not(x: Tensor) -> Tensor:
    return t.apply("", lambda a: ops.logical_not(truth(a)), x)


def logical_and(x: Tensor, other: Tensor) -> Tensor:
    return t.apply("", lambda a, b: ops.logical_and(truth(a), truth(b)), x, other)


def logical_or(x: Tensor, other: Tensor) -> Tensor:
    return t.apply("", lambda a, b: ops.logical_or(truth(a), truth(b)), x, other)


def bitwise_not(x: Tensor) -> Tensor:
    """The bits of an integer the other way round, or not x. Raises DTypeError for floating point tensors."""
    t.require_tensors("bitwise_not", x)
    refuse_floats("bitwise_not", x)
    return t.apply("", integers.inverted, x)


def _bitwise(what: str, op: Op, x: Any, other: Any) -> Tensor:
    for operand in (x, other):
        refuse_floats(what, operand_of(what, operand))
    return binary("", what, op, x, other)


def bitwise_and(x: Tensor, other: Tensor | Number) -> Tensor:
    """The bits set in both integers; of bools whether both are true."""
    return _bitwise("bitwise_and", ops.bitwise_and, x, other)


def bitwise_or(x: Tensor, other: Tensor | Number) -> Tensor:
    """The bits set in either integer; of bools whether one is true."""
    return _bitwise("bitwise_or", ops.bitwise_or, x, other)


def bitwise_xor(x: Tensor, other: Tensor | Number) -> Tensor:
    """The bits set in one integer only; of bools whether they differ."""
    return _bitwise("bitwise_xor", ops.bitwise_xor, x, other)
