"""PyTorch's counterpart of each op: value from tensors and the op's attributes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

torch = pytest.importorskip("torch")
F = torch.nn.functional

DTYPES = {
    "f32": torch.float32,
    "f64": torch.float64,
    "f16": torch.float16,
    "bf16": torch.bfloat16,
    "i64": torch.int64,
    "i32": torch.int32,
    "u8": torch.uint8,
    "bool": torch.bool,
}


class _WithSlope(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, y: Any, x: Any, slope: Any) -> Any:
        ctx.save_for_backward(slope)
        return y.clone()

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        return g, g * ctx.saved_tensors[0], None


def _divided(x: Any, y: Any) -> Any:
    return x / y if x.is_floating_point() else torch.div(x, y, rounding_mode="trunc")


def _max_pool(
    x: Any, *, kernel: Any, stride: Any, padding: Any = 0, dilation: Any = 1, ceil_mode: bool = False
) -> Any:
    return F.max_pool2d(x, kernel, stride, padding, dilation, ceil_mode)


def _avg_pool(
    x: Any,
    *,
    kernel: Any,
    stride: Any,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Any:
    return F.avg_pool2d(x, kernel, stride, padding, ceil_mode, count_include_pad)


def _convolution(
    x: Any, w: Any, b: Any = None, *, stride: Any = 1, padding: Any = 0, dilation: Any = 1, groups: int = 1
) -> Any:
    return F.conv2d(x, w, b, stride, padding, dilation, groups)


def _to_lanes(x: Any, *, lanes: int) -> Any:
    n, c, h, w = x.shape
    return x.reshape(n, c // lanes, lanes, h, w).permute(0, 1, 3, 4, 2).reshape(x.shape)


def _from_lanes(x: Any, *, lanes: int) -> Any:
    n, c, h, w = x.shape
    return x.reshape(n, c // lanes, h, w, lanes).permute(0, 1, 4, 2, 3).reshape(x.shape)


def _convolution_lanes(x: Any, w: Any, b: Any = None, **how: Any) -> Any:
    lanes = w.shape[-1]
    if w.dim() == 6:  # [O/L,I/L,KH,KW,L of I,L of O]
        weight = w.permute(0, 5, 1, 4, 2, 3).flatten(2, 3).flatten(0, 1)
        x = _from_lanes(x, lanes=lanes)
    else:
        weight = w.permute(0, 4, 1, 2, 3).flatten(0, 1)
    return _to_lanes(_convolution(x, weight, b, **how), lanes=lanes)


def _convolution_samples_lanes(x: Any, g: Any, *, lanes: int, **how: Any) -> Any:
    weight = _from_lanes(g, lanes=lanes).transpose(0, 1)
    return _to_lanes(_convolution(x, weight, None, **how), lanes=lanes)


def _affine_lanes(
    x: Any, scale: Any, offset: Any, addend: Any = None, *, lanes: int, relu: bool, stride: Any, side: int
) -> Any:
    image = F.pad(_from_lanes(x, lanes=lanes), (side, side))[:, :, :: stride[0], :: stride[1]]
    y = _to_lanes(image * scale[:, None, None] + offset[:, None, None], lanes=lanes)
    y = y if addend is None else y + addend
    return torch.relu(y) if relu else y


def _pulled_back(function: Callable[..., Any], shape: Any, g: Any) -> Any:
    """The gradient of a linear `function` of zeros of `shape`, for the cotangent g: differentiable in g."""
    x = torch.zeros(shape, dtype=g.dtype, requires_grad=True)
    return torch.autograd.grad(function(x), x, g, create_graph=True)[0]


def _pool_gradient(g: Any, x: Any, **how: Any) -> Any:
    x = x.detach().requires_grad_()
    return torch.autograd.grad(_max_pool(x, **how), x, g, create_graph=True)[0]


def _pick(
    v: Any, x: Any, *, kernel: Any, stride: Any, padding: Any = 0, dilation: Any = 1, ceil_mode: bool = False
) -> Any:
    _, indices = F.max_pool2d(x, kernel, stride, padding, dilation, ceil_mode, return_indices=True)
    return v.flatten(2).gather(2, indices.flatten(2)).reshape(indices.shape)


def _max_pool_places(
    x: Any, *, kernel: Any, stride: Any, padding: Any = 0, dilation: Any = 1, ceil_mode: bool = False
) -> tuple[Any, Any]:
    """PyTorch counts places within each image's plane, the op within the whole of x."""
    values, indices = F.max_pool2d(x, kernel, stride, padding, dilation, ceil_mode, return_indices=True)
    planes = torch.arange(x.shape[0] * x.shape[1]).reshape(*x.shape[:2], 1, 1)
    return values, indices + planes * (x.shape[2] * x.shape[3])


def _padded(x: Any, *, low: Any, high: Any, value: float = 0.0) -> Any:
    amounts = [n for pair in reversed(list(zip(low, high, strict=True))) for n in pair]
    return F.pad(x, amounts, value=value) if amounts else x


def _sliced(x: Any, *, starts: Any, stops: Any, steps: Any) -> Any:
    return x[tuple(map(slice, starts, stops, steps))]


def _gathered(x: Any, indices: Any, *, axis: int) -> Any:
    flat = torch.index_select(x, axis, indices.reshape(-1))
    return flat.reshape(*x.shape[:axis], *indices.shape, *x.shape[axis + 1 :])


def _scattered(x: Any, indices: Any, *, axis: int, size: int) -> Any:
    flat = x.reshape(*x.shape[:axis], indices.numel(), *x.shape[axis + indices.dim() :])
    zeros = torch.zeros((*flat.shape[:axis], size, *flat.shape[axis + 1 :]), dtype=x.dtype)
    return zeros.index_add(axis, indices.reshape(-1), flat)


def _put(x: Any, indices: Any, *, axis: int, size: int) -> Any:
    zeros = torch.zeros((*x.shape[:axis], size, *x.shape[axis + 1 :]), dtype=x.dtype)
    return zeros.scatter_add(axis, indices.long(), x)


def _unpooled(y: Any, indices: Any, *, size: tuple[int, int]) -> Any:
    x = torch.zeros((*y.shape[:2], *size), dtype=y.dtype)
    return x.view(-1).scatter(0, indices.reshape(-1).long(), y.reshape(-1)).view(x.shape)


def _gemm(
    a: Any,
    b: Any,
    c: Any = None,
    *,
    trans_a: bool = False,
    trans_b: bool = False,
    alpha: float = 1,
    beta: float = 1,
) -> Any:
    product = (a.T if trans_a else a) @ (b.T if trans_b else b) * alpha
    return product if c is None else product + c * beta


TORCH: dict[str, Callable[..., Any]] = {
    **{
        name: getattr(torch, name)
        for name in ("neg", "abs", "sign", "exp", "log", "sqrt", "sin", "cos", "tanh")
    },
    **{
        name: getattr(torch, name) for name in ("sigmoid", "relu", "erf", "floor", "add", "sub", "mul", "pow")
    },
    **{
        name: getattr(torch, name)
        for name in ("maximum", "minimum", "logical_not", "logical_and", "logical_or")
    },
    **{name: getattr(torch, name) for name in ("bitwise_and", "bitwise_or", "bitwise_xor")},
    **{name: getattr(torch, name) for name in ("where", "reshape", "matmul")},
    "softplus": F.softplus,
    "is_nan": torch.isnan,
    "relu_grad": lambda g, y: torch.where(y == 0, torch.zeros((), dtype=g.dtype), g),
    "with_slope": lambda y, x, slope: _WithSlope.apply(y, *torch.broadcast_tensors(x, slope)),
    "with_gradient": lambda x, y: x.detach() + (y - y.detach()),
    "div": _divided,
    "equal": torch.eq,
    "less": torch.lt,
    "greater": torch.gt,
    "mod": torch.remainder,
    "fmod": torch.fmod,
    "cast": lambda x, *, dtype: x.to(DTYPES[dtype.name]),
    "stop_gradient": lambda x: x.detach(),
    "alias": lambda x, *, uid: x,
    "broadcast_to": lambda x, *, shape: torch.broadcast_to(x, shape),
    "transpose": lambda x, *, perm: torch.permute(x, perm),
    "slice": _sliced,
    "reverse": lambda x, *, axes: torch.flip(x, axes),
    "pad": _padded,
    "concat": lambda *xs, axis: torch.cat(xs, axis),
    "split": lambda x, *, axis, sizes: torch.split(x, sizes, axis),
    "gather": _gathered,
    "scatter_add": _scattered,
    "take_along_axis": lambda x, indices, *, axis: torch.gather(x, axis, indices.long()),
    "put_along_axis": _put,
    "scatter": lambda x, i, u, *, axis, reduction="none": (
        torch.scatter(x, axis, i.long(), u)
        if reduction == "none"
        else torch.scatter_reduce(
            x, axis, i.long(), u, {"add": "sum", "mul": "prod", "max": "amax", "min": "amin"}[reduction]
        )
    ),
    "iota": lambda *, size, dtype=None: torch.arange(size, dtype=DTYPES[dtype.name] if dtype else None),
    "sum": lambda x, *, axes, keepdims=False: x.sum(axes, keepdim=keepdims, dtype=x.dtype) if axes else x,
    "reduce_max": lambda x, *, axes, keepdims=False: torch.amax(x, axes, keepdims) if axes else x,
    "cumsum": lambda x, *, axis, reverse: (
        x.flip(axis).cumsum(axis, dtype=x.dtype).flip(axis) if reverse else x.cumsum(axis, dtype=x.dtype)
    ),
    "solve": torch.linalg.solve,
    "cholesky": lambda a: torch.linalg.cholesky(a.tril() + a.tril(-1).mT),
    "argmax": lambda x, *, axis, keepdims=False: torch.argmax(x, axis, keepdims),
    "argsort": lambda x, *, axis, count, descending=False: torch.argsort(
        x, dim=axis, descending=descending, stable=True
    ).narrow(axis, 0, count),
    "gemm": _gemm,
    "conv2d": _convolution,
    "conv2d_input_grad": lambda g, w, *, size, **how: _pulled_back(
        lambda x: _convolution(x, w, **how), (g.shape[0], w.shape[1] * how["groups"], *size), g
    ),
    "conv2d_weight_grad": lambda x, g, *, kernel, **how: _pulled_back(
        lambda w: _convolution(x, w, **how), (g.shape[1], x.shape[1] // how["groups"], *kernel), g
    ),
    "max_pool2d": _max_pool,
    "max_pool2d_with_indices": _max_pool_places,
    "max_unpool2d": _unpooled,
    "max_pool2d_grad": _pool_gradient,
    "max_pool2d_pick": _pick,
    "avg_pool2d": _avg_pool,
    "avg_pool2d_grad": lambda g, *, size, **how: _pulled_back(
        lambda x: _avg_pool(x, **how), (*g.shape[:2], *size), g
    ),
    "standardize_along": lambda x, *, axes, eps: F.layer_norm(x, [x.shape[axis] for axis in axes], eps=eps),
    "standardize": lambda x, scale, *, eps: F.batch_norm(x, None, None, scale, training=True, eps=eps),
    "to_lanes": _to_lanes,
    "from_lanes": _from_lanes,
    "conv2d_lanes": _convolution_lanes,
    "conv2d_samples_lanes": _convolution_samples_lanes,
    "affine_lanes": _affine_lanes,
    "mean_lanes": lambda x, *, lanes: _from_lanes(x, lanes=lanes).mean((2, 3), keepdim=True),
    "softmax": lambda x, *, axis: torch.softmax(x, axis),
    "log_softmax": lambda x, *, axis: torch.log_softmax(x, axis),
}

# The same names as tests.programs.IR.
PROGRAMS: dict[str, Callable[..., Any]] = {
    **TORCH,
    "exp": lambda x: torch.exp(torch.tanh(x)),
    "log": lambda x: torch.log(x * x + 0.5),
    "sqrt": lambda x: torch.sqrt(x * x + 0.5),
    "pow": lambda x, y: torch.pow(x * x + 0.5, torch.tanh(y)),
    "mul": lambda x, y: torch.tanh(x) * y,
    "div": lambda x, y: x / (y * y + 0.5),
    "where": lambda x, y: torch.where(y > 0.123, x * 0.5, y),
    "scale": lambda x, *, by: x * by,
    "gather": lambda x, *, indices, axis: torch.index_select(x, axis, torch.tensor(indices)),
    "matmul": lambda x, y: torch.tanh(x) @ y * 0.5,
    "conv2d": lambda x, w, **how: _convolution(torch.tanh(x), w, **how) * 0.5,
}
