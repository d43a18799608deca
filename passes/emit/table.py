"""The table of emissions: for each op, the ONNX operators that compute it. Those of images are in `nn` and
`lanes`, those with graphs inside in `control`."""

from __future__ import annotations

from typing import Any

import numpy as np

from ir import ops
from ir.node import Node
from ir.types import bool_, f16, f32, f64, i32, i64
from passes.emit import control as control
from passes.emit import lanes as lanes
from passes.emit import nn as nn
from passes.emit.builder import ELEMENT_TYPES, Builder, emit

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
    "softplus": "Softplus",
    "erf": "Erf",
    "floor": "Floor",
    "is_nan": "IsNaN",
    "add": "Add",
    "sub": "Sub",
    "mul": "Mul",
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
    "bitwise_and": "BitwiseAnd",
    "bitwise_or": "BitwiseOr",
    "bitwise_xor": "BitwiseXor",
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


@emit(ops.with_gradient, ops.with_slope)
def _(b: Builder, node: Node, x: str, *others: str) -> Any:
    return x


@emit(ops.fmod)
def _(b: Builder, node: Node, x: str, y: str) -> Any:
    return b.op("Mod", x, y, fmod=1)


@emit(ops.div)
def _(b: Builder, node: Node, x: str, y: str) -> Any:
    one = node.inputs[0]
    if (
        node.dtype in (f16, f32, f64)
        and one.op is ops.const
        and not one.shape
        and one.attrs["value"].array == 1
    ):
        # Not Div, of which the runtime takes a product with another such for one quotient (DivMulFusion) and then
        # misses the first.
        return b.op("Reciprocal", y)
    return b.op("Div", x, y)


@emit(ops.relu)
def _(b: Builder, node: Node, x: str) -> Any:
    if node.dtype.is_float:
        return b.op("Relu", x)
    # Runtimes have no kernel of Relu for integers, or one in some opsets only.
    return b.op("Max", x, b.const(0, node.dtype.numpy))


@emit(ops.relu_grad)
def _(b: Builder, node: Node, g: str, y: str) -> Any:
    zero = b.const(0, node.dtype.numpy)
    if b.target.device == "cpu" and b.target.operators == "ort":
        # Faster by a tenth on large arrays. Other runtimes have cut off digits on the way to bool.
        return b.op("Where", b.op("Cast", y, to=ELEMENT_TYPES["bool"]), g, zero)
    return b.op("Where", b.op("Equal", y, zero), zero, g)


@emit(ops.where)
def _(b: Builder, node: Node, condition: str, x: str, y: str) -> Any:
    if node.dtype is not bool_:
        return b.op("Where", condition, x, y)
    # The runtime has no Where for bool.
    return b.op("Or", b.op("And", condition, x), b.op("And", b.op("Not", condition), y))


@emit(ops.cast)
def _(b: Builder, node: Node, x: str) -> Any:
    if node.dtype.name in ("u8", "i8") and node.inputs[0].dtype.is_float and node.inputs[0].op is ops.cast:
        # Of a float that was narrowed before: the runtime would leave that out, and its rounding.
        x = b.op("Cast", x, to=ELEMENT_TYPES["i32"])
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
    axes, keepdims = node.attrs["axes"], int(node.attrs["keepdims"])
    if b.target.opset < 18:
        return b.op("ReduceMax", x, axes=axes, keepdims=keepdims)
    return b.op("ReduceMax", x, b.ints(*axes), keepdims=keepdims)


@emit(ops.cumsum)
def _(b: Builder, node: Node, x: str) -> Any:
    # The runtime has no kernel for halves.
    half = node.dtype.name in ("f16", "bf16")
    x = b.op("Cast", x, to=ELEMENT_TYPES["f32"]) if half else x
    backwards = {"reverse": 1} if node.attrs["reverse"] else {}
    added = b.op("CumSum", x, b.const(np.int64(node.attrs["axis"])), **backwards)
    return b.op("Cast", added, to=ELEMENT_TYPES[node.dtype.name]) if half else added


@emit(ops.argmax)
def _(b: Builder, node: Node, x: str) -> Any:
    return b.op("ArgMax", x, axis=node.attrs["axis"], keepdims=int(node.attrs["keepdims"]))


@emit(ops.argsort)
def _(b: Builder, node: Node, x: str) -> Any:
    attrs = node.attrs
    how = {"axis": attrs["axis"], "largest": int(attrs["descending"])}
    return b.op("TopK", x, b.shape((attrs["count"],)), outputs=2, **how)[1]


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


@emit(ops.scatter)
def _(b: Builder, node: Node, x: str, indices: str, updates: str) -> Any:
    axis, reduction = node.attrs["axis"], node.attrs["reduction"]
    if reduction == "none":
        return b.op("ScatterElements", x, indices, updates, axis=axis)
    if reduction in ("max", "min"):
        b.need(f"ScatterElements of the largest or smallest (reduction={reduction})", 18)
    half = node.dtype.name in ("f16", "bf16")  # in f32, for which the runtime has a kernel
    if half:
        x, updates = (b.op("Cast", v, to=ELEMENT_TYPES["f32"]) for v in (x, updates))
    found = b.op("ScatterElements", x, indices, updates, axis=axis, reduction=reduction)
    return b.op("Cast", found, to=ELEMENT_TYPES[node.dtype.name]) if half else found


def _added(b: Builder, node: Node, updates: str, indices: str, axis: int) -> Any:
    """`updates` added into zeros of the type of `node`; halves in f32, for which the runtime has a kernel."""
    half = node.dtype.name in ("f16", "bf16")
    if half:
        updates = b.op("Cast", updates, to=ELEMENT_TYPES["f32"])
    zeros = b.op("Expand", b.const(0, np.float32 if half else node.dtype.numpy), b.shape(node.shape))
    total = b.op("ScatterElements", zeros, indices, updates, axis=axis, reduction="add")
    return b.op("Cast", total, to=ELEMENT_TYPES[node.dtype.name]) if half else total


_COUNTED = 4096  # numbers in a row that a model holds; of more it holds the limits


@emit(ops.iota)
def _(b: Builder, node: Node) -> Any:
    size, dtype = node.attrs["size"], node.dtype
    if isinstance(size, int) and size <= _COUNTED and dtype.name != "bf16":
        return b.const(np.arange(size, dtype=dtype.numpy))
    if isinstance(size, int) and dtype in (i32, i64, f32, f64):
        return b.op("Range", *(b.const(number, dtype.numpy) for number in (0, size, 1)))
    counted = b.count(size)
    return counted if dtype is i64 else b.op("Cast", counted, to=ELEMENT_TYPES[dtype.name])


@emit(ops.dim)
def _(b: Builder, node: Node) -> Any:
    size = node.attrs["size"]
    return b.const(np.int64(size)) if isinstance(size, int) else b.op("Squeeze", b.size(size))


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
