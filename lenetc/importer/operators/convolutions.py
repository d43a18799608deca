"""Convolutions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import lenetc.nn.functional as F
from ir.dims import Dim
from ir.errors import ShapeError
from lenetc.importer.registry import operator
from lenetc.tensors.tensor import Tensor

_CONV: dict[int, Callable[..., Tensor]] = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}


def paddings(
    auto_pad: str,
    pads: Sequence[int] | None,
    sizes: Sequence[Dim],
    kernel: Sequence[int],
    strides: Sequence[int],
    dilations: Sequence[int],
) -> tuple[list[int], list[int]]:
    """What is added before and after each axis of an image (ONNX's `auto_pad` and `pads`)."""
    rank = len(kernel)
    if auto_pad in ("NOTSET", ""):
        given = list(pads or [0] * (2 * rank))
        return given[:rank], given[rank:]
    if auto_pad == "VALID":
        return [0] * rank, [0] * rank
    before: list[Any] = []
    after: list[Any] = []
    for size, k, stride, dilation in zip(sizes, kernel, strides, dilations, strict=True):
        reach = (k - 1) * dilation + 1
        last = -(-size // stride) - 1
        total = max(last * stride + reach - size, 0)
        half = total // 2
        before.append(half if auto_pad == "SAME_UPPER" else total - half)
        after.append(total - before[-1])
    return before, after


def around(before: Sequence[int], after: Sequence[int]) -> list[int]:
    """The amounts in the order of torch.nn.functional.pad: the last axis first."""
    return [amount for pair in reversed(list(zip(before, after, strict=True))) for amount in pair]


@operator
def Conv(
    x: Tensor,
    w: Tensor,
    b: Tensor | None = None,
    /,
    *,
    auto_pad: str = "NOTSET",
    dilations: Sequence[int] | None = None,
    group: int = 1,
    kernel_shape: Sequence[int] | None = None,
    pads: Sequence[int] | None = None,
    strides: Sequence[int] | None = None,
) -> Tensor:
    rank = x.ndim - 2
    if rank not in _CONV:
        raise ShapeError(f"images have 1 to 3 axes, not {rank}")
    kernel = list(w.shape[2:])
    strides, dilations = list(strides or [1] * rank), list(dilations or [1] * rank)
    before, after = paddings(auto_pad, pads, x.shape[2:], kernel, strides, dilations)
    padding = before
    if before != after:
        x, padding = F.pad(x, around(before, after)), [0] * rank
    return _CONV[rank](x, w, b, strides, padding, dilations, group)
