"""Parts of a tensor along its dimensions, and putting such parts back."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

import lenetc.tensors.tensor as t
from ir import ops
from ir.dims import Dim, Poly
from ir.errors import BoundsError, ShapeError
from ir.node import Node
from ir.op import literal
from ir.types import i64
from lenetc.evaluation.cell import Context
from lenetc.evaluation.ranges import require_range
from lenetc.evaluation.tracing import here
from lenetc.tensors.arrays import axis_of, index_of

if TYPE_CHECKING:
    from lenetc.tensors.tensor import Tensor

__all__ = ["narrow", "narrow_copy", "select", "select_scatter", "slice_scatter"]

Bounds: TypeAlias = tuple[Dim, Dim, int]  # start, stop, step


def count(bounds: Bounds) -> Dim:
    """How many elements bounds take."""
    start, stop, step = bounds
    return (stop - start + step - 1) // step if step > 1 else stop - start


def along(a: Node, axis: int, bounds: Bounds) -> list[Bounds]:
    """`bounds` along one axis of `a`, the others whole."""
    return [bounds if i == axis else (0, size, 1) for i, size in enumerate(a.shape)]


def _positions(bounds: Bounds) -> Node:
    start, _, step = bounds
    numbers: Node = ops.iota(size=count(bounds))
    numbers = numbers if step == 1 else numbers * step
    return numbers if start == 0 else numbers + ops.dim(size=start)


def taken(a: Node, bounds: Sequence[Bounds]) -> Node:
    """What `bounds`, one for each axis, take of `a`."""
    if list(bounds) == [(0, size, 1) for size in a.shape]:
        return a
    for axis, (size, (start, stop, step)) in enumerate(zip(a.shape, bounds, strict=True)):
        if isinstance(size, int) and not (isinstance(start, int) and isinstance(stop, int)):
            # Whether a number holds a size that is not known is seen when the program runs.
            a = ops.gather(a, _positions((start, stop, step)), axis=axis)
            whole = (0, a.shape[axis], 1)
            return taken(a, [whole if i == axis else bound for i, bound in enumerate(bounds)])
    starts, stops, steps = zip(*bounds, strict=True)
    return ops.slice(a, starts=starts, stops=stops, steps=steps)


def cut(a: Node, axis: int, start: Dim, stop: Dim, step: int = 1) -> Node:
    """a[start:stop:step] along `axis`."""
    return taken(a, along(a, axis, (start, stop, step)))


def put(a: Node, value: Node, bounds: Sequence[Bounds]) -> Node:
    """`a` with `value`, of the shape that `bounds` take, where they take it."""
    value = _reshaped(value, tuple(map(count, bounds)))
    if any(size == 0 for size in value.shape):
        return unchanged(a, value)
    masks = []
    for axis, (bound, size) in enumerate(zip(bounds, a.shape, strict=True)):
        if bound != (0, size, 1):
            value = _spread(value, axis, bound, size)
            here = tuple(size if i == axis else 1 for i in range(a.rank))
            masks.append(ops.reshape(_places(bound, size), shape=here))
    # What is overwritten altogether still gets a gradient, of zeros.
    return ops.where(reduce(ops.logical_and, masks) if masks else literal(np.True_), value, a)


def unchanged(a: Node, value: Node) -> Node:
    """a, into which nothing of `value` was put: a gradient of zeros goes to it all the same."""
    if not value.dtype.is_float:
        return a
    return ops.where(literal(np.False_), ops.sum(value, axes=tuple(range(value.rank))), a)


def _reshaped(a: Node, shape: tuple[Dim, ...]) -> Node:
    return a if a.shape == shape else ops.reshape(a, shape=shape)


def _places(bounds: Bounds, size: Dim) -> Node:
    """Which places of an axis of `size` the bounds take."""
    start, stop, step = bounds
    if isinstance(start, int) and isinstance(stop, int) and isinstance(size, int):
        places = np.arange(size)
        return literal((places >= start) & (places < stop) & ((places - start) % step == 0))
    numbered = ops.iota(size=size)
    before = ops.less(numbered, ops.dim(size=start))
    return ops.logical_and(ops.logical_not(before), ops.less(numbered, ops.dim(size=stop)))


def _spread(v: Node, axis: int, bounds: Bounds, size: Dim) -> Node:
    """v along `axis` in `size` places, where the bounds say; what stands elsewhere does not matter."""
    start, stop, step = bounds
    if step == 1:
        low = tuple(start if i == axis else 0 for i in range(v.rank))
        high = tuple(size - stop if i == axis else 0 for i in range(v.rank))
        return ops.pad(v, low=low, high=high)
    if not isinstance(start, int) or not isinstance(size, int):
        raise ShapeError(f"a slice with a step is put into an axis of known size only, not of {size}")
    from_place = (np.arange(size) - start) // step
    return ops.gather(v, literal(np.clip(from_place, 0, int(v.shape[axis]) - 1)), axis=axis)


def part(x: Tensor, axis: int, bounds: Bounds, name: str = "SliceBackward0") -> Tensor:
    """x[start:stop:step] along `axis`, a view."""

    def restored(base: Node, value: Node) -> Node:
        return put(base, value, along(base, axis, bounds))

    return t.apply(name, lambda a: taken(a, along(a, axis, bounds)), x, saves=False, view=restored)


def picked(x: Tensor, axis: int, position: Dim) -> Tensor:
    """x[position] along `axis`, a view without it."""
    bounds = (position, position + 1, 1)

    def restored(base: Node, value: Node) -> Node:
        return put(base, value, along(base, axis, bounds))

    def build(a: Node) -> Node:
        return ops.reshape(taken(a, along(a, axis, bounds)), shape=(*a.shape[:axis], *a.shape[axis + 1 :]))

    return t.apply("SelectBackward0", build, x, saves=False, view=restored)


def position_of(what: str, x: Tensor, axis: int, index: Any) -> Dim:
    """A position along `axis` counted from the front. Raises BoundsError for one that is out of range."""
    position, size = index_of(f"{what}: an index", index), x.shape[axis]
    if isinstance(size, int) and not -size <= position < size:
        raise BoundsError(
            f"{what}: index {position} is out of range for dimension {axis} of {x.type_text()}"
        ).at(here())
    return position if position >= 0 else size + position


def bounds_of(index: slice, size: Dim) -> Bounds:
    """The bounds that a slice means along an axis of `size`."""
    step = 1 if index.step is None else index_of("slice step", index.step)
    start: Dim
    stop: Dim
    if step < 1:
        raise ShapeError(f"slice step must be positive, not {step}").at(here())
    if isinstance(size, int) and not (isinstance(index.start, Poly) or isinstance(index.stop, Poly)):
        first, last, _ = index.indices(size)
        return first, max(first, last), step
    start = 0 if index.start is None else index.start if index.start >= 0 else size + index.start
    stop = size if index.stop is None else index.stop if index.stop >= 0 else size + index.stop
    for place in (start, stop):
        if isinstance(size, int) and isinstance(place, Poly):
            asked = t.apply("", lambda place=place: ops.dim(size=place))
            require_range(
                f"the slice {start}:{stop}", "the size", asked, size + 1, None, f"the axis has {size}"
            )
    return start, stop, step


def _need_dimension(what: str, x: Tensor) -> None:
    t.require_tensors(what, x)
    if not x.ndim:
        raise BoundsError(f"{what}: a scalar {x.type_text()} has no dimension").at(here())


def narrow(input: Tensor, dim: int, start: Any, length: int) -> Tensor:
    """`length` elements from `start` on along `dim`, a view (torch.narrow). start: a number, or an integer tensor
    without dimensions."""
    _need_dimension("narrow", input)
    axis = axis_of(dim, input.ndim, "narrow")
    if isinstance(start, t.Tensor) and (start.ndim or start.dtype.kind != "int"):
        raise ShapeError(f"narrow: start must be an integer without dimensions, not {start.type_text()}").at(
            here()
        )
    amount, size = index_of("narrow: length", length), input.shape[axis]
    if (
        isinstance(start, t.Tensor)
        and Context.trace is not None
        and isinstance(size, int)
        and 0 <= amount <= size
    ):
        return _narrowed_at(input, axis, start, amount, size)
    first = index_of("narrow: start", start)
    if amount < 0:
        raise ShapeError(f"narrow: the length must not be negative, but it is {amount}").at(here())
    if isinstance(size, int) and not -size <= first <= size:
        raise BoundsError(
            f"narrow: start {first} is out of range for dimension {dim} of {input.type_text()}"
        ).at(here())
    from_front = first if first >= 0 else size + first
    if isinstance(size, int) and isinstance(from_front, int) and from_front + amount > size:
        raise ShapeError(
            f"narrow: start {first} and length {amount} exceed dimension {dim} of {input.type_text()}"
        ).at(here())
    return part(input, axis, (from_front, from_front + amount, 1))


def _narrowed_at(x: Tensor, axis: int, start: Tensor, amount: int, size: int) -> Tensor:
    """`narrow` from a place that the program computes."""
    where = f"{amount} elements of dimension {axis} of {x.type_text()}"
    require_range("narrow", "start", start, size - amount + 1, None, where, low=-size)

    def build(a: Node, s: Node) -> Node:
        s = s if s.dtype is i64 else ops.cast(s, dtype=i64)
        first = ops.where(ops.less(s, 0), s + size, s)
        return ops.gather(a, ops.iota(size=amount) + first, axis=axis)

    return t.apply("SliceBackward0", build, x, start, saves=False, view=True)


def narrow_copy(input: Tensor, dim: int, start: Any, length: int) -> Tensor:
    """As narrow, with values of its own (torch.narrow_copy)."""
    return narrow(input, dim, start, length).clone()


def select(input: Tensor, dim: int, index: Any) -> Tensor:
    """The slice at `index` along `dim`, a view (torch.select)."""
    _need_dimension("select", input)
    axis = axis_of(dim, input.ndim, "select")
    return picked(input, axis, position_of("select", input, axis, index))


def _scattered(
    what: str, name: str, x: Tensor, src: Tensor, axis: int, bounds: Bounds, shape: Sequence[Dim]
) -> Tensor:
    if tuple(src.shape) != tuple(shape):
        raise ShapeError(
            f"{what}: src {src.type_text()} must have the shape [{', '.join(map(str, shape))}] of what it replaces"
        ).at(here())

    def build(a: Node, v: Node) -> Node:
        v = v if v.dtype is a.dtype else ops.cast(v, dtype=a.dtype)
        return put(a, v, along(a, axis, bounds))

    return t.apply(name, build, x, src, saves=False)


def select_scatter(input: Tensor, src: Tensor, dim: int, index: Any) -> Tensor:
    """`input` with `src` in the place of select(input, dim, index) (torch.select_scatter)."""
    _need_dimension("select_scatter", input)
    t.require_tensors("select_scatter", src)
    axis = axis_of(dim, input.ndim, "select_scatter")
    at = position_of("select_scatter", input, axis, index)
    shape = (*input.shape[:axis], *input.shape[axis + 1 :])
    return _scattered("select_scatter", "SelectScatterBackward0", input, src, axis, (at, at + 1, 1), shape)


def slice_scatter(
    input: Tensor, src: Tensor, dim: int = 0, start: int | None = None, end: int | None = None, step: int = 1
) -> Tensor:
    """`input` with `src` in the place of input[start:end:step] along `dim` (torch.slice_scatter)."""
    _need_dimension("slice_scatter", input)
    t.require_tensors("slice_scatter", src)
    axis = axis_of(dim, input.ndim, "slice_scatter")
    bounds = bounds_of(slice(start, end, step), input.shape[axis])
    shape = (*input.shape[:axis], count(bounds), *input.shape[axis + 1 :])
    return _scattered("slice_scatter", "SliceScatterBackward0", input, src, axis, bounds, shape)


def unfold(x: Tensor, dimension: int, size: int, step: int) -> Tensor:
    """Windows of `size` elements, `step` apart, along `dimension`: [..., L, ...] gives [..., windows, ..., size]
    (torch.Tensor.unfold)."""
    t.require_tensors("unfold", x)
    axis = axis_of(dimension, x.ndim, "unfold")
    width, apart = index_of("unfold: size", size), index_of("unfold: step", step)
    total = int(x.shape[axis]) if x.ndim else 1
    if not 0 <= width <= total:
        raise ShapeError(
            f"unfold: a window of {width} does not fit into dimension {dimension} of {x.type_text()}"
        ).at(here())
    if apart < 1:
        raise ShapeError(f"unfold: the step must be positive, not {apart}").at(here())
    windows = (total - width) // apart + 1
    places = np.arange(windows)[:, None] * apart + np.arange(width)

    def build(a: Node) -> Node:
        if not a.rank:
            return ops.slice(ops.reshape(a, shape=(1,)), starts=(0,), stops=(width,), steps=(1,))
        found = ops.gather(a, literal(places), axis=axis)
        order = (*range(axis + 1), *range(axis + 2, found.rank), axis + 1)
        return ops.transpose(found, perm=order)

    return t.apply("UnfoldBackward0", build, x, saves=False, view=True)
