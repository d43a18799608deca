"""What windows see, batch-first: strided slices, one for each kernel position.

A "tap" is what one kernel position sees: x[N,C,H,W] -> [N,C,OH,OW]. Everything a window does is a formula
over its taps, and the transpose of a tap puts zeros between and around its elements.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import Any

from ir import ops
from ir.node import Node
from ir.ops.windows import Pair, Window
from passes.layouts.indices import below, count, value


def taps(
    x: Node, out: Sequence[Any], kernel: Pair, stride: Pair, padding: Pair, dilation: Pair, fill: float = 0.0
) -> list[Node]:
    """What each kernel position (row-major) sees of x[N,C,H,W]: nodes [N,C,OH,OW]; `fill` outside of x."""
    reach = Window(kernel, stride, padding, dilation).reach((out[0], out[1]))
    high = [max(r - p - n, 0) for r, p, n in zip(reach, padding, x.shape[2:], strict=True)]
    if any(padding) or any(high):
        x = ops.pad(x, low=(0, 0, *padding), high=(0, 0, *high), value=fill)
    spans = [(o - 1) * s + 1 for o, s in zip(out, stride, strict=True)]
    return [
        ops.slice(
            x,
            starts=(0, 0, i * dilation[0], j * dilation[1]),
            stops=(*x.shape[:2], i * dilation[0] + spans[0], j * dilation[1] + spans[1]),
            steps=(1, 1, *stride),
        )
        for i in range(kernel[0])
        for j in range(kernel[1])
    ]


def outside(
    size: Sequence[Any], out: Sequence[Any], kernel: Pair, stride: Pair, padding: Pair, dilation: Pair
) -> list[Node | None]:
    """For each kernel position where it is outside of an image of `size`: bool[OH,OW], None where it never is; [] where
    none ever is, as in an image of any size without padding."""
    if not any(padding) and not all(isinstance(n, int) for n in (*size, *out)):
        return []
    rows, columns = (
        [_outside(count(int(o), axis, 2, s, i * d - p), int(n)) for i in range(k)]
        for axis, (n, o, k, s, p, d) in enumerate(
            zip(size, out, kernel, stride, padding, dilation, strict=True)
        )
    )
    both = [[mask for mask in (row, column) if mask is not None] for row in rows for column in columns]
    if not any(both):
        return []
    shape = (int(out[0]), int(out[1]))
    found = [reduce(ops.logical_or, masks) if masks else None for masks in both]
    return [
        mask if mask is None or mask.shape == shape else ops.broadcast_to(mask, shape=shape) for mask in found
    ]


def _outside(places: Node, size: int) -> Node | None:
    """Which places along one axis are outside of an image; None where all are inside."""
    inside = below(places, size)
    return None if value(inside).all() else ops.logical_not(inside)


def untaps(
    pieces: Sequence[Node], size: Sequence[Any], kernel: Pair, stride: Pair, padding: Pair, dilation: Pair
) -> Node:
    """The transpose of `taps`: a piece [N,C,OH,OW] for each kernel position, added up into [N,C,*size]."""
    n, c, oh, ow = pieces[0].shape
    wide = [o * s for o, s in zip((oh, ow), stride, strict=True)]
    full = [
        max(p + m, (k - 1) * d + w)
        for p, m, k, d, w in zip(padding, size, kernel, dilation, wide, strict=True)
    ]
    placed = []
    for index, piece in enumerate(pieces):
        if stride != (1, 1):
            piece = ops.reshape(piece, shape=(n, c, oh, 1, ow, 1))
            piece = ops.pad(piece, low=(0,) * 6, high=(0, 0, 0, stride[0] - 1, 0, stride[1] - 1))
            piece = ops.reshape(piece, shape=(n, c, *wide))
        top, left = (a * d for a, d in zip(divmod(index, kernel[1]), dilation, strict=True))
        high = (0, 0, full[0] - top - wide[0], full[1] - left - wide[1])
        placed.append(ops.pad(piece, low=(0, 0, top, left), high=high) if any(high) or top or left else piece)
    total = reduce(ops.add, placed)
    stops = (n, c, padding[0] + size[0], padding[1] + size[1])
    return (
        total
        if total.shape == stops and not any(padding)
        else ops.slice(total, starts=(0, 0, *padding), stops=stops, steps=(1,) * 4)
    )
