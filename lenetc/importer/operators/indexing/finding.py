"""Places that values have: of the largest, of those that are not zero, of different ones."""

from __future__ import annotations

from typing import Any

import numpy as np

from ir.errors import ShapeError
from ir.types import i64
from lenetc.importer.registry import operator
from lenetc.importer.values import Host, Sizes, Value, numbers
from lenetc.operations import creation
from lenetc.operations import elementwise as E
from lenetc.operations.data_dependent import looked_at
from lenetc.tensors.tensor import Tensor


@operator
def OneHot(indices: Tensor, depth: Sizes, values: Tensor, /, *, axis: int = -1) -> Tensor:
    """values: [2], off and on. Indices below 0 count from the end; beyond `depth` all is off."""
    (classes,) = numbers(depth)
    classes = int(classes) if isinstance(classes, float) else classes
    at = indices.unsqueeze(axis)
    places = creation.arange(classes).reshape([-1] + [1] * (at.ndim - 1 - axis % at.ndim))
    whole = at.to(i64)
    return E.where(E.eq(E.where(whole < 0, whole + classes, whole), places), values[1], values[0])


@operator
def TopK(
    x: Tensor,
    k_: Sizes | None = None,
    /,
    *,
    k: int | None = None,
    axis: int = -1,
    largest: int = 1,
    sorted: int = 1,
) -> tuple[Tensor, Tensor]:
    """The k largest or smallest along `axis`, and their places; of equal ones the first."""
    count: Any = numbers(k_)[0] if k_ is not None else k
    found = x.topk(count, axis, bool(largest), bool(sorted))
    return found[0], found[1]


@operator(differentiable=False)
def ArgMax(x: Tensor, /, *, axis: int = 0, keepdims: int = 1, select_last_index: int = 0) -> Tensor:
    return _extreme(Tensor.argmax, x, axis, keepdims, select_last_index)


@operator(differentiable=False)
def ArgMin(x: Tensor, /, *, axis: int = 0, keepdims: int = 1, select_last_index: int = 0) -> Tensor:
    return _extreme(Tensor.argmin, x, axis, keepdims, select_last_index)


def _extreme(function: Any, x: Tensor, axis: int, keepdims: int, select_last_index: int) -> Tensor:
    found: Tensor = function(x.flip([axis]) if select_last_index else x, axis, bool(keepdims))
    return (found - (x.shape[axis] - 1)).abs() if select_last_index else found


@operator(differentiable=False)
def NonZero(x: Tensor, /) -> Tensor:
    """[rank, count], 1 row for a scalar."""
    places: Tensor = (x if x.ndim else x.reshape([1])).nonzero()
    return places.t()


@operator
def Compress(x: Tensor, condition: Tensor, /, *, axis: int | None = None) -> Tensor:
    places = np.flatnonzero(looked_at("Compress", condition))
    x, axis = (x.reshape([-1]), 0) if axis is None else (x, axis)
    return x.index_select(axis, Tensor._from_array(places))


@operator
def Unique(x: Tensor, /, *, axis: int | None = None, sorted: int = 1) -> tuple[Value, ...]:
    """The different values (or slices along `axis`), where each is first, which one stands where, and how often."""
    of, by = (x.reshape([-1]), 0) if axis is None else (x, axis)
    first, inverse, counts = _different(looked_at("Unique", of), by, bool(sorted))
    return of.index_select(by, Tensor._from_array(first)), first, inverse, counts


def _different(values: Host, axis: int, in_order: bool) -> tuple[Any, Any, Any]:
    if not values.size:
        raise ShapeError("of nothing there are no different values")
    _, first, inverse, counts = np.unique(
        values, return_index=True, return_inverse=True, return_counts=True, axis=axis
    )
    inverse = inverse.reshape(-1)
    if not in_order:
        order = np.argsort(first, kind="stable")
        first, counts = first[order], counts[order]
        inverse = np.argsort(order, kind="stable")[inverse]
    return first.astype(np.int64), inverse.astype(np.int64), counts.astype(np.int64)


@operator
def Trilu(x: Tensor, k: Sizes | None = None, /, *, upper: int = 1) -> Tensor:
    by = numbers(k)[0] if k is not None else 0
    return x.triu(by) if upper else x.tril(by)
