"""Why a batch-first strategy cannot compute a node; "" where it can."""

from __future__ import annotations

import math

from ir import ops
from ir.node import Node
from ir.ops.windows import Window
from ir.types import f32
from passes.strategies.limits import convolved, end_padding, on_cpu, static_image
from passes.target import Target

# Elements of the matrix of a pool, which is a constant of the program: 64 KB in f32.
LARGEST_MATRIX = 16384


def sliced(node: Node, target: Target) -> str:
    """Slices are there for images of any size; which windows of a pool see padding only a fixed one tells."""
    is_plain = not any(node.attrs["padding"]) and not node.attrs.get("ceil_mode", False)
    return "" if is_plain or node.op.name.startswith("conv") else static_image(node, target)


def swapped(node: Node, target: Target) -> str:
    """The gradient of the result becomes a kernel, which has a fixed size."""
    return convolved(node, target) or static_image(node, target)


def one_sample(node: Node, target: Target) -> str:
    """The columns of one sample are a matrix, as they are."""
    if why := on_cpu(node, target):
        return why
    if node.inputs[0].shape[0] != 1:
        return "there is more than one sample"
    return "" if node.dtype is f32 and node.attrs["groups"] == 1 else "made for f32 without groups"


def beside(node: Node, target: Target) -> str:
    """Channels can lie beside the columns of one group whose kernel positions are neighbours."""
    if why := on_cpu(node, target) or convolved(node, target):
        return why
    if node.attrs["groups"] != 1:
        return "there are groups"
    return "" if node.attrs["dilation"][1] == 1 else "kernel positions are no neighbours"


def turned(node: Node, target: Target) -> str:
    """The gradient is a convolution itself where windows move by single pixels, and reach over the padding."""
    if target.device != "cpu":
        return "made for CPUs"
    if why := convolved(node, target):
        return why
    how, kernel = node.attrs, node.inputs[1].shape[2:]
    if how["groups"] != 1:
        return "there are groups"
    if how["stride"] != (1, 1):
        return "windows move by more than one pixel"
    over = any(p > d * (k - 1) for p, d, k in zip(how["padding"], how["dilation"], kernel, strict=True))
    return "some windows see only padding" if over else ""


def max_pool(node: Node, target: Target) -> str:
    if target.device != "cpu" and node.attrs["dilation"] != (1, 1):
        return "CUDA's kernel for dilated windows loses NaN"
    return _blind(node)


def _blind(node: Node) -> str:
    """The largest number is -inf where a window sees no pixel, for the runtime it is the least finite one."""
    image = node.inputs[-1]
    moves = (node.attrs[key] for key in ("kernel", "stride", "padding", "dilation"))
    pooled = node.inputs[0] if node.op is ops.max_pool2d_grad else node
    for size, out, kernel, stride, padding, dilation in zip(
        image.shape[2:], pooled.shape[2:], *moves, strict=True
    ):
        if not padding or not isinstance(size, int) or not isinstance(out, int):
            continue
        starts = range(-padding, out * stride - padding, stride)
        if not all(any(0 <= a + k * dilation < size for k in range(kernel)) for a in starts):
            return "some windows see only padding"
    return ""


def indices(node: Node, target: Target) -> str:
    if target.operators != "ort":
        return "runtimes differ in the indices that MaxPool gives, and some have no MaxUnpool"
    if target.device != "cpu":
        return "among equal maxima CUDA's kernel indicates the first of a column, not of a row"
    reaching = any(p >= k for p, k in end_padding(node))
    return static_image(node, target) or ("the last windows see only padding" if reaching else _blind(node))


def average_pool(node: Node, target: Target) -> str:
    if why := convolved(node, target):
        return why
    window = Window.of(node.attrs)
    axes = zip(window.reach(node.shape[2:]), node.inputs[0].shape[2:], window.padding, strict=True)
    if not window.ceil_mode or all(r <= n + 2 * p for r, n, p in axes):
        return ""
    return "runtimes differ in what a window that reaches over the padding counts"


def pool_transposed(node: Node, target: Target) -> str:
    if why := convolved(node, target) or static_image(node, target):
        return why
    if not isinstance(node.shape[1], int):
        return "the number of channels is not fixed"
    over = (end > p for (end, _), p in zip(end_padding(node), node.attrs["padding"], strict=True))
    return "the last windows reach over the padding" if any(over) else ""


def pool_matrix(node: Node, target: Target) -> str:
    if why := on_cpu(node, target):
        return why
    size = math.prod(int(d) for x in (node, node.inputs[0]) for d in x.shape[2:])
    return f"its matrix would have {size:,} elements" if size > LARGEST_MATRIX else ""
