"""Values stored batch-last: a logical [N,C,H,W] as [C,H,W,N], a logical [N,F] as [F,N].

Rows of N numbers lie together, so that moving pixels about is a gather of whole rows and a convolution over
the batch is one large matrix product. An image may besides be stored in blocks of BH x BW neighbouring
pixels, [BH*BW, C, (H/BH)*(W/BW), N]: a pool then finds each kernel position in a plane of its own, and a
convolution computes all pixels of a block in one go, from a window that they share.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeAlias

import numpy as np

from ir import ops
from ir.dims import Dim, Shape, product
from ir.node import Node
from ir.types import Array

Block: TypeAlias = tuple[int, int]
PIXEL: Block = (1, 1)  # no blocks: pixels in row-major order


def reshape(x: Node, shape: Shape) -> Node:
    """ops.reshape, past reshapes below and none where the shape is right already."""
    while x.op is ops.reshape:
        x = x.inputs[0]
    return x if x.shape == shape else ops.reshape(x, shape=shape)


def swap(x: Node) -> Node:
    """The transpose of the last two axes."""
    perm = (*range(x.rank - 2), x.rank - 1, x.rank - 2)
    return x.inputs[0] if x.op is ops.transpose and x.attrs["perm"] == perm else ops.transpose(x, perm=perm)


@dataclass(frozen=True)
class Stored:
    """A value of logical `shape` (batch first), stored batch-last.

    node: [*shape[1:], N], or [BH*BW, C, P, N] where `block` is (BH, BW): plane t, a row-major position in the
    block, holds that pixel of each of the P blocks.
    """

    shape: Shape
    node: Node
    block: Block = PIXEL

    @property
    def batch(self) -> Dim:
        return self.shape[0]

    @property
    def pixels(self) -> tuple[int, int]:
        return int(self.shape[2]), int(self.shape[3])

    def rows(self) -> Node:
        """The elements as rows [C*H*W, N] in the order stored."""
        return reshape(self.node, (product(self.shape[1:]), self.batch))

    def matrix(self) -> Node:
        """[BH*BW*C, P*N]."""
        planes = self.block[0] * self.block[1]
        area = self.pixels[0] * self.pixels[1] // planes
        return reshape(self.node, (planes * self.shape[1], area * self.batch))

    def places(self) -> Array:
        """In which of `rows` pixel (c,h,w) is: i64[C,H*W]."""
        return _places(int(self.shape[1]), self.pixels, self.block)

    def in_blocks(self, block: Block) -> Node:
        """The node stored in blocks of the given size."""
        if block == self.block:
            return self.node
        order = np.empty(self.places().size, np.int64)
        order[_places(int(self.shape[1]), self.pixels, block)] = self.places()
        moved = ops.gather(self.rows(), ops.literal(order), axis=0)
        return store(self.shape, moved, block).node

    def natural(self) -> Node:
        """The node [*shape[1:], N]."""
        return self.in_blocks(PIXEL)


@lru_cache(maxsize=256)
def _places(channels: int, size: tuple[int, int], block: Block) -> Array:
    planes = block[0] * block[1]
    area = size[0] * size[1] // planes
    h, w = np.divmod(np.arange(size[0] * size[1]), size[1])
    plane = h % block[0] * block[1] + w % block[1]
    within = h // block[0] * (size[1] // block[1]) + w // block[1]
    places: Array = (plane * channels + np.arange(channels)[:, None]) * area + within
    return places


def store(shape: Shape, node: Node, block: Block = PIXEL) -> Stored:
    """A node with the elements of a value of logical `shape` in the right order, whatever its own shape."""
    if block == PIXEL:
        return Stored(shape, reshape(node, (*shape[1:], shape[0])))
    planes = block[0] * block[1]
    area = shape[2] * shape[3] // planes
    return Stored(shape, reshape(node, (planes, shape[1], area, shape[0])), block)


def to_batch_last(x: Node) -> Stored:
    """A batch-first node stored batch-last, by a transpose of two axes (a tenth of the cost of four)."""
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


def operand(x: Stored, shape: Shape, block: Block) -> Node:
    """An operand that broadcasts to logical `shape`, as a node that broadcasts to it in blocks."""
    if block == PIXEL:
        return x.natural()
    if x.shape[2:] == (1, 1):
        return reshape(x.natural(), (1, x.shape[1], 1, x.batch))
    if x.shape[2:] != shape[2:]:
        whole = (x.batch, x.shape[1], *shape[2:])
        x = store(whole, ops.broadcast_to(x.natural(), shape=(*whole[1:], x.batch)))
    return x.in_blocks(block)


def parameter(p: Node, shape: Shape, block: Block) -> Node:
    """As `operand`, of one without a batch axis."""
    if p.rank == 0:
        return p
    aligned = (*(1,) * (len(shape) - p.rank), *p.shape)
    assert aligned[0] == 1, f"{p} has a batch axis"
    return operand(store(aligned, p), shape, block)


def fits(size: Any, block: Block) -> bool:
    """Whether blocks tile an image of `size` pixels."""
    return all(isinstance(n, int) and n % b == 0 for n, b in zip(size, block, strict=True))
