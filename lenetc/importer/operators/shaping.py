"""Shapes: reshaping, turning, joining."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ir.dims import product
from lenetc.importer.registry import operator
from lenetc.importer.values import Host, Sizes, Value, as_host, numbers
from lenetc.operations.shaping import cat
from lenetc.tensors.tensor import Tensor


@operator
def Identity(x: Value, /) -> Value:
    return x


@operator(differentiable=False)
def Shape(x: Value, /, *, start: int = 0, end: int | None = None) -> Host:
    assert isinstance(x, (Tensor, np.ndarray))
    return as_host([*x.shape][slice(start, end)])


@operator
def Reshape(x: Tensor, shape: Sizes, /, *, allowzero: int = 0) -> Tensor:
    sizes = [x.shape[i] if size == 0 and not allowzero else size for i, size in enumerate(numbers(shape))]
    return x.reshape(sizes)


@operator
def Flatten(x: Tensor, /, *, axis: int = 1) -> Tensor:
    axis = axis + x.ndim if axis < 0 else axis
    return x.reshape([product(x.shape[:axis]), product(x.shape[axis:])])


@operator
def Transpose(x: Tensor, /, *, perm: Sequence[int] | None = None) -> Tensor:
    return x.permute(*(perm or range(x.ndim)[::-1]))


@operator
def Concat(*xs: Tensor, axis: int) -> Tensor:
    return cat(list(xs), dim=axis)


@operator
def Unsqueeze(x: Tensor, axes_: Sizes | None = None, /, *, axes: Sequence[int] | None = None) -> Tensor:
    which = numbers(axes_) if axes_ is not None else list(axes or ())
    rank = x.ndim + len(which)
    for axis in sorted(axis % rank for axis in which):
        x = x.unsqueeze(axis)
    return x
