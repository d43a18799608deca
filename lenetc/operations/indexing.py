"""x[index] and x[index] = value, by PyTorch's rules."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

import lenetc.tensors.tensor as t
from ir import ops
from ir.dims import Dim
from ir.errors import BoundsError, DTypeError, LenetcError, ShapeError
from ir.node import Node
from ir.op import literal, scalar
from ir.types import Array, bool_, i64, u8
from lenetc.evaluation.cell import Context
from lenetc.evaluation.ranges import LabelError, require_range
from lenetc.evaluation.tracing import here
from lenetc.tensors.arrays import array_of
from lenetc.tensors.convert import as_tensor, number_for
from lenetc.tensors.grad_fn import is_grad_enabled

if TYPE_CHECKING:
    from lenetc.tensors.tensor import Tensor


@dataclass
class Selection:
    """What an index takes of a tensor.

    bounds: start, stop and step for each of its axes. shape: of what they take, with axes that an int picked from
    left out and one of size 1 for each None. tensors: integers or a mask that pick among that, each with its first
    axis in `shape`; a mask has as many axes as dimensions.
    """

    bounds: list[tuple[Dim, Dim, int]]
    shape: list[Dim]
    tensors: list[tuple[int, Tensor]]

    def is_whole(self, source: Sequence[Dim]) -> bool:
        """Whether the bounds take everything of a tensor of shape `source`."""
        return self.bounds == [(0, size, 1) for size in source]

    def counts(self) -> tuple[Dim, ...]:
        """How many elements the bounds take along each axis."""
        return tuple(_count(*bounds) for bounds in self.bounds)


def _count(start: Dim, stop: Dim, step: int) -> Dim:
    return (stop - start + step - 1) // step if step > 1 else stop - start


def _selection(x: Tensor, index: Any) -> Selection:
    """What x[index] means. Raises BoundsError, an IndexError, for what x does not have or is no index."""
    indices = [_one(i) for i in (index if isinstance(index, tuple) else (index,))]
    given = sum(0 if i is None or i is Ellipsis else i.ndim if _is_mask(i) else 1 for i in indices)
    if given > x.ndim:
        raise BoundsError(f"too many indices: {given} for {x.type_text()}").at(here())
    at = next((k for k, i in enumerate(indices) if i is Ellipsis), len(indices))
    indices[at : at + 1] = [slice(None)] * (x.ndim - given)
    chosen = Selection([], [], [])
    for i in indices:
        axis = len(chosen.bounds)
        if i is None:
            chosen.shape.append(1)
        elif i is Ellipsis:
            pass  # one after the first stands for no dimension
        elif isinstance(i, t.Tensor):
            covered = x.shape[axis : axis + (i.ndim if _is_mask(i) else 1)]
            chosen.tensors.append((len(chosen.shape), _in_range(i, covered, axis, x)))
            chosen.bounds += [(0, size, 1) for size in covered]
            chosen.shape += covered
        elif isinstance(i, slice):
            chosen.bounds.append(_bounds(i, x.shape[axis]))
            chosen.shape.append(_count(*chosen.bounds[-1]))
        else:
            position = _position(i, x.shape[axis], axis, x)
            chosen.bounds.append((position, position + 1, 1))
    return chosen


def _one(i: Any) -> Any:
    """One of the indices, with lists and arrays as tensors. Raises BoundsError for what is no index."""
    if isinstance(i, (list, tuple, range, np.ndarray)):
        array = i if isinstance(i, np.ndarray) else _listed(i)
        i = as_tensor(array.astype(np.int64) if not array.size and array.dtype.kind == "f" else array)
    if isinstance(i, (bool, np.bool_)):
        raise BoundsError(
            f"{bool(i)} is no position; a dimension of size 1 is added by None, and a mask is a bool tensor"
        ).at(here())
    if not isinstance(i, t.Tensor):
        return i
    if i.dtype is u8:
        raise BoundsError(
            f"an index {i.type_text()} could be a mask, for which PyTorch takes it, or positions: convert it with "
            ".bool() or with .long()"
        ).at(here())
    if i.dtype.is_float:
        raise BoundsError(f"tensors used as indices must be integers or bools, not {i.type_text()}").at(
            here()
        )
    return i


def _listed(i: Sequence[Any]) -> Array:
    """A list of ints or bools as an array. PyTorch takes one that holds anything else for a tuple, at times."""
    if not all(isinstance(item, (bool, np.bool_)) or hasattr(item, "__index__") for item in i):
        raise BoundsError(
            "a list as an index holds ints or bools; several indices go into a tuple, and a matrix of positions is "
            "a tensor"
        ).at(here())
    return array_of([item if isinstance(item, (bool, np.bool_)) else operator.index(item) for item in i])


def _is_mask(i: Any) -> bool:
    return isinstance(i, t.Tensor) and i.dtype is bool_


def _in_range(i: Tensor, sizes: Sequence[Dim], axis: int, x: Tensor) -> Tensor:
    if i.dtype is bool_:
        if tuple(i.shape) != tuple(sizes):
            raise BoundsError(
                f"the shape of the mask {i.type_text()} at dimension {axis} does not match {x.type_text()}"
            ).at(here())
    elif isinstance(sizes[0], int):
        where = f"dimension {axis} of {x.type_text()}"
        require_range("indexing", "index", i, sizes[0], None, where, low=-sizes[0])
    return i


def _position(i: Any, size: Dim, axis: int, x: Tensor) -> Dim:
    try:
        position = operator.index(i)
    except TypeError:
        raise BoundsError(
            f"{x.type_text()} takes ints, slices, ..., None and integer tensors as indices, "
            f"not a {type(i).__name__}"
        ).at(here()) from None
    if isinstance(size, int) and not -size <= position < size:
        raise LabelError(f"index {position} is out of bounds for dimension {axis} of {x.type_text()}").at(
            here()
        )
    return position if position >= 0 else size + position


def _bounds(index: slice, size: Dim) -> tuple[Dim, Dim, int]:
    step = 1 if index.step is None else operator.index(index.step)
    start: Dim
    stop: Dim
    if step < 1:
        raise ShapeError(f"slice step must be positive, not {step}").at(here())
    if isinstance(size, int):
        first, last, _ = index.indices(size)
        return first, max(first, last), step
    start = 0 if index.start is None else index.start if index.start >= 0 else size + index.start
    stop = (
        size
        if index.stop is None
        else index.stop
        if not isinstance(index.stop, int) or index.stop >= 0
        else size + index.stop
    )
    return start, stop, step


def getitem(x: Tensor, index: Any) -> Tensor:
    """x[index] for ints, slices with positive steps, None, ..., and integer tensors or lists.

    One integer tensor with dimensions may stand among the indices, and any number of scalar ones. Raises
    BoundsError, an IndexError, for what is out of range, LenetcError for masks: their shape depends on values.
    """
    chosen = _selection(x, index)
    if any(_is_mask(i) for _, i in chosen.tensors):
        raise LenetcError(
            "indexing with a bool mask gives a shape that depends on values; use lenetc.where"
        ).at(here())
    if sum(i.ndim > 0 for _, i in chosen.tensors) > 1:
        raise LenetcError(
            "indexing with more than one integer tensor is not supported; use gather or take them one by one"
        ).at(here())

    def build(a: Node, *positions: Node) -> Node:
        part = a
        if not chosen.is_whole(a.shape):
            starts, stops, steps = zip(*chosen.bounds, strict=True)
            part = ops.slice(a, starts=starts, stops=stops, steps=steps)
        part = part if part.shape == tuple(chosen.shape) else ops.reshape(part, shape=tuple(chosen.shape))
        for (axis, _), node in zip(reversed(chosen.tensors), reversed(positions), strict=True):
            part = ops.gather(part, _from_front(node, part.shape[axis]), axis=axis)
        return part

    tensors = [tensor for _, tensor in chosen.tensors]
    name = (
        "IndexBackward0" if tensors else "SelectBackward0" if len(chosen.shape) < x.ndim else "SliceBackward0"
    )
    is_copy = any(tensor.ndim for tensor in tensors)  # of a scalar position PyTorch makes a view
    return t.apply(name, build, x, *tensors, saves=bool(tensors), view=not is_copy)


def _from_front(positions: Node, size: Dim) -> Node:
    """Positions that may be negative, counted from the front of an axis of `size`."""
    count = ops.cast(ops.dim(size=size), dtype=positions.dtype)
    return ops.where(ops.less(positions, 0), positions + count, positions)


def setitem(x: Tensor, index: Any, value: Any) -> None:
    """x[index] = value, in place, for every index that x[index] takes, for masks, and for several tensors.

    value: a number, or a tensor or array that broadcasts to what the index takes. Where an index occurs twice the
    last value stays; a value that requires grad is then refused with a LenetcError. Raises BoundsError for what is
    out of range, ShapeError for a value that does not fit, DTypeError for one of another dtype where PyTorch does.
    """
    chosen = _selection(x, index)
    source = _source(x, value, chosen)
    masks = [i for _, i in chosen.tensors if i.dtype is bool_]
    if not chosen.tensors:
        _assign_slices(x, chosen, source)
    elif masks == [i for _, i in chosen.tensors[:1]] and chosen.is_whole(x.shape) and source.numel() == 1:
        _assign_number(x, masks[0], chosen, source)
    elif _is_traced(x, chosen) and not source.requires_grad:
        _assign_rows(x, chosen, source)
    else:
        _assign_places(x, chosen, source)


def _source(x: Tensor, value: Any, chosen: Selection) -> Tensor:
    """`value` as a tensor of x's dtype."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, (bool, int, float)):
        return as_tensor(number_for(x.dtype, value), x.dtype)
    if not isinstance(value, t.Tensor):
        return t.Tensor._from_array(array_of(value)).to(x.dtype)
    masked = [i.dtype for _, i in chosen.tensors] == [bool_] and value.numel() == 1
    if chosen.tensors and not masked and value.dtype is not x.dtype:
        raise DTypeError(
            f"__setitem__: assigning through a tensor needs one dtype, but the tensor is {x.type_text()} and the "
            f"value {value.type_text()}; convert it with .to({x.dtype!r})"
        ).at(here())
    return value.to(x.dtype)


def _fitted(value: Node, shape: Sequence[Dim]) -> Node:
    """`value` broadcast to `shape`; leading axes of size 1 more than that are dropped, as in PyTorch."""
    own = list(value.shape)
    while len(own) > len(shape) and own[0] == 1:
        own.pop(0)
    if len(own) > len(shape) or any(
        a not in (1, b) for a, b in zip(reversed(own), reversed(shape), strict=False)
    ):
        raise ShapeError(
            f"__setitem__: shape mismatch: the value {value.type} cannot be broadcast to what the index takes, "
            f"which has shape [{', '.join(map(str, shape))}]"
        ).at(here())
    value = value if tuple(own) == value.shape else ops.reshape(value, shape=tuple(own))
    return value if value.shape == tuple(shape) else ops.broadcast_to(value, shape=tuple(shape))


def _assign_slices(x: Tensor, chosen: Selection, source: Tensor) -> None:
    """The value spread over the axes that were cut, where they were; the rest of x stays."""

    def build(a: Node, given: Node) -> Node:
        counts = chosen.counts()
        v = _fitted(given, chosen.shape)
        v = v if v.shape == counts else ops.reshape(v, shape=counts)
        if any(count == 0 for count in counts):
            return _unchanged(a, given)
        assigned: Node | None = None  # all of it, as far as is known
        for axis, (bounds, size) in enumerate(zip(chosen.bounds, a.shape, strict=True)):
            if bounds != (0, size, 1):
                v = _spread(v, axis, bounds, size)
                mask = ops.reshape(
                    _taken(bounds, size), shape=tuple(size if i == axis else 1 for i in range(a.rank))
                )
                assigned = mask if assigned is None else ops.logical_and(assigned, mask)
        # What is overwritten altogether still gets a gradient, of zeros.
        return ops.where(literal(np.True_) if assigned is None else assigned, v, a)

    whole = chosen.is_whole(x.shape) and len(chosen.shape) == x.ndim
    x._change("__setitem__", t.apply("CopyBackwards" if whole else "CopySlices", build, x, source))


def _unchanged(a: Node, v: Node) -> Node:
    """a, to which nothing was assigned: a gradient of zeros goes to v all the same."""
    if not v.dtype.is_float:
        return a
    return ops.where(literal(np.False_), ops.sum(v, axes=tuple(range(v.rank))), a)


def _taken(bounds: tuple[Dim, Dim, int], size: Dim) -> Node:
    """Which places of an axis of `size` the bounds take."""
    start, stop, step = bounds
    if isinstance(start, int) and isinstance(stop, int) and isinstance(size, int):
        places = np.arange(size)
        return literal((places >= start) & (places < stop) & ((places - start) % step == 0))
    numbered = ops.iota(size=size)
    before = ops.less(numbered, ops.dim(size=start))
    return ops.logical_and(ops.logical_not(before), ops.less(numbered, ops.dim(size=stop)))


def _spread(v: Node, axis: int, bounds: tuple[Dim, Dim, int], size: Dim) -> Node:
    """v along `axis` in `size` places, where the bounds say; what stands elsewhere does not matter."""
    start, stop, step = bounds
    if step == 1:
        low = tuple(start if i == axis else 0 for i in range(v.rank))
        high = tuple(size - stop if i == axis else 0 for i in range(v.rank))
        return ops.pad(v, low=low, high=high)
    if not isinstance(start, int) or not isinstance(size, int):
        raise ShapeError(f"__setitem__: a slice with a step needs an axis of known size, but it is {size}")
    from_place = (np.arange(size) - start) // step
    return ops.gather(v, literal(np.clip(from_place, 0, int(v.shape[axis]) - 1)), axis=axis)


def _assign_number(x: Tensor, mask: Tensor, chosen: Selection, source: Tensor) -> None:
    """One number wherever a mask of leading dimensions is true; no value of the mask has to be known."""
    ((first, _),) = chosen.tensors
    places = (*(1,) * first, *mask.shape, *(1,) * (x.ndim - first - mask.ndim))

    def build(a: Node, m: Node, v: Node) -> Node:
        return ops.where(ops.reshape(m, shape=places), ops.reshape(v, shape=()), a)

    _fitted(source.node, (1,) * max(x.ndim, 1))
    x._change("__setitem__", t.apply("IndexPutBackward0", build, x, mask, source, edges=(x, source)))


def _assign_places(x: Tensor, chosen: Selection, source: Tensor) -> None:
    """Each place by itself: which ones, and which element of the value is the last to go there, is worked out now."""
    sizes = [int(size) for size in x.shape]
    basic = tuple(slice(int(a), int(z), step) for a, z, step in chosen.bounds)
    places = np.arange(int(x.numel())).reshape(sizes)[basic].reshape([int(n) for n in chosen.shape])
    tensors = [(first, _values(tensor)) for first, tensor in chosen.tensors]
    for k, (first, array) in reversed(list(enumerate(tensors))):
        if not array.ndim:  # as an int, which NumPy would take along with the other tensors
            places = np.take(places, int(array), axis=first)
            tensors = [(i - (i > first), other) for j, (i, other) in enumerate(tensors) if j != k]
    at: list[Any] = []
    for first, array in tensors:
        at += [slice(None)] * (first - sum(_dims(i) for i in at))
        at.append(array)
    try:
        places = places[tuple(at)]
    except IndexError as error:  # tensors of shapes that do not broadcast
        raise BoundsError(f"__setitem__: {error}").at(here()) from None
    last = np.full(int(x.numel()), -1)
    last[places.reshape(-1)] = np.arange(places.size)
    if source.requires_grad and is_grad_enabled() and np.count_nonzero(last >= 0) < places.size:
        raise LenetcError(
            "__setitem__: the index names a place twice, and the value requires grad: its gradient would have to "
            "leave out what is overwritten. Assign the last one of each place only, or detach the value"
        ).at(here())

    def build(a: Node, given: Node, winners: Node) -> Node:
        v = _fitted(given, places.shape)
        if not places.size:
            return _unchanged(a, given)
        flat = ops.reshape(v, shape=(places.size,))
        none = ops.less(winners, 0)
        picked = ops.gather(flat, ops.where(none, scalar(0, winners.dtype), winners), axis=0)
        return ops.reshape(ops.where(none, ops.reshape(a, shape=(a.ty.size,)), picked), shape=a.shape)

    winners = t.Tensor._from_array(last)
    x._change("__setitem__", t.apply("IndexPutBackward0", build, x, source, winners, edges=(x, source)))


def _values(index: Tensor) -> Array:
    """The values of an index; under compile those of a constant only."""
    node = index.node
    array: Array = node.attrs["value"].array if node.op is ops.const else index.detach().numpy()
    return array


def _dims(index: Any) -> int:
    """How many dimensions an index takes up."""
    return index.ndim if isinstance(index, np.ndarray) and index.dtype == np.bool_ else 1


def _is_traced(x: Tensor, chosen: Selection) -> bool:
    """Whether the index is one tensor of integers, along an axis of a tensor taken whole, that the program is given."""
    if Context.trace is None or len(chosen.tensors) != 1 or len(chosen.shape) != x.ndim:
        return False
    index = chosen.tensors[0][1]
    return chosen.is_whole(x.shape) and index.dtype is not bool_ and index.node.op is not ops.const


def _assign_rows(x: Tensor, chosen: Selection, source: Tensor) -> None:
    """Slices along one axis, at positions that the program computes: which one is the last to go to each place is
    found by comparing all."""
    ((axis, index),) = chosen.tensors

    def build(a: Node, v: Node, i: Node) -> Node:
        size, count = a.shape[axis], i.ty.size
        v = _fitted(v, (*a.shape[:axis], *i.shape, *a.shape[axis + 1 :]))
        if count == 0:
            return _unchanged(a, v)
        v = ops.reshape(v, shape=(*a.shape[:axis], count, *a.shape[axis + 1 :]))
        place = ops.reshape(_from_front(i, size), shape=(1, count))
        meets = ops.equal(place, ops.reshape(ops.iota(size=size, dtype=i.dtype), shape=(size, 1)))
        order = ops.where(meets, ops.reshape(ops.iota(size=count), shape=(1, count)), scalar(-1, i64))
        last = ops.reduce_max(order, axes=(1,))
        none = ops.less(last, 0)
        picked = ops.gather(v, ops.where(none, scalar(0, i64), last), axis=axis)
        kept = ops.reshape(none, shape=tuple(size if k == axis else 1 for k in range(a.rank)))
        return ops.where(kept, a, picked)

    x._change("__setitem__", t.apply("IndexPutBackward0", build, x, source, index, edges=(x, source)))
