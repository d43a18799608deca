"""Rules for operations that only move elements: merged, cancelled, pulled out of arithmetic's way."""

from __future__ import annotations

from typing import Any

import numpy as np

from ir import ops
from ir.dims import divide
from ir.node import Node
from passes.rewrite.algebra import rescaled, scaled
from passes.rewrite.driver import used_once
from passes.rewrite.match import Rules, is_const, is_scalar, reshaped, with_shape

RULES = Rules()


@RULES.on("reshape")
def merge_reshapes(node: Node) -> Node | None:
    """reshape(reshape(x)) => reshape(x); reshape(x) => x, where x has the shape"""
    x = node.inputs[0]
    if x.shape == node.shape:
        return x
    return reshaped(x.inputs[0], node.shape) if x.op is ops.reshape else None


@RULES.on("reshape")
def reshape_broadcast(node: Node) -> Node | None:
    """reshape(broadcast_to(x)) => broadcast_to(x), where x has one element, or only leading axes change"""
    x = node.inputs[0]
    if x.op is not ops.broadcast_to:
        return None
    source = x.inputs[0]
    if source.ty.size == 1:
        return ops.broadcast_to(reshaped(source, ()), shape=node.shape)
    kept = source.rank
    while kept and source.shape[source.rank - kept] == 1:
        kept -= 1
    if len(node.shape) < kept or node.shape[len(node.shape) - kept :] != x.shape[x.rank - kept :]:
        return None
    return with_shape(reshaped(source, source.shape[source.rank - kept :]), node.shape)


@RULES.on("transpose")
def merge_transposes(node: Node) -> Node | None:
    """transpose(transpose(x, p), q) => transpose(x, p[q]); transpose(x) => x, where nothing moves"""
    x, perm = node.inputs[0], node.attrs["perm"]
    if perm == tuple(range(x.rank)):
        return x
    if x.op is not ops.transpose:
        return None
    return ops.transpose(x.inputs[0], perm=tuple(x.attrs["perm"][axis] for axis in perm))


@RULES.on("transpose")
def transpose_to_reshape(node: Node) -> Node | None:
    """transpose(x) => reshape(x), where only axes of size 1 move"""
    x = node.inputs[0]
    moved = [axis for axis in node.attrs["perm"] if x.shape[axis] != 1]
    return ops.reshape(x, shape=node.shape) if moved == sorted(moved) else None


@RULES.on("transpose")
def transpose_broadcast(node: Node) -> Node | None:
    """transpose(broadcast_to(x)) => broadcast_to(transpose(x))"""
    x = node.inputs[0]
    if x.op is not ops.broadcast_to:
        return None
    source = x.inputs[0]
    source = reshaped(source, (1,) * (x.rank - source.rank) + source.shape)
    return ops.broadcast_to(ops.transpose(source, perm=node.attrs["perm"]), shape=node.shape)


@RULES.on("broadcast_to")
def merge_broadcasts(node: Node) -> Node | None:
    """broadcast_to(broadcast_to(x)) => broadcast_to(x); broadcast_to(x) => x, where x has the shape"""
    x = node.inputs[0]
    if x.shape == node.shape:
        return x
    return ops.broadcast_to(x.inputs[0], shape=node.shape) if x.op is ops.broadcast_to else None


@RULES.on("broadcast_to")
def drop_leading_ones(node: Node) -> Node | None:
    """broadcast_to(reshape(x), shape) => broadcast_to(x, shape), where the reshape only adds leading axes"""
    x = node.inputs[0]
    if x.op is not ops.reshape:
        return None
    source = x.inputs[0]
    added = x.rank - source.rank
    if added > 0 and x.shape == (1,) * added + source.shape:
        return ops.broadcast_to(source, shape=node.shape)
    return None


@RULES.on("reshape", "transpose")
def scale_outwards(node: Node) -> Node | None:
    """transpose(mul(x, 2)) => mul(transpose(x), 2); so for neg, div and reshape, where factors may meet"""
    x = node.inputs[0]
    found = scaled(x)
    if found is None or is_scalar(node) or is_scalar(x) or not used_once(x):
        return None
    return rescaled(x, node.op(found[0], **node.attrs))


@RULES.on("slice")
def merge_slices(node: Node) -> Node | None:
    """slice(x) => x, where it takes all; slice(slice(x)) => slice(x), for steps of 1"""
    x, attrs = node.inputs[0], node.attrs
    if x.shape == node.shape and all(step == 1 for step in attrs["steps"]):
        return x
    if x.op is not ops.slice or any(step != 1 for step in x.attrs["steps"]):
        return None
    offsets = x.attrs["starts"]
    starts, stops = (
        tuple(a + b for a, b in zip(attrs[key], offsets, strict=True)) for key in ("starts", "stops")
    )
    return ops.slice(x.inputs[0], starts=starts, stops=stops, steps=attrs["steps"])


@RULES.on("slice")
def slice_of_pad(node: Node) -> Node | None:
    """slice(pad(x)) => x, where it cuts off what was padded"""
    x, attrs = node.inputs[0], node.attrs
    if x.op is not ops.pad or any(step != 1 for step in attrs["steps"]):
        return None
    return x.inputs[0] if attrs["starts"] == x.attrs["low"] and x.inputs[0].shape == node.shape else None


@RULES.on("slice")
def slice_of_concat(node: Node) -> Node | None:
    """slice(concat(x, y)) => x, where it takes one of the parts"""
    x, attrs = node.inputs[0], node.attrs
    if x.op is not ops.concat or any(step != 1 for step in attrs["steps"]):
        return None
    start: Any = 0
    for part in x.inputs:
        if part.shape == node.shape and attrs["starts"][x.attrs["axis"]] == start:
            return part
        start = start + part.shape[x.attrs["axis"]]
    return None


@RULES.on("pad")
def merge_pads(node: Node) -> Node | None:
    """pad(x) => x, where nothing is added; pad(pad(x)) => pad(x), for one value"""
    x, attrs = node.inputs[0], node.attrs
    if x.shape == node.shape:
        return x
    if x.op is not ops.pad or x.attrs["value"] != attrs["value"]:
        return None
    low, high = (
        tuple(a + b for a, b in zip(attrs[key], x.attrs[key], strict=True)) for key in ("low", "high")
    )
    return ops.pad(x.inputs[0], low=low, high=high, value=attrs["value"])


@RULES.on("concat")
def concat_of_one(node: Node) -> Node | None:
    """concat(x) => x"""
    return node.inputs[0] if len(node.inputs) == 1 else None


@RULES.on("concat")
def merge_concats(node: Node) -> Node | None:
    """concat(concat(x, y), z) => concat(x, y, z), along one axis"""
    inner = [x.op is ops.concat and x.attrs == node.attrs and used_once(x) for x in node.inputs]
    if not any(inner):
        return None
    parts = [x.inputs if is_one else (x,) for x, is_one in zip(node.inputs, inner, strict=True)]
    return ops.concat(*(x for part in parts for x in part), **node.attrs)


@RULES.on("concat")
def concat_of_slices(node: Node) -> Node | None:
    """concat(x[:3], x[3:]) => x"""
    axis = node.attrs["axis"]
    first = node.inputs[0]
    if first.op is not ops.slice or first.inputs[0].shape != node.shape:
        return None
    source, start = first.inputs[0], 0
    for part in node.inputs:
        if part.op is not ops.slice or part.inputs[0] is not source or set(part.attrs["steps"]) != {1}:
            return None
        if part.attrs["starts"][axis] != start:
            return None
        start = part.attrs["stops"][axis]
    return source


@RULES.on("reverse")
def merge_reverses(node: Node) -> Node | None:
    """reverse(reverse(x)) => x; axes of size 1 are not reversed"""
    x, axes = node.inputs[0], node.attrs["axes"]
    kept = tuple(axis for axis in axes if x.shape[axis] != 1)
    if not kept:
        return x
    if x.op is ops.reverse:
        merged = tuple(sorted(set(kept) ^ set(x.attrs["axes"])))
        return ops.reverse(x.inputs[0], axes=merged)
    return ops.reverse(x, axes=kept) if kept != axes else None


@RULES.on("add", "sub", "mul", "div", "maximum", "minimum")
def join_reshapes(node: Node) -> Node | None:
    """add(reshape(x), reshape(y)) => reshape(add(x, y)), where x and y have one shape; so for transpose"""
    x, y = node.inputs
    if x.op is not y.op or x.op not in (ops.reshape, ops.transpose) or not (used_once(x) and used_once(y)):
        return None
    if x.attrs != y.attrs or x.inputs[0].shape != y.inputs[0].shape or x is y:
        return None
    return x.op(node.op(x.inputs[0], y.inputs[0]), **x.attrs)


@RULES.on("concat")
def concat_of_reshapes(node: Node) -> Node | None:
    """concat(reshape(x), reshape(y)) => reshape(concat(x, y)), where nothing before the axis changes"""
    axis = node.attrs["axis"]
    if len(node.inputs) < 2 or any(x.op is not ops.reshape or not used_once(x) for x in node.inputs):
        return None
    sources = [x.inputs[0] for x in node.inputs]
    first = sources[0].shape
    if len(first) <= axis or any(
        x.rank != len(first)
        or x.shape[:axis] != node.shape[:axis]
        or x.shape[axis + 1 :] != first[axis + 1 :]
        for x in sources
    ):
        return None
    return ops.reshape(ops.concat(*sources, axis=axis), shape=node.shape)


@RULES.on("reshape")
def reshape_before_slice(node: Node) -> Node | None:
    """reshape(slice(x)) => slice(reshape(x)), where one axis is cut and those before it stay

    Many slices of x then share the reshape.
    """
    piece = node.inputs[0]
    if piece.op is not ops.slice or not used_once(piece):
        return None
    x, attrs = piece.inputs[0], piece.attrs
    cut = [axis for axis in range(x.rank) if x.shape[axis] != piece.shape[axis]]
    if len(cut) != 1 or attrs["steps"][cut[0]] != 1:
        return None
    (axis,) = cut
    lead, rest = node.shape[:axis], node.shape[axis + 1 :]
    if lead != x.shape[:axis] or len(node.shape) <= axis:
        return None
    times = divide(node.shape[axis], piece.shape[axis])
    if times is None:
        return None
    grown = ops.reshape(x, shape=(*lead, x.shape[axis] * times, *rest))
    starts = (*(0 for _ in lead), attrs["starts"][axis] * times, *(0 for _ in rest))
    stops = (*lead, attrs["stops"][axis] * times, *rest)
    return ops.slice(grown, starts=starts, stops=stops, steps=(1,) * grown.rank)


@RULES.on("scatter_add")
def scatter_in_order(node: Node) -> Node | None:
    """scatter_add(x, [0, 1, 2]) => x, where it has 3: the gradient of such a gather"""
    x, indices = node.inputs
    if not is_const(indices) or node.shape != x.shape:
        return None
    table = indices.attrs["value"].array
    return x if (table == np.arange(len(table))).all() else None


@RULES.on("gather")
def merge_gathers(node: Node) -> Node | None:
    """gather(gather(x, [2, 0]), [1, 1]) => gather(x, [0, 0]); gather(x, [0, 1, 2]) => x, where it has 3"""
    x, indices = node.inputs
    if not is_const(indices) or indices.rank != 1:
        return None
    table, axis = indices.attrs["value"].array, node.attrs["axis"]
    if node.shape == x.shape and (table == np.arange(len(table))).all():
        return x
    if (
        x.op is not ops.gather
        or x.attrs["axis"] != axis
        or x.inputs[1].rank != 1
        or not is_const(x.inputs[1])
    ):
        return None
    return ops.gather(x.inputs[0], ops.literal(x.inputs[1].attrs["value"].array[table]), axis=axis)
