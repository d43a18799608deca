"""Strategies: heavy ops have several expansions, of which `choose_strategies` takes the cheapest for the whole graph.

One table (`TABLE`) holds them: for an op, the name of an expansion, the layout it works in, why it cannot
compute a node (if so), what it costs there, and how it builds the node.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from ir import ops
from ir.dims import Dim, evaluate
from ir.errors import LenetcError
from ir.node import Node
from ir.op import Op
from passes.layouts.assignment import CHWN, NCHW
from passes.layouts.batch_last import Block
from passes.layouts.lowering import Expand
from passes.layouts.windows import Windows, windows_of
from passes.strategies import chwn, cuda, lanes, limits, nchw, probes
from passes.strategies.costs import Work
from passes.target import Target


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
        return cuda.costs.COSTS.get((strategy.op, strategy.name), cuda.costs.many_kernels)(work)
    return strategy.cost(work, block)


def sized(dim: Dim, sizes: Mapping[str, Dim]) -> int:
    """`dim` as a number."""
    return int(evaluate(dim, sizes))


def work(node: Node, sizes: Mapping[str, Dim], threads: int) -> Work:
    """Sizes of `node` where symbolic dims are `sizes`, on that many threads."""

    def number(dim: Dim) -> int:
        return sized(dim, sizes)

    image, pooled = limits.ends(node)
    out, kernel, *moves = windows_of(node)
    windows = Windows((number(out[0]), number(out[1])), (number(kernel[0]), number(kernel[1])), *moves)
    n, channels, height, width = map(number, image.shape)
    outputs, groups = number(pooled.shape[1]), node.attrs.get("groups", 1)
    return Work(n, channels, outputs, groups, height * width, windows, threads)


def _made_for_cuda(op: str, name: str, lacks: Lacks, expand: Expand) -> Strategy:
    return _first(op, name, lacks, cuda.costs.COSTS[op, name], expand)


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


def _lanes(op: str, cost: Callable[[Work], float], expand: Callable[..., Node]) -> Strategy:
    return Strategy(op, "lanes", NCHW, lanes.limits.in_lanes, lambda w, block: cost(w), expand)


TABLE: tuple[Strategy, ...] = (
    _first("conv2d", "conv", limits.convolved, nchw.costs.conv, keep),
    _lanes("conv2d", lanes.costs.conv, lanes.conv.conv2d),
    _first("conv2d", "im2col", nchw.limits.sliced, nchw.costs.im2col, nchw.conv.conv2d),
    _first(
        "conv2d",
        "columns",
        nchw.limits.one_sample,
        nchw.costs.columns_conv,
        nchw.conv.conv2d_columns,
        instead=nchw.conv.columns_alone,
    ),
    _last("conv2d", "gather", chwn.limits.tabled, chwn.costs.gather_conv, chwn.conv.conv2d),
    _first(
        "conv2d_weight_grad",
        "swapped_conv",
        nchw.limits.swapped,
        nchw.costs.swapped_conv,
        nchw.conv.conv2d_weight_grad_swapped,
    ),
    _first(
        "conv2d_weight_grad",
        "im2col",
        nchw.limits.sliced,
        nchw.costs.im2col_weight_grad,
        nchw.conv.conv2d_weight_grad,
    ),
    _lanes("conv2d_weight_grad", lanes.costs.conv_weight_grad, lanes.conv.conv2d_weight_grad),
    _first(
        "conv2d_weight_grad",
        "dilated",
        nchw.limits.beside,
        nchw.costs.dilated_weight_grad,
        nchw.conv.conv2d_weight_grad_dilated,
    ),
    _first(
        "conv2d_weight_grad",
        "columns",
        nchw.limits.one_sample,
        nchw.costs.columns_weight_grad,
        nchw.conv.conv2d_weight_grad_columns,
    ),
    _last(
        "conv2d_weight_grad",
        "gather",
        chwn.limits.tabled,
        chwn.costs.gather_weight_grad,
        chwn.conv.conv2d_weight_grad,
    ),
    _first("conv2d_input_grad", "conv_transpose", limits.convolved, nchw.costs.conv_transpose, keep),
    _first(
        "conv2d_input_grad",
        "turned_conv",
        nchw.limits.turned,
        nchw.costs.turned_conv,
        nchw.conv.conv2d_input_grad_turned,
    ),
    _lanes("conv2d_input_grad", lanes.costs.conv_input_grad, lanes.conv.conv2d_input_grad),
    _first("conv2d_input_grad", "col2im", nchw.limits.sliced, nchw.costs.col2im, nchw.conv.conv2d_input_grad),
    _last(
        "conv2d_input_grad",
        "gather",
        chwn.limits.tabled,
        chwn.costs.gather_input_grad,
        chwn.conv.conv2d_input_grad,
    ),
    _last(
        "conv2d_input_grad",
        "dilated",
        chwn.limits.dilatable,
        chwn.costs.dilated_input_grad,
        chwn.conv.conv2d_input_grad_dilated,
    ),
    _first("max_pool2d", "max_pool", nchw.limits.max_pool, nchw.costs.max_pool, keep),
    _first("max_pool2d", "slices", nchw.limits.sliced, nchw.costs.pool_taps, nchw.max_pool.max_pool2d),
    _last("max_pool2d", "knockout", limits.on_cpu, chwn.costs.knockout, chwn.max_pool.max_pool2d),
    _first(
        "max_pool2d_grad",
        "indices",
        nchw.limits.indices,
        nchw.costs.pool_indices,
        nchw.max_pool.max_pool2d_grad_indices,
        instead=nchw.max_pool.without_indices,
    ),
    _first(
        "max_pool2d_grad",
        "slices",
        nchw.limits.sliced,
        nchw.costs.pool_taps_grad,
        nchw.max_pool.max_pool2d_grad,
    ),
    _last(
        "max_pool2d_grad",
        "knockout",
        chwn.limits.tabled,
        chwn.costs.knockout_grad,
        chwn.max_pool.max_pool2d_grad,
    ),
    _first(
        "max_pool2d_pick",
        "indices",
        nchw.limits.indices,
        nchw.costs.pool_indices,
        nchw.max_pool.max_pool2d_pick_indices,
        instead=nchw.max_pool.without_indices,
    ),
    _first(
        "max_pool2d_pick", "slices", nchw.limits.sliced, nchw.costs.pool_taps, nchw.max_pool.max_pool2d_pick
    ),
    _last(
        "max_pool2d_pick", "knockout", limits.on_cpu, chwn.costs.knockout_grad, chwn.max_pool.max_pool2d_pick
    ),
    _first("avg_pool2d", "average_pool", nchw.limits.average_pool, nchw.costs.pool, keep),
    _first("avg_pool2d", "slices", nchw.limits.sliced, nchw.costs.pool_taps, nchw.avg_pool.avg_pool2d),
    _last("avg_pool2d", "gather", limits.on_cpu, chwn.costs.average, chwn.avg_pool.avg_pool2d),
    _first(
        "avg_pool2d_grad",
        "conv_transpose",
        nchw.limits.pool_transposed,
        nchw.costs.pool_transposed,
        nchw.avg_pool.avg_pool2d_grad_transposed,
    ),
    _first(
        "avg_pool2d_grad",
        "matrix",
        nchw.limits.pool_matrix,
        nchw.costs.pool_matrix,
        nchw.avg_pool.avg_pool2d_grad_matrix,
    ),
    _first(
        "avg_pool2d_grad",
        "slices",
        nchw.limits.sliced,
        nchw.costs.pool_untaps,
        nchw.avg_pool.avg_pool2d_grad,
    ),
    _last(
        "avg_pool2d_grad",
        "gather",
        chwn.limits.tabled,
        chwn.costs.average_grad,
        chwn.avg_pool.avg_pool2d_grad,
    ),
    _made_for_cuda("conv2d_weight_grad", "gathered", cuda.limits.on_cuda, cuda.conv.conv2d_weight_grad),
    _made_for_cuda("max_pool2d_grad", "first_equal", cuda.limits.side_by_side, cuda.max_pool.max_pool2d_grad),
    _made_for_cuda("avg_pool2d_grad", "spread", cuda.limits.side_by_side, cuda.avg_pool.avg_pool2d_grad),
)


class Sharing(NamedTuple):
    """What batch-last ops make of an image first, and share: its name, what it costs, how it is made."""

    name: str
    cost: Cost
    make: probes.Make


COLUMNS = Sharing(
    "columns", chwn.costs.columns, lambda x, windows, block: [chwn.conv.columns(x, windows, block)]
)
VIEWS = Sharing("views", chwn.costs.views, lambda x, windows, block: chwn.taps.views(x, windows, -math.inf))
# The position of the image, and what forward ops and their gradients share of it.
SHARING: dict[Op, tuple[int, Sharing]] = {
    ops.conv2d: (0, COLUMNS),
    ops.conv2d_weight_grad: (0, COLUMNS),
    ops.max_pool2d: (0, VIEWS),
    ops.max_pool2d_grad: (1, VIEWS),
    ops.max_pool2d_pick: (1, VIEWS),
}
