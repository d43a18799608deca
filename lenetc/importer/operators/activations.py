"""Activations, and what is like them."""

from __future__ import annotations

from collections.abc import Callable

import lenetc.nn.functional as F
import lenetc.operations.elementwise as E
from lenetc.importer.registry import operator
from lenetc.tensors.tensor import Tensor


@operator
def Relu(x: Tensor, /) -> Tensor:
    return F.relu(x)


@operator
def LeakyRelu(x: Tensor, /, *, alpha: float = 0.01) -> Tensor:
    return F.leaky_relu(x, alpha)


@operator
def PRelu(x: Tensor, slope: Tensor, /, *, opset: int) -> Tensor:
    """The slope is broadcast to x; before opset 7 it is one, or one for each channel."""
    if opset < 7 and slope.ndim == 1 and x.ndim > 1:
        slope = slope.reshape([1, -1, *[1] * (x.ndim - 2)])
    return E.where(x > 0, x, x * slope)


@operator
def ThresholdedRelu(x: Tensor, /, *, alpha: float = 1.0) -> Tensor:
    return F.threshold(x, alpha, 0.0)


@operator
def Shrink(x: Tensor, /, *, lambd: float = 0.5, bias: float = 0.0) -> Tensor:
    """0 within [-lambd, lambd], else x nearer to 0 by bias; of integers without the fraction."""
    moved = E.where(x < -lambd, x + bias, x - bias)
    return E.where(E.logical_or(x < -lambd, x > lambd), moved, x * 0).to(x.dtype)


@operator
def Elu(x: Tensor, /, *, alpha: float = 1.0) -> Tensor:
    return F.elu(x, alpha)


@operator
def Celu(x: Tensor, /, *, alpha: float = 1.0) -> Tensor:
    return F.celu(x, alpha)


@operator
def Selu(x: Tensor, /, *, alpha: float = 1.6732632423543772, gamma: float = 1.0507009873554805) -> Tensor:
    return F.elu(x, alpha) * gamma


@operator
def Sigmoid(x: Tensor, /) -> Tensor:
    return F.sigmoid(x)


@operator
def HardSigmoid(x: Tensor, /, *, alpha: float = 0.2, beta: float = 0.5) -> Tensor:
    return F.hardtanh(x * alpha + beta, 0.0, 1.0)


@operator
def HardSwish(x: Tensor, /) -> Tensor:
    return F.hardswish(x)


@operator
def Swish(x: Tensor, /, *, alpha: float = 1.0) -> Tensor:
    return F.silu(x) if alpha == 1 else x * F.sigmoid(x * alpha)


@operator
def Mish(x: Tensor, /) -> Tensor:
    return F.mish(x)


@operator
def Gelu(x: Tensor, /, *, approximate: str = "none") -> Tensor:
    return F.gelu(x, approximate)


@operator
def Tanh(x: Tensor, /) -> Tensor:
    return F.tanh(x)


@operator
def Softplus(x: Tensor, /) -> Tensor:
    return -F.logsigmoid(-x)


@operator
def Softsign(x: Tensor, /) -> Tensor:
    return F.softsign(x)


@operator
def Softmax(x: Tensor, /, *, axis: int | None = None, opset: int) -> Tensor:
    """Before opset 13 over all axes from `axis` on, which is 1 by default."""
    return _over(F.softmax, x, axis, opset)


@operator
def LogSoftmax(x: Tensor, /, *, axis: int | None = None, opset: int) -> Tensor:
    return _over(F.log_softmax, x, axis, opset)


@operator(differentiable=False)
def Hardmax(x: Tensor, /, *, axis: int | None = None, opset: int) -> Tensor:
    """1 at the first of the largest elements, 0 elsewhere."""
    return _over(_first_largest, x, axis, opset)


def _first_largest(x: Tensor, dim: int) -> Tensor:
    chosen = F.one_hot(x.argmax(dim), x.shape[dim])
    return chosen.movedim(-1, dim).to(x.dtype)


def _over(function: Callable[..., Tensor], x: Tensor, axis: int | None, opset: int) -> Tensor:
    if opset >= 13:
        return function(x, dim=-1 if axis is None else axis)
    return over_last_axes(function, x, 1 if axis is None else axis)


def over_last_axes(function: Callable[..., Tensor], x: Tensor, axis: int) -> Tensor:
    """`function` of all elements of the axes from `axis` on."""
    axis = axis if axis == x.ndim else axis % x.ndim
    rows = x.flatten(axis) if axis < x.ndim else x.unsqueeze(-1)
    return function(rows, dim=-1).reshape(x.shape)
