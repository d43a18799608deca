"""Rules for CUDA: what its provider has no kernel for, or a kernel with a catch, as something that it has one for.

A node without a kernel would run on the CPU, between two copies. `passes.emit.cuda` lists the kernels.
"""

from __future__ import annotations

import numpy as np

from ir import ops
from ir.node import Node
from ir.types import f32, f64, i32
from passes.rewrite.match import Rules, with_shape
from passes.rewrite.wider import Wider, in_wider

RULES = Rules()

_NO_BF16 = (
    *("log", "sin", "cos", "softplus", "floor", "equal", "less", "greater", "reduce_max", "argmax", "pad"),
    "relu_grad",
    *("log_softmax", "conv2d", "conv2d_input_grad", "max_pool2d", "avg_pool2d"),
)
# The dtype to compute in, for ops and dtypes without a kernel. f64 holds integers up to 2^53.
_OF_INTEGERS = frozenset(
    "neg abs sign add sub mul div where relu pad reduce_max argmax bitwise_and bitwise_or bitwise_xor".split()
)
_COMPARED = frozenset(("maximum", "minimum", "mod", "equal", "less", "greater"))
WIDER: Wider = {
    "bf16": (f32, frozenset(_NO_BF16)),
    "i16": (i32, _COMPARED | _OF_INTEGERS),
    "i8": (i32, _COMPARED | _OF_INTEGERS),
    "u8": (i32, _COMPARED),
}
_INTEGERS = ("u8", "i32", "i64")


@RULES.on(*dict.fromkeys(name for _, names in WIDER.values() for name in names))
def in_a_wider_dtype(node: Node) -> Node | None:
    """log(x: bf16) => cast(log(cast(x, f32)), bf16); so for whatever has no kernel for a narrow dtype"""
    return in_wider(node, WIDER)


@RULES.on("argmax")
def argmax_of_floats(node: Node) -> Node | None:
    """argmax(x: i64) => argmax(cast(x, f64))"""
    x = node.inputs[0]
    return ops.argmax(ops.cast(x, dtype=f64), **node.attrs) if x.dtype.name in _INTEGERS else None


@RULES.on("scatter")
def last_update(node: Node) -> Node | None:
    """scatter(x, i, u) => u where i points to last, else x: the kernel writes in no order"""
    x, indices, updates = node.inputs
    axis, size = node.attrs["axis"], indices.shape[node.attrs["axis"]]
    if node.attrs["reduction"] != "none":
        return None
    shape = tuple(size if i == axis else 1 for i in range(x.rank))
    order = with_shape(ops.reshape(ops.iota(size=size), shape=shape), indices.shape)
    none = with_shape(ops.scalar(-1, order.dtype), x.shape)
    last = ops.scatter(none, indices, order, axis=axis, reduction="max")
    there = ops.take_along_axis(updates, ops.maximum(last, 0), axis=axis)
    return ops.where(ops.less(last, 0), x, there)


@RULES.on("relu")
def relu_of_integers(node: Node) -> Node | None:
    """relu(x: i64) => maximum(x, 0)"""
    return ops.maximum(node.inputs[0], 0) if node.dtype.name in _INTEGERS else None


@RULES.on("pad")
def pad_by_concat(node: Node) -> Node | None:
    """pad(x: i64) => concat(low, x, high), axis by axis"""
    x, attrs = node.inputs[0], node.attrs
    if x.dtype.name not in _INTEGERS:
        return None
    filler = ops.scalar(np.asarray(attrs["value"], x.dtype.numpy).item(), x.dtype)
    for axis, (low, high) in enumerate(zip(attrs["low"], attrs["high"], strict=True)):
        blocks = [
            ops.broadcast_to(filler, shape=(*x.shape[:axis], amount, *x.shape[axis + 1 :]))
            for amount in (low, high)
        ]
        parts = [
            part for part, size in zip((blocks[0], x, blocks[1]), (low, 1, high), strict=True) if size != 0
        ]
        x = ops.concat(*parts, axis=axis) if len(parts) > 1 else x
    return x


@RULES.on("sum")
def sum_in_two_stages(node: Node) -> Node | None:
    """sum(x[N,C,H,W], (0, 2, 3)) => sum(sum(x, (2, 3)), (0,))

    The bias gradient of a convolution. Reductions are quick along axes at one end of the shape, not at both.
    """
    x, axes = node.inputs[0], node.attrs["axes"]
    size = len(axes)
    lead = next((i for i, axis in enumerate(axes) if axis != i), size)  # how many axes are at the front
    trail = axes[lead:]
    if not 0 < lead < size or trail != tuple(range(x.rank - len(trail), x.rank)) or size == x.rank:
        return None
    keep = node.attrs["keepdims"]
    return ops.sum(ops.sum(x, axes=trail, keepdims=keep), axes=axes[:lead], keepdims=keep)


# Kernels that copy pointers or sizes to the device in every run. That costs more than the kernels do, and in a CUDA
# graph a copy reads host memory that the runtime has given away since.
PIECES = 32  # what Concat and Split take as arguments of one kernel; more go through such copies


@RULES.on("get")
def slice_of_split(node: Node) -> Node | None:
    """get(split(x, sizes=(3, 1)), 1) => slice(x, 3:4); parts of one size are split in one kernel"""
    parts, index = node.inputs[0], node.attrs["index"]
    if parts.op is not ops.split:
        return None
    axis, sizes = parts.attrs["axis"], parts.attrs["sizes"]
    if len(set(sizes)) == 1 and len(sizes) <= PIECES:
        return None
    x, start = parts.inputs[0], sum(sizes[:index])
    starts = tuple(start if i == axis else 0 for i in range(x.rank))
    stops = tuple(start + sizes[index] if i == axis else size for i, size in enumerate(x.shape))
    return ops.slice(x, starts=starts, stops=stops, steps=(1,) * x.rank)


@RULES.on("concat")
def concat_in_groups(node: Node) -> Node | None:
    """concat(x0, ..., x63) => concat(concat(x0, ..., x31), concat(x32, ..., x63))"""
    if len(node.inputs) <= PIECES:
        return None
    axis = node.attrs["axis"]
    groups = [node.inputs[i : i + PIECES] for i in range(0, len(node.inputs), PIECES)]
    joined = [group[0] if len(group) == 1 else ops.concat(*group, axis=axis) for group in groups]
    return ops.concat(*joined, axis=axis)


@RULES.on("matmul")
def matmul_of_equal_batches(node: Node) -> Node | None:
    """matmul(x[M,K], y[B,K,L]) => matmul(broadcast_to(x, [B,M,K]), y); one y for all x is well as it is"""
    x, y = node.inputs
    batch = node.shape[:-2]
    if all(size == 1 for size in y.shape[:-2]) or x.shape[:-2] == y.shape[:-2]:
        return None
    return ops.matmul(*(with_shape(z, (*batch, *z.shape[-2:])) for z in (x, y)))
