"""Elements picked by positions. PyTorch's functions of the same names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

import lenetc.tensors.tensor as t
from ir import ops
from ir.errors import DTypeError, ShapeError
from ir.node import Node
from ir.types import i32, i64
from lenetc.evaluation.ranges import require_range
from lenetc.evaluation.tracing import here
from lenetc.operations.data_dependent import looked_at
from lenetc.operations.indexing.places import from_front
from lenetc.operations.shaping.repeating import broadcast_shapes, expand
from lenetc.operations.shaping.viewing import reshape
from lenetc.tensors.arrays import axis_of

if TYPE_CHECKING:
    from lenetc.tensors.tensor import Tensor

__all__ = ["argwhere", "gather", "index_select", "nonzero", "take", "take_along_dim"]


def need_positions(what: str, index: Tensor) -> None:
    if index.dtype not in (i64, i32):
        raise DTypeError(
            f"{what}: the index must be i64 or i32, but it is {index.type_text()}; use .long()"
        ).at(here())


def need_range(what: str, index: Tensor, x: Tensor, axis: int, negative: bool = False) -> None:
    """Raise LabelError unless every index is in 0..size-1 of `axis`, from -size on if `negative`, where its size is
    known. A scalar has one place."""
    size = x.shape[axis] if x.ndim else 1
    if isinstance(size, int):
        where = f"dimension {axis} of {x.type_text()}"
        require_range(what, "index", index, size, None, where, low=-size if negative else 0)


def need_smaller(what: str, index: Tensor, x: Tensor, axis: int) -> None:
    """Raise ShapeError unless `index` has as many dimensions as x, and is no larger except along `axis`. A scalar is a
    vector here."""
    own, its = (tuple(v.shape) or (1,) for v in (x, index))
    if len(own) != len(its) or any(
        i != axis and isinstance(n, int) and isinstance(size, int) and n > size
        for i, (n, size) in enumerate(zip(its, own, strict=True))
    ):
        raise ShapeError(
            f"{what}: the index {index.type_text()} must have as many dimensions as the tensor {x.type_text()}, and "
            f"be no larger except along {axis}"
        ).at(here())


def gather(input: Tensor, dim: int, index: Tensor, *, sparse_grad: bool = False) -> Tensor:
    """result[i][j] = input[i][index[i][j]] along `dim`; along the others the index may be smaller (torch.gather).

    Raises LabelError, an IndexError, for an index that is negative or out of range, ShapeError where shapes do not
    fit, DTypeError for an index that is neither i64 nor i32.
    """
    t.require_tensors("gather", input, index)
    axis = axis_of(dim, input.ndim, "gather")
    shape = tuple(index.shape)
    if index.numel() == 0:
        return t.apply("GatherBackward0", lambda a: _nothing(a, shape), input)
    need_positions("gather", index)
    need_smaller("gather", index, input, axis)
    need_range("gather", index, input, axis)

    def build(a: Node, i: Node) -> Node:
        if not a.rank or not i.rank:
            return ops.gather(ops.reshape(a, shape=(a.ty.size,)), i, axis=0)
        stops = tuple(
            size if k == axis else n for k, (size, n) in enumerate(zip(a.shape, i.shape, strict=True))
        )
        if stops != a.shape:
            a = ops.slice(a, starts=(0,) * a.rank, stops=stops, steps=(1,) * a.rank)
        return ops.take_along_axis(a, i, axis=axis)

    return t.apply("GatherBackward0", build, input, index)


def _nothing(a: Node, shape: Any) -> Node:
    """No elements of `a`, under `shape`."""
    flat = ops.reshape(a, shape=(a.ty.size,))
    return ops.reshape(ops.slice(flat, starts=(0,), stops=(0,), steps=(1,)), shape=shape)


def index_select(input: Tensor, dim: int, index: Tensor) -> Tensor:
    """Slices along `dim` picked by a 1-D index, or by one position (torch.index_select).

    Raises LabelError, an IndexError, for an index that is negative or out of range, ShapeError for one of more
    dimensions, DTypeError for one that is neither i64 nor i32.
    """
    t.require_tensors("index_select", input, index)
    axis = axis_of(dim, input.ndim, "index_select")
    need_positions("index_select", index)
    if index.ndim > 1:
        raise ShapeError(f"index_select: the index must be a vector, but it is {index.type_text()}").at(
            here()
        )
    if not input.ndim:
        if index.numel() != 1:
            raise ShapeError(
                f"index_select: a scalar has one place, but the index is {index.type_text()}"
            ).at(here())
        need_range("index_select", index, input, 0)
        return t.apply("IndexSelectBackward0", lambda a: a, input)
    need_range("index_select", index, input, axis)

    def build(a: Node, i: Node) -> Node:
        return ops.gather(a, i if i.rank else ops.reshape(i, shape=(1,)), axis=axis)

    return t.apply("IndexSelectBackward0", build, input, index)


def take(input: Tensor, index: Tensor) -> Tensor:
    """Elements at positions in the flattened tensor, in the shape of the index (torch.take). Negative ones count from
    the end."""
    t.require_tensors("take", input, index)
    need_positions("take", index)
    flat = reshape(input, input.numel())
    if index.numel() == 0:
        return t.apply("TakeBackward0", lambda a: _nothing(a, tuple(index.shape)), input)
    need_range("take", index, flat, 0, negative=True)

    def build(a: Node, i: Node) -> Node:
        row = ops.reshape(a, shape=(a.ty.size,))
        return ops.gather(row, from_front(i, a.ty.size), axis=0)

    return t.apply("TakeBackward0", build, input, index)


def take_along_dim(input: Tensor, indices: Tensor, dim: int | None = None) -> Tensor:
    """As gather, with both broadcast along the other dimensions, and negative indices from the end; without `dim`
    gather of the flattened tensors, where none is negative (torch.take_along_dim)."""
    t.require_tensors("take_along_dim", input, indices)
    need_positions("take_along_dim", indices)
    if dim is None:
        return gather(reshape(input, input.numel()), 0, reshape(indices, indices.numel()))
    if input.ndim != indices.ndim:
        raise ShapeError(
            f"take_along_dim: {input.type_text()} and indices {indices.type_text()} must have equally many dimensions"
        ).at(here())
    axis = axis_of(dim, input.ndim, "take_along_dim")
    if not input.ndim:
        return gather(input, 0, indices)
    shapes = [(*v.shape[:axis], 1, *v.shape[axis + 1 :]) for v in (input, indices)]
    shape = broadcast_shapes(*shapes)
    x, places = (expand(v, *shape[:axis], v.shape[axis], *shape[axis + 1 :]) for v in (input, indices))
    return _taken_along(x, axis, places)


def _taken_along(x: Tensor, axis: int, index: Tensor) -> Tensor:
    if index.numel() == 0:
        return gather(x, axis, index)
    need_range("take_along_dim", index, x, axis, negative=True)

    def build(a: Node, i: Node) -> Node:
        return ops.take_along_axis(a, from_front(i, a.shape[axis]), axis=axis)

    return t.apply("GatherBackward0", build, x, index)


def nonzero(input: Tensor, *, as_tuple: bool = False) -> Any:
    """[elements, dimensions]: where the elements are that are not 0, in order; or a vector for each dimension
    (torch.nonzero).

    Raises UnsupportedError in a compiled function: the shape depends on values.
    """
    t.require_tensors("nonzero", input)
    array = looked_at("nonzero", input)
    if as_tuple:
        return tuple([t.Tensor._from_array(place) for place in np.nonzero(np.atleast_1d(array))])
    return t.Tensor._from_array(np.argwhere(array).astype(np.int64))


def argwhere(input: Tensor) -> Tensor:
    """As nonzero (torch.argwhere)."""
    found: Tensor = nonzero(input)
    return found
