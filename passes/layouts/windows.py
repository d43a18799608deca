"""Sliding windows, as convolutions, pools and their gradients move them over images."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from ir import ops
from ir.node import Node
from ir.ops.windows import Pair
from ir.types import Array
from passes.layouts.batch_last import PIXEL, Block, fits


class Windows(NamedTuple):
    """A sliding window: sizes of its output and kernel, and how it moves."""

    out: Pair
    kernel: Pair
    stride: Pair
    padding: Pair
    dilation: Pair


def windows_of(node: Node) -> Windows:
    """The windows of a convolution or a pool, or of a gradient of one."""
    how = node.attrs
    if node.op in (ops.conv2d_weight_grad,):
        out = node.inputs[1].shape[2:]
    elif node.op in (ops.conv2d_input_grad, ops.max_pool2d_grad, ops.avg_pool2d_grad):
        out = node.inputs[0].shape[2:]
    else:
        out = node.shape[2:]
    kernel = how["kernel"] if "kernel" in how else node.inputs[1].shape[2:]
    return Windows(tuple(out), tuple(kernel), how["stride"], how["padding"], how.get("dilation", (1, 1)))  # type: ignore[arg-type]


@lru_cache(maxsize=1024)
def offsets(windows: Windows, block: Block) -> list[Array]:
    """For both axes the offsets, from a block's first window, of the pixels that its windows see."""
    reach = zip(block, windows.stride, windows.kernel, windows.dilation, strict=True)
    return [np.unique(np.arange(b)[:, None] * s + np.arange(k) * d) for b, s, k, d in reach]


def planes_of(windows: Windows, size: Any) -> Block | None:
    """The block whose planes are what the kernel positions see: of pools whose windows tile the image."""
    tiled = (
        windows.kernel == windows.stride != PIXEL and windows.padding == (0, 0) and windows.dilation == (1, 1)
    )
    return windows.kernel if tiled and fits(size, windows.kernel) else None
