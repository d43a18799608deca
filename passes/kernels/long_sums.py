"""Long sums in parts: the runtime adds one number after another, so that of a million equal ones a thousandth is lost.

Added in two steps, of about the square root as many each, they lose no more than short ones do (N. J. Higham, The
accuracy of floating point summation, 1993). Running sums are added in f64, as PyTorch does.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from itertools import groupby

from ir import ops
from ir.dims import Dim, product
from ir.node import Node
from ir.types import f32, f64

_LONG = 1 << 15  # numbers in a row; the sums of small networks are shorter
_RUNNING = 1 << 10  # numbers of a running sum


def is_long(size: Dim) -> bool:
    """Whether so many numbers are to be added in parts; no, where it is not known."""
    return isinstance(size, int) and size > _LONG


def in_parts(x: Node, axis: int) -> Node:
    """x with two axes in the place of a long one, and zeros behind where it does not divide."""
    size = int(x.shape[axis])
    root = math.isqrt(size)
    part = next((size // n for n in range(root, root // 4, -1) if size % n == 0), root)
    parts = -(-size // part)
    if parts * part > size:
        high = tuple(parts * part - size if i == axis else 0 for i in range(x.rank))
        x = ops.pad(x, low=(0,) * x.rank, high=high, value=0.0)
    return ops.reshape(x, shape=(*x.shape[:axis], parts, part, *x.shape[axis + 1 :]))


def sum_in_parts(x: Node, *, axes: tuple[int, ...], keepdims: bool = False) -> Node | None:
    """The sum, with rows of neighbouring axes that are known to be long added in two steps; None where none is."""
    if x.dtype not in (f32, f64):
        return None
    merged: list[Dim] = []
    long: list[int] = []
    other: list[int] = []
    for added, run in groupby(range(x.rank), key=lambda axis: axis in axes):
        sizes = [x.shape[axis] for axis in run]
        if added and is_long(row := product(tuple(sizes))):
            long.append(len(merged))
            merged.append(row)
        else:
            other += range(len(merged), len(merged) + len(sizes)) if added else ()
            merged += sizes
    if not long:
        return None
    y = ops.reshape(x, shape=tuple(merged))
    for axis in reversed(long):
        y = in_parts(y, axis)
        y = ops.sum(y, axes=(axis + 1,))
    y = ops.sum(y, axes=tuple(sorted((*long, *other))))
    return ops.reshape(y, shape=ops.sum(x, axes=axes, keepdims=keepdims).shape)


def product_in_parts(x: Node, y: Node) -> Node | None:
    """The product of two long vectors, [1,K] and [K,1], as the sum of those of their parts."""
    if x.dtype not in (f32, f64) or (x.shape[:-1], y.shape[1:]) != ((1,), (1,)) or not is_long(x.shape[-1]):
        return None
    rows, columns = in_parts(x, 1), in_parts(y, 0)
    parts, part = columns.shape[:2]
    products = ops.reshape(rows, shape=(parts, 1, part)) @ columns
    return ops.sum(products, axes=(0,))


def running_sum(x: Node, *, axis: int, reverse: bool = False) -> Node | None:
    """The running sum, a long one in f64."""
    size = x.shape[axis]
    if x.dtype is not f32 or (isinstance(size, int) and size <= _RUNNING):
        return None
    return ops.cast(ops.cumsum(ops.cast(x, dtype=f64), axis=axis, reverse=reverse), dtype=f32)


def tells(nodes: Iterable[Node]) -> Iterator[Node]:
    """Sums of which is only asked whether they are finite, which decides what a cond computes."""
    for node in nodes:
        if node.op is ops.cond:
            waiting = [node.inputs[0]]
            while waiting:
                found = waiting.pop()
                if found.op is ops.sum:
                    yield found
                elif found.op in (ops.less, ops.greater, ops.abs, ops.add):
                    waiting += found.inputs
