"""Means, and what else divides by a number of elements. Halves hold neither large counts (f16 ends at 65,504, bf16 has
three digits) nor large sums: theirs are computed in f32, as PyTorch does."""

from __future__ import annotations

from collections.abc import Sequence

from ir import ops
from ir.dims import product
from ir.node import Node
from ir.types import DType, bf16, f16, f32


def widened(x: Node) -> Node:
    """A half as f32, anything else as it is."""
    return ops.cast(x, dtype=f32) if x.dtype in (f16, bf16) else x


def narrowed(x: Node, dtype: DType) -> Node:
    """What was computed of `widened` operands, in their own dtype."""
    return x if x.dtype is dtype else ops.cast(x, dtype=dtype)


def count(x: Node, axes: Sequence[int]) -> Node:
    """Number of elements of x along `axes`, as a scalar of the dtype of widened(x)."""
    size = product(tuple(x.shape[axis] for axis in axes))
    dtype = f32 if x.dtype in (f16, bf16) else x.dtype
    return ops.scalar(size, dtype) if isinstance(size, int) else ops.cast(ops.dim(size=size), dtype=dtype)


def mean(x: Node, axes: Sequence[int], keepdims: bool = False) -> Node:
    """The mean of x over `axes`."""
    total = ops.sum(widened(x), axes=tuple(axes), keepdims=keepdims)
    return narrowed(total / count(x, axes), x.dtype)
