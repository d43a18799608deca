"""The formula of ops.standardize, which its gradient, running statistics and `passes.rewrite.simplify` share."""

from __future__ import annotations

from typing import NamedTuple

from ir import ops
from ir.dims import product
from ir.node import Node


class Standardized(NamedTuple):
    """Parts of the formula for x[N,C,...]; all but `centred` are [1,C,1,...].

    squares: the sum of centred * centred. inverse: 1 / sqrt(variance + eps).
    """

    mean: Node
    centred: Node
    squares: Node
    inverse: Node


def axes_of(x: Node) -> tuple[int, ...]:
    """All axes but that of channels."""
    return tuple(axis for axis in range(x.rank) if axis != 1)


def count(x: Node) -> Node:
    """How many elements each channel has, as a scalar."""
    size = product(tuple(x.shape[axis] for axis in axes_of(x)))
    return ops.scalar(size, x.dtype) if isinstance(size, int) else ops.cast(ops.dim(size=size), dtype=x.dtype)


def per_channel(values: Node, rank: int) -> Node:
    """values[C] as [1,C,1,...] of `rank` axes."""
    return ops.reshape(values, shape=tuple(values.shape[0] if axis == 1 else 1 for axis in range(rank)))


def standardized(x: Node, eps: float) -> Standardized:
    """The formula, part by part. The sum of squares is that of centred values, which loses no digits."""
    axes, n = axes_of(x), count(x)
    mean = ops.sum(x, axes=axes, keepdims=True) / n
    centred = x - mean
    squares = ops.sum(centred * centred, axes=axes, keepdims=True)
    return Standardized(mean, centred, squares, 1.0 / ops.sqrt(squares / n + eps))


def gradient(g: Node, x: Node, scale: Node, eps: float) -> tuple[Node, Node]:
    """Gradients of standardize(x, scale) for x and for scale, given that of the result.

        dx = (g - mean(g) - centred * inverse² * mean(g * centred)) * inverse * scale

    Two sums, and one pass over g and centred, whose last factor is one for each channel: what reads it next, the
    gradients of a convolution, can take that over.
    """
    axes, n = axes_of(x), count(x)
    parts = standardized(x, eps)
    total = ops.reshape(ops.sum(g, axes=axes), shape=parts.mean.shape)
    joint = ops.sum(g * parts.centred, axes=axes, keepdims=True) * parts.inverse
    slope = joint * parts.inverse / n
    inner = g - (parts.centred * slope + total / n)
    return inner * (parts.inverse * per_channel(scale, x.rank)), ops.reshape(joint, shape=scale.shape)
