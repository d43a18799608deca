"""Rules for the CPU that give a factor and an offset to each channel of an image in one pass: a convolution of each
channel by itself does, and the runtime fuses what is added after it, and ReLU, into it: half the time of three
operators, each of which goes through memory.
"""

from __future__ import annotations

import math

from ir import ops
from ir.dims import Dim
from ir.node import Node
from ir.types import f32
from passes.rewrite.driver import used_once
from passes.rewrite.match import Rules, reshaped

RULES = Rules()
_PIXELS = 256  # of a channel, from which on it is worth an own product


def _by_channel(image: Node, value: Node) -> bool:
    """Whether `value` is one number for each channel of an image of known size, that has many pixels."""
    if image.rank != 4 or image.dtype is not f32 or not _is_large(image.shape[2:]):
        return False
    channels = image.shape[1]
    return isinstance(channels, int) and value.shape in ((channels, 1, 1), (1, channels, 1, 1))


def _is_large(size: tuple[Dim, ...]) -> bool:
    return all(isinstance(n, int) for n in size) and math.prod(map(int, size)) >= _PIXELS


def _affine(x: Node) -> bool:
    """Whether `x` is a convolution that gives a factor and an offset to each channel."""
    if x.op is not ops.conv2d or len(x.inputs) != 3:
        return False
    same = x.shape == x.inputs[0].shape and x.attrs["groups"] == x.shape[1]
    return same and x.inputs[1].shape[1:] == (1, 1, 1)


@RULES.on("add")
def affine_by_channel(node: Node) -> Node | None:
    """add(mul(x[N,C,H,W], s[C,1,1]), b[C,1,1]) => conv2d(x, reshape(s, [C,1,1,1]), reshape(b, [C]), groups=C)"""
    for product, offset in (node.inputs, node.inputs[::-1]):
        if product.op is not ops.mul or product.shape != node.shape or not used_once(product):
            continue
        for x, factor in (product.inputs, product.inputs[::-1]):
            if x.shape == node.shape and _by_channel(x, factor) and _by_channel(x, offset):
                channels = int(x.shape[1])
                weight = reshaped(factor, (channels, 1, 1, 1))
                return ops.conv2d(x, weight, reshaped(offset, (channels,)), groups=channels)
    return None


@RULES.on("sub")
def affine_that_is_taken_away(node: Node) -> Node | None:
    """sub(y, conv2d(x, s[C,1,1,1], b, groups=C)) => add(conv2d(x, neg(s), neg(b), groups=C), y)"""
    y, affine = node.inputs
    if not _affine(affine) or not used_once(affine) or affine.shape != node.shape:
        return None
    x, factor, offset = affine.inputs
    return ops.conv2d(x, ops.neg(factor), ops.neg(offset), **affine.attrs) + y
