"""Slices along a dimension, or elements of the flattened tensor, put where an index says. PyTorch's functions of the
same names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

import lenetc.tensors.tensor as t
from ir import ops
from ir.errors import DTypeError, ShapeError
from ir.node import Node
from ir.op import literal
from ir.types import u8
from lenetc.evaluation.tracing import here
from lenetc.operations.autocast import autocasts
from lenetc.operations.indexing.assigning import assigned
from lenetc.operations.indexing.gathering import need_positions, need_range
from lenetc.operations.indexing.places import from_front, plus, scattered
from lenetc.operations.indexing.scattering import reduction
from lenetc.operations.indexing.selection import selection
from lenetc.tensors.arrays import axis_of
from lenetc.tensors.convert import Number, as_tensor, element_for, operand_of

if TYPE_CHECKING:
    from lenetc.tensors.tensor import Tensor

__all__ = ["fill", "index_add", "index_copy", "index_fill", "index_put", "index_reduce", "put"]


def _checked(what: str, x: Tensor, dim: Any, index: Tensor, source: Tensor) -> int:
    """The axis. Raises ShapeError unless `source` has a slice of x for each index."""
    t.require_tensors(what, x, index, source)
    axis = axis_of(dim, x.ndim, what)
    need_positions(what, index)
    own, its = tuple(x.shape) or (1,), tuple(source.shape) or (1,)
    if index.ndim > 1 or len(own) != len(its) or its != (*own[:axis], index.numel(), *own[axis + 1 :]):
        raise ShapeError(
            f"{what}: the source {source.type_text()} must hold a slice of {x.type_text()} along {axis} for each of "
            f"the index {index.type_text()}, a vector"
        ).at(here())
    if source.dtype is not x.dtype:
        raise DTypeError(
            f"{what}: the source must have the dtype of {x.type_text()}, but it is {source.type_text()}"
        ).at(here())
    need_range(what, index, x, axis)
    return axis


def _rows(*nodes: Node) -> list[Node]:
    """Scalars as vectors."""
    return [node if node.rank else ops.reshape(node, shape=(1,)) for node in nodes]


def _like(found: Node, a: Node) -> Node:
    return found if found.shape == a.shape else ops.reshape(found, shape=a.shape)


def index_add(input: Tensor, dim: int, index: Tensor, source: Tensor, *, alpha: Number = 1) -> Tensor:
    """`input` with alpha * source[i] added to the slice index[i] along `dim` (torch.index_add).

    Raises LabelError, an IndexError, for an index that is negative or out of range, ShapeError where shapes do not
    fit, DTypeError for a source of another dtype.
    """
    axis = _checked("index_add", input, dim, index, source)
    scaled = source if alpha == 1 else source * (alpha % 256 if input.dtype is u8 else alpha)
    scaled = scaled.to(input.dtype)

    def build(a: Node, s: Node, i: Node) -> Node:
        whole, s, i = _rows(a, s, i)
        return _like(plus(whole, i, s, axis), a)

    return t.apply("IndexAddBackward0", build, input, scaled, index, edges=(input, source))


@autocasts
def index_copy(input: Tensor, dim: int, index: Tensor, source: Tensor) -> Tensor:
    """`input` with source[i] in the place of the slice index[i] along `dim`, the last one of several
    (torch.index_copy). Raises as index_add."""
    axis = _checked("index_copy", input, dim, index, source)

    def build(a: Node, s: Node, i: Node) -> Node:
        whole, s, i = _rows(a, s, i)
        return _like(scattered(whole, i, s, axis), a)

    return t.apply("IndexCopyBackward0", build, input, source, index, edges=(input, source))


def index_reduce(
    input: Tensor, dim: int, index: Tensor, source: Tensor, reduce: str, *, include_self: bool = True
) -> Tensor:
    """`input` with the "prod", "mean", "amax" or "amin" of the slices that go to a place along `dim`, and of what is
    there if `include_self` (torch.index_reduce). Raises as index_add."""
    axis = _checked("index_reduce", input, dim, index, source)
    way = reduction("index_reduce", input, None if reduce == "sum" else reduce, include_self)

    def build(a: Node, s: Node, i: Node) -> Node:
        whole, s, i = _rows(a, s, i)
        along = ops.reshape(i, shape=tuple(i.shape[0] if k == axis else 1 for k in range(whole.rank)))
        return _like(way(whole, ops.broadcast_to(along, shape=s.shape), s, axis), a)

    return t.apply("IndexReduceBackward0", build, input, source, index, edges=(input, source))


def index_fill(input: Tensor, dim: int, index: Tensor, value: Tensor | Number) -> Tensor:
    """`input` with one value in the slices that the index names along `dim`, from the end where it is negative
    (torch.index_fill). value: a number, or a tensor without dimensions."""
    t.require_tensors("index_fill", input, index)
    axis = axis_of(dim, input.ndim, "index_fill")
    need_positions("index_fill", index)
    if index.ndim > 1:
        raise ShapeError(f"index_fill: the index must be a vector, but it is {index.type_text()}").at(here())
    need_range("index_fill", index, input, axis, negative=True)
    filler = filling("index_fill", input, value)

    def build(a: Node, v: Node, i: Node) -> Node:
        whole, i = _rows(a, i)
        size = whole.shape[axis]
        none = ops.broadcast_to(literal(np.False_), shape=(size,))
        hits = ops.broadcast_to(literal(np.True_), shape=i.shape)
        named = ops.scatter(none, from_front(i, size), hits, axis=0)
        along = tuple(size if k == axis else 1 for k in range(whole.rank))
        return _like(ops.where(ops.reshape(named, shape=along), v, whole), a)

    return t.apply("IndexFillBackward0", build, input, filler, index, edges=(input, filler))


def fill(input: Tensor, value: Tensor | Number) -> Tensor:
    """A tensor like `input` with one value everywhere (torch.fill). value: a number, or a tensor without dimensions."""
    t.require_tensors("fill", input)
    filler = filling("fill", input, value)
    return t.apply("FillBackward0", lambda a, v: ops.where(literal(np.True_), v, a), input, filler)


def filling(what: str, x: Tensor, value: Any) -> Tensor:
    """`value`, a number or a tensor without dimensions, in the dtype of x."""
    given = operand_of(what, value)
    if not isinstance(given, t.Tensor):
        return as_tensor(element_for(x.dtype, given), x.dtype)
    if given.ndim:
        raise ShapeError(f"{what}: the value must have no dimensions, but it is {given.type_text()}").at(
            here()
        )
    return given.to(x.dtype)


@autocasts
def index_put(
    input: Tensor, indices: Sequence[Tensor | None], values: Tensor, accumulate: bool = False
) -> Tensor:
    """`input` with input[indices] = values, or with the values added there (torch.index_put).

    indices: integers or masks for the first dimensions, None for one that is whole. Raises as x[indices] = values.
    """
    t.require_tensors("index_put", input, values)
    if not isinstance(indices, (tuple, list)):
        raise DTypeError(f"index_put: indices are a tuple of tensors, not {type(indices).__name__}").at(
            here()
        )
    t.require_tensors("index_put", optional=indices)
    if values.dtype is not input.dtype:
        raise DTypeError(
            f"index_put: the values must have the dtype of {input.type_text()}, but they are {values.type_text()}"
        ).at(here())
    chosen = selection(input, tuple([slice(None) if index is None else index for index in indices]))
    return assigned("index_put", "IndexPutBackward0", input, chosen, values, bool(accumulate))


def put(input: Tensor, index: Tensor, source: Tensor, accumulate: bool = False) -> Tensor:
    """`input` with `source` at positions of the flattened tensor, from the end where they are negative, or added there
    (torch.put)."""
    t.require_tensors("put", input, index, source)
    need_positions("put", index)
    if index.numel() != source.numel() or source.dtype is not input.dtype:
        raise ShapeError(
            f"put: the source {source.type_text()} must have an element of the dtype of {input.type_text()} for each "
            f"the index {index.type_text()}"
        ).at(here())
    if index.numel() == 0:
        return t.apply("PutBackward0", lambda a, _: a, input, source)
    flat = input.reshape(input.numel())
    chosen = selection(flat, index.reshape(index.numel()))
    found = assigned("put", "PutBackward0", flat, chosen, source.reshape(source.numel()), bool(accumulate))
    return found.reshape(input.shape)
