"""The choice of strategies: the cheapest assignment of layouts and expansions for a whole graph.

`choose_strategies` assigns layouts by a minimum cut (`passes.layouts.assignment`), takes the cheapest strategy in each
op's layout (`passes.strategies.table`), and rebuilds the graph (`passes.layouts.lowering`). Costs are those measured on
this machine (`passes.strategies.prices`) or estimates (`passes.strategies.costs`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cached_property, partial
from typing import Any

from ir import ops
from ir.dims import symbols
from ir.node import Graph, Node
from passes.layouts.assignment import CHWN, HEAVY, NCHW, Layouts, Shared
from passes.layouts.batch_last import PIXEL, Block
from passes.layouts.lowering import Expand, Lowering, block_candidates, choose_blocks, steering
from passes.layouts.windows import windows_of
from passes.strategies import costs, probes
from passes.strategies.nchw import conv, max_pool
from passes.strategies.nchw.costs import identity_columns
from passes.strategies.overrides import candidates, check_overrides, heavy_nodes
from passes.strategies.prices import Prices, Probe
from passes.strategies.table import SHARING, TABLE, Strategy, estimated, keep, sized, work
from passes.target import Target


def unmeasured(graph: Graph, target: Target) -> list[Probe]:
    """How to measure the prices that the choice for `graph` asks for and `target.costs` lacks.

    What it asks for depends on what is known: measure, and ask again, until nothing is left.
    """
    choice = Choice(graph, target, asking=True)
    choice.cheapest()
    found = dict(choice.prices.asked)
    for node in graph.nodes():
        for value in node.attrs.values():
            if isinstance(value, Graph):
                found.update((probe.key, probe) for probe in unmeasured(value, _within(node, target)))
    return list(found.values())


def choose_strategies(graph: Graph, target: Target) -> tuple[Graph, list[str]]:
    """`graph` with its heavy ops expanded, and a note for each: module path, op, strategy, layout, cost; what
    the alternatives cost, or why they cannot be.

    Raises StrategyError where no strategy fits an op, or an override names none.
    """
    if target.overrides and heavy_nodes(graph):
        check_overrides(graph, target)
    return _choose(graph, target)


def _choose(graph: Graph, target: Target) -> tuple[Graph, list[str]]:
    if not any(node.op.name in HEAVY or node.op is ops.scan for node in graph.nodes()):
        return graph, []
    notes: list[str] = []

    def body(scan: Node) -> Graph:
        lowered, more = _choose(scan.attrs["body"], _within(scan, target))
        notes.extend(more)
        return lowered

    choice = Choice(graph, target)
    layouts, blocks, chosen = choice.cheapest()
    expand = {node: choice.expansion(strategy) for node, (_, strategy) in chosen.items()}
    _share_indices(expand)
    lowered = Lowering(layouts, blocks, expand, body).graph(graph)
    mine = [choice.note(node, s, blocks.get(steering(node), PIXEL)) for node, (_, s) in chosen.items()]
    return lowered, mine + notes


def _within(node: Node, target: Target) -> Target:
    """The target of the bodies of `node`: what is symbolic in a tile is its own size."""
    return replace(target, batch=node.attrs["tile"], sizes=()) if node.attrs.get("tile") else target


class Choice:
    """The search for the cheapest layouts, blocks and strategies of one graph.

    The cut is exact for given blocks of pixels, but which blocks there will be follows from the layouts. So a
    few plans are made, each priced with the blocks that it really has, and the cheapest is taken.
    """

    def __init__(self, graph: Graph, target: Target, asking: bool = False) -> None:
        self.graph = graph
        self.target = target
        self.prices = Prices(target.costs, target.threads, asking)
        self._numeric: dict[Node, tuple[Node, str]] = {}
        self._best: dict[tuple[Node, str, Block], tuple[float, Strategy] | None] = {}
        self.heavy = [node for node in graph.nodes() if node.op.name in HEAVY]
        self.sizes = {
            name: target.size(name) for node in graph.inputs for dim in node.shape for name in symbols(dim)
        }
        self.fitting = {node: candidates(node, target) for node in self.heavy}
        self.works = {node: work(node, self.sizes, target.threads) for node in self.heavy}
        self.pair_up()

    @cached_property
    def network(self) -> Layouts:
        return Layouts(self.graph, self.transposed)

    def expansion(self, strategy: Strategy) -> Expand:
        """How `strategy` builds a node for the target."""
        return partial(strategy.expand, self.target.lanes) if strategy.name == "lanes" else strategy.expand

    def pair_up(self) -> None:
        """Decide on the columns that a convolution of one sample and its weight gradient share: for both, or for
        none. Their cost is counted with the gradient."""
        readers: dict[Any, list[Node]] = {}
        for node in sorted(self.heavy, key=lambda node: node.op is not ops.conv2d):
            if node.op in (ops.conv2d, ops.conv2d_weight_grad):
                readers.setdefault((node.inputs[0], windows_of(node)), []).append(node)
        for nodes in readers.values():
            if any(s.name == "columns" for node in nodes for s in self.fitting[node]):
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
                min((self.price(n, s, PIXEL) for s in fits if s.layout == NCHW), default=math.inf)
                for n, fits in kept.items()
            ]
            if by_columns and all(node.op is ops.conv2d for node in nodes):
                found.append(self.columns(nodes[0]))
            sides.append((sum(found), kept))
        cost, kept = min(sides, key=lambda side: side[0])
        if cost < math.inf:
            self.fitting.update(kept)

    def columns(self, node: Node) -> float:
        """What the columns of one sample cost where no weight gradient uses them again."""
        estimate = identity_columns(self.works[node])
        return self.prices.of(
            lambda: f"columns of one sample: {self.numeric(node)[1]}",
            estimate,
            lambda key: Probe(
                key,
                f"{node.op.name}: {self.numeric(node)[1]}",
                estimate,
                partial(probes.batch_first, self.numeric(node)[0], conv.columns_alone),
            ),
        )

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
        layouts, total = self.assign(
            wanted, lambda node: sides if self.best(node, sides[0], PIXEL) else (NCHW, CHWN)
        )
        blocks, moves = choose_blocks(self.graph, layouts, self.in_blocks, self.moved)
        real = {node: blocks.get(steering(node), PIXEL) for node in self.heavy}
        if any(layouts[node] == CHWN and real[node] != wanted[node] for node in self.heavy):
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
                image, sharing = SHARING[node.op]
                key = (node.inputs[image], sharing, windows_of(node), blocks[node])
                groups.setdefault(key, []).append(node)
        shared = [Shared(self.shared(n[0], key[3]), tuple(n)) for key, n in groups.items()]
        return self.network.assign(prices, shared)

    def best(self, node: Node, layout: str, block: Block) -> tuple[float, Strategy] | None:
        """The cheapest strategy in a layout, with its cost."""
        key = node, layout, PIXEL if layout == NCHW else block
        if key not in self._best:
            priced = [(self.price(node, s, block), s) for s in self.fitting[node] if s.layout == layout]
            self._best[key] = min(priced, key=lambda pair: pair[0], default=None)
        return self._best[key]

    def in_blocks(self, node: Node, block: Block) -> float:
        """The cost of `node` batch-last, with what a forward op makes for its gradients to share."""
        best = self.best(node, CHWN, block)
        forward = node.op in (ops.conv2d, ops.max_pool2d)
        own = self.shared(node, block) if forward else 0.0
        return own + (best[0] if best else 0.0)

    def numeric(self, node: Node) -> tuple[Node, str]:
        """`node` alone, with numbers for sizes; and what prices for it depend on, in a line."""
        if node not in self._numeric:
            alone = probes.numeric(node, self.sizes)
            self._numeric[node] = alone, probes.what(alone)
        return self._numeric[node]

    def price(self, node: Node, strategy: Strategy, block: Block) -> float:
        """What `strategy` costs, without what batch-last ops share."""

        if strategy.layout == NCHW:
            block = PIXEL

        def key() -> str:
            return f"{node.op.name} by {strategy.name}{probes.in_blocks(block)}: {self.numeric(node)[1]}"

        def probe(name: str) -> Probe:
            alone, what = self.numeric(node)
            group = f"{node.op.name}: {what}"
            if strategy.layout == NCHW:
                whole, instead = (
                    partial(probes.batch_first, alone, self.expansion(strategy)),
                    strategy.instead,
                )
                without = None if instead is None else partial(probes.batch_first, alone, instead)
                return Probe(name, group, estimate, whole, without)
            without = partial(self._make_shared, node, block) if node.op in SHARING else None
            return Probe(
                name, group, estimate, partial(probes.batch_last, alone, strategy.expand, block), without
            )

        estimate = estimated(strategy, self.works[node], block, self.target)
        return self.prices.of(key, estimate, probe)

    def shared(self, node: Node, block: Block) -> float:
        """What it costs to make what batch-last ops share."""
        image, sharing = SHARING[node.op]

        def key() -> str:
            x = self.numeric(node)[0].inputs[image].type
            how = "; ".join(f"{k}={v}" for k, v in windows_of(node)._asdict().items()).replace(" ", "")
            return f"{sharing.name}{probes.in_blocks(block)}: {x} {how.replace(';', ' ')}"

        def probe(name: str) -> Probe:
            group = f"{node.op.name}: {self.numeric(node)[1]}"
            return Probe(name, group, estimate, partial(self._make_shared, node, block))

        estimate = sharing.cost(self.works[node], block)
        return self.prices.of(key, estimate, probe)

    def _make_shared(self, node: Node, block: Block) -> Graph:
        image, sharing = SHARING[node.op]
        return probes.shared(self.numeric(node)[0], image, sharing.make, block)

    def transposed(self, value: Node) -> float:
        """The cost of changing the layout of `value`."""
        if value.shape[0] == 1:
            return 0.0
        n, size = sized(value.shape[0], self.sizes), sized(value.ty.size, self.sizes)
        return self.prices.of(
            lambda: f"turned: {value.dtype}[{n},{size // n}]",
            costs.transpose(size),
            lambda key: Probe(
                key,
                "layouts",
                costs.transpose(size),
                partial(probes.turned, n, size // n, value.dtype),
                share=0.5,
            ),
        )

    def moved(self, value: Node) -> float:
        """The cost of moving the pixels of `value` about, batch-last."""
        n, size = sized(value.shape[0], self.sizes), sized(value.ty.size, self.sizes)
        estimate = costs.gather(size / n, n)
        return self.prices.of(
            lambda: f"moved: {value.dtype}[{size // n},{n}]",
            estimate,
            lambda key: Probe(key, "layouts", estimate, partial(probes.moved, size // n, n, value.dtype)),
        )

    def note(self, node: Node, chosen: Strategy, block: Block) -> str:
        """What was chosen for `node`, and what else there is."""
        where = node.where.module or node.where.phase
        layout = chosen.layout
        if layout == CHWN and block != PIXEL:
            layout += f" in blocks of {block[0]}x{block[1]}"
        others = []
        for s in TABLE:
            if s.op == node.op.name and s is not chosen:
                why = s.lacks(node, self.target)
                others.append(f"not {s.name}: {why}" if why else f"{s.name}: {self._told(node, s, block)}")
        line = f"{where}: {node.op.name} by {chosen.name}, {layout}, about {self._told(node, chosen, block)}"
        return "; ".join([line, *others])

    def _told(self, node: Node, strategy: Strategy, block: Block) -> str:
        """The price of a strategy as notes tell it."""
        if strategy.layout == NCHW:
            return f"{self.price(node, strategy, PIXEL):.0f} µs"
        cost = f"{self.price(node, strategy, block):.0f}"
        return f"{cost} + {self.shared(node, block):.0f} shared µs" if node.op in SHARING else f"{cost} µs"


def _share_indices(expand: dict[Node, Expand]) -> None:
    """Where a pool's gradient reads the indices of its maxima, the pool makes them in the same go."""
    by_indices = (max_pool.max_pool2d_grad_indices, max_pool.max_pool2d_pick_indices)
    wanted = {(node.inputs[1], tuple(node.attrs.items())) for node, e in expand.items() if e in by_indices}
    for node in expand:
        if (
            node.op is ops.max_pool2d
            and expand[node] is keep
            and (node.inputs[0], tuple(node.attrs.items())) in wanted
        ):
            expand[node] = max_pool.max_pool2d_indices
