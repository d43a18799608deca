"""The one table of emissions: for each op, the ONNX operators that compute it."""

from __future__ import annotations

from typing import Any

import numpy as np

from ir import ops
from ir.node import Node
from ir.ops.nn import pool_divisors
from ir.types import TupleType, Type, bool_, i64
from passes.emit import ELEMENT_TYPES, Builder, emit, value_info

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
    "softplus": "Softplus",
    "erf": "Erf",
    "floor": "Floor",
    "is_nan": "IsNaN",
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


@emit(ops.with_gradient)
def _(b: Builder, node: Node, x: str, y: str) -> Any:
    return x


@emit(ops.relu_grad)
def _(b: Builder, node: Node, g: str, y: str) -> Any:
    zero = b.const(0, node.dtype.numpy)
    return b.op("Where", b.op("Equal", y, zero), zero, g)


@emit(ops.where)
def _(b: Builder, node: Node, condition: str, x: str, y: str) -> Any:
    if node.dtype is not bool_:
        return b.op("Where", condition, x, y)
    # The runtime has no Where for bool.
    return b.op("Or", b.op("And", condition, x), b.op("And", b.op("Not", condition), y))


@emit(ops.cast)
def _(b: Builder, node: Node, x: str) -> Any:
    return b.op("Cast", x, to=ELEMENT_TYPES[node.dtype.name])


@emit(ops.sum)
def _(b: Builder, node: Node, x: str) -> Any:
    if not node.attrs["axes"]:  # which ONNX takes for all of them
        return x
    return b.op("ReduceSum", x, b.ints(*node.attrs["axes"]), keepdims=int(node.attrs["keepdims"]))


@emit(ops.reduce_max)
def _(b: Builder, node: Node, x: str) -> Any:
    if not node.attrs["axes"]:
        return x
    return b.op("ReduceMax", x, b.ints(*node.attrs["axes"]), keepdims=int(node.attrs["keepdims"]))


@emit(ops.argmax)
def _(b: Builder, node: Node, x: str) -> Any:
    return b.op("ArgMax", x, axis=node.attrs["axis"], keepdims=int(node.attrs["keepdims"]))


@emit(ops.reshape)
def _(b: Builder, node: Node, x: str) -> Any:
    empty = {"allowzero": 1} if 0 in node.shape else {}  # without it ONNX copies the operand's size
    return b.op("Reshape", x, b.reshape_target(node.shape), **empty)


@emit(ops.transpose)
def _(b: Builder, node: Node, x: str) -> Any:
    if node.rank < 2:  # an empty permutation is not an attribute that ONNX can hold
        return x
    return b.op("Transpose", x, perm=node.attrs["perm"])


@emit(ops.broadcast_to)
def _(b: Builder, node: Node, x: str) -> Any:
    return b.op("Expand", x, b.shape(node.shape))


@emit(ops.slice)
def _(b: Builder, node: Node, x: str) -> Any:
    source, attrs = node.inputs[0].shape, node.attrs
    parts = zip(attrs["starts"], attrs["stops"], attrs["steps"], source, strict=True)
    kept = [(i, a, z, s) for i, (a, z, s, size) in enumerate(parts) if (a, z, s) != (0, size, 1)]
    if not kept:
        return x
    axes, starts, stops, steps = zip(*kept, strict=True)
    return b.op("Slice", x, b.shape(starts), b.shape(stops), b.ints(*axes), b.ints(*steps))


@emit(ops.reverse)
def _(b: Builder, node: Node, x: str) -> Any:
    axes = node.attrs["axes"]
    if not axes:
        return x
    least = np.iinfo(np.int64).min
    return b.op(
        "Slice",
        x,
        b.ints(*(-1 for _ in axes)),
        b.ints(*(least for _ in axes)),
        b.ints(*axes),
        b.ints(*(-1 for _ in axes)),
    )


@emit(ops.pad)
def _(b: Builder, node: Node, x: str) -> Any:
    attrs = node.attrs
    if not node.rank:
        return x
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
    return _added(b, node, updates, spread, axis)


@emit(ops.take_along_axis)
def _(b: Builder, node: Node, x: str, indices: str) -> Any:
    return b.op("GatherElements", x, indices, axis=node.attrs["axis"])


@emit(ops.put_along_axis)
def _(b: Builder, node: Node, x: str, indices: str) -> Any:
    return _added(b, node, x, indices, node.attrs["axis"])


def _added(b: Builder, node: Node, updates: str, indices: str, axis: int) -> Any:
    """`updates` added into zeros of the type of `node`; halves in f32, for which the runtime has a kernel."""
    half = node.dtype.name in ("f16", "bf16")
    if half:
        updates = b.op("Cast", updates, to=ELEMENT_TYPES["f32"])
    zeros = b.op("Expand", b.const(0, np.float32 if half else node.dtype.numpy), b.shape(node.shape))
    total = b.op("ScatterElements", zeros, indices, updates, axis=axis, reduction="add")
    return b.op("Cast", total, to=ELEMENT_TYPES[node.dtype.name]) if half else total


@emit(ops.iota)
def _(b: Builder, node: Node) -> Any:
    size, dtype = node.attrs["size"], node.dtype
    if isinstance(size, int):
        return b.const(np.arange(size, dtype=dtype.numpy))
    counted = b.count(size)
    return counted if dtype is i64 else b.op("Cast", counted, to=ELEMENT_TYPES[dtype.name])


@emit(ops.dim)
def _(b: Builder, node: Node) -> Any:
    size = node.attrs["size"]
    return b.const(np.int64(size)) if isinstance(size, int) else b.op("Squeeze", b.size(size))


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
    extra = [
        n - ((o - 1) * s + d * (k - 1) + 1 - 2 * p)
        for n, o, s, d, k, p in zip(
            how["size"], source.shape[2:], how["stride"], how["dilation"], kernel, how["padding"], strict=True
        )
    ]
    return b.op("ConvTranspose", g, w, **_window(how, kernel=kernel), output_padding=extra)


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


@emit(ops.gemm)
def _(b: Builder, node: Node, x: str, y: str, *c: str) -> Any:
    attrs = node.attrs
    given = {"transA": int(attrs["trans_a"]), "transB": int(attrs["trans_b"]), "alpha": attrs["alpha"]}
    given |= {"beta": attrs["beta"]} if c else {}
    return b.op(
        "Gemm",
        x,
        y,
        *c,
        **{key: value for key, value in given.items() if value != (key in ("alpha", "beta"))},
    )


@emit(ops.split)
def _(b: Builder, node: Node, x: str) -> Any:
    axis, sizes = node.attrs["axis"], node.attrs["sizes"]
    return b.op("Split", x, b.ints(*sizes), axis=axis, outputs=len(sizes))


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
    size = node.inputs[0].shape[2:]
    how = (attrs["kernel"], attrs["stride"], attrs["padding"], attrs["ceil_mode"], attrs["count_include_pad"])
    scale = np.prod(attrs["kernel"]) / pool_divisors((int(size[0]), int(size[1])), *how)
    return b.op("Mul", b.op("AveragePool", x, **pool, count_include_pad=1), b.const(scale, node.dtype.numpy))


def _pool(node: Node) -> dict[str, Any]:
    """Attributes of an ONNX pooling. Its ceil_mode counts windows otherwise than PyTorch's: pad the end instead."""
    attrs = node.attrs
    begin = end = attrs["padding"]
    if attrs["ceil_mode"]:
        dilation = attrs.get("dilation", (1, 1))
        pooled = node.type.items[0] if isinstance(node.type, TupleType) else node.ty
        parts = zip(
            pooled.shape[2:],
            node.inputs[0].shape[2:],
            attrs["kernel"],
            attrs["stride"],
            begin,
            dilation,
            strict=True,
        )
        end = tuple(max((o - 1) * s + (k - 1) * d + 1 - p - n, p) for o, n, k, s, p, d in parts)
    return {"kernel_shape": attrs["kernel"], "strides": attrs["stride"], "pads": (*begin, *end)}


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
    stacked = list(operands[carries : carries + sequences])
    inner = b.nested(body)
    stepped = body.inputs[: carries + sequences]
    names = {x: inner.fresh(f"{body.name}/{x.attrs['name']}") for x in stepped}
    names.update(zip(body.inputs[carries + sequences :], operands[carries + sequences :], strict=True))
    outputs = [inner.fresh(f"{body.name}/out") for _ in body.outputs]
    proto = inner.finish(body.name, stepped, names, body.outputs, outputs)
    if not stacked:  # ONNX takes the number of steps from a sequence; nothing reads this one
        proto.input.append(value_info(inner.fresh(f"{body.name}/step"), Type(i64, ())))
        stacked = [b.count(attrs["length"])]
    ways: dict[str, list[int]] = {}
    if attrs["reverse"]:
        ways["scan_input_directions"] = [1] * len(stacked)
        if len(outputs) > carries:
            ways["scan_output_directions"] = [1] * (len(outputs) - carries)
    result = b.op(
        "Scan",
        *operands[:carries],
        *stacked,
        outputs=len(outputs),
        body=proto,
        num_scan_inputs=len(stacked),
        **ways,
    )
    return [result] if isinstance(result, str) else result


@emit(ops.cond)
def _(b: Builder, node: Node, condition: str, *operands: str) -> Any:
    branches = {}
    for branch, graph in (("then", node.attrs["then"]), ("else", node.attrs["otherwise"])):
        inner = b.nested(graph)
        names = dict(zip(graph.inputs, operands, strict=True))
        outputs = [inner.fresh(f"{graph.name}/out") for _ in graph.outputs]
        branches[f"{branch}_branch"] = inner.finish(graph.name, (), names, graph.outputs, outputs)
    result = b.op("If", condition, outputs=len(node.attrs["then"].outputs), **branches)
    return [result] if isinstance(result, str) else result


@emit(ops.get)
def _(b: Builder, node: Node, x: list[str]) -> Any:
    return x[node.attrs["index"]]
