"""Functions of statistics and of number theory: the error function, the gamma function and their relatives.

All but erf are computed in f64 and rounded once; derivatives are PyTorch's formulas.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import reduce
from typing import TYPE_CHECKING

from ir import ops
from ir.errors import LenetcError
from ir.node import Node
from ir.types import f64
from lenetc.evaluation.tracing import here
from lenetc.operations.autocast import autocasts
from lenetc.operations.elementwise.operands import copied_sign, filled, in_f64, smooth, unary
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


def _scaled(size: Node) -> tuple[Node, Node]:
    """(1 - erf(size), for sizes below 1/2; exp(size²) * erfc(size), for others)."""
    small, middle = ops.minimum(size, 0.5), ops.minimum(size, 4.0)
    far = ops.maximum(size, 4.0)
    square = 1.0 / (far * far)
    tail = (1 / math.sqrt(math.pi) - square * ratio(square, _TAIL)) / far
    near = 1.0 - small * ratio(small * small, ERF)
    return near, ops.where(ops.greater(size, 4.0), tail, ratio(middle, ERFC))


def _gauss(size: Node, sign: float) -> Node:
    """exp(sign * size²): of a rounded square it would lose digits."""
    coarse = ops.floor(size * 16.0) * (1 / 16)
    return ops.exp(coarse * coarse * sign) * ops.exp((size - coarse) * (size + coarse) * sign)


def complement(x: Node) -> Node:
    """erfc of an f64."""
    size = ops.minimum(ops.abs(x), _MOST)
    near, scaled = _scaled(size)
    above = ops.where(ops.less(size, 0.5), near, _gauss(size, -1.0) * scaled)
    return ops.where(ops.less(x, 0.0), 2.0 - above, above)


def scaled_complement(x: Node) -> Node:
    """exp(x²) * erfc(x) of an f64."""
    size = ops.abs(x)
    near, scaled = _scaled(size)
    gauss = _gauss(ops.minimum(size, _MOST), 1.0)
    above = ops.where(ops.less(size, 0.5), gauss * near, scaled)
    return ops.where(ops.less(x, 0.0), 2.0 * gauss - above, above)


_SLOPE = 2 / math.sqrt(math.pi)


def erfc(input: Tensor) -> Tensor:
    """1 - erf(x), exact in the tail too."""
    build = smooth(complement, lambda x, out: ops.exp(-(x * x)) * -_SLOPE)
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


def inverse(size: Node, rest: Node) -> Node:
    """y with erf(y) = size and erfc(y) = rest = 1 - size, whichever of them has the digits; infinite for 1 and 0, NaN
    beyond."""
    small = ops.minimum(size, 0.7)
    start = small * ratio(small * small, _CENTRAL)
    near = start
    for _ in range(2):
        near = near - (ops.erf(near) - small) / (ops.exp(-(near * near)) * _SLOPE)
    inside = ops.greater(rest, 0.0)
    log = ops.log(ops.where(inside, rest, filled(0.5, rest)))
    far = ops.where(ops.greater(size, 0.7), ratio(ops.sqrt(math.log(2) - log), _OUTER), start)
    for _ in range(3):  # Newton's steps for the logarithm of erfc, which is nearly a parabola
        scaled = scaled_complement(far)
        far = far + (ops.log(scaled) - far * far - log) * scaled * (1 / _SLOPE)
    end = ops.where(ops.equal(rest, 0.0), filled(math.inf, rest), filled(math.nan, rest))
    return ops.where(ops.less(size, 0.5), near, ops.where(inside, far, end))


def _erfinv(x: Node) -> Node:
    size = ops.abs(x)
    return copied_sign(inverse(size, 1.0 - size), x)


@autocasts
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


def _lanczos(x: Node) -> Node:
    """The logarithm of gamma from 1/2 on."""
    z = x - 1.0
    total = filled(_LANCZOS[0], x)
    for i, c in enumerate(_LANCZOS[1:], 1):
        total = total + c / (z + float(i))
    base = z + 7.5
    return (z + 0.5) * ops.log(base) - base + ops.log(total) + 0.5 * math.log(2 * math.pi)


def _lgamma(x: Node, of_positive: Callable[[Node], Node] = _lanczos) -> Node:
    mirrored = ops.less(x, 0.5)
    positive = of_positive(ops.where(mirrored, 1.0 - x, x))
    reflected = math.log(math.pi) - ops.log(ops.abs(_sin_pi(x))) - positive
    infinite = ops.logical_or(
        ops.equal(ops.abs(x), math.inf),
        ops.logical_and(mirrored, ops.logical_and(ops.equal(x, ops.floor(x)), ops.less(x, 0.5))),
    )
    return ops.where(infinite, filled(math.inf, x), ops.where(mirrored, reflected, positive))


# zeta(k) - 1 for k = 2, 3, ...
_ZETA = (
    *(0.644934066848226436, 0.202056903159594285, 0.0823232337111381915, 0.0369277551433699263),
    *(0.0173430619844491397, 0.00834927738192282684, 0.00407735619794433938, 0.00200839282608221442),
    *(0.000994575127818085337, 0.000494188604119464559, 0.000246086553308048299, 0.000122713347578489147),
    *(6.12481350587048293e-5, 3.05882363070204936e-5, 1.52822594086518717e-5, 7.63719763789976227e-6),
    *(3.81729326499983986e-6, 1.90821271655393893e-6, 9.53962033872796113e-7, 4.76932986787806463e-7),
    *(2.3845050272773299e-7, 1.19219925965311073e-7, 5.96081890512594796e-8, 2.98035035146522802e-8),
    1.49015548283650412e-8,
)
_EULER = 0.577215664901532861


def _log_gamma_near_2(z: Node) -> Node:
    """The logarithm of gamma(2 + z) for z within [-1/2, 1/2]: (1 - euler) z + sum of (zeta(k) - 1) (-z)^k / k."""
    terms = [(-1) ** k * value / k for k, value in enumerate(_ZETA, 2)]
    return reduce(lambda total, c: total * z + c, reversed([1 - _EULER, *terms]), filled(0.0, z)) * z


def _with_all_digits(x: Node) -> Node:
    """_lanczos, by a series up to 7/2: near 1 and 2, where it is 0, little is left of the sum."""
    inside = ops.less(x, 3.5)
    near = ops.where(inside, x, filled(2.0, x))
    place = ops.floor(near + 0.5)
    besides = ops.where(ops.equal(place, 3.0), near - 1.0, filled(1.0, x))
    below = ops.where(ops.equal(place, 1.0), near, filled(1.0, x))
    close = _log_gamma_near_2(near - place) + ops.log(besides) - ops.log(below)
    return ops.where(inside, close, _lanczos(x))


_SHIFT = 10  # from there on the asymptotic series has all digits
_BERNOULLI = (1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6)  # B2, B4, ...


def _digamma(x: Node) -> Node:
    """The asymptotic series at x + 10, less what lies between; of 1 - x where x is below 1/2."""
    mirrored = ops.less(x, 0.5)
    z = ops.where(mirrored, 1.0 - x, x)
    far = z + float(_SHIFT)
    square = 1.0 / (far * far)
    series = filled(0.0, x)
    for k, b in reversed([*enumerate(_BERNOULLI, 1)]):
        series = (series + b / (2 * k)) * square
    found = ops.log(far) - 0.5 / far - series
    for k in range(_SHIFT):
        found = found - 1.0 / (z + float(k))
    reflected = found - math.pi * _cot_pi(x)
    pole = ops.logical_and(mirrored, ops.equal(x, ops.floor(x)))
    at_zero = ops.where(ops.equal(x, 0.0), -1.0 / x, filled(math.nan, x))
    return ops.where(pole, at_zero, ops.where(mirrored, reflected, found))


def _cot_pi(x: Node) -> Node:
    turn = (x - ops.floor(x + 0.5)) * math.pi
    return ops.cos(turn) / ops.sin(turn)


def _polygamma(n: int) -> Callable[[Node], Node]:
    """The n-th derivative of digamma: that of its series, and of its reflection, for n above 0."""

    def build(x: Node) -> Node:
        mirrored = ops.less(x, 0.5)
        z = ops.where(mirrored, 1.0 - x, x)
        far = z + float(_SHIFT)
        per = 1.0 / far
        series = filled(0.0, x)
        for k, b in reversed([*enumerate(_BERNOULLI, 1)]):
            weight = b * math.factorial(2 * k + n - 1) / math.factorial(2 * k) / math.factorial(n)
            series = (series + weight) * (per * per)
        total = (per * 0.5 + 1 / n + series) * _power(per, n)
        for k in range(_SHIFT):
            total = total + _power(1.0 / (z + float(k)), n + 1)
        sign = 1.0 if n % 2 else -1.0
        found = total * (sign * math.factorial(n))
        # (-1)^n of that at 1 - x, less the n-th derivative of pi cot(pi x), a polynomial of the cotangent.
        cot = _cot_pi(x)
        turned = reduce(lambda value, c: value * cot + c, _cot_derivative(n), filled(0.0, x))
        reflected = -sign * found - math.pi ** (n + 1) * turned
        # Minus infinity is none.
        pole = ops.logical_and(
            ops.logical_and(mirrored, ops.equal(x, ops.floor(x))), ops.greater(x, -math.inf)
        )
        return ops.where(pole, filled(sign * math.inf, x), ops.where(mirrored, reflected, found))

    return build


def _power(x: Node, n: int) -> Node:
    return reduce(lambda value, _: value * x, range(n - 1), x)


def _cot_derivative(n: int) -> list[float]:
    """The n-th derivative of cot as a polynomial of it, highest power first: that of cot is -1 - cot²."""
    lowest_first = [0.0, 1.0]
    for _ in range(n):
        slope = [i * c for i, c in enumerate(lowest_first)][1:]
        lowest_first = [-c for c in slope] + [0.0, 0.0]
        for i, c in enumerate(slope):
            lowest_first[i + 2] -= c
    return lowest_first[::-1]


def _with_slope(n: int) -> Callable[[Node], Node]:
    """polygamma of order n, whose derivative is that of the next order."""
    value = _polygamma(n) if n else _digamma
    return smooth(
        value, lambda x, out: smooth(_polygamma(n + 1), lambda x, out: in_f64(_polygamma(n + 2), x))(x)
    )


def lgamma(input: Tensor) -> Tensor:
    """The logarithm of the absolute value of the gamma function; infinite at 0, -1, -2 ..."""

    def build(x: Node) -> Node:
        of_positive = _with_all_digits if x.dtype is f64 else _lanczos
        return smooth(lambda x: _lgamma(x, of_positive), lambda x, out: _with_slope(0)(x))(x)

    return unary("LgammaBackward0", build, input, "lgamma")


def digamma(input: Tensor) -> Tensor:
    """The derivative of lgamma."""
    return unary("DigammaBackward0", _with_slope(0), input, "digamma")


def polygamma(n: int, input: Tensor) -> Tensor:
    """The n-th derivative of digamma. Raises LenetcError for a negative n."""
    order = index_of("polygamma: n", n)
    if order < 0:
        raise LenetcError(f"polygamma: n must not be negative, but it is {order}").at(here())
    return unary("PolygammaBackward0", _with_slope(order), input, "polygamma")


def polygamma_of(input: Tensor, n: int) -> Tensor:
    """polygamma(n, input): the method."""
    return polygamma(n, input)


def mvlgamma(input: Tensor, p: int) -> Tensor:
    """The logarithm of the multivariate gamma function of dimension p. Raises LenetcError for p below 1."""
    size = index_of("mvlgamma: p", p)
    if size < 1:
        raise LenetcError(f"mvlgamma: p must be at least 1, but it is {size}").at(here())
    total = lgamma(input)
    for i in range(1, size):
        total = total + lgamma(input - i / 2)
    return total + size * (size - 1) / 4 * math.log(math.pi)
