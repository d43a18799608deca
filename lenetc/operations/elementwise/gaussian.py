"""Functions of the normal distribution, and its relatives, as PyTorch's torch.special has them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ir import ops
from ir.node import Node
from lenetc.operations.elementwise.exponentials import log1p_of
from lenetc.operations.elementwise.operands import filled, in_f64, smooth, unary
from lenetc.operations.elementwise.special import complement, inverse, scaled_complement

if TYPE_CHECKING:
    from lenetc.tensors.tensor import Tensor

_ROOT = math.sqrt(0.5)
_PEAK = 1 / math.sqrt(2 * math.pi)


def erfcx(input: Tensor) -> Tensor:
    """exp(x * x) * erfc(x), which vanishes nowhere."""

    def slope(x: Node) -> Node:
        return 2.0 * x * scaled_complement(x) - 2 / math.sqrt(math.pi)

    build = smooth(scaled_complement, lambda x, out: in_f64(slope, x))
    return unary("SpecialErfcxBackward0", build, input, "erfcx")


def ndtr(input: Tensor) -> Tensor:
    """The part of a normal distribution that is below x."""
    build = smooth(lambda x: complement(x * -_ROOT) * 0.5, lambda x, out: ops.exp(x * x * -0.5) * _PEAK)
    return unary("SpecialNdtrBackward0", build, input, "ndtr")


def log_ndtr(input: Tensor) -> Tensor:
    """The logarithm of ndtr, exact in the tail too."""

    def value(x: Node) -> Node:
        low = ops.minimum(x, 0.0)
        below = ops.log(scaled_complement(low * -_ROOT) * 0.5) - low * low * 0.5
        over = complement(ops.maximum(x, -1.0) * _ROOT) * -0.5
        above = log1p_of(over)
        return ops.where(ops.less(x, -1.0), below, above)

    def slope(x: Node, out: Node) -> Node:
        return in_f64(lambda x: (2 * _PEAK) / scaled_complement(x * -_ROOT), x)

    build = smooth(value, slope)
    return unary("SpecialLogNdtrBackward0", build, input, "log_ndtr")


def ndtri(input: Tensor) -> Tensor:
    """The inverse of ndtr; infinite at 0 and 1, NaN beyond."""

    def value(p: Node) -> Node:
        upper = ops.greater(p, 0.5)
        rest = 2.0 * ops.where(upper, 1.0 - p, p)
        size = inverse(1.0 - rest, rest) * math.sqrt(2)
        return ops.where(upper, size, -size)

    build = smooth(value, lambda p, out: ops.exp(out * out * 0.5) * math.sqrt(2 * math.pi))
    return unary("SpecialNdtriBackward0", build, input, "ndtri")


def entr(input: Tensor) -> Tensor:
    """-x * log(x), 0 at 0, minus infinity below."""

    def value(x: Node) -> Node:
        found = -x * ops.log(ops.where(ops.equal(x, 0.0), filled(1.0, x), x))
        return ops.where(ops.less(x, 0.0), filled(-math.inf, x), found)

    build = smooth(value, lambda x, out: in_f64(lambda x: -ops.log(x) - 1.0, x))
    return unary("SpecialEntrBackward0", build, input, "entr")
