"""Strategies: heavy ops have several expansions, of which `passes.choice` takes the cheapest for the whole graph.

One table (`TABLE`) holds them: for an op, the name of an expansion, the layout it works in, why it cannot
compute a node (if so), what it costs there, and how it builds the node.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from ir import ops
from ir.dims import Dim, evaluate
from ir.errors import LenetcError
from ir.node import Node
from ir.op import Op
from ir.types import f32
from passes import costs, costs_cuda, expand_chwn, expand_cuda, expand_lanes, expand_nchw, probes
from passes.batch_last import Block
from passes.costs import Work
from passes.expand_chwn import Windows, windows_of
from passes.layout import CHWN, NCHW
from passes.relayout import POOLS, Expand

if TYPE_CHECKING:
    from passes.pipeline import Target

# Dtypes for which the runtime has kernels of Conv and ConvTranspose; others go through MatMul.
CONVOLVED = ("f32", "f16")
# Elements of the matrix of a pool, which is a constant of the program: 64 KB in f32.
LARGEST_MATRIX = 16384


class StrategyError(LenetcError):
    """No strategy fits an op, or an override names one that does not."""


# Why a strategy cannot compute a node for a target; "" where it can.
Lacks: TypeAlias = "Callable[[Node, Target], str]"
Cost: TypeAlias = Callable[[Work, Block], float]


@dataclass(frozen=True)
class Strategy:
    """One way to compute a heavy op. `cost` is in µs; the block is that of the image on the windows' side.

    instead: what is not needed any more where this is chosen, and so not counted as its cost.
    """

    op: str
    name: str
    layout: str
    lacks: Lacks
    cost: Cost
    expand: Expand
    instead: Expand | None = None


def keep(node: Node, *operands: Node) -> Node:
    """The op itself: the runtime has a kernel for it."""
    return node.op(*operands, **node.attrs)


def estimated(strategy: Strategy, work: Work, block: Block, target: Target) -> float:
    """What `strategy` costs by the built-in model of the target's device, in µs."""
    if target.device == "cuda":
        return costs_cuda.COSTS.get((strategy.op, strategy.name), costs_cuda.many_kernels)(work)
    return strategy.cost(work, block)


def sized(dim: Dim, sizes: Mapping[str, Dim]) -> int:
    """`dim` as a number."""
    return int(evaluate(dim, sizes))


def work(node: Node, sizes: Mapping[str, Dim], threads: int) -> Work:
    """Sizes of `node` where symbolic dims are `sizes`, on that many threads."""

    def number(dim: Dim) -> int:
        return sized(dim, sizes)

    if node.op in (ops.conv2d, *POOLS):
        image, pooled = node.inputs[0], node
    elif node.op is ops.conv2d_weight_grad:
        image, pooled = node.inputs
    else:
        image, pooled = node, node.inputs[0]
    out, kernel, *moves = windows_of(node)
    windows = Windows((number(out[0]), number(out[1])), (number(kernel[0]), number(kernel[1])), *moves)
    n, channels, height, width = map(number, image.shape)
    outputs, groups = number(pooled.shape[1]), node.attrs.get("groups", 1)
    return Work(n, channels, outputs, groups, height * width, windows, threads)


def _convolved(node: Node, target: Target) -> str:
    if node.dtype.name in CONVOLVED or (target.device == "cuda" and node.dtype.name == "bf16"):
        return ""  # CUDA computes bf16 as f32 (passes.legal_cuda), faster than by slices
    return f"the runtime has no kernel for {node.dtype}"


def _static_image(node: Node, target: Target) -> str:
    shapes = [x.shape[2:] for x in (node, *node.inputs) if x.rank == 4]
    if all(isinstance(size, int) for shape in shapes for size in shape):
        return ""
    return "height and width are not fixed"


def _batch_last(node: Node, target: Target) -> str:
    return "made for CPUs" if target.device != "cpu" else _static_image(node, target)


def _one_sample(node: Node, target: Target) -> str:
    """The columns of one sample are a matrix, as they are."""
    if why := _batch_last(node, target):
        return why
    if node.inputs[0].shape[0] != 1:
        return "there is more than one sample"
    return "" if node.dtype is f32 and node.attrs["groups"] == 1 else "made for f32 without groups"


def _dilatable(node: Node, target: Target) -> str:
    """Pixels can be a batch apart only where the batch is a number and windows move by single pixels."""
    if why := _batch_last(node, target) or _convolved(node, target):
        return why
    if not isinstance(node.shape[0], int):
        return "the batch is not fixed"
    if node.shape[0] == 1:
        return "the batch is 1"
    return "" if node.attrs["stride"][1] == 1 else "windows move by more than one pixel"


def _in_lanes(node: Node, target: Target) -> str:
    """Whether the runtime has kernels of this machine's lanes for a convolution, or for a gradient as one."""
    how, lanes = node.attrs, target.lanes
    if not lanes:
        return "made for this machine's runtime alone"
    if why := _batch_last(node, target):
        return why
    if node.dtype is not f32 or how["groups"] != 1:
        return "made for f32 without groups"
    return (
        "" if _fill_lanes(node, lanes) else f"sizes do not fill lanes of {lanes}, or windows do not suit them"
    )


def _fill_lanes(node: Node, lanes: int) -> bool:
    how = node.attrs
    if node.op is ops.conv2d_weight_grad:
        # Samples are channels there.
        n, inputs, outputs = node.inputs[0].shape[0], int(node.shape[1]), int(node.shape[0])
        whole = isinstance(n, int) and n % lanes == inputs % lanes == outputs % lanes == 0
        return whole and bool(how["dilation"][1] == 1)
    outputs, inputs, *kernel = map(int, node.inputs[1].shape)
    if node.op is ops.conv2d:
        return expand_lanes.fits(inputs, outputs, lanes)
    whole = outputs % lanes == inputs % lanes == 0 and how["dilation"] == (1, 1)
    if how["stride"] != (1, 1):
        return whole
    return whole and all(p < k for p, k in zip(how["padding"], kernel, strict=True))


def _beside(node: Node, target: Target) -> str:
    """Channels can lie beside the columns of one group whose kernel positions are neighbours."""
    if why := _batch_last(node, target) or _convolved(node, target):
        return why
    if node.attrs["groups"] != 1:
        return "there are groups"
    return "" if node.attrs["dilation"][1] == 1 else "kernel positions are no neighbours"


def _max_pool(node: Node, target: Target) -> str:
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


def _indices(node: Node, target: Target) -> str:
    if target.device != "cpu":
        return "among equal maxima CUDA's kernel indicates the first of a column, not of a row"
    reaching = any(p >= k for p, k in _end_padding(node))
    return _static_image(node, target) or ("the last windows see only padding" if reaching else _blind(node))


def _on_cuda(node: Node, target: Target) -> str:
    return _static_image(node, target) if target.device == "cuda" else "made for CUDA"


def _side_by_side(node: Node, target: Target) -> str:
    """Whether windows touch and do not overlap, and none reaches over the end."""
    how, size = node.attrs, node.shape[2:]
    if why := _on_cuda(node, target):
        return why
    if how["kernel"] != how["stride"] or any(how["padding"]) or how.get("dilation", (1, 1)) != (1, 1):
        return "windows are not side by side"
    covered = [o * k for o, k in zip(node.inputs[0].shape[2:], how["kernel"], strict=True)]
    return "" if all(c <= s for c, s in zip(covered, size, strict=True)) else "a window reaches over the end"


def _made_for_cuda(op: str, name: str, lacks: Lacks, expand: Expand) -> Strategy:
    return _first(op, name, lacks, costs_cuda.COSTS[op, name], expand)


def _end_padding(node: Node) -> list[tuple[int, int]]:
    """By how much the last windows reach over the end, and the kernel size, for both axes."""
    how = node.attrs
    backward = node.op in (ops.max_pool2d_grad, ops.avg_pool2d_grad)
    pooled, image = (node.inputs[0], node) if backward else (node, node.inputs[-1])
    parts = zip(
        *(pooled.shape[2:], image.shape[2:]),
        *(how.get(key, (1, 1)) for key in ("kernel", "stride", "padding", "dilation")),
        strict=True,
    )
    return [(int((o - 1) * s + (k - 1) * d + 1 - p - n), k) for o, n, k, s, p, d in parts]


def _average_pool(node: Node, target: Target) -> str:
    if why := _convolved(node, target):
        return why
    how = node.attrs
    windows = zip(
        node.inputs[0].shape[2:], node.shape[2:], how["kernel"], how["stride"], how["padding"], strict=True
    )
    if not how["ceil_mode"] or all((o - 1) * s + k <= n + 2 * p for n, o, k, s, p in windows):
        return ""
    return "runtimes differ in what a window that reaches over the padding counts"


def _pool_transposed(node: Node, target: Target) -> str:
    if why := _convolved(node, target) or _static_image(node, target):
        return why
    if not isinstance(node.shape[1], int):
        return "the number of channels is not fixed"
    over = (end > p for (end, _), p in zip(_end_padding(node), node.attrs["padding"], strict=True))
    return "the last windows reach over the padding" if any(over) else ""


def _pool_matrix(node: Node, target: Target) -> str:
    if why := _batch_last(node, target):
        return why
    size = math.prod(int(d) for x in (node, node.inputs[0]) for d in x.shape[2:])
    return f"its matrix would have {size:,} elements" if size > LARGEST_MATRIX else ""


def _first(
    op: str,
    name: str,
    lacks: Lacks,
    cost: Callable[[Work], float],
    expand: Expand,
    instead: Expand | None = None,
) -> Strategy:
    return Strategy(op, name, NCHW, lacks, lambda w, block: cost(w), expand, instead)


def _last(op: str, name: str, lacks: Lacks, cost: Cost, expand: Expand) -> Strategy:
    return Strategy(op, name, CHWN, lacks, cost, expand)


def _plain_pool(node: Node, *operands: Node) -> Node:
    """The pool without indices, for which the one with indices is there to share (`_share_indices`)."""
    return ops.max_pool2d(operands[-1], **node.attrs)


def _lanes(op: str, cost: Callable[[Work], float], expand: Callable[..., Node]) -> Strategy:
    return Strategy(op, "lanes", NCHW, _in_lanes, lambda w, block: cost(w), expand)


TABLE: tuple[Strategy, ...] = (
    _first("conv2d", "conv", _convolved, costs.conv, keep),
    _lanes("conv2d", costs.lanes, expand_lanes.conv2d),
    _first("conv2d", "im2col", _static_image, costs.im2col, expand_nchw.conv2d),
    _first(
        "conv2d",
        "columns",
        _one_sample,
        costs.columns_conv,
        expand_nchw.conv2d_columns,
        instead=expand_nchw.columns_alone,
    ),
    _last("conv2d", "gather", _batch_last, costs.gather_conv, expand_chwn.conv2d),
    _first(
        "conv2d_weight_grad",
        "swapped_conv",
        _convolved,
        costs.swapped_conv,
        expand_nchw.conv2d_weight_grad_swapped,
    ),
    _first(
        "conv2d_weight_grad",
        "im2col",
        _static_image,
        costs.im2col_weight_grad,
        expand_nchw.conv2d_weight_grad,
    ),
    _lanes("conv2d_weight_grad", costs.lanes_weight_grad, expand_lanes.conv2d_weight_grad),
    _first(
        "conv2d_weight_grad",
        "dilated",
        _beside,
        costs.dilated_weight_grad,
        expand_nchw.conv2d_weight_grad_dilated,
    ),
    _first(
        "conv2d_weight_grad",
        "columns",
        _one_sample,
        costs.columns_weight_grad,
        expand_nchw.conv2d_weight_grad_columns,
    ),
    _last(
        "conv2d_weight_grad", "gather", _batch_last, costs.gather_weight_grad, expand_chwn.conv2d_weight_grad
    ),
    _first("conv2d_input_grad", "conv_transpose", _convolved, costs.conv_transpose, keep),
    _lanes("conv2d_input_grad", costs.lanes_input_grad, expand_lanes.conv2d_input_grad),
    _first("conv2d_input_grad", "col2im", _static_image, costs.col2im, expand_nchw.conv2d_input_grad),
    _last("conv2d_input_grad", "gather", _batch_last, costs.gather_input_grad, expand_chwn.conv2d_input_grad),
    _last(
        "conv2d_input_grad",
        "dilated",
        _dilatable,
        costs.dilated_input_grad,
        expand_chwn.conv2d_input_grad_dilated,
    ),
    _first("max_pool2d", "max_pool", _max_pool, costs.max_pool, keep),
    _first("max_pool2d", "slices", _static_image, costs.pool_taps, expand_nchw.max_pool2d),
    _last("max_pool2d", "knockout", _batch_last, costs.knockout, expand_chwn.max_pool2d),
    _first(
        "max_pool2d_grad",
        "indices",
        _indices,
        costs.pool_indices,
        expand_nchw.max_pool2d_grad_indices,
        instead=_plain_pool,
    ),
    _first("max_pool2d_grad", "slices", _static_image, costs.pool_taps_grad, expand_nchw.max_pool2d_grad),
    _last("max_pool2d_grad", "knockout", _batch_last, costs.knockout_grad, expand_chwn.max_pool2d_grad),
    _first(
        "max_pool2d_pick",
        "indices",
        _indices,
        costs.pool_indices,
        expand_nchw.max_pool2d_pick_indices,
        instead=_plain_pool,
    ),
    _first("max_pool2d_pick", "slices", _static_image, costs.pool_taps, expand_nchw.max_pool2d_pick),
    _last("max_pool2d_pick", "knockout", _batch_last, costs.knockout_grad, expand_chwn.max_pool2d_pick),
    _first("avg_pool2d", "average_pool", _average_pool, costs.pool, keep),
    _first("avg_pool2d", "slices", _static_image, costs.pool_taps, expand_nchw.avg_pool2d),
    _last("avg_pool2d", "gather", _batch_last, costs.average, expand_chwn.avg_pool2d),
    _first(
        "avg_pool2d_grad",
        "conv_transpose",
        _pool_transposed,
        costs.pool_transposed,
        expand_nchw.avg_pool2d_grad_transposed,
    ),
    _first("avg_pool2d_grad", "matrix", _pool_matrix, costs.pool_matrix, expand_nchw.avg_pool2d_grad_matrix),
    _first("avg_pool2d_grad", "slices", _static_image, costs.pool_untaps, expand_nchw.avg_pool2d_grad),
    _last("avg_pool2d_grad", "gather", _batch_last, costs.average_grad, expand_chwn.avg_pool2d_grad),
    _made_for_cuda("conv2d_weight_grad", "gathered", _on_cuda, expand_cuda.conv2d_weight_grad),
    _made_for_cuda("max_pool2d_grad", "first_equal", _side_by_side, expand_cuda.max_pool2d_grad),
    _made_for_cuda("avg_pool2d_grad", "spread", _side_by_side, expand_cuda.avg_pool2d_grad),
)


class Sharing(NamedTuple):
    """What batch-last ops make of an image first, and share: its name, what it costs, how it is made."""

    name: str
    cost: Cost
    make: probes.Make


COLUMNS = Sharing(
    "columns", costs.columns, lambda x, windows, block: [expand_chwn.columns(x, windows, block)]
)
VIEWS = Sharing("views", costs.views, lambda x, windows, block: expand_chwn.views(x, windows, -math.inf))
# The position of the image, and what forward ops and their gradients share of it.
SHARING: dict[Op, tuple[int, Sharing]] = {
    ops.conv2d: (0, COLUMNS),
    ops.conv2d_weight_grad: (0, COLUMNS),
    ops.max_pool2d: (0, VIEWS),
    ops.max_pool2d_grad: (1, VIEWS),
    ops.max_pool2d_pick: (1, VIEWS),
}
