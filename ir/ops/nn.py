"""High-level operations that stay whole until strategy choice. Images are NCHW, weights OIHW."""

from __future__ import annotations

import numpy as np

from ir.dims import Dim, Shape
from ir.errors import ShapeError
from ir.op import op
from ir.ops.rules import broadcast_shapes, need_axis, need_float, need_rank
from ir.types import Array, TupleType, Type, i64

Pair = tuple[int, int]


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


def window_sizes(
    size: Shape, kernel: Pair, stride: Pair, padding: Pair, dilation: Pair, ceil_mode: bool = False
) -> tuple[Dim, Dim]:
    """Output height and width of a sliding window (PyTorch's formulas for Conv2d and MaxPool2d).

    In ceil_mode a last window may start inside the input or its left padding and run over the end.
    """
    result: list[Dim] = []
    for n, k, s, p, d in zip(size, kernel, stride, padding, dilation, strict=True):
        span = n + 2 * p - d * (k - 1) - 1
        out = (span + (s - 1 if ceil_mode else 0)) // s + 1 if s > 1 else span + 1
        if ceil_mode and (out - 1) * s >= n + p:
            out = out - 1
        result.append(out)
    return result[0], result[1]


def _need_windows(
    what: str, x: Type, out: tuple[Dim, Dim], kernel: Pair, padding: Pair, dilation: Pair
) -> None:
    if any(isinstance(size, int) and size < 1 for size in out):
        reach = tuple(d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True))
        raise ShapeError(
            f"{what}: a window of {reach[0]}x{reach[1]} (kernel {kernel}, dilation {dilation}) does not fit into {x} "
            f"with padding {padding}"
        )


def _conv2d(
    x: Type, w: Type, bias: Type | None = None, *, stride: Pair, padding: Pair, dilation: Pair, groups: int
) -> Type:
    need_float("conv2d", x, w, *([] if bias is None else [bias]))
    need_rank("conv2d", "the input", x, 4)
    need_rank("conv2d", "the weight", w, 4)
    if x.shape[1] != w.shape[1] * groups or w.shape[0] % groups:
        raise ShapeError(
            f"conv2d: weight {w} with groups={groups} expects an input with {w.shape[1] * groups} channels "
            + (f"and a multiple of {groups} output channels, " if groups > 1 else "")
            + f"but the input is {x}"
        )
    if bias is not None and bias.shape != w.shape[:1]:
        raise ShapeError(f"conv2d: bias {bias} does not fit weight {w}; it needs shape [{w.shape[0]}]")
    kernel = (int(w.shape[2]), int(w.shape[3]))
    out = window_sizes(x.shape[2:], kernel, stride, padding, dilation)
    _need_windows("conv2d", x, out, kernel, padding, dilation)
    return x.with_shape((x.shape[0], w.shape[0], *out))


def patches(
    x: Array, kernel: Pair, stride: Pair, padding: Pair, dilation: Pair, out: Pair, fill: float = 0.0
) -> Array:
    """Windows of x[N,C,H,W] as a copy [N,C,OH,OW,KH,KW], `fill` where they leave the input."""
    reach = [(o - 1) * s + (k - 1) * d + 1 for o, k, s, d in zip(out, kernel, stride, dilation, strict=True)]
    extra = [max(r - n - p, 0) for r, n, p in zip(reach, x.shape[2:], padding, strict=True)]
    padded = np.pad(x, ((0, 0), (0, 0), (padding[0], extra[0]), (padding[1], extra[1])), constant_values=fill)
    n, c, h, w = padded.strides
    return np.array(
        np.lib.stride_tricks.as_strided(
            padded,
            (*x.shape[:2], *out, *kernel),
            (n, c, h * stride[0], w * stride[1], h * dilation[0], w * dilation[1]),
        )
    )


def unpatches(windows: Array, size: Pair, stride: Pair, padding: Pair, dilation: Pair) -> Array:
    """The transpose of `patches`: windows [N,C,OH,OW,KH,KW] added up into [N,C,*size]."""
    n, c, oh, ow, kh, kw = windows.shape
    reach = [
        (o - 1) * s + (k - 1) * d + 1 for o, k, s, d in zip((oh, ow), (kh, kw), stride, dilation, strict=True)
    ]
    full = [max(r, s + 2 * p) for r, s, p in zip(reach, size, padding, strict=True)]
    result = np.zeros((n, c, *full), windows.dtype)
    for i in range(kh):
        for j in range(kw):
            top, left = i * dilation[0], j * dilation[1]
            rows = slice(top, top + (oh - 1) * stride[0] + 1, stride[0])
            columns = slice(left, left + (ow - 1) * stride[1] + 1, stride[1])
            result[:, :, rows, columns] += windows[:, :, :, :, i, j]
    return result[:, :, padding[0] : padding[0] + size[0], padding[1] : padding[1] + size[1]]


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
    kernel = (w.shape[2], w.shape[3])
    oh, ow = window_sizes(x.shape[2:], kernel, stride, padding, dilation)
    windows = _grouped(patches(x, kernel, stride, padding, dilation, (int(oh), int(ow))), groups, 1)
    y = np.einsum("ngchwij,gocij->ngohw", windows, _grouped(w, groups, 0), optimize=True)
    y = y.reshape(x.shape[0], w.shape[0], oh, ow)
    return y if bias is None else y + bias[:, None, None]


def _conv2d_input_grad(
    g: Type, w: Type, *, size: Shape, stride: Pair, padding: Pair, dilation: Pair, groups: int
) -> Type:
    need_float("conv2d_input_grad", g, w)
    need_rank("conv2d_input_grad", "the gradient", g, 4)
    need_rank("conv2d_input_grad", "the weight", w, 4)
    x = g.with_shape((g.shape[0], w.shape[1] * groups, *size))
    if _conv2d(x, w, stride=stride, padding=padding, dilation=dilation, groups=groups).shape != g.shape:
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
    return unpatches(windows.reshape(n, groups * c, *rest), size, stride, padding, dilation)


def _conv2d_weight_grad(
    x: Type, g: Type, *, kernel: Pair, stride: Pair, padding: Pair, dilation: Pair, groups: int
) -> Type:
    need_float("conv2d_weight_grad", x, g)
    need_rank("conv2d_weight_grad", "the input", x, 4)
    need_rank("conv2d_weight_grad", "the gradient", g, 4)
    w = x.with_shape((g.shape[1], x.shape[1] // groups, *kernel))
    if _conv2d(x, w, stride=stride, padding=padding, dilation=dilation, groups=groups).shape != g.shape:
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
    windows = _grouped(patches(x, kernel, stride, padding, dilation, (g.shape[2], g.shape[3])), groups, 1)
    w = np.einsum("ngchwij,ngohw->gocij", windows, _grouped(g, groups, 1), optimize=True)
    return w.reshape(g.shape[1], x.shape[1] // groups, *kernel)


def _max_pool2d(
    x: Type, *, kernel: Pair, stride: Pair, padding: Pair, dilation: Pair, ceil_mode: bool
) -> Type:
    need_float("max_pool2d", x)
    need_rank("max_pool2d", "the input", x, 4)
    if any(2 * p > k for p, k in zip(padding, kernel, strict=True)):
        raise ShapeError(f"max_pool2d: padding {padding} may be at most half of the kernel {kernel}")
    out = window_sizes(x.shape[2:], kernel, stride, padding, dilation, ceil_mode)
    _need_windows("max_pool2d", x, out, kernel, padding, dilation)
    return x.with_shape((*x.shape[:2], *out))


def _pool_windows(
    x: Array, kernel: Pair, stride: Pair, padding: Pair, dilation: Pair, ceil_mode: bool, fill: float
) -> Array:
    oh, ow = window_sizes(x.shape[2:], kernel, stride, padding, dilation, ceil_mode)
    windows = patches(x, kernel, stride, padding, dilation, (int(oh), int(ow)), fill)
    return windows.reshape(*windows.shape[:4], -1)


def _winners(x: Array, kernel: Pair, stride: Pair, padding: Pair, dilation: Pair, ceil_mode: bool) -> Array:
    """Where among its elements the maximum of each window is, i64[N,C,OH,OW,1]: the first one, or the last NaN where
    there is one. Padding, which counts as -inf, is no element."""
    how = (kernel, stride, padding, dilation, ceil_mode)
    windows = _pool_windows(x, *how, -np.inf)
    nan = np.isnan(windows)
    last = windows.shape[-1] - 1 - nan[..., ::-1].argmax(-1)
    inside = _pool_windows(np.ones(x.shape, np.bool_), *how, False)
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
    return _pool_windows(x, kernel, stride, padding, dilation, ceil_mode, -np.inf).max(-1)


def _with_indices(x: Type, **attrs: Pair | bool) -> TupleType:
    pooled = _max_pool2d(x, **attrs)  # type: ignore[arg-type]
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
    windows = _pool_windows(x, kernel, stride, padding, dilation, ceil_mode, -np.inf)
    places = np.arange(x.size).reshape(x.shape)
    numbers = _pool_windows(places, kernel, stride, padding, dilation, ceil_mode, -1)
    first = _winners(x, kernel, stride, padding, dilation, ceil_mode)
    return np.take_along_axis(windows, first, -1)[..., 0], np.take_along_axis(numbers, first, -1)[..., 0]


def _like_pooled(g: Type, x: Type, **attrs: Pair | bool) -> Type:
    need_float("max_pool2d_grad", g, x)
    pooled = _max_pool2d(x, **attrs)  # type: ignore[arg-type]
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
    windows = _pool_windows(x, kernel, stride, padding, dilation, ceil_mode, -np.inf)
    spread = np.zeros_like(windows)
    np.put_along_axis(spread, _winners(x, kernel, stride, padding, dilation, ceil_mode), g[..., None], -1)
    size = (x.shape[2], x.shape[3])
    return unpatches(spread.reshape(*spread.shape[:4], *kernel), size, stride, padding, dilation)


def _pick(v: Type, x: Type, **attrs: Pair | bool) -> Type:
    if v != x:
        raise ShapeError(f"max_pool2d_pick: values {v} and input {x} must have the same type")
    return _max_pool2d(x, **attrs)  # type: ignore[arg-type]


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
    values = _pool_windows(v, kernel, stride, padding, dilation, ceil_mode, 0.0)
    winners = _winners(x, kernel, stride, padding, dilation, ceil_mode)
    return np.take_along_axis(values, winners, -1)[..., 0]


def _avg_pool2d(
    x: Type, *, kernel: Pair, stride: Pair, padding: Pair, ceil_mode: bool, count_include_pad: bool
) -> Type:
    need_float("avg_pool2d", x)
    return _max_pool2d(x, kernel=kernel, stride=stride, padding=padding, dilation=(1, 1), ceil_mode=ceil_mode)


def pool_divisors(
    size: Pair, kernel: Pair, stride: Pair, padding: Pair, ceil_mode: bool, include_pad: bool
) -> Array:
    """How many elements each window counts, [OH,OW]: PyTorch clips windows at the padded input."""
    out = window_sizes(size, kernel, stride, padding, (1, 1), ceil_mode)
    counts = []
    for n, k, s, p, o in zip(size, kernel, stride, padding, out, strict=True):
        start = np.arange(int(o)) * s - p
        stop = np.minimum(start + k, n + p)
        counts.append(stop - start if include_pad else np.minimum(stop, n) - np.maximum(start, 0))
    return np.outer(counts[0], counts[1])


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
    windows = _pool_windows(x, kernel, stride, padding, (1, 1), ceil_mode, 0.0)
    divisors = pool_divisors((x.shape[2], x.shape[3]), kernel, stride, padding, ceil_mode, count_include_pad)
    wide = np.result_type(x.dtype, np.float32)  # f16 holds neither large sums nor large counts
    return (windows.sum(-1, dtype=wide) / divisors.astype(wide)).astype(x.dtype)


def _avg_pool2d_grad(
    g: Type,
    *,
    size: Shape,
    kernel: Pair,
    stride: Pair,
    padding: Pair,
    ceil_mode: bool,
    count_include_pad: bool,
) -> Type:
    x = g.with_shape((*g.shape[:2], *size))
    pooled = _avg_pool2d(
        x,
        kernel=kernel,
        stride=stride,
        padding=padding,
        ceil_mode=ceil_mode,
        count_include_pad=count_include_pad,
    )
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
    divisors = pool_divisors(size, kernel, stride, padding, ceil_mode, count_include_pad)
    shared = (g / divisors.astype(np.result_type(g.dtype, np.float32))).astype(g.dtype)
    windows = np.broadcast_to(shared[..., None, None], (*g.shape, *kernel))
    return unpatches(windows, size, stride, padding, (1, 1))


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
    formula. `passes.simplify` puts the formula in its place once gradients are made.
    """
    axes = tuple(axis for axis in range(x.ndim) if axis != 1)
    x, dtype = x.astype(np.result_type(x.dtype, np.float32)), x.dtype
    centred = x - x.mean(axes, keepdims=True)
    factor = scale.reshape(-1, *(1,) * (x.ndim - 2)) / np.sqrt(
        (centred * centred).mean(axes, keepdims=True) + eps
    )
    return np.asarray(centred * factor, dtype)
