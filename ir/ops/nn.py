"""High-level operations that stay whole until strategy choice. Images are NCHW, weights OIHW."""

from __future__ import annotations

from typing import Any

import numpy as np

from ir.dims import Shape
from ir.errors import ShapeError
from ir.op import op
from ir.ops.rules import broadcast_shapes, need_axis, need_float, need_rank
from ir.ops.windows import Pair, Window
from ir.types import Array, TupleType, Type, i64


def _matmul(x: Type, y: Type) -> Type:
    need_float("matmul", x, y)
    if x.rank < 2 or y.rank < 2 or x.shape[-1] != y.shape[-2]:
        raise ShapeError(
            f"matmul: {x} and {y} do not multiply: the last axis of the first must equal the one but last of the second"
        )
    batch = broadcast_shapes("matmul", x.shape[:-2], y.shape[:-2]) if x.rank > 2 or y.rank > 2 else ()
    return x.with_shape((*batch, x.shape[-2], y.shape[-1]))


@op(infer=_matmul)
def matmul(x: Array, y: Array) -> Array:
    """[..., M, K] @ [..., K, L] -> [..., M, L], batch axes broadcast."""
    return np.matmul(x, y)


def _need_images(what: str, **operands: Type) -> None:
    need_float(what, *operands.values())
    for name, operand in operands.items():
        need_rank(what, f"the {name}", operand, 4)


def _conv2d(x: Type, w: Type, bias: Type | None = None, *, groups: int, **how: Any) -> Type:
    _need_images("conv2d", input=x, weight=w)
    if bias is not None:
        need_float("conv2d", x, bias)
    if x.shape[1] != w.shape[1] * groups or w.shape[0] % groups:
        raise ShapeError(
            f"conv2d: weight {w} with groups={groups} expects an input with {w.shape[1] * groups} channels "
            + (f"and a multiple of {groups} output channels, " if groups > 1 else "")
            + f"but the input is {x}"
        )
    if bias is not None and bias.shape != w.shape[:1]:
        raise ShapeError(f"conv2d: bias {bias} does not fit weight {w}; it needs shape [{w.shape[0]}]")
    window = Window((int(w.shape[2]), int(w.shape[3])), **how)
    return x.with_shape((x.shape[0], w.shape[0], *window.checked("conv2d", x)))


def _grouped(x: Array, groups: int, axis: int) -> Array:
    return x.reshape(*x.shape[:axis], groups, x.shape[axis] // groups, *x.shape[axis + 1 :])


@op(infer=_conv2d)
def conv2d(
    x: Array,
    w: Array,
    bias: Array | None = None,
    *,
    stride: Pair = (1, 1),
    padding: Pair = (0, 0),
    dilation: Pair = (1, 1),
    groups: int = 1,
) -> Array:
    """x[N,C,H,W], w[O,C/groups,KH,KW], bias[O] -> [N,O,OH,OW] (torch.nn.functional.conv2d, ONNX Conv)."""
    window = Window((w.shape[2], w.shape[3]), stride, padding, dilation)
    windows = _grouped(window.patches(x), groups, 1)
    y = np.einsum("ngchwij,gocij->ngohw", windows, _grouped(w, groups, 0), optimize=True)
    y = y.reshape(x.shape[0], w.shape[0], *y.shape[3:])
    return y if bias is None else y + bias[:, None, None]


def _conv2d_input_grad(g: Type, w: Type, *, size: Shape, groups: int, **how: Any) -> Type:
    _need_images("conv2d_input_grad", gradient=g, weight=w)
    x = g.with_shape((g.shape[0], w.shape[1] * groups, *size))
    if _conv2d(x, w, groups=groups, **how).shape != g.shape:
        raise ShapeError(f"conv2d_input_grad: {g} is not the output shape of a convolution of {x} with {w}")
    return x


@op(infer=_conv2d_input_grad)
def conv2d_input_grad(
    g: Array,
    w: Array,
    *,
    size: Pair,
    stride: Pair = (1, 1),
    padding: Pair = (0, 0),
    dilation: Pair = (1, 1),
    groups: int = 1,
) -> Array:
    """Gradient of conv2d for its input: g[N,O,OH,OW], w[O,C/groups,KH,KW] -> [N,C,*size]."""
    windows = np.einsum("ngohw,gocij->ngchwij", _grouped(g, groups, 1), _grouped(w, groups, 0), optimize=True)
    n, _, c, *rest = windows.shape
    window = Window((w.shape[2], w.shape[3]), stride, padding, dilation)
    return window.unpatches(windows.reshape(n, groups * c, *rest), size)


def _conv2d_weight_grad(x: Type, g: Type, *, kernel: Pair, groups: int, **how: Any) -> Type:
    _need_images("conv2d_weight_grad", input=x, gradient=g)
    w = x.with_shape((g.shape[1], x.shape[1] // groups, *kernel))
    if _conv2d(x, w, groups=groups, **how).shape != g.shape:
        raise ShapeError(f"conv2d_weight_grad: {g} is not the output shape of a convolution of {x} with {w}")
    return w


@op(infer=_conv2d_weight_grad)
def conv2d_weight_grad(
    x: Array,
    g: Array,
    *,
    kernel: Pair,
    stride: Pair = (1, 1),
    padding: Pair = (0, 0),
    dilation: Pair = (1, 1),
    groups: int = 1,
) -> Array:
    """Gradient of conv2d for its weight: x[N,C,H,W], g[N,O,OH,OW] -> [O,C/groups,*kernel]."""
    windows = _grouped(Window(kernel, stride, padding, dilation).patches(x), groups, 1)
    w = np.einsum("ngchwij,ngohw->gocij", windows, _grouped(g, groups, 1), optimize=True)
    return w.reshape(g.shape[1], x.shape[1] // groups, *kernel)


def _pooled(what: str, x: Type, window: Window) -> Type:
    need_float(what, x)
    need_rank(what, "the input", x, 4)
    if any(2 * p > k for p, k in zip(window.padding, window.kernel, strict=True)):
        raise ShapeError(
            f"{what}: padding {window.padding} may be at most half of the kernel {window.kernel}"
        )
    return x.with_shape((*x.shape[:2], *window.checked(what, x)))


def _max_pool2d(x: Type, **how: Any) -> Type:
    return _pooled("max_pool2d", x, Window(**how))


def _flat(windows: Array) -> Array:
    """[N,C,OH,OW,KH,KW] as [N,C,OH,OW,KH*KW]."""
    return windows.reshape(*windows.shape[:4], windows.shape[4] * windows.shape[5])


def _winners(x: Array, window: Window) -> Array:
    """Where among its elements the maximum of each window is, i64[N,C,OH,OW,1]: the first one, or the last NaN where
    there is one. Padding, which counts as -inf, is no element."""
    windows = _flat(window.patches(x, -np.inf))
    nan = np.isnan(windows)
    last = windows.shape[-1] - 1 - nan[..., ::-1].argmax(-1)
    inside = _flat(window.patches(np.ones(x.shape, np.bool_), False))
    first = (inside & (windows == windows.max(-1, keepdims=True))).argmax(-1)
    found: Array = np.where(nan.any(-1), last, first)[..., None]
    return found


@op(infer=_max_pool2d)
def max_pool2d(
    x: Array,
    *,
    kernel: Pair,
    stride: Pair,
    padding: Pair = (0, 0),
    dilation: Pair = (1, 1),
    ceil_mode: bool = False,
) -> Array:
    """Largest element of each window, NaN if one is: x[N,C,H,W] -> [N,C,OH,OW] (torch.nn.functional.max_pool2d)."""
    return _flat(Window(kernel, stride, padding, dilation, ceil_mode).patches(x, -np.inf)).max(-1)


def _with_indices(x: Type, **how: Any) -> TupleType:
    pooled = _max_pool2d(x, **how)
    return TupleType((pooled, pooled.with_dtype(i64)))


@op(infer=_with_indices)
def max_pool2d_with_indices(
    x: Array,
    *,
    kernel: Pair,
    stride: Pair,
    padding: Pair = (0, 0),
    dilation: Pair = (1, 1),
    ceil_mode: bool = False,
) -> tuple[Array, Array]:
    """max_pool2d(x), and where in the flat x[N,C,H,W] each first maximum, or last NaN, is: i64[N,C,OH,OW]
    (ONNX MaxPool)."""
    window = Window(kernel, stride, padding, dilation, ceil_mode)
    windows = _flat(window.patches(x, -np.inf))
    numbers = _flat(window.patches(np.arange(x.size).reshape(x.shape), -1))
    first = _winners(x, window)
    return np.take_along_axis(windows, first, -1)[..., 0], np.take_along_axis(numbers, first, -1)[..., 0]


def _like_pooled(g: Type, x: Type, **how: Any) -> Type:
    need_float("max_pool2d_grad", g, x)
    pooled = _max_pool2d(x, **how)
    if g.shape != pooled.shape:
        raise ShapeError(f"max_pool2d_grad: {g} is not the pooled shape of {x}, which is {pooled}")
    return x


@op(infer=_like_pooled)
def max_pool2d_grad(
    g: Array,
    x: Array,
    *,
    kernel: Pair,
    stride: Pair,
    padding: Pair = (0, 0),
    dilation: Pair = (1, 1),
    ceil_mode: bool = False,
) -> Array:
    """Gradient of max_pool2d: g[N,C,OH,OW] goes to the first maximum (row-major) of each window of x[N,C,H,W], or to
    the last NaN where there is one, as in PyTorch."""
    window = Window(kernel, stride, padding, dilation, ceil_mode)
    spread = np.zeros_like(_flat(window.patches(x)))
    np.put_along_axis(spread, _winners(x, window), g[..., None], -1)
    return window.unpatches(spread.reshape(*spread.shape[:4], *kernel), (x.shape[2], x.shape[3]))


def _pick(v: Type, x: Type, **how: Any) -> Type:
    if v != x:
        raise ShapeError(f"max_pool2d_pick: values {v} and input {x} must have the same type")
    return _max_pool2d(x, **how)


@op(infer=_pick)
def max_pool2d_pick(
    v: Array,
    x: Array,
    *,
    kernel: Pair,
    stride: Pair,
    padding: Pair = (0, 0),
    dilation: Pair = (1, 1),
    ceil_mode: bool = False,
) -> Array:
    """The transpose of max_pool2d_grad: values of v[N,C,H,W] at the maximum of each window of x[N,C,H,W],
    [N,C,OH,OW]."""
    window = Window(kernel, stride, padding, dilation, ceil_mode)
    return np.take_along_axis(_flat(window.patches(v)), _winners(x, window), -1)[..., 0]


def _avg_pool2d(x: Type, *, count_include_pad: bool, **how: Any) -> Type:
    return _pooled("avg_pool2d", x, Window(**how))


@op(infer=_avg_pool2d)
def avg_pool2d(
    x: Array,
    *,
    kernel: Pair,
    stride: Pair,
    padding: Pair = (0, 0),
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Array:
    """Mean of each window: x[N,C,H,W] -> [N,C,OH,OW] (torch.nn.functional.avg_pool2d)."""
    window = Window(kernel, stride, padding, ceil_mode=ceil_mode)
    counts = window.counts((x.shape[2], x.shape[3]), count_include_pad)
    wide = np.result_type(x.dtype, np.float32)  # f16 holds neither large sums nor large counts
    return (_flat(window.patches(x)).sum(-1, dtype=wide) / counts.astype(wide)).astype(x.dtype)


def _avg_pool2d_grad(g: Type, *, size: Shape, **how: Any) -> Type:
    x = g.with_shape((*g.shape[:2], *size))
    pooled = _avg_pool2d(x, **how)
    if pooled.shape != g.shape:
        raise ShapeError(f"avg_pool2d_grad: {g} is not the pooled shape of {x}, which is {pooled}")
    return x


@op(infer=_avg_pool2d_grad)
def avg_pool2d_grad(
    g: Array,
    *,
    size: Pair,
    kernel: Pair,
    stride: Pair,
    padding: Pair = (0, 0),
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Array:
    """Gradient of avg_pool2d: g[N,C,OH,OW] spread over the windows -> [N,C,*size]."""
    window = Window(kernel, stride, padding, ceil_mode=ceil_mode)
    counts = window.counts(size, count_include_pad)
    shared = (g / counts.astype(np.result_type(g.dtype, np.float32))).astype(g.dtype)
    return window.unpatches(np.broadcast_to(shared[..., None, None], (*g.shape, *kernel)), size)


def _softmax(x: Type, *, axis: int) -> Type:
    need_float("softmax", x)
    need_axis("softmax", x, axis)
    return x


@op(infer=_softmax)
def softmax(x: Array, *, axis: int) -> Array:
    """exp(x) over its sum along `axis`, computed so that nothing overflows."""
    e = np.exp(x - x.max(axis, keepdims=True))
    return e / e.sum(axis, keepdims=True)


@op(infer=_softmax)
def log_softmax(x: Array, *, axis: int) -> Array:
    """The logarithm of softmax, computed so that nothing overflows."""
    shifted = x - x.max(axis, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis, keepdims=True))


def _standardize(x: Type, scale: Type, *, eps: float) -> Type:
    need_float("standardize", x, scale)
    if x.rank < 2 or scale.shape != x.shape[1:2]:
        raise ShapeError(f"standardize: {x} and scale {scale}; it takes [N,C,...] and [C]")
    return x


@op(infer=_standardize)
def standardize(x: Array, scale: Array, *, eps: float) -> Array:
    """x[N,C,...] without its mean, over its deviation sqrt(variance + eps), times scale[C], channel by channel: batch
    normalization of a batch in training (Ioffe and Szegedy 2015), without the bias.

    It is one op so that its gradient is the closed form, of two sums, instead of what the chain rule makes of the
    formula. `passes.rewrite.simplify` puts the formula in its place once gradients are made.
    """
    axes = tuple(axis for axis in range(x.ndim) if axis != 1)
    x, dtype = x.astype(np.result_type(x.dtype, np.float32)), x.dtype
    centred = x - x.mean(axes, keepdims=True)
    factor = scale.reshape(-1, *(1,) * (x.ndim - 2)) / np.sqrt(
        (centred * centred).mean(axes, keepdims=True) + eps
    )
    return np.asarray(centred * factor, dtype)


def _standardize_along(x: Type, *, axes: tuple[int, ...], eps: float) -> Type:
    need_float("standardize_along", x)
    need_axis("standardize_along", x, *axes)
    return x


@op(infer=_standardize_along)
def standardize_along(x: Array, *, axes: tuple[int, ...], eps: float) -> Array:
    """x without its mean over `axes`, over its deviation sqrt(variance + eps) there: what layers, groups of channels
    and instances are normalized by (Ba et al. 2016). One op for the reason that `standardize` is.
    """
    wide = x.astype(np.result_type(x.dtype, np.float32))
    centred = wide - wide.mean(axes, keepdims=True)
    deviation = np.sqrt((centred * centred).mean(axes, keepdims=True) + eps)
    return np.asarray(centred / deviation, x.dtype)
