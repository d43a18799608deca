"""Elementwise operations. Operands broadcast as in NumPy and ONNX; binary ones want one dtype."""

from __future__ import annotations

from math import erf as math_erf
from typing import Any

import numpy as np

from ir.errors import DTypeError, ShapeError
from ir.node import const_type
from ir.op import op
from ir.ops.rules import broadcast_shapes, comparison, elementwise, integral, logical, same_dtype, unary
from ir.types import Array, DType, Type, bool_


@op(infer=lambda *, name, type, kind: type)
def input(*, name: str, type: Type, kind: str = "input") -> Array:
    """A leaf: a value that the caller gives. kind: "input", "hyper" or "state"."""
    raise AssertionError("the interpreter binds inputs itself")


@op(infer=lambda *, value: const_type(value))
def const(*, value: Any) -> Array:
    """A constant; the attribute is a Literal, of which the interpreter hands over the array inside."""
    return np.asarray(value)


@op(infer=unary("neg", kinds=("float", "signed")))
def neg(x: Array) -> Array:
    """-x"""
    return -x


@op(infer=unary("abs", kinds=("float", "int")))
def abs(x: Array) -> Array:
    """The absolute value; its gradient at 0 is 0, as PyTorch's."""
    return np.abs(x)


@op(infer=unary("sign", kinds=("float", "signed")))
def sign(x: Array) -> Array:
    """-1, 0 or 1; 0 for NaN, as torch.sign."""
    return np.greater(x, 0).astype(x.dtype) - np.less(x, 0).astype(x.dtype)


@op(infer=unary("exp"))
def exp(x: Array) -> Array:
    """e to the x."""
    return np.exp(x)


@op(infer=unary("log"))
def log(x: Array) -> Array:
    """The natural logarithm."""
    return np.log(x)


@op(infer=unary("sqrt"))
def sqrt(x: Array) -> Array:
    """The square root."""
    return np.sqrt(x)


@op(infer=unary("sin"))
def sin(x: Array) -> Array:
    """The sine of x in radians."""
    return np.sin(x)


@op(infer=unary("cos"))
def cos(x: Array) -> Array:
    """The cosine of x in radians."""
    return np.cos(x)


@op(infer=unary("tanh"))
def tanh(x: Array) -> Array:
    """The hyperbolic tangent."""
    return np.tanh(x)


@op(infer=unary("sigmoid"))
def sigmoid(x: Array) -> Array:
    """1 / (1 + exp(-x)), computed so that neither tail overflows."""
    e = np.exp(-np.abs(x))
    return np.where(x >= 0, 1 / (1 + e), e / (1 + e))


@op(infer=unary("relu", kinds=("float", "signed")))
def relu(x: Array) -> Array:
    """max(x, 0); its gradient at 0 is 0, as PyTorch's."""
    return np.maximum(x, 0)


@op(infer=elementwise("relu_grad", kinds=("float",)))
def relu_grad(g: Array, y: Array) -> Array:
    """Gradient of y = relu(x): g where y is not 0, else 0. A mask would not do: 0 times infinity is NaN."""
    return np.where(np.equal(y, 0), g.dtype.type(0), g)


@op(infer=unary("softplus"))
def softplus(x: Array) -> Array:
    """log(1 + exp(x)), exact in both tails."""
    return np.logaddexp(x, x.dtype.type(0))


@op(infer=unary("erf"))
def erf(x: Array) -> Array:
    """The error function."""
    return np.vectorize(math_erf, otypes=[x.dtype])(x)


@op(infer=unary("floor"))
def floor(x: Array) -> Array:
    """The largest whole number not above x."""
    return np.floor(x)


@op(infer=elementwise("add"))
def add(x: Array, y: Array) -> Array:
    """x + y"""
    return x + y


@op(infer=elementwise("sub"))
def sub(x: Array, y: Array) -> Array:
    """x - y"""
    return x - y


@op(infer=elementwise("mul"))
def mul(x: Array, y: Array) -> Array:
    """x * y"""
    return x * y


@op(infer=elementwise("div"))
def div(x: Array, y: Array) -> Array:
    """Quotient; of integers truncated towards zero, as ONNX Div."""
    if x.dtype.kind == "f":
        return x / y
    quotient = np.floor_divide(x, y)
    return quotient + ((np.mod(x, y) != 0) & ((x < 0) != (y < 0)))


@op(infer=elementwise("pow", kinds=("float",)))
def pow(x: Array, y: Array) -> Array:
    """x to the y."""
    return np.power(x, y)


@op(infer=elementwise("maximum"))
def maximum(x: Array, y: Array) -> Array:
    """The larger of x and y; where they tie each gets half of the gradient, as torch.maximum."""
    return np.maximum(x, y)


@op(infer=elementwise("minimum"))
def minimum(x: Array, y: Array) -> Array:
    """The smaller of x and y; where they tie each gets half of the gradient, as torch.minimum."""
    return np.minimum(x, y)


@op(infer=unary("is_nan", result=bool_))
def is_nan(x: Array) -> Array:
    """Whether x is not a number."""
    return np.isnan(x)


@op(infer=comparison("equal"))
def equal(x: Array, y: Array) -> Array:
    """Whether x == y."""
    return np.equal(x, y)


@op(infer=elementwise("less", result=bool_))
def less(x: Array, y: Array) -> Array:
    """Whether x < y."""
    return np.less(x, y)


@op(infer=elementwise("greater", result=bool_))
def greater(x: Array, y: Array) -> Array:
    """Whether x > y."""
    return np.greater(x, y)


@op(infer=logical("logical_not"))
def logical_not(x: Array) -> Array:
    """not x"""
    return np.logical_not(x)


@op(infer=logical("logical_and"))
def logical_and(x: Array, y: Array) -> Array:
    """x and y"""
    return np.logical_and(x, y)


@op(infer=logical("logical_or"))
def logical_or(x: Array, y: Array) -> Array:
    """x or y"""
    return np.logical_or(x, y)


@op(infer=integral("mod"))
def mod(x: Array, y: Array) -> Array:
    """Remainder with the sign of the divisor, as Python's % and ONNX Mod with fmod=0."""
    return np.mod(x, y)


@op(infer=elementwise("fmod", kinds=("float",)))
def fmod(x: Array, y: Array) -> Array:
    """Remainder with the sign of the dividend, exact as C's fmod and ONNX Mod with fmod=1."""
    return np.fmod(x, y)


@op(infer=integral("bitwise_and"))
def bitwise_and(x: Array, y: Array) -> Array:
    """The bits that are set in both x and y."""
    return np.bitwise_and(x, y)


@op(infer=integral("bitwise_or"))
def bitwise_or(x: Array, y: Array) -> Array:
    """The bits that are set in x or in y."""
    return np.bitwise_or(x, y)


@op(infer=integral("bitwise_xor"))
def bitwise_xor(x: Array, y: Array) -> Array:
    """The bits that are set in one of x and y."""
    return np.bitwise_xor(x, y)


def _where(condition: Type, x: Type, y: Type) -> Type:
    if condition.dtype is not bool_:
        raise DTypeError(f"where: the condition must be bool, not {condition}")
    return Type(same_dtype("where", x, y), broadcast_shapes("where", condition.shape, x.shape, y.shape))


@op(infer=_where)
def where(condition: Array, x: Array, y: Array) -> Array:
    """x where the condition holds, else y."""
    return np.where(condition, x, y)


@op(infer=lambda x, *, dtype: x.with_dtype(dtype))
def cast(x: Array, *, dtype: DType) -> Array:
    """x in another dtype; floats lose their fraction on the way to integers."""
    if dtype.name != "bf16":
        return x.astype(dtype.numpy)
    # bf16 is carried as f32 with the low half rounded away (to nearest, ties to even).
    bits = np.ascontiguousarray(x, np.float32).view(np.uint32)
    rounded = (bits + 0x7FFF + ((bits >> 16) & 1)) & np.uint32(0xFFFF0000)
    return np.where(np.isnan(x), np.float32(np.nan), rounded.view(np.float32)).reshape(x.shape)


@op(infer=lambda x: x)
def stop_gradient(x: Array) -> Array:
    """x, with a gradient of zero."""
    return x


def _with_gradient(x: Type, y: Type) -> Type:
    if x != y:
        raise ShapeError(f"with_gradient: {x} and {y} must have the same type")
    return x


@op(infer=_with_gradient)
def with_gradient(x: Array, y: Array) -> Array:
    """x, with the gradient of y: of two formulas for one value the second is the better one to differentiate."""
    return x


def _with_slope(y: Type, x: Type, slope: Type) -> Type:
    same_dtype("with_slope", y, x, slope)
    if broadcast_shapes("with_slope", y.shape, x.shape, slope.shape) != y.shape:
        raise ShapeError(f"with_slope: {x} and {slope} do not broadcast to {y}")
    return y


@op(infer=_with_slope)
def with_slope(y: Array, x: Array, slope: Array) -> Array:
    """y, of whose gradient x gets slope times as much besides: y is computed from x in a way not to differentiate."""
    return y


@op(infer=lambda x, *, uid: x)
def alias(x: Array, *, uid: int) -> Array:
    """x under an identity of its own, so that two equal expressions can be told apart as autograd leaves."""
    return x
