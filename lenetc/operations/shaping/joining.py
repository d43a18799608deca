"""Tensors put together. PyTorch's functions of the same names."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import TYPE_CHECKING, Any

import numpy as np

import lenetc.tensors.tensor as t
from ir import ops
from ir.errors import DTypeError, ShapeError
from ir.node import Node
from lenetc.evaluation.tracing import here
from lenetc.operations.autocast import autocasts
from lenetc.operations.shaping.viewing import atleast_1d, atleast_2d, atleast_3d, reshape
from lenetc.tensors.arrays import axis_of
from lenetc.tensors.convert import promoted
from lenetc.tensors.present import all_present, tensor_of

if TYPE_CHECKING:
    from lenetc.tensors.tensor import Tensor

__all__ = [
    "block_diag",
    "cat",
    "column_stack",
    "concat",
    "concatenate",
    "dstack",
    "hstack",
    "row_stack",
    "stack",
    "vstack",
]


def _some(what: str, tensors: Sequence[Tensor]) -> None:
    if isinstance(tensors, t.Tensor) or not isinstance(tensors, (tuple, list)):
        raise DTypeError(f"{what} takes a list or a tuple of tensors, not a {type(tensors).__name__}").at(
            here()
        )
    if not tensors:
        raise ShapeError(f"{what}: there are no tensors to join").at(here())
    t.require_tensors(what, *tensors)


def _promoted(tensors: Sequence[Tensor]) -> list[Tensor]:
    """The tensors in the dtype that they promote to."""
    dtype = reduce(promoted, (tensor.dtype for tensor in tensors))
    return [tensor if tensor.dtype is dtype else tensor.to(dtype) for tensor in tensors]


@autocasts
def cat(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    """Tensors joined along `dim`, in the dtype that they promote to (torch.cat).

    A tensor [0] may stand among tensors of more dimensions, as in PyTorch. Raises ShapeError for scalars, and where
    sizes differ.
    """
    _some("cat", tensors)
    tensors = _promoted(tensors)
    kept = [tensor for tensor in tensors if tuple(tensor.shape) != (0,)] or tensors[:1]
    axis = axis_of(dim, kept[0].ndim, "cat")
    for tensor in kept:
        if not tensor.ndim:
            raise ShapeError(f"cat: a scalar {tensor.type_text()} has no dimension to be joined along").at(
                here()
            )
    return t.apply("CatBackward0", lambda *nodes: ops.concat(*nodes, axis=axis), *kept, saves=False)


concat = concatenate = cat


@autocasts
def stack(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    """Tensors of one shape joined along a new dimension (torch.stack). Raises ShapeError where shapes differ."""
    _some("stack", tensors)
    tensors = _promoted(tensors)
    for tensor in tensors:
        if tensor.shape != tensors[0].shape:
            first = tensors[0].type_text()
            raise ShapeError(
                f"stack: every tensor must have the same shape, but they are {first} and {tensor.type_text()}"
            ).at(here())
    axis = axis_of(dim, tensors[0].ndim + 1, "stack")
    arrays = all_present(tensors)
    if arrays is not None:
        return tensor_of(np.stack(arrays, axis), tensors[0])

    def build(*nodes: Node) -> Node:
        shape = (*nodes[0].shape[:axis], 1, *nodes[0].shape[axis:])
        return ops.concat(*(ops.reshape(node, shape=shape) for node in nodes), axis=axis)

    return t.apply("StackBackward0", build, *tensors, saves=False)


def hstack(tensors: Sequence[Tensor]) -> Tensor:
    """Joined along the second dimension, vectors along their only one (torch.hstack)."""
    _some("hstack", tensors)
    raised = [atleast_1d(tensor) for tensor in tensors]
    return cat(raised, 0 if raised[0].ndim == 1 else 1)


def vstack(tensors: Sequence[Tensor]) -> Tensor:
    """Joined along the first dimension, vectors as rows (torch.vstack)."""
    _some("vstack", tensors)
    return cat([atleast_2d(tensor) for tensor in tensors], 0)


row_stack = vstack


def dstack(tensors: Sequence[Tensor]) -> Tensor:
    """Joined along the third dimension (torch.dstack)."""
    _some("dstack", tensors)
    return cat([atleast_3d(tensor) for tensor in tensors], 2)


def column_stack(tensors: Sequence[Tensor]) -> Tensor:
    """Joined along the second dimension, vectors as columns (torch.column_stack)."""
    _some("column_stack", tensors)
    return hstack([x if x.ndim > 1 else reshape(x, x.numel(), 1) for x in tensors])


def block_diag(*tensors: Any) -> Tensor:
    """A matrix with the given ones along its diagonal, zeros elsewhere; vectors are rows (torch.block_diag)."""
    if not tensors:
        raise ShapeError("block_diag: there are no tensors to join").at(here())
    _some("block_diag", tensors)
    for tensor in tensors:
        if tensor.ndim > 2:
            raise ShapeError(f"block_diag: takes matrices, not {tensor.type_text()}").at(here())
    blocks = [atleast_2d(tensor) for tensor in _promoted(tensors)]

    def build(*nodes: Node) -> Node:
        rows, before, total = [], 0, sum(int(node.shape[1]) for node in nodes)
        for node in nodes:
            width = int(node.shape[1])
            rows.append(ops.pad(node, low=(0, before), high=(0, total - before - width)))
            before += width
        return ops.concat(*rows, axis=0)

    return t.apply("BlockDiagBackward0", build, *blocks, saves=False)
