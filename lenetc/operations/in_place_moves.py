"""In-place changes by index and of shape. PyTorch's methods of the same names."""

from __future__ import annotations

import math
from typing import Any, NoReturn

import numpy as np

import lenetc.tensors.tensor as t
from ir.dims import Poly
from ir.errors import LenetcError, ShapeError, UnsupportedError
from ir.types import bool_
from lenetc.evaluation.cell import Context
from lenetc.evaluation.tracing import here
from lenetc.operations import indexing, shaping
from lenetc.operations.creation import eye, tensor
from lenetc.operations.in_place import InPlace, _in_place
from lenetc.tensors.convert import Number
from lenetc.tensors.grad_fn import is_grad_enabled

# Those that PyTorch has as functions of the package too.
__all__ = ["as_strided_", "detach_", "index_put_", "resize_as_"]


def _diagonal_filled(input: t.Tensor, fill_value: Number, wrap: bool = False) -> t.Tensor:
    """`input` with one number where all indices are equal; wrap: in a tall matrix, again below a row that is left out.

    Raises ShapeError for fewer than two dimensions, and for more than two of several sizes.
    """
    if input.ndim == 2 and isinstance(input.shape[0], Poly) and input.shape[0] == input.shape[1]:
        return indexing.masked_fill(input, eye(input.shape[0], dtype=bool_), fill_value)
    shape = tuple(int(size) for size in input.shape)
    if len(shape) < 2:
        raise ShapeError(
            f"fill_diagonal_: dimensions must be larger than 1, not those of {input.type_text()}"
        ).at(here())
    if len(shape) > 2 and len(set(shape)) > 1:
        raise ShapeError(f"fill_diagonal_: all dimensions of {input.type_text()} must be of equal length").at(
            here()
        )
    step = sum(math.prod(shape[i + 1 :]) for i in range(len(shape)))
    end = math.prod(shape) if len(shape) > 2 or wrap else min(shape) * step
    mask = np.zeros(math.prod(shape), bool)
    mask[:end:step] = True
    return indexing.masked_fill(input, tensor(mask.reshape(shape)), fill_value)


fill_diagonal_: InPlace = _in_place(_diagonal_filled, "fill_diagonal_")
index_add_: InPlace = _in_place(indexing.index_add, "index_add_")
index_copy_: InPlace = _in_place(indexing.index_copy, "index_copy_")
index_fill_: InPlace = _in_place(indexing.index_fill, "index_fill_")
index_put_: InPlace = _in_place(indexing.index_put, "index_put_")
index_reduce_: InPlace = _in_place(indexing.index_reduce, "index_reduce_")
masked_fill_: InPlace = _in_place(indexing.masked_fill, "masked_fill_")
masked_scatter_: InPlace = _in_place(indexing.masked_scatter, "masked_scatter_")
put_: InPlace = _in_place(indexing.put, "put_")
scatter_: InPlace = _in_place(indexing.scatter, "scatter_")
scatter_add_: InPlace = _in_place(indexing.scatter_add, "scatter_add_")
scatter_reduce_: InPlace = _in_place(indexing.scatter_reduce, "scatter_reduce_")
tril_: InPlace = _in_place(shaping.tril, "tril_")
triu_: InPlace = _in_place(shaping.triu, "triu_")


def _reshaping(operation: Any, name: str) -> InPlace:
    """`operation`, a view, as what the tensor is from now on."""

    def change(x: t.Tensor, *args: Any, **kwargs: Any) -> t.Tensor:
        if is_grad_enabled() and x._requires_grad and x._grad_fn is None:
            raise LenetcError(
                f"{name}: a leaf variable that requires grad is being used in an in-place operation; use no_grad() or "
                ".data"
            ).at(here())
        trace = Context.trace
        if trace is not None and x._cell.trace is not trace:
            raise trace.refused(
                UnsupportedError(
                    f"{name}: a compiled function cannot give {x.type_text()}, which it did not make, another shape; "
                    "write x = x.operation(...)"
                )
            )
        x._become(operation(x, *args, **kwargs))
        return x

    change.__name__ = name
    change.__doc__ = f"{operation.__name__}, in place."
    return change


squeeze_: InPlace = _reshaping(shaping.squeeze, "squeeze_")
unsqueeze_: InPlace = _reshaping(shaping.unsqueeze, "unsqueeze_")
t_: InPlace = _reshaping(shaping.transposed, "t_")
transpose_: InPlace = _reshaping(shaping.transpose, "transpose_")
swapaxes_: InPlace = _reshaping(shaping.swapaxes, "swapaxes_")
swapdims_: InPlace = swapaxes_


def detach_(x: t.Tensor) -> t.Tensor:
    """The tensor without its history: gradients end here. Raises LenetcError for a view, as PyTorch."""
    t.require_tensors("detach_", x)
    if x._shares:
        raise LenetcError("can't detach views in-place; use detach() instead").at(here())
    x._forget_history()
    return x


def _refused(name: str, instead: str) -> Any:
    def refuse(x: t.Tensor, *args: Any, **kwargs: Any) -> NoReturn:
        t.require_tensors(name, x)
        raise UnsupportedError(
            f"{name}: {x.type_text()} has no storage of its own size here; use {instead}"
        ).at(here())

    refuse.__name__ = name
    return refuse


resize_ = _refused("resize_", "reshape, or a new tensor and copy_")
set_ = _refused("set_", "`x.data = y`, or copy_")
resize_as_ = _refused("resize_as_", "reshape_as, or a new tensor and copy_")
as_strided_ = _refused("as_strided_", "view, permute, unfold, narrow or x[...]")
