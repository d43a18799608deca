"""Why a batch-last strategy cannot compute a node; "" where it can."""

from __future__ import annotations

import math

from ir import ops
from ir.dims import evaluate, symbols
from ir.node import Node
from passes.layouts.windows import planes_of, windows_of
from passes.strategies.limits import convolved, ends, on_cpu
from passes.target import Target

# Elements of an index table that may always be: 1 MB.
SMALL = 1 << 18


def tabled(node: Node, target: Target) -> str:
    """The runtime keeps index tables for as long as the program: they should take no more than what is worked on."""
    if why := on_cpu(node, target):
        return why
    image, pooled = ends(node)
    table, seen, given = (
        math.prod(map(int, shape)) for shape in (_table(node), image.shape[1:], pooled.shape[1:])
    )
    n = int(evaluate(image.shape[0], {name: target.size(name) for name in symbols(image.shape[0])}))
    if table <= max(n * (seen + given), SMALL):
        return ""
    return f"its index table would have {table:,} elements, more than its image and result"


def _table(node: Node) -> tuple[int, ...]:
    """The sizes of the index table of `node`: for each channel each pixel that each window sees, or backwards each
    window that sees each pixel."""
    (image, _), windows = ends(node), windows_of(node)
    channels, *size = map(int, image.shape[1:])
    if node.op in (ops.conv2d, ops.conv2d_weight_grad):
        return channels, *windows.kernel, *windows.out
    if node.op is not ops.conv2d_input_grad and planes_of(windows, size):
        return ()
    seers = [min(-(-k // s), o) for k, s, o in zip(windows.kernel, windows.stride, windows.out, strict=True)]
    return channels, *seers, *size


def dilatable(node: Node, target: Target) -> str:
    """Pixels can be a batch apart only where the batch is a number and windows move by single pixels."""
    if why := on_cpu(node, target) or convolved(node, target):
        return why
    if not isinstance(node.shape[0], int):
        return "the batch is not fixed"
    if node.shape[0] == 1:
        return "the batch is 1"
    return "" if node.attrs["stride"][1] == 1 else "windows move by more than one pixel"
