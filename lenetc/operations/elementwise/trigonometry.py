"""Circular and hyperbolic functions and their inverses.

What the runtime has no accurate kernel for is computed in f64 and rounded once; derivatives are PyTorch's formulas.
"""

from __future__ import annotations

import math
from functools import reduce
from typing import TYPE_CHECKING

import lenetc.tensors.tensor as t
from ir import ops
from ir.node import Node
from lenetc.operations.autocast import autocasts
from lenetc.operations.elementwise.exponentials import expm1_of, log1p_of
from lenetc.operations.elementwise.operands import (
    binary,
    copied_sign,
    filled,
    in_f64,
    smooth,
    smooth_pair,
    unary,
)

if TYPE_CHECKING:
    from lenetc.tensors.tensor import Tensor

__all__ = [
    "acos",
    "acosh",
    "arccos",
    "arccosh",
    "arcsin",
    "arcsinh",
    "arctan",
    "arctan2",
    "arctanh",
    "asin",
    "asinh",
    "atan",
    "atan2",
    "atanh",
    "cos",
    "cosh",
    "hypot",
    "sin",
    "sinc",
    "sinh",
    "tan",
    "tanh",
]


def sin(input: Tensor) -> Tensor:
    """The sine of x in radians."""
    return unary("SinBackward0", ops.sin, input)


def cos(input: Tensor) -> Tensor:
    """The cosine of x in radians."""
    return unary("CosBackward0", ops.cos, input)


@autocasts
def tan(input: Tensor) -> Tensor:
    """The tangent of x in radians."""
    build = smooth(lambda x: ops.sin(x) / ops.cos(x), lambda x, out: out * out + 1.0)
    return unary("TanBackward0", build, input, "tan")


# S. L. Moshier, Cephes: (atan(x) - x) / x^3 in x^2 up to tan(pi / 8) and a little beyond. Highest power first.
_ATAN = (
    (
        *(-8.750608600031904122785e-1, -1.615753718733365076637e1, -7.500855792314704667340e1),
        *(-1.228866684490136173410e2, -6.485021904942025371773e1),
    ),
    (
        *(1.0, 2.485846490142306297962e1, 1.650270098316988542046e2, 4.328810604912902668951e2),
        *(4.853903996359136964868e2, 1.945506571482613964425e2),
    ),
)
_LOST = 6.123233995736765886130e-17  # what pi / 2 in f64 lacks


def _polynomial(x: Node, coefficients: tuple[float, ...]) -> Node:
    first, second, *rest = coefficients
    start = x + second if first == 1.0 else x * first + second
    return reduce(lambda value, c: value * x + c, rest, start)


def atan_of(x: Node) -> Node:
    """The inverse tangent in f64, from that of x, (x - 1) / (x + 1) or -1 / x."""
    size = ops.abs(x)
    large, middle = ops.greater(size, 2.414213562373095048802), ops.greater(size, 0.66)
    zero = filled(0.0, x)
    near = ops.where(large, -1.0 / size, ops.where(middle, (size - 1.0) / (size + 1.0), size))
    start = ops.where(large, filled(math.pi / 2, x), ops.where(middle, filled(math.pi / 4, x), zero))
    lost = ops.where(large, filled(_LOST, x), ops.where(middle, filled(_LOST / 2, x), zero))
    square = near * near
    ratio = square * _polynomial(square, _ATAN[0]) / _polynomial(square, _ATAN[1])
    return copied_sign(start + (near * ratio + near + lost), x)


def atan(input: Tensor) -> Tensor:
    """The inverse tangent, in (-pi / 2, pi / 2)."""
    return unary("AtanBackward0", smooth(atan_of, lambda x, out: 1.0 / (x * x + 1.0)), input, "atan")


def _over_circle(x: Node) -> Node:
    return 1.0 / ops.sqrt(1.0 - x * x)


@autocasts
def asin(input: Tensor) -> Tensor:
    """The inverse sine, in [-pi / 2, pi / 2]; NaN beyond [-1, 1]."""
    build = smooth(lambda x: atan_of(x / ops.sqrt((1.0 - x) * (x + 1.0))), lambda x, out: _over_circle(x))
    return unary("AsinBackward0", build, input, "asin")


@autocasts
def acos(input: Tensor) -> Tensor:
    """The inverse cosine, in [0, pi]; NaN beyond [-1, 1]."""
    build = smooth(lambda x: atan_of(ops.sqrt((1.0 - x) / (x + 1.0))) * 2.0, lambda x, out: -_over_circle(x))
    return unary("AcosBackward0", build, input, "acos")


def _atan2(y: Node, x: Node) -> Node:
    """The angle of (x, y), from that of the smaller one over the larger one."""
    a, b = ops.abs(y), ops.abs(x)
    zero, one = filled(0.0, x), filled(1.0, x)
    steep = ops.greater(a, b)
    small, large = ops.minimum(a, b), ops.maximum(a, b)
    # Two infinities are as good as two ones, and two zeros have the angle 0.
    both = ops.equal(small, math.inf)
    small, large = ops.where(both, one, small), ops.where(both, one, large)
    angle = atan_of(small / ops.where(ops.equal(large, 0.0), one, large))
    angle = ops.where(steep, math.pi / 2 - angle, angle)
    angle = ops.where(is_negative(x), math.pi - angle, angle)
    angle = ops.where(is_negative(y), -angle, angle)
    return ops.where(ops.logical_or(ops.is_nan(x), ops.is_nan(y)), x + y, angle + zero)


def is_negative(x: Node) -> Node:
    """Whether x has a minus sign, -0 included; NaN has none."""
    if not x.dtype.is_float:
        return ops.less(x, 0)
    # Not 1 / where(...): the runtime's Where makes 0 of -0.
    return ops.logical_or(ops.less(x, 0.0), ops.logical_and(ops.equal(x, 0.0), ops.less(1.0 / x, 0.0)))


@autocasts
def atan2(input: Tensor, other: Tensor) -> Tensor:
    """The angle of the point (other, input), in [-pi, pi], broadcast."""
    t.require_tensors("atan2", input, other)

    def slopes(y: Node, x: Node, out: Node) -> tuple[Node, Node]:
        square = y * y + x * x
        per = ops.where(ops.equal(square, 0.0), filled(0.0, x), 1.0 / square)  # no angle, no slope
        return x * per, -(y * per)

    return binary("Atan2Backward0", "atan2", smooth_pair(_atan2, slopes), input, other, to_float=True)


def _hypot(x: Node, y: Node) -> Node:
    a, b = ops.abs(x), ops.abs(y)
    large, small = ops.maximum(a, b), ops.minimum(a, b)
    ratio = small / ops.where(ops.equal(large, 0.0), filled(1.0, x), large)
    found = large * ops.sqrt(ratio * ratio + 1.0)
    infinite = ops.logical_or(ops.equal(a, math.inf), ops.equal(b, math.inf))
    return ops.where(infinite, filled(math.inf, x), found)


def hypot(input: Tensor, other: Tensor) -> Tensor:
    """sqrt(input² + other²), broadcast, without overflow. Raises DTypeError for integers."""
    t.require_tensors("hypot", input, other)
    build = smooth_pair(_hypot, lambda x, y, out: (x / out, y / out))
    return binary("HypotBackward0", "hypot", build, input, other, to_float=True)


def _sinh(x: Node) -> Node:
    size = ops.abs(x)
    small = expm1_of(ops.minimum(size, 1.0))
    half = ops.exp(size * 0.5)
    large = (half * 0.5) * half - 0.5 / half / half
    return copied_sign(ops.where(ops.less(size, 1.0), (small + small / (small + 1.0)) * 0.5, large), x)


def _cosh(x: Node) -> Node:
    half = ops.exp(ops.abs(x) * 0.5)
    return (half * 0.5) * half + 0.5 / half / half


_cosh_with_slope = smooth(_cosh, lambda x, out: smooth(_sinh, lambda x, out: _cosh(x))(x))
_sinh_with_slope = smooth(_sinh, lambda x, out: _cosh_with_slope(x))


@autocasts
def sinh(input: Tensor) -> Tensor:
    """The hyperbolic sine."""
    return unary("SinhBackward0", _sinh_with_slope, input, "sinh")


@autocasts
def cosh(input: Tensor) -> Tensor:
    """The hyperbolic cosine."""
    return unary("CoshBackward0", _cosh_with_slope, input, "cosh")


def tanh(input: Tensor) -> Tensor:
    """The hyperbolic tangent."""
    return unary("TanhBackward0", ops.tanh, input)


_HUGE = 1e100  # beyond, 1 is lost beside the square


def _asinh(x: Node) -> Node:
    size = ops.abs(x)
    near = ops.minimum(size, _HUGE)
    found = log1p_of(near + near * (near / (ops.sqrt(near * near + 1.0) + 1.0)))
    return copied_sign(ops.where(ops.less(size, _HUGE), found, ops.log(size) + math.log(2)), x)


def asinh(input: Tensor) -> Tensor:
    """The inverse hyperbolic sine."""
    build = smooth(_asinh, lambda x, out: 1.0 / ops.sqrt(x * x + 1.0))
    return unary("AsinhBackward0", build, input, "asinh")


def _acosh(x: Node) -> Node:
    near = ops.minimum(x, _HUGE) - 1.0
    found = log1p_of(near + ops.sqrt(near * 2.0 + near * near))
    found = ops.where(ops.less(x, _HUGE), found, ops.log(x) + math.log(2))
    return ops.where(
        ops.less(x, 1.0), filled(math.nan, x), found
    )  # the sum of large ones with two signs is 0


def acosh(input: Tensor) -> Tensor:
    """The inverse hyperbolic cosine; NaN below 1."""
    build = smooth(_acosh, lambda x, out: 1.0 / ops.sqrt(x * x - 1.0))
    return unary("AcoshBackward0", build, input, "acosh")


def _atanh(x: Node) -> Node:
    size = ops.abs(x)
    return copied_sign(log1p_of(size * 2.0 / (1.0 - size)) * 0.5, x)


def atanh(input: Tensor) -> Tensor:
    """The inverse hyperbolic tangent; infinite at -1 and 1, NaN beyond."""
    build = smooth(_atanh, lambda x, out: 1.0 / (1.0 - x * x))
    return unary("AtanhBackward0", build, input, "atanh")


def _sinc(x: Node) -> Node:
    product = x * math.pi
    zero = ops.equal(product, 0.0)
    return ops.where(zero, filled(1.0, x), ops.sin(product) / ops.where(zero, filled(1.0, x), product))


# Of p^2k+1 in the derivative of sin(p) / p. Highest power first.
_SINC = tuple((-1) ** k * 2 * k / math.factorial(2 * k + 1) for k in range(7, 0, -1))


def _sinc_slope(x: Node) -> Node:
    """(cos(p) - sin(p) / p) / x with p = pi x, which cancels near 0: there its series in p."""
    product = x * math.pi
    near = ops.less(ops.abs(product), 0.5)
    square = ops.where(near, product * product, filled(0.0, x))
    series = reduce(lambda found, k: found * square + _SINC[k], range(1, len(_SINC)), filled(_SINC[0], x))
    far = ops.where(near, filled(1.0, x), product)
    found = (ops.cos(far) - ops.sin(far) / far) / ops.where(near, filled(1.0, x), x)
    return ops.where(near, series * product * math.pi, found)


def sinc(input: Tensor) -> Tensor:
    """sin(pi x) / (pi x); 1 at 0."""
    return unary("SincBackward0", smooth(_sinc, lambda x, out: in_f64(_sinc_slope, x)), input, "sinc")


arccos, arccosh, arcsin, arcsinh = acos, acosh, asin, asinh
arctan, arctan2, arctanh = atan, atan2, atanh
