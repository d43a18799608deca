"""The gradients of what networks are made of: convolutions, pools, softmaxes. As in `passes.autodiff.table`."""

from __future__ import annotations

from typing import Any

from ir import ops
from ir.node import Node
from passes.autodiff import standardize
from passes.autodiff.means import narrowed, widened
from passes.autodiff.registry import Gradient, vjp


@vjp(ops.conv2d)
def _(g: Node, out: Node, x: Node, w: Node, bias: Node | None = None, **how: Any) -> tuple[Gradient, ...]:
    dx = ops.conv2d_input_grad(g, w, size=x.shape[2:], **how)
    dw = ops.conv2d_weight_grad(x, g, kernel=w.shape[2:], **how)
    return (dx, dw) if bias is None else (dx, dw, ops.sum(g, axes=(0, 2, 3)))


@vjp(ops.conv2d_input_grad)
def _(g: Node, out: Node, y: Node, w: Node, *, size: Any, **how: Any) -> tuple[Gradient, ...]:
    return ops.conv2d(g, w, **how), ops.conv2d_weight_grad(g, y, kernel=w.shape[2:], **how)


@vjp(ops.conv2d_weight_grad)
def _(g: Node, out: Node, x: Node, y: Node, *, kernel: Any, **how: Any) -> tuple[Gradient, ...]:
    return ops.conv2d_input_grad(y, g, size=x.shape[2:], **how), ops.conv2d(x, g, **how)


@vjp(ops.standardize)
def _(g: Node, out: Node, x: Node, scale: Node, *, eps: float) -> tuple[Gradient, ...]:
    return standardize.gradient(g, x, scale, eps)


@vjp(ops.standardize_along)
def _(g: Node, out: Node, x: Node, *, axes: tuple[int, ...], eps: float) -> Gradient:
    return standardize.gradient_along(g, out, x, axes, eps)


@vjp(ops.max_pool2d)
def _(g: Node, out: Node, x: Node, **how: Any) -> Gradient:
    return ops.max_pool2d_grad(g, x, **how)


@vjp(ops.max_pool2d_with_indices)
def _(g: tuple[Gradient, ...], out: tuple[Node, ...], x: Node, **how: Any) -> Gradient:
    if g[0] is None:
        return None
    count = (g[0].ty.size,)
    indices = ops.reshape(out[1], shape=count)
    spread = ops.put_along_axis(ops.reshape(g[0], shape=count), indices, axis=0, size=x.ty.size)
    return ops.reshape(spread, shape=x.shape)


@vjp(ops.max_pool2d_grad)
def _(g: Node, out: Node, y: Node, x: Node, **how: Any) -> tuple[Gradient, ...]:
    return ops.max_pool2d_pick(g, x, **how), None


@vjp(ops.max_pool2d_pick)
def _(g: Node, out: Node, v: Node, x: Node, **how: Any) -> tuple[Gradient, ...]:
    return ops.max_pool2d_grad(g, x, **how), None


@vjp(ops.avg_pool2d)
def _(g: Node, out: Node, x: Node, **how: Any) -> Gradient:
    return ops.avg_pool2d_grad(g, size=x.shape[2:], **how)


@vjp(ops.avg_pool2d_grad)
def _(g: Node, out: Node, y: Node, *, size: Any, **how: Any) -> Gradient:
    return ops.avg_pool2d(g, **how)


@vjp(ops.softmax)
def _(g: Node, out: Node, x: Node, *, axis: int) -> Gradient:
    g, y = widened(g), widened(out)  # what cancels out leaves no digits of a half
    return narrowed(y * (g - ops.sum(g * y, axes=(axis,), keepdims=True)), x.dtype)


@vjp(ops.log_softmax)
def _(g: Node, out: Node, x: Node, *, axis: int) -> Gradient:
    # exp(out) is the softmax, at half its price.
    g = widened(g)
    return narrowed(g - ops.exp(widened(out)) * ops.sum(g, axes=(axis,), keepdims=True), x.dtype)
