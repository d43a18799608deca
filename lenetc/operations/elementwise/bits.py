"""Logic, and the bits of integers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import lenetc.tensors.tensor as t
from ir import ops
from ir.errors import DTypeError
from ir.op import Op
from lenetc.evaluation.tracing import here
from lenetc.operations import integers
from lenetc.operations.elementwise.operands import Binary, binary, kind, refuse_floats, truth
from lenetc.tensors.convert import operand_of

if TYPE_CHECKING:
    from lenetc.tensors.convert import Number
    from lenetc.tensors.tensor import Tensor

__all__ = [
    "bitwise_and",
    "bitwise_left_shift",
    "bitwise_not",
    "bitwise_or",
    "bitwise_right_shift",
    "bitwise_xor",
    "logical_and",
    "logical_not",
    "logical_or",
    "logical_xor",
]


def logical_not(input: Tensor) -> Tensor:
    """Whether an element is zero, as bool (torch.logical_not)."""
    return t.apply("", lambda a: ops.logical_not(truth(a)), input)


def logical_and(input: Tensor, other: Tensor) -> Tensor:
    """Whether both elements are nonzero, as bool, broadcast (torch.logical_and)."""
    return t.apply("", lambda a, b: ops.logical_and(truth(a), truth(b)), input, other)


def logical_or(input: Tensor, other: Tensor) -> Tensor:
    """Whether one of the elements is nonzero, as bool, broadcast (torch.logical_or)."""
    return t.apply("", lambda a, b: ops.logical_or(truth(a), truth(b)), input, other)


def logical_xor(input: Tensor, other: Tensor) -> Tensor:
    """Whether one of input and other is true, that is not 0, and the other is not."""
    return t.apply("", lambda a, b: ops.logical_not(ops.equal(truth(a), truth(b))), input, other)


def bitwise_left_shift(input: Tensor | Number, other: Tensor | Number) -> Tensor:
    """input * 2 ** other, broadcast, of integers, which wraps around."""
    return _shifted("bitwise_left_shift", integers.shifted_left, input, other)


def bitwise_right_shift(input: Tensor | Number, other: Tensor | Number) -> Tensor:
    """input / 2 ** other, broadcast, of integers, and no larger."""
    return _shifted("bitwise_right_shift", integers.shifted_right, input, other)


def _shifted(what: str, build: Binary, input: Any, other: Any) -> Tensor:
    refuse_floats(what, *(operand_of(what, x) for x in (input, other)))
    if all(kind(operand_of(what, x)) == "bool" for x in (input, other)):
        raise DTypeError(f"{what}: bools have no bits to shift; convert with .int()").at(here())
    return binary("", what, build, input, other)


def rlshift(input: Tensor, other: Tensor | Number) -> Tensor:
    """other << input."""
    return bitwise_left_shift(other, input)


def rrshift(input: Tensor, other: Tensor | Number) -> Tensor:
    """other >> input."""
    return bitwise_right_shift(other, input)


def bitwise_not(input: Tensor) -> Tensor:
    """The bits of an integer the other way round, or not input. Raises DTypeError for floating point tensors."""
    t.require_tensors("bitwise_not", input)
    refuse_floats("bitwise_not", input)
    return t.apply("", integers.inverted, input)


def _bitwise(what: str, op: Op, x: Any, other: Any) -> Tensor:
    for operand in (x, other):
        refuse_floats(what, operand_of(what, operand))
    return binary("", what, op, x, other)


def bitwise_and(input: Tensor, other: Tensor | Number) -> Tensor:
    """The bits set in both integers; of bools whether both are true."""
    return _bitwise("bitwise_and", ops.bitwise_and, input, other)


def bitwise_or(input: Tensor, other: Tensor | Number) -> Tensor:
    """The bits set in either integer; of bools whether one is true."""
    return _bitwise("bitwise_or", ops.bitwise_or, input, other)


def bitwise_xor(input: Tensor, other: Tensor | Number) -> Tensor:
    """The bits set in one integer only; of bools whether they differ."""
    return _bitwise("bitwise_xor", ops.bitwise_xor, input, other)
