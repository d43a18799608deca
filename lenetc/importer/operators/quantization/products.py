"""Products of rounded numbers: those of the floats that they stand for, whose gradient goes straight through."""

from __future__ import annotations

from collections.abc import Sequence

from ir.types import f32, i32
from lenetc.importer.operators.quantization.rounding import along, rounded, values_of
from lenetc.importer.operators.windows.convolutions import Conv
from lenetc.importer.registry import operator
from lenetc.importer.values import Buffer, Quantized, Value
from lenetc.operations import products
from lenetc.tensors.tensor import Tensor


@operator
def MatMulInteger(a: Value, b: Value, a_zero: Value = None, b_zero: Value = None, /) -> Tensor:
    """In i32. Zero points: one, or one for each row of a, and for each column of b."""
    return Quantized(products.matmul(_from_zero(a, a_zero, -2), _from_zero(b, b_zero, -1)), i32)


@operator
def QLinearMatMul(
    a: Value,
    a_scale: Buffer,
    a_zero: Value,
    b: Value,
    b_scale: Buffer,
    b_zero: Value,
    y_scale: Buffer,
    y_zero: Buffer,
    /,
) -> Tensor:
    left, right = _from_zero(a, a_zero, -2), _from_zero(b, b_zero, -1)
    left, right = left * along(left, a_scale.to(f32), -2), right * along(right, b_scale.to(f32), -1)
    y = products.matmul(left, right)
    ratio = y / along(y, y_scale.to(f32), -2)
    return rounded(ratio, along(y, y_zero.to(f32), -2), y_zero.dtype)


@operator
def ConvInteger(
    x: Value,
    w: Value,
    x_zero: Value = None,
    w_zero: Value = None,
    /,
    *,
    auto_pad: str = "NOTSET",
    dilations: Sequence[int] | None = None,
    group: int = 1,
    kernel_shape: Sequence[int] | None = None,
    pads: Sequence[int] | None = None,
    strides: Sequence[int] | None = None,
) -> Tensor:
    """In i32, of what surrounds the image as of its zero point."""
    y = Conv(
        _from_zero(x, x_zero, 0),
        _from_zero(w, w_zero, 0),
        auto_pad=auto_pad,
        dilations=dilations,
        group=group,
        kernel_shape=kernel_shape,
        pads=pads,
        strides=strides,
    )
    return Quantized(y, i32)


@operator
def QLinearConv(
    x: Value,
    x_scale: Buffer,
    x_zero: Value,
    w: Value,
    w_scale: Buffer,
    w_zero: Value,
    y_scale: Buffer,
    y_zero: Buffer,
    b: Value = None,
    /,
    *,
    auto_pad: str = "NOTSET",
    dilations: Sequence[int] | None = None,
    group: int = 1,
    kernel_shape: Sequence[int] | None = None,
    pads: Sequence[int] | None = None,
    strides: Sequence[int] | None = None,
) -> Tensor:
    """b is of i32, in units of x_scale * w_scale; w has one scale, or one for each of its filters."""
    image, filters = _from_zero(x, x_zero, 0), _from_zero(w, w_zero, 0)
    y = Conv(
        image,
        filters,
        None if b is None else values_of(b, f32),
        auto_pad=auto_pad,
        dilations=dilations,
        group=group,
        kernel_shape=kernel_shape,
        pads=pads,
        strides=strides,
    )
    scale = along(y, x_scale.to(f32) * w_scale.to(f32) / y_scale.to(f32), 1)
    return rounded(y * scale, y_zero.to(f32).reshape(()), y_zero.dtype)


def _from_zero(x: Value, zero: Value, axis: int) -> Tensor:
    """The distances of `x` from its zero point, as f32."""
    found = values_of(x, f32)
    return found if zero is None else found - along(found, values_of(zero, f32), axis)
