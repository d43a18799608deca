"""NumPy's sums, means, extremes and their like, of tensors. want: the dtype that NumPy gives."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from ir.types import DType, bool_, i32, u8
from lenetc.compiler.arrays.dtypes import operand
from lenetc.operations import elementwise, products, reductions, sorting
from lenetc.operations.products.einsum import tensordot
from lenetc.tensors.tensor import Tensor


def _axes(x: Tensor, axis: Any) -> tuple[int, ...]:
    """The axes as numbers from the front, all of them for None."""
    if axis is None or not x.ndim:
        return tuple(range(x.ndim))
    given = axis if isinstance(axis, tuple) else (axis,)
    return tuple(operator.index(a) % x.ndim for a in given)


def _over(build: Callable[..., Tensor], x: Tensor, axis: Any, keepdims: bool) -> Tensor:
    axes = _axes(x, axis)
    return build(x, axes, keepdims) if axes else x


def sum(want: DType, x: Tensor, axis: Any = None, dtype: Any = None, *, keepdims: bool = False) -> Tensor:
    return _over(lambda y, axes, keep: reductions.sum(y, axes, keep, dtype=want), x.to(want), axis, keepdims)


def mean(want: DType, x: Tensor, axis: Any = None, dtype: Any = None, *, keepdims: bool = False) -> Tensor:
    return _over(reductions.mean, x.to(want), axis, keepdims)


def prod(want: DType, x: Tensor, axis: Any = None, dtype: Any = None, *, keepdims: bool = False) -> Tensor:
    found = x.to(want)
    for a in sorted(_axes(x, axis), reverse=True):
        found = reductions.prod(found, a, keepdims, dtype=want)
    return found


def _spread(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    def build(
        want: DType, x: Tensor, axis: Any = None, dtype: Any = None, *, ddof: Any = 0, keepdims: bool = False
    ) -> Tensor:
        y = x.to(want)
        if not _axes(x, axis):
            y, axis = y.unsqueeze(-1), -1
        return function(y, _axes(y, axis), keepdim=keepdims and y.ndim == x.ndim, correction=ddof)

    return build


std, var = _spread(reductions.std), _spread(reductions.var)


def _extreme(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    def build(want: DType, x: Tensor, axis: Any = None, *, keepdims: bool = False) -> Tensor:
        return _over(function, x, axis, keepdims)

    return build


max, min = _extreme(reductions.amax), _extreme(reductions.amin)


def _truth(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    of_bools = _extreme(function)

    def build(want: DType, x: Tensor, axis: Any = None, *, keepdims: bool = False) -> Tensor:
        return of_bools(want, x.to(bool_), axis, keepdims=keepdims)

    return build


all, any = _truth(reductions.all), _truth(reductions.any)


def ptp(want: DType, x: Tensor, axis: Any = None, *, keepdims: bool = False) -> Tensor:
    return max(want, x, axis, keepdims=keepdims) - min(want, x, axis, keepdims=keepdims)


def _place(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    def build(want: DType, x: Tensor, axis: Any = None, *, keepdims: bool = False) -> Tensor:
        if x.dtype is bool_:
            x = x.to(u8)
        if axis is None:
            found = function(x.reshape(-1))
            return found.reshape((1,) * x.ndim) if keepdims else found
        return function(x if x.ndim else x.reshape(1), axis, keepdims)

    return build


argmax, argmin = _place(reductions.argmax), _place(reductions.argmin)


def _running(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    def build(want: DType, x: Tensor, axis: Any = None, dtype: Any = None) -> Tensor:
        y = x.to(want)
        return function(y.reshape(-1), 0, dtype=want) if axis is None else function(y, axis, dtype=want)

    return build


cumsum, cumprod = _running(reductions.cumsum), _running(reductions.cumprod)


def round(want: DType, x: Tensor, decimals: int = 0) -> Tensor:
    if x.dtype is want and not want.is_float and decimals >= 0:
        return x.clone()
    x = x.to(want)
    if not decimals:
        return elementwise.round(x)
    factor = operand(10.0 ** abs(decimals), want)
    by, back = (elementwise.mul, elementwise.div) if decimals > 0 else (elementwise.div, elementwise.mul)
    return back(elementwise.round(by(x, factor)), factor)


def clip(want: DType, x: Any, min: Any = None, max: Any = None) -> Tensor:
    found = operand(x, want)
    if min is not None:
        found = elementwise.maximum(found, operand(min, want))
    return found if max is None else elementwise.minimum(found, operand(max, want))


def bounded(
    want: DType, a: Any, a_min: Any = None, a_max: Any = None, *, min: Any = None, max: Any = None
) -> Tensor:
    return clip(want, a, a_min if min is None else min, a_max if max is None else max)


def matmul(x: Tensor, y: Tensor) -> Tensor:
    """The product, of bools whether any pair is true."""
    return _multiplied(products.matmul, x, y)


def _multiplied(function: Callable[..., Tensor], x: Tensor, y: Tensor, *rest: Any) -> Tensor:
    return function(x.to(i32), y.to(i32), *rest) != 0 if x.dtype is bool_ else function(x, y, *rest)


def dot(want: DType, x: Any, y: Any) -> Tensor:
    a, b = operand(x, want), operand(y, want)
    if not a.ndim or not b.ndim:
        return a * b
    if b.ndim == 1 or (a.ndim <= 2 and b.ndim == 2):
        return matmul(a, b)
    return _multiplied(tensordot, a, b, ([-1], [-2]))


def argsort(want: DType, x: Tensor, axis: int | None = -1, kind: Any = None, *, stable: Any = None) -> Tensor:
    """Of equal elements the first comes first, whatever `kind` leaves open."""
    return (
        sorting.argsort(x.reshape(-1), -1, stable=True)
        if axis is None
        else sorting.argsort(x, axis, stable=True)
    )


def sort(want: DType, x: Tensor, axis: int | None = -1, kind: Any = None, *, stable: Any = None) -> Tensor:
    return sorting.sort(x.reshape(-1), -1).values if axis is None else sorting.sort(x, axis).values


def norm(want: DType, x: Tensor, *, axis: Any = None, keepdims: bool = False) -> Tensor:
    y = x.to(want)
    return elementwise.sqrt(_over(reductions.sum, elementwise.square(y), axis, keepdims))
