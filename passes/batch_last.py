"""Values stored batch-last: a logical [N,C,H,W] as [C,H,W,N], a logical [N,F] as [F,N].

Rows of N numbers lie together, so that moving pixels about is a gather of whole rows and a convolution over
the batch is one large matrix product. The pixels of an image may besides be dealt out to several pieces
[C,P,N] (an `Order`): a pool then reads what each kernel position sees without moving anything, and the
convolution before it computes its pixels in that order for nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from ir import ops
from ir.dims import Dim, Shape, product
from ir.node import Node

# For each piece the pixels (row-major numbers of H*W) that it holds; () is one piece in row-major order.
Order: TypeAlias = tuple[tuple[int, ...], ...]
NATURAL: Order = ()


def reshape(x: Node, shape: Shape) -> Node:
    """ops.reshape, past reshapes below and none where the shape is right already."""
    while x.op is ops.reshape:
        x = x.inputs[0]
    return x if x.shape == shape else ops.reshape(x, shape=shape)


@dataclass(frozen=True)
class Stored:
    """A value of logical `shape` (batch first), stored batch-last.

    pieces: one node [*shape[1:], N] in the natural order, else a node [C,P,N] for each piece of `order`.
    """

    shape: Shape
    pieces: tuple[Node, ...]
    order: Order = NATURAL

    @property
    def batch(self) -> Dim:
        return self.shape[0]

    def natural(self) -> Node:
        """The one node [*shape[1:], N]."""
        if self.order == NATURAL:
            return self.pieces[0]
        places = np.argsort(np.concatenate([np.asarray(piece) for piece in self.order]))
        joined = ops.gather(ops.concat(*self.pieces, axis=1), ops.literal(places), axis=1)
        return reshape(joined, (*self.shape[1:], self.batch))

    def rows(self) -> Node:
        """The one node [C*H*W, N]."""
        return reshape(self.natural(), (product(self.shape[1:]), self.batch))

    def ordered(self, order: Order) -> tuple[Node, ...]:
        """Pieces [C,P,N] in `order`."""
        if order == self.order != NATURAL:
            return self.pieces
        pixels = reshape(self.natural(), (self.shape[1], self.shape[2] * self.shape[3], self.batch))
        return tuple(ops.gather(pixels, ops.literal(np.asarray(p)), axis=1) for p in order) or (pixels,)


def store(shape: Shape, node: Node) -> Stored:
    """A node that holds all of [C,H,W,N] in the natural order, whatever its shape."""
    return Stored(shape, (reshape(node, (*shape[1:], shape[0])),))


def to_batch_last(x: Node) -> Stored:
    """A batch-first node stored batch-last, by a transpose of two axes (a tenth of the cost of one of four)."""
    n, rest = x.shape[0], product(x.shape[1:])
    if n == 1 or x.rank == 1:
        return store(x.shape, x)
    return store(x.shape, swap(reshape(x, (n, rest))))


def to_batch_first(x: Stored) -> Node:
    """The logical value, batch first."""
    n, rest = x.batch, product(x.shape[1:])
    if n == 1 or len(x.shape) == 1:
        return reshape(x.natural(), x.shape)
    return reshape(swap(reshape(x.natural(), (rest, n))), x.shape)


def operand(x: Stored, shape: Shape, order: Order) -> tuple[Node, ...]:
    """Pieces of an operand that broadcasts to logical `shape`: one natural node, or one for each of `order`."""
    if not order:
        return (x.natural(),)
    if x.shape[2:] == (1, 1):
        return (reshape(x.natural(), (x.shape[1], 1, x.batch)),) * len(order)
    whole = (x.shape[1], *shape[2:], x.batch)
    if x.shape[2:] != shape[2:]:
        x = store((x.batch, *whole[:-1]), ops.broadcast_to(x.natural(), shape=whole))
    return x.ordered(order)


def parameter(p: Node, shape: Shape, order: Order) -> tuple[Node, ...]:
    """Pieces of an operand without a batch axis, as `operand`."""
    if p.rank == 0:
        return (p,) * max(len(order), 1)
    aligned = (*(1,) * (len(shape) - p.rank), *p.shape)
    assert aligned[0] == 1, f"{p} has a batch axis"
    return operand(store(aligned, p), shape, order)


def swap(x: Node) -> Node:
    """The transpose of a matrix."""
    return x.inputs[0] if x.op is ops.transpose and x.attrs["perm"] == (1, 0) else ops.transpose(x, perm=(1, 0))


def phases(size: Any, out: Any, kernel: Any, stride: Any, padding: Any, dilation: Any) -> Order:
    """The order in which piece t holds what kernel position t sees, where every pixel is seen just once."""
    order = tuple(map(tuple, window_pixels(size, out, kernel, stride, padding, dilation).tolist()))
    seen = sorted(pixel for piece in order for pixel in piece)
    return order if seen == list(range(size[0] * size[1])) else NATURAL


def window_pixels(size: Any, out: Any, kernel: Any, stride: Any, padding: Any, dilation: Any) -> Any:
    """For each kernel position and window the pixel that it sees, i64[KH*KW, OH*OW]; H*W outside of the image."""
    axes = []
    for n, o, k, s, p, d in zip(size, out, kernel, stride, padding, dilation, strict=True):
        axes.append(np.arange(k)[:, None] * d + np.arange(o) * s - p)
    rows, columns = axes[0][:, None, :, None], axes[1][None, :, None, :]
    inside = (rows >= 0) & (rows < size[0]) & (columns >= 0) & (columns < size[1])
    pixels = np.where(inside, rows * size[1] + columns, size[0] * size[1])
    return pixels.reshape(kernel[0] * kernel[1], out[0] * out[1])
