"""Rules that leave images in lanes (ir.ops.lanes) between convolutions: what a value leaves lanes for is done before.

Rules push `from_lanes` towards the results, through elementwise operations, factors and offsets for each
channel, and sums over all but channels. Where it meets `to_lanes`, both vanish.
"""

from __future__ import annotations

import numpy as np

from ir import ops
from ir.node import Node
from passes.rewrite.driver import used_once
from passes.rewrite.match import Rules, is_scalar, number, reshaped, value_of

RULES = Rules()
_UNARY = ("neg", "abs", "sign", "exp", "sqrt", "tanh", "sigmoid", "relu")
_BINARY = ("add", "sub", "mul", "div", "maximum", "minimum", "relu_grad")


def _inside(node: Node) -> Node | None:
    """The image in lanes, where `node` is one that leaves them."""
    return node.inputs[0] if node.op is ops.from_lanes else None


def _lanes_of(*nodes: Node) -> int:
    """The number of lanes that one of the nodes leaves, 0 where none does."""
    return next((int(x.attrs["lanes"]) for x in nodes if x.op is ops.from_lanes), 0)


def _entered(x: Node, lanes: int) -> Node:
    return ops.to_lanes(x, lanes=lanes)


@RULES.on("to_lanes")
def stay_in_lanes(node: Node) -> Node | None:
    """to_lanes(from_lanes(x)) => x"""
    return _inside(node.inputs[0])


@RULES.on(*_UNARY)
def unary_in_lanes(node: Node) -> Node | None:
    """relu(from_lanes(x)) => from_lanes(relu(x)), and so for the others of one operand"""
    x = _inside(node.inputs[0])
    return None if x is None else ops.from_lanes(node.op(x), lanes=_lanes_of(*node.inputs))


@RULES.on(*_BINARY)
def binary_in_lanes(node: Node) -> Node | None:
    """add(from_lanes(x), y) => from_lanes(add(x, to_lanes(y))), for images of one shape, and scalars y"""
    lanes = _lanes_of(*node.inputs)
    if not lanes or not all(x.shape == node.shape or is_scalar(x) for x in node.inputs):
        return None
    operands = (x if is_scalar(x) else _entered(x, lanes) for x in node.inputs)
    return ops.from_lanes(node.op(*operands), lanes=lanes)


def _channel(value: Node, image: Node) -> Node | None:
    """`value` as [C], if it is one number for each channel of `image`."""
    channels = image.shape[1]
    return reshaped(value, (channels,)) if value.shape in ((channels, 1, 1), (1, channels, 1, 1)) else None


def _filled(value: float, image: Node) -> Node:
    return ops.literal(np.full(int(image.shape[1]), value, np.float32))


def _affine(x: Node) -> tuple[Node, Node, Node] | None:
    """(image, scale, offset), if `x` is nothing but an affine_lanes of that."""
    attrs = x.attrs
    if x.op is not ops.affine_lanes or attrs["relu"] or attrs["side"] or attrs["stride"] != (1, 1):
        return None
    plain = len(x.inputs) == 3
    return (x.inputs[0], x.inputs[1], x.inputs[2]) if plain else None


@RULES.on("mul", "add", "sub")
def channels_in_lanes(node: Node) -> Node | None:
    """add(mul(from_lanes(x), s), b) => from_lanes(affine_lanes(x, s, b)), with one s and b for each channel; and sub"""
    lanes = _lanes_of(*node.inputs)
    left, right = node.inputs
    turned = left.op is not ops.from_lanes and node.op is not ops.sub
    image, value = _inside(right if turned else left), left if turned else right
    factor = None if image is None else _channel(value, image)
    if image is None or factor is None:
        return None
    # An affine that others read as well is kept: merging would keep what it was made of alive besides.
    alone = used_once(right if turned else left) and used_once(image)
    x, scale, offset = (alone and _affine(image)) or (image, _filled(1, image), _filled(0, image))
    is_linear = value_of(offset) == 0
    if node.op is ops.mul:
        scale = factor if value_of(scale) == 1 else scale * factor
        offset = offset if is_linear else offset * factor
    elif node.op is ops.add:
        offset = factor if is_linear else offset + factor
    else:
        offset = -factor if is_linear else offset - factor
    return ops.from_lanes(ops.affine_lanes(x, scale, offset, lanes=lanes), lanes=lanes)


@RULES.on("add", "sub")
def addend_in_lanes(node: Node) -> Node | None:
    """add(affine_lanes(x, s, b), y) => affine_lanes(x, s, b, y); sub(y, affine_lanes(x, s, b)) => the same of -s, -b"""
    for i in (1, 0) if node.op is ops.add else (1,):
        found, y = _affine(node.inputs[i]), node.inputs[1 - i]
        if found is None or not used_once(node.inputs[i]) or y.shape != node.shape:
            continue
        x, scale, offset = found
        if node.op is ops.sub:
            scale, offset = -scale, -offset
        return ops.affine_lanes(x, scale, offset, y, lanes=node.inputs[i].attrs["lanes"])
    return None


@RULES.on("relu")
def relu_of_affine(node: Node) -> Node | None:
    """relu(affine_lanes(x, s, b)) => affine_lanes(x, s, b, relu=True)"""
    x = node.inputs[0]
    if x.op is not ops.affine_lanes or not used_once(x):
        return None
    return ops.affine_lanes(*x.inputs, **{**x.attrs, "relu": True})


@RULES.on("slice")
def strides_in_lanes(node: Node) -> Node | None:
    """from_lanes(x)[:, :, ::2, ::2] => from_lanes(affine_lanes(x, 1, 0, stride=(2, 2)))"""
    x, attrs = _inside(node.inputs[0]), node.attrs
    if x is None or any(attrs["starts"]) or attrs["stops"] != x.shape or attrs["steps"][:2] != (1, 1):
        return None
    lanes, same = _lanes_of(*node.inputs), (_filled(1, x), _filled(0, x))
    return ops.from_lanes(ops.affine_lanes(x, *same, lanes=lanes, stride=attrs["steps"][2:]), lanes=lanes)


@RULES.on("sum")
def sum_in_lanes(node: Node) -> Node | None:
    """sum(from_lanes(x), axes=(0, 2, 3)) => mul(sum(mean_lanes(x), axes=(0, 2, 3)), H*W); the sum of all is sum(x)"""
    x, attrs = _inside(node.inputs[0]), node.attrs
    if x is not None and attrs["axes"] == (0, 1, 2, 3):
        return ops.sum(x, **attrs)
    if x is None or attrs["axes"] != (0, 2, 3):
        return None
    pixels = number(int(x.shape[2]) * int(x.shape[3]), x)
    means = ops.mean_lanes(x, lanes=_lanes_of(*node.inputs))
    return None if pixels is None else ops.sum(means, **attrs) * pixels
