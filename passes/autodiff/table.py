"""The gradient table: for each op, the gradients of its operands. Reads as mathematics.

A rule gets g (gradient of the result), the result, the operands and the attributes, and returns one gradient
for each operand; the driver in `passes.autodiff.driver` undoes broadcasting. The rules of convolutions, pools and
softmaxes are in `passes.autodiff.nn`.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ir import ops
from ir.node import Node
from passes.autodiff.means import narrowed, widened
from passes.autodiff.registry import CONSTANT, Gradient, vjp

CONSTANT.update(
    (
        ops.const,
        ops.input,
        ops.sign,
        ops.floor,
        ops.is_nan,
        ops.equal,
        ops.less,
        ops.greater,
        ops.logical_not,
    ),
    (ops.logical_and, ops.logical_or, ops.mod, ops.argmax, ops.argsort, ops.iota, ops.dim, ops.stop_gradient),
    (ops.bitwise_and, ops.bitwise_or, ops.bitwise_xor),
)


def mask(condition: Node, like: Node) -> Node:
    """A condition as ones and zeros of `like`'s dtype."""
    return ops.cast(condition, dtype=like.dtype)


def swap_last(x: Node) -> Node:
    """The matrix transpose of the last two axes."""
    return ops.transpose(x, perm=(*range(x.rank - 2), x.rank - 1, x.rank - 2))


@vjp(ops.neg)
def _(g: Node, out: Node, x: Node) -> Gradient:
    return -g


@vjp(ops.abs)
def _(g: Node, out: Node, x: Node) -> Gradient:
    return g * ops.sign(x)


@vjp(ops.exp)
def _(g: Node, out: Node, x: Node) -> Gradient:
    return g * out


@vjp(ops.log)
def _(g: Node, out: Node, x: Node) -> Gradient:
    return g / x


@vjp(ops.sqrt)
def _(g: Node, out: Node, x: Node) -> Gradient:
    return g / (out * 2.0)


@vjp(ops.sin)
def _(g: Node, out: Node, x: Node) -> Gradient:
    return g * ops.cos(x)


@vjp(ops.cos)
def _(g: Node, out: Node, x: Node) -> Gradient:
    return -(g * ops.sin(x))


@vjp(ops.tanh)
def _(g: Node, out: Node, x: Node) -> Gradient:
    # 1 - out * out loses its digits where out is near to 1; but it is the one to differentiate again.
    e = ops.exp(x * 2.0)
    return g * ops.with_gradient(4.0 / (e + 1.0 / e + 2.0), 1.0 - out * out)


@vjp(ops.sigmoid)
def _(g: Node, out: Node, x: Node) -> Gradient:
    # 1 - out would lose its digits where out is near to 1.
    return g * (out * ops.sigmoid(-x))


@vjp(ops.softplus)
def _(g: Node, out: Node, x: Node) -> Gradient:
    return g * ops.sigmoid(x)


@vjp(ops.relu)
def _(g: Node, out: Node, x: Node) -> Gradient:
    return ops.relu_grad(g, out)


@vjp(ops.relu_grad)
def _(g: Node, out: Node, h: Node, y: Node) -> tuple[Gradient, ...]:
    return ops.relu_grad(g, y), None


@vjp(ops.erf)
def _(g: Node, out: Node, x: Node) -> Gradient:
    return g * (ops.exp(-(x * x)) * (2 / math.sqrt(math.pi)))


@vjp(ops.add)
def _(g: Node, out: Node, x: Node, y: Node) -> tuple[Gradient, ...]:
    return g, g


@vjp(ops.sub)
def _(g: Node, out: Node, x: Node, y: Node) -> tuple[Gradient, ...]:
    return g, -g


@vjp(ops.mul)
def _(g: Node, out: Node, x: Node, y: Node) -> tuple[Gradient, ...]:
    return g * y, g * x


@vjp(ops.div)
def _(g: Node, out: Node, x: Node, y: Node) -> tuple[Gradient, ...]:
    return g / y, -(g * out / y)


@vjp(ops.pow)
def _(g: Node, out: Node, x: Node, y: Node) -> tuple[Gradient, ...]:
    # 0 for y = 0 and for 0^y, where the formulas would give 0 * inf and 0 * -inf.
    zero = ops.scalar(0, g.dtype)
    dx = ops.where(ops.equal(y, 0.0), zero, g * (y * ops.pow(x, y - 1.0)))
    at_zero = ops.logical_and(ops.equal(x, 0.0), ops.logical_or(ops.greater(y, 0.0), ops.equal(y, 0.0)))
    return dx, g * ops.where(at_zero, zero, out * ops.log(x))


@vjp(ops.fmod)
def _(g: Node, out: Node, x: Node, y: Node) -> tuple[Gradient, ...]:
    quotient = ops.stop_gradient(x / y)
    return g, -(g * ops.where(ops.less(quotient, 0.0), -ops.floor(-quotient), ops.floor(quotient)))


@vjp(ops.maximum)
def _(g: Node, out: Node, x: Node, y: Node) -> tuple[Gradient, ...]:
    return _won(g, ops.less(x, y), ops.equal(x, y)), _won(g, ops.less(y, x), ops.equal(x, y))


@vjp(ops.minimum)
def _(g: Node, out: Node, x: Node, y: Node) -> tuple[Gradient, ...]:
    return _won(g, ops.greater(x, y), ops.equal(x, y)), _won(g, ops.greater(y, x), ops.equal(x, y))


def _won(g: Node, loses: Node, ties: Node) -> Node:
    """Gradient of an operand: nothing where it loses, half where it ties (as PyTorch); NaN and its peer get all."""
    return ops.where(loses, ops.scalar(0, g.dtype), ops.where(ties, g * 0.5, g))


@vjp(ops.where)
def _(g: Node, out: Node, condition: Node, x: Node, y: Node) -> tuple[Gradient, ...]:
    zero = ops.scalar(0, g.dtype)
    return None, ops.where(condition, g, zero), ops.where(condition, zero, g)


@vjp(ops.cast)
def _(g: Node, out: Node, x: Node, *, dtype: Any) -> Gradient:
    return ops.cast(g, dtype=x.dtype) if x.dtype.is_float and dtype.is_float else None


@vjp(ops.alias)
def _(g: Node, out: Node, x: Node, *, uid: int) -> Gradient:
    return g


@vjp(ops.with_slope)
def _(g: Node, out: Node, y: Node, x: Node, slope: Node) -> tuple[Gradient, ...]:
    return g, g * slope, None


@vjp(ops.with_gradient)
def _(g: Node, out: Node, x: Node, y: Node) -> tuple[Gradient, ...]:
    return None, g


@vjp(ops.sum)
def _(g: Node, out: Node, x: Node, *, axes: tuple[int, ...], keepdims: bool) -> Gradient:
    return ops.broadcast_to(_keep(g, x, axes), shape=x.shape)


@vjp(ops.cumsum)
def _(g: Node, out: Node, x: Node, *, axis: int, reverse: bool) -> Gradient:
    return ops.cumsum(g, axis=axis, reverse=not reverse)


@vjp(ops.reduce_max)
def _(g: Node, out: Node, x: Node, *, axes: tuple[int, ...], keepdims: bool) -> Gradient:
    winners = ops.equal(x, _keep(out, x, axes))
    wide = widened(_keep(g, x, axes))
    share = wide / ops.sum(mask(winners, wide), axes=axes, keepdims=True)
    return mask(winners, g) * narrowed(share, g.dtype)


def _keep(reduced: Node, x: Node, axes: tuple[int, ...]) -> Node:
    """`reduced` with the reduced axes of x back, of size 1."""
    return ops.reshape(reduced, shape=tuple(1 if i in axes else d for i, d in enumerate(x.shape)))


@vjp(ops.reshape)
def _(g: Node, out: Node, x: Node, *, shape: Any) -> Gradient:
    return ops.reshape(g, shape=x.shape)


@vjp(ops.transpose)
def _(g: Node, out: Node, x: Node, *, perm: tuple[int, ...]) -> Gradient:
    return ops.transpose(g, perm=tuple(int(i) for i in np.argsort(perm)))


@vjp(ops.broadcast_to)
def _(g: Node, out: Node, x: Node, *, shape: Any) -> Gradient:
    return g


@vjp(ops.slice)
def _(g: Node, out: Node, x: Node, *, starts: Any, stops: Any, steps: tuple[int, ...]) -> Gradient:
    if any(step > 1 for step in steps):
        g = _spread(g, steps, tuple(stop - start for start, stop in zip(starts, stops, strict=True)))
    high = tuple(size - stop for size, stop in zip(x.shape, stops, strict=True))
    return ops.pad(g, low=tuple(starts), high=high) if g.shape != x.shape else g


def _spread(g: Node, steps: tuple[int, ...], shape: tuple[Any, ...]) -> Node:
    """g in zeros of `shape`: each element at the head of `steps` places along its axes."""
    if g.rank == 4 and steps[:2] == (1, 1) and all(isinstance(d, int) for d in (*g.shape[1:], *shape[1:])):
        # Taking every second pixel is a convolution of single pixels, which runtimes turn around fast.
        ones = ops.literal(np.ones((int(g.shape[1]), 1, 1, 1)), g.dtype)
        return ops.conv2d_input_grad(g, ones, size=shape[2:], stride=steps[2:], groups=g.shape[1])
    stepped = [(size, step) for size, step in zip(g.shape, steps, strict=True)]
    apart = tuple(d for size, step in stepped for d in ((size, 1) if step > 1 else (size,)))
    zeros = tuple(n for step in steps for n in ((0, step - 1) if step > 1 else (0,)))
    wide = ops.pad(ops.reshape(g, shape=apart), low=(0,) * len(apart), high=zeros)
    wide = ops.reshape(wide, shape=tuple(size * step for size, step in stepped))
    return wide if wide.shape == shape else window(wide, (0,) * g.rank, shape)


@vjp(ops.reverse)
def _(g: Node, out: Node, x: Node, *, axes: tuple[int, ...]) -> Gradient:
    return ops.reverse(g, axes=axes)


@vjp(ops.pad)
def _(g: Node, out: Node, x: Node, *, low: tuple[int, ...], high: Any, value: float) -> Gradient:
    return window(g, low, x.shape)


def window(x: Node, starts: tuple[Any, ...], shape: tuple[Any, ...]) -> Node:
    """The contiguous block of `shape` that begins at `starts`."""
    stops = tuple(a + n for a, n in zip(starts, shape, strict=True))
    return ops.slice(x, starts=tuple(starts), stops=stops, steps=(1,) * x.rank)


@vjp(ops.concat)
def _(g: Node, out: Node, *xs: Node, axis: int) -> tuple[Gradient, ...]:
    pieces: list[Gradient] = []
    start: Any = 0
    for x in xs:
        pieces.append(window(g, tuple(start if i == axis else 0 for i in range(g.rank)), x.shape))
        start = start + x.shape[axis]
    return tuple(pieces)


@vjp(ops.gather)
def _(g: Node, out: Node, x: Node, indices: Node, *, axis: int) -> tuple[Gradient, ...]:
    return ops.scatter_add(g, indices, axis=axis, size=x.shape[axis]), None


@vjp(ops.scatter_add)
def _(g: Node, out: Node, x: Node, indices: Node, *, axis: int, size: Any) -> tuple[Gradient, ...]:
    return ops.gather(g, indices, axis=axis), None


@vjp(ops.take_along_axis)
def _(g: Node, out: Node, x: Node, indices: Node, *, axis: int) -> tuple[Gradient, ...]:
    return ops.put_along_axis(g, indices, axis=axis, size=x.shape[axis]), None


@vjp(ops.put_along_axis)
def _(g: Node, out: Node, x: Node, indices: Node, *, axis: int, size: Any) -> tuple[Gradient, ...]:
    return ops.take_along_axis(g, indices, axis=axis), None


@vjp(ops.scatter)
def _(
    g: Node, out: Node, x: Node, indices: Node, updates: Node, *, axis: int, reduction: str
) -> tuple[Gradient, ...]:
    g_there = ops.take_along_axis(g, indices, axis=axis)
    if reduction == "none":  # of several updates of one place each gets the gradient, as PyTorch's
        return _replaced(g, indices, axis, 0), None, g_there
    if reduction == "add":
        return g, None, g_there
    if reduction == "mul":
        return _product_gradient(g, out, x, indices, updates, axis)
    out_there = ops.take_along_axis(out, indices, axis=axis)
    won, hits = mask(ops.equal(x, out), g), mask(ops.equal(updates, out_there), g)
    share = g / (won + ops.put_along_axis(hits, indices, axis=axis, size=x.shape[axis]))  # evenly among ties
    return won * share, None, hits * ops.take_along_axis(share, indices, axis=axis)


def _replaced(x: Node, indices: Node, axis: int, value: float) -> Node:
    """x with `value` where indices say."""
    updates = ops.broadcast_to(ops.scalar(value, x.dtype), shape=indices.shape)
    return ops.scatter(x, indices, updates, axis=axis)


def _product_gradient(
    g: Node, out: Node, x: Node, indices: Node, updates: Node, axis: int
) -> tuple[Gradient, ...]:
    """The product of the others: of all that are not 0, where one is 0 of the others only for that one."""
    one, zero = ops.scalar(1, g.dtype), ops.scalar(0, g.dtype)
    x_is_0, is_0 = ops.equal(x, zero), ops.equal(updates, zero)
    rest = ops.scatter(
        ops.where(x_is_0, one, x), indices, ops.where(is_0, one, updates), axis=axis, reduction="mul"
    )
    zeros = ops.put_along_axis(mask(is_0, g), indices, axis=axis, size=x.shape[axis]) + mask(x_is_0, g)

    def share(value: Node, value_is_0: Node, rest: Node, zeros: Node, g: Node) -> Node:
        alone = ops.equal(zeros, mask(value_is_0, g))  # no other is 0
        others = ops.where(value_is_0, rest, rest / ops.where(value_is_0, one, value))
        return ops.where(alone, g * others, zero)

    rest_there, zeros_there, g_there = (ops.take_along_axis(v, indices, axis=axis) for v in (rest, zeros, g))
    return share(x, x_is_0, rest, zeros, g), None, share(updates, is_0, rest_there, zeros_there, g_there)


@vjp(ops.matmul)
def _(g: Node, out: Node, x: Node, y: Node) -> tuple[Gradient, ...]:
    return g @ swap_last(y), swap_last(x) @ g


@vjp(ops.solve)
def _(g: Node, out: Node, a: Node, b: Node) -> tuple[Gradient, ...]:
    of_b = ops.solve(swap_last(a), g)
    return -(of_b @ swap_last(out)), of_b


@vjp(ops.cholesky)
def _(g: Node, out: Node, a: Node) -> Gradient:
    # I. Murray, Differentiation of the Cholesky decomposition, 2016.
    across = swap_last(out)
    size = a.shape[-1]
    row, column = (ops.reshape(ops.iota(size=size), shape=shape) for shape in ((size, 1), (1, size)))
    lower = ops.where(ops.less(row, column), ops.scalar(0, g.dtype), across @ g)
    diagonal = ops.where(ops.equal(row, column), lower, ops.scalar(0, g.dtype))
    inner = (lower + swap_last(lower) - diagonal) * 0.5
    whole = ops.solve(across, swap_last(ops.solve(across, inner)))
    # What is below the diagonal stands for what is above it, too.
    zero = ops.scalar(0, g.dtype)
    return ops.where(ops.less(row, column), zero, ops.where(ops.equal(row, column), whole, whole * 2.0))
