"""Elements repeated: expanded, tiled."""

from __future__ import annotations

from collections.abc import Sequence

from ir.errors import ShapeError
from lenetc.importer.registry import operator
from lenetc.importer.values import Sizes, numbers
from lenetc.tensors.tensor import Tensor


@operator
def Expand(x: Tensor, shape: Sizes, /) -> Tensor:
    """`x` and `shape` are broadcast against each other, so that either may have the 1."""
    return x.expand(broadcast(x.shape, numbers(shape)))


def broadcast(own: Sequence[int], sizes: Sequence[int]) -> list[int]:
    """The shape that both are broadcast to. Raises ShapeError where a size differs."""
    rank = max(len(own), len(sizes))
    left, right = ([1] * (rank - len(shape)) + [*shape] for shape in (own, sizes))
    for a, b in zip(left, right, strict=True):
        if a != b and a != 1 and b != 1:
            raise ShapeError(
                f"[{', '.join(map(str, own))}] does not expand to [{', '.join(map(str, sizes))}]"
            )
    return [b if a == 1 else a for a, b in zip(left, right, strict=True)]


@operator
def Tile(x: Tensor, repeats: Sizes, /) -> Tensor:
    return x.tile(numbers(repeats))
