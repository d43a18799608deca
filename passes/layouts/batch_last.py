"""Values stored batch-last: a logical [N,C,H,W] as [C,H,W,N], a logical [N,F] as [F,N].

Rows of N numbers lie together, so that moving pixels about is a gather of whole rows and a convolution over
the batch is one large matrix product. An image may besides be stored in blocks of BH x BW neighbouring
pixels, [BH*BW, C, (H/BH)*(W/BW), N]: a pool then finds each kernel position in a plane of its own, and a
convolution computes all pixels of a block in one go, from a window that they share.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

from ir import ops
from ir.dims import Dim, Shape, product
from ir.node import Node
from passes.layouts.indices import count

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

    def in_blocks(self, block: Block) -> Node:
        """The node stored in blocks of the given size."""
        if block == self.block:
            return self.node
        return store(self.shape, ops.gather(self.rows(), self._order(block), axis=0), block).node

    def _order(self, block: Block) -> Node:
        """In which of `rows` each pixel is, by its place where the image is in blocks: i32[BH,BW,C,H/BH,W/BW]."""
        (height, width), channels = self.pixels, int(self.shape[1])
        area = height * width // (self.block[0] * self.block[1])
        h = count(block[0], 0, 5) + count(height // block[0], 3, 5, block[0])
        w = count(block[1], 1, 5) + count(width // block[1], 4, 5, block[1])
        rows = place(h, self.block[0], self.block[1] * channels * area, width // self.block[1])
        return rows + place(w, self.block[1], channels * area, 1) + count(channels, 2, 5, area)

    def natural(self) -> Node:
        """The node [*shape[1:], N]."""
        return self.in_blocks(PIXEL)


def place(pixel: Node, block: int, plane: int, row: int) -> Node:
    """Where pixels along one axis of a stored image are: `plane` rows on for each position in a block, `row` for each
    block."""
    if block == 1:
        return pixel * row if row > 1 else pixel
    return ops.mod(pixel, block) * plane + ops.div(pixel, block) * row


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
