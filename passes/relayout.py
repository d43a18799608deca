"""Rebuild a graph under an assignment of layouts, strategies and pixel orders."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from functools import reduce
from typing import Any

from ir import ops
from ir.node import Graph, Node, building_at, users
from passes.batch_last import (
    NATURAL,
    Order,
    Stored,
    operand,
    parameter,
    phases,
    reshape,
    store,
    swap,
    to_batch_first,
    to_batch_last,
)
from passes.layout import CHWN, ELEMENTWISE, HEAVY, REDUCTIONS, batched_operands

# How to build a heavy node from its operands: nodes batch-first, or Stored batch-last with the order wanted.
Expand = Callable[..., "Node | Stored"]


def pixel_orders(graph: Graph, layouts: Mapping[Node, str]) -> dict[Node, Order]:
    """The order of the pixels of each batch-last image, natural where it is not listed.

    Images tied by elementwise operations share one order. Where pools want theirs in phases, they get them,
    unless putting pixels back in place for others would move more data than it saves.
    """
    group: dict[Node, Node] = {}

    def find(node: Node) -> Node:
        while group.setdefault(node, node) is not node:
            node = group[node]
        return node

    inside = [node for node in graph.nodes() if layouts.get(node) == CHWN]
    for node in inside:
        tied = batched_operands(node) if node.op in ELEMENTWISE else (1,) if node.op is ops.max_pool2d_grad else ()
        for i in tied:
            if node.inputs[i].shape[2:] == node.shape[2:]:
                group[find(node.inputs[i])] = find(node)
    wishes: dict[Node, Counter[Order]] = {}
    natural: dict[Node, set[Node]] = {}  # images of a group that someone makes or needs in the natural order
    for node in inside:
        for image, order in _wishes(node):
            wishes.setdefault(find(image), Counter())[order] += 1
    table = users(graph)
    outputs = set(graph.outputs)
    for value in table:
        if find(value) not in wishes:
            continue
        made = layouts.get(value) == CHWN and _makes_any_order(value)
        read = value not in outputs and all(
            _reads_any_order(user, i, layouts) for user in table[value] for i, x in enumerate(user.inputs) if x is value
        )
        if not (made and read):
            natural.setdefault(find(value), set()).add(value)
    chosen = {}
    for root, wanted in wishes.items():
        order, votes = wanted.most_common(1)[0]
        if order != NATURAL and len(natural.get(root, ())) <= votes:
            chosen[root] = order
    return {node: chosen[find(node)] for node in table if find(node) in chosen}


def _wishes(node: Node) -> list[tuple[Node, Order]]:
    how = node.attrs
    if node.op in (ops.max_pool2d, ops.avg_pool2d, ops.max_pool2d_pick):
        images, size, out = node.inputs, node.inputs[0].shape[2:], node.shape[2:]
    elif node.op in (ops.max_pool2d_grad, ops.avg_pool2d_grad):
        images, size, out = (*node.inputs[1:], node), node.shape[2:], node.inputs[0].shape[2:]
    else:
        return []
    order = phases(size, out, how["kernel"], how["stride"], how["padding"], how.get("dilation", (1, 1)))
    return [(image, order) for image in images]


def _makes_any_order(node: Node) -> bool:
    if node.op in ELEMENTWISE:
        return True
    if node.op is ops.conv2d:
        return tuple(node.inputs[1].shape[2:]) != (1, 1)
    return node.op in (ops.max_pool2d_grad, ops.avg_pool2d_grad)


def _reads_any_order(user: Node, position: int, layouts: Mapping[Node, str]) -> bool:
    if user.op in REDUCTIONS:
        return user.attrs["axes"] == (0, 2, 3)
    if layouts.get(user) != CHWN:
        return False
    if user.op in ELEMENTWISE or user.op in (ops.max_pool2d, ops.avg_pool2d, ops.max_pool2d_pick):
        return True
    return position == 1 and user.op in (ops.conv2d_weight_grad, ops.max_pool2d_grad)


class Lowering:
    """Builds each node in the layout it was assigned; converts a value when it is first read in the other."""

    def __init__(
        self,
        layouts: Mapping[Node, str],
        orders: Mapping[Node, Order],
        expand: Mapping[Node, Expand],
        body: Callable[[Graph], Graph],
    ) -> None:
        self.layouts = layouts
        self.orders = orders
        self.expand = expand
        self.body = body
        self.firsts: dict[Node, Node] = {}
        self.lasts: dict[Node, Stored] = {}

    def graph(self, graph: Graph) -> Graph:
        for node in graph.nodes():
            with building_at(node.where):
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
        if node.op is ops.input:
            return node
        inside = self.layouts.get(node) == CHWN
        if node in self.expand:
            batched = HEAVY[node.op.name] if inside else ()
            operands = [self.last(x) if i in batched else self.first(x) for i, x in enumerate(node.inputs)]
            return self.expand[node](node, *([self.orders.get(node, NATURAL)] if inside else []), *operands)
        if inside:
            return self.batch_last(node)
        if node.inputs and node.inputs[0] in self.lasts and node.inputs[0] not in self.firsts:
            stored = self.lasts[node.inputs[0]]
            if node.op is ops.transpose and node.attrs["perm"] == (1, 0):
                return stored.natural()
            if node.op in REDUCTIONS and 0 in node.attrs["axes"]:
                return self.reduced(node, stored)
        attrs = {k: self.body(v) if isinstance(v, Graph) else v for k, v in node.attrs.items()}
        return node.op(*(self.first(x) for x in node.inputs), **attrs)

    def reduced(self, node: Node, x: Stored) -> Node:
        """A reduction over the batch and other axes."""
        axes = node.attrs["axes"]
        if x.order and axes == (0, 2, 3):
            join = ops.add if node.op is ops.sum else ops.maximum
            return reshape(reduce(join, [node.op(piece, axes=(1, 2)) for piece in x.pieces]), node.shape)
        moved = tuple(sorted((axis - 1) % len(x.shape) for axis in axes))
        return reshape(node.op(x.natural(), axes=moved), node.shape)

    def batch_last(self, node: Node) -> Stored:
        """An operation that keeps the leading axis, on operands stored batch-last."""
        batched, attrs = batched_operands(node), dict(node.attrs)
        if node.op in ELEMENTWISE:
            order = self.orders.get(node, NATURAL)
            pieces = [
                operand(self.last(x), node.shape, order) if i in batched else parameter(self.first(x), node.shape, order)
                for i, x in enumerate(node.inputs)
            ]
            return Stored(node.shape, tuple(node.op(*xs, **attrs) for xs in zip(*pieces, strict=True)), order)
        if node.op is ops.broadcast_to and not batched:
            (source,) = parameter(self.first(node.inputs[0]), node.shape, NATURAL)
            return store(node.shape, ops.broadcast_to(source, shape=(*node.shape[1:], node.shape[0])))
        if node.op is ops.matmul:
            w = self.first(node.inputs[1])
            return store(node.shape, swap(w) @ self.last(node.inputs[0]).natural())
        operands = [self.last(x).natural() for x in node.inputs]
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
        return store(node.shape, node.op(*operands, **moved))
