"""Activations, and what is like them."""

from __future__ import annotations

from collections.abc import Callable

import lenetc.nn.functional as F
from lenetc.importer.registry import operator
from lenetc.tensors.tensor import Tensor


@operator
def Relu(x: Tensor, /) -> Tensor:
    return F.relu(x)


@operator
def Sigmoid(x: Tensor, /) -> Tensor:
    return F.sigmoid(x)


@operator
def Tanh(x: Tensor, /) -> Tensor:
    return F.tanh(x)


@operator
def Softmax(x: Tensor, /, *, axis: int | None = None, opset: int) -> Tensor:
    """Before opset 13 over all axes from `axis` on, which is 1 by default."""
    return _over(F.softmax, x, axis, opset)


@operator
def LogSoftmax(x: Tensor, /, *, axis: int | None = None, opset: int) -> Tensor:
    return _over(F.log_softmax, x, axis, opset)


def _over(function: Callable[..., Tensor], x: Tensor, axis: int | None, opset: int) -> Tensor:
    if opset >= 13:
        return function(x, dim=-1 if axis is None else axis)
    axis = 1 if axis is None else axis % x.ndim
    rows = x.flatten(axis) if axis < x.ndim else x.unsqueeze(-1)
    return function(rows, dim=-1).reshape(x.shape)
