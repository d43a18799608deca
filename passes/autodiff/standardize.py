"""The formula of ops.standardize and standardize_along, which their gradients, running statistics and
`passes.rewrite.simplify` share."""

from __future__ import annotations

from typing import NamedTuple

from ir import ops
from ir.node import Node
from passes.autodiff.means import count, narrowed, widened


class Standardized(NamedTuple):
    """Parts of the formula for x, of halves in f32; all but `centred` have size 1 along the axes.

    squares: the sum of centred * centred. inverse: 1 / sqrt(variance + eps).
    """

    mean: Node
    centred: Node
    squares: Node
    inverse: Node


def axes_of(x: Node) -> tuple[int, ...]:
    """All axes but that of channels."""
    return tuple(axis for axis in range(x.rank) if axis != 1)


def per_channel(values: Node, rank: int) -> Node:
    """values[C] as [1,C,1,...] of `rank` axes."""
    return ops.reshape(values, shape=tuple(values.shape[0] if axis == 1 else 1 for axis in range(rank)))


def standardized(x: Node, eps: float, axes: tuple[int, ...] | None = None) -> Standardized:
    """The formula over `axes`, part by part: of x[N,C,...] by default all but that of channels. The sum of squares is
    that of centred values, which loses no digits."""
    axes = axes_of(x) if axes is None else axes
    n, x = count(x, axes), widened(x)
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
    axes = axes_of(x)
    n, parts, g = count(x, axes), standardized(x, eps), widened(g)
    total = ops.reshape(ops.sum(g, axes=axes), shape=parts.mean.shape)
    joint = ops.sum(g * parts.centred, axes=axes, keepdims=True) * parts.inverse
    slope = joint * parts.inverse / n
    inner = g - (parts.centred * slope + total / n)
    dx = inner * (parts.inverse * per_channel(widened(scale), x.rank))
    return narrowed(dx, x.dtype), narrowed(ops.reshape(joint, shape=scale.shape), scale.dtype)


def gradient_along(g: Node, out: Node, x: Node, axes: tuple[int, ...], eps: float) -> Node:
    """Gradient of out = standardize_along(x) for x, given that of the result:

    dx = (g - mean(g) - out * mean(g * out)) * inverse
    """
    n, parts, g, out = count(x, axes), standardized(x, eps, axes), widened(g), widened(out)
    mean, slope = (ops.sum(y, axes=axes, keepdims=True) / n for y in (g, g * out))
    return narrowed((g - (out * slope + mean)) * parts.inverse, x.dtype)
