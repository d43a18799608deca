"""What ONNX Runtime fuses when it loads a model for a CPU, fused in the file.

The runtime looks through all nodes for each of its fusions, once more after each that has found something, and checks
all nodes anew then: two fifths of the time to load the step of a large network. Where it has nothing left to find it is
told not to look. The kernels are those that it would have chosen.

The rules are its ConvActivationFusion, ConvAddActivationFusion, GemmActivationFusion and MatmulTransposeFusion, for the
operators that there are emissions of.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import chain

from onnx import GraphProto, ModelProto, NodeProto, helper

from ir.types import Type, f32
from passes.emit.order import bodies

_DOMAIN = "com.microsoft"
_LANES = "com.microsoft.nchwc"
_ACTIVATIONS = {"Conv": ("Relu", "Sigmoid", "Tanh"), "Gemm": ("Relu", "Sigmoid", "Tanh", "Softplus")}


def fused(model: ModelProto, types: Mapping[str, Type]) -> ModelProto | None:
    """`model` with nothing left to fuse; None where the runtime has to look itself: it puts convolutions into lanes of
    channels where there are none in lanes yet, and moves axes that are not moved here. types: those of the values that
    operators make."""
    in_lanes = any(opset.domain == _LANES for opset in model.opset_import)
    graphs = [_Fusing(graph, types) for graph in _graphs(model.graph)]
    if not all(graph.is_all and (in_lanes or not graph.has_convolutions) for graph in graphs):
        return None
    if not any(graph.new for graph in graphs):
        return model
    found = ModelProto()
    found.CopyFrom(model)
    for graph, copy in reversed([*zip(graphs, _graphs(found.graph), strict=True)]):  # bodies first
        graph.write(copy)
    found.opset_import.append(helper.make_opsetid(_DOMAIN, 1))
    return found


def _graphs(graph: GraphProto) -> Iterator[GraphProto]:
    """A graph and the bodies in it."""
    yield graph
    for node in graph.node:
        for body in bodies(node):
            yield from _graphs(body)


def _read(graph: GraphProto) -> Iterator[str]:
    """Names of the values that are read in a graph, in its bodies too, or are results."""
    for one in _graphs(graph):
        yield from chain.from_iterable(node.input for node in one.node)
        yield from (value.name for value in one.output)


class _Fusing:
    """What is fused in one graph. is_all: whether nothing is left to the runtime."""

    def __init__(self, graph: GraphProto, types: Mapping[str, Type]) -> None:
        self.types = types
        self.results = {value.name for value in graph.output}
        self.reads = Counter(_read(graph))
        self.makes = [node.output[0] for node in graph.node]
        self.open: dict[str, NodeProto] = {}  # convolutions and products that can take what follows
        self.turned: dict[str, NodeProto] = {}
        self.cast: dict[str, str] = {}  # what a value was cast from
        self.gone: set[str] = set()  # values that are not made any longer
        self.new: dict[str, NodeProto] = {}  # by the value that it makes
        self.is_all, self.has_convolutions = True, False
        for node, value in zip(graph.node, self.makes, strict=True):
            self._look(node, value)

    def write(self, graph: GraphProto) -> None:
        """Put what was fused in `graph`, a copy, in the place of what it was made from."""
        made = zip(graph.node, self.makes, strict=True)
        kept = [self.new.get(value, node) for node, value in made if value not in self.gone]
        del graph.node[:]
        graph.node.extend(kept)

    def _look(self, node: NodeProto, value: str) -> None:
        kind = node.op_type
        if kind in ("Conv", "Gemm"):
            if node.domain:
                return
            self.has_convolutions |= kind == "Conv"
            if self._is_f32(value):
                self.open[value] = node
        elif kind == "Transpose":
            self.turned[value] = node
        elif kind == "Cast":
            self.cast[value] = node.input[0]
        elif kind == "MatMul":
            self._turn(node, value)
        elif kind == "Add":
            self._add(node, value)
        elif kind in _ACTIVATIONS["Gemm"]:
            first = self._only_reader(node.input[0])
            if first is not None and kind in _ACTIVATIONS[first.op_type.removeprefix("Fused")]:
                made = self._replace(first, value)
                made.attribute.append(helper.make_attribute("activation", kind))

    def _is_f32(self, value: str) -> bool:
        type = self.types.get(value)
        self.is_all &= type is not None
        return type is not None and type.dtype is f32

    def _only_reader(self, value: str) -> NodeProto | None:
        """What makes `value`, if that can take its one reader."""
        return self.open.get(value) if self.reads[value] == 1 else None

    def _replace(self, first: NodeProto, value: str) -> NodeProto:
        """A node that does what `first` does and what comes after it up to `value`."""
        made = NodeProto()
        made.CopyFrom(first)
        made.op_type, made.domain = f"Fused{first.op_type.removeprefix('Fused')}", _DOMAIN
        self.gone.add(first.output[0])
        self.gone.discard(value)
        made.output[0] = value
        self.new[value] = made
        return made

    def _add(self, node: NodeProto, value: str) -> None:
        """Conv(x, w, bias) + z => FusedConv(x, w, bias, z)"""
        x, y = node.input
        for one, other in ((x, y), (y, x)):
            first = self._only_reader(one)
            if first is None or first.op_type != "Conv" or len(first.input) < 3:
                continue
            type = self.types[one]
            if self.types.get(other) == type and type.is_static:
                made = self.open[value] = self._replace(first, value)
                made.input.append(other)
                return

    def _turn(self, node: NodeProto, value: str) -> None:
        """MatMul(x, Transpose(y)) => FusedMatMul(x, y, transB=1); so for x"""
        if not self._is_f32(value):  # for which alone there are such kernels
            return
        exchanged = {}
        for i, operand in enumerate(node.input):
            turn = self.turned.get(operand)
            if turn is None:
                self.is_all &= self.cast.get(operand) not in self.turned
                continue
            *leading, row, column = turn.attribute[0].ints
            if (row, column) == (len(leading) + 1, len(leading)) and leading == sorted(leading):
                if operand not in self.results:
                    exchanged[i] = turn
            elif leading == list(range(1, len(leading) + 1)):
                self.is_all = False  # transBatchA, transBatchB
        if not exchanged:
            return
        made = self._replace(node, value)
        for i, turn in exchanged.items():
            self.reads[made.input[i]] -= 1
            if not self.reads[made.input[i]]:
                self.gone.add(made.input[i])
            made.input[i] = turn.input[0]
            made.attribute.append(helper.make_attribute("trans" + "AB"[i], 1))
