"""array[index] and array[index] = value by NumPy's rules."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import numpy as np

from ir.types import Array, bool_, i64
from lenetc.compiler.arrays.dtypes import arrayed, asked, is_symbolic, operand, plain_of, small
from lenetc.compiler.arrays.traced import (
    TracedArray,
    change,
    is_assigned,
    is_tensor,
    is_traced,
    need_writable,
    parts_of,
    refuse,
    tensor_in,
)
from lenetc.evaluation.scalars import Scalar
from lenetc.operations import elementwise
from lenetc.tensors.tensor import Tensor


def _parts(index: Any) -> tuple[Any, ...]:
    return index if type(index) is tuple else (index,)


def _is_basic(index: Any) -> bool:
    """Whether it has numbers, slices, None and ... alone, which give a view."""
    return all(
        part is None
        or part is Ellipsis
        or isinstance(part, slice)
        or (isinstance(part, (int, np.integer)) and not isinstance(part, (bool, np.bool_)))
        for part in _parts(index)
    )


def _goes_back(index: Any) -> bool:
    return any(isinstance(part, slice) and (part.step or 1) < 0 for part in _parts(index))


def _is_computed(part: Any) -> bool:
    """Whether it is an array or a tensor, whose values are not known."""
    return is_traced(part) or is_tensor(part)


def _check(array: TracedArray, index: Any) -> None:
    """Refuse what looks at values: sizes, slices and places that are computed."""
    for part in _parts(index):
        inner = (part.start, part.stop, part.step) if isinstance(part, slice) else (part,)
        for value in inner:
            if isinstance(value, Scalar) or (isinstance(part, slice) and _is_computed(value)):
                refuse(array, "an index that is no number that is known")
            if type(value) in (list, tuple) and any(map(_is_computed, value)):
                refuse(array, "an index that is a list of arrays", "make it one array with numpy.stack")


def getitem(array: TracedArray, index: Any) -> Any:
    _check(array, index)
    tensor = parts_of(array).tensor
    if any(map(_is_computed, _parts(index))):
        return _by_arrays(array, index)
    if _is_basic(index) and (is_symbolic(array) or not _goes_back(index)):
        found = None if is_symbolic(array) else asked(_shape_like(array).__getitem__, index)
        part = tensor[index]
        is_scalar = not isinstance(found, np.ndarray) if found is not None else _is_number(tensor, index)
        return arrayed(part, array, is_scalar, "surely")
    places = _places(array, index)
    if not isinstance(places, np.ndarray):
        return arrayed(_taken(tensor, np.asarray(places)), array, True)
    return arrayed(_taken(tensor, places), array, shares="maybe" if _is_basic(index) else "")


def _is_number(tensor: Tensor, index: Any) -> bool:
    return (
        Ellipsis not in _parts(index)
        and tensor.ndim == sum(part is not None for part in _parts(index))
        and not any(isinstance(part, slice) for part in _parts(index))
    )


def _shape_like(array: TracedArray) -> Array:
    parts = parts_of(array)
    return np.broadcast_to(np.ones((), parts.dtype), parts.tensor.shape)


def _places(array: TracedArray, index: Any) -> Any:
    """The numbers, in order, of the elements that `index` takes. Raises what NumPy raises for it."""
    tensor = parts_of(array).tensor
    if is_symbolic(array):
        refuse(array, "an index of this kind", "it needs a shape that is known")
    return np.arange(int(tensor.numel()), dtype=np.int64).reshape(tensor.shape)[index]


def _taken(tensor: Tensor, places: Array) -> Tensor:
    found = tensor.reshape(-1).index_select(0, Tensor._from_array(places.reshape(-1)))
    return found.reshape(places.shape)


def _by_arrays(array: TracedArray, index: Any) -> TracedArray:
    """By arrays of integers that are computed or given: their values are checked when they are there."""
    tensor = parts_of(array).tensor
    # A tensor of one element is a number to NumPy, which asks it for an index.
    parts = tuple(
        part.reshape(()) if is_tensor(part) and part.numel() == 1 and part.dtype.kind == "int" else part
        for part in _parts(index)
    )
    if any(_is_computed(part) and tensor_in(part).dtype is bool_ for part in parts):
        refuse(
            array,
            "array[mask]",
            "the shape of the result depends on the values: write numpy.where(mask, array, 0), or lenetc.where",
        )
    if any(isinstance(part, (int, np.integer)) for part in parts) and len(parts) > 1:
        refuse(array, "an index of numbers and arrays together", "take the numbers first: array[0][indices]")
    known = [part for part in parts if type(part) in (list, tuple) or isinstance(part, np.ndarray)]
    if any(np.asarray(part).dtype.kind not in "iu" for part in known):
        refuse(array, "an index of a mask and arrays together", "take one after the other")
    chosen = tuple(
        operand(part, i64) if _is_computed(part) or any(part is other for other in known) else part
        for part in parts
    )
    if any(_is_computed(part) and tensor_in(part).dtype.is_float for part in parts):
        raise IndexError("arrays used as indices must be of integer (or boolean) type")
    is_scalar = (
        all(_is_computed(part) and not tensor_in(part).ndim for part in parts) and len(parts) == tensor.ndim
    )
    return arrayed(tensor[chosen if len(chosen) > 1 else chosen[0]], array, is_scalar)


def setitem(array: TracedArray, index: Any, value: Any) -> None:
    _check(array, index)
    parts = parts_of(array)
    if parts.is_scalar:
        raise TypeError(f"'numpy.{parts.dtype.name}' object does not support item assignment")
    if is_tensor(value) or (type(value) in (list, tuple) and _has_array(value)):
        refuse(array, "an assignment of a tensor or of a list of arrays", "assign numbers or arrays")
    if is_traced(value) and parts_of(value).memory is parts.memory and not is_assigned(sys._getframe(2)):
        # numpy.random.shuffle takes it for a list, whose items stay what they are.
        refuse(
            array, "an exchange of rows by a function of C", "write it in Python: array[...] = array[order]"
        )
    need_writable(array, "array[...] = ...")
    given = operand(value, parts.tensor.dtype)
    if any(map(_is_computed, _parts(index))):
        return _put_by_mask(array, index, given)
    if not is_symbolic((array, value)):
        asked(np.zeros(parts.tensor.shape, parts.dtype).__setitem__, index, _like(value))
    if _is_basic(index) and not _goes_back(index):
        parts.tensor[index] = _without_ones(given, parts.tensor[index].ndim)
        return None
    places = np.asarray(_places(array, index))
    spread = _without_ones(given, places.ndim).expand(places.shape).reshape(-1)
    flat = parts.tensor.reshape(-1).clone()
    flat[Tensor._from_array(places.reshape(-1))] = spread
    change(array, "array[...] = ...", flat.reshape(parts.tensor.shape))
    return None


def _has_array(value: Any) -> bool:
    if type(value) in (list, tuple):
        return any(map(_has_array, value))
    return is_traced(value) or is_tensor(value)


def _like(value: Any) -> Any:
    """`value` for NumPy to check, of its shape."""
    if is_traced(value):
        return _shape_like(value)
    return small(value) if isinstance(value, Scalar) else value


def _without_ones(given: Tensor, rank: int) -> Tensor:
    """Without leading axes of 1 that the place lacks, which NumPy drops."""
    return given.reshape(tuple(given.shape)[given.ndim - rank :]) if given.ndim > rank else given


def _put_by_mask(array: TracedArray, index: Any, given: Tensor) -> None:
    tensor, mask = parts_of(array).tensor, plain_of(index)
    if not is_tensor(mask) or mask.dtype is not bool_ or mask.shape != tensor.shape or given.ndim:
        refuse(
            array,
            "an assignment to array[indices] whose indices are given or computed",
            "assign a number by a mask of the array's shape, or write numpy.where(mask, values, array)",
        )
    change(array, "array[mask] = ...", elementwise.where(mask, given, tensor))


class Rows:
    """An iterator of an array: each row as it is when its turn comes."""

    __slots__ = ("array", "places")

    def __init__(self, array: TracedArray) -> None:
        tensor = parts_of(array).tensor
        if not tensor.ndim:
            raise TypeError("iteration over a 0-d array")
        self.array, self.places = array, iter(range(len(tensor)))

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        return getitem(self.array, next(self.places))
