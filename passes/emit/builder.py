"""What emissions are written with: the builder of nodes, names, constants and sizes, and where emissions register.

Names are stable and readable: a value is called after its module path and op (`conv1/conv2d`), a state's new
value after the state (`conv1.weight.next`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache, reduce
from itertools import chain
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, defs, helper

from ir.dims import Dim, Poly, linear, symbol
from ir.errors import LenetcError
from ir.node import Graph, Node, Where
from ir.op import Op
from ir.types import Array, Type
from passes.emit.external import named
from passes.target import Target

Emission = Callable[..., "str | Sequence[str]"]
EMISSIONS: dict[Op, Emission] = {}
ELEMENT_TYPES: dict[str, int] = {
    "f32": TensorProto.FLOAT,
    "f64": TensorProto.DOUBLE,
    "f16": TensorProto.FLOAT16,
    "bf16": TensorProto.BFLOAT16,
    "i64": TensorProto.INT64,
    "i32": TensorProto.INT32,
    "i16": TensorProto.INT16,
    "i8": TensorProto.INT8,
    "u8": TensorProto.UINT8,
    "bool": TensorProto.BOOL,
}


class EmitError(LenetcError):
    """An op has no emission and no strategy that lowers it."""


@cache
def since(operator: str) -> int:
    """The first opset of ai.onnx that has `operator`."""
    opset = defs.onnx_opset_version()
    while defs.has(operator, opset, ""):
        opset = defs.get_schema(operator, opset, "").since_version - 1
    return opset + 1


def emit(*records: Op) -> Callable[[Emission], Emission]:
    """Register an emission (builder, node, *operand names) -> name(s) of the result."""

    def register(emission: Emission) -> Emission:
        EMISSIONS.update(dict.fromkeys(records, emission))
        return emission

    return register


def value_info(name: str, type: Type) -> onnx.ValueInfoProto:
    """ONNX's record of a value's name, element type and shape."""
    shape = [dim if isinstance(dim, int) else str(dim) for dim in type.shape]
    return helper.make_tensor_value_info(name, ELEMENT_TYPES[type.dtype.name], shape)


class Builder:
    """Collects ONNX nodes and initializers; an emission calls it to add operators."""

    def __init__(self, graph: Graph, taken: set[str], target: Target, outer: Builder | None = None) -> None:
        self.graph = graph
        self.target = target
        self.outer = outer
        self.taken = taken
        self.counts: dict[str, int] = outer.counts if outer else {}
        self.places: dict[str, Where] = outer.places if outer else {}
        self.types: dict[str, Type] = outer.types if outer else {}  # of the values of nodes
        self.held: dict[str, Array] = {}  # the values of initializers, by name
        self.initializers: dict[Any, onnx.TensorProto] = outer.initializers if outer else {}
        self.domains: set[str] = set()  # beside ONNX's own
        self.nodes: list[onnx.NodeProto] = []
        # What each of them reads and makes, which to ask them takes long; and those with bodies.
        self.values: list[tuple[Sequence[str], Sequence[str]]] = []
        self.bodied: list[onnx.NodeProto] = []
        self.sizes: dict[Dim, str] = {}
        self.names: dict[Node, Any] = {}
        self.where = Where()
        self.what = graph.name

    @property
    def root(self) -> Builder:
        """The builder of the outermost graph."""
        return self.outer.root if self.outer else self

    def nested(self, graph: Graph) -> Builder:
        """A builder for the body of a Scan; names and initializers are shared with the outermost graph."""
        return Builder(graph, self.taken, self.target, self)

    def finish(
        self,
        name: str,
        inputs: Sequence[Node],
        names: Mapping[Node, str],
        outputs: Sequence[Node],
        output_names: Sequence[str],
    ) -> onnx.GraphProto:
        """Emit every operation below `outputs`; `inputs` become graph inputs, other keys of `names` are captured."""
        self.names = dict(names)
        for node in self.graph.nodes():
            if node in self.names:
                continue
            emission = EMISSIONS.get(node.op)
            if emission is None:
                raise EmitError(f"{node.op.name} has no ONNX emission; a strategy has to lower it first").at(
                    str(node.where)
                )
            self.where, self.what = node.where, node.op.name
            self.names[node] = emission(self, node, *(self.names[x] for x in node.inputs))
        made = set(chain.from_iterable(values for _, values in self.values))
        renamed: dict[str, str] = {}
        for node, output in zip(outputs, output_names, strict=True):
            value = self.names[node]
            if value in made and value not in renamed:
                renamed[value] = output
            else:  # an input, a constant, or a value with two output names
                copy = self.fresh(f"{output}/copy")
                self.places[copy] = node.where
                self._add("Identity", [value], [output], copy, {})
        old = renamed.keys()
        for proto, values in zip(self.nodes, self.values, strict=True):
            if not all(map(old.isdisjoint, values)):
                _rename((proto,), renamed)
        _rename(self.bodied, renamed)
        for node, value in self.names.items():
            if isinstance(node.type, Type):
                self.types[renamed.get(value, value)] = node.type
        return helper.make_graph(
            self.nodes,
            name,
            [value_info(names[node], node.ty) for node in inputs],
            [value_info(output, node.ty) for output, node in zip(output_names, outputs, strict=True)],
            self._read_initializers() if self.root is self else [],
        )

    def _read_initializers(self) -> list[onnx.TensorProto]:
        """Those that something reads: an emission may do without the constants among its operands."""
        read = set(chain(chain.from_iterable(values for values, _ in self.values), _read_by(self.bodied)))
        return [tensor for tensor in self.initializers.values() if tensor.name in read]

    def op(self, operator: str, *inputs: str, outputs: int = 1, **attributes: Any) -> Any:
        """Add an operator; the name of its result (a list of names where `outputs` > 1).

        Raises EmitError for one of ai.onnx that the opset of the target does not have.
        """
        if "domain" not in attributes:
            self.need(operator, since(operator))
        names = [self.fresh(f"{self.where.module or self.where.phase}/{self.what}") for _ in range(outputs)]
        self.places[names[0]] = self.where
        if "domain" in attributes:
            self.root.domains.add(attributes["domain"])
        self._add(operator, inputs, names, names[0], attributes)
        return names[0] if outputs == 1 else names

    def _add(
        self,
        operator: str,
        inputs: Sequence[str],
        outputs: Sequence[str],
        name: str,
        attributes: Mapping[str, Any],
    ) -> None:
        proto = helper.make_node(operator, inputs, outputs, name=name, **attributes)
        self.nodes.append(proto)
        self.values.append((inputs, outputs))
        if any(isinstance(value, onnx.GraphProto) for value in attributes.values()):
            self.bodied.append(proto)

    def need(self, what: str, opset: int) -> None:
        """Raise EmitError where the target's opset is older than the first that has `what`."""
        if self.target.opset < opset:
            raise EmitError(
                f"{self.what} is written with ONNX's {what}, which opset {self.target.opset} does not have: "
                f"export with opset={opset} or a later one"
            ).at(str(self.where))

    def fresh(self, hint: str) -> str:
        """`hint`, numbered if it is taken."""
        while True:
            count = self.counts.get(hint, 0)
            self.counts[hint] = count + 1
            name = f"{hint}_{count}" if count else hint
            if name not in self.taken:
                self.taken.add(name)
                return name

    def const(self, value: Any, dtype: Any = None) -> str:
        """The name of an initializer holding `value`; equal ones are shared. Bodies use the outermost graph's."""
        array = np.ascontiguousarray(value, dtype).reshape(np.shape(value))
        key = (array.dtype.str, array.shape, array.tobytes())
        table = self.initializers
        if key not in table:
            shown = (
                str(array.item()).replace(".", "_") if array.ndim == 0 else "x".join(map(str, array.shape))
            )
            name = self.fresh(f"const_{array.dtype}_{shown}")
            table[key] = named(array, name)
            self.root.held[name] = array
        return table[key].name

    def ints(self, *values: int) -> str:
        return self.const(np.asarray(values, np.int64))

    def shape(self, shape: Sequence[Dim]) -> str:
        """A 1-D i64 tensor holding `shape`, computed from the inputs' shapes where it is symbolic."""
        if all(isinstance(dim, int) for dim in shape):
            return self.ints(*(int(dim) for dim in shape))
        parts: list[str] = []
        fixed: list[int] = []
        for dim in shape:
            if isinstance(dim, int):
                fixed.append(dim)
                continue
            if fixed:
                parts.append(self.ints(*fixed))
                fixed = []
            parts.append(self.size(dim))
        if fixed:
            parts.append(self.ints(*fixed))
        return parts[0] if len(parts) == 1 else str(self.op("Concat", *parts, axis=0))

    def reshape_target(self, shape: Sequence[Dim]) -> str:
        """A shape operand for Reshape: one symbolic dim can be left for the runtime to work out."""
        if sum(isinstance(dim, Poly) for dim in shape) == 1 and all(dim != 0 for dim in shape):
            return self.ints(*(-1 if isinstance(dim, Poly) else int(dim) for dim in shape))
        return self.shape(shape)

    def size(self, dim: Dim) -> str:
        """A 1-element i64 tensor holding a size, worked out from the shapes of inputs where it is symbolic."""
        if isinstance(dim, int):
            return self.ints(dim)
        if dim not in self.sizes:
            terms = []
            for monomial, coefficient in dim.terms:
                factors = [self._symbol(name) for name, power in monomial for _ in range(power)]
                if coefficient != 1 or not factors:
                    factors.append(self.ints(coefficient))
                terms.append(reduce(lambda a, b: str(self.op("Mul", a, b)), factors))
            self.sizes[dim] = reduce(lambda a, b: str(self.op("Add", a, b)), terms)
        return self.sizes[dim]

    def count(self, size: Dim) -> str:
        """A 1-D i64 tensor 0, 1, ... size-1."""
        if isinstance(size, int):
            return self.const(np.arange(size))
        return str(
            self.op(
                "Range", self.const(np.int64(0)), self.op("Squeeze", self.size(size)), self.const(np.int64(1))
            )
        )

    def _symbol(self, name: str) -> str:
        size = symbol(name)
        if size not in self.sizes:
            found = [
                (node, i, d)
                for node in self.graph.inputs
                for i, d in enumerate(node.shape)
                if _tells(d, name)
            ]
            if not found:
                raise EmitError(f"no input has an axis of size {name} to read it from")
            source, axis, dim = min(
                found, key=lambda place: place[2] != size
            )  # an axis of just `name`, if any
            value = str(self.op("Shape", self.names[source], start=axis, end=axis + 1))
            _, factor, offset = linear(dim) or (name, 1, 0)
            if offset:
                value = str(self.op("Sub", value, self.ints(offset)))
            self.sizes[size] = str(self.op("Div", value, self.ints(factor))) if factor != 1 else value
        return self.sizes[size]


def _tells(dim: Dim, name: str) -> bool:
    solved = linear(dim)
    return solved is not None and solved[0] == name


def _read_by(nodes: Iterable[onnx.NodeProto]) -> Iterator[str]:
    """Names of the values that operators read, those in their bodies too."""
    for proto in nodes:
        yield from proto.input
        for attribute in proto.attribute:
            if attribute.HasField("g"):
                yield from _read_by(attribute.g.node)
                yield from (output.name for output in attribute.g.output)


def _rename(nodes: Iterable[onnx.NodeProto], renamed: Mapping[str, str]) -> None:
    """Rename values in operators, and in the bodies that read them from outside."""
    for proto in nodes:
        for field in (proto.input, proto.output):
            for i, value in enumerate(field):
                if value in renamed:
                    field[i] = renamed[value]
        for attribute in proto.attribute:
            if attribute.HasField("g"):
                _rename(attribute.g.node, renamed)
