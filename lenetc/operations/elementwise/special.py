"""Functions of statistics and of number theory: the error function, the gamma function and their relatives.

All but erf are computed in f64 and rounded once; derivatives are PyTorch's formulas.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ir import ops
from ir.errors import LenetcError, UnsupportedError
from ir.node import Node
from ir.types import f64
from lenetc.evaluation.tracing import here
from lenetc.operations.elementwise.operands import copied_sign, filled, smooth, unary
from lenetc.tensors.arrays import index_of
from passes.kernels.exact import ERF, ERFC, ratio

if TYPE_CHECKING:
    from lenetc.tensors.tensor import Tensor

__all__ = ["digamma", "erf", "erfc", "erfinv", "lgamma", "mvlgamma", "polygamma"]


def erf(input: Tensor) -> Tensor:
    """The error function."""
    return unary("ErfBackward0", ops.erf, input)


# The third approximation of W. J. Cody: (1 / sqrt(pi) - x * exp(x²) * erfc(x)) * x² in 1 / x², beyond 4.
_TAIL = (
    (
        *(1.63153871373020978e-2, 3.05326634961232344e-1, 3.60344899949804439e-1, 1.25781726111229246e-1),
        *(1.60837851487422766e-2, 6.58749161529837803e-4),
    ),
    (
        *(1.0, 2.56852019228982242, 1.87295284992346725, 5.27905102951428412e-1),
        *(6.05183413124413191e-2, 2.33520497626869185e-3),
    ),
)
_MOST = 30.0  # erfc is 0 from there on


def _erfc(x: Node) -> Node:
    size = ops.minimum(ops.abs(x), _MOST)
    small, middle = ops.minimum(size, 0.5), ops.minimum(size, 4.0)
    near = 1.0 - small * ratio(small * small, ERF)
    # exp(-x²) of a rounded square would lose digits.
    coarse = ops.floor(size * 16.0) * (1 / 16)
    gauss = ops.exp(-(coarse * coarse)) * ops.exp(-((size - coarse) * (size + coarse)))
    far = ops.maximum(size, 4.0)
    square = 1.0 / (far * far)
    tail = (1 / math.sqrt(math.pi) - square * ratio(square, _TAIL)) / far
    above = ops.where(ops.greater(size, 4.0), gauss * tail, gauss * ratio(middle, ERFC))
    above = ops.where(ops.less(size, 0.5), near, above)
    return ops.where(ops.less(x, 0.0), 2.0 - above, above)


_SLOPE = 2 / math.sqrt(math.pi)


def erfc(input: Tensor) -> Tensor:
    """1 - erf(x), exact in the tail too."""
    build = smooth(_erfc, lambda x, out: ops.exp(-(x * x)) * -_SLOPE)
    return unary("ErfcBackward0", build, input, "erfc")


# A start with 8 digits, in x² up to 0.7 and in sqrt(-log((1 - |x|) / 2)) beyond. Highest power first.
_CENTRAL = (
    (-0.140543331, 0.914624893, -1.645349621, 0.886226899),
    (0.012229801, -0.329097515, 1.442710462, -2.118377725, 1.0),
)
_OUTER = (
    (1.641345311, 3.429567803, -1.624906493, -1.970840454),
    (1.637067800, 3.543889200, 1.0),
)


def _erfinv(x: Node) -> Node:
    """A rational approximation, and two of Newton's steps with the complement, which keeps its digits near to 1."""
    size = ops.abs(x)
    small = ops.minimum(size, 0.7)
    inside = ops.less(size, 1.0)
    outer = ops.sqrt(-ops.log((1.0 - ops.where(inside, size, filled(0.5, x))) * 0.5))
    found = ops.where(ops.greater(size, 0.7), ratio(outer, _OUTER), small * ratio(small * small, _CENTRAL))
    for _ in range(2):
        found = found + (_erfc(found) - (1.0 - size)) / (ops.exp(-(found * found)) * _SLOPE)
    infinite = ops.where(ops.equal(size, 1.0), filled(math.inf, x), filled(math.nan, x))
    # Beyond 0.5 the complement has the digits, below erf: a step with x itself.
    near = small * ratio(small * small, _CENTRAL)
    for _ in range(2):
        near = near - (ops.erf(near) - small) / (ops.exp(-(near * near)) * _SLOPE)
    found = ops.where(ops.less(size, 0.5), near, found)
    return copied_sign(ops.where(inside, found, infinite), x)


def erfinv(input: Tensor) -> Tensor:
    """The inverse of the error function; infinite at -1 and 1, NaN beyond."""
    build = smooth(_erfinv, lambda x, out: ops.exp(out * out) * (1 / _SLOPE))
    return unary("ErfinvBackward0", build, input, "erfinv")


# C. Lanczos' approximation with g = 7, as P. Godfrey computed it.
_LANCZOS = (
    *(0.99999999999980993, 676.5203681218851, -1259.1392167224028, 771.32342877765313),
    *(-176.61502916214059, 12.507343278686905, -0.13857109526572012, 9.9843695780195716e-6),
    1.5056327351493116e-7,
)


def _sin_pi(x: Node) -> Node:
    """sin(pi x) up to its sign, of the distance to the nearest whole number."""
    return ops.sin((x - ops.floor(x + 0.5)) * math.pi)


def _lgamma(x: Node) -> Node:
    mirrored = ops.less(x, 0.5)
    z = ops.where(mirrored, 1.0 - x, x) - 1.0
    total = filled(_LANCZOS[0], x)
    for i, c in enumerate(_LANCZOS[1:], 1):
        total = total + c / (z + float(i))
    base = z + 7.5
    positive = (z + 0.5) * ops.log(base) - base + ops.log(total) + 0.5 * math.log(2 * math.pi)
    reflected = math.log(math.pi) - ops.log(ops.abs(_sin_pi(x))) - positive
    infinite = ops.logical_or(
        ops.equal(ops.abs(x), math.inf),
        ops.logical_and(mirrored, ops.logical_and(ops.equal(x, ops.floor(x)), ops.less(x, 0.5))),
    )
    return ops.where(infinite, filled(math.inf, x), ops.where(mirrored, reflected, positive))


_SHIFT = 10  # from there on the asymptotic series has all digits
# Bernoulli numbers over 2 n, in 1 / x².
_DIGAMMA = (1 / 12, -1 / 120, 1 / 252, -1 / 240, 1 / 132, -691 / 32760, 1 / 12)
_TRIGAMMA = (1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6)


def _series(x: Node, coefficients: tuple[float, ...]) -> Node:
    """Sum of c[n] / x^(2 n + 2)."""
    square = 1.0 / (x * x)
    total = filled(0.0, x)
    for c in reversed(coefficients):
        total = (total + c) * square
    return total


def _digamma(x: Node) -> Node:
    mirrored = ops.less(x, 0.5)
    z = ops.where(mirrored, 1.0 - x, x)
    far = z + float(_SHIFT)
    found = ops.log(far) - 0.5 / far - _series(far, _DIGAMMA)
    for k in range(_SHIFT):
        found = found - 1.0 / (z + float(k))
    turn = (x - ops.floor(x + 0.5)) * math.pi
    reflected = found - math.pi * ops.cos(turn) / ops.sin(turn)
    pole = ops.logical_and(mirrored, ops.equal(x, ops.floor(x)))
    at_zero = ops.where(ops.equal(x, 0.0), -1.0 / x, filled(math.nan, x))
    return ops.where(pole, at_zero, ops.where(mirrored, reflected, found))


def _trigamma(x: Node) -> Node:
    mirrored = ops.less(x, 0.5)
    z = ops.where(mirrored, 1.0 - x, x)
    far = z + float(_SHIFT)
    found = 1.0 / far + 0.5 / (far * far) + _series(far, _TRIGAMMA) / far
    for k in range(_SHIFT):
        found = found + 1.0 / ((z + float(k)) * (z + float(k)))
    sine = _sin_pi(x)
    return ops.where(mirrored, math.pi**2 / (sine * sine) - found, found)


def _slope_of_trigamma(x: Node) -> Node:
    """Of the series term by term; where x is negative that of its reflection."""
    mirrored = ops.less(x, 0.5)
    z = ops.where(mirrored, 1.0 - x, x)
    far = z + float(_SHIFT)
    square = 1.0 / (far * far)
    found = -square - square / far
    for n, c in enumerate(_TRIGAMMA):
        found = found - (2 * n + 3) * c * ops.pow(far, -(2.0 * n + 4.0))
    for k in range(_SHIFT):
        found = found - 2.0 / ((z + float(k)) * (z + float(k)) * (z + float(k)))
    turn = (x - ops.floor(x + 0.5)) * math.pi
    sine = ops.sin(turn)
    reflected = found - 2 * math.pi**3 * ops.cos(turn) / (sine * sine * sine)
    return ops.where(mirrored, reflected, found)


_trigamma_with_slope = smooth(
    _trigamma, lambda x, out: ops.cast(_slope_of_trigamma(ops.cast(x, dtype=f64)), dtype=x.dtype)
)
_digamma_with_slope = smooth(_digamma, lambda x, out: _trigamma_with_slope(x))


def lgamma(input: Tensor) -> Tensor:
    """The logarithm of the absolute value of the gamma function; infinite at 0, -1, -2 ..."""
    return unary("LgammaBackward0", smooth(_lgamma, lambda x, out: _digamma_with_slope(x)), input, "lgamma")


def digamma(input: Tensor) -> Tensor:
    """The derivative of lgamma."""
    return unary("DigammaBackward0", _digamma_with_slope, input, "digamma")


def polygamma(n: int, input: Tensor) -> Tensor:
    """The n-th derivative of digamma. Raises UnsupportedError for n beyond 1."""
    order = index_of("polygamma: n", n)
    if order < 0:
        raise LenetcError(f"polygamma: n must not be negative, but it is {order}").at(here())
    if order > 1:
        raise UnsupportedError(
            f"polygamma: derivatives of digamma beyond the first are not here (n is {order}); take them of "
            "polygamma(1, x) by autograd.grad"
        ).at(here())
    build = _trigamma_with_slope if order else _digamma_with_slope
    return unary("PolygammaBackward0", build, input, "polygamma")


def mvlgamma(input: Tensor, p: int) -> Tensor:
    """The logarithm of the multivariate gamma function of dimension p. Raises LenetcError for p below 1."""
    size = index_of("mvlgamma: p", p)
    if size < 1:
        raise LenetcError(f"mvlgamma: p must be at least 1, but it is {size}").at(here())
    total = lgamma(input)
    for i in range(1, size):
        total = total + lgamma(input - i / 2)
    return total + size * (size - 1) / 4 * math.log(math.pi)
