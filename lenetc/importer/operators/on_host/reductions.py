"""Sums, products, extremes and means."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce
from typing import Any

import numpy as np

from lenetc.importer.operators.on_host.arithmetic import Div, larger, smaller
from lenetc.importer.operators.on_host.each import each, on_whole
from lenetc.importer.registry import on_host
from lenetc.importer.values import Host, as_host, dtype_of, is_symbolic, listed


def _reduced(
    x: Host,
    given: Host | None,
    attribute: Sequence[int] | None,
    keepdims: int,
    noop_with_empty_axes: int,
    of_numbers: Callable[..., Any],
    of_dims: Callable[[Any, Any], Any],
) -> Host:
    axes = tuple(axis % x.ndim for axis in listed(given, attribute))
    if not axes and noop_with_empty_axes:
        return x
    axes = axes or tuple(range(x.ndim))
    if not is_symbolic(x):
        with np.errstate(all="ignore"):
            found = of_numbers(x, axis=axes, keepdims=bool(keepdims))
        return np.asarray(found).astype(x.dtype)
    left = [axis for axis in range(x.ndim) if axis not in axes]
    rows = np.transpose(x, (*left, *axes)).reshape([*(x.shape[axis] for axis in left), -1])
    found = np.empty(rows.shape[:-1], object)
    for at in np.ndindex(found.shape):
        found[at] = reduce(on_whole(of_dims), rows[at])
    shape = [1 if axis in axes else size for axis, size in enumerate(x.shape)]
    return as_host(found.reshape(shape) if keepdims else found, dtype_of(x))


@on_host
def ReduceSum(
    x: Host,
    axes_: Host | None = None,
    /,
    *,
    axes: Sequence[int] | None = None,
    keepdims: int = 1,
    noop_with_empty_axes: int = 0,
) -> Host:
    return _reduced(x, axes_, axes, keepdims, noop_with_empty_axes, np.sum, lambda a, b: a + b)


@on_host
def ReduceProd(
    x: Host,
    axes_: Host | None = None,
    /,
    *,
    axes: Sequence[int] | None = None,
    keepdims: int = 1,
    noop_with_empty_axes: int = 0,
) -> Host:
    return _reduced(x, axes_, axes, keepdims, noop_with_empty_axes, np.prod, lambda a, b: a * b)


@on_host
def ReduceMax(
    x: Host,
    axes_: Host | None = None,
    /,
    *,
    axes: Sequence[int] | None = None,
    keepdims: int = 1,
    noop_with_empty_axes: int = 0,
) -> Host:
    return _reduced(x, axes_, axes, keepdims, noop_with_empty_axes, np.max, larger)


@on_host
def ReduceMin(
    x: Host,
    axes_: Host | None = None,
    /,
    *,
    axes: Sequence[int] | None = None,
    keepdims: int = 1,
    noop_with_empty_axes: int = 0,
) -> Host:
    return _reduced(x, axes_, axes, keepdims, noop_with_empty_axes, np.min, smaller)


@on_host
def ReduceMean(
    x: Host,
    axes_: Host | None = None,
    /,
    *,
    axes: Sequence[int] | None = None,
    keepdims: int = 1,
    noop_with_empty_axes: int = 0,
) -> Host:
    total = ReduceSum(x, axes_, axes=axes, keepdims=keepdims, noop_with_empty_axes=noop_with_empty_axes)
    return Div(total, np.asarray(x.size // max(total.size, 1), dtype_of(x)))


@on_host
def CumSum(x: Host, axis: Host, /, *, exclusive: int = 0, reverse: int = 0) -> Host:
    return _running(x, int(axis.reshape(())), exclusive, reverse, 0, np.add, lambda a, b: a + b)


@on_host
def CumProd(x: Host, axis: Host, /, *, exclusive: int = 0, reverse: int = 0) -> Host:
    return _running(x, int(axis.reshape(())), exclusive, reverse, 1, np.multiply, lambda a, b: a * b)


def _running(
    x: Host, axis: int, exclusive: int, reverse: int, first: int, of_numbers: Any, of_dims: Any
) -> Host:
    rows = np.moveaxis(x, axis, 0)
    rows = rows[::-1] if reverse else rows
    total = np.full(rows.shape[1:], first, dtype_of(x))
    found = []
    for row in rows:
        sum_ = each(of_numbers, on_whole(of_dims), total, as_host(row, dtype_of(x)))
        found.append(total if exclusive else sum_)
        total = sum_
    stacked = np.stack(found) if found else rows
    return as_host(np.moveaxis(stacked[::-1] if reverse else stacked, 0, axis), dtype_of(x))
