"""Elements picked and put by their places."""

from __future__ import annotations

import numpy as np

from ir.errors import BoundsError
from lenetc.importer.operators.on_host.arithmetic import larger, smaller
from lenetc.importer.operators.on_host.each import concrete, each, on_whole, same
from lenetc.importer.registry import on_host
from lenetc.importer.values import Host, as_host, dtype_of

_WAYS = {
    "add": lambda a, b: each(np.add, on_whole(lambda a, b: a + b), a, b),
    "mul": lambda a, b: each(np.multiply, on_whole(lambda a, b: a * b), a, b),
    "max": lambda a, b: each(np.maximum, on_whole(larger), a, b),
    "min": lambda a, b: each(np.minimum, on_whole(smaller), a, b),
}


def _places(indices: Host, size: int) -> Host:
    """`indices` of an axis of `size`, counted from the front."""
    concrete(indices)
    if ((indices < -size) | (indices >= size)).any():
        raise BoundsError(f"the indices {indices.tolist()} are not all of an axis of {size}")
    return np.where(indices < 0, indices + size, indices).astype(np.int64)


@on_host
def Gather(x: Host, indices: Host, /, *, axis: int = 0) -> Host:
    return as_host(np.take(x, _places(indices, x.shape[axis]), axis), dtype_of(x))


@on_host
def GatherElements(x: Host, indices: Host, /, *, axis: int = 0) -> Host:
    return as_host(x[_grid(_places(indices, x.shape[axis]), axis)], dtype_of(x))


def _grid(indices: Host, axis: int) -> tuple[Host, ...]:
    grid: list[Host] = list(np.indices(indices.shape, sparse=True))
    grid[axis] = indices
    return tuple(grid)


@on_host
def ScatterElements(
    x: Host, indices: Host, updates: Host, /, *, axis: int = 0, reduction: str = "none"
) -> Host:
    return _put(x, _grid(_places(indices, x.shape[axis]), axis), updates, reduction)


@on_host
def Scatter(x: Host, indices: Host, updates: Host, /, *, axis: int = 0) -> Host:
    return ScatterElements(x, indices, updates, axis=axis)


@on_host
def GatherND(x: Host, indices: Host, /, *, batch_dims: int = 0) -> Host:
    own = tuple(np.indices(indices.shape[:-1], sparse=True)[:batch_dims])
    return as_host(x[(*own, *_each_place(x.shape[batch_dims:], indices))], dtype_of(x))


@on_host
def ScatterND(x: Host, indices: Host, updates: Host, /, *, reduction: str = "none") -> Host:
    return _put(x, _each_place(x.shape, indices), updates, reduction)


def _each_place(shape: tuple[int, ...], indices: Host) -> tuple[Host, ...]:
    return tuple(_places(indices[..., i], shape[i]) for i in range(indices.shape[-1]))


def _put(x: Host, places: tuple[Host, ...], updates: Host, reduction: str) -> Host:
    found = x.astype(object)
    values = np.broadcast_to(updates.astype(object), found[places].shape)
    shape = np.broadcast_shapes(*(place.shape for place in places))
    for at in np.ndindex(shape):
        place = tuple(np.broadcast_to(each_place, shape)[at] for each_place in places)
        value = values[at]
        if reduction != "none":
            value = _WAYS[reduction](as_host(found[place], x.dtype), as_host(value, x.dtype))
        found[place] = value if np.ndim(value) or not isinstance(value, np.ndarray) else value[()]
    return as_host(found, dtype_of(x))


@on_host
def NonZero(x: Host, /) -> Host:
    """A dim is no zero."""
    found = each(lambda a: a != 0, lambda a: not same(a, 0), x, dtype=np.bool_)
    return np.stack(np.nonzero(np.atleast_1d(found))).astype(np.int64)


@on_host
def Compress(x: Host, condition: Host, /, *, axis: int | None = None) -> Host:
    return as_host(np.compress(condition, x, axis), dtype_of(x))
