"""Why nodes cannot be imported: all of them, before anything is run."""

from __future__ import annotations

from collections.abc import Iterator

from lenetc.importer.errors import OnnxOperatorError
from lenetc.importer.interpreter import attributes_of, entry_of
from lenetc.importer.records import OnnxFile, OnnxGraph, OnnxNode, Problem


def problems(file: OnnxFile, graph: OnnxGraph) -> list[Problem]:
    """The problems of the nodes of `graph`, which is a part of the file's."""
    told: dict[tuple[str, tuple[str, ...]], list[Problem]] = {}
    for problem in file.problems:
        told.setdefault((problem.node.name, problem.node.outputs), []).append(problem)
    found = []
    for node in walk(graph):
        by_schema = told.get((node.name, node.outputs))
        found += by_schema or [Problem(node, reason) for reason in _reasons(node)]
    return found


def walk(graph: OnnxGraph) -> Iterator[OnnxNode]:
    """All nodes, those in bodies too."""
    for node in graph.nodes:
        yield node
        for body in node.bodies:
            yield from walk(body)


def _reasons(node: OnnxNode) -> Iterator[str]:
    try:
        entry = entry_of(node)
        attributes_of(entry, node)
    except OnnxOperatorError as error:
        yield str(error).removeprefix(f"{node}: ")
        return
    for position, (name, _, is_optional) in enumerate(entry.inputs):
        if not is_optional and (position >= len(node.inputs) or not node.inputs[position]):
            yield f"the input {name!r} is missing"
    if entry.rest is None and len(node.inputs) > len(entry.inputs):
        yield f"it has {len(node.inputs)} inputs, of which {len(entry.inputs)} are understood"


def need_none(found: list[Problem]) -> None:
    """Raises OnnxOperatorError with all of them."""
    if found:
        count = "a node" if len(found) == 1 else f"{len(found)} nodes"
        listed = "\n  ".join(map(str, found))
        raise OnnxOperatorError(f"{count} of the file cannot be imported:\n  {listed}")
