"""Expansions that work batch-last (see `passes.batch_last`): gathers of pixel rows and large matrix products.

Every index table depends on sizes of images and kernels alone, never on the batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache, reduce
from typing import Any

import numpy as np

from ir import ops
from ir.dims import Dim
from ir.node import Node
from ir.types import Array
from passes import knockout
from passes.batch_last import NATURAL, Order, Stored, reshape, store, window_pixels
from passes.expand_nchw import shares


@lru_cache(maxsize=256)
def _column_rows(channels: int, size: Any, geometry: Any, pixels: tuple[int, ...] | None) -> Array:
    """For im2col of [C*H*W, N]: the row behind each (channel, kernel position, output pixel); C*H*W is padding."""
    seen = window_pixels(size, *geometry)
    if pixels is not None:
        seen = seen[:, pixels]
    area = size[0] * size[1]
    rows = np.arange(channels)[:, None, None] * area + seen
    return np.where(seen == area, channels * area, rows).reshape(-1)


def _geometry(node: Node, out: Sequence[Dim]) -> Any:
    how = node.attrs
    kernel = how["kernel"] if "kernel" in how else tuple(node.inputs[1].shape[2:])
    return tuple(out), tuple(kernel), how["stride"], how["padding"], how.get("dilation", (1, 1))


def columns(x: Stored, geometry: Any, pixels: tuple[int, ...] | None) -> Node:
    """im2col of x[N,C,H,W] for some output pixels (None: all): [C*KH*KW, P*N]."""
    channels, size = int(x.shape[1]), tuple(x.shape[2:])  # type: ignore[arg-type]
    table = _column_rows(channels, size, geometry, pixels)
    rows = x.rows()
    depth = channels * geometry[1][0] * geometry[1][1]
    if not np.array_equal(table, np.arange(rows.shape[0])):
        if table.max() == rows.shape[0]:
            rows = ops.pad(rows, low=(0, 0), high=(1, 0))
        rows = ops.gather(rows, ops.literal(table), axis=0)
    return reshape(rows, (depth, len(table) // depth * x.batch))


def _split(x: Node, groups: int) -> Node:
    """[A, B] as [G, A/G, B] where there are groups."""
    return x if groups == 1 else reshape(x, (groups, x.shape[0] // groups, x.shape[1]))


def _weights(w: Node, groups: int) -> Node:
    """[O,C/G,KH,KW] as a matrix [O, K], or [G, O/G, K]."""
    return _split(reshape(w, (w.shape[0], w.shape[1] * w.shape[2] * w.shape[3])), groups)


def _swap(x: Node) -> Node:
    return ops.transpose(x, perm=(*range(x.rank - 2), x.rank - 1, x.rank - 2))


def conv2d(node: Node, order: Order, x: Stored, w: Node, *bias: Node) -> Stored:
    """conv2d(x, w) => w @ gather(x)"""
    groups, geometry = node.attrs["groups"], _geometry(node, node.shape[2:])
    pieces = []
    for pixels in order or (None,):
        y = _weights(w, groups) @ _split(columns(x, geometry, pixels), groups)
        area = node.shape[2] * node.shape[3] if pixels is None else len(pixels)
        if bias:
            y = reshape(y, (node.shape[1], area * x.batch)) + reshape(bias[0], (node.shape[1], 1))
        pieces.append(reshape(y, (node.shape[1], area, x.batch)))
    return Stored(node.shape, tuple(pieces), order) if order else store(node.shape, pieces[0])


def conv2d_weight_grad(node: Node, order: Order, x: Stored, g: Stored) -> Node:
    """conv2d_weight_grad(x, g) => g @ gather(x)ᵀ, over the very columns that the forward convolution made"""
    groups, geometry = node.attrs["groups"], _geometry(node, g.shape[2:])
    outputs = int(node.shape[0])
    depth = int(node.shape[1]) * geometry[1][0] * geometry[1][1]
    total: Node | None = None
    for pixels, piece in zip(g.order or (None,), g.pieces, strict=True):
        cols = _split(columns(x, geometry, pixels), groups)
        area = g.shape[2] * g.shape[3] if pixels is None else len(pixels)
        rows = _split(reshape(piece, (outputs, area * x.batch)), groups)
        # The runtime packs its second factor: the smaller one should be it.
        part = rows @ _swap(cols) if depth <= 4 * outputs // groups else _swap(cols @ _swap(rows))
        total = part if total is None else part + total
    assert total is not None
    return reshape(total, node.shape)


def conv2d_input_grad(node: Node, order: Order, g: Stored, w: Node) -> Stored:
    """conv2d_input_grad(g, w) => col2im(wᵀ @ g), col2im as a gather and a sum"""
    groups = node.attrs["groups"]
    channels, size = int(node.shape[1]), node.attrs["size"]
    (oh, ow), kernel, *rest = _geometry(node, g.shape[2:])
    seen = window_pixels(size, (oh, ow), kernel, *rest)
    sources = _sources(seen, size[0] * size[1])
    area, taps = oh * ow, kernel[0] * kernel[1]
    rows = reshape(g.natural(), (g.shape[1], area, g.batch))
    if (sources == taps * area).any():  # one more pixel, of zeros, for the places that no window covers
        rows = ops.pad(rows, low=(0, 0, 0), high=(0, 1, 0))
        sources = np.where(sources == taps * area, area, sources // area * (area + 1) + sources % area)
        area += 1
    cols = _swap(_weights(w, groups)) @ _split(reshape(rows, (g.shape[1], area * g.batch)), groups)
    cols = reshape(cols, (channels, taps * area, g.batch))
    return store(node.shape, _add_up(cols, sources))


def _sources(seen: Array, area: int) -> Array:
    """From what each (kernel position, window) sees, the transpose: for each pixel the numbers of those that see
    it, i64[M, H*W], filled with their count where there are fewer than M."""
    flat = seen.reshape(-1)
    numbers = np.flatnonzero(flat < area)
    pixels = flat[numbers]
    by_pixel = np.argsort(pixels, kind="stable")
    pixels, numbers = pixels[by_pixel], numbers[by_pixel]
    rank = np.arange(len(pixels)) - np.searchsorted(pixels, pixels)
    table = np.full((int(rank.max(initial=0)) + 1, area), len(flat))
    table[rank, pixels] = numbers
    return table


def _add_up(parts: Node, sources: Array) -> Node:
    """Parts [C,Q,N] added up where `sources` [M,P] says, giving [C,P,N]."""
    count, area = sources.shape
    gathered = ops.gather(parts, ops.literal(sources.reshape(-1)), axis=1)
    if count == 1:
        return gathered
    n = parts.shape[2]
    stacked = reshape(gathered, (parts.shape[0], count, area * n))
    return reshape(ops.sum(stacked, axes=(1,)), (parts.shape[0], area, n))


def conv2d_input_grad_dilated(node: Node, order: Order, g: Stored, w: Node) -> Stored:
    """conv2d_input_grad(g, w) => the same on one image [1,O,OH,OW*N], whose pixels are N apart"""
    n, how = int(g.batch), node.attrs  # type: ignore[arg-type]
    wide = ops.conv2d_input_grad(
        reshape(g.natural(), (1, g.shape[1], g.shape[2], g.shape[3] * n)),
        w,
        size=(how["size"][0], how["size"][1] * n),
        stride=how["stride"],
        padding=(how["padding"][0], how["padding"][1] * n),
        dilation=(how["dilation"][0], how["dilation"][1] * n),
        groups=how["groups"],
    )
    return store(node.shape, wide)


def _windows(x: Stored, geometry: Any, fill: float) -> tuple[Node, ...]:
    """What each kernel position sees: nodes [C, OH*OW, N]."""
    seen = window_pixels(tuple(x.shape[2:]), *geometry)
    if x.order == tuple(map(tuple, seen.tolist())):
        return x.pieces
    (pixels,) = x.ordered(NATURAL)
    if seen.max() == pixels.shape[1]:
        pixels = ops.pad(pixels, low=(0, 0, 0), high=(0, 1, 0), value=fill)
    return tuple(ops.gather(pixels, ops.literal(row), axis=1) for row in seen)


def _unwindow(shape: Any, pieces: Sequence[Node], geometry: Any, order: Order) -> Stored:
    """The transpose of `_windows`: one piece for each kernel position, added up into [N,C,H,W]."""
    size = tuple(shape[2:])
    seen = window_pixels(size, *geometry)
    if order and order == tuple(map(tuple, seen.tolist())):
        return Stored(shape, tuple(pieces), order)
    if all(piece is pieces[0] for piece in pieces):
        stacked, area = pieces[0], seen.shape[1]
    else:
        stacked, area = ops.concat(*pieces, axis=1), seen.size
    sources = _sources(seen, size[0] * size[1])
    sources = np.where(sources == seen.size, area, sources % area)
    if sources.max() == area:
        stacked = ops.pad(stacked, low=(0, 0, 0), high=(0, 1, 0))
    return store(shape, _add_up(stacked, sources))


def max_pool2d(node: Node, order: Order, x: Stored) -> Stored:
    """max_pool2d(x) => a knockout among what the kernel positions see"""
    return store(node.shape, knockout.best(_windows(x, _geometry(node, node.shape[2:]), -np.inf)))


def max_pool2d_grad(node: Node, order: Order, g: Stored, x: Stored) -> Stored:
    """max_pool2d_grad(g, x) => g handed back along the knockout, to the first maximum"""
    geometry = _geometry(node, g.shape[2:])
    (top,) = g.ordered(NATURAL)
    return _unwindow(node.shape, knockout.hand_back(top, _windows(x, geometry, -np.inf)), geometry, order)


def max_pool2d_pick(node: Node, order: Order, v: Stored, x: Stored) -> Stored:
    """max_pool2d_pick(v, x) => the knockout of x, carrying v along"""
    geometry = _geometry(node, node.shape[2:])
    return store(node.shape, knockout.pick(_windows(v, geometry, 0.0), _windows(x, geometry, -np.inf)))


def _share(node: Node, size: Any, pooled: Node) -> Node:
    share = shares(node.attrs, size, pooled)
    return share if share.rank == 0 else reshape(share, (1, share.shape[0] * share.shape[1], 1))


def avg_pool2d(node: Node, order: Order, x: Stored) -> Stored:
    """avg_pool2d(x) => sum of what the kernel positions see / number of elements counted"""
    total = reduce(ops.add, _windows(x, _geometry(node, node.shape[2:]), 0.0))
    return store(node.shape, total * _share(node, x.shape[2:], node))


def avg_pool2d_grad(node: Node, order: Order, g: Stored) -> Stored:
    """avg_pool2d_grad(g) => g / number of elements counted, to every kernel position"""
    (top,) = g.ordered(NATURAL)
    shared = top * _share(node, node.attrs["size"], top)
    geometry = _geometry(node, g.shape[2:])
    return _unwindow(node.shape, [shared] * (geometry[1][0] * geometry[1][1]), geometry, order)
