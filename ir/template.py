"""Templates: graphs that are built again and again over other inputs, without looking at types a second time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ir.node import Node, Where, find_node, new_node, topological


class Template:
    """What `outputs` are made of, as a function of `inputs`: leaves, or whatever else they are made of.

    Values that do not depend on `inputs` are those that they were.
    """

    def __init__(self, inputs: Sequence[Node], outputs: Sequence[Node | None]) -> None:
        wanted = [node for node in outputs if node is not None]
        place = {node: i for i, node in enumerate(inputs)}
        kept: list[Node] = []
        varying = set(inputs)
        order = [node for node in topological(inputs, wanted) if node not in place]
        for node in order:
            if any(x in varying for x in node.inputs):
                varying.add(node)
            else:
                place[node] = len(inputs) + len(kept)
                kept.append(node)
        self._kept = tuple(kept)
        self._steps: list[tuple[Any, ...]] = []
        for node in order:
            if node in varying:
                operands = [place[x] for x in node.inputs]
                given = tuple(node.attrs.values())
                self._steps.append((node.op, operands, given, node.attrs, node.type, node.where))
                place[node] = len(place)
        self.is_closed = all(node.op.name != "input" for node in kept)  # nothing else is read
        self._ends = [None if node is None else place[node] for node in outputs]

    def over(self, inputs: Sequence[Node], where: Where | None = None) -> list[Node | None]:
        """The outputs for other inputs, of the same types; with the provenance `where`, or that which they had."""
        values = [*inputs, *self._kept]
        for op, operands, given, attrs, type, own in self._steps:
            key = (op, tuple([values[i] for i in operands]), given)
            values.append(find_node(key) or new_node(key, attrs, type, where or own))
        return [None if i is None else values[i] for i in self._ends]
