"""Emissions of convolutions, pools and softmax."""

from __future__ import annotations

from typing import Any

import numpy as np

from ir import ops
from ir.node import Node
from ir.ops.windows import Window
from ir.types import TupleType, f32
from passes.emit.builder import ELEMENT_TYPES, Builder, emit


def _window(attrs: Any, *, kernel: Any) -> dict[str, Any]:
    """Attributes of an ONNX Conv from ours; padding is symmetric, which CUDA wants."""
    (top, left) = attrs["padding"]
    return {
        "kernel_shape": kernel,
        "strides": attrs["stride"],
        "pads": (top, left, top, left),
        "dilations": attrs["dilation"],
        "group": attrs["groups"],
    }


@emit(ops.conv2d)
def _(b: Builder, node: Node, x: str, w: str, *bias: str) -> Any:
    return b.op("Conv", x, w, *bias, **_window(node.attrs, kernel=node.inputs[1].shape[2:]))


@emit(ops.conv2d_input_grad)
def _(b: Builder, node: Node, g: str, w: str) -> Any:
    # Rows and columns that the forward windows never reached come back as zeros through output_padding.
    source, weight = node.inputs
    how, kernel = node.attrs, weight.shape[2:]
    reach = Window.of(how, kernel).reach(source.shape[2:])
    extra = [n - (r - 2 * p) for n, r, p in zip(how["size"], reach, how["padding"], strict=True)]
    return b.op("ConvTranspose", g, w, **_window(how, kernel=kernel), output_padding=extra)


@emit(ops.max_pool2d)
def _(b: Builder, node: Node, x: str) -> Any:
    pool = _pool(node)
    top, left, *end = pool["pads"]
    if any(extra >= k for extra, k in zip(end, pool["kernel_shape"], strict=True)):
        # Dilated windows that reach further over the end than a pooling may pad.
        x = b.op("Pad", x, b.ints(0, 0, top, left, 0, 0, *end), b.const(-np.inf, node.dtype.numpy))
        pool["pads"] = (0, 0, 0, 0)
    return b.op("MaxPool", x, **pool, dilations=node.attrs["dilation"])


@emit(ops.max_pool2d_with_indices)
def _(b: Builder, node: Node, x: str) -> Any:
    return b.op("MaxPool", x, outputs=2, **_pool(node), dilations=node.attrs["dilation"])


@emit(ops.max_unpool2d)
def _(b: Builder, node: Node, y: str, indices: str) -> Any:
    # The operator wants a kernel, but takes the size from its last operand.
    return b.op("MaxUnpool", y, indices, b.shape(node.shape), kernel_shape=(1, 1))


@emit(ops.avg_pool2d)
def _(b: Builder, node: Node, x: str) -> Any:
    attrs, pool = node.attrs, _pool(node)
    if pool["pads"][:2] == pool["pads"][2:]:
        return b.op("AveragePool", x, **pool, count_include_pad=int(attrs["count_include_pad"]))
    # Windows that run over the end count fewer elements in PyTorch than in ONNX.
    height, width = map(int, node.inputs[0].shape[2:])
    counts = Window.of(attrs).counts((height, width), attrs["count_include_pad"])
    # Of rows and of columns: the runtime puts them together when it loads the model.
    whole = b.const(np.prod(attrs["kernel"]) * counts[0, 0], np.float32)
    scale = b.op(
        "Div", whole, b.op("Mul", b.const(counts[:, :1], np.float32), b.const(counts[:1], np.float32))
    )
    if node.dtype is not f32:
        scale = b.op("Cast", scale, to=ELEMENT_TYPES[node.dtype.name])
    return b.op("Mul", b.op("AveragePool", x, **pool, count_include_pad=1), scale)


def _pool(node: Node) -> dict[str, Any]:
    """Attributes of an ONNX pooling. Its ceil_mode counts windows otherwise than PyTorch's: pad the end instead."""
    attrs = node.attrs
    begin = end = attrs["padding"]
    if attrs["ceil_mode"]:
        pooled = node.type.items[0] if isinstance(node.type, TupleType) else node.ty
        reach = Window.of(attrs).reach(pooled.shape[2:])
        sizes = zip(reach, node.inputs[0].shape[2:], begin, strict=True)
        end = tuple(max(r - p - n, p) for r, n, p in sizes)
    return {"kernel_shape": attrs["kernel"], "strides": attrs["stride"], "pads": (*begin, *end)}


@emit(ops.softmax)
def _(b: Builder, node: Node, x: str) -> Any:
    return b.op("Softmax", x, axis=node.attrs["axis"])


@emit(ops.log_softmax)
def _(b: Builder, node: Node, x: str) -> Any:
    return b.op("LogSoftmax", x, axis=node.attrs["axis"])
