"""Tensors of one number, and the identity matrix."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ir import ops
from ir.dims import Dim, Poly
from ir.errors import ShapeError, UnsupportedError
from ir.node import Node
from ir.op import scalar
from ir.types import DType, Type, bool_, i64
from lenetc import runtime
from lenetc.evaluation.cell import Cell, Context
from lenetc.evaluation.tracing import here
from lenetc.operations.creation.arguments import (
    checked,
    finished,
    given_sizes,
    of_out,
    sequence_of_sizes,
    sizes_of,
)
from lenetc.tensors.convert import Number, filling_for, operand_of
from lenetc.tensors.dtypes import get_default_dtype
from lenetc.tensors.tensor import Tensor, apply

__all__ = ["empty", "empty_permuted", "empty_strided", "eye", "full", "ones", "zeros"]


def filled(shape: tuple[Dim, ...], value: Number, kind: DType) -> Tensor:
    """A tensor of `shape` with every element `value`, which fits `kind`."""
    if Context.trace is not None:  # sizes may be symbolic there
        return Tensor._from_node(ops.broadcast_to(scalar(value, kind), shape=shape))
    sizes = tuple(map(int, shape))
    return Tensor._from_cell(Cell(Type(kind, sizes), value=np.full(sizes, value, runtime.stored(kind))))


def full(
    size: Sequence[Any],
    fill_value: Number | Tensor,
    *,
    out: Tensor | None = None,
    dtype: DType | None = None,
    requires_grad: bool = False,
    device: Any = None,
    **idle: Any,
) -> Tensor:
    """A tensor of `size` with every element `fill_value`: bool, i64 or the default dtype after its
    type, unless `dtype` is given.

    Raises DTypeError for what is no number or does not fit the dtype, ShapeError for a negative size.
    """
    shape = sequence_of_sizes("full", size)
    value = operand_of("full", fill_value)
    if isinstance(value, Tensor):
        if value.ndim:
            raise ShapeError(f"full: the value must be a number, but it is {value.type_text()}").at(here())
        dtype = dtype or value.dtype
        value = value.item()
    default = bool_ if isinstance(value, bool) else get_default_dtype() if isinstance(value, float) else i64
    kind = checked("full", of_out(dtype, out, default))
    return finished(
        "full", filled(shape, filling_for(kind, value, shape), kind), requires_grad, device, out, idle
    )


def _constant(
    what: str,
    value: int,
    given: Any,
    size: Any,
    out: Any,
    dtype: Any,
    requires_grad: bool,
    device: Any,
    idle: Any,
) -> Tensor:
    kind = checked(what, of_out(dtype, out, get_default_dtype()))
    made = filled(given_sizes(what, given, size), value, kind)
    return finished(what, made, requires_grad, device, out, idle)


def zeros(
    *given: Any,
    size: Sequence[Any] | None = None,
    out: Tensor | None = None,
    dtype: DType | None = None,
    requires_grad: bool = False,
    device: Any = None,
    **idle: Any,
) -> Tensor:
    """Zeros of a size that is given as arguments or as one sequence."""
    return _constant("zeros", 0, given, size, out, dtype, requires_grad, device, idle)


def ones(
    *given: Any,
    size: Sequence[Any] | None = None,
    out: Tensor | None = None,
    dtype: DType | None = None,
    requires_grad: bool = False,
    device: Any = None,
    **idle: Any,
) -> Tensor:
    """Ones of a size that is given as arguments or as one sequence."""
    return _constant("ones", 1, given, size, out, dtype, requires_grad, device, idle)


def empty(
    *given: Any,
    size: Sequence[Any] | None = None,
    out: Tensor | None = None,
    dtype: DType | None = None,
    requires_grad: bool = False,
    device: Any = None,
    **idle: Any,
) -> Tensor:
    """A tensor whose values do not matter (they are zeros)."""
    return _constant("empty", 0, given, size, out, dtype, requires_grad, device, idle)


def empty_strided(*args: Any, **kwargs: Any) -> Tensor:
    """Raises UnsupportedError: a tensor has no strides of its own."""
    raise UnsupportedError(
        "empty_strided: tensors are contiguous; make one with lenetc.empty(...), and permute it"
    ).at(here())


def empty_permuted(
    size: Sequence[Any],
    physical_layout: Any,
    *,
    dtype: DType | None = None,
    requires_grad: bool = False,
    device: Any = None,
    **idle: Any,
) -> Tensor:
    """A tensor of `size` whose values do not matter; the order of its axes in memory asks for nothing here.

    Raises ShapeError where that is no order of the axes.
    """
    if sorted(physical_layout) != list(range(len(size))):
        raise ShapeError(
            f"empty_permuted: {tuple(physical_layout)} is no order of the {len(size)} axes of {tuple(size)}"
        ).at(here())
    return empty(size, dtype=dtype, requires_grad=requires_grad, device=device, **idle)


def _diagonal(rows: Dim, columns: Dim) -> Node:
    """Whether an element of a matrix is on its diagonal, for sizes that are not known."""
    row = ops.reshape(ops.iota(size=rows), shape=(rows, 1))
    return ops.equal(row, ops.reshape(ops.iota(size=columns), shape=(1, columns)))


def eye(
    n: Dim,
    m: Dim | None = None,
    *,
    out: Tensor | None = None,
    dtype: DType | None = None,
    requires_grad: bool = False,
    device: Any = None,
    **idle: Any,
) -> Tensor:
    """Ones on the diagonal of zeros [n,m]; m is n if None."""
    rows, columns = sizes_of("eye", (n, n if m is None else m))
    kind = checked("eye", of_out(dtype, out, get_default_dtype()))
    if isinstance(rows, Poly) or isinstance(columns, Poly):
        made = apply("", lambda: _diagonal(rows, columns)).to(kind)
    else:
        made = Tensor._from_array(np.eye(rows, columns, dtype=kind.numpy)).to(kind)
    return finished("eye", made, requires_grad, device, out, idle)
