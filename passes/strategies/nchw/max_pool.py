"""Max-pooling and its gradient in the IR's own layout NCHW."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from ir import ops
from ir.node import Node
from ir.ops.windows import Pair
from ir.types import f32
from passes.strategies import knockout
from passes.strategies.nchw.taps import outside, taps, untaps


def max_pool2d(node: Node, x: Node) -> Node:
    """max_pool2d(x) => a knockout among the taps"""
    return knockout.best(_pool_taps(node, x, -math.inf))


def _pool_windows(node: Node) -> tuple[Sequence[Any], Pair, Pair, Pair, Pair]:
    how = node.attrs
    out = node.shape[2:] if node.op is not ops.max_pool2d_grad else node.inputs[0].shape[2:]
    return out, how["kernel"], how["stride"], how["padding"], how["dilation"]


def _pool_taps(node: Node, x: Node, fill: float) -> list[Node]:
    return taps(x, *_pool_windows(node), fill)


def max_pool2d_grad(node: Node, g: Node, x: Node) -> Node:
    """max_pool2d_grad(g, x) => g handed back along the knockout, to the first maximum"""
    how = node.attrs
    beyond = outside(x.shape[2:], *_pool_windows(node))
    pieces = knockout.hand_back(g, _pool_taps(node, x, -math.inf), beyond)
    return untaps(pieces, x.shape[2:], how["kernel"], how["stride"], how["padding"], how["dilation"])


def max_pool2d_pick(node: Node, v: Node, x: Node) -> Node:
    """max_pool2d_pick(v, x) => the knockout of x, carrying v along"""
    beyond = outside(x.shape[2:], *_pool_windows(node))
    return knockout.pick(_pool_taps(node, v, 0.0), _pool_taps(node, x, -math.inf), beyond)


def _with_indices(node: Node, x: Node) -> tuple[Node, Node]:
    both = ops.max_pool2d_with_indices(x, **node.attrs)
    return ops.get(both, index=0), ops.get(both, index=1)


def max_pool2d_indices(node: Node, x: Node) -> Node:
    """max_pool2d(x) => values of max_pool2d_with_indices(x), where the gradient wants the indices"""
    return _with_indices(node, x)[0]


def max_pool2d_grad_indices(node: Node, g: Node, x: Node) -> Node:
    """max_pool2d_grad(g, x) => g added into zeros where the indices say; put there, if no windows overlap"""
    _, indices = _with_indices(node, x)
    how = node.attrs
    apart = all(k <= s for k, s in zip(how["kernel"], how["stride"], strict=True))
    if apart and how["dilation"] == (1, 1) and g.dtype is f32:
        return ops.max_unpool2d(g, indices, size=(int(x.shape[2]), int(x.shape[3])))
    count = (g.ty.size,)
    flat, places = ops.reshape(g, shape=count), ops.reshape(indices, shape=count)
    return ops.reshape(ops.put_along_axis(flat, places, axis=0, size=x.ty.size), shape=x.shape)


def max_pool2d_pick_indices(node: Node, v: Node, x: Node) -> Node:
    """max_pool2d_pick(v, x) => v taken where the indices say"""
    _, indices = _with_indices(node, x)
    flat, places = ops.reshape(v, shape=(v.ty.size,)), ops.reshape(indices, shape=(node.ty.size,))
    return ops.reshape(ops.take_along_axis(flat, places, axis=0), shape=node.shape)


def without_indices(node: Node, *operands: Node) -> Node:
    """The pool without indices, which the one with indices makes needless."""
    return ops.max_pool2d(operands[-1], **node.attrs)
