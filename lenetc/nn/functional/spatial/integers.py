"""Convolutions and pools of integers, for which the runtime has no kernels: exact formulas over what windows see."""

from __future__ import annotations

from typing import Any

import numpy as np

from ir import ops
from ir.dims import Dim, product
from ir.node import Node
from ir.ops.windows import Window
from ir.types import i64
from lenetc.nn.functional.spatial.windows import padded, part, windows
from lenetc.operations import integers


def convolved(how: dict[str, Any], x: Node, w: Node, *bias: Node) -> Node:
    """The convolution of x[N,C,...] with w[O,C/groups,...], over as many axes as they have behind the channels."""
    dims, groups = x.rank - 2, how["groups"]
    seen = x
    for i in range(dims):  # [N,C,K,...,OL,...], an axis of either kind for each
        side, axis = how["padding"][i], 2 + 2 * i
        seen = padded(seen, axis, side, side)
        moves = {"stride": how["stride"][i], "dilation": how["dilation"][i]}
        seen = windows(seen, axis, int(w.shape[2 + i]), **moves, at=2 + i)
    n, out = x.shape[0], seen.shape[2 + dims :]
    columns = ops.reshape(seen, shape=(n, groups, product(w.shape[1:]), product(out)))
    rows = ops.reshape(w, shape=(groups, w.shape[0] // groups, product(w.shape[1:])))
    y = ops.reshape(integers.matmul(rows, columns), shape=(n, w.shape[0], *out))
    return y + ops.reshape(bias[0], shape=(w.shape[0], *(1,) * dims)) if bias else y


def transposed(how: dict[str, Any], sizes: list[Dim], x: Node, w: Node) -> Node:
    """The transpose of a convolution with w[C,O/groups,...]: x[N,C,...] -> [N,O,*sizes]. Zeros between the elements of
    x make it a convolution with the kernel turned around."""
    dims, groups = x.rank - 2, how["groups"]
    for i, size in enumerate(sizes):
        axis, step, side = 2 + i, how["stride"][i], how["padding"][i]
        reach = how["dilation"][i] * (int(w.shape[axis]) - 1)
        lead, tail, count = x.shape[:axis], x.shape[axis + 1 :], x.shape[axis]
        apart = padded(ops.reshape(x, shape=(*lead, count, 1, *tail)), axis + 1, 0, step - 1)
        x = ops.reshape(apart, shape=(*lead, count * step, *tail))
        x = padded(part(x, axis, 0, (count - 1) * step + 1), axis, reach, reach)
        x = padded(x, axis, 0, max(int(side + size + reach - x.shape[axis]), 0))
        x = part(x, axis, side, side + size + reach)
    c, o = int(w.shape[0]) // groups, int(w.shape[1])
    turned = ops.reshape(ops.reverse(w, axes=tuple(range(2, w.rank))), shape=(groups, c, o, *w.shape[2:]))
    turned = ops.transpose(turned, perm=(0, 2, 1, *range(3, turned.rank)))
    moves = {
        "stride": (1,) * dims,
        "padding": (0,) * dims,
        "dilation": how["dilation"],
        "groups": groups,
    }
    return convolved(moves, x, ops.reshape(turned, shape=(groups * o, c, *w.shape[2:])))


def seen_by(x: Node, how: dict[str, Any], fill: int) -> Node:
    """What the windows of a pool see of x[N,C,H,W]: [N,C,KH*KW,OH,OW], `fill` outside of it."""
    window = Window.of(how)
    out = window.out(x.shape[2:])
    for i, reach in enumerate(window.reach(out)):
        axis, side, dilation = 2 + 2 * i, window.padding[i], window.dilation[i]
        x = padded(x, axis, side, max(int(reach - x.shape[axis] - side), 0), fill)
        x = part(x, axis, 0, reach)
        x = windows(x, axis, window.kernel[i], stride=window.stride[i], dilation=dilation, at=2 + i)
    n, c, height, width = *x.shape[:2], *x.shape[4:]
    return ops.reshape(x, shape=(n, c, window.kernel[0] * window.kernel[1], height, width))


def sums(x: Node, how: dict[str, Any]) -> Node:
    """The sum of each window of x[N,C,H,W]."""
    return ops.sum(seen_by(x, how, 0), axes=(2,))


def first_largest(x: Node, how: dict[str, Any]) -> tuple[Node, Node]:
    """The largest element of each window of x[N,C,H,W], and which of the window it is, for `taken`."""
    # In i64 padding is less than every other integer, and so never the first of equal ones.
    wide = x if x.dtype is i64 else ops.cast(x, dtype=i64)
    seen = seen_by(wide, how, int(np.iinfo(np.int64).min))
    largest = ops.reduce_max(seen, axes=(2,))
    return largest if x.dtype is i64 else ops.cast(largest, dtype=x.dtype), ops.argmax(
        seen, axis=2, keepdims=True
    )


def taken(places: Node, chosen: Node, how: dict[str, Any]) -> Node:
    """The element of each window of places[N,C,H,W] that is chosen."""
    found = ops.take_along_axis(seen_by(places, how, 0), chosen, axis=2)
    return ops.reshape(found, shape=(*found.shape[:2], *found.shape[3:]))
