"""Pools."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import lenetc.nn.functional as F
from ir.errors import UnsupportedError
from lenetc.importer.operators.convolutions import around, paddings
from lenetc.importer.registry import operator
from lenetc.tensors.tensor import Tensor

_MAX: dict[int, Callable[..., Tensor]] = {1: F.max_pool1d, 2: F.max_pool2d, 3: F.max_pool3d}
_MEAN: dict[int, Callable[..., Tensor]] = {1: F.avg_pool1d, 2: F.avg_pool2d, 3: F.avg_pool3d}


@operator
def MaxPool(
    x: Tensor,
    /,
    *,
    kernel_shape: Sequence[int],
    auto_pad: str = "NOTSET",
    ceil_mode: int = 0,
    dilations: Sequence[int] | None = None,
    pads: Sequence[int] | None = None,
    storage_order: int = 0,
    strides: Sequence[int] | None = None,
) -> Tensor:
    rank = x.ndim - 2
    strides, dilations = list(strides or [1] * rank), list(dilations or [1] * rank)
    before, after = paddings(auto_pad, pads, x.shape[2:], kernel_shape, strides, dilations)
    padding = before
    if before != after:
        x, padding = F.pad(x, around(before, after), value=-math.inf), [0] * rank
    return _MAX[rank](x, list(kernel_shape), strides, padding, dilations, bool(ceil_mode))


@operator
def AveragePool(
    x: Tensor,
    /,
    *,
    kernel_shape: Sequence[int],
    auto_pad: str = "NOTSET",
    ceil_mode: int = 0,
    count_include_pad: int = 0,
    pads: Sequence[int] | None = None,
    strides: Sequence[int] | None = None,
) -> Tensor:
    rank = x.ndim - 2
    strides = list(strides or [1] * rank)
    before, after = paddings(auto_pad, pads, x.shape[2:], kernel_shape, strides, [1] * rank)
    if before != after:
        raise UnsupportedError(f"pads {before} and {after} that differ")
    return _MEAN[rank](x, list(kernel_shape), strides, before, bool(ceil_mode), bool(count_include_pad))


@operator
def GlobalAveragePool(x: Tensor, /) -> Tensor:
    return x.mean(dim=tuple(range(2, x.ndim)), keepdim=True)
