"""Nodes and graphs: an immutable, hash-consed DAG.

Building the same node twice gives the same object, so common subexpressions are shared and dead ones
vanish with their last reference. What a node *is* (op, inputs, attrs) decides its identity; where it came
from (`where`) is a note beside it and does not.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias
from weakref import WeakValueDictionary, ref

import numpy as np

from ir.dims import Dim, Poly, is_name
from ir.errors import ShapeError
from ir.types import AnyType, Array, DType, TupleType, Type, dtype_of

if TYPE_CHECKING:
    from ir.op import Op


class Where(NamedTuple):
    """Provenance: module path, phase (forward, backward, update), and the user's file and line."""

    module: str = ""
    phase: str = "forward"
    file: str = ""
    line: int = 0

    def __str__(self) -> str:
        parts = [self.module] if self.module else []
        if self.file:
            parts.append(f"{self.file}:{self.line}")
        return ", ".join(parts)


_current: list[Where] = [Where()]


def current_where() -> Where:
    """Provenance given to nodes built now."""
    return _current[-1]


def build_at(where: Where) -> None:
    """Nodes built from now on, to the end of the block of `building_at`, get the provenance `where`."""
    _current[-1] = where


class building_at:
    """Nodes built in the block get the provenance `where`."""

    __slots__ = ("where",)

    def __init__(self, where: Where) -> None:
        self.where = where

    def __enter__(self) -> None:
        _current.append(self.where)

    def __exit__(self, *_: object) -> None:
        _current.pop()


class Literal:
    """An array as an attribute: immutable, compared by dtype, shape and bytes."""

    __slots__ = ("_hash", "_key", "array")

    def __init__(self, array: Array) -> None:
        data = array.tobytes()
        self._key = (array.dtype.str, array.shape, data)
        self._hash = hash(self._key)
        self.array: Array = np.frombuffer(data, array.dtype).reshape(
            array.shape
        )  # read-only, and nobody else's

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Literal) and self._key == other._key

    def __hash__(self) -> int:
        return self._hash


Attr: TypeAlias = "int | float | bool | str | Poly | DType | Type | Literal | Graph | tuple[Any, ...] | None"


class Node:
    """One operation applied to inputs. Build it by calling an op; compare with `is`."""

    __slots__ = (
        *("__weakref__", "attrs", "inputs", "op", "type", "where"),
        *("dtype", "needs", "rest", "shape"),
    )

    op: Op
    inputs: tuple[Node, ...]
    attrs: Mapping[str, Any]
    type: AnyType
    where: Where
    shape: tuple[Dim, ...]  # and dtype: of a node with one result
    dtype: DType
    # What was found out about the node, and holds as long as it lives, for it never changes.
    needs: frozenset[str] | None  # the symbols that it needs, once ir.verify has checked it
    rest: Any  # the rules that do not fire at it (passes.rewrite)

    def __getattr__(self, name: str) -> Any:
        """A shape or a dtype where there are several results: there is none."""
        if name in ("shape", "dtype"):
            return getattr(self.ty, name)
        raise AttributeError(f"a node has no {name}")

    @property
    def ty(self) -> Type:
        """The type of a single-result node."""
        assert isinstance(self.type, Type), f"{self.op.name} has several results; pick one with get()"
        return self.type

    @property
    def rank(self) -> int:
        """How many dimensions the value has."""
        return len(self.shape)

    def __repr__(self) -> str:
        return f"<{self.op.name}: {self.type}>"

    # Arithmetic, so that gradients and formulas read as mathematics. Filled in by ir.ops.
    def __add__(self, other: Operand) -> Node:
        return _binary("add", self, other)

    def __radd__(self, other: Operand) -> Node:
        return _binary("add", other, self)

    def __sub__(self, other: Operand) -> Node:
        return _binary("sub", self, other)

    def __rsub__(self, other: Operand) -> Node:
        return _binary("sub", other, self)

    def __mul__(self, other: Operand) -> Node:
        return _binary("mul", self, other)

    def __rmul__(self, other: Operand) -> Node:
        return _binary("mul", other, self)

    def __truediv__(self, other: Operand) -> Node:
        return _binary("div", self, other)

    def __rtruediv__(self, other: Operand) -> Node:
        return _binary("div", other, self)

    def __matmul__(self, other: Operand) -> Node:
        return _binary("matmul", self, other)

    def __neg__(self) -> Node:
        return arithmetic["neg"](self)


Operand: TypeAlias = "Node | int | float | bool"
arithmetic: dict[str, Op] = {}  # the ops behind Node's operators; ir.ops fills it


def _binary(name: str, left: Operand, right: Operand) -> Node:
    return arithmetic[name](left, right)


class _Entry(ref[Node]):
    """A node in the table, which it leaves when nobody holds it. (What WeakValueDictionary does, in a third of
    the time: a loop that is not compiled makes hundreds of nodes in every iteration.)"""

    __slots__ = ("key",)

    key: tuple[Any, ...]


interned_nodes: dict[tuple[Any, ...], _Entry] = {}


def _leave(entry: ref[Node]) -> None:
    assert isinstance(entry, _Entry)
    if interned_nodes.get(entry.key) is entry:  # and not an equal node's that came after it
        del interned_nodes[entry.key]


def find_node(key: tuple[Any, ...]) -> Node | None:
    """The node of `key`, (op, inputs, values of the attributes), if it exists."""
    entry = interned_nodes.get(key)
    return None if entry is None else entry()


def new_node(key: tuple[Any, ...], attrs: Mapping[str, Any], type: AnyType, where: Where) -> Node:
    """A node that `find_node` finds from now on."""
    node = Node()
    node.op, node.inputs, _ = key
    node.attrs = attrs
    node.type = type
    if isinstance(type, Type):
        node.dtype, node.shape = type
    node.where = where
    node.needs = node.rest = None
    entry = interned_nodes[key] = _Entry(node, _leave)
    entry.key = key
    return node


class Graph:
    """A pure function from `inputs` to named `results` and named state `updates`.

    `inputs` are leaf nodes (op `input`) of kind "input" (batch), "hyper" (scalars that a schedule changes) or
    "state". Interned like nodes: `Graph.make` with the same arguments gives the same object. `order` is an
    explicit schedule, or None for the order of a depth-first walk from the outputs.
    """

    __slots__ = ("__weakref__", "_topological", "inputs", "name", "order", "results", "updates")

    name: str
    inputs: tuple[Node, ...]
    results: tuple[tuple[str, Node], ...]
    updates: tuple[tuple[str, Node], ...]
    order: tuple[Node, ...] | None
    _topological: tuple[Node, ...]

    @staticmethod
    def make(
        name: str,
        inputs: Iterable[Node],
        results: Iterable[tuple[str, Node]],
        updates: Iterable[tuple[str, Node]] = (),
        order: Iterable[Node] | None = None,
    ) -> Graph:
        """The one graph of these parts. Raises ValueError for a name that is no identifier."""
        if not is_name(name):
            raise ValueError(f"{name!r} cannot name a graph: it has to be a Python identifier")
        fields = (name, tuple(inputs), tuple(results), tuple(updates))
        outputs = [node for _, node in fields[2] + fields[3]]
        natural = _natural(fields[1], outputs)
        if order is None:
            order = natural
        else:
            needed = set(natural)
            order = _place(fields[1], (node for node in order if node in needed), outputs)
        key = (*fields, None if order == natural else order)
        graph = interned_graphs.get(key)
        if graph is None:
            graph = Graph()
            graph.name, graph.inputs, graph.results, graph.updates, graph.order = key
            graph._topological = order
            interned_graphs[key] = graph
        return graph

    @property
    def outputs(self) -> tuple[Node, ...]:
        """The nodes of the results, then those of the updates."""
        return tuple(node for _, node in self.results + self.updates)

    def nodes(self) -> tuple[Node, ...]:
        """Every reachable node, inputs first, operands before users."""
        return self._topological

    def operations(self) -> tuple[Node, ...]:
        """The nodes that compute something: neither inputs nor constants."""
        return tuple(node for node in self._topological if node.op.name not in ("input", "const"))

    def input_named(self, name: str) -> Node:
        """The input of this name. Raises KeyError where there is none."""
        for node in self.inputs:
            if node.attrs["name"] == name:
                return node
        raise KeyError(f"graph {self.name} has no input named {name!r}")

    def with_outputs(
        self, outputs: Iterable[Node], name: str | None = None, order: Iterable[Node] | None = None
    ) -> Graph:
        """The same interface over other output nodes, in the order of `outputs`."""
        outputs = tuple(outputs)
        if name is None and order is None and self.order is None and outputs == self.outputs:
            return self
        nodes = iter(outputs)
        results = tuple((key, next(nodes)) for key, _ in self.results)
        updates = tuple((key, next(nodes)) for key, _ in self.updates)
        return Graph.make(name or self.name, self.inputs, results, updates, order)

    def __repr__(self) -> str:
        return f"<graph {self.name}: {len(self.operations())} operations>"


def next_name(state: str) -> str:
    """Name of the output that holds the new value of `state`."""
    return f"{state}.next"


interned_graphs: WeakValueDictionary[tuple[Any, ...], Graph] = WeakValueDictionary()


def topological(inputs: Iterable[Node], outputs: Iterable[Node]) -> Iterator[Node]:
    """`inputs`, then what `outputs` need, operands first (depth first, left to right, no recursion)."""
    seen: set[Node] = set()
    for node in inputs:
        if node not in seen:
            seen.add(node)
            yield node
    for output in outputs:
        stack: list[tuple[Node, Iterator[Node]]] = []
        if output not in seen:
            seen.add(output)
            stack.append((output, iter(output.inputs)))
        while stack:
            node, operands = stack[-1]
            for operand in operands:
                if operand not in seen:
                    seen.add(operand)
                    stack.append((operand, iter(operand.inputs)))
                    break
            else:
                stack.pop()
                yield node


def _natural(inputs: tuple[Node, ...], outputs: Iterable[Node]) -> tuple[Node, ...]:
    """The order of `topological`, with constants as `_place` has them."""
    placed = dict.fromkeys(inputs)
    for output in outputs:
        stack = [] if output in placed or output.op.name == "const" else [(output, iter(output.inputs))]
        while stack:
            node, operands = stack[-1]
            for operand in operands:
                if operand not in placed and operand.op.name != "const":
                    stack.append((operand, iter(operand.inputs)))
                    break
            else:
                stack.pop()
                for operand in node.inputs:
                    placed[operand] = None  # a constant, or there already
                placed[node] = None
    for output in outputs:
        placed[output] = None
    return tuple(placed)


def _place(inputs: tuple[Node, ...], order: Iterable[Node], outputs: Iterable[Node]) -> tuple[Node, ...]:
    """`order` with inputs first and each constant right before its first reader, so that a schedule is
    decided by the operations alone."""
    placed = dict.fromkeys(inputs)
    for node in order:
        if node.op.name != "const":
            placed.update(dict.fromkeys(x for x in node.inputs if x.op.name == "const"))
            placed[node] = None
    placed.update(dict.fromkeys(node for node in outputs if node.op.name == "const"))
    return tuple(placed)


def users(graph: Graph) -> dict[Node, list[Node]]:
    """For each node the nodes that read it, in graph order, once for each operand position."""
    table: dict[Node, list[Node]] = {node: [] for node in graph.nodes()}
    for node in graph.nodes():
        for operand in node.inputs:
            table[operand].append(node)
    return table


def const_type(value: Literal) -> Type:
    """The type of a literal."""
    return Type(dtype_of(value.array), value.array.shape)


def item_type(node_type: AnyType, index: int) -> Type:
    """The type of one result of a node that has several. Raises ShapeError where there is none."""
    if not isinstance(node_type, TupleType) or not 0 <= index < len(node_type.items):
        raise ShapeError(f"get: there is no result {index} of {node_type}")
    return node_type.items[index]
