"""What an ONNX file says, in plain records: graphs, nodes with Python values as attributes, arrays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from ir.types import Array


class Fixed:
    """What never changes once it is made: compiled functions do not look into it at every call."""

    __lenetc_follow__ = None
    __lenetc_fields__ = property(lambda self: frozenset(self.__dict__))

    def __deepcopy__(self, memo: Any) -> Self:
        return self


@dataclass(frozen=True)
class Port:
    """An input or an output of a graph. dtype: ONNX's name ("float"), "" where unknown. shape: numbers and names of
    symbolic sizes, None for an unnamed one; None where even the rank is unknown.

    PyTorch's newer exporter tells of initializers what they were: kind is "PARAMETER", "BUFFER" or "CONSTANT_TENSOR";
    made_of are the names of what they were computed of.
    """

    name: str
    dtype: str
    shape: tuple[int | str | None, ...] | None
    kind: str = ""
    made_of: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class OnnxNode:
    """A node. domain: "" for ai.onnx. opset: the version of its domain that the file asks for. attributes: numbers,
    strings, lists of them, arrays, and records of graphs. module: the path of the module of PyTorch's that it comes
    from, "" where the file does not say."""

    name: str
    domain: str
    operator: str
    opset: int
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any]
    module: str = ""

    @property
    def path(self) -> str:
        """The module and the name, as a dotted path: what pictures, profiles and errors call the node."""
        name = ".".join(part for part in self.name.split("/") if part) or self.operator
        return f"{self.module}.{name}" if self.module and not name.startswith(f"{self.module}.") else name

    @property
    def kind(self) -> str:
        """The operator, with its domain where that is not ai.onnx."""
        return f"{self.domain}.{self.operator}" if self.domain else self.operator

    @property
    def bodies(self) -> list[OnnxGraph]:
        return [value for value in self.attributes.values() if isinstance(value, OnnxGraph)]

    @property
    def reads(self) -> set[str]:
        """The values that it reads, those around its bodies that these need included."""
        return {name for name in self.inputs if name}.union(*(body.seen for body in self.bodies))

    def __str__(self) -> str:
        return f"{self.kind} {self.name!r} (opset {self.opset})"


@dataclass(frozen=True, eq=False)
class OnnxGraph(Fixed):
    """A graph, or the body of an If, a Loop or a Scan; nodes come after those whose outputs they read."""

    name: str
    inputs: tuple[Port, ...]  # without those that are initializers
    outputs: tuple[Port, ...]
    nodes: tuple[OnnxNode, ...]
    initializers: Mapping[str, Array] = field(default_factory=dict)
    # What the file says of the types of inner values.
    inner: Mapping[str, Port] = field(default_factory=dict)

    @property
    def own(self) -> set[str]:
        """The values that it has or computes itself."""
        names = {port.name for port in self.inputs} | self.initializers.keys()
        return names.union(*(node.outputs for node in self.nodes))

    @property
    def needed(self) -> set[str]:
        """The values that its nodes read and that it gives back."""
        return {port.name for port in self.outputs}.union(*(node.reads for node in self.nodes))

    @property
    def seen(self) -> set[str]:
        """Of a body: the values around it that it needs."""
        return self.needed - self.own


@dataclass(frozen=True, eq=False)
class Problem:
    """Why a node cannot be imported."""

    node: OnnxNode
    reason: str

    def __str__(self) -> str:
        return f"{self.node}: {self.reason}"


@dataclass(frozen=True, eq=False)
class OnnxFile:
    """A model. opsets: versions by domain. producer: what wrote it. problems: nodes that ONNX itself does not allow.
    skeleton: the model itself, of its larger initializers without the numbers."""

    graph: OnnxGraph
    opsets: Mapping[str, int]
    ir_version: int
    producer: str
    problems: tuple[Problem, ...]
    skeleton: bytes
