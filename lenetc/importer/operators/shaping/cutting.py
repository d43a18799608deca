"""Parts of values, and values put together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from ir.dims import Dim, Poly
from ir.errors import ShapeError
from lenetc.importer.records import OnnxNode
from lenetc.importer.registry import operator
from lenetc.importer.values import Sizes, listed, numbers
from lenetc.operations.shaping import cat
from lenetc.tensors.tensor import Tensor

_FAR = 2**31 - 2  # from here on numbers say no place, but an end of the axis
_NO_END = (2**31 - 1, 2**63 - 1)  # as an end the axis' end in either direction


@operator
def Concat(*xs: Tensor, axis: int) -> Tensor:
    return cat(list(xs), dim=axis)


@operator
def Split(
    x: Tensor,
    split_: Sizes | None = None,
    /,
    *,
    axis: int = 0,
    split: Sequence[int] | None = None,
    num_outputs: int | None = None,
    node: OnnxNode,
) -> tuple[Tensor, ...]:
    """Pieces of the sizes given; of equal ones otherwise, of which the last may be smaller with num_outputs."""
    return tuple(x[part] for part in pieces(x.shape, axis, listed(split_, split), num_outputs, node))


def pieces(
    shape: Sequence[Dim], axis: int, sizes: list[Any], num_outputs: int | None, node: OnnxNode
) -> list[tuple[slice, ...]]:
    """The index of each piece."""
    axis = axis % len(shape)
    size = shape[axis]
    if not sizes:
        count = num_outputs or len(node.outputs)
        if isinstance(size, Poly) or (num_outputs is None and size % count == 0):
            sizes = [size // count] * count
        elif num_outputs is None:
            raise ShapeError(f"an axis of {size} is not split into {count} equal parts")
        else:
            each = -(-size // count)
            sizes = [each] * (count - 1) + [size - each * (count - 1)]
    if sum(sizes) != size or any(part < 0 for part in sizes):
        raise ShapeError(f"parts of {sizes} elements are not an axis of {size}")
    found, low = [], cast(Dim, 0)
    for part in sizes:
        found.append((slice(None),) * axis + (slice(low, low + part),))
        low = low + part
    return found


@operator
def Slice(
    x: Tensor,
    starts_: Sizes | None = None,
    ends_: Sizes | None = None,
    axes_: Sizes | None = None,
    steps: Sizes | None = None,
    /,
    *,
    starts: Sequence[int] | None = None,
    ends: Sequence[int] | None = None,
    axes: Sequence[int] | None = None,
) -> Tensor:
    index, backwards = bounds(
        x.shape, listed(starts_, starts), listed(ends_, ends), listed(axes_, axes), numbers(steps)
    )
    found = x[index]
    return found.flip(backwards) if backwards else found


def bounds(
    shape: Sequence[Dim], starts: list[Dim], ends: list[Dim], axes: list[int], steps: list[int]
) -> tuple[tuple[slice, ...], list[int]]:
    """The index of the part, with steps above 0, and the axes that are turned around afterwards."""
    axes = axes or list(range(len(starts)))
    steps = steps or [1] * len(starts)
    if not len(starts) == len(ends) == len(axes) == len(steps):
        raise ShapeError(f"starts {starts}, ends {ends}, axes {axes} and steps {steps} are not as many")
    index, backwards = [slice(None)] * len(shape), []
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        if not -len(shape) <= axis < len(shape) or not step:
            raise ShapeError(f"axis {axis} of {len(shape)} is cut in steps of {step}")
        if step < 0:
            backwards.append(axis % len(shape))
        cut = _forward if step > 0 else _backward
        index[axis] = cut(start, end, step, shape[axis])
    return tuple(index), backwards


def _place(at: Dim, size: Dim, least: int, most: int) -> Dim:
    """`at` counted from the front, between `least` and size + `most` as far as sizes are known."""
    if isinstance(at, int) and abs(at) >= _FAR:
        return least if at < 0 else size + most
    at = size + at if at < 0 else at
    if isinstance(at, int) and isinstance(size, int):
        return min(max(at, least), size + most)
    return at


def _forward(start: Dim, end: Dim, step: int, size: Dim) -> slice:
    low, high = _place(start, size, 0, 0), _place(end, size, 0, 0)
    if isinstance(low, int) and isinstance(high, int):
        high = max(low, high)
    return slice(low, high, step)


def _backward(start: Dim, end: Dim, step: int, size: Dim) -> slice:
    """The elements of start, start + step, ... before end, from the last one on."""
    high = _place(start, size, 0, -1)
    low = -1 if end in _NO_END else _place(end, size, -1, -1)
    count: Any = (high - low - step - 1) // -step if step < -1 else high - low
    if isinstance(count, int) and count <= 0:
        return slice(0, 0)
    return slice(high + (count - 1) * step, high + 1, -step)
