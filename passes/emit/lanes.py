"""Emissions of images in lanes: operators of the runtime's own domain, for the machine that a graph is compiled for."""

from __future__ import annotations

from typing import Any

import numpy as np

from ir import ops
from ir.node import Node
from passes.emit.builder import Builder, emit

_LANES = "com.microsoft.nchwc"


@emit(ops.to_lanes)
def _(b: Builder, node: Node, x: str) -> Any:
    return b.op("ReorderInput", x, domain=_LANES)


@emit(ops.from_lanes)
def _(b: Builder, node: Node, x: str) -> Any:
    return b.op("ReorderOutput", x, domain=_LANES, channels=node.shape[1])


@emit(ops.mean_lanes)
def _(b: Builder, node: Node, x: str) -> Any:
    return b.op("GlobalAveragePool", x, domain=_LANES)


@emit(ops.conv2d_lanes)
def _(b: Builder, node: Node, x: str, w: str, *bias: str) -> Any:
    source, weight = node.inputs[:2]
    kernel, attrs = weight.shape[2:4], node.attrs
    inputs = int(source.shape[1]) // attrs["groups"]
    plain = b.op("Reshape", w, b.ints(int(node.shape[1]), inputs, *map(int, kernel)))
    top, left = attrs["padding"]
    return b.op(
        "Conv",
        x,
        plain,
        *bias,
        domain=_LANES,
        kernel_shape=kernel,
        strides=attrs["stride"],
        pads=(top, left, top, left),
        dilations=attrs["dilation"],
        group=attrs["groups"],
    )


@emit(ops.conv2d_samples_lanes)
def _(b: Builder, node: Node, x: str, g: str) -> Any:
    # The weight is rows of lanes in the order [O/L, samples, OH*OW, L of samples], with the last sample once more where
    # there are too few to fill lanes: the image gets zeros for them. It gets its columns at the side then as well, for
    # the kernel takes pixels one by one where windows may reach over it.
    attrs, (samples, outputs, *kernel) = node.attrs, node.inputs[1].shape
    lanes, pixels = attrs["lanes"], int(kernel[0]) * int(kernel[1])
    rows = int(outputs) // lanes * pixels  # of one sample
    top, left = attrs["padding"]
    count, one, width = b.size(samples), b.ints(1), b.ints(lanes)
    filled = b.op("Mul", b.op("Div", b.op("Add", count, b.ints(lanes - 1)), width), width)
    more = b.op("Concat", b.ints(0, 0, 0, left, 0), b.op("Sub", filled, count), b.ints(0, left), axis=0)
    ends = (b.const(0, np.int64), b.op("Squeeze", filled), b.const(1, np.int64))
    order = b.op("Min", b.op("Range", *ends), b.op("Sub", count, one))
    order = b.op("Mul", b.op("Reshape", order, b.ints(1, -1, 1, lanes)), b.ints(rows))
    places = np.arange(rows, dtype=np.int64).reshape(-1, 1, pixels, 1)
    order = b.op("Reshape", b.op("Add", order, b.const(places)), b.ints(-1))
    weight = b.op("Gather", b.op("Reshape", g, b.ints(-1, lanes)), order, axis=0)
    return b.op(
        "Conv",
        b.op("ReorderInput", b.op("Pad", x, more), domain=_LANES),
        b.op("Reshape", weight, b.ints(int(outputs), -1, *map(int, kernel))),
        domain=_LANES,
        kernel_shape=kernel,
        strides=attrs["stride"],
        pads=(top, 0, top, 0),
        dilations=attrs["dilation"],
    )


@emit(ops.affine_lanes)
def _(b: Builder, node: Node, x: str, scale: str, *rest: str) -> Any:
    channels = int(node.shape[1])
    weight = b.op("Reshape", scale, b.ints(channels, 1, 1, 1))
    attrs = node.attrs
    after: dict[str, Any] = {"activation": "Relu"} if attrs["relu"] else {}
    how = {"kernel_shape": (1, 1), "strides": attrs["stride"], "pads": (0, attrs["side"]) * 2}
    return b.op("Conv", x, weight, *rest, domain=_LANES, group=channels, **how, **after)
