"""Weights that several nodes share, because the network does, or because its exporter made one of equal ones."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from lenetc.importer.errors import OnnxError
from lenetc.importer.graph.gradients import readers
from lenetc.importer.names import Names, free, selected
from lenetc.importer.records import OnnxGraph, OnnxNode

if TYPE_CHECKING:
    from lenetc.importer.weights.roles import Weight

# Nodes that hand on a whole weight, if in another form.
_VIEWS = ("Identity", "Transpose", "Cast", "Reshape", "Squeeze", "Unsqueeze", "Flatten")
_PARTS = ("Slice", "Split", "Gather", "Shape", "Size")

_Reads = Mapping[str, list[tuple[OnnxNode, int]]]


@dataclass(frozen=True, eq=False)
class Use:
    """A node that uses a weight: at which inputs, and the nodes that hand it on to there, first to last."""

    node: OnnxNode
    positions: tuple[int, ...]
    through: tuple[OnnxNode, ...]


def uses(name: str, reads: _Reads, through: tuple[OnnxNode, ...] = ()) -> list[Use]:
    """The uses of the value `name`, in the order of the file; those that hand it on come last."""
    found: dict[OnnxNode, Use] = {}
    views: list[Use] = []
    for node, position in reads.get(name, []):
        if node.operator in _VIEWS and not node.domain and position == 0 and len(through) < 20:
            views += uses(node.outputs[0], reads, (*through, node))
            continue
        before = found[node].positions if node in found else ()
        found[node] = Use(node, (*before, position), through)
    return [*found.values(), *views]


def ties(name: str, reads: _Reads, gradients: Mapping[str, list[OnnxNode]]) -> tuple[OnnxNode, ...]:
    """The nodes that share the weight `name`, nothing where there is but one; parts of one weight share nothing."""
    return tuple(use.node for use in _shared(name, reads, gradients))


def _shared(name: str, reads: _Reads, gradients: Mapping[str, list[OnnxNode]]) -> list[Use]:
    found = [use for use in uses(name, reads) if _is_reached(use, name, gradients)]
    whole = [use for use in found if use.node.operator not in _PARTS or use.positions != (0,)]
    gathered = [use for use in found if use.node.operator == "Gather" and use.positions == (0,)]
    shared = whole + gathered if whole or len(gathered) == len(found) else []
    return shared if len(shared) > 1 else []


def _is_reached(use: Use, name: str, gradients: Mapping[str, list[OnnxNode]]) -> bool:
    value = use.through[-1].outputs[0] if use.through else name
    return use.node in gradients.get(value, ())


def untied(
    graph: OnnxGraph, found: list[Weight], untie: Names | bool, gradients: Mapping[str, list[OnnxNode]]
) -> tuple[OnnxGraph, dict[str, str]]:
    """`graph` with a copy of each weight that `untie` names, or of all for True, for each node that shares it; and the
    name in the file of each copy.

    A copy is called after what the file says of it: the Identity that hands it on, the module of its node, its node.
    Raises OnnxError for names that nothing shares.
    """
    tied = {weight.name for weight in found if weight.tied}
    if untie is True:
        wanted = tied
    else:
        exact, matched = selected(untie or (), {weight.name for weight in found}, "untie")
        if alone := sorted(exact - tied):
            raise OnnxError(f"untie: {', '.join(map(repr, alone))}: no two nodes share that")
        wanted = (exact | matched) & tied
    reads = readers(graph)
    plan = {weight.name: _shared(weight.name, reads, gradients) for weight in found if weight.name in wanted}
    arrays = {weight.name: weight.array for weight in found}
    copies: dict[str, str] = {}
    initializers = dict(graph.initializers)
    replaced: dict[OnnxNode, dict[int, str]] = {}
    before: dict[OnnxNode, list[OnnxNode]] = {}
    taken = {*initializers, *(name for node in graph.nodes for name in node.outputs)}
    for name, shared in plan.items():
        owner = next((use for use in shared if not use.through), shared[0])
        kept = {output for node in owner.through for output in node.outputs}
        for use in shared:
            if use is owner:
                continue
            ends = {node.outputs[0] for node in use.through if node.operator == "Identity"} - kept
            copy = free(_derived(name, use, owner), (taken - ends) | copies.keys())
            taken.add(copy)
            copies[copy] = name
            initializers[copy] = arrays[name].copy()
            value = copy
            for node in use.through:
                if node.operator == "Identity":
                    continue
                output = free(f"{node.outputs[0]}_of_{copy}", taken)
                taken.add(output)
                again = replace(node, inputs=(value, *node.inputs[1:]), outputs=(output,))
                before.setdefault(use.node, []).append(again)
                value = output
            replaced.setdefault(use.node, {}).update(dict.fromkeys(use.positions, value))
    inner = {
        copy: replace(graph.inner[name], name=copy) for copy, name in copies.items() if name in graph.inner
    }
    return (
        replace(
            _rewired(graph, replaced, before, set(copies)),
            initializers=initializers,
            inner={**graph.inner, **inner},
        ),
        copies,
    )


def _derived(name: str, use: Use, owner: Use) -> str:
    """What the copy of the weight `name` for `use` is called."""
    for node in use.through:
        if node.operator == "Identity" and not re.search(r"_output_\d+$|^\d+$", node.outputs[0]):
            return node.outputs[0]
    module, own, path = (text.split(".") for text in (module_of(use.node), module_of(owner.node), name))
    if module != [""] and own != [""]:
        # As the weight is called beside the module of its own node, so is the copy.
        common = next(
            (i for i, (a, b) in enumerate(zip(own, path, strict=False)) if a != b), min(len(own), len(path))
        )
        rest = own[common:]
        if module[len(module) - len(rest) :] == rest:
            return ".".join([*module[: len(module) - len(rest)], *path[common:]])
    return ".".join([*module, path[-1]]) if module != [""] else f"{name}_of_{use.node.name}"


def module_of(node: OnnxNode) -> str:
    """The module of PyTorch's that a node comes from: as the newer exporter says, or the older one in names such as
    "/layers.0/norm/Add"."""
    if node.module or not node.name.startswith("/"):
        return node.module
    return ".".join(node.name.split("/")[1:-1])


def _rewired(
    graph: OnnxGraph,
    replaced: Mapping[OnnxNode, Mapping[int, str]],
    before: Mapping[OnnxNode, list[OnnxNode]],
    copies: set[str],
) -> OnnxGraph:
    """`graph`, its bodies included, with other inputs of some nodes and new nodes before them."""
    nodes: list[OnnxNode] = []
    for node in graph.nodes:
        if node.operator == "Identity" and node.outputs[0] in copies:
            continue  # its name is that of a copy now
        bodies = {
            key: _rewired(value, replaced, before, copies)
            for key, value in node.attributes.items()
            if isinstance(value, OnnxGraph)
        }
        nodes += before.get(node, [])
        if node in replaced or bodies:
            inputs = tuple(replaced.get(node, {}).get(i, name) for i, name in enumerate(node.inputs))
            node = replace(node, inputs=inputs, attributes={**node.attributes, **bodies})
        nodes.append(node)
    return replace(graph, nodes=tuple(nodes))
