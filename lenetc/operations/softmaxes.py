"""Softmax and its logarithm: PyTorch's functions and methods of the same names."""

from __future__ import annotations

from typing import TYPE_CHECKING

import lenetc.tensors.tensor as t
from ir import ops
from ir.node import Node
from ir.op import Op
from lenetc.operations.autocast import autocasts
from lenetc.operations.elementwise.casting import to
from lenetc.tensors.arrays import axis_of

if TYPE_CHECKING:
    from ir.types import DType
    from lenetc.tensors.tensor import Tensor

__all__ = ["log_softmax", "softmax"]


@autocasts
def softmax(input: Tensor, dim: int, dtype: DType | None = None) -> Tensor:
    """exp(input) over its sum along `dim`, of the input as `dtype` (torch.softmax)."""
    return _along("softmax", "SoftmaxBackward0", ops.softmax, input, dim, dtype)


@autocasts
def log_softmax(input: Tensor, dim: int, dtype: DType | None = None) -> Tensor:
    """log(softmax(input)) along `dim`, computed stably (torch.log_softmax)."""
    return _along("log_softmax", "LogSoftmaxBackward0", ops.log_softmax, input, dim, dtype)


def _along(what: str, name: str, op: Op, x: Tensor, dim: int, dtype: DType | None) -> Tensor:
    t.require_tensors(what, x)
    if dtype is not None:
        x = to(x, dtype)
    axis = axis_of(dim, x.ndim, what)

    def build(a: Node) -> Node:
        return op(a, axis=axis) if a.rank else ops.reshape(op(ops.reshape(a, shape=(1,)), axis=0), shape=())

    return t.apply(name, build, x)
