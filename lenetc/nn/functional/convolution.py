"""Convolution and pooling over images."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ir import ops
from ir.errors import LenetcError, ShapeError
from ir.node import Node
from lenetc.evaluation.tracing import here
from lenetc.nn.functional.linear import same_dtype
from lenetc.nn.functional.padding import pad
from lenetc.operations import reductions
from lenetc.operations.autocast import narrowed
from lenetc.tensors.arrays import index_of
from lenetc.tensors.tensor import Tensor, apply, require_tensors
from passes.autodiff import means

Size2 = int | Sequence[int]


def pair(value: Any, what: str) -> tuple[int, int]:
    """`value` for height and width: a number for both, or one for each. Raises ValueError otherwise."""
    values = tuple(value) if isinstance(value, (tuple, list)) else (value,)
    if len(values) not in (1, 2) or not all(isinstance(v, int) and not isinstance(v, bool) for v in values):
        raise ValueError(f"{what} must be an int or two ints, not {value!r}")
    return values[0], values[-1]


def _images(what: str, x: Tensor) -> bool:
    """Whether `x` is a batch [N,C,H,W] rather than one image [C,H,W]. Raises ShapeError for anything else."""
    require_tensors(what, x)
    if x.ndim not in (3, 4):
        raise ShapeError(
            f"{what}: expected a 3D (unbatched, [C,H,W]) or 4D (batched, [N,C,H,W]) input, "
            f"but it is {x.type_text()}"
        ).at(here())
    return x.ndim == 4


def same_padding(kernel: Sequence[int], dilation: Sequence[int]) -> tuple[tuple[int, int], tuple[int, int]]:
    """Zeros before and after height and width that keep the size: ((top, bottom), (left, right))."""
    totals = [d * (k - 1) for k, d in zip(kernel, dilation, strict=True)]
    top, left = ((total // 2, total - total // 2) for total in totals)
    return top, left


def conv2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Size2 = 1,
    padding: Size2 | str = 0,
    dilation: Size2 = 1,
    groups: int = 1,
) -> Tensor:
    """input[N,C,H,W], or [C,H,W], with weight[O,C/groups,KH,KW] and bias[O] -> [N,O,OH,OW].

    padding: zeros on both sides of height and width; or "valid" for none; or "same" to keep the size, which
    needs stride 1. Source: torch.nn.functional.conv2d.
    Raises ShapeError and DTypeError naming both types.
    """
    require_tensors("conv2d", input, weight, optional=[bias])
    input, weight, bias = narrowed(input, weight, bias)
    if weight.ndim != 4:
        raise ShapeError(f"conv2d: the weight must be [O,C/groups,KH,KW], but it is {weight.type_text()}").at(
            here()
        )
    if 0 in weight.shape:
        raise ShapeError(f"conv2d: the weight {weight.type_text()} has a size of 0").at(here())
    if not _images("conv2d", input):
        return conv2d(input.unsqueeze(0), weight, bias, stride, padding, dilation, groups).squeeze(0)
    same_dtype("conv2d", input, weight, bias)
    groups = index_of("conv2d: groups", groups)
    steps, spread = pair(stride, "stride"), pair(dilation, "dilation")
    if min(*steps, *spread, groups) < 1:
        raise ValueError(f"conv2d: stride {stride}, dilation {dilation} and groups {groups} must be positive")
    if isinstance(padding, str):
        if padding not in ("same", "valid"):
            raise LenetcError(
                f"conv2d: invalid padding string {padding!r}; use 'same', 'valid' or numbers"
            ).at(here())
        zeros = (0, 0)
        if padding == "same":
            if steps != (1, 1):
                raise LenetcError("conv2d: padding='same' is not supported for strided convolutions").at(
                    here()
                )
            (top, bottom), (left, right) = same_padding((int(weight.shape[2]), int(weight.shape[3])), spread)
            zeros = (top, left)
            if (top, left) != (bottom, right):
                input = pad(input, (0, right - left, 0, bottom - top))
    else:
        zeros = pair(padding, "padding")
        if min(zeros) < 0:
            raise LenetcError(f"conv2d: negative padding {padding} is not supported").at(here())
    how: dict[str, Any] = {"stride": steps, "padding": zeros, "dilation": spread, "groups": groups}
    operands = (input, weight) if bias is None else (input, weight, bias)
    return apply(
        "ConvolutionBackward0",
        lambda *nodes: ops.conv2d(*nodes, **how),
        *operands,
        edges=(input, weight, bias),
    )


def _pooled(name: str, what: str, x: Tensor, build: Callable[[Node], Node]) -> Tensor:
    require_tensors(what, x)
    if 0 in x.shape[-3:]:
        raise ShapeError(f"{what}: of the sizes of {x.type_text()} only the batch's may be 0").at(here())
    if _images(what, x):
        return apply(name, build, x)

    def unbatched(a: Node) -> Node:
        y = build(ops.reshape(a, shape=(1, *a.shape)))
        return ops.reshape(y, shape=y.shape[1:])

    return apply(name, unbatched, x)


def max_pool2d(
    input: Tensor,
    kernel_size: Size2,
    stride: Size2 | None = None,
    padding: Size2 = 0,
    dilation: Size2 = 1,
    ceil_mode: bool = False,
) -> Tensor:
    """Largest element of each window: [N,C,H,W], or [C,H,W] -> [N,C,OH,OW] (torch.nn.functional.max_pool2d).

    stride: the kernel size if None. The gradient goes to the first maximum of a window, row by row.
    """
    kernel = pair(kernel_size, "kernel_size")
    how: dict[str, Any] = {
        "kernel": kernel,
        "stride": kernel if stride is None else pair(stride, "stride"),
        "padding": pair(padding, "padding"),
        "dilation": pair(dilation, "dilation"),
        "ceil_mode": bool(ceil_mode),
    }
    _check_window("max_pool2d", how)
    return _pooled("MaxPool2DWithIndicesBackward0", "max_pool2d", input, lambda a: ops.max_pool2d(a, **how))


def avg_pool2d(
    input: Tensor,
    kernel_size: Size2,
    stride: Size2 | None = None,
    padding: Size2 = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Tensor:
    """Mean of each window: [N,C,H,W], or [C,H,W] -> [N,C,OH,OW] (torch.nn.functional.avg_pool2d).

    count_include_pad: whether padding counts as elements of value zero.
    """
    kernel = pair(kernel_size, "kernel_size")
    how: dict[str, Any] = {
        "kernel": kernel,
        "stride": kernel if stride is None else pair(stride, "stride"),
        "padding": pair(padding, "padding"),
        "ceil_mode": bool(ceil_mode),
        "count_include_pad": bool(count_include_pad),
    }
    _check_window("avg_pool2d", how)
    return _pooled("AvgPool2DBackward0", "avg_pool2d", input, lambda a: _averaged(a, how))


def _averaged(x: Node, how: dict[str, Any]) -> Node:
    return means.narrowed(ops.avg_pool2d(means.widened(x), **how), x.dtype)


def _check_window(what: str, how: dict[str, Any]) -> None:
    for name in ("kernel", "stride", "dilation"):
        if name in how and min(how[name]) < 1:
            raise ValueError(f"{what}: {name} must be positive, but it is {how[name]}")
    if min(how["padding"]) < 0:
        raise ValueError(f"{what}: padding must not be negative, but it is {how['padding']}")


def adaptive_avg_pool2d(input: Tensor, output_size: Any) -> Tensor:
    """Means of windows that divide the image evenly: [N,C,H,W], or [C,H,W] -> [N,C,*output_size].

    output_size: height and width, a number for both; None keeps a size. Raises ShapeError for an output size
    that does not divide the input's (torch.nn.functional.adaptive_avg_pool2d takes uneven windows as well).
    """
    _images("adaptive_avg_pool2d", input)
    sizes = input.shape[-2:]
    if isinstance(output_size, (tuple, list)) and len(output_size) != 2:
        raise ShapeError(f"adaptive_avg_pool2d: the output has a height and a width, not {output_size}").at(
            here()
        )
    wanted = tuple(output_size) if isinstance(output_size, (tuple, list)) else (output_size, output_size)
    out = tuple(
        int(size) if want is None else index_of("adaptive_avg_pool2d: a size", want)
        for size, want in zip(sizes, wanted, strict=True)
    )
    if out == (1, 1):
        return reductions.mean(input, (-2, -1), keepdim=True)
    if any(want < 1 or size % want for size, want in zip(sizes, out, strict=True)):
        raise ShapeError(
            f"adaptive_avg_pool2d: output size {out} must divide height and width of {input.type_text()}; "
            "use avg_pool2d with a kernel and a stride for overlapping windows"
        ).at(here())
    kernel = tuple(int(size) // want for size, want in zip(sizes, out, strict=True))
    return _pooled(
        "AdaptiveAvgPool2DBackward0",
        "adaptive_avg_pool2d",
        input,
        lambda a: _averaged(a, {"kernel": kernel, "stride": kernel}),
    )
