"""Elements that several tensors of positions pick: one place in the axes they are of, taken together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ir import ops
from ir.dims import Dim, Shape, product
from ir.errors import BoundsError, ShapeError
from ir.node import Node
from ir.ops.rules import broadcast_shapes
from ir.types import bool_, i32, i64
from lenetc.evaluation.tracing import here


def from_front(positions: Node, size: Dim) -> Node:
    """Positions that may be negative, counted from the front of an axis of `size`."""
    count = ops.cast(ops.dim(size=size), dtype=positions.dtype)
    return ops.where(ops.less(positions, 0), positions + count, positions)


@dataclass(frozen=True)
class Places:
    """Axes of a tensor of `shape` with positions along them, of shapes that broadcast to `picked`.

    The axes, moved together to `at` among the others and joined, are one axis that the positions pick from.
    """

    shape: Shape
    axes: tuple[int, ...]
    picked: Shape
    at: int

    @classmethod
    def of(cls, shape: Shape, axes: Sequence[int], positions: Sequence[Shape]) -> Places:
        """Raises BoundsError, an IndexError, for positions that do not broadcast.

        What is picked stands where the first of the axes does if they are neighbours, else in front; positions
        without dimensions count as an int does, which leaves its axis out before.
        """
        try:
            picked = broadcast_shapes("indexing", *positions)
        except ShapeError as error:
            raise BoundsError(f"shape mismatch: {error}").at(here()) from None
        leading = [axis for axis, its in zip(axes, positions, strict=True) if its] or list(axes[:1])
        others = [axis for axis in range(len(shape)) if axis not in axes]
        before = [sum(axis < first for axis in others) for first in leading]
        return cls(shape, tuple(axes), picked, before[0] if len(set(before)) == 1 else 0)

    def others(self) -> tuple[int, ...]:
        return tuple(axis for axis in range(len(self.shape)) if axis not in self.axes)

    def order(self) -> tuple[int, ...]:
        """The axes, those of the positions together."""
        return (*self.others()[: self.at], *self.axes, *self.others()[self.at :])

    def around(self, middle: Shape) -> Shape:
        """The shape of the other axes with `middle` in between."""
        kept = [self.shape[axis] for axis in self.others()]
        return (*kept[: self.at], *middle, *kept[self.at :])

    def result(self) -> Shape:
        return self.around(self.picked)

    def joined(self, a: Node) -> Node:
        """`a` with the axes of the positions as one."""
        moved = a if self.order() == tuple(range(a.rank)) else ops.transpose(a, perm=self.order())
        sizes = tuple(self.shape[axis] for axis in self.axes)
        return _reshaped(moved, self.around((product(sizes),)))

    def apart(self, a: Node) -> Node:
        """What `joined` joined."""
        moved = _reshaped(a, tuple(self.shape[axis] for axis in self.order()))
        back = tuple(int(i) for i in np.argsort(self.order()))
        return moved if back == tuple(range(moved.rank)) else ops.transpose(moved, perm=back)

    def numbers(self, positions: Sequence[Node]) -> Node:
        """The positions along the joined axis, of shape `picked`."""
        sizes = [self.shape[axis] for axis in self.axes]
        found = [from_front(p, size) for p, size in zip(positions, sizes, strict=True)]
        if len(found) == 1:
            return found[0]
        total: Node | None = None
        for place, size in zip(found, sizes, strict=True):
            place = place if place.dtype is i64 else ops.cast(place, dtype=i64)
            total = place if total is None else total * ops.dim(size=size) + place
        assert total is not None
        return total if total.shape == self.picked else ops.broadcast_to(total, shape=self.picked)

    def read(self, a: Node, positions: Sequence[Node]) -> Node:
        """What the positions pick of `a`."""
        return ops.gather(self.joined(a), self.numbers(positions), axis=self.at)

    def write(self, a: Node, value: Node, positions: Sequence[Node], accumulate: bool = False) -> Node:
        """`a` with `value`, of the shape `result`, where the positions say: the last one of several, or added."""
        joined, numbers = self.joined(a), self.numbers(positions)
        count = numbers.ty.size
        flat = _reshaped(value, self.around((count,)))
        places = ops.reshape(numbers, shape=(count,))
        if accumulate:
            return self.apart(plus(joined, places, flat, self.at))
        return self.apart(scattered(joined, places, flat, self.at))


def plus(a: Node, places: Node, value: Node, axis: int) -> Node:
    """`a` with the slices of `value` along `axis` added where `places` [I] say; bools are added as PyTorch's: or."""
    if a.dtype is bool_:
        found = plus(ops.cast(a, dtype=i32), places, ops.cast(value, dtype=i32), axis)
        return ops.cast(found, dtype=bool_)
    return a + ops.scatter_add(value, places, axis=axis, size=a.shape[axis])


def scattered(a: Node, places: Node, value: Node, axis: int) -> Node:
    """`a` with the slices of `value` along `axis` where `places` [I] say, the last one of several."""
    along = tuple(places.shape[0] if i == axis else 1 for i in range(a.rank))
    indices = ops.broadcast_to(ops.reshape(places, shape=along), shape=value.shape)
    return ops.scatter(a, indices, value, axis=axis)


def _reshaped(a: Node, shape: Shape) -> Node:
    return a if a.shape == shape else ops.reshape(a, shape=shape)
