"""Emissions of images in lanes: operators of the runtime's own domain, for the machine that a graph is compiled for."""

from __future__ import annotations

from typing import Any

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


@emit(ops.affine_lanes)
def _(b: Builder, node: Node, x: str, scale: str, *rest: str) -> Any:
    channels = int(node.shape[1])
    weight = b.op("Reshape", scale, b.ints(channels, 1, 1, 1))
    attrs = node.attrs
    after: dict[str, Any] = {"activation": "Relu"} if attrs["relu"] else {}
    how = {"kernel_shape": (1, 1), "strides": attrs["stride"], "pads": (0, attrs["side"]) * 2}
    return b.op("Conv", x, weight, *rest, domain=_LANES, group=channels, **how, **after)
