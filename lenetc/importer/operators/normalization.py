"""Normalization: over the batch, over features, to unit length."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import lenetc.nn.functional as F
from ir.dims import Dim, product
from ir.errors import ShapeError, UnsupportedError
from ir.types import DType, bf16, f16, f32, f64
from lenetc.importer.registry import operator
from lenetc.importer.values import Buffer
from lenetc.nn.functional.normalization import moments
from lenetc.operations import elementwise
from lenetc.operations.creation import ones_like
from lenetc.tensors.grad_fn import no_grad
from lenetc.tensors.tensor import Tensor

_STASH = {1: f32, 10: f16, 11: f64, 16: bf16}


@operator
def BatchNormalization(
    x: Tensor,
    scale: Tensor,
    bias: Tensor,
    mean: Buffer,
    var: Buffer,
    /,
    *,
    epsilon: float = 1e-5,
    momentum: float = 0.9,
    training_mode: int = 0,
    spatial: int = 1,
    is_test: int = 0,
    consumed_inputs: Sequence[int] | None = None,
    training: bool,
    opset: int,
    count: int,
    context: Any,
) -> tuple[Tensor, ...]:
    """In training mode with the statistics of the batch, and the running ones move towards them. The mode is that of
    the part of the module that has the running ones, so that `net.bn1.eval()` keeps them.

    In a file of the training form, `training_mode` or before opset 14 five outputs, the variance that they move
    towards is ONNX's, divided by n; in one for inference PyTorch's, by n - 1. Otherwise the running ones are used.
    spatial: before opset 9; 0 for statistics of each element of an image rather than of each channel.
    """
    is_onnx = bool(training_mode) or (opset < 14 and count > 1)
    shape = x.shape
    if not spatial:
        x = x.reshape([shape[0], product(shape[1:])])
        scale, bias = scale.reshape(-1), bias.reshape(-1)
    old = [each.reshape(-1) for each in (mean, var)]
    wide = _wide(x)
    operands = [x, scale, bias, *old]
    if any(each.dtype is not x.dtype for each in operands):
        operands = [each.to(wide) for each in operands]
    inner, factor, offset, *running = operands
    mode = context.mode(mean)
    if not (training if mode is None else mode):
        y = F.batch_norm(inner, running[0], running[1], factor, offset, False, 0.0, epsilon)
        kept = (mean.clone(), var.clone())
        return (y.to(x.dtype).reshape(shape), *kept, *kept)[: max(count, 1)]
    y = F.batch_norm(inner, None, None, factor, offset, True, 0.0, epsilon)
    with no_grad():
        now = moments(inner, 0 if is_onnx else 1)
        moved = [
            (before * momentum + value * (1 - momentum)).to(each.dtype).reshape(each.shape)
            for each, before, value in zip((mean, var), running, now, strict=True)
        ]
        for each, value in zip((mean, var), moved, strict=True):
            if context.mode(each) is not None:
                each.copy_(value)
        batch = [
            value.to(each.dtype).reshape(each.shape) for each, value in zip((mean, var), now, strict=True)
        ]
    return (y.to(x.dtype).reshape(shape), *moved, *batch)[: max(count, 1)]


def _wide(x: Tensor) -> DType:
    return f64 if x.dtype is f64 else f32


def _stash(number: int) -> DType:
    """The dtype that statistics have, by ONNX's number for it."""
    if number not in _STASH:
        raise UnsupportedError(f"stash_type is 1, 10, 11 or 16 (f32, f16, f64, bf16), not {number}")
    return _STASH[number]


def _standardized(x: Tensor, sizes: Sequence[Any], epsilon: float) -> Tensor:
    return F.layer_norm(x, list(sizes), None, None, epsilon)


def _per_channel(values: Tensor, x: Tensor) -> Tensor:
    return values.reshape([-1, *[1] * (x.ndim - 2)])


@operator
def InstanceNormalization(
    x: Tensor,
    scale: Tensor,
    bias: Tensor,
    /,
    *,
    epsilon: float = 1e-5,
    consumed_inputs: Sequence[int] | None = None,
) -> Tensor:
    """x[N,C,...] standardized by image and channel, times scale[C], plus bias[C]."""
    return _by_group(x, x.shape[1], scale, bias, epsilon)


def _by_group(x: Tensor, groups: Dim, scale: Tensor, bias: Tensor, epsilon: float) -> Tensor:
    each = product((x.shape[1] // groups, *x.shape[2:]))
    y = _standardized(x.reshape([x.shape[0], groups, each]), [each], epsilon).reshape(x.shape)
    return y * _per_channel(scale, x) + _per_channel(bias, x)


@operator
def GroupNormalization(
    x: Tensor,
    scale: Tensor,
    bias: Tensor,
    /,
    *,
    num_groups: int,
    epsilon: float = 1e-5,
    stash_type: int = 1,
    opset: int,
) -> Tensor:
    """x[N,C,...] standardized by image and group of channels. Before opset 21 scale and bias are one for each group,
    then for each channel."""
    _stash(stash_type)
    channels = x.shape[1]
    if channels % num_groups:
        raise ShapeError(f"{channels} channels cannot be divided into {num_groups} groups")
    if opset < 21:
        scale, bias = (
            v.unsqueeze(1).expand(num_groups, channels // num_groups).reshape([channels])
            for v in (scale, bias)
        )
    return _by_group(x, num_groups, scale, bias, epsilon)


@operator
def LayerNormalization(
    x: Tensor,
    scale: Tensor,
    bias: Tensor | None = None,
    /,
    *,
    axis: int = -1,
    epsilon: float = 1e-5,
    stash_type: int = 1,
    count: int,
) -> tuple[Tensor, ...]:
    """x standardized over the axes from `axis` on, times scale, plus bias; the mean; 1 / the deviation."""
    stash = _stash(stash_type)
    axis = axis % x.ndim
    sizes = list(x.shape[axis:])
    if list(scale.shape) == sizes and (bias is None or list(bias.shape) == sizes):
        y = F.layer_norm(x, sizes, scale, bias, epsilon)
    else:
        y = _standardized(x, sizes, epsilon) * scale
        y = y if bias is None else y + bias
    if count <= 1:
        return (y,)
    axes, wide = tuple(range(axis, x.ndim)), x.to(f64 if x.dtype is f64 else stash)
    mean, var = wide.mean(axes, keepdim=True), wide.var(axes, correction=0, keepdim=True)
    return (y, mean.to(stash), elementwise.rsqrt(var + epsilon).to(stash))[:count]


@operator
def RMSNormalization(
    x: Tensor, scale: Tensor, /, *, axis: int = -1, epsilon: float = 1e-5, stash_type: int = 1
) -> Tensor:
    """x over the root of its mean square over the axes from `axis` on, times scale."""
    _stash(stash_type)
    sizes = list(x.shape[axis % x.ndim :])
    if list(scale.shape) == sizes:
        return F.rms_norm(x, sizes, scale, epsilon)
    return F.rms_norm(x, sizes, None, epsilon) * scale


@operator
def LpNormalization(x: Tensor, /, *, axis: int = -1, p: int = 2) -> Tensor:
    """x over its norm along `axis`; zeros where that is zero."""
    length = x.norm(p, axis, keepdim=True)
    return x / elementwise.where(length == 0, ones_like(length), length)


@operator
def MeanVarianceNormalization(x: Tensor, /, *, axes: Sequence[int] = (0, 2, 3)) -> Tensor:
    which = tuple(axes)
    return (x - x.mean(which, keepdim=True)) / (x.std(which, correction=0, keepdim=True) + 1e-9)


@operator
def LRN(x: Tensor, /, *, size: int, alpha: float = 1e-4, beta: float = 0.75, bias: float = 1.0) -> Tensor:
    """Of an even number of neighbours one more is above, where PyTorch has it below."""
    if size % 2:
        return F.local_response_norm(x, size, alpha, beta, bias)
    return F.local_response_norm(x.flip(1), size, alpha, beta, bias).flip(1)
