"""Convolutions and their gradients in the IR's own layout NCHW."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from ir import ops
from ir.node import Node
from ir.ops.windows import Pair
from passes.layouts.indices import count, flat, grid
from passes.strategies.nchw import costs
from passes.strategies.nchw.taps import taps, untaps


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


def _gathered_columns(
    x: Node, out: Sequence[Any], kernel: Pair, stride: Pair, padding: Pair, dilation: Pair, groups: int = 1
) -> Node:
    """im2col of one sample x[1,C,H,W]: [C*KH*KW,OH*OW], by a convolution with an identity for weights.

    Where that is quicker, of what the positions of one row of the kernel see, [C*KW*H',OW]: for the windows of a row of
    the result and another row of the kernel it is the same, a row of the image further down.
    """
    channels, (height, width) = int(x.shape[1]), kernel
    image = _reshape(x, (channels, 1, *x.shape[2:]))
    if not _by_rows(channels, kernel, out):
        found = ops.conv2d(image, _identity(kernel, x), stride=stride, padding=padding, dilation=dilation)
        return ops.reshape(found, shape=(channels * height * width, out[0] * out[1]))
    seen = ops.conv2d(
        image, _identity((1, width), x), stride=(1, stride[1]), padding=padding, dilation=(1, dilation[1])
    )
    down, across = map(int, seen.shape[2:])
    places = grid((channels, height, width, out[0]), (width * down, dilation[0], down, stride[0]))
    rows = ops.gather(ops.reshape(seen, shape=(channels * width * down, across)), flat(places), axis=0)
    return ops.reshape(rows, shape=(channels * height * width, out[0] * across))


def _by_rows(channels: int, kernel: Pair, out: Sequence[Any]) -> bool:
    if not all(isinstance(size, int) for size in out):
        return False
    sizes = channels, kernel, (int(out[0]), int(out[1]))
    return costs.columns_by_rows(*sizes) < costs.columns_by_windows(*sizes)


def _identity(kernel: Pair, x: Node) -> Node:
    """Weights [KH*KW,1,KH,KW] by which each position of the kernel is seen by itself."""
    taps = kernel[0] * kernel[1]
    identity = ops.cast(ops.equal(count(taps, 0, 2), count(taps, 1, 2)), dtype=x.dtype)
    return ops.reshape(identity, shape=(taps, 1, *kernel))


def columns_alone(node: Node, x: Node, w: Node, *bias: Node) -> Node:
    """What conv2d_columns multiplies the weights with."""
    return _gathered_columns(x, node.shape[2:], (int(w.shape[2]), int(w.shape[3])), **node.attrs)


def conv2d_columns(node: Node, x: Node, w: Node, *bias: Node) -> Node:
    """conv2d(x, w) => w @ im2col(x), for one sample, whose weight gradient uses the columns again"""
    y = _matrices(w, 1) @ columns_alone(node, x, w)
    y = y + ops.reshape(bias[0], shape=(w.shape[0], 1)) if bias else y
    return ops.reshape(y, shape=node.shape)


def conv2d_weight_grad_columns(node: Node, x: Node, g: Node) -> Node:
    """conv2d_weight_grad(x, g) => g @ im2col(x)ᵀ, for one sample"""
    how = {key: node.attrs[key] for key in ("stride", "padding", "dilation", "groups")}
    cols = _gathered_columns(x, g.shape[2:], node.attrs["kernel"], **how)
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


def conv2d_input_grad_turned(node: Node, g: Node, w: Node) -> Node:
    """conv2d_input_grad(g, w) => conv2d(g, w turned by 180 degrees, its channels swapped)"""
    outputs, depth, *kernel = map(int, w.shape)
    taps, dilation = math.prod(kernel), node.attrs["dilation"]
    turned = ops.transpose(ops.reshape(w, shape=(outputs, depth, taps)), perm=(1, 0, 2))
    if (
        taps > 1
    ):  # by rows, faster than a Slice with negative steps; more than two axes turned at once take four times as long
        rows = ops.transpose(ops.reshape(turned, shape=(depth * outputs, taps)), perm=(1, 0))
        turned = ops.transpose(ops.gather(rows, count(taps, 0, 1, -1, taps - 1), axis=0), perm=(1, 0))
    around = zip(dilation, kernel, node.attrs["padding"], strict=True)
    return ops.conv2d(
        g,
        ops.reshape(turned, shape=(depth, outputs, *kernel)),
        padding=tuple(d * (k - 1) - p for d, k, p in around),
        dilation=dilation,
    )


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
