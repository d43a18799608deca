"""Choice of strategies: each heavy op has several expansions; the cheapest assignment for the whole graph wins.

One table (`TABLE`) holds them: for an op, the name of an expansion, the layout it works in, whether it applies
to a node, what it costs there, and how it builds the node. `choose_strategies` assigns layouts by a minimum cut
(`passes.layout`), takes the cheapest strategy in each op's layout, and rebuilds the graph (`passes.relayout`).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ir import ops
from ir.dims import Dim, evaluate, symbols
from ir.errors import LenetcError
from ir.node import Graph, Node
from passes import costs, expand_chwn, expand_nchw
from passes.batch_last import Stored
from passes.layout import CHWN, HEAVY, NCHW, Shared, assign
from passes.relayout import Expand, Lowering, pixel_orders

if TYPE_CHECKING:
    from passes.pipeline import Target

# Dtypes for which the runtime has kernels of Conv and ConvTranspose; others go through MatMul.
CONVOLVED = ("f32", "f16")


class StrategyError(LenetcError):
    """No strategy fits an op, or an override names one that does not."""


@dataclass(frozen=True)
class Work:
    """Sizes of a heavy node as plain numbers, with the batch that costs assume."""

    n: int
    c: int  # channels of the image side
    o: int  # channels of the other side
    groups: int
    image: int  # pixels of the image
    out: int  # windows
    taps: int  # positions of a kernel

    @property
    def depth(self) -> int:
        """Rows of im2col in one group."""
        return self.c // self.groups * self.taps


@dataclass(frozen=True)
class Strategy:
    """One way to compute a heavy op. `cost` is in µs on two cores of a CPU."""

    op: str
    name: str
    layout: str
    applies: Callable[[Node, Target], bool]
    cost: Callable[[Work], float]
    expand: Expand


def keep(node: Node, *operands: Node) -> Node:
    """The op itself: the runtime has a kernel for it."""
    return node.op(*operands, **node.attrs)


def work(node: Node, target: Target) -> Work:
    """Sizes of `node`."""

    def number(dim: Dim) -> int:
        return int(evaluate(dim, dict.fromkeys(symbols(dim), target.batch)))

    how = node.attrs
    if node.op in (ops.conv2d, ops.max_pool2d, ops.max_pool2d_pick, ops.avg_pool2d):
        image, pooled = node.inputs[0], node
    elif node.op is ops.conv2d_weight_grad:
        image, pooled = node.inputs
    else:
        image, pooled = node, node.inputs[0]
    kernel = how["kernel"] if "kernel" in how else node.inputs[1].shape[2:]
    n, c, h, w = map(number, image.shape)
    _, o, oh, ow = map(number, pooled.shape)
    return Work(n, c, o, how.get("groups", 1), h * w, oh * ow, math.prod(map(number, kernel)))


def _convolved(node: Node, target: Target) -> bool:
    return node.dtype.name in CONVOLVED


def _static_image(node: Node, target: Target) -> bool:
    shapes = [x.shape[2:] for x in (node, *node.inputs) if x.rank == 4]
    return all(isinstance(size, int) for shape in shapes for size in shape)


def _batch_last(node: Node, target: Target) -> bool:
    return target.device == "cpu" and _static_image(node, target)


def _dilatable(node: Node, target: Target) -> bool:
    """Pixels can be a batch apart only where the batch is a number and windows move by single pixels."""
    return (
        _batch_last(node, target)
        and _convolved(node, target)
        and isinstance(node.shape[0], int)
        and node.attrs["stride"][1] == 1
    )


def _max_pool(node: Node, target: Target) -> bool:
    # CUDA's MaxPool was wrong for dilated windows with padding.
    return target.device == "cpu" or not (any(node.attrs["padding"]) and node.attrs["dilation"] != (1, 1))


def _indices(node: Node, target: Target) -> bool:
    # Among equal maxima CUDA's MaxPool indicates the first of a column, not of a row.
    return target.device == "cpu" and _static_image(node, target) and all(p < k for p, k in _end_padding(node))


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
    windows = zip(node.inputs[0].shape[2:], node.shape[2:], how["kernel"], how["stride"], how["padding"], strict=True)
    return not how["ceil_mode"] or all((o - 1) * s + k <= n + 2 * p for n, o, k, s, p in windows)


def _columns_cost(w: Work) -> float:
    return costs.gather(w.c * w.taps * w.out, w.n)


def _products(w: Work, count: float = 1) -> float:
    return count * costs.product(w.o, w.depth, w.n * w.out)


def _macs(w: Work) -> float:
    return w.n * w.o * w.depth * w.out


def _cheap(w: Work) -> float:
    return 10 * costs.NODE + _macs(w) / 1e5


TABLE: tuple[Strategy, ...] = (
    Strategy("conv2d", "conv", NCHW, _convolved, _cheap, keep),
    Strategy("conv2d", "im2col", NCHW, _static_image, lambda w: 4 * _cheap(w), expand_nchw.conv2d),
    Strategy("conv2d", "gather", CHWN, _batch_last, _cheap, expand_chwn.conv2d),
    Strategy("conv2d_weight_grad", "swapped_conv", NCHW, _convolved, _cheap, expand_nchw.conv2d_weight_grad_swapped),
    Strategy("conv2d_weight_grad", "im2col", NCHW, _static_image, _cheap, expand_nchw.conv2d_weight_grad),
    Strategy("conv2d_weight_grad", "gather", CHWN, _batch_last, _cheap, expand_chwn.conv2d_weight_grad),
    Strategy("conv2d_input_grad", "conv_transpose", NCHW, _convolved, _cheap, keep),
    Strategy("conv2d_input_grad", "col2im", NCHW, _static_image, lambda w: 4 * _cheap(w), expand_nchw.conv2d_input_grad),
    Strategy("conv2d_input_grad", "gather", CHWN, _batch_last, _cheap, expand_chwn.conv2d_input_grad),
    Strategy("conv2d_input_grad", "dilated", CHWN, _dilatable, _cheap, expand_chwn.conv2d_input_grad_dilated),
    Strategy("max_pool2d", "max_pool", NCHW, _max_pool, _cheap, keep),
    Strategy("max_pool2d", "knockout", NCHW, _static_image, lambda w: 4 * _cheap(w), expand_nchw.max_pool2d),
    Strategy("max_pool2d", "knockout_last", CHWN, _batch_last, _cheap, expand_chwn.max_pool2d),
    Strategy("max_pool2d_grad", "indices", NCHW, _indices, _cheap, expand_nchw.max_pool2d_grad_indices),
    Strategy("max_pool2d_grad", "knockout", NCHW, _static_image, lambda w: 4 * _cheap(w), expand_nchw.max_pool2d_grad),
    Strategy("max_pool2d_grad", "knockout_last", CHWN, _batch_last, _cheap, expand_chwn.max_pool2d_grad),
    Strategy("max_pool2d_pick", "indices", NCHW, _indices, _cheap, expand_nchw.max_pool2d_pick_indices),
    Strategy("max_pool2d_pick", "knockout", NCHW, _static_image, lambda w: 4 * _cheap(w), expand_nchw.max_pool2d_pick),
    Strategy("max_pool2d_pick", "knockout_last", CHWN, _batch_last, _cheap, expand_chwn.max_pool2d_pick),
    Strategy("avg_pool2d", "average_pool", NCHW, _average_pool, _cheap, keep),
    Strategy("avg_pool2d", "taps", NCHW, _static_image, lambda w: 4 * _cheap(w), expand_nchw.avg_pool2d),
    Strategy("avg_pool2d", "gather", CHWN, _batch_last, _cheap, expand_chwn.avg_pool2d),
    Strategy("avg_pool2d_grad", "taps", NCHW, _static_image, _cheap, expand_nchw.avg_pool2d_grad),
    Strategy("avg_pool2d_grad", "gather", CHWN, _batch_last, _cheap, expand_chwn.avg_pool2d_grad),
)


def candidates(node: Node, target: Target) -> list[Strategy]:
    """The strategies that apply to `node`; the one that an override names where there is one.

    Raises StrategyError where none applies.
    """
    known = [s for s in TABLE if s.op == node.op.name]
    fitting = [s for s in known if s.applies(node, target)]
    forced = [name for key, name in target.overrides if key in (node.op.name, node.where.module)]
    named = [s for s in fitting if s.name in forced]
    by_op = [name for key, name in target.overrides if key == node.op.name]
    if by_op and not any(s.name in by_op for s in known):
        raise StrategyError(f"{node.op.name} has no strategy {by_op[0]!r}; it has {', '.join(s.name for s in known)}")
    if not fitting:
        raise StrategyError(
            f"no strategy can compute {node!r} with {dict(node.attrs)}; give the image a fixed height and width"
        ).at(str(node.where))
    return named or fitting


def choose_strategies(graph: Graph, target: Target) -> tuple[Graph, list[str]]:
    """`graph` with its heavy ops expanded, and a note for each: module path, op, strategy, layout, estimate."""
    heavy = [node for node in graph.nodes() if node.op.name in HEAVY]
    choices: dict[Node, dict[str, tuple[float, Strategy]]] = {}
    for node in heavy:
        sides: dict[str, tuple[float, Strategy]] = {}
        for strategy in candidates(node, target):
            cost = strategy.cost(work(node, target))
            if strategy.layout not in sides or cost < sides[strategy.layout][0]:
                sides[strategy.layout] = (cost, strategy)
        choices[node] = sides
    sides_cost = {node: {layout: cost for layout, (cost, _) in sides.items()} for node, sides in choices.items()}

    def transpose_cost(value: Node) -> float:
        batch = evaluate(value.shape[0], dict.fromkeys(symbols(value.shape[0]), target.batch))
        size = evaluate(value.ty.size, {name: target.batch for dim in value.shape for name in symbols(dim)})
        return 0.0 if batch == 1 else costs.transpose(int(size))  # type: ignore[arg-type]

    layouts = assign(graph, sides_cost, _shared_columns(heavy, target), transpose_cost) if heavy else {}
    chosen = {node: choices[node][layouts[node]] for node in heavy}
    expand = {node: strategy.expand for node, (_, strategy) in chosen.items()}
    _share_indices(expand)
    notes = [
        f"{node.where.module or '-'}: {node.op.name} by {s.name} in {s.layout}, about {cost:.0f} µs"
        for node, (cost, s) in chosen.items()
    ]

    def body(inner: Graph) -> Graph:
        lowered, more = choose_strategies(inner, target)
        notes.extend(more)
        return lowered

    return Lowering(layouts, pixel_orders(graph, layouts), expand, body).graph(graph), notes


def _shared_columns(heavy: list[Node], target: Target) -> list[Shared]:
    """The columns of a convolution, which its weight gradient reads as well."""
    groups: dict[Any, list[Node]] = {}
    for node in heavy:
        if node.op in (ops.conv2d, ops.conv2d_weight_grad):
            how = node.attrs
            kernel = how["kernel"] if node.op is ops.conv2d_weight_grad else node.inputs[1].shape[2:]
            key = (node.inputs[0], kernel, how["stride"], how["padding"], how["dilation"])
            groups.setdefault(key, []).append(node)
    return [Shared(_columns_cost(work(nodes[0], target)), tuple(nodes)) for nodes in groups.values()]


def _share_indices(expand: dict[Node, Expand]) -> None:
    """Where a pool's gradient reads the indices of its maxima, the pool makes them in the same go."""
    by_indices = (expand_nchw.max_pool2d_grad_indices, expand_nchw.max_pool2d_pick_indices)
    wanted = {(node.inputs[1], tuple(node.attrs.items())) for node, e in expand.items() if e in by_indices}
    for node in expand:
        if node.op is ops.max_pool2d and expand[node] is keep and (node.inputs[0], tuple(node.attrs.items())) in wanted:
            expand[node] = expand_nchw.max_pool2d_indices
