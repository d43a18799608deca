"""Weights that stand in bodies of If, Loop and Scan are the graph's: they are the same in each step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from ir.types import Array
from lenetc.importer.names import free
from lenetc.importer.records import OnnxGraph, OnnxNode

# Operators whose results may be weights, as folding has it.
_HOLD = ("Constant", "ConstantOfShape", "DequantizeLinear")


def lifted(graph: OnnxGraph) -> OnnxGraph:
    """`graph` with the initializers and the constants of its bodies, under their names if no other has them."""
    lift = _Lift(dict(graph.initializers), [], set(graph.own), set(graph.initializers))
    nodes = [lift.node(node, {}) for node in graph.nodes]
    return replace(graph, initializers=lift.initializers, nodes=(*lift.constants, *nodes))


@dataclass
class _Lift:
    """What has been lifted. taken: names that are no longer free; fixed: those of values that are the same for ever."""

    initializers: dict[str, Array]
    constants: list[OnnxNode]
    taken: set[str]
    fixed: set[str]

    def node(self, node: OnnxNode, names: Mapping[str, str]) -> OnnxNode:
        """`node` without what its bodies hold. names: what values around it are called now."""
        attributes: dict[str, Any] = {
            key: self._body(value, names) if isinstance(value, OnnxGraph) else value
            for key, value in node.attributes.items()
        }
        inputs = tuple(names.get(name, name) for name in node.inputs)
        if inputs == node.inputs and not node.bodies:
            return node
        return replace(node, inputs=inputs, attributes=attributes)

    def _body(self, body: OnnxGraph, around: Mapping[str, str]) -> OnnxGraph:
        own = body.own
        names = {name: new for name, new in around.items() if name not in own}
        for name, array in body.initializers.items():
            names[name] = self._name(name)
            self.initializers[names[name]] = array
        nodes = []
        for node in body.nodes:
            made = self.node(node, names)
            if (
                node.operator in _HOLD
                and not node.domain
                and self.fixed.issuperset(filter(None, made.inputs))
            ):
                names.update((name, self._name(name)) for name in node.outputs if name)
                self.constants.append(
                    replace(made, outputs=tuple(names.get(name, "") for name in node.outputs))
                )
            else:
                nodes.append(made)
        outputs = tuple(replace(port, name=names.get(port.name, port.name)) for port in body.outputs)
        return replace(body, nodes=tuple(nodes), outputs=outputs, initializers={})

    def _name(self, name: str) -> str:
        found = free(name, self.taken)
        self.taken.add(found)
        self.fixed.add(found)
        return found
