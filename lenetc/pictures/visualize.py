"""Pictures of IR graphs: a graph as a networkx DiGraph for `lenetc.draw`, written as DOT, GraphML and SVG."""

from __future__ import annotations

from pathlib import Path

import networkx as nx

from ir.node import Graph, Node, next_name
from ir.types import Type
from lenetc.files import atomic_write
from lenetc.pictures import svg

_SHOWN = {
    "kernel",
    "stride",
    "padding",
    "dilation",
    "groups",
    "axes",
    "axis",
    "shape",
    "perm",
    "trans_a",
    "trans_b",
}


def to_networkx(graph: Graph) -> nx.DiGraph:
    """`graph` with a node for each input and operation, and one for each output.

    Node attributes: label (op or name), detail (type), group (module path), phase (input, state, forward, backward,
    update, result), tooltip. Edge attribute: label (type of the value). Constants appear in tooltips only.
    """
    picture = nx.DiGraph(name=graph.name)
    ids = {node: f"n{i}" for i, node in enumerate(graph.nodes()) if node.op.name != "const"}
    for node, key in ids.items():
        if node.op.name == "input":
            kind = node.attrs["kind"]
            group = str(node.attrs["name"]).rpartition(".")[0] if kind == "state" else ""
            phase = "state" if kind == "state" else "input"
            picture.add_node(
                key,
                label=node.attrs["name"],
                detail=str(node.type),
                group=group,
                phase=phase,
                tooltip=f"{kind} {node.attrs['name']}: {node.type}",
            )
        else:
            where = node.where
            picture.add_node(
                key,
                label=node.op.name,
                detail=str(node.type),
                group=where.module,
                phase=where.phase,
                tooltip=_tooltip(node),
            )
        for operand in node.inputs:
            if operand in ids:
                picture.add_edge(
                    ids[operand], key, label=str(operand.type) if isinstance(operand.type, Type) else ""
                )
    outputs = [(name, node, "result") for name, node in graph.results]
    outputs += [(next_name(name), node, "update") for name, node in graph.updates]
    for i, (name, node, phase) in enumerate(outputs):
        if node in ids:
            group = name.removesuffix(".next").rpartition(".")[0] if phase == "update" else ""
            picture.add_node(
                f"o{i}",
                label=name,
                detail=str(node.type),
                group=group,
                phase=phase,
                tooltip=f"output {name}: {node.type}",
            )
            picture.add_edge(ids[node], f"o{i}", label=str(node.type))
    return picture


def _tooltip(node: Node) -> str:
    attrs = ", ".join(f"{key}={value}" for key, value in node.attrs.items() if key in _SHOWN)
    lines = [f"{node.op.name}({attrs})", str(node.type), f"{node.where.phase} {node.where.module}".strip()]
    constants = [
        str(x.attrs["value"].array.tolist()) for x in node.inputs if x.op.name == "const" and x.ty.size == 1
    ]
    if constants:
        lines.append(f"constants: {', '.join(constants)}")
    return "\n".join(lines)


def to_svg(graph: Graph) -> str:
    """A standalone SVG picture of `graph`."""
    return svg.draw_svg(to_networkx(graph), title=graph.name)


def write(graph: Graph, folder: Path, stem: str) -> list[Path]:
    """Write `graph` as stem.dot, stem.graphml and stem.svg. Returns the paths."""
    picture = to_networkx(graph)
    paths = [folder / f"{stem}.{ending}" for ending in ("dot", "graphml", "svg")]
    atomic_write(paths[0], svg.to_dot(picture).encode())
    svg.to_graphml(picture, paths[1])
    atomic_write(paths[2], svg.draw_svg(picture, title=graph.name).encode())
    return paths
