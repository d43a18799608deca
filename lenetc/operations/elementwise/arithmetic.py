"""Sums, products, quotients and signs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import lenetc.tensors.tensor as t
from ir import ops
from ir.errors import DTypeError
from ir.node import Node
from ir.op import scalar
from ir.types import bool_, u8
from lenetc.evaluation.tracing import here
from lenetc.operations import integers
from lenetc.operations.elementwise.operands import Binary, binary, kind
from lenetc.tensors.arrays import need_number
from lenetc.tensors.convert import operand_of

if TYPE_CHECKING:
    from lenetc.tensors.convert import Number
    from lenetc.tensors.tensor import Tensor

__all__ = [
    "abs",
    "add",
    "addcdiv",
    "addcmul",
    "div",
    "lerp",
    "mul",
    "neg",
    "positive",
    "rdiv",
    "rsub",
    "sign",
    "sub",
]


def _scaled(what: str, op: Binary, x: Any, other: Any, alpha: Any) -> Binary:
    """op of x and alpha * other; op itself where alpha is 1. Raises DTypeError for a number that is none of theirs."""
    x, other, alpha = operand_of(what, x), operand_of(what, other), operand_of(what, alpha)
    if isinstance(alpha, t.Tensor):
        alpha = alpha.item()
    kinds = {kind(x), kind(other)}
    if isinstance(alpha, bool) and kinds != {"bool"}:
        raise DTypeError(f"{what}: a boolean alpha is for boolean results only").at(here())
    if isinstance(alpha, float) and "float" not in kinds:
        raise DTypeError(
            f"{what}: for integral input tensors, argument alpha must not be a floating point number"
        ).at(here())
    if alpha == 1:
        return op
    return lambda a, b: op(a, b * scalar(alpha, b.dtype))


def add(x: Tensor, other: Tensor | Number, *, alpha: Number = 1) -> Tensor:
    """x + alpha * other, broadcast; of two bools whether one is true."""
    return binary("AddBackward0", "add", _scaled("add", ops.add, x, other, alpha), x, other, saves=False)


def sub(x: Tensor, other: Tensor | Number, *, alpha: Number = 1) -> Tensor:
    """x - alpha * other, broadcast. Raises DTypeError for bools."""
    _refuse_bools(x, other)
    return binary("SubBackward0", "sub", _scaled("sub", ops.sub, x, other, alpha), x, other, saves=False)


def rsub(x: Tensor, other: Tensor | Number) -> Tensor:
    """other - x, broadcast."""
    _refuse_bools(x, other)
    return binary("RsubBackward1", "sub", ops.sub, other, x, saves=False)


def _refuse_bools(*operands: Any) -> None:
    if any(kind(operand_of("sub", x)) == "bool" for x in operands):
        raise DTypeError(
            "sub: subtraction, the `-` operator, with a bool is not supported; use `^` or logical_not() to invert"
        ).at(here())


def mul(x: Tensor, other: Tensor | Number) -> Tensor:
    """x * other, broadcast; of two bools whether both are true."""
    return binary("MulBackward0", "mul", ops.mul, x, other)


def div(x: Tensor, other: Tensor | Number) -> Tensor:
    """x / other, broadcast; integers are divided as floats."""
    return binary("DivBackward0", "div", ops.div, x, other, to_float=True)


def rdiv(x: Tensor, other: Tensor | Number) -> Tensor:
    return binary("DivBackward0", "div", ops.div, other, x, to_float=True)


def neg(x: Tensor) -> Tensor:
    return t.apply("NegBackward0", integers.negated, x, saves=False)


def positive(x: Tensor) -> Tensor:
    """x itself. Raises DTypeError for bools."""
    t.require_tensors("positive", x)
    if x.dtype is bool_:
        raise DTypeError("positive: the `+` operator, on a bool tensor, is not supported").at(here())
    return x


def abs(x: Tensor) -> Tensor:
    return t.apply("AbsBackward0", ops.abs, x)


def sign(x: Tensor) -> Tensor:
    def build(a: Node) -> Node:
        if a.dtype is bool_:
            return a
        return ops.sign(a) if a.dtype is not u8 else ops.cast(ops.greater(a, 0), dtype=u8)

    return t.apply("SignBackward0", build, x)


def addcmul(x: Tensor, a: Tensor, b: Tensor, *, value: Number = 1) -> Tensor:
    """x + value * a * b. Raises DTypeError for bools."""
    t.require_tensors("addcmul", x, a, b)
    if not any(tensor.dtype is not bool_ for tensor in (x, a, b)):
        raise DTypeError(f"addcmul: bools are not added here: {x.type_text()}").at(here())
    return x + (a * b if value == 1 else value * a * b)


def addcdiv(x: Tensor, a: Tensor, b: Tensor, *, value: Number = 1) -> Tensor:
    """x + value * a / b. Raises DTypeError for a and b without floating point."""
    t.require_tensors("addcdiv", x, a, b)
    if not a.dtype.is_float and not b.dtype.is_float:
        raise DTypeError(
            f"addcdiv: integers are not divided here: {a.type_text()} / {b.type_text()}; convert one with .float()"
        ).at(here())
    return x + (a / b if value == 1 else value * (a / b))


def lerp(x: Tensor, end: Tensor, weight: Tensor | Number) -> Tensor:
    """x + weight * (end - x). Raises DTypeError for tensors of different dtypes, or that are not floating point."""
    t.require_tensors("lerp", x, end)
    if not isinstance(weight, t.Tensor):
        need_number("lerp", "weight", weight)
    given = [x, end]
    if isinstance(weight, t.Tensor):
        if weight.ndim:
            given.append(weight)
        else:  # a number, as PyTorch has it
            weight = weight.to(x.dtype)
    for tensor in given:
        if not tensor.dtype.is_float or tensor.dtype is not x.dtype:
            raise DTypeError(
                "lerp: needs floating point tensors of one dtype, but they are "
                f"{' and '.join(tensor.type_text() for tensor in given)}"
            ).at(here())
    return x + weight * (end - x)
