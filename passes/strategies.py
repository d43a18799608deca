"""Choice of strategies: heavy ops have several expansions; the cheapest assignment for the whole graph wins.

One table (`TABLE`) holds them: for an op, the name of an expansion, the layout it works in, whether it
applies to a node, what it costs there, and how it builds the node. `choose_strategies` assigns layouts by a
minimum cut (`passes.layout`), takes the cheapest strategy in each op's layout, and rebuilds the graph
(`passes.relayout`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

from ir import ops
from ir.dims import Dim, evaluate, symbols
from ir.errors import LenetcError
from ir.node import Graph, Node
from ir.op import Op
from ir.types import f32
from passes import costs, expand_chwn, expand_lanes, expand_nchw
from passes.batch_last import PIXEL, Block
from passes.costs import Work
from passes.expand_chwn import Windows, windows_of
from passes.layout import CHWN, HEAVY, NCHW, Shared, assign
from passes.relayout import POOLS, Expand, Lowering, block_candidates, choose_blocks, steering

if TYPE_CHECKING:
    from passes.pipeline import Target

# Dtypes for which the runtime has kernels of Conv and ConvTranspose; others go through MatMul.
CONVOLVED = ("f32", "f16")


class StrategyError(LenetcError):
    """No strategy fits an op, or an override names one that does not."""


Applies: TypeAlias = "Callable[[Node, Target], bool]"
Cost: TypeAlias = Callable[[Work, Block], float]


@dataclass(frozen=True)
class Strategy:
    """One way to compute a heavy op. `cost` is in µs; the block is that of the image on the windows' side."""

    op: str
    name: str
    layout: str
    applies: Applies
    cost: Cost
    expand: Expand


def keep(node: Node, *operands: Node) -> Node:
    """The op itself: the runtime has a kernel for it."""
    return node.op(*operands, **node.attrs)


def _number(dim: Dim, sizes: Mapping[str, Dim]) -> int:
    return int(evaluate(dim, sizes))


def work(node: Node, sizes: Mapping[str, Dim]) -> Work:
    """Sizes of `node` where symbolic dims are `sizes`."""

    def number(dim: Dim) -> int:
        return _number(dim, sizes)

    if node.op in (ops.conv2d, *POOLS):
        image, pooled = node.inputs[0], node
    elif node.op is ops.conv2d_weight_grad:
        image, pooled = node.inputs
    else:
        image, pooled = node, node.inputs[0]
    out, kernel, *moves = windows_of(node)
    windows = Windows((number(out[0]), number(out[1])), (number(kernel[0]), number(kernel[1])), *moves)
    n, channels, height, width = map(number, image.shape)
    return Work(n, channels, number(pooled.shape[1]), node.attrs.get("groups", 1), height * width, windows)


def _convolved(node: Node, target: Target) -> bool:
    return node.dtype.name in CONVOLVED


def _static_image(node: Node, target: Target) -> bool:
    shapes = [x.shape[2:] for x in (node, *node.inputs) if x.rank == 4]
    return all(isinstance(size, int) for shape in shapes for size in shape)


def _batch_last(node: Node, target: Target) -> bool:
    return target.device == "cpu" and _static_image(node, target)


def _one_sample(node: Node, target: Target) -> bool:
    """The columns of one sample are a matrix, as they are."""
    alone = node.inputs[0].shape[0] == 1 and node.attrs["groups"] == 1
    return alone and node.dtype is f32 and _batch_last(node, target)


def _dilatable(node: Node, target: Target) -> bool:
    """Pixels can be a batch apart only where the batch is a number and windows move by single pixels."""
    return (
        _batch_last(node, target)
        and _convolved(node, target)
        and isinstance(node.shape[0], int)
        and node.shape[0] > 1
        and node.attrs["stride"][1] == 1
    )


def _in_lanes(node: Node, target: Target) -> bool:
    """Whether the runtime has kernels of this machine's lanes for a convolution, or for a gradient as one."""
    how, lanes = node.attrs, target.lanes
    if not (lanes and node.dtype is f32 and how["groups"] == 1 and _batch_last(node, target)):
        return False
    if node.op is ops.conv2d_weight_grad:
        # Samples are channels there.
        n, inputs, outputs = node.inputs[0].shape[0], int(node.shape[1]), int(node.shape[0])
        whole = isinstance(n, int) and n % lanes == inputs % lanes == outputs % lanes == 0
        return whole and how["dilation"][1] == 1
    outputs, inputs, *kernel = map(int, node.inputs[1].shape)
    if node.op is ops.conv2d:
        return expand_lanes.fits(inputs, outputs, lanes)
    whole = outputs % lanes == inputs % lanes == 0 and how["dilation"] == (1, 1)
    if how["stride"] != (1, 1):
        return whole
    return whole and all(p < k for p, k in zip(how["padding"], kernel, strict=True))


def _beside(node: Node, target: Target) -> bool:
    """Channels can lie beside the columns of one group whose kernel positions are neighbours."""
    how = node.attrs
    return (
        _batch_last(node, target)
        and _convolved(node, target)
        and how["groups"] == 1
        and how["dilation"][1] == 1
    )


def _max_pool(node: Node, target: Target) -> bool:
    # CUDA's MaxPool was wrong for dilated windows with padding.
    return target.device == "cpu" or not (any(node.attrs["padding"]) and node.attrs["dilation"] != (1, 1))


def _indices(node: Node, target: Target) -> bool:
    # Among equal maxima CUDA's MaxPool indicates the first of a column, not of a row.
    return (
        target.device == "cpu" and _static_image(node, target) and all(p < k for p, k in _end_padding(node))
    )


def _end_padding(node: Node) -> list[tuple[int, int]]:
    """By how much the last windows reach over the end, and the kernel size, for both axes."""
    how = node.attrs
    pooled = node.inputs[0] if node.op is ops.max_pool2d_grad else node
    parts = zip(
        *(pooled.shape[2:], node.inputs[-1].shape[2:]),
        *(how[key] for key in ("kernel", "stride", "padding", "dilation")),
        strict=True,
    )
    return [(int((o - 1) * s + (k - 1) * d + 1 - p - n), k) for o, n, k, s, p, d in parts]


def _average_pool(node: Node, target: Target) -> bool:
    """Runtimes differ in what a last window that reaches over the padded input counts."""
    how = node.attrs
    windows = zip(
        node.inputs[0].shape[2:], node.shape[2:], how["kernel"], how["stride"], how["padding"], strict=True
    )
    return not how["ceil_mode"] or all((o - 1) * s + k <= n + 2 * p for n, o, k, s, p in windows)


def _first(op: str, name: str, applies: Applies, cost: Callable[[Work], float], expand: Expand) -> Strategy:
    return Strategy(op, name, NCHW, applies, lambda w, block: cost(w), expand)


def _last(op: str, name: str, applies: Applies, cost: Cost, expand: Expand) -> Strategy:
    return Strategy(op, name, CHWN, applies, cost, expand)


def _lanes(op: str, cost: Callable[[Work], float], expand: Callable[..., Node]) -> Strategy:
    return Strategy(op, "lanes", NCHW, _in_lanes, lambda w, block: cost(w), expand)


TABLE: tuple[Strategy, ...] = (
    _first("conv2d", "conv", _convolved, costs.conv, keep),
    _lanes("conv2d", costs.lanes, expand_lanes.conv2d),
    _first("conv2d", "im2col", _static_image, costs.im2col, expand_nchw.conv2d),
    _first("conv2d", "columns", _one_sample, costs.columns_conv, expand_nchw.conv2d_columns),
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
    _first("max_pool2d", "max_pool", _max_pool, costs.pool, keep),
    _first("max_pool2d", "slices", _static_image, costs.pool_taps, expand_nchw.max_pool2d),
    _last("max_pool2d", "knockout", _batch_last, costs.knockout, expand_chwn.max_pool2d),
    _first("max_pool2d_grad", "indices", _indices, costs.pool_indices, expand_nchw.max_pool2d_grad_indices),
    _first("max_pool2d_grad", "slices", _static_image, costs.pool_taps, expand_nchw.max_pool2d_grad),
    _last("max_pool2d_grad", "knockout", _batch_last, costs.knockout_grad, expand_chwn.max_pool2d_grad),
    _first("max_pool2d_pick", "indices", _indices, costs.pool_indices, expand_nchw.max_pool2d_pick_indices),
    _first("max_pool2d_pick", "slices", _static_image, costs.pool_taps, expand_nchw.max_pool2d_pick),
    _last("max_pool2d_pick", "knockout", _batch_last, costs.knockout_grad, expand_chwn.max_pool2d_pick),
    _first("avg_pool2d", "average_pool", _average_pool, costs.pool, keep),
    _first("avg_pool2d", "slices", _static_image, costs.pool_taps, expand_nchw.avg_pool2d),
    _last("avg_pool2d", "gather", _batch_last, costs.average, expand_chwn.avg_pool2d),
    _first("avg_pool2d_grad", "slices", _static_image, costs.pool_taps, expand_nchw.avg_pool2d_grad),
    _last("avg_pool2d_grad", "gather", _batch_last, costs.average_grad, expand_chwn.avg_pool2d_grad),
)


# Batch-last, forward ops and their gradients share what they first make of an image: the position of that
# operand, and what it costs.
SHARING: dict[Op, tuple[int, Cost]] = {
    ops.conv2d: (0, costs.columns),
    ops.conv2d_weight_grad: (0, costs.columns),
    ops.max_pool2d: (0, costs.views),
    ops.max_pool2d_grad: (1, costs.views),
    ops.max_pool2d_pick: (1, costs.views),
}


def candidates(node: Node, target: Target) -> list[Strategy]:
    """The strategies that apply to `node`; those that overrides name, its module's before its op's.

    Raises StrategyError where none applies, or where an override names none that the op has.
    """
    known = [s for s in TABLE if s.op == node.op.name]
    fitting = [s for s in known if s.applies(node, target)]
    by_module, by_op = (
        [n for k, n in target.overrides if k == key] for key in (node.where.module, node.op.name)
    )
    if by_op and not any(s.name in by_op for s in known):
        raise StrategyError(
            f"{node.op.name} has no strategy {by_op[0]!r}; it has {', '.join(s.name for s in known)}"
        )
    if not fitting:
        raise StrategyError(
            f"no strategy computes {node!r} with {dict(node.attrs)}; give the image a fixed height and width"
        ).at(str(node.where))
    return [s for s in fitting if s.name in by_module] or [s for s in fitting if s.name in by_op] or fitting


def choose_strategies(graph: Graph, target: Target) -> tuple[Graph, list[str]]:
    """`graph` with its heavy ops expanded, and a note for each: module path, op, strategy, layout, cost."""
    notes: list[str] = []

    def body(inner: Graph) -> Graph:
        lowered, more = choose_strategies(inner, target)
        notes.extend(more)
        return lowered

    layouts, blocks, chosen = Choice(graph, target).cheapest()
    expand = {
        node: partial(s.expand, target.lanes) if s.name == "lanes" else s.expand
        for node, (_, s) in chosen.items()
    }
    _share_indices(expand)
    lowered = Lowering(layouts, blocks, expand, body).graph(graph)
    mine = [_note(node, s, cost, blocks.get(steering(node), PIXEL)) for node, (cost, s) in chosen.items()]
    return lowered, mine + notes


class Choice:
    """The search for the cheapest layouts, blocks and strategies of one graph.

    The cut is exact for given blocks of pixels, but which blocks there will be follows from the layouts. So a
    few plans are made, each priced with the blocks that it really has, and the cheapest is taken.
    """

    def __init__(self, graph: Graph, target: Target) -> None:
        self.graph = graph
        self.heavy = [node for node in graph.nodes() if node.op.name in HEAVY]
        self.sizes = {
            name: target.batch for node in graph.inputs for dim in node.shape for name in symbols(dim)
        }
        self.fitting = {node: candidates(node, target) for node in self.heavy}
        self.works = {node: work(node, self.sizes) for node in self.heavy}
        self.pair_up()

    def pair_up(self) -> None:
        """Decide on the columns that a convolution of one sample and its weight gradient share: for both, or for
        none. Their cost is counted with the gradient."""
        readers: dict[Any, list[Node]] = {}
        for node in sorted(self.heavy, key=lambda node: node.op is not ops.conv2d):
            if node.op in (ops.conv2d, ops.conv2d_weight_grad):
                readers.setdefault((node.inputs[0], windows_of(node)), []).append(node)
        for nodes in readers.values():
            self.settle(nodes)

    def settle(self, nodes: list[Node]) -> None:
        """Take from the batch-first strategies of `nodes` either those by columns, or the others (or all, where
        overrides want some of both)."""
        sides = []
        for by_columns in (True, False):
            kept = {
                node: [
                    s for s in self.fitting[node] if s.layout != NCHW or (s.name == "columns") == by_columns
                ]
                for node in nodes
            }
            found = [
                min((s.cost(self.works[n], PIXEL) for s in fits if s.layout == NCHW), default=math.inf)
                for n, fits in kept.items()
            ]
            if by_columns and all(node.op is ops.conv2d for node in nodes):
                found.append(costs.identity_columns(self.works[nodes[0]]))
            sides.append((sum(found), kept))
        cost, kept = min(sides, key=lambda side: side[0])
        if cost < math.inf:
            self.fitting.update(kept)

    def cheapest(self) -> tuple[dict[Node, str], dict[Node, Block], dict[Node, tuple[float, Strategy]]]:
        """The layout of each movable node, the block of each image, and the strategy of each heavy node."""
        if not self.heavy:
            return {}, {}, {}
        likely = {
            node: min(block_candidates(node), key=lambda b: self.in_blocks(node, b)) for node in self.heavy
        }
        plans = [self.plan(likely, (NCHW,)), self.plan(likely)]
        found = {node: plans[-1][2].get(steering(node), PIXEL) for node in self.heavy}
        plans.append(self.plan(found))
        _, layouts, blocks = min(plans, key=lambda plan: plan[0])
        chosen = {}
        for node in self.heavy:
            best = self.best(node, layouts[node], blocks.get(steering(node), PIXEL))
            assert best is not None
            chosen[node] = best
        return layouts, blocks, chosen

    def plan(
        self, wanted: Mapping[Node, Block], sides: tuple[str, ...] = (NCHW, CHWN)
    ) -> tuple[float, dict[Node, str], dict[Node, Block]]:
        """The whole cost, and layouts that are cheapest if heavy nodes work in the blocks `wanted`, and the
        blocks that follow from them. Nodes without a strategy on the first of `sides` may take either."""
        layouts, _ = self.assign(
            wanted, lambda node: sides if self.best(node, sides[0], PIXEL) else (NCHW, CHWN)
        )
        blocks, moves = choose_blocks(self.graph, layouts, self.in_blocks, self.moved)
        real = {node: blocks.get(steering(node), PIXEL) for node in self.heavy}
        _, total = self.assign(real, lambda node: (layouts[node],))
        return total + moves, layouts, blocks

    def assign(
        self, blocks: Mapping[Node, Block], sides: Callable[[Node], tuple[str, ...]]
    ) -> tuple[dict[Node, str], float]:
        """The minimum cut for given blocks, each heavy node on one of its `sides`."""
        prices: dict[Node, dict[str, float]] = {}
        groups: dict[Any, list[Node]] = {}
        for node in self.heavy:
            found = {layout: self.best(node, layout, blocks[node]) for layout in sides(node)}
            prices[node] = {layout: pair[0] for layout, pair in found.items() if pair}
            if node.op in SHARING:
                image, price = SHARING[node.op]
                groups.setdefault((node.inputs[image], price, windows_of(node), blocks[node]), []).append(
                    node
                )
        shared = [Shared(key[1](self.works[n[0]], key[3]), tuple(n)) for key, n in groups.items()]
        return assign(self.graph, prices, shared, self.transposed)

    def best(self, node: Node, layout: str, block: Block) -> tuple[float, Strategy] | None:
        """The cheapest strategy in a layout, with its cost."""
        priced = [(s.cost(self.works[node], block), s) for s in self.fitting[node] if s.layout == layout]
        return min(priced, key=lambda pair: pair[0], default=None)

    def in_blocks(self, node: Node, block: Block) -> float:
        """The cost of `node` batch-last, with what a forward op makes for its gradients to share."""
        best = self.best(node, CHWN, block)
        forward = node.op in (ops.conv2d, ops.max_pool2d)
        own = SHARING[node.op][1](self.works[node], block) if forward else 0.0
        return own + (best[0] if best else 0.0)

    def transposed(self, value: Node) -> float:
        """The cost of changing the layout of `value`."""
        return costs.transpose(_number(value.ty.size, self.sizes)) if value.shape[0] != 1 else 0.0

    def moved(self, value: Node) -> float:
        """The cost of moving the pixels of `value` about, batch-last."""
        batch = _number(value.shape[0], self.sizes)
        return costs.gather(_number(value.ty.size, self.sizes) / batch, batch)


def _note(node: Node, strategy: Strategy, cost: float, block: Block) -> str:
    where = node.where.module or node.where.phase
    layout = strategy.layout
    if layout == CHWN and block != PIXEL:
        layout += f" in blocks of {block[0]}x{block[1]}"
    return f"{where}: {node.op.name} by {strategy.name}, {layout}, about {cost:.0f} µs"


def _share_indices(expand: dict[Node, Expand]) -> None:
    """Where a pool's gradient reads the indices of its maxima, the pool makes them in the same go."""
    by_indices = (expand_nchw.max_pool2d_grad_indices, expand_nchw.max_pool2d_pick_indices)
    wanted = {(node.inputs[1], tuple(node.attrs.items())) for node, e in expand.items() if e in by_indices}
    for node in expand:
        if (
            node.op is ops.max_pool2d
            and expand[node] is keep
            and (node.inputs[0], tuple(node.attrs.items())) in wanted
        ):
            expand[node] = expand_nchw.max_pool2d_indices
