"""What elementwise functions are made with: one operation on operands of different dtypes, or on integers as floats."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

import lenetc.tensors.tensor as t
from ir import ops
from ir.errors import DTypeError
from ir.node import Node
from ir.op import Op, scalar
from ir.types import DType, bf16, bool_, f16, f32, f64
from lenetc.evaluation.scalars import Scalar
from lenetc.evaluation.tracing import here
from lenetc.tensors.convert import operand_of, result_dtype
from lenetc.tensors.dtypes import get_default_dtype

if TYPE_CHECKING:
    from lenetc.tensors.convert import Number
    from lenetc.tensors.tensor import Tensor

Binary: TypeAlias = "Callable[[Node, Node], Node]"
HALVES = (f16, bf16)
# What arithmetic means for two bools: PyTorch's sum is "or", its product "and", and False is less than True.
_OF_BOOLS: dict[Binary, Binary] = {
    ops.add: ops.logical_or,
    ops.mul: ops.logical_and,
    ops.maximum: ops.logical_or,
    ops.minimum: ops.logical_and,
    ops.less: lambda a, b: ops.logical_and(ops.logical_not(a), b),
    ops.greater: lambda a, b: ops.logical_and(a, ops.logical_not(b)),
    ops.bitwise_and: ops.logical_and,
    ops.bitwise_or: ops.logical_or,
    ops.bitwise_xor: lambda a, b: ops.logical_not(ops.equal(a, b)),
}


def of_bools(op: Binary) -> Binary:
    """What `op` is for two bools."""
    return _OF_BOOLS.get(op, op)


def binary(
    name: str,
    what: str,
    op: Binary,
    x: Any,
    y: Any,
    *,
    to_float: bool = False,
    divides: bool = False,
    saves: bool = True,
) -> Tensor:
    """op of x and y in the dtype that they promote to (in a float one if `to_float`). what: the function's name;
    divides: whether y is what x is divided by."""
    x, y = operand_of(what, x), operand_of(what, y)
    if not isinstance(x, t.Tensor) and not isinstance(y, t.Tensor):
        raise DTypeError(f"{what} takes at least one tensor, not two numbers").at(here())
    dtype = result_dtype(x, y) if isinstance(x, t.Tensor) else result_dtype(y, x)
    if to_float and not dtype.is_float:
        dtype = get_default_dtype()
    build = of_bools(op) if dtype is bool_ else op
    # Factors keep their digits beside halves, as in PyTorch; what is added or compared is rounded to them first.
    exact = dtype in HALVES and (
        (op in (ops.mul, ops.div) and (_keeps_digits(x, dtype) or _keeps_digits(y, dtype)))
        or (divides and _keeps_digits(y, dtype))
    )
    if dtype in HALVES and not isinstance(op, Op):
        build = in_f32(build)

    def operand(value: Any, node: Node | None) -> Node:
        if node is None:
            return scalar(value if exact else _wrapped(value, dtype), f32 if exact else dtype)
        return cast(node, f32 if exact else dtype)

    if exact:
        build = narrowed(build, dtype)

    if not isinstance(y, t.Tensor):
        return t.apply(name, lambda a: build(operand(x, a), operand(y, None)), x, saves=saves)
    if not isinstance(x, t.Tensor):
        return t.apply(name, lambda b: build(operand(x, None), operand(y, b)), y, saves=saves)
    return t.apply(name, lambda a, b: build(operand(x, a), operand(y, b)), x, y, saves=saves)


def _keeps_digits(x: Any, dtype: DType) -> bool:
    """Whether x is a number that the half `dtype` does not hold, or a tensor without dimensions of a wider float."""
    if isinstance(x, t.Tensor):
        return x.ndim == 0 and x.dtype in (f32, f64)
    with np.errstate(over="ignore"):  # which gives infinity
        return not isinstance(x, Scalar) and float(np.asarray(x, dtype.numpy)) != float(x)


def narrowed(formula: Callable[..., Node], dtype: DType) -> Callable[..., Node]:
    """The formula, its value rounded to `dtype`."""
    return lambda *operands: cast(formula(*operands), dtype)


def in_f32(formula: Callable[..., Node]) -> Callable[..., Node]:
    """The formula, of halves computed in f32 and rounded once, as kernels of PyTorch do."""

    def build(*operands: Node) -> Node:
        narrow = next((x.dtype for x in operands if x.dtype in HALVES), None)
        if narrow is None:
            return formula(*operands)
        return cast(formula(*(cast(x, f32) if x.dtype in HALVES else x for x in operands)), narrow)

    return build


def _wrapped(value: Number, dtype: DType) -> Number:
    """The number as PyTorch reads it beside integers of `dtype`: by its last bits, so that -32 is 224 of uint8."""
    if dtype.kind != "int" or type(value) is not int or not -(1 << 63) <= value < 1 << 63:
        return value
    return int(np.int64(value).astype(dtype.numpy))


def kind(value: Tensor | Number) -> str:
    """ "bool", "int" or "float", of a tensor or a number."""
    if isinstance(value, t.Tensor):
        return value.dtype.kind
    return "bool" if isinstance(value, bool) else "int" if isinstance(value, int) else "float"


def cast(node: Node, dtype: DType) -> Node:
    return node if node.dtype is dtype else ops.cast(node, dtype=dtype)


def truth(node: Node) -> Node:
    return node if node.dtype is bool_ else ops.logical_not(ops.equal(node, 0))


def refuse_bools(what: str, *operands: Any) -> None:
    """Raise DTypeError for a bool, or a tensor of them, and for what is no operand."""
    for x in operands:
        if kind(operand_of(what, x)) == "bool":
            raise DTypeError(f"{what}: is not implemented for bool; convert with .int() or .float()").at(
                here()
            )


def refuse_floats(what: str, *operands: Tensor | Number) -> None:
    for x in operands:
        if kind(x) == "float":
            shown = x.type_text() if isinstance(x, t.Tensor) else repr(x)
            raise DTypeError(f"{what} takes integers and bools, not {shown}").at(here())


def unary(name: str, op: Callable[[Node], Node], x: Tensor, what: str = "") -> Tensor:
    """op of x, of integers and bools as floats. what: the function's name where `op` is no record."""
    t.require_tensors(what or op.name, x)  # type: ignore[attr-defined]
    if x.dtype.is_float:
        return t.apply(name, in_f32(op) if what else op, x)
    dtype = get_default_dtype()
    return t.apply(name, lambda a: op(ops.cast(a, dtype=dtype)), x)


def graded(value: Node, *slopes: tuple[Node, Node]) -> Node:
    """`value`, computed in whatever way, as a function of the first of each pair with the second for derivative."""
    value = ops.stop_gradient(value)
    for x, slope in slopes:
        if x.op is not ops.const:
            value = ops.with_slope(value, x, slope)
    return value


def flat(value: Node, *operands: Node) -> Node:
    """`value` as a function of the operands that is constant but for its steps: with a gradient of zeros for each."""
    value = ops.stop_gradient(value)
    for x in operands:
        value = ops.where(ops.literal(np.asarray(False)), x, value)
    return value


def in_f64(formula: Callable[..., Node], *operands: Node) -> Node:
    """The formula computed in f64, and rounded to the dtype of the operands once."""
    dtype = operands[0].dtype
    return cast(formula(*(cast(x, f64) for x in operands)), dtype)


def smooth(value: Callable[[Node], Node], slope: Callable[[Node, Node], Node]) -> Callable[[Node], Node]:
    """The function value(x), computed in f64, with the derivative slope(x, value(x)), computed in the dtype of x."""

    def build(x: Node) -> Node:
        found = in_f64(value, x)
        return graded(found, (x, slope(x, found)))

    return build


def smooth_pair(
    value: Callable[[Node, Node], Node], slopes: Callable[[Node, Node, Node], tuple[Node, Node]]
) -> Callable[[Node, Node], Node]:
    """The function value(x, y), computed in f64, with the derivatives slopes(x, y, value(x, y))."""

    def build(x: Node, y: Node) -> Node:
        found = in_f64(value, x, y)
        dx, dy = slopes(x, y, found)
        return graded(found, (x, dx), (y, dy))

    return build


def filled(value: float, like: Node) -> Node:
    """A scalar of the dtype of `like`."""
    return scalar(value, like.dtype)


def copied_sign(size: Node, x: Node) -> Node:
    """`size`, which is not negative, with the sign of x."""
    return ops.where(ops.less(x, 0.0), -size, size)
