"""Quantization as ONNX itself has it for some more dtypes in later opsets, and operators on rounded numbers: those of
the floats that they stand for, rounded again."""

from __future__ import annotations

from collections.abc import Sequence

import lenetc.nn.functional as F
from ir.types import f32
from lenetc.importer.errors import OnnxOperatorError
from lenetc.importer.operators.products import Gemm
from lenetc.importer.operators.quantization.products import MatMulInteger
from lenetc.importer.operators.quantization.rounding import (
    DequantizeLinear,
    DynamicQuantizeLinear,
    QuantizeLinear,
    along,
    rounded,
)
from lenetc.importer.operators.windows.pools import AveragePool
from lenetc.importer.registry import MICROSOFT, operator
from lenetc.importer.values import Buffer, Quantized, Value, dtype_of_value, to_tensor
from lenetc.operations.shaping import cat
from lenetc.tensors.tensor import Tensor

operator(domain=MICROSOFT)(QuantizeLinear)
operator(domain=MICROSOFT)(DequantizeLinear)


def _again(y: Tensor, scale: Tensor, zero: Tensor | None, like: Value) -> Tensor:
    """`y` as numbers of the dtype of `like`."""
    return rounded(y / scale, None if zero is None else zero.to(y.dtype), dtype_of_value(like))


@operator(domain=MICROSOFT)
def QLinearAdd(
    a: Value,
    a_scale: Buffer,
    a_zero: Buffer | None,
    b: Value,
    b_scale: Buffer,
    b_zero: Buffer | None,
    y_scale: Buffer,
    y_zero: Buffer | None = None,
    /,
) -> Tensor:
    total = DequantizeLinear(a, a_scale, a_zero) + DequantizeLinear(b, b_scale, b_zero)
    return _again(total, y_scale, y_zero, a)


@operator(domain=MICROSOFT)
def QLinearMul(
    a: Value,
    a_scale: Buffer,
    a_zero: Buffer | None,
    b: Value,
    b_scale: Buffer,
    b_zero: Buffer | None,
    y_scale: Buffer,
    y_zero: Buffer | None = None,
    /,
) -> Tensor:
    product = DequantizeLinear(a, a_scale, a_zero) * DequantizeLinear(b, b_scale, b_zero)
    return _again(product, y_scale, y_zero, a)


@operator(domain=MICROSOFT)
def QLinearSigmoid(
    x: Value,
    x_scale: Buffer,
    x_zero: Buffer | None,
    y_scale: Buffer,
    y_zero: Buffer | None = None,
    /,
) -> Tensor:
    return _again(F.sigmoid(DequantizeLinear(x, x_scale, x_zero)), y_scale, y_zero, x)


@operator(domain=MICROSOFT)
def QLinearLeakyRelu(
    x: Value,
    x_scale: Buffer,
    x_zero: Buffer | None,
    y_scale: Buffer,
    y_zero: Buffer | None = None,
    /,
    *,
    alpha: float = 0.01,
) -> Tensor:
    return _again(F.leaky_relu(DequantizeLinear(x, x_scale, x_zero), alpha), y_scale, y_zero, x)


@operator(domain=MICROSOFT)
def QLinearGlobalAveragePool(
    x: Value, x_scale: Buffer, x_zero: Value, y_scale: Buffer, y_zero: Buffer, /, *, channels_last: int = 0
) -> Tensor:
    image = DequantizeLinear(x, x_scale, x_zero)
    axes = range(1, image.ndim - 1) if channels_last else range(2, image.ndim)
    return _again(image.mean(dim=tuple(axes), keepdim=True), y_scale, y_zero, x)


@operator(domain=MICROSOFT)
def QLinearAveragePool(
    x: Value,
    x_scale: Buffer,
    x_zero: Buffer | None,
    y_scale: Buffer,
    y_zero: Buffer | None = None,
    /,
    *,
    auto_pad: str = "NOTSET",
    ceil_mode: int = 0,
    channels_last: int = 0,
    count_include_pad: int = 0,
    kernel_shape: Sequence[int],
    pads: Sequence[int] | None = None,
    strides: Sequence[int] | None = None,
) -> Tensor:
    image = DequantizeLinear(x, x_scale, x_zero)
    means = AveragePool(
        image.movedim(-1, 1) if channels_last else image,
        kernel_shape=kernel_shape,
        auto_pad=auto_pad,
        ceil_mode=ceil_mode,
        count_include_pad=count_include_pad,
        pads=pads,
        strides=strides,
    )
    return _again(means.movedim(1, -1) if channels_last else means, y_scale, y_zero, x)


@operator(domain=MICROSOFT)
def QLinearConcat(y_scale: Buffer, y_zero: Buffer, /, *xs: Value, axis: int) -> Tensor:
    """Each of `xs` is followed by its scale and its zero point."""
    if len(xs) % 3:
        raise OnnxOperatorError(f"{len(xs)} inputs are no triples of numbers, scales and zero points")
    parts = [DequantizeLinear(xs[i], to_tensor(xs[i + 1]).detach(), xs[i + 2]) for i in range(0, len(xs), 3)]
    return _again(cat(parts, dim=axis), y_scale, y_zero, y_zero)


@operator(domain=MICROSOFT)
def QGemm(
    a: Value,
    a_scale: Buffer,
    a_zero: Buffer | None,
    b: Value,
    b_scale: Buffer,
    b_zero: Buffer | None,
    c: Value = None,
    y_scale: Buffer | None = None,
    y_zero: Buffer | None = None,
    /,
    *,
    alpha: float = 1.0,
    transA: int = 0,
    transB: int = 0,
) -> Tensor:
    """c is of i32, in units of alpha * a_scale * b_scale. Floats where there is no y_scale."""
    left, right = (
        DequantizeLinear(a, a_scale, a_zero),
        DequantizeLinear(b, b_scale, b_zero, axis=0 if transB else 1),
    )
    y = Gemm(left, right, alpha=alpha, transA=transA, transB=transB)
    if c is not None:
        y = y + to_tensor(c).to(f32) * (a_scale * b_scale * alpha)
    return y if y_scale is None else _again(y, y_scale, y_zero, a if y_zero is None else y_zero)


@operator(domain=MICROSOFT)
def MatMulIntegerToFloat(
    a: Value,
    b: Value,
    a_scale: Buffer,
    b_scale: Buffer,
    a_zero: Value = None,
    b_zero: Value = None,
    bias: Tensor | None = None,
    /,
) -> Tensor:
    product = MatMulInteger(a, b, a_zero, b_zero)
    assert isinstance(product, Quantized)
    y = product.floats * a_scale * along(product, b_scale, -1)
    return y if bias is None else y + bias


@operator(domain=MICROSOFT)
def DynamicQuantizeMatMul(
    a: Tensor, b: Value, b_scale: Buffer, b_zero: Value = None, bias: Tensor | None = None, /
) -> Tensor:
    whole, scale, zero = DynamicQuantizeLinear(a)
    return MatMulIntegerToFloat(whole, b, scale, b_scale, zero, b_zero, bias)
