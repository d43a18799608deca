"""Exponentials, logarithms, and what is made of them.

What the runtime has no accurate kernel for is computed in f64 and rounded once; derivatives are PyTorch's formulas.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import lenetc.tensors.tensor as t
from ir import ops
from ir.node import Node
from lenetc.operations.autocast import autocasts
from lenetc.operations.elementwise.operands import binary, filled, in_f64, smooth, smooth_pair, unary
from lenetc.tensors.arrays import need_number

if TYPE_CHECKING:
    from lenetc.tensors.convert import Number
    from lenetc.tensors.tensor import Tensor

__all__ = [
    "exp",
    "exp2",
    "expm1",
    "log",
    "log1p",
    "log2",
    "log10",
    "logaddexp",
    "logaddexp2",
    "logit",
    "relu",
    "sigmoid",
    "xlogy",
]
_LN2 = math.log(2)
_LN10 = math.log(10)


@autocasts
def exp(input: Tensor) -> Tensor:
    """e to the x."""
    return unary("ExpBackward0", ops.exp, input)


def exp2(input: Tensor) -> Tensor:
    """2 to the x."""
    build = smooth(lambda x: ops.pow(filled(2.0, x), x), lambda x, out: out * _LN2)
    return unary("Exp2Backward0", build, input, "exp2")


def expm1_of(x: Node) -> Node:
    """exp(x) - 1 in f64, exact for small x too (W. Kahan): what rounding takes from exp(x) its logarithm tells."""
    u = ops.exp(x)
    near = ops.less(ops.abs(x), 1.0)
    safe = ops.where(ops.logical_or(ops.equal(u, 1.0), ops.logical_not(near)), filled(math.e, x), u)
    small = ops.where(ops.equal(u, 1.0), x, (safe - 1.0) * (x / ops.log(safe)))
    return ops.where(near, small, u - 1.0)


@autocasts
def expm1(input: Tensor) -> Tensor:
    """exp(x) - 1, exact for small x too."""
    return unary("Expm1Backward0", smooth(expm1_of, lambda x, out: out + 1.0), input, "expm1")


@autocasts
def log(input: Tensor) -> Tensor:
    """The natural logarithm."""
    return unary("LogBackward0", ops.log, input)


@autocasts
def log2(input: Tensor) -> Tensor:
    """The logarithm to base 2."""
    build = smooth(lambda x: ops.log(x) * (1 / _LN2), lambda x, out: (1 / _LN2) / x)
    return unary("Log2Backward0", build, input, "log2")


@autocasts
def log10(input: Tensor) -> Tensor:
    """The logarithm to base 10."""
    build = smooth(lambda x: ops.log(x) * (1 / _LN10), lambda x, out: (1 / _LN10) / x)
    return unary("Log10Backward0", build, input, "log10")


def log1p_of(x: Node) -> Node:
    """log(1 + x) in f64, exact for small x too (W. Kahan)."""
    u = x + 1.0
    lost = ops.equal(u, 1.0)
    d = ops.where(lost, filled(1.0, x), u - 1.0)
    small = ops.where(lost, x, ops.log(u) * (x / d))
    return ops.where(ops.less(ops.abs(x), 1.0), small, ops.log(u))


@autocasts
def log1p(input: Tensor) -> Tensor:
    """log(1 + x), exact for small x too."""
    return unary("Log1PBackward0", smooth(log1p_of, lambda x, out: 1.0 / (x + 1.0)), input, "log1p")


def _logaddexp(x: Node, y: Node) -> Node:
    """The larger one, and what the smaller one adds; two equal infinities are that."""
    alike = ops.logical_and(ops.equal(x, y), ops.equal(ops.abs(x), math.inf))
    gap = ops.where(alike, filled(0.0, x), ops.abs(x - y))
    return ops.where(alike, x, ops.maximum(x, y) + log1p_of(ops.exp(-gap)))


def logaddexp(input: Tensor, other: Tensor) -> Tensor:
    """log(exp(input) + exp(other)), broadcast."""
    t.require_tensors("logaddexp", input, other)
    build = smooth_pair(
        _logaddexp, lambda x, y, out: (1.0 / (ops.exp(y - x) + 1.0), 1.0 / (ops.exp(x - y) + 1.0))
    )
    return binary("LogaddexpBackward0", "logaddexp", build, input, other, to_float=True)


def _share_of_2(x: Node, y: Node) -> Node:
    """2^x / (2^x + 2^y)"""
    return 1.0 / (ops.exp((y - x) * _LN2) + 1.0)


def logaddexp2(input: Tensor, other: Tensor) -> Tensor:
    """log2(2 ** input + 2 ** other), broadcast."""
    t.require_tensors("logaddexp2", input, other)
    build = smooth_pair(
        lambda x, y: _logaddexp(x * _LN2, y * _LN2) * (1 / _LN2),
        lambda x, y, out: (in_f64(_share_of_2, x, y), in_f64(_share_of_2, y, x)),
    )
    return binary("Logaddexp2Backward0", "logaddexp2", build, input, other, to_float=True)


def sigmoid(input: Tensor) -> Tensor:
    """1 / (1 + exp(-x))."""
    return unary("SigmoidBackward0", ops.sigmoid, input)


expit = sigmoid


def logit(input: Tensor, eps: float | None = None) -> Tensor:
    """log(x / (1 - x)); x is limited to [eps, 1 - eps] before, if eps is given, and has no gradient beyond."""
    if eps is not None:
        need_number("logit", "eps", eps)

    def value(x: Node) -> Node:
        if eps is not None:
            x = ops.minimum(ops.maximum(x, float(eps)), 1.0 - float(eps))
        return ops.log(x / (1.0 - x))

    def slope(x: Node, out: Node) -> Node:
        low, high = (0.0, 1.0) if eps is None else (float(eps), 1.0 - float(eps))
        outside = ops.logical_or(ops.less(x, low), ops.greater(x, high))
        beyond = filled(math.nan if eps is None else 0.0, x)
        product = x * (1.0 - x)
        steep = ops.where(ops.equal(product, 0.0), filled(math.inf, x), 1.0 / product)
        return ops.where(outside, beyond, steep)

    return unary("LogitBackward0", smooth(value, slope), input, "logit")


def _times_log(x: Node, y: Node, log_of_y: Node) -> Node:
    """x * log, of which 0 times anything but NaN is 0."""
    found = ops.where(ops.equal(x, 0.0), filled(0.0, x), x * log_of_y)
    return ops.where(ops.is_nan(y), y, found)


def xlogy(input: Tensor | Number, other: Tensor | Number) -> Tensor:
    """input * log(other), broadcast; 0 where input is 0."""

    def slopes(x: Node, y: Node, out: Node) -> tuple[Node, Node]:
        below = ops.logical_or(ops.less(y, 0.0), ops.equal(y, 0.0))
        unused = ops.logical_and(ops.equal(x, 0.0), below)
        return ops.where(unused, filled(0.0, x), in_f64(ops.log, y)), x / y

    build = smooth_pair(lambda x, y: _times_log(x, y, ops.log(y)), slopes)
    return binary("XlogyBackward0", "xlogy", build, input, other, to_float=True)


def xlog1py(input: Tensor | Number, other: Tensor | Number) -> Tensor:
    """input * log(1 + other), broadcast; 0 where input is 0."""

    def slopes(x: Node, y: Node, out: Node) -> tuple[Node, Node]:
        below = ops.logical_or(ops.less(y, -1.0), ops.equal(y, -1.0))
        unused = ops.logical_and(ops.equal(x, 0.0), below)
        return ops.where(unused, filled(0.0, x), smooth(log1p_of, lambda y, out: 1.0 / (y + 1.0))(y)), x / (
            y + 1.0
        )

    build = smooth_pair(lambda x, y: _times_log(x, y, log1p_of(y)), slopes)
    return binary("SpecialXlog1PyBackward0", "xlog1py", build, input, other, to_float=True)


def relu(input: Tensor) -> Tensor:
    """max(x, 0), with gradient 0 at 0. Raises DTypeError for bools."""
    return t.apply("ReluBackward0", lambda a: a if a.dtype.name == "u8" else ops.relu(a), input)
