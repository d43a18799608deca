"""What x[index] means, by PyTorch's rules."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from dataclasses import dataclass
from types import NoneType
from typing import TYPE_CHECKING, Any

import numpy as np

import lenetc.tensors.tensor as t
from ir.dims import Dim
from ir.errors import BoundsError
from ir.types import Array, bool_, i8, i16, i64, u8
from lenetc.evaluation.ranges import LabelError, require_range
from lenetc.evaluation.tracing import here
from lenetc.operations.data_dependent import looked_at
from lenetc.operations.shaping.slicing import Bounds, bounds_of, count
from lenetc.tensors.arrays import array_of
from lenetc.tensors.convert import as_tensor

if TYPE_CHECKING:
    from lenetc.tensors.tensor import Tensor


@dataclass
class Selection:
    """What an index takes of a tensor.

    bounds: start, stop and step for each of its axes. shape: of what they take, with axes that an int picked from
    left out and one of size 1 for each None and each bool without dimensions. tensors: integers or a mask that pick
    among that, each with its first axis in `shape`; a mask has as many axes as dimensions, or one.
    """

    bounds: list[Bounds]
    shape: list[Dim]
    tensors: list[tuple[int, Tensor]]

    def is_whole(self, source: Sequence[Dim]) -> bool:
        """Whether the bounds take everything of a tensor of shape `source`, as it is."""
        return self.shape == list(source) and self.bounds == [(0, size, 1) for size in source]

    def positions(self) -> list[tuple[int, Tensor]]:
        """`tensors` with integers for masks: an axis, and positions along it. Raises UnsupportedError for a mask whose
        values are not known."""
        found: list[tuple[int, Tensor]] = []
        for first, tensor in self.tensors:
            if tensor.dtype is not bool_:
                found.append((first, tensor))
                continue
            places = np.nonzero(np.atleast_1d(looked_at("indexing with a bool mask", tensor)))
            found += [(first + i, t.Tensor._from_array(place)) for i, place in enumerate(places)]
        return found


def selection(x: Tensor, index: Any) -> Selection:
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
        elif _is_mask(i) and not i.ndim:
            chosen.tensors.append((len(chosen.shape), i))
            chosen.shape.append(1)
        elif isinstance(i, t.Tensor):
            covered = x.shape[axis : axis + (i.ndim if _is_mask(i) else 1)]
            chosen.tensors.append((len(chosen.shape), _in_range(i, covered, axis, x)))
            chosen.bounds += [(0, size, 1) for size in covered]
            chosen.shape += covered
        elif isinstance(i, slice):
            chosen.bounds.append(bounds_of(i, x.shape[axis]))
            chosen.shape.append(count(chosen.bounds[-1]))
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
        return as_tensor(np.asarray(bool(i)))
    if not isinstance(i, t.Tensor):
        return i
    if i.dtype is u8:
        raise BoundsError(
            f"an index {i.type_text()} could be a mask, for which PyTorch takes it, or positions: convert it with "
            ".bool() or with .long()"
        ).at(here())
    if i.ndim == 0 and i.dtype in (i8, i16):
        return i.to(i64)
    if i.dtype.is_float or i.dtype in (i8, i16):
        raise BoundsError(
            f"tensors used as indices must be i64, i32 or bools, not {i.type_text()}; use .long()"
        ).at(here())
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


def is_slices(index: Any) -> bool:
    """Whether the index is of plain ints, slices forward, None and ... alone."""
    return all(map(_is_slice, index if type(index) is tuple else (index,)))


def _is_slice(i: Any) -> bool:
    kind = type(i)
    if kind is slice:
        return all(type(n) in (int, NoneType) for n in (i.start, i.stop, i.step)) and (i.step or 1) > 0
    return kind is int or i is None or i is Ellipsis
