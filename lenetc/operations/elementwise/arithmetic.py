"""Sums, products, quotients and signs."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import lenetc.tensors.tensor as t
from ir import ops
from ir.errors import DTypeError
from ir.node import Node
from ir.op import scalar
from ir.types import bool_, u8
from lenetc.evaluation.tracing import here
from lenetc.operations import integers
from lenetc.operations.autocast import autocasts
from lenetc.operations.elementwise.operands import (
    Binary,
    binary,
    cast,
    flat,
    in_f32,
    kind,
    of_bools,
    refuse_bools,
    unary,
)
from lenetc.tensors.arrays import need_number
from lenetc.tensors.convert import number_for, operand_of, result_dtype_of

if TYPE_CHECKING:
    from lenetc.tensors.convert import Number
    from lenetc.tensors.tensor import Tensor

__all__ = [
    "abs",
    "absolute",
    "add",
    "addcdiv",
    "addcmul",
    "angle",
    "deg2rad",
    "lerp",
    "mul",
    "multiply",
    "neg",
    "negative",
    "positive",
    "rad2deg",
    "rsub",
    "sgn",
    "sign",
    "sub",
    "subtract",
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

    def scaled(a: Node, b: Node) -> Node:
        if b.dtype is bool_:
            return of_bools(op)(a, ops.logical_and(b, scalar(alpha, b.dtype)))
        wrapped = alpha + 256 if b.dtype is u8 and -256 < alpha < 0 else alpha
        return op(a, b * scalar(wrapped, b.dtype))

    return scaled


def add(input: Tensor, other: Tensor | Number, *, alpha: Number = 1) -> Tensor:
    """input + alpha * other, broadcast; of two bools whether one is true."""
    return binary(
        "AddBackward0", "add", _scaled("add", ops.add, input, other, alpha), input, other, saves=False
    )


def sub(input: Tensor, other: Tensor | Number, *, alpha: Number = 1) -> Tensor:
    """input - alpha * other, broadcast. Raises DTypeError for bools."""
    _refuse_bools(input, other)
    return binary(
        "SubBackward0", "sub", _scaled("sub", ops.sub, input, other, alpha), input, other, saves=False
    )


def rsub(input: Tensor, other: Tensor | Number, *, alpha: Number = 1) -> Tensor:
    """other - alpha * input, broadcast."""
    t.require_tensors("rsub", input)
    _refuse_bools(input, other)
    return binary(
        "RsubBackward1", "sub", _scaled("sub", ops.sub, other, input, alpha), other, input, saves=False
    )


def _refuse_bools(*operands: Any) -> None:
    if any(kind(operand_of("sub", x)) == "bool" for x in operands):
        raise DTypeError(
            "sub: subtraction, the `-` operator, with a bool is not supported; use `^` or logical_not() to invert"
        ).at(here())


def mul(input: Tensor, other: Tensor | Number) -> Tensor:
    """input * other, broadcast; of two bools whether both are true."""
    return binary("MulBackward0", "mul", ops.mul, input, other)


def neg(input: Tensor) -> Tensor:
    """-input. Raises DTypeError for bools."""
    t.require_tensors("neg", input)
    if input.dtype is bool_:
        raise DTypeError(
            "neg: negation, the `-` operator, on a bool tensor is not supported; use `~` or logical_not()"
        ).at(here())
    return t.apply("NegBackward0", integers.negated, input, saves=False)


def positive(input: Tensor) -> Tensor:
    """input itself. Raises DTypeError for bools."""
    t.require_tensors("positive", input)
    if input.dtype is bool_:
        raise DTypeError("positive: the `+` operator, on a bool tensor, is not supported").at(here())
    return input


def abs(input: Tensor) -> Tensor:
    """The absolute value. Raises DTypeError for bools."""
    refuse_bools("abs", input)
    return t.apply("AbsBackward0", ops.abs, input)


def sign(input: Tensor) -> Tensor:
    """-1, 0 or 1; of bools themselves."""
    return t.apply("SignBackward0", signs, input)


def signs(a: Node) -> Node:
    if a.dtype is bool_:
        return a
    if a.dtype is u8:
        return ops.cast(ops.greater(a, 0), dtype=u8)
    return flat(ops.sign(a), a) if a.dtype.is_float else ops.sign(a)


def sgn(input: Tensor) -> Tensor:
    """The sign of real numbers."""
    return t.apply("SgnBackward0", signs, input)


def angle(input: Tensor) -> Tensor:
    """pi for negative numbers, 0 for others, as a float; NaN for NaN."""

    def build(a: Node) -> Node:
        found = ops.where(ops.less(a, 0.0), scalar(math.pi, a.dtype), scalar(0.0, a.dtype))
        return flat(ops.where(ops.is_nan(a), a, found), a)

    return unary("AngleBackward0", build, input, "angle")


def deg2rad(input: Tensor) -> Tensor:
    """Degrees as radians."""
    return _times("Deg2RadBackward0", "deg2rad", math.pi / 180, input)


def rad2deg(input: Tensor) -> Tensor:
    """Radians as degrees."""
    return _times("Rad2DegBackward0", "rad2deg", 180 / math.pi, input)


def _times(name: str, what: str, factor: float, input: Tensor) -> Tensor:
    return unary(name, lambda a: a * factor, input, what)


@autocasts
def addcmul(input: Tensor, tensor1: Tensor, tensor2: Tensor, *, value: Number = 1) -> Tensor:
    """input + value * tensor1 * tensor2. Raises DTypeError for bools."""
    t.require_tensors("addcmul", input, tensor1, tensor2)
    if not any(tensor.dtype is not bool_ for tensor in (input, tensor1, tensor2)):
        raise DTypeError(f"addcmul: bools are not added here: {input.type_text()}").at(here())
    tensor1, tensor2 = _promoted(input, tensor1, tensor2)
    need_number("addcmul", "value", value)
    value = number_for(tensor1.dtype, value)
    operands = (input.to(tensor1.dtype), tensor1, tensor2)
    if value == 1:
        return t.apply("AddcmulBackward0", in_f32(lambda a, b, c: a + b * c), *operands)
    return _weighted("addcmul", lambda w, a, b, c: a + w * b * c, value, *operands)


@autocasts
def addcdiv(input: Tensor, tensor1: Tensor, tensor2: Tensor, *, value: Number = 1) -> Tensor:
    """input + value * tensor1 / tensor2. Raises DTypeError for tensor1 and tensor2 without floating point."""
    t.require_tensors("addcdiv", input, tensor1, tensor2)
    if not tensor1.dtype.is_float and not tensor2.dtype.is_float:
        raise DTypeError(
            f"addcdiv: integers are not divided here: {tensor1.type_text()} / {tensor2.type_text()}; "
            "convert one with .float()"
        ).at(here())
    tensor1, tensor2 = _promoted(input, tensor1, tensor2)
    operands = (input.to(tensor1.dtype), tensor1, tensor2)
    if value == 1:
        return t.apply("AddcdivBackward0", in_f32(lambda a, b, c: a + b / c), *operands)
    return _weighted("addcdiv", lambda w, a, b, c: a + w * (b / c), value, *operands)


def _weighted(what: str, formula: Callable[..., Node], weight: Any, *tensors: Tensor) -> Tensor:
    """A formula of a number, or of a tensor of weights, and of tensors of one dtype."""
    name, weight = f"{what.capitalize()}Backward0", operand_of(what, weight)
    if not isinstance(weight, t.Tensor):

        def build(first: Node, *others: Node) -> Node:
            return formula(scalar(weight, first.dtype), first, *others)

        return t.apply(name, in_f32(build), *tensors)

    def weighed(w: Node, first: Node, *others: Node) -> Node:
        return formula(cast(w, first.dtype), first, *others)

    return t.apply(name, in_f32(weighed), weight, *tensors)


def _promoted(input: Tensor, *factors: Tensor) -> list[Tensor]:
    """`factors` in the dtype of the result: neither are halves rounded, nor do integers wrap around, in between."""
    dtype = result_dtype_of(input, *factors)
    return [x.to(dtype) for x in factors]


def lerp(input: Tensor, end: Tensor, weight: Tensor | Number) -> Tensor:
    """input + weight * (end - input). Raises DTypeError for tensors of different dtypes, or that are not
    floating point."""
    t.require_tensors("lerp", input, end)
    if not isinstance(weight, t.Tensor):
        need_number("lerp", "weight", weight)
    given = [input, end]
    if isinstance(weight, t.Tensor):
        if weight.ndim:
            given.append(weight)
        else:  # a number, as PyTorch has it
            weight = weight.to(input.dtype)
    for tensor in given:
        if not tensor.dtype.is_float or tensor.dtype is not input.dtype:
            raise DTypeError(
                "lerp: needs floating point tensors of one dtype, but they are "
                f"{' and '.join(tensor.type_text() for tensor in given)}"
            ).at(here())

    def between(w: Node, a: Node, b: Node) -> Node:
        """From the nearer end, so that 1 gives `end` whatever `input` is."""
        from_input, from_end = a + w * (b - a), b - (b - a) * (1.0 - w)
        if w.op is ops.const:
            return from_input if -0.5 < float(w.attrs["value"].array) < 0.5 else from_end
        return ops.where(ops.less(ops.abs(w), 0.5), from_input, from_end)

    return _weighted("lerp", between, weight, input, end)


absolute = abs
multiply = mul
negative = neg
subtract = sub
