"""The order of a model's nodes in the file that a session loads.

ONNX Runtime sorts a model's nodes some hundred times while it loads it, and looks through all those that wait each
time that one more can run: the time grows with the nodes times those that wait, which in the step of a large network
are most of its second half (masks, momentum, gradients of weights). The order of the file decides which these are.
Between equals the runtime executes in the order of the file as well, so that another order is not free: steps of
thousands of small operators take up to a tenth longer. So small models keep theirs.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from onnx import GraphProto, ModelProto, NodeProto

_MUCH = 10_000_000  # nodes times nodes that wait: some five seconds


def to_file(model: ModelProto) -> bytes:
    """`model` as a file to load; with its nodes in another order where loading it would take long."""
    nodes = model.graph.node
    if len(nodes) ** 2 < _MUCH or waiting(nodes) < _MUCH:
        return bytes(model.SerializeToString())
    ordered = ModelProto()
    ordered.CopyFrom(model)
    del ordered.graph.node[:]
    ordered.graph.node.extend(nodes[i] for i in as_they_can_run(producers(nodes)))
    return bytes(ordered.SerializeToString())


def waiting(nodes: Sequence[NodeProto]) -> int:
    """For all nodes together how many could run and wait, whenever one is next in the file."""
    maker = _makers(nodes)
    return sum(
        i - max([maker.get(value, -1) for value in _read(node)], default=-1) for i, node in enumerate(nodes)
    )


def producers(nodes: Sequence[NodeProto]) -> list[set[int]]:
    """For each node the positions of those whose values it reads."""
    maker = _makers(nodes)
    return [{maker[value] for value in _read(node) if value in maker} for node in nodes]


def _makers(nodes: Sequence[NodeProto]) -> dict[str, int]:
    maker = {value: i for i, node in enumerate(nodes) for value in node.output}
    maker.pop("", None)  # a result that nobody wants
    return maker


def _read(node: NodeProto) -> Sequence[str]:
    """Names of the values that a node reads, in its bodies too."""
    inside = [value for body in bodies(node) for inner in body.node for value in _read(inner)]
    return [*node.input, *inside] if inside else node.input


def bodies(node: NodeProto) -> list[GraphProto]:
    """The graphs in a node, by which it works."""
    if node.op_type not in ("Scan", "Loop", "If"):
        return []
    return [attribute.g for attribute in node.attribute if attribute.HasField("g")]


def as_they_can_run(reads: Sequence[set[int]]) -> list[int]:
    """Positions of the nodes, those first that can run first."""
    missing = [len(made) for made in reads]
    readers: list[list[int]] = [[] for _ in reads]
    for i, made in enumerate(reads):
        for j in made:
            readers[j].append(i)
    ready = deque(i for i, count in enumerate(missing) if not count)
    order = []
    while ready:
        i = ready.popleft()
        order.append(i)
        for reader in readers[i]:
            missing[reader] -= 1
            if not missing[reader]:
                ready.append(reader)
    return order
