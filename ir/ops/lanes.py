"""Images with their channels in lanes, and what ONNX Runtime computes on them on a CPU.

Lanes are as many channels as a vector register takes, L = 8 or 16, side by side for each pixel: an image [N,C,H,W]
lies in memory as [N,C/L,H,W,L]. Its shape is still given as [N,C,H,W], as the runtime gives it, so that elementwise
operations take such images as they are. These operations appear after lowering only, and run as operators of the
runtime's domain com.microsoft.nchwc.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ir.errors import DTypeError, ShapeError
from ir.op import op
from ir.ops.nn import conv2d
from ir.ops.rules import need_rank
from ir.ops.windows import Pair, Window
from ir.types import Array, Type, f32


def _need_lanes(what: str, x: Type, lanes: int) -> None:
    if x.dtype is not f32:
        raise DTypeError(f"{what}: is made for f32 only, not for {x}")
    need_rank(what, "the image", x, 4)
    if not isinstance(x.shape[1], int) or x.shape[1] % lanes:
        raise ShapeError(f"{what}: the channels of {x} do not fill lanes of {lanes}")


def _reordered(what: str) -> object:
    def infer(x: Type, *, lanes: int) -> Type:
        _need_lanes(what, x, lanes)
        return x

    return infer


def _in_lanes(x: Array, lanes: int) -> Array:
    """x[N,C,H,W] with its elements in the order [N,C/L,H,W,L]."""
    n, c, h, w = x.shape
    return x.reshape(n, c // lanes, lanes, h, w).transpose(0, 1, 3, 4, 2).reshape(x.shape)


def _out_of_lanes(x: Array, lanes: int) -> Array:
    """The inverse of `_in_lanes`."""
    n, c, h, w = x.shape
    return x.reshape(n, c // lanes, h, w, lanes).transpose(0, 1, 4, 2, 3).reshape(x.shape)


@op(infer=_reordered("to_lanes"))  # type: ignore[arg-type]
def to_lanes(x: Array, *, lanes: int) -> Array:
    """x[N,C,H,W] with its channels in lanes (ReorderInput)."""
    return np.ascontiguousarray(_in_lanes(x, lanes))


@op(infer=_reordered("from_lanes"))  # type: ignore[arg-type]
def from_lanes(x: Array, *, lanes: int) -> Array:
    """The inverse of to_lanes (ReorderOutput)."""
    return np.ascontiguousarray(_out_of_lanes(x, lanes))


def _plain_weight(w: Type) -> Type:
    """The type [O,I,KH,KW] of a weight in lanes."""
    outputs, inputs, *kernel = w.shape[:4]
    lanes = w.shape[4:]
    return w.with_shape((outputs * lanes[-1], inputs * (lanes[0] if len(lanes) == 2 else 1), *kernel))


def _conv2d_lanes(x: Type, w: Type, bias: Type | None = None, **how: Any) -> Type:
    if x.dtype is not f32 or w.rank not in (5, 6):
        raise ShapeError(
            f"conv2d_lanes: {x} and weight {w}; it takes f32, and a weight [O/L,I/L,KH,KW,L,L] or [O/L,I,KH,KW,L]"
        )
    return conv2d.infer(x, _plain_weight(w), *([] if bias is None else [bias]), **how)  # type: ignore[return-value]


@op(infer=_conv2d_lanes)
def conv2d_lanes(
    x: Array,
    w: Array,
    bias: Array | None = None,
    *,
    stride: Pair = (1, 1),
    padding: Pair = (0, 0),
    dilation: Pair = (1, 1),
    groups: int = 1,
) -> Array:
    """conv2d in lanes: x[N,I,H,W], w[O/L,I/groups/L,KH,KW,L of I,L of O], bias[O] -> [N,O,OH,OW].

    With fewer inputs than lanes x is a plain image, and the weight w[O/L,I,KH,KW,L of O].
    """
    lanes, whole = w.shape[-1], w.ndim == 6
    shape = [int(d) for d in _plain_weight(Type(f32, w.shape)).shape]
    plain = np.ascontiguousarray(w.transpose((0, 5, 1, 4, 2, 3) if whole else (0, 4, 1, 2, 3))).reshape(shape)
    image = _out_of_lanes(x, lanes) if whole else x
    y = conv2d.reference(image, plain, bias, stride=stride, padding=padding, dilation=dilation, groups=groups)
    return np.ascontiguousarray(_in_lanes(y, lanes))


def _conv2d_samples_lanes(x: Type, g: Type, *, lanes: int, **how: Any) -> Type:
    _need_lanes("conv2d_samples_lanes", g, lanes)
    need_rank("conv2d_samples_lanes", "the image", x, 4)
    n, outputs, *kernel = g.shape
    return conv2d.infer(x, g.with_shape((outputs, n, *kernel)), groups=1, **how)  # type: ignore[return-value]


@op(infer=_conv2d_samples_lanes)
def conv2d_samples_lanes(
    x: Array,
    g: Array,
    *,
    lanes: int,
    stride: Pair = (1, 1),
    padding: Pair = (0, 0),
    dilation: Pair = (1, 1),
) -> Array:
    """conv2d of a plain x[B,N,H,W], whose channels are samples, with the weight g[N,O,OH,OW] in lanes, its first two
    axes swapped -> [B,O,H',W'] in lanes. Lanes that N does not fill have zeros.
    """
    weight = np.ascontiguousarray(_out_of_lanes(g, lanes).transpose(1, 0, 2, 3))
    y = conv2d.reference(x, weight, stride=stride, padding=padding, dilation=dilation)
    return np.ascontiguousarray(_in_lanes(y, lanes))


def _affine_lanes(
    x: Type,
    scale: Type,
    offset: Type,
    addend: Type | None = None,
    *,
    lanes: int,
    relu: bool,
    stride: Pair,
    side: int,
) -> Type:
    _need_lanes("affine_lanes", x, lanes)
    if scale.shape != x.shape[1:2] or offset.shape != x.shape[1:2]:
        raise ShapeError(
            f"affine_lanes: {x} takes a scale and an offset [{x.shape[1]}], not {scale} and {offset}"
        )
    size = Window((1, 1), stride, (0, side)).out(x.shape[2:])
    y = x.with_shape((*x.shape[:2], *size))
    if addend is not None and addend.shape != y.shape:
        raise ShapeError(f"affine_lanes: {addend} cannot be added to {y}")
    return y


@op(infer=_affine_lanes)
def affine_lanes(
    x: Array,
    scale: Array,
    offset: Array,
    addend: Array | None = None,
    *,
    lanes: int,
    relu: bool = False,
    stride: Pair = (1, 1),
    side: int = 0,
) -> Array:
    """x[N,C,H,W] * scale[C] + offset[C] + addend[N,C,H,W] in lanes, and relu of that where told: one pass over memory,
    as a depthwise convolution of single pixels. Before it x gets `side` columns of zeros on its left and its right.
    """
    image = np.pad(_out_of_lanes(x, lanes), ((0, 0), (0, 0), (0, 0), (side, side)))
    image = image[:, :, :: stride[0], :: stride[1]]
    y = _in_lanes(image * scale[:, None, None] + offset[:, None, None], lanes)
    y = y if addend is None else y + addend
    return np.ascontiguousarray(np.maximum(y, 0) if relu else y)


def _mean_lanes(x: Type, *, lanes: int) -> Type:
    _need_lanes("mean_lanes", x, lanes)
    return x.with_shape((*x.shape[:2], 1, 1))


@op(infer=_mean_lanes)
def mean_lanes(x: Array, *, lanes: int) -> Array:
    """The mean over the pixels of x[N,C,H,W] in lanes, as a plain [N,C,1,1] (GlobalAveragePool)."""
    return _out_of_lanes(x, lanes).mean((2, 3), keepdims=True)
