"""From the kernels that ONNX Runtime runs back to the nodes that were emitted.

The runtime rewrites a model before it runs it: it fuses nodes, gives them names of its own, adds some. What it
keeps are names of values. So a kernel is what computes its outputs in our model from the values that it reads:
the nodes in between are what it was made from, whatever it is called.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import onnx

from ir.node import Where
from passes.emit.model import Emitted

_HEAVY = ("Conv", "ConvTranspose", "MatMul", "Gemm")


@dataclass(frozen=True)
class Origin:
    """What a kernel of the runtime computes.

    made_from: names of the emitted nodes, in the order of the model; none for a kernel that the runtime added.
    where: the provenance of the heaviest of them, or None. inside: the name of the kernel whose body (of a Scan)
    it is in, or "".
    """

    made_from: tuple[str, ...] = ()
    where: Where | None = None
    inside: str = ""


def origins(emitted: Emitted, optimized: bytes) -> dict[str, Origin]:
    """The origin of every node of `optimized`, the model as the runtime rewrote it, by the node's name."""
    ours = {proto.name: proto for proto, _ in _nodes(emitted.model.graph)}
    order = {name: i for i, name in enumerate(ours)}
    makers = {value: proto for proto in ours.values() for value in proto.output if value}
    theirs = list(_nodes(onnx.load_from_string(optimized).graph))
    kept = {value for proto, _ in theirs for value in proto.output}
    found: dict[str, Origin] = {}
    counted: set[str] = set()
    for proto, inside in theirs:
        known = kept.union(proto.input)
        waiting = [makers[value] for value in proto.output if value in makers]
        if proto.name in ours:
            waiting.append(ours[proto.name])
        names: set[str] = set()
        while waiting:
            maker = waiting.pop()
            if maker.name not in names:
                names.add(maker.name)
                waiting += [makers[x] for x in maker.input if x in makers and x not in known]
        computed = sorted(names, key=order.__getitem__)
        # Where the runtime has made several kernels out of several nodes, as of a Transpose that it moves past a
        # Reshape, the first one has them all.
        made_from = tuple(part for part in computed if part not in counted)
        counted.update(names)
        found[proto.name] = Origin(made_from, _where(proto.name, computed, ours, emitted), inside)
    return found


def _where(
    name: str, made_from: list[str], ours: dict[str, onnx.NodeProto], emitted: Emitted
) -> Where | None:
    heavy = [part for part in made_from if ours[part].op_type in _HEAVY]
    # One that the runtime adds beside a node of ours continues its name.
    beside = sorted((other for other in ours if name.startswith(other)), key=len)[-1:]
    main = name if name in ours else next(iter([*heavy, *made_from, *beside]), "")
    return emitted.places[main] if main else None


def _nodes(graph: onnx.GraphProto, inside: str = "") -> Iterator[tuple[onnx.NodeProto, str]]:
    """The nodes of `graph` and of the bodies in it, each with the name of the node whose body it is in."""
    for proto in graph.node:
        yield proto, inside
        for attribute in proto.attribute:
            if attribute.HasField("g"):
                yield from _nodes(attribute.g, proto.name)
