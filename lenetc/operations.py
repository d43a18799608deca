"""Elementwise operations and products, as functions of tensors: PyTorch's functions of the same names.

`Tensor` takes them as its methods. `lenetc.reductions`, `lenetc.shaping` and `lenetc.in_place` have the rest,
`lenetc.nn.functional` what networks are made of.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

import lenetc.tensor as t
from ir import ops
from ir.errors import ShapeError
from ir.node import Node
from ir.op import Op, scalar
from ir.types import DType, bool_, f32
from lenetc.amp import narrowed, widened
from lenetc.convert import as_tensor, result_dtype
from lenetc.tracing import here

if TYPE_CHECKING:
    from lenetc.convert import Number
    from lenetc.tensor import Tensor

__all__ = [
    "abs",
    "add",
    "addcdiv",
    "addcmul",
    "clamp",
    "clone",
    "cos",
    "div",
    "eq",
    "erf",
    "exp",
    "floor",
    "ge",
    "gt",
    "isnan",
    "le",
    "lerp",
    "log",
    "logical_and",
    "logical_not",
    "logical_or",
    "lt",
    "matmul",
    "maximum",
    "minimum",
    "mul",
    "ne",
    "neg",
    "pow",
    "rdiv",
    "reciprocal",
    "relu",
    "rpow",
    "rsqrt",
    "rsub",
    "sigmoid",
    "sign",
    "sin",
    "sqrt",
    "square",
    "sub",
    "tanh",
    "to",
    "where",
]


# Two operands.


def _binary(name: str, op: Op, x: Any, y: Any, *, to_float: bool = False, saves: bool = True) -> Tensor:
    first = x if isinstance(x, t.Tensor) else y
    if not isinstance(x, (t.Tensor, bool, int, float)) or not isinstance(y, (t.Tensor, bool, int, float)):
        other = y if isinstance(x, t.Tensor) else x
        if not hasattr(other, "__array__"):
            return NotImplemented  # type: ignore[no-any-return]  # Python then asks the other operand
        x, y = as_tensor(x), as_tensor(y)
        first = x
    dtype = result_dtype(first, y if first is x else x)
    if to_float and not dtype.is_float:
        dtype = f32

    def operand(value: Any, node: Node | None) -> Node:
        if node is None:
            return scalar(value, dtype)
        return node if node.dtype is dtype else ops.cast(node, dtype=dtype)

    if not isinstance(y, t.Tensor):
        return t.apply(name, lambda a: op(operand(x, a), operand(y, None)), x, saves=saves)
    if not isinstance(x, t.Tensor):
        return t.apply(name, lambda b: op(operand(x, None), operand(y, b)), y, saves=saves)
    return t.apply(name, lambda a, b: op(operand(x, a), operand(y, b)), x, y, saves=saves)


def add(x: Tensor, other: Tensor | Number, *, alpha: Number = 1) -> Tensor:
    """x + alpha * other, broadcast."""
    return _binary(
        "AddBackward0", ops.add, x, other if alpha == 1 else mul(as_tensor(other), alpha), saves=False
    )


def sub(x: Tensor, other: Tensor | Number, *, alpha: Number = 1) -> Tensor:
    """x - alpha * other, broadcast."""
    return _binary(
        "SubBackward0", ops.sub, x, other if alpha == 1 else mul(as_tensor(other), alpha), saves=False
    )


def rsub(x: Tensor, other: Tensor | Number) -> Tensor:
    """other - x, broadcast."""
    return _binary("RsubBackward1", ops.sub, other, x, saves=False)


def mul(x: Tensor, other: Tensor | Number) -> Tensor:
    return _binary("MulBackward0", ops.mul, x, other)


def div(x: Tensor, other: Tensor | Number) -> Tensor:
    """x / other, broadcast; integers are divided as floats."""
    return _binary("DivBackward0", ops.div, x, other, to_float=True)


def rdiv(x: Tensor, other: Tensor | Number) -> Tensor:
    return _binary("DivBackward0", ops.div, other, x, to_float=True)


def pow(x: Tensor, exponent: Tensor | Number) -> Tensor:
    """x ** exponent. Small whole exponents become products, as in PyTorch."""
    if isinstance(exponent, (int, float)):
        powers: dict[float, Callable[[Node], Node]] = {
            1: lambda a: a * 1,
            2: lambda a: a * a,
            3: lambda a: a * a * a,
        }
        if exponent in powers:
            return t.apply("PowBackward0", powers[exponent], x)
        roots: dict[float, Callable[[Node], Node]] = {
            0.5: ops.sqrt,
            -0.5: lambda a: ops.with_gradient(1.0 / ops.sqrt(a), ops.pow(a, -0.5)),
        }
        if exponent in roots and x.dtype.is_float:
            return t.apply("PowBackward0", roots[exponent], x)
    return _binary(
        "PowBackward0" if not isinstance(exponent, t.Tensor) else "PowBackward1",
        ops.pow,
        x,
        exponent,
        to_float=True,
    )


def rpow(x: Tensor, base: Number) -> Tensor:
    return _binary("PowBackward1", ops.pow, base, x, to_float=True)


def maximum(x: Tensor, other: Tensor) -> Tensor:
    return _binary("MaximumBackward0", ops.maximum, x, other)


def minimum(x: Tensor, other: Tensor) -> Tensor:
    return _binary("MinimumBackward0", ops.minimum, x, other)


def eq(x: Tensor, other: Any) -> Tensor:
    return _binary("", ops.equal, x, other)


def ne(x: Tensor, other: Any) -> Tensor:
    return logical_not(eq(x, other))


def lt(x: Tensor, other: Any) -> Tensor:
    return _binary("", ops.less, x, other)


def gt(x: Tensor, other: Any) -> Tensor:
    return _binary("", ops.greater, x, other)


def le(x: Tensor, other: Any) -> Tensor:
    return logical_or(lt(x, other), eq(x, other))


def ge(x: Tensor, other: Any) -> Tensor:
    return logical_or(gt(x, other), eq(x, other))


def truth(node: Node) -> Node:
    return node if node.dtype is bool_ else ops.logical_not(ops.equal(node, 0))


def logical_not(x: Tensor) -> Tensor:
    return t.apply("", lambda a: ops.logical_not(truth(a)), x)


def logical_and(x: Tensor, other: Tensor) -> Tensor:
    return t.apply("", lambda a, b: ops.logical_and(truth(a), truth(b)), x, other)


def logical_or(x: Tensor, other: Tensor) -> Tensor:
    return t.apply("", lambda a, b: ops.logical_or(truth(a), truth(b)), x, other)


def where(condition: Tensor, x: Tensor | Number, y: Tensor | Number) -> Tensor:
    """Elements of x where condition holds, of y elsewhere, broadcast (torch.where)."""
    x, y = (as_tensor(v, None if isinstance(v, t.Tensor) else _peer_dtype(v, w)) for v, w in ((x, y), (y, x)))
    dtype = result_dtype(x, y)
    return t.apply(
        "WhereBackward0", lambda c, a, b: ops.where(c, a, b), condition, to(x, dtype), to(y, dtype)
    )


def _peer_dtype(value: Number, other: Any) -> DType | None:
    return result_dtype(other, value) if isinstance(other, t.Tensor) else None


def matmul(x: Tensor, other: Tensor) -> Tensor:
    """Matrix product: [..., M, K] @ [..., K, L]; 1-D operands as in torch.matmul."""
    if x.ndim == 0 or other.ndim == 0:
        raise ShapeError(
            f"matmul: both operands need at least one dimension, but they are {x.type_text()} and {other.type_text()}"
        ).at(here())

    x, other = narrowed(x, other)

    def build(a: Node, b: Node) -> Node:
        left = ops.reshape(a, shape=(1, *a.shape)) if a.rank == 1 else a
        right = ops.reshape(b, shape=(*b.shape, 1)) if b.rank == 1 else b
        product = ops.matmul(left, right)
        shape = [
            d
            for i, d in enumerate(product.shape)
            if not (a.rank == 1 and i == product.rank - 2) and not (b.rank == 1 and i == product.rank - 1)
        ]
        return product if len(shape) == product.rank else ops.reshape(product, shape=tuple(shape))

    name = {(2, 2): "MmBackward0", (1, 1): "DotBackward0", (2, 1): "MvBackward0"}.get(
        (x.ndim, other.ndim), "UnsafeViewBackward0"
    )
    return t.apply(name, build, x, other)


# One operand.


def _unary(name: str, op: Op, x: Tensor) -> Tensor:
    t.require_tensors(op.name, x)
    return t.apply(name, op if x.dtype.is_float else lambda a: op(ops.cast(a, dtype=f32)), x)


def neg(x: Tensor) -> Tensor:
    return t.apply("NegBackward0", ops.neg, x, saves=False)


def abs(x: Tensor) -> Tensor:
    return t.apply("AbsBackward0", ops.abs, x)


def sign(x: Tensor) -> Tensor:
    return t.apply("SignBackward0", ops.sign, x)


def exp(x: Tensor) -> Tensor:
    return _unary("ExpBackward0", ops.exp, widened(x))


def log(x: Tensor) -> Tensor:
    return _unary("LogBackward0", ops.log, widened(x))


def sqrt(x: Tensor) -> Tensor:
    return _unary("SqrtBackward0", ops.sqrt, x)


def rsqrt(x: Tensor) -> Tensor:
    return t.apply("RsqrtBackward0", lambda a: 1.0 / ops.sqrt(a), x)


def square(x: Tensor) -> Tensor:
    return pow(x, 2)


def reciprocal(x: Tensor) -> Tensor:
    return t.apply("ReciprocalBackward0", lambda a: 1.0 / a, x)


def sin(x: Tensor) -> Tensor:
    return _unary("SinBackward0", ops.sin, x)


def cos(x: Tensor) -> Tensor:
    return _unary("CosBackward0", ops.cos, x)


def tanh(x: Tensor) -> Tensor:
    return _unary("TanhBackward0", ops.tanh, x)


def sigmoid(x: Tensor) -> Tensor:
    return _unary("SigmoidBackward0", ops.sigmoid, x)


def erf(x: Tensor) -> Tensor:
    return _unary("ErfBackward0", ops.erf, x)


def floor(x: Tensor) -> Tensor:
    return _unary("FloorBackward0", ops.floor, x)


def relu(x: Tensor) -> Tensor:
    return t.apply("ReluBackward0", ops.relu, x)


def clamp(x: Tensor, min: Number | None = None, max: Number | None = None) -> Tensor:
    """x limited to [min, max]; the gradient passes where min <= x <= max (torch.clamp)."""

    def build(a: Node) -> Node:
        limited = a
        if min is not None:
            limited = ops.maximum(limited, scalar(min, a.dtype))
        if max is not None:
            limited = ops.minimum(limited, scalar(max, a.dtype))
        limited = ops.stop_gradient(limited)
        if min is not None and max is not None and min > max:
            return ops.where(ops.literal(np.asarray(False)), a, limited)
        return ops.where(ops.equal(a, limited), a, limited)

    return t.apply("ClampBackward1", build, x)


def isnan(x: Tensor) -> Tensor:
    return t.apply("", ops.is_nan, x) if x.dtype.is_float else ne(x, x)


def clone(x: Tensor) -> Tensor:
    """A copy with storage of its own; gradients pass."""
    return t.apply("CloneBackward0", lambda a: a, x, saves=False)


def to(x: Tensor, *what: Any, dtype: DType | None = None, device: Any = None) -> Tensor:
    """x with another dtype, and / or a device name, which is checked (torch.Tensor.to).

    Values live where programs run: a device name moves nothing by itself. Raises DeviceError for "cuda" where
    CUDA cannot be used.
    """
    from lenetc import lazy

    for item in (*what, dtype, device):
        if isinstance(item, DType):
            dtype = item
        elif isinstance(item, t.Tensor):
            dtype = item.dtype
        elif item is not None and not isinstance(item, bool):
            lazy.set_default_device(str(item))
    if dtype is None or dtype is x.dtype:
        return x
    target = dtype
    return t.apply("ToCopyBackward0", lambda a: ops.cast(a, dtype=target), x, saves=False)


def addcmul(x: Tensor, a: Tensor, b: Tensor, *, value: Number = 1) -> Tensor:
    """x + value * a * b."""
    return x + (a * b if value == 1 else value * a * b)


def addcdiv(x: Tensor, a: Tensor, b: Tensor, *, value: Number = 1) -> Tensor:
    """x + value * a / b."""
    return x + (a / b if value == 1 else value * (a / b))


def lerp(x: Tensor, end: Tensor, weight: Tensor | Number) -> Tensor:
    """x + weight * (end - x)."""
    return x + weight * (end - x)
