"""Reductions over a static tuple of axes; running sums and sorting along one."""

from __future__ import annotations

import numpy as np

from ir.dims import Dim
from ir.errors import DTypeError, ShapeError
from ir.op import op
from ir.ops.rules import need_axis
from ir.types import Array, Type, i64


def _reduced(what: str, x: Type, axes: tuple[int, ...], keepdims: bool) -> Type:
    if x.dtype.kind == "bool":
        raise DTypeError(f"{what}: cast {x} to a number first")
    need_axis(what, x, *axes)
    if keepdims:
        return x.with_shape(tuple(1 if i in axes else dim for i, dim in enumerate(x.shape)))
    return x.with_shape(tuple(dim for i, dim in enumerate(x.shape) if i not in axes))


def _largest(what: str, x: Type, axes: tuple[int, ...], keepdims: bool) -> Type:
    reduced = _reduced(what, x, axes, keepdims)
    if any(x.shape[axis] == 0 for axis in axes):
        raise ShapeError(f"{what}: there is no largest of no elements: {x} along {axes}")
    return reduced


def _sum(x: Type, *, axes: tuple[int, ...], keepdims: bool) -> Type:
    if x.dtype.kind == "int" and x.dtype.itemsize < 4:
        raise DTypeError(f"sum: cast {x} to a wider integer first")
    return _reduced("sum", x, axes, keepdims)


@op(infer=_sum)
def sum(x: Array, *, axes: tuple[int, ...], keepdims: bool = False) -> Array:
    """The sum over `axes`."""
    wide = np.float32 if x.dtype == np.float16 else x.dtype  # NumPy would stop where f16 has no next number
    return x.sum(axis=axes, keepdims=keepdims, dtype=wide).astype(x.dtype)


@op(infer=lambda x, *, axes, keepdims: _largest("reduce_max", x, axes, keepdims))
def reduce_max(x: Array, *, axes: tuple[int, ...], keepdims: bool = False) -> Array:
    """Largest element, NaN if one is. Its gradient is shared evenly among ties, as torch.amax."""
    return x.max(axis=axes, keepdims=keepdims)


@op(infer=lambda x, *, axis, keepdims: _largest("argmax", x, (axis,), keepdims).with_dtype(i64))
def argmax(x: Array, *, axis: int, keepdims: bool = False) -> Array:
    """Index of the first largest element along `axis`, or of the first NaN."""
    return np.argmax(x, axis=axis, keepdims=keepdims)


def _argsort(x: Type, *, axis: int, count: Dim, descending: bool) -> Type:
    if x.dtype.kind == "bool":
        raise DTypeError(f"argsort: cast {x} to a number first")
    need_axis("argsort", x, axis)
    size = x.shape[axis]
    if isinstance(size, int) and isinstance(count, int) and not 0 <= count <= size:
        raise ShapeError(f"argsort: there are no first {count} of {size} elements, {x} along {axis}")
    return Type(i64, (*x.shape[:axis], count, *x.shape[axis + 1 :]))


@op(infer=_argsort)
def argsort(x: Array, *, axis: int, count: int, descending: bool = False) -> Array:
    """Where the first `count` elements are that x has in order along `axis`: equal ones by place, NaN the largest."""
    if not descending:
        places = np.argsort(x, axis=axis, kind="stable")
    else:  # from behind, so that those that are equal keep their order
        places = x.shape[axis] - 1 - np.flip(np.argsort(np.flip(x, axis), axis=axis, kind="stable"), axis)
    return places.take(np.arange(count), axis)


def _cumsum(x: Type, *, axis: int, reverse: bool) -> Type:
    if x.dtype.kind == "bool" or (x.dtype.kind == "int" and x.dtype.itemsize < 4):
        raise DTypeError(f"cumsum: cast {x} to a wider integer first")
    need_axis("cumsum", x, axis)
    return x


@op(infer=_cumsum)
def cumsum(x: Array, *, axis: int, reverse: bool = False) -> Array:
    """The sums of the elements along `axis` up to each of them, it included; from the last one on if `reverse`."""
    wide = np.float32 if x.dtype == np.float16 else x.dtype
    found = np.cumsum(np.flip(x, axis) if reverse else x, axis, dtype=wide).astype(x.dtype)
    return np.flip(found, axis) if reverse else found
