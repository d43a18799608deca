"""Integer arithmetic as formulas over the IR's operations, exact over the whole range of each dtype."""

from __future__ import annotations

import numpy as np

from ir import ops
from ir.errors import ShapeError
from ir.node import Graph, Node
from ir.op import leaf, scalar
from ir.ops.rules import broadcast_shapes, same_dtype
from ir.types import Type, bool_, i64, u8


def negated(x: Node) -> Node:
    """-x, which wraps around for u8 and for the smallest integer."""
    return 0 - x if x.dtype is u8 else ops.neg(x)


def inverted(x: Node) -> Node:
    """Every bit of x the other way round: the largest becomes the smallest, and nothing overflows."""
    if x.dtype is bool_:
        return ops.logical_not(x)
    return (255 if x.dtype is u8 else -1) - x


def truncated(x: Node, y: Node) -> Node:
    """x / y towards zero. The runtime raises for a divisor of 0, and would end the process for the smallest by -1."""
    if not _may_be_minus_one(y):
        return ops.div(x, y)
    opposite = ops.equal(y, -1)
    return ops.where(opposite, negated(x), ops.div(x, ops.where(opposite, _filled(1, y), y)))


def floored(x: Node, y: Node) -> Node:
    """The largest integer not above x / y."""
    quotient = truncated(x, y)
    if x.dtype is u8:
        return quotient
    rest = remainder(x, y)
    below = ops.logical_and(
        ops.logical_not(ops.equal(rest, 0)), ops.logical_not(ops.equal(ops.less(x, 0), ops.less(y, 0)))
    )
    return quotient - ops.cast(below, dtype=x.dtype)


def remainder(x: Node, y: Node) -> Node:
    """x - floored(x, y) * y, with the sign of y."""
    if _may_be_minus_one(y):
        y = ops.where(ops.equal(y, -1), _filled(1, y), y)
    return ops.mod(x, y)


def fmod(x: Node, y: Node) -> Node:
    """x - truncated(x, y) * y, with the sign of x."""
    return x - truncated(x, y) * y


def _may_be_minus_one(y: Node) -> bool:
    return y.dtype is not u8 and not (y.op is ops.const and -1 not in y.attrs["value"].array)


def shifted_left(x: Node, y: Node) -> Node:
    """x * 2^y, wrapped around; 0 where y is none of the places of a bit."""
    inside, factor = _bit(y)
    return ops.where(inside, x * factor, _filled(0, x))


def shifted_right(x: Node, y: Node) -> Node:
    """The largest integer not above x / 2^y: 0 or -1 where y is none of the places of a bit."""
    bits = 8 * x.dtype.itemsize
    inside, factor = _bit(y)
    if x.dtype is u8:
        return ops.where(inside, ops.div(x, factor), _filled(0, x))
    sign = ops.where(ops.less(x, 0), _filled(-1, x), _filled(0, x))
    inside = ops.logical_and(inside, ops.less(y, bits - 1))  # 2^(bits - 1) is negative
    return ops.where(inside, floored(x, ops.where(inside, factor, _filled(1, y))), sign)


def _bit(y: Node) -> tuple[Node, Node]:
    """Whether y is the place of a bit, and the integer in which that one is set."""
    bits = 8 * y.dtype.itemsize
    table = ops.literal(np.left_shift(np.asarray(1, y.dtype.numpy), np.arange(bits).astype(y.dtype.numpy)))
    inside = ops.logical_and(ops.less(y, bits), ops.logical_not(ops.less(y, 0)))
    place = ops.cast(ops.where(inside, y, _filled(0, y)), dtype=i64)
    return inside, ops.gather(table, place, axis=0)


def greatest_common_divisor(x: Node, y: Node) -> Node:
    """Of the sizes of x and y, by Euclid's algorithm: as many steps as the smallest and the next Fibonacci number of
    the dtype take. The least number of a dtype is its own size, so the remainders may be negative, and the result."""
    shape = broadcast_shapes("gcd", x.shape, y.shape)
    x, y = (ops.broadcast_to(v if v.dtype is u8 else ops.abs(v), shape=shape) for v in (x, y))
    a, b = (leaf(name, x.ty) for name in ("a", "b"))
    zero = ops.equal(b, 0)
    rest = ops.mod(a, ops.where(zero, _filled(1, b), b))
    following = (("a", ops.where(zero, a, b)), ("b", ops.where(zero, b, rest)))
    steps = int(8 * x.dtype.itemsize * 1.5)
    run = ops.scan(x, y, body=Graph.make("euclid", (a, b), following), carries=2, sequences=0, length=steps)
    found = ops.get(run, index=0)
    return found if x.dtype is u8 else ops.abs(found)


def to_power(x: Node, exponent: int) -> Node:
    """x to a whole number that is not negative, by squaring."""
    result: Node | None = None
    while exponent:
        if exponent & 1:
            result = x if result is None else result * x
        exponent >>= 1
        x = x * x if exponent else x
    return _filled(1, x) if result is None else result


def power(x: Node, y: Node) -> Node:
    """x to the y, bit by bit of y: integers that wrap around as products do.

    To a negative power 1 and -1 stay of size 1, and all other integers become 0, as in PyTorch.
    """
    shape = broadcast_shapes("pow", x.shape, y.shape)
    x, y = ((v if v.shape == shape else ops.broadcast_to(v, shape=shape)) for v in (x, y))
    one = _filled(1, x)
    if x.dtype is not u8:
        is_negative = ops.less(y, 0)
        x = ops.where(is_negative, _reciprocal(x), x)
        # Of the exponent of a reciprocal only the last bit matters, and that there is one.
        y = ops.where(is_negative, ops.mod(y, 2) + 2, y)
    bits = 8 * x.dtype.numpy.itemsize - (x.dtype is not u8)
    run = ops.scan(one, x, y, body=_squaring(x.ty), carries=3, sequences=0, length=bits)
    return ops.get(run, index=0)


def matmul(x: Node, y: Node) -> Node:
    """[..., M, K] @ [..., K, L] of integers: products added up in i64, of which narrower ones keep the low bits.

    Raises DTypeError and ShapeError where ops.matmul would.
    """
    dtype = same_dtype("matmul", x.ty, y.ty)
    if x.shape[-1] != y.shape[-2]:
        raise ShapeError(
            f"matmul: {x.type} and {y.type} do not multiply: the last axis of the first must equal the one but last "
            "of the second"
        )
    x, y = (v if dtype is i64 else ops.cast(v, dtype=i64) for v in (x, y))
    rows = ops.reshape(x, shape=(*x.shape, 1))
    columns = ops.reshape(y, shape=(*y.shape[:-2], 1, *y.shape[-2:]))
    product = rows * columns
    total = ops.sum(product, axes=(product.rank - 2,))
    return total if dtype is i64 else ops.cast(total, dtype=dtype)


def _reciprocal(x: Node) -> Node:
    """1 / x as a whole number: x for 1 and -1, else 0."""
    return ops.where(ops.logical_or(ops.equal(x, 1), ops.equal(x, -1)), x, _filled(0, x))


def _filled(value: int, like: Node) -> Node:
    return ops.broadcast_to(scalar(value, like.dtype), shape=like.shape)


def _squaring(type: Type) -> Graph:
    """One bit of the exponent: multiply the result by the base where it is set, and square the base."""
    result, base, exponent = (leaf(name, type) for name in ("result", "base", "exponent"))
    grown = ops.where(ops.equal(ops.mod(exponent, 2), 1), result * base, result)
    following = (("result", grown), ("base", base * base), ("exponent", ops.div(exponent, 2)))
    return Graph.make("squaring", (result, base, exponent), following)
