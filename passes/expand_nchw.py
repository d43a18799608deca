"""Expansions in the IR's own layout NCHW: sliding windows as strided slices, one for each kernel position.

A "tap" is what one kernel position sees: x[N,C,H,W] -> [N,C,OH,OW]. Everything a window does is a formula
over its taps, and the transpose of a tap puts zeros between and around its elements.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import lru_cache, reduce
from typing import Any

import numpy as np

from ir import ops
from ir.node import Node
from ir.types import Array, DType, f32
from passes import knockout
from passes.finite import if_finite

Pair = tuple[int, int]


def taps(
    x: Node, out: Sequence[Any], kernel: Pair, stride: Pair, padding: Pair, dilation: Pair, fill: float = 0.0
) -> list[Node]:
    """What each kernel position (row-major) sees of x[N,C,H,W]: nodes [N,C,OH,OW]; `fill` outside of x."""
    reach = [(o - 1) * s + (k - 1) * d + 1 for o, s, k, d in zip(out, stride, kernel, dilation, strict=True)]
    high = [max(r - p - n, 0) for r, p, n in zip(reach, padding, x.shape[2:], strict=True)]
    if any(padding) or any(high):
        x = ops.pad(x, low=(0, 0, *padding), high=(0, 0, *high), value=fill)
    spans = [(o - 1) * s + 1 for o, s in zip(out, stride, strict=True)]
    return [
        ops.slice(
            x,
            starts=(0, 0, i * dilation[0], j * dilation[1]),
            stops=(*x.shape[:2], i * dilation[0] + spans[0], j * dilation[1] + spans[1]),
            steps=(1, 1, *stride),
        )
        for i in range(kernel[0])
        for j in range(kernel[1])
    ]


def outside(
    size: Sequence[Any], out: Sequence[Any], kernel: Pair, stride: Pair, padding: Pair, dilation: Pair
) -> list[Array]:
    """For each kernel position where it is outside of an image of `size`: bool[OH,OW]; [] where none ever is."""
    rows, columns = (
        (np.arange(k)[:, None] * d - p + np.arange(int(o)) * s)
        for o, k, s, p, d in zip(out, kernel, stride, padding, dilation, strict=True)
    )
    beyond = [(at < 0) | (at >= int(n)) for at, n in zip((rows, columns), size, strict=True)]
    if not any(mask.any() for mask in beyond):
        return []
    return [row[:, None] | column[None, :] for row in beyond[0] for column in beyond[1]]


def untaps(
    pieces: Sequence[Node], size: Sequence[Any], kernel: Pair, stride: Pair, padding: Pair, dilation: Pair
) -> Node:
    """The transpose of `taps`: a piece [N,C,OH,OW] for each kernel position, added up into [N,C,*size]."""
    n, c, oh, ow = pieces[0].shape
    wide = [o * s for o, s in zip((oh, ow), stride, strict=True)]
    full = [
        max(p + m, (k - 1) * d + w)
        for p, m, k, d, w in zip(padding, size, kernel, dilation, wide, strict=True)
    ]
    placed = []
    for index, piece in enumerate(pieces):
        if stride != (1, 1):
            piece = ops.reshape(piece, shape=(n, c, oh, 1, ow, 1))
            piece = ops.pad(piece, low=(0,) * 6, high=(0, 0, 0, stride[0] - 1, 0, stride[1] - 1))
            piece = ops.reshape(piece, shape=(n, c, *wide))
        top, left = (a * d for a, d in zip(divmod(index, kernel[1]), dilation, strict=True))
        high = (0, 0, full[0] - top - wide[0], full[1] - left - wide[1])
        placed.append(ops.pad(piece, low=(0, 0, top, left), high=high) if any(high) or top or left else piece)
    total = reduce(ops.add, placed)
    stops = (n, c, padding[0] + size[0], padding[1] + size[1])
    return (
        total
        if total.shape == stops and not any(padding)
        else ops.slice(total, starts=(0, 0, *padding), stops=stops, steps=(1,) * 4)
    )


def columns(
    x: Node, out: Sequence[Any], kernel: Pair, stride: Pair, padding: Pair, dilation: Pair, groups: int
) -> Node:
    """im2col of x[N,C,H,W]: [N,G,(C/G)*KH*KW,OH*OW], or without the axis G where there is one group."""
    n, c = x.shape[:2]
    area = out[0] * out[1]
    pieces = [ops.reshape(t, shape=(n, c, 1, area)) for t in taps(x, out, kernel, stride, padding, dilation)]
    stacked = pieces[0] if len(pieces) == 1 else ops.concat(*pieces, axis=2)
    depth = c // groups * kernel[0] * kernel[1]
    return ops.reshape(stacked, shape=(n, depth, area) if groups == 1 else (n, groups, depth, area))


def _matrices(w: Node, groups: int) -> Node:
    """Weights [O,C/G,KH,KW] as [O,(C/G)*KH*KW], or [G,O/G,(C/G)*KH*KW]."""
    depth = math.prod(int(d) for d in w.shape[1:])
    return ops.reshape(w, shape=(w.shape[0], depth) if groups == 1 else (groups, w.shape[0] // groups, depth))


def conv2d(node: Node, x: Node, w: Node, *bias: Node) -> Node:
    """conv2d(x, w) => w @ im2col(x)"""
    how: dict[str, Any] = dict(node.attrs)
    y = _matrices(w, how["groups"]) @ columns(x, node.shape[2:], (w.shape[2], w.shape[3]), **how)  # type: ignore[arg-type]
    y = ops.reshape(y, shape=node.shape)
    return y + ops.reshape(bias[0], shape=(w.shape[0], 1, 1)) if bias else y


def _gathered_columns(x: Node, kernel: Pair, **how: Any) -> Node:
    """im2col of one sample x[1,C,H,W]: [C*KH*KW,OH*OW], by a convolution with an identity for weights."""
    channels, taps = int(x.shape[1]), kernel[0] * kernel[1]
    weight = ops.literal(np.eye(taps, dtype=x.dtype.numpy).reshape(taps, 1, *kernel))
    found = ops.conv2d(_reshape(x, (channels, 1, *x.shape[2:])), weight, **how)
    return ops.reshape(found, shape=(channels * taps, found.shape[2] * found.shape[3]))


def columns_alone(node: Node, x: Node, w: Node, *bias: Node) -> Node:
    """What conv2d_columns multiplies the weights with."""
    return _gathered_columns(x, (int(w.shape[2]), int(w.shape[3])), **node.attrs)


def conv2d_columns(node: Node, x: Node, w: Node, *bias: Node) -> Node:
    """conv2d(x, w) => w @ im2col(x), for one sample, whose weight gradient uses the columns again"""
    how = dict(node.attrs)
    y = _matrices(w, 1) @ _gathered_columns(x, (int(w.shape[2]), int(w.shape[3])), **how)
    y = y + ops.reshape(bias[0], shape=(w.shape[0], 1)) if bias else y
    return ops.reshape(y, shape=node.shape)


def conv2d_weight_grad_columns(node: Node, x: Node, g: Node) -> Node:
    """conv2d_weight_grad(x, g) => g @ im2col(x)ᵀ, for one sample"""
    how = {key: node.attrs[key] for key in ("stride", "padding", "dilation", "groups")}
    cols = _gathered_columns(x, node.attrs["kernel"], **how)
    rows = ops.reshape(g, shape=(g.shape[1], g.shape[2] * g.shape[3]))
    return ops.reshape(rows @ ops.transpose(cols, perm=(1, 0)), shape=node.shape)


def conv2d_weight_grad(node: Node, x: Node, g: Node) -> Node:
    """conv2d_weight_grad(x, g) => sum over samples of g @ im2col(x)ᵀ"""
    how = {key: node.attrs[key] for key in ("kernel", "stride", "padding", "dilation", "groups")}
    return weight_grad_of_columns(node, columns(x, g.shape[2:], **how), g)


def weight_grad_of_columns(node: Node, cols: Node, g: Node) -> Node:
    """The weight gradient `node`, given im2col of the image."""
    groups = node.attrs["groups"]
    n, o, oh, ow = g.shape
    rows = ops.reshape(g, shape=(n, o, oh * ow) if groups == 1 else (n, groups, o // groups, oh * ow))
    last = cols.rank - 1
    swapped = ops.transpose(cols, perm=(*range(last - 1), last, last - 1))
    return ops.reshape(ops.sum(rows @ swapped, axes=(0,)), shape=node.shape)


def conv2d_weight_grad_swapped(node: Node, x: Node, g: Node) -> Node:
    """conv2d_weight_grad(x, g) => conv2d(x, g) with samples and channels swapped

    Stride and dilation change places as well.
    """
    how = node.attrs
    groups, (outputs, depth, *kernel) = how["groups"], node.shape
    n = x.shape[0]
    wide = x
    if n != 1 or groups != 1:
        wide = ops.reshape(x, shape=(n, groups, depth, *x.shape[2:])) if groups > 1 else x
        wide = ops.transpose(wide, perm=(2, 1, 0, 3, 4) if groups > 1 else (1, 0, 2, 3))
    wide = _reshape(wide, (depth, n * groups, *x.shape[2:]))
    weight = g if n == 1 else ops.transpose(g, perm=(1, 0, 2, 3))
    weight = _reshape(weight, (outputs, n, *g.shape[2:]))
    swapped = {
        "stride": how["dilation"],
        "dilation": how["stride"],
        "padding": how["padding"],
        "groups": groups,
    }
    w = ops.conv2d(wide, weight, **swapped)
    stops = (depth, outputs, *kernel)
    w = w if w.shape == stops else ops.slice(w, starts=(0,) * 4, stops=stops, steps=(1,) * 4)
    return _reshape(w if depth == 1 else ops.transpose(w, perm=(1, 0, 2, 3)), node.shape)


def conv2d_weight_grad_dilated(node: Node, x: Node, g: Node) -> Node:
    """conv2d_weight_grad(x, g) => conv2d(x, g) with samples for channels, and channels beside the columns

    x as one image [1,N,H,W*C], its pixels C apart, under windows as large as g[O,N,OH,OW]: window (i, j*C + c)
    sees what kernel position (i, j) sees of channel c. One Conv, whose im2col copies runs of KW*C numbers.
    """
    how = node.attrs
    n, c, h, w = x.shape
    outputs, _, kh, kw = node.shape
    pixels = ops.transpose(ops.reshape(x, shape=(n, c, h * w)), perm=(0, 2, 1))
    found = ops.conv2d(
        ops.reshape(pixels, shape=(1, n, h, w * c)),
        _reshape(g if n == 1 else ops.transpose(g, perm=(1, 0, 2, 3)), (outputs, n, *g.shape[2:])),
        stride=(how["dilation"][0], 1),
        padding=(how["padding"][0], how["padding"][1] * c),
        dilation=(how["stride"][0], how["stride"][1] * c),
    )
    stops = (1, outputs, kh, kw * c)
    found = found if found.shape == stops else ops.slice(found, starts=(0,) * 4, stops=stops, steps=(1,) * 4)
    return ops.transpose(ops.reshape(found, shape=(outputs, kh, kw, c)), perm=(0, 3, 1, 2))


def _reshape(x: Node, shape: tuple[Any, ...]) -> Node:
    return x if x.shape == shape else ops.reshape(x, shape=shape)


def conv2d_input_grad(node: Node, g: Node, w: Node) -> Node:
    """conv2d_input_grad(g, w) => col2im(wᵀ @ g)"""
    how = dict(node.attrs)
    groups, size = how.pop("groups"), how.pop("size")
    n, o, oh, ow = g.shape
    rows = ops.reshape(g, shape=(n, o, oh * ow) if groups == 1 else (n, groups, o // groups, oh * ow))
    matrices = _matrices(w, groups)
    perm = (1, 0) if groups == 1 else (0, 2, 1)
    kernel = (int(w.shape[2]), int(w.shape[3]))
    count = kernel[0] * kernel[1]
    cols = ops.reshape(ops.transpose(matrices, perm=perm) @ rows, shape=(n, node.shape[1], count, oh * ow))
    pieces = [
        ops.reshape(
            ops.slice(cols, starts=(0, 0, t, 0), stops=(n, node.shape[1], t + 1, oh * ow), steps=(1,) * 4),
            shape=(n, node.shape[1], oh, ow),
        )
        for t in range(count)
    ]
    return untaps(pieces, size, kernel, **how)


def max_pool2d(node: Node, x: Node) -> Node:
    """max_pool2d(x) => a knockout among the taps"""
    return knockout.best(_pool_taps(node, x, -math.inf))


def _pool_windows(node: Node) -> tuple[Sequence[Any], Pair, Pair, Pair, Pair]:
    how = node.attrs
    out = node.shape[2:] if node.op is not ops.max_pool2d_grad else node.inputs[0].shape[2:]
    return out, how["kernel"], how["stride"], how["padding"], how["dilation"]


def _pool_taps(node: Node, x: Node, fill: float) -> list[Node]:
    return taps(x, *_pool_windows(node), fill)


def max_pool2d_grad(node: Node, g: Node, x: Node) -> Node:
    """max_pool2d_grad(g, x) => g handed back along the knockout, to the first maximum"""
    how = node.attrs
    beyond = outside(x.shape[2:], *_pool_windows(node))
    pieces = knockout.hand_back(g, _pool_taps(node, x, -math.inf), beyond)
    return untaps(pieces, x.shape[2:], how["kernel"], how["stride"], how["padding"], how["dilation"])


def max_pool2d_pick(node: Node, v: Node, x: Node) -> Node:
    """max_pool2d_pick(v, x) => the knockout of x, carrying v along"""
    beyond = outside(x.shape[2:], *_pool_windows(node))
    return knockout.pick(_pool_taps(node, v, 0.0), _pool_taps(node, x, -math.inf), beyond)


def _with_indices(node: Node, x: Node) -> tuple[Node, Node]:
    both = ops.max_pool2d_with_indices(x, **node.attrs)
    return ops.get(both, index=0), ops.get(both, index=1)


def max_pool2d_indices(node: Node, x: Node) -> Node:
    """max_pool2d(x) => values of max_pool2d_with_indices(x), where the gradient wants the indices"""
    return _with_indices(node, x)[0]


def max_pool2d_grad_indices(node: Node, g: Node, x: Node) -> Node:
    """max_pool2d_grad(g, x) => g added into zeros where the indices say; put there, if no windows overlap"""
    _, indices = _with_indices(node, x)
    how = node.attrs
    apart = all(k <= s for k, s in zip(how["kernel"], how["stride"], strict=True))
    if apart and how["dilation"] == (1, 1) and g.dtype is f32:
        return ops.max_unpool2d(g, indices, size=(int(x.shape[2]), int(x.shape[3])))
    count = (g.ty.size,)
    flat, places = ops.reshape(g, shape=count), ops.reshape(indices, shape=count)
    return ops.reshape(ops.put_along_axis(flat, places, axis=0, size=x.ty.size), shape=x.shape)


def max_pool2d_pick_indices(node: Node, v: Node, x: Node) -> Node:
    """max_pool2d_pick(v, x) => v taken where the indices say"""
    _, indices = _with_indices(node, x)
    flat, places = ops.reshape(v, shape=(v.ty.size,)), ops.reshape(indices, shape=(node.ty.size,))
    return ops.reshape(ops.take_along_axis(flat, places, axis=0), shape=node.shape)


def avg_pool2d(node: Node, x: Node) -> Node:
    """avg_pool2d(x) => sum of the taps / number of elements counted"""
    how = node.attrs
    windows = taps(x, node.shape[2:], how["kernel"], how["stride"], how["padding"], (1, 1))
    return reduce(ops.add, windows) * shares(how, x.shape[2:], node)


def avg_pool2d_grad(node: Node, g: Node) -> Node:
    """avg_pool2d_grad(g) => g / number of elements counted, to every tap"""
    how = node.attrs
    shared = g * shares(how, how["size"], g)
    return untaps(
        [shared] * math.prod(how["kernel"]), how["size"], how["kernel"], how["stride"], how["padding"], (1, 1)
    )


@lru_cache(maxsize=64)
def _pool_matrix(size: Pair, **how: Any) -> Array:
    """Average pooling as a matrix, f64[H*W,OH*OW]: pooled[N*C,OH*OW] = x[N*C,H*W] @ matrix."""
    area = size[0] * size[1]
    pixels = np.eye(area).reshape(area, 1, *size)  # an image for each pixel
    matrix: Array = ops.avg_pool2d.reference(pixels, **how).reshape(area, -1)
    return matrix


def _matrix_of_pool(size: Sequence[Any], how: Mapping[str, Any], dtype: DType) -> Node:
    """`_pool_matrix` for the attributes of avg_pool2d or of its gradient."""
    moves = {key: value for key, value in how.items() if key != "size"}
    return constant(_pool_matrix((int(size[0]), int(size[1])), **moves), dtype)


def avg_pool2d_grad_matrix(node: Node, g: Node) -> Node:
    """avg_pool2d_grad(g) => g @ matrixᵀ, whose zeros would spread what is not finite"""
    n, c, h, w = node.shape

    def product(g: Node) -> tuple[Node, ...]:
        rows = ops.reshape(g, shape=(n * c, g.shape[2] * g.shape[3]))
        matrix = _matrix_of_pool((h, w), node.attrs, g.dtype)
        return (ops.reshape(rows @ ops.transpose(matrix, perm=(1, 0)), shape=node.shape),)

    return ops.get(if_finite(g, product, lambda g: (avg_pool2d_grad(node, g),)), index=0)


def avg_pool2d_grad_transposed(node: Node, g: Node) -> Node:
    """avg_pool2d_grad(g) => conv2d_input_grad(g, weights that are all 1 / number of elements), by channel"""
    how = node.attrs
    share = shares(how, how["size"], g)
    weights = np.ones((int(g.shape[1]), 1, *how["kernel"]))
    if share.op is ops.const and share.rank == 0:
        weights *= share.attrs["value"].array
    else:
        g = g * share
    return ops.conv2d_input_grad(
        g,
        constant(weights, g.dtype),
        size=how["size"],
        stride=how["stride"],
        padding=how["padding"],
        groups=int(g.shape[1]),
    )


def shares(how: Any, size: Sequence[Any], pooled: Node) -> Node:
    """1 / number of elements that each window counts: a scalar where all count the same, else [OH,OW]."""
    divisors = ops.pool_divisors(
        (int(size[0]), int(size[1])),
        how["kernel"],
        how["stride"],
        how["padding"],
        how["ceil_mode"],
        how["count_include_pad"],
    )
    value = 1 / divisors
    return (
        ops.scalar(float(value.flat[0]), pooled.dtype)
        if np.all(divisors == divisors.flat[0])
        else constant(value, pooled.dtype)
    )


def constant(value: Array, dtype: DType) -> Node:
    """An array as a constant of `dtype`."""
    literal = ops.literal(value.astype(dtype.numpy))
    return literal if literal.dtype is dtype else ops.cast(literal, dtype=dtype)  # NumPy has no bf16
