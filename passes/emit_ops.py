"""The one table of emissions: for each op, the ONNX operators that compute it."""

from __future__ import annotations

from typing import Any

import numpy as np

from ir import ops
from ir.dims import Poly
from ir.node import Node
from passes.emit import ELEMENT_TYPES, Builder, emit

# Ops that are one ONNX operator with the same operands and no attributes.
PLAIN = {
    "neg": "Neg",
    "abs": "Abs",
    "sign": "Sign",
    "exp": "Exp",
    "log": "Log",
    "sqrt": "Sqrt",
    "sin": "Sin",
    "cos": "Cos",
    "tanh": "Tanh",
    "sigmoid": "Sigmoid",
    "relu": "Relu",
    "erf": "Erf",
    "floor": "Floor",
    "add": "Add",
    "sub": "Sub",
    "mul": "Mul",
    "div": "Div",
    "pow": "Pow",
    "maximum": "Max",
    "minimum": "Min",
    "equal": "Equal",
    "less": "Less",
    "greater": "Greater",
    "logical_not": "Not",
    "logical_and": "And",
    "logical_or": "Or",
    "mod": "Mod",
    "bitwise_xor": "BitwiseXor",
    "where": "Where",
    "matmul": "MatMul",
}


@emit(*(ops.OPS[name] for name in PLAIN))
def _(b: Builder, node: Node, *operands: str) -> Any:
    return b.op(PLAIN[node.op.name], *operands)


@emit(ops.const)
def _(b: Builder, node: Node) -> Any:
    return b.const(node.attrs["value"].array)


@emit(ops.stop_gradient, ops.alias)
def _(b: Builder, node: Node, x: str) -> Any:
    return x


@emit(ops.custom)
def _(b: Builder, node: Node, x: str, *inputs: str) -> Any:
    return x


@emit(ops.cast)
def _(b: Builder, node: Node, x: str) -> Any:
    return b.op("Cast", x, to=ELEMENT_TYPES[node.dtype.name])


@emit(ops.sum)
def _(b: Builder, node: Node, x: str) -> Any:
    return b.op("ReduceSum", x, b.ints(*node.attrs["axes"]), keepdims=int(node.attrs["keepdims"]))


@emit(ops.reduce_max)
def _(b: Builder, node: Node, x: str) -> Any:
    return b.op("ReduceMax", x, b.ints(*node.attrs["axes"]), keepdims=int(node.attrs["keepdims"]))


@emit(ops.argmax)
def _(b: Builder, node: Node, x: str) -> Any:
    return b.op("ArgMax", x, axis=node.attrs["axis"], keepdims=int(node.attrs["keepdims"]))


@emit(ops.reshape)
def _(b: Builder, node: Node, x: str) -> Any:
    return b.op("Reshape", x, b.reshape_target(node.shape))


@emit(ops.transpose)
def _(b: Builder, node: Node, x: str) -> Any:
    return b.op("Transpose", x, perm=node.attrs["perm"])


@emit(ops.broadcast_to)
def _(b: Builder, node: Node, x: str) -> Any:
    return b.op("Expand", x, b.shape(node.shape))


@emit(ops.slice)
def _(b: Builder, node: Node, x: str) -> Any:
    source, attrs = node.inputs[0].shape, node.attrs
    parts = zip(attrs["starts"], attrs["stops"], attrs["steps"], source, strict=True)
    kept = [(i, a, z, s) for i, (a, z, s, size) in enumerate(parts) if (a, z, s) != (0, size, 1)]
    axes, starts, stops, steps = zip(*kept, strict=True) if kept else ((0,), (0,), (source[0],), (1,))
    return b.op("Slice", x, b.shape(starts), b.shape(stops), b.ints(*axes), b.ints(*steps))


@emit(ops.reverse)
def _(b: Builder, node: Node, x: str) -> Any:
    axes = node.attrs["axes"]
    least = np.iinfo(np.int64).min
    return b.op("Slice", x, b.ints(*(-1 for _ in axes)), b.ints(*(least for _ in axes)), b.ints(*axes), b.ints(*(-1 for _ in axes)))


@emit(ops.pad)
def _(b: Builder, node: Node, x: str) -> Any:
    attrs = node.attrs
    return b.op("Pad", x, b.shape((*attrs["low"], *attrs["high"])), b.const(attrs["value"], node.dtype.numpy))


@emit(ops.concat)
def _(b: Builder, node: Node, *xs: str) -> Any:
    return b.op("Concat", *xs, axis=node.attrs["axis"])


@emit(ops.gather)
def _(b: Builder, node: Node, x: str, indices: str) -> Any:
    return b.op("Gather", x, indices, axis=node.attrs["axis"])


@emit(ops.scatter_add)
def _(b: Builder, node: Node, x: str, indices: str) -> Any:
    # ScatterElements, not ScatterND, whose reduction races on several threads where indices repeat.
    axis, (source, index) = node.attrs["axis"], node.inputs
    lead, tail = source.shape[:axis], source.shape[axis + index.rank :]
    flat = (*lead, index.ty.size, *tail)
    updates = x if index.rank == 1 else b.op("Reshape", x, b.shape(flat))
    spread = b.op("Reshape", indices, b.shape((*(1 for _ in lead), index.ty.size, *(1 for _ in tail))))
    spread = b.op("Expand", spread, b.shape(flat))
    zeros = b.op("Expand", b.const(0, node.dtype.numpy), b.shape(node.shape))
    return b.op("ScatterElements", zeros, spread, updates, axis=axis, reduction="add")


@emit(ops.take_along_axis)
def _(b: Builder, node: Node, x: str, indices: str) -> Any:
    return b.op("GatherElements", x, indices, axis=node.attrs["axis"])


@emit(ops.put_along_axis)
def _(b: Builder, node: Node, x: str, indices: str) -> Any:
    zeros = b.op("Expand", b.const(0, node.dtype.numpy), b.shape(node.shape))
    return b.op("ScatterElements", zeros, indices, x, axis=node.attrs["axis"], reduction="add")


@emit(ops.iota)
def _(b: Builder, node: Node) -> Any:
    size, dtype = node.attrs["size"], node.dtype.numpy
    if not isinstance(size, Poly):
        return b.const(np.arange(size, dtype=dtype))
    limit = b.op("Squeeze", b.size(size))
    counted = b.op("Range", b.const(np.int64(0)), limit, b.const(np.int64(1)))
    return counted if node.dtype.name == "i64" else b.op("Cast", counted, to=ELEMENT_TYPES[node.dtype.name])


@emit(ops.dim)
def _(b: Builder, node: Node) -> Any:
    size = node.attrs["size"]
    return b.op("Squeeze", b.size(size)) if isinstance(size, Poly) else b.const(np.int64(size))


def _window(attrs: Any, *, kernel: tuple[int, int]) -> dict[str, Any]:
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
    extra = [
        n - ((o - 1) * s + d * (k - 1) + 1 - 2 * p)
        for n, o, s, d, k, p in zip(how["size"], source.shape[2:], how["stride"], how["dilation"], kernel, how["padding"], strict=True)
    ]
    return b.op("ConvTranspose", g, w, **_window(how, kernel=kernel), output_padding=extra)


@emit(ops.max_pool2d)
def _(b: Builder, node: Node, x: str) -> Any:
    attrs = node.attrs
    return b.op("MaxPool", x, **_pool(attrs), dilations=attrs["dilation"])


@emit(ops.max_pool2d_with_indices)
def _(b: Builder, node: Node, x: str) -> Any:
    return b.op("MaxPool", x, outputs=2, **_pool(node.attrs), dilations=node.attrs["dilation"])


@emit(ops.avg_pool2d)
def _(b: Builder, node: Node, x: str) -> Any:
    return b.op("AveragePool", x, **_pool(node.attrs), count_include_pad=int(node.attrs["count_include_pad"]))


def _pool(attrs: Any) -> dict[str, Any]:
    (top, left) = attrs["padding"]
    return {
        "kernel_shape": attrs["kernel"],
        "strides": attrs["stride"],
        "pads": (top, left, top, left),
        "ceil_mode": int(attrs["ceil_mode"]),
    }


@emit(ops.softmax)
def _(b: Builder, node: Node, x: str) -> Any:
    return b.op("Softmax", x, axis=node.attrs["axis"])


@emit(ops.log_softmax)
def _(b: Builder, node: Node, x: str) -> Any:
    return b.op("LogSoftmax", x, axis=node.attrs["axis"])


@emit(ops.scan)
def _(b: Builder, node: Node, *operands: str) -> Any:
    attrs = node.attrs
    body, carries, sequences = attrs["body"], attrs["carries"], attrs["sequences"]
    inner = b.nested(body)
    stepped = body.inputs[: carries + sequences]
    names = {x: inner.fresh(f"{body.name}/{x.attrs['name']}") for x in stepped}
    names.update(zip(body.inputs[carries + sequences :], operands[carries + sequences :], strict=True))
    outputs = [inner.fresh(f"{body.name}/out") for _ in body.outputs]
    proto = inner.finish(body.name, stepped, names, body.outputs, outputs)
    ways = int(attrs["reverse"])
    directions = {
        "scan_input_directions": [ways] * sequences,
        "scan_output_directions": [ways] * (len(outputs) - carries),
    }
    result = b.op(
        "Scan",
        *operands[: carries + sequences],
        outputs=len(outputs),
        body=proto,
        num_scan_inputs=sequences,
        **{key: value for key, value in directions.items() if ways and value},
    )
    return [result] if isinstance(result, str) else result


@emit(ops.get)
def _(b: Builder, node: Node, x: list[str]) -> Any:
    return x[node.attrs["index"]]


