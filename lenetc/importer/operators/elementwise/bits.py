"""Logic, and the bits of integers."""

from __future__ import annotations

import lenetc.operations.elementwise as E
from lenetc.importer.errors import OnnxOperatorError
from lenetc.importer.operators.elementwise.operands import beside
from lenetc.importer.registry import operator
from lenetc.tensors.tensor import Tensor


@operator(differentiable=False)
def Not(x: Tensor, /) -> Tensor:
    return E.logical_not(x)


@operator(differentiable=False)
def And(
    a: Tensor, b: Tensor, /, *, axis: int | None = None, broadcast: int | None = None, opset: int
) -> Tensor:
    return E.logical_and(a, beside(a, b, axis, broadcast, opset))


@operator(differentiable=False)
def Or(
    a: Tensor, b: Tensor, /, *, axis: int | None = None, broadcast: int | None = None, opset: int
) -> Tensor:
    return E.logical_or(a, beside(a, b, axis, broadcast, opset))


@operator(differentiable=False)
def Xor(
    a: Tensor, b: Tensor, /, *, axis: int | None = None, broadcast: int | None = None, opset: int
) -> Tensor:
    return E.logical_xor(a, beside(a, b, axis, broadcast, opset))


@operator(differentiable=False)
def BitwiseNot(x: Tensor, /) -> Tensor:
    return E.bitwise_not(x)


@operator(differentiable=False)
def BitwiseAnd(a: Tensor, b: Tensor, /) -> Tensor:
    return E.bitwise_and(a, b)


@operator(differentiable=False)
def BitwiseOr(a: Tensor, b: Tensor, /) -> Tensor:
    return E.bitwise_or(a, b)


@operator(differentiable=False)
def BitwiseXor(a: Tensor, b: Tensor, /) -> Tensor:
    return E.bitwise_xor(a, b)


@operator(differentiable=False)
def BitShift(x: Tensor, y: Tensor, /, *, direction: str) -> Tensor:
    """Towards the right with copies of the sign bit."""
    if direction not in ("LEFT", "RIGHT"):
        raise OnnxOperatorError(f"the direction is LEFT or RIGHT, not {direction!r}")
    return E.bitwise_left_shift(x, y) if direction == "LEFT" else E.bitwise_right_shift(x, y)
