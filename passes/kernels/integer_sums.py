"""Sums of integers, which runtimes add as floats: in parts so small that every sum of them is exact."""

from __future__ import annotations

from ir import ops
from ir.dims import product
from ir.node import Node
from ir.op import scalar
from ir.types import f64, i64

_EXACT = 53  # bits of an integer that a double holds
_MOST = 31  # bits of the number of elements, where it is not known


def exact_sum(node: Node) -> Node | None:
    """The sum `node` of integers by way of doubles; None where they are no integers, or come from bools, of which there
    are never too many."""
    (x,), axes = node.inputs, node.attrs["axes"]
    if node.dtype.kind != "int" or not axes:
        return None
    source = x.inputs[0] if x.op is ops.cast else x
    if source.dtype.kind == "bool":
        return None
    count = product(tuple(x.shape[axis] for axis in axes))
    size = _EXACT - (count.bit_length() if isinstance(count, int) else _MOST)
    width = 64 if source.dtype is i64 or source.dtype.is_float else 8 * source.dtype.numpy.itemsize
    if (
        node.dtype is not i64 and width <= size
    ):  # one sum of doubles holds it: no number of more than 32 bits is needed
        found = ops.sum(ops.cast(x, dtype=f64), **node.attrs)
        whole = float(1 << 8 * node.dtype.numpy.itemsize)
        return ops.cast(found - ops.floor((found + whole / 2) * (1 / whole)) * whole, dtype=node.dtype)
    wide = x if x.dtype is i64 else ops.cast(x, dtype=i64)
    total: Node | None = None
    for shift in range(0, width, size):
        rest = ops.div(wide, scalar(1 << size, i64)) if shift + size < width else None
        part = wide if rest is None else wide - rest * scalar(1 << size, i64)
        added = ops.cast(ops.sum(ops.cast(part, dtype=f64), **node.attrs), dtype=i64)
        scaled = added if not shift else added * scalar(1 << shift, i64)
        total = scaled if total is None else total + scaled
        wide = part if rest is None else rest
    assert total is not None
    if node.dtype is i64:
        return total
    # Wrapped around by hand: the runtime may merge the casts from f64 to i64 and on, and leave the range.
    half = scalar(1 << (8 * node.dtype.numpy.itemsize - 1), i64)
    return ops.cast(ops.mod(total + half, half * 2) - half, dtype=node.dtype)
