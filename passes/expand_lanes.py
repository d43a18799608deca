"""Expansions for the runtime's direct convolution, which takes channels in lanes (ops.conv2d_lanes).

Images stay NCHW, where reordering them to lanes and back is part of the kernel's price; weights are small.
"""

from __future__ import annotations

from ir import ops
from ir.node import Node


def fits(inputs: int, outputs: int, lanes: int) -> bool:
    """Whether the kernel takes so many channels: whole lanes of outputs, and whole or less than one of inputs."""
    return lanes > 0 and outputs % lanes == 0 and (inputs % lanes == 0 or inputs < lanes)


def conv2d(lanes: int, node: Node, x: Node, w: Node, *bias: Node) -> Node:
    """conv2d(x, w) => conv2d_lanes(x, w in lanes)"""
    how = {key: node.attrs[key] for key in ("stride", "padding")}
    outputs, inputs, kh, kw = w.shape
    if inputs < lanes:
        weight = ops.reshape(w, shape=(outputs // lanes, lanes, inputs, kh, kw))
        return ops.conv2d_lanes(x, ops.transpose(weight, perm=(0, 2, 3, 4, 1)), *bias, **how)
    weight = ops.reshape(w, shape=(outputs // lanes, lanes, inputs // lanes, lanes, kh * kw))
    weight = ops.transpose(weight, perm=(0, 2, 4, 3, 1))
    shape = (outputs // lanes, inputs // lanes, kh, kw, lanes, lanes)
    return ops.conv2d_lanes(x, ops.reshape(weight, shape=shape), *bias, **how)


def conv2d_input_grad(lanes: int, node: Node, g: Node, w: Node) -> Node:
    """conv2d_input_grad(g, w) => conv2d_lanes(g, w turned by 180 degrees, its channels swapped), for strides of 1"""
    outputs, inputs, kh, kw = w.shape
    weight = ops.reshape(w, shape=(outputs // lanes, lanes, inputs // lanes, lanes, kh * kw))
    weight = ops.transpose(weight, perm=(2, 0, 4, 1, 3))
    weight = ops.reverse(weight, axes=(2,))
    shape = (inputs // lanes, outputs // lanes, kh, kw, lanes, lanes)
    padding = tuple(k - 1 - p for k, p in zip((kh, kw), node.attrs["padding"], strict=True))
    return ops.conv2d_lanes(g, ops.reshape(weight, shape=shape), padding=padding)
