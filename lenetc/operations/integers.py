"""Integer arithmetic as formulas over the IR's operations, exact over the whole range of each dtype."""

from __future__ import annotations

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
