"""Floats as integers and back, which the gradient passes straight through (Jacob et al. 2018), as in
torch.fake_quantize_per_tensor_affine: where nothing is cut off, and not to scales and zero points."""

from __future__ import annotations

import numpy as np

import lenetc.operations.elementwise as E
from ir import ops
from ir.node import Node
from ir.types import DType, f32, f64, i32, u8
from lenetc.importer.errors import OnnxOperatorError
from lenetc.importer.registry import operator
from lenetc.importer.values import Buffer, Quantized, Value, dtype_numbered, to_tensor
from lenetc.tensors.dtypes import iinfo
from lenetc.tensors.tensor import Tensor, apply


@operator
def QuantizeLinear(
    x: Tensor,
    scale: Buffer,
    zero: Buffer | None = None,
    /,
    *,
    axis: int = 1,
    block_size: int = 0,
    output_dtype: int = 0,
    precision: int = 0,
    saturate: int = 1,
) -> Tensor:
    """saturate is of floats of 8 bits, which tensors cannot have; quotients are of f32 at least."""
    asked = [dtype_numbered(output_dtype)] if output_dtype else []
    dtype = zero.dtype if zero is not None else asked[0] if asked else u8
    if asked and asked[0] is not dtype:
        raise OnnxOperatorError(f"the output is to be {asked[0]}, but the zero point is {dtype}")
    wide = _wide(x.dtype)
    ratio = x.to(wide) / along(x, scale.to(wide), axis, block_size)
    return rounded(ratio, None if zero is None else along(x, zero.to(wide), axis, block_size), dtype)


@operator
def DequantizeLinear(
    x: Value,
    scale: Buffer,
    zero: Value = None,
    /,
    *,
    axis: int = 1,
    block_size: int = 0,
    output_dtype: int = 0,
) -> Tensor:
    """Of constants integers and floats of any number of bits."""
    dtype = dtype_numbered(output_dtype) if output_dtype else scale.dtype
    wide = _wide(scale.dtype)
    found = numbers_of(x, wide)
    if zero is not None:
        found = found - along(found, numbers_of(zero, wide).to(found.dtype), axis, block_size)
    return (found.to(wide) * along(found, scale.to(wide), axis, block_size)).to(dtype)


@operator
def DynamicQuantizeLinear(x: Tensor, /) -> tuple[Tensor, Tensor, Tensor]:
    """Scale and zero point of u8 such that the range of x, and 0, are held."""
    values = x.detach()
    low, high = E.clamp(values.amin(), max=0.0), E.clamp(values.amax(), min=0.0)
    scale = (high - low) / 255
    scale = E.where(scale == 0, 1.0, scale)
    zero = E.round(E.clamp(-low / scale, 0.0, 255.0))
    return rounded(x / scale, zero, u8), scale, zero.to(u8)


def rounded(ratio: Tensor, zero: Tensor | None, dtype: DType) -> Quantized:
    """The integers of `dtype` next to ratio + zero, the even one of two."""
    info = iinfo(dtype)
    places = E.round(ratio.detach())
    places = places if zero is None else places + zero
    kept = E.clamp(places, info.min, info.max)

    def straight(value: Node, x: Node, inside: Node) -> Node:
        return ops.with_gradient(value, ops.where(inside, x, ops.scalar(0, x.dtype)))

    name = "FakeQuantizePerTensorAffineCachemaskBackward0"
    return Quantized(apply(name, straight, kept, ratio, E.eq(kept, places)), dtype)


def _wide(dtype: DType) -> DType:
    return f64 if dtype is f64 else f32


def numbers_of(x: Value, floats: DType) -> Tensor:
    """`x` in a dtype that a zero point can be taken from: with its gradient if it was rounded."""
    if isinstance(x, Quantized):
        return x.floats.to(floats)
    if isinstance(x, np.ndarray) and x.dtype.name.startswith("float"):
        return to_tensor(x.astype(np.float32)).to(floats)
    return to_tensor(x.astype(np.int32) if isinstance(x, np.ndarray) else x).to(i32)


def along(x: Tensor, of: Tensor, axis: int, block_size: int = 0) -> Tensor:
    """A scale or a zero point in the shape to be broadcast to x: one, one for each place along `axis`, or one for each
    block there."""
    if not of.ndim or (of.ndim == 1 and of.shape[0] == 1):
        return of.reshape(())
    if not -x.ndim <= axis < x.ndim and x.ndim > 1:
        raise OnnxOperatorError(f"the axis {axis} is none of {x.type_text()}")
    axis = axis % x.ndim
    if of.ndim == 1 and not block_size:
        return of.reshape([-1 if i == axis else 1 for i in range(x.ndim)])
    if of.ndim == x.ndim and of.shape[axis] == 1:
        return of
    if block_size <= 0:
        raise OnnxOperatorError(f"a scale of the type {of.type_text()} needs a block_size, not {block_size}")
    return of.repeat_interleave(block_size, axis).narrow(axis, 0, x.shape[axis])


def values_of(x: Value, floats: DType) -> Tensor:
    """`x` as floats."""
    return numbers_of(x, floats).to(floats)
