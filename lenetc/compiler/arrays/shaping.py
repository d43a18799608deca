"""What NumPy makes of shapes, orders and copies, of tensors. want: the dtype that NumPy gives."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ir.types import DType
from lenetc.compiler.arrays.dtypes import operand
from lenetc.operations import elementwise, indexing, shaping
from lenetc.tensors.tensor import Tensor


def _given(items: tuple[Any, ...]) -> tuple[Any, ...]:
    """Numbers that come one by one or as a tuple."""
    first = items[0] if len(items) == 1 else None
    return tuple(first) if isinstance(first, (tuple, list)) else items


def transpose(want: DType, x: Tensor, *axes: Any) -> Tensor:
    order = _given(axes)
    if order in ((), (None,)):
        order = tuple(reversed(range(x.ndim)))
    if len(order) != x.ndim:
        raise ValueError("axes don't match array")
    return x.permute(tuple(a % x.ndim for a in order)) if x.ndim else x


def swapaxes(want: DType, x: Tensor, axis1: int, axis2: int) -> Tensor:
    return x.transpose(axis1, axis2)


def moveaxis(want: DType, x: Tensor, source: Any, destination: Any) -> Tensor:
    return shaping.moveaxis(x, source, destination)


def reshape(want: DType, x: Tensor, *shape: Any, order: str = "C") -> Tensor:
    sizes = _given(shape)
    if order == "F":  # the first axis changes fastest
        turned = transpose(want, x)
        known = int(np.prod([s for s in sizes if s != -1]))
        whole = [x.numel() // known if s == -1 else s for s in sizes]
        return transpose(want, turned.reshape(whole[::-1]))
    _need_order(order)
    return x.reshape(sizes)


def reshape_to(want: DType, x: Tensor, shape: Any, order: str = "C") -> Tensor:
    return reshape(want, x, *(shape if isinstance(shape, (tuple, list)) else (shape,)), order=order)


def ravel(want: DType, x: Tensor, order: str = "C") -> Tensor:
    return reshape(want, x, -1, order=order)


def _need_order(order: Any) -> None:
    if order != "C":
        raise TypeError(f"the order {order!r}, which is that of the memory")


def squeeze(want: DType, x: Tensor, axis: Any = None) -> Tensor:
    axes = axis if isinstance(axis, tuple) else (axis,)
    if axis is None:
        axes = tuple(i for i, size in enumerate(x.shape) if size == 1)
    gone = {a % x.ndim for a in axes} if x.ndim else set()
    return x.reshape([size for i, size in enumerate(x.shape) if i not in gone]) if gone else x.view(x.shape)


def expand_dims(want: DType, x: Tensor, axis: Any) -> Tensor:
    axes = axis if isinstance(axis, (tuple, list)) else (axis,)
    rank = x.ndim + len(axes)
    for a in sorted(a % rank for a in axes):
        x = x.unsqueeze(a)
    return x


def diagonal(want: DType, x: Tensor, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Tensor:
    return x.diagonal(offset, axis1, axis2)


def trace(
    want: DType, x: Tensor, offset: int = 0, axis1: int = 0, axis2: int = 1, dtype: Any = None
) -> Tensor:
    return x.diagonal(offset, axis1, axis2).to(want).sum(-1, dtype=want)


def repeat(want: DType, x: Tensor, repeats: Any, axis: int | None = None) -> Tensor:
    y, at = (x.reshape(-1), 0) if axis is None or not x.ndim else (x, axis % x.ndim)
    places = np.repeat(np.arange(y.shape[at]), repeats)
    return indexing.index_select(y, at, Tensor._from_array(places))


def tile(want: DType, x: Tensor, reps: Any) -> Tensor:
    return shaping.tile(x, reps if isinstance(reps, (tuple, list)) else (reps,))


def broadcast_to(want: DType, x: Tensor, shape: Any) -> Tensor:
    return x.expand(shape)


def flip(want: DType, x: Tensor, axis: Any = None) -> Tensor:
    axes = range(x.ndim) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    return shaping.flip(x, tuple(a % x.ndim for a in axes))


def roll(want: DType, x: Tensor, shift: Any, axis: Any = None) -> Tensor:
    return shaping.roll(x, shift, axis)


def astype(
    want: DType,
    x: Tensor,
    dtype: Any,
    order: str = "K",
    casting: str = "unsafe",
    subok: bool = True,
    copy: bool = True,
) -> Tensor:
    return x.to(want).clone()


def copy(want: DType, x: Tensor, order: str = "C") -> Tensor:
    return x.clone()


def concatenate(want: DType, arrays: Sequence[Any], axis: int | None = 0, *, dtype: Any = None) -> Tensor:
    parts = [operand(array, want) for array in arrays]
    if axis is None:
        return shaping.cat([part.reshape(-1) for part in parts])
    return shaping.cat(parts, axis)


def stack(want: DType, arrays: Sequence[Any], axis: int = 0, *, dtype: Any = None) -> Tensor:
    return shaping.stack([operand(array, want) for array in arrays], axis)


def vstack(want: DType, tup: Sequence[Any]) -> Tensor:
    parts = [operand(array, want) for array in tup]
    return shaping.cat([part.reshape((1, -1)) if part.ndim < 2 else part for part in parts])


def hstack(want: DType, tup: Sequence[Any]) -> Tensor:
    parts = [operand(array, want) for array in tup]
    parts = [part.reshape(1) if not part.ndim else part for part in parts]
    return shaping.cat(parts, 0 if parts[0].ndim == 1 else 1)


def where(want: DType, condition: Any, x: Any, y: Any) -> Tensor:
    chosen = condition if isinstance(condition, Tensor) else Tensor._from_array(np.asarray(condition, bool))
    return elementwise.where(
        chosen != 0 if chosen.dtype.kind != "bool" else chosen, operand(x, want), operand(y, want)
    )


def triu(want: DType, m: Tensor, k: int = 0) -> Tensor:
    return shaping.triu(m, k)


def tril(want: DType, m: Tensor, k: int = 0) -> Tensor:
    return shaping.tril(m, k)


def zeros_like(want: DType, a: Tensor, dtype: Any = None) -> Tensor:
    return operand(0, want).expand(a.shape).clone()


def ones_like(want: DType, a: Tensor, dtype: Any = None) -> Tensor:
    return operand(1, want).expand(a.shape).clone()


def full_like(want: DType, a: Tensor, fill_value: Any, dtype: Any = None) -> Tensor:
    return operand(fill_value, want).expand(a.shape).clone()
