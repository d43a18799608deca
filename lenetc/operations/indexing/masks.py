"""Elements that a mask picks. PyTorch's functions of the same names."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

import lenetc.tensors.tensor as t
from ir import ops
from ir.errors import DTypeError, ShapeError, UnsupportedError
from ir.node import Node
from ir.op import literal
from ir.types import bool_, u8
from lenetc.evaluation.cell import Context
from lenetc.evaluation.tracing import here
from lenetc.operations.data_dependent import looked_at
from lenetc.operations.indexing.by_slices import filling
from lenetc.operations.shaping.repeating import broadcast_tensors

if TYPE_CHECKING:
    from lenetc.tensors.convert import Number
    from lenetc.tensors.tensor import Tensor

__all__ = ["masked_fill", "masked_scatter", "masked_select"]


def _need_mask(what: str, x: Tensor, mask: Tensor) -> None:
    t.require_tensors(what, x, mask)
    if mask.dtype is not bool_:
        raise DTypeError(f"{what}: the mask must be bool, but it is {mask.type_text()}; use .bool()").at(
            here()
        )


def masked_fill(input: Tensor, mask: Tensor, value: Tensor | Number) -> Tensor:
    """One value where the mask, which broadcasts, is true (torch.masked_fill). value: a number, or a tensor without
    dimensions."""
    _need_mask("masked_fill", input, mask)
    filler = filling("masked_fill", input, value)
    return t.apply(
        "MaskedFillBackward0", lambda a, m, v: ops.where(m, v, a), input, mask, filler, edges=(input, filler)
    )


def masked_select(input: Tensor, mask: Tensor) -> Tensor:
    """The elements where the mask is true, after both are broadcast, as a vector (torch.masked_select).

    Raises UnsupportedError in a compiled function: the shape depends on values.
    """
    _need_mask("masked_select", input, mask)
    x, where = broadcast_tensors(input, mask)
    places = np.flatnonzero(looked_at("masked_select", where))

    def build(a: Node) -> Node:
        return ops.gather(ops.reshape(a, shape=(a.ty.size,)), literal(places), axis=0)

    return t.apply("MaskedSelectBackward0", build, x)


def masked_scatter(input: Tensor, mask: Tensor, source: Tensor) -> Tensor:
    """The elements of `source`, one after the other, where the mask, which broadcasts, is true (torch.masked_scatter).

    Raises ShapeError where the mask picks more than there are, DTypeError for a source of another dtype, and
    UnsupportedError in a compiled function for a source with fewer elements than the mask has.
    """
    _need_mask("masked_scatter", input, mask)
    t.require_tensors("masked_scatter", source)
    if source.dtype is not input.dtype:
        raise DTypeError(
            f"masked_scatter: the source must have the dtype of {input.type_text()}, but it is {source.type_text()}"
        ).at(here())
    x, where = broadcast_tensors(input, mask)
    if not x.numel():
        return t.apply("MaskedScatterBackward0", lambda a, s: a, x, source)
    if source.numel() < x.numel():
        if Context.trace is not None and where.node.op is not ops.const:
            raise Context.trace.refused(
                UnsupportedError(
                    f"masked_scatter: whether {source.type_text()} has enough elements depends on the mask, whose "
                    f"values are not known inside a compiled function; give a source of {x.numel()} elements"
                )
            )
        count = int(np.count_nonzero(looked_at("masked_scatter", where)))
        if source.numel() < count:
            raise ShapeError(
                f"masked_scatter: the mask picks {count} elements, but the source {source.type_text()} has fewer"
            ).at(here())
        if not count:
            return t.apply("MaskedScatterBackward0", lambda a, s: a, x, source)

    def build(a: Node, m: Node, s: Node) -> Node:
        size = m.ty.size
        flat = ops.reshape(m, shape=(size,))
        picked_first = ops.argsort(ops.cast(flat, dtype=u8), axis=0, count=size, descending=True)
        number = ops.argsort(picked_first, axis=0, count=size)  # the inverse: which of those picked each is
        row = ops.reshape(s, shape=(s.ty.size,))
        value = ops.gather(row, ops.minimum(number, ops.dim(size=s.ty.size) - 1), axis=0)
        return ops.where(m, ops.reshape(value, shape=a.shape), a)

    return t.apply("MaskedScatterBackward0", build, x, where, source, edges=(x, source))
