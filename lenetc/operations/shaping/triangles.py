"""Triangles of matrices. PyTorch's functions of the same names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

import lenetc.tensors.tensor as t
from ir import ops
from ir.errors import DTypeError, ShapeError
from ir.node import Node
from ir.op import literal, scalar
from ir.types import DType, bool_, i32, i64
from lenetc.evaluation.tracing import here
from lenetc.tensors.arrays import index_of

if TYPE_CHECKING:
    from lenetc.tensors.tensor import Tensor

__all__ = ["tril", "tril_indices", "triu", "triu_indices"]


def zero(like: Node) -> Node:
    """0 in the dtype of `like`."""
    return scalar(False, bool_) if like.dtype is bool_ else scalar(0, like.dtype)


def _kept(what: str, name: str, x: Tensor, diagonal: Any, lower: bool) -> Tensor:
    t.require_tensors(what, x)
    if x.ndim < 2:
        raise ShapeError(f"{what}: needs at least 2 dimensions, but it is {x.type_text()}").at(here())
    offset = index_of(f"{what}: diagonal", diagonal)

    def build(a: Node) -> Node:
        rows, columns = a.shape[-2:]
        if isinstance(rows, int) and isinstance(columns, int):
            below = np.tri(rows, columns, offset if lower else offset - 1, dtype=np.bool_)
            mask = literal(below if lower else ~below)
        else:
            row = ops.reshape(ops.iota(size=rows), shape=(rows, 1)) + offset
            column = ops.reshape(ops.iota(size=columns), shape=(1, columns))
            mask = ops.logical_not(ops.less(row, column) if lower else ops.less(column, row))
        return ops.where(mask, a, zero(a))

    return t.apply(name, build, x, saves=False)


def tril(input: Tensor, diagonal: int = 0) -> Tensor:
    """The lower triangle of the last two dimensions, zeros above (torch.tril)."""
    return _kept("tril", "TrilBackward0", input, diagonal, lower=True)


def triu(input: Tensor, diagonal: int = 0) -> Tensor:
    """The upper triangle of the last two dimensions, zeros below (torch.triu)."""
    return _kept("triu", "TriuBackward0", input, diagonal, lower=False)


def _indices(what: str, row: Any, col: Any, dtype: DType, found: Any) -> Tensor:
    sizes = [index_of(f"{what}: a size", size) for size in (row, col)]
    if min(sizes) < 0:
        raise ShapeError(f"{what}: a size among {sizes} is negative").at(here())
    if dtype not in (i64, i32):
        raise DTypeError(f"{what}: indices are int64 or int32, not {dtype!r}").at(here())
    return t.Tensor._from_array(np.stack(np.nonzero(found(*sizes))).astype(dtype.numpy))


def tril_indices(
    row: int, col: int, offset: int = 0, *, dtype: DType = i64, device: Any = None, layout: Any = None
) -> Tensor:
    """[2, M]: the rows and the columns of the elements of a lower triangle (torch.tril_indices)."""
    shift = index_of("tril_indices: offset", offset)
    return _indices("tril_indices", row, col, dtype, lambda n, m: np.tri(n, m, shift))


def triu_indices(
    row: int, col: int, offset: int = 0, *, dtype: DType = i64, device: Any = None, layout: Any = None
) -> Tensor:
    """[2, M]: the rows and the columns of the elements of an upper triangle (torch.triu_indices)."""
    shift = index_of("triu_indices: offset", offset)
    return _indices("triu_indices", row, col, dtype, lambda n, m: 1 - np.tri(n, m, shift - 1))
