"""What an ONNX file holds and what would become of it, without raising for what is not here."""

from __future__ import annotations

import collections
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from lenetc.importer.door import sort
from lenetc.importer.graph.gradients import reached
from lenetc.importer.graph.outputs import cut
from lenetc.importer.ports import described
from lenetc.importer.problems import problems, walk
from lenetc.importer.records import OnnxFile, OnnxGraph, OnnxNode, Problem
from lenetc.importer.registry import TABLE
from lenetc.importer.weights.roles import Weight, is_float, weights

if TYPE_CHECKING:
    from rich.table import Table

    from lenetc.importer.files.source import Source
    from lenetc.importer.weights.table import WeightTable


def examine(path_or_model: Source, *, outputs: str | Iterable[str] | None = None) -> Examination:
    """What the ONNX file holds and what `from_onnx` would make of it; `print` shows it.

    path_or_model, outputs: as of from_onnx. Raises OnnxError for anything that is no model or a broken one alone,
    FileNotFoundError where there is no file; what cannot be imported is listed in `problems`.
    """
    from lenetc.importer.files.reading import read  # onnx is slow to import

    file = read(path_or_model)
    return Examination(file, cut(file.graph, outputs))


@dataclass(frozen=True, eq=False)
class Examination:
    """What an ONNX file holds. file: opsets, ir_version, producer, and the whole graph; graph: what the outputs need of
    it."""

    file: OnnxFile
    graph: OnnxGraph

    @cached_property
    def nodes(self) -> tuple[OnnxNode, ...]:
        """All nodes that the outputs need, those in bodies too."""
        return tuple(walk(self.graph))

    @cached_property
    def problems(self) -> tuple[Problem, ...]:
        """Nodes that cannot be imported, each with the reason."""
        return tuple(problems(self.file, self.graph))

    @property
    def is_importable(self) -> bool:
        """Whether nothing is known that from_onnx would refuse."""
        return not self.problems and not self.failure

    @property
    def operators(self) -> dict[str, int]:
        """How many nodes there are of each operator, the most frequent first."""
        return dict(collections.Counter(node.kind for node in self.nodes).most_common())

    @property
    def not_differentiable(self) -> tuple[OnnxNode, ...]:
        """Nodes that pass no gradient on, as shape arithmetic and comparisons do not."""
        entries = ((node, TABLE.get((node.domain, node.operator))) for node in self.nodes)
        return tuple(
            node
            for node, entry in entries
            if entry is not None and (entry.inputs or entry.rest) and not _differentiates(node)
        )

    @cached_property
    def _sorted(self) -> tuple[list[Weight], str]:
        """What would become of the weights, and why it cannot be told in full."""
        if not self.problems:
            try:
                return sort(self.graph).weights, ""
            except Exception as error:  # of a constant that cannot be computed
                failure = str(error)
        else:
            failure = ""
        outputs = [port.name for port in self.graph.outputs]
        return weights(self.graph, self.graph.initializers, outputs), failure

    @property
    def failure(self) -> str:
        """What importing the constants would raise, "" for nothing."""
        return self._sorted[1]

    @property
    def weights(self) -> WeightTable:
        """What would become of each value of the file; what the outputs do not need is not there."""
        from lenetc.importer.weights.table import WeightTable, row_of  # rich is slow to import

        return WeightTable([row_of(weight) for weight in self._sorted[0]])

    @property
    def frozen(self) -> tuple[str, ...]:
        """Floating-point weights that no gradient reaches."""
        gradients = reached(self.graph, [port.name for port in self.graph.outputs])
        return tuple(
            name
            for name, array in self.graph.initializers.items()
            if is_float(array) and array.ndim and name not in gradients
        )

    @property
    def unused(self) -> tuple[str, ...]:
        """Initializers of the file that its outputs do not need."""
        return tuple(name for name in self.file.graph.initializers if name not in self.graph.initializers)

    @property
    def parameters(self) -> int:
        """The numbers in all parameters."""
        return self.weights.count("parameter")

    def __str__(self) -> str:
        from lenetc.tables import text_of  # rich is slow to import

        file, graph = self.file, self.graph
        opsets = ", ".join(f"{domain or 'ai.onnx'} {version}" for domain, version in file.opsets.items())
        lines = [
            f"{graph.name or 'a graph'}: opset {opsets}; IR version {file.ir_version}; by {file.producer or '?'}",
            *(f"input   {port.name}: {described(port)}" for port in graph.inputs),
            *(f"output  {port.name}: {described(port)}" for port in graph.outputs),
            f"weights {self.weights.summary()}",
            text_of(self._operators()),
        ]
        lines += _listed("cannot be imported:", map(str, self.problems))
        lines += _listed("cannot be computed in advance:", [self.failure] if self.failure else [])
        lines += _listed("no gradient reaches these weights:", self.frozen)
        lines += _listed("nothing reads these weights:", self.unused)
        return "\n".join(lines)

    __repr__ = __str__

    def _operators(self) -> Table:
        from lenetc.tables import plain_table  # rich is slow to import

        table = plain_table("operator", "nodes")
        table.add_column("", no_wrap=True)
        missing = collections.Counter(problem.node.kind for problem in self.problems)
        rigid = {node.kind for node in self.not_differentiable}
        for kind, count in self.operators.items():
            note = f"{missing[kind]} cannot be imported" if missing[kind] else ""
            table.add_row(kind, str(count), note or ("not differentiable" if kind in rigid else ""))
        return table


def _differentiates(node: OnnxNode) -> bool:
    entry = TABLE[node.domain, node.operator]
    return any(entry.passes_gradient(position) for position in range(len(node.inputs)))


def _listed(title: str, items: Iterable[str]) -> list[str]:
    found = list(items)
    return [title, *(f"  {item}" for item in found)] if found else []
