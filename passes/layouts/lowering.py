"""Rebuild a graph under an assignment of layouts, blocks and strategies."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ir import ops
from ir.node import Graph, Node, Where, build_at, building_at, users
from passes.layouts.assignment import CHWN, ELEMENTWISE, HEAVY, REDUCTIONS, batched_operands
from passes.layouts.batch_last import (
    PIXEL,
    Block,
    Stored,
    fits,
    operand,
    parameter,
    store,
    swap,
    to_batch_first,
    to_batch_last,
)
from passes.layouts.windows import planes_of, windows_of
from passes.rewrite.driver import rebuilt

# How to build a heavy node: (node, *operands) batch-first, (node, block of the result, *operands) batch-last.
Expand = Callable[..., "Node | Stored"]
POOLS = frozenset((ops.max_pool2d, ops.max_pool2d_pick, ops.avg_pool2d))
POOL_GRADIENTS = frozenset((ops.max_pool2d_grad, ops.avg_pool2d_grad))


def steering(node: Node) -> Node:
    """The image whose block decides how a heavy node works."""
    if node.op in (ops.conv2d, ops.avg_pool2d_grad, ops.max_pool2d_grad):
        return node
    return node.inputs[1 if node.op in (ops.conv2d_weight_grad, ops.max_pool2d_pick) else 0]


def block_candidates(node: Node) -> tuple[Block, ...]:
    """Blocks in which `node` would like its steering image: pixels alone, then larger ones."""
    windows, image = windows_of(node), steering(node)
    if node.op in POOLS or node.op in POOL_GRADIENTS:
        planes = planes_of(windows, image.shape[2:])
        return (PIXEL,) if planes is None else (PIXEL, planes)
    return (PIXEL, (2, 2)) if max(windows.kernel) > 1 and fits(windows.out, (2, 2)) else (PIXEL,)


def choose_blocks(
    graph: Graph,
    layouts: Mapping[Node, str],
    cost: Callable[[Node, Block], float],
    move: Callable[[Node], float],
) -> tuple[dict[Node, Block], float]:
    """The block of each batch-last image, single pixels where it is not listed; and what moving pixels costs.

    Images tied by elementwise operations share one block: the one for which the heavy operations on them
    (`cost`, in µs) and what it takes to `move` pixels for others are cheapest together.
    """
    group: dict[Node, Node] = {}

    def find(node: Node) -> Node:
        while group.setdefault(node, node) is not node:
            group[node] = group[group[node]]  # half the way next time
            node = group[node]
        return node

    inside = [node for node in graph.nodes() if layouts.get(node) == CHWN]
    for node in inside:
        tied = (
            batched_operands(node)
            if node.op in ELEMENTWISE
            else (1,)
            if node.op is ops.max_pool2d_grad
            else ()
        )
        for i in tied:
            if node.inputs[i].shape[2:] == node.shape[2:]:
                group[find(node.inputs[i])] = find(node)
    heavy: dict[Node, list[Node]] = {}
    for node in inside:
        if node.op.name in HEAVY:
            heavy.setdefault(find(steering(node)), []).append(node)
    table, outputs = users(graph), set(graph.outputs)
    members: dict[Node, list[Node]] = {}
    for value in table:
        if find(value) in heavy:
            members.setdefault(find(value), []).append(value)
    chosen: dict[Node, Block] = {}
    spent = 0.0
    for root, nodes in heavy.items():
        totals: dict[Block, float] = {}
        moves: dict[Block, float] = {}
        for block in dict.fromkeys(block for node in nodes for block in block_candidates(node)):
            moves[block] = 0.0
            if block != PIXEL:
                for value in members[root]:
                    made = layouts.get(value) == CHWN and (
                        value.op in ELEMENTWISE or (value.op.name in HEAVY and value.op not in POOLS)
                    )
                    read = value not in outputs and all(
                        _reads_blocks(user, i, layouts)
                        for user in table[value]
                        for i, x in enumerate(user.inputs)
                        if x is value
                    )
                    moves[block] += move(value) * ((not made) + (not read))
            totals[block] = moves[block] + sum(cost(node, block) for node in nodes)
        chosen[root] = min(totals, key=lambda block: totals[block])
        spent += moves[chosen[root]]
    return {value: chosen[root] for root, values in members.items() for value in values}, spent


def _reads_blocks(user: Node, position: int, layouts: Mapping[Node, str]) -> bool:
    """Whether `user` reads an image in blocks as well as in single pixels (pools count it in their cost)."""
    if user.op in REDUCTIONS:
        return bool(user.attrs["axes"] == (0, 2, 3))
    if layouts.get(user) != CHWN:
        return False
    return user.op in ELEMENTWISE or (
        user.op.name in HEAVY and not (user.op in POOL_GRADIENTS and position == 0)
    )


class Lowering:
    """Builds each node in the layout it was assigned; converts a value when it is first read in the other."""

    def __init__(
        self,
        layouts: Mapping[Node, str],
        blocks: Mapping[Node, Block],
        expand: Mapping[Node, Expand],
        body: Callable[[Node], Graph],
    ) -> None:
        self.layouts = layouts
        self.blocks = blocks
        self.expand = expand
        self.body = body
        self.firsts: dict[Node, Node] = {}
        self.lasts: dict[Node, Stored] = {}

    def graph(self, graph: Graph) -> Graph:
        """`graph` rebuilt."""
        with building_at(Where()):
            for node in graph.nodes():
                build_at(node.where)
                result = self.build(node)
                if isinstance(result, Stored):
                    self.lasts[node] = result
                else:
                    self.firsts[node] = result
        return graph.with_outputs(self.first(node) for node in graph.outputs)

    def first(self, value: Node) -> Node:
        """`value` batch-first."""
        if value not in self.firsts:
            self.firsts[value] = to_batch_first(self.lasts[value])
        return self.firsts[value]

    def last(self, value: Node) -> Stored:
        """`value` batch-last."""
        if value not in self.lasts:
            self.lasts[value] = to_batch_last(self.firsts[value])
        return self.lasts[value]

    def build(self, node: Node) -> Node | Stored:
        """`node` in the layout it was assigned."""
        if node.op is ops.input:
            return node
        inside = self.layouts.get(node) == CHWN
        if node in self.expand:
            batched = HEAVY[node.op.name] if inside else ()
            operands = [self.last(x) if i in batched else self.first(x) for i, x in enumerate(node.inputs)]
            return self.expand[node](node, *([self.blocks.get(node, PIXEL)] if inside else []), *operands)
        if inside:
            return self.batch_last(node)
        if node.inputs and node.inputs[0] in self.lasts and node.inputs[0] not in self.firsts:
            stored = self.lasts[node.inputs[0]]
            if node.op is ops.transpose and node.attrs["perm"] == (1, 0):
                return stored.natural()
            if node.op in REDUCTIONS and 0 in node.attrs["axes"]:
                return self.reduced(node, stored)
        inputs = tuple([self.first(x) for x in node.inputs])
        attrs: Mapping[str, Any] = node.attrs
        if node.op is ops.scan:
            attrs = {**attrs, "body": self.body(node)}
        return rebuilt(node, inputs, attrs)

    def reduced(self, node: Node, x: Stored) -> Node:
        """A reduction over the batch and other axes."""
        axes = node.attrs["axes"]
        if x.block != PIXEL and axes == (0, 2, 3):
            result = node.op(x.node, axes=axes)
        else:
            result = node.op(x.natural(), axes=tuple(sorted((axis - 1) % len(x.shape) for axis in axes)))
        return result if result.shape == node.shape else ops.reshape(result, shape=node.shape)

    def batch_last(self, node: Node) -> Stored:
        """An operation that keeps the leading axis, on operands stored batch-last."""
        batched, attrs = batched_operands(node), dict(node.attrs)
        if node.op in ELEMENTWISE:
            block = self.blocks.get(node, PIXEL)
            operands = [
                operand(self.last(x), node.shape, block)
                if i in batched
                else parameter(self.first(x), node.shape, block)
                for i, x in enumerate(node.inputs)
            ]
            return store(node.shape, node.op(*operands, **attrs), block)
        if node.op is ops.broadcast_to and not batched:
            source = parameter(self.first(node.inputs[0]), node.shape, PIXEL)
            return store(node.shape, ops.broadcast_to(source, shape=(*node.shape[1:], node.shape[0])))
        if node.op is ops.matmul:
            return store(node.shape, swap(self.first(node.inputs[1])) @ self.last(node.inputs[0]).natural())
        moved: dict[str, Any] = {}
        for key, value in attrs.items():
            if key in ("low", "high", "starts", "stops", "steps"):
                moved[key] = (*value[1:], value[0])
            elif key == "shape":
                moved[key] = (*node.shape[1:], node.shape[0])
            elif key == "axis":
                moved[key] = value - 1
            elif key == "axes":
                moved[key] = tuple(axis - 1 for axis in value)
            else:
                moved[key] = value
        return store(node.shape, node.op(*(self.last(x).natural() for x in node.inputs), **moved))
