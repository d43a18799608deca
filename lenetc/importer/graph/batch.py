"""Constants that hold the batch, made to follow it.

Exporters that are given one batch write its size into shapes: a Reshape to [1, 9216]. Here the graph is run over
shapes with a symbol for the size of the batch. A constant is the batch where nothing else fits the symbol; what could
be the batch or not is refused.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ir.dims import Dim, Poly, divide, evaluate, is_name, product, symbol, symbols
from ir.errors import LenetcError
from ir.op import leaf
from ir.types import Array, Type
from lenetc.evaluation.tracing import Trace, tracing
from lenetc.importer.errors import OnnxError, OnnxOperatorError
from lenetc.importer.interpreter import Context, apply
from lenetc.importer.ports import DTYPES
from lenetc.importer.records import OnnxGraph, OnnxNode, Port
from lenetc.importer.values import Value, is_symbolic, to_tensor
from lenetc.tensors.grad_fn import set_grad_enabled
from lenetc.tensors.tensor import Tensor

_SIZE = "batch.size"  # the name of the value that holds it
_PARTS = ("values", "nodes", "arrays", "makers", "inside")
_MOST = 20  # times as many steps as there are nodes
_END = np.iinfo(np.int64).max
# Operators that make sizes out of constants, and the input that these are.
_SIZES = {
    "Reshape": 1,
    "Expand": 1,
    "Tile": 1,
    "ConstantOfShape": 0,
    "Slice": 2,
    "Resize": 3,
    "AffineGrid": 1,
}


def with_batch(graph: OnnxGraph, name: str) -> OnnxGraph:
    """`graph` for batches of any size, which is called `name`: that of the first input's leading axis, and of the
    others' that have the same there.

    Raises OnnxError where there is no such axis, OnnxOperatorError with the node and the reason where a size is the
    batch's or not, one cannot tell.
    """
    if not is_name(name):
        raise OnnxError(f"batch={name!r} is no name for a size: give an identifier such as 'N'")
    if not graph.inputs or not graph.inputs[0].shape:
        raise OnnxError(
            "batch= needs an input whose leading axis is the batch's, of a rank that the file says"
        )
    own = graph.inputs[0].shape[0]
    inputs = tuple(
        replace(port, shape=(name, *port.shape[1:]))
        if port.shape and port.shape[0] == own and (own is not None or port is graph.inputs[0])
        else port
        for port in graph.inputs
    )
    with tracing(Trace()), set_grad_enabled(False):
        change = _Change(graph, inputs, symbol(name), own if isinstance(own, int) else 1)
        change.run()
    outputs = tuple(change.output(port, own) for port in graph.outputs)
    names = {port.name for port in (*inputs, *outputs)}
    inner = {
        key: port if key in graph.initializers or key in names else replace(port, shape=None)
        for key, port in graph.inner.items()
    }
    return replace(
        graph,
        inputs=inputs,
        outputs=outputs,
        nodes=tuple(change.nodes),
        initializers={**graph.initializers, **change.arrays},
        inner=inner,
    )


def may_hold_batch(graph: OnnxGraph, constants: dict[str, Value]) -> OnnxNode | None:
    """A node whose sizes are constant, so that they may be those of the file's own batch."""
    for node in graph.nodes:
        position = -1 if node.domain else _SIZES.get(node.operator, -1)
        if 0 <= position < len(node.inputs):
            sizes = constants.get(node.inputs[position])
            if isinstance(sizes, np.ndarray) and sizes.size and sizes.reshape(-1)[0] > 0:
                return node
    return None


@dataclass
class _Change:
    """The graph while it is run. size: the batch's, `own` in the file; nodes and arrays: what it becomes."""

    graph: OnnxGraph
    inputs: Sequence[Port]
    size: Poly
    own: int
    values: dict[str, Value] = field(default_factory=dict)
    nodes: list[OnnxNode] = field(default_factory=list)
    arrays: dict[str, Array] = field(default_factory=dict)
    makers: dict[str, OnnxNode] = field(default_factory=dict)
    # Of values in which the batch was joined with rows before it, how many these are.
    inside: dict[str, int] = field(default_factory=dict)

    def run(self) -> None:
        """The whole graph. Where a size may be the batch's in several ways, each is tried until all fits."""
        self.values.update(self.graph.initializers)
        self.values.update((port.name, _of_port(i, port)) for i, port in enumerate(self.inputs))
        forks: list[tuple[_Change, int, list[int]]] = []
        first: LenetcError | None = None
        at, taken = 0, None
        for _ in range(_MOST * (len(self.graph.nodes) + 1)):
            if at == len(self.graph.nodes):
                return
            node = self.graph.nodes[at]
            try:
                ways = self._ways(node) if taken is None else taken
                if len(ways) > 1:
                    forks.append((self._copy(), at, ways[1:]))
                self._step(self._changed(node, ways))
                at, taken = at + 1, None
            except LenetcError as error:
                first = first or error
                if not forks:
                    raise first from None
                before, at, taken = forks.pop()
                self._restore(before)
        assert first is not None
        raise first

    def _copy(self) -> _Change:
        parts = {name: getattr(self, name).copy() for name in _PARTS}
        return replace(self, **parts)

    def _restore(self, before: _Change) -> None:
        for name in _PARTS:
            setattr(self, name, getattr(before, name))

    def _step(self, node: OnnxNode) -> None:
        context = Context(scope=self.values)
        try:
            outputs = apply(node, [self.values[name] if name else None for name in node.inputs], context)
        except LenetcError as error:
            node, outputs = self._with_rows_repeated(node, error)
        self._keep(node, outputs)
        if node.operator != "Reshape":
            for name in node.inputs:
                if name in self.inside:
                    self.inside.update((output, self.inside[name]) for output in node.outputs)

    def _keep(self, node: OnnxNode, outputs: Sequence[Value]) -> None:
        self.nodes.append(node)
        for name, value in zip(node.outputs, outputs, strict=False):
            if name:
                self.values[name], self.makers[name] = value, node

    def _add(self, operator: str, inputs: Sequence[str], output: str, **attributes: Any) -> str:
        """The output of a node that is added."""
        if output not in self.values:
            node = OnnxNode(output, "", operator, 13, tuple(inputs), (output,), attributes)
            self._keep(node, apply(node, [self.values[name] for name in inputs], Context()))
        return output

    def _constant(self, name: str, array: Any) -> str:
        self.arrays[name] = self.values[name] = np.asarray(array, np.int64)
        return name

    def _refused(self, node: OnnxNode, reason: str) -> OnnxOperatorError:
        return OnnxOperatorError(f"{node}: batch={str(self.size)!r} is not possible: {reason}")

    # Constants that say sizes.

    def _ways(self, node: OnnxNode) -> list[int]:
        """Of a Reshape the sizes that may have the batch in them, the likeliest first; else none."""
        x = self._followed(node)
        if x is None or node.operator != "Reshape":
            return []
        sizes = self._own_sizes(node, x)
        return [] if sizes is None else self._places(node, x.shape, sizes)

    def _changed(self, node: OnnxNode, ways: list[int]) -> OnnxNode:
        """`node` with its constants following the batch; of `ways` the first."""
        x = self._followed(node)
        if x is None:
            return node
        return (
            self._reshaped(node, x, ways[0]) if ways else _RULES.get(node.operator, _as_it_is)(self, node, x)
        )

    def _followed(self, node: OnnxNode) -> Tensor | None:
        """The first input, where it follows the batch."""
        x = self.values.get(node.inputs[0]) if node.inputs and not node.domain else None
        return x if isinstance(x, Tensor) and any(map(self._follows, x.shape)) else None

    def _follows(self, dim: Dim) -> bool:
        return str(self.size) in symbols(dim)

    def _read(self, node: OnnxNode, position: int) -> list[int] | None:
        """The numbers of an input, where they are constant."""
        value = self.values.get(node.inputs[position]) if position < len(node.inputs) else None
        if not isinstance(value, np.ndarray) or is_symbolic(value):
            return None
        return [int(item) for item in value.reshape(-1)]

    def _put(self, node: OnnxNode, position: int, numbers: Sequence[int]) -> OnnxNode:
        name = self._constant(f"{node.outputs[0]}.{_SIZE}", numbers)
        return _reading(node, position, name)

    def _own_sizes(self, node: OnnxNode, x: Tensor) -> list[int] | None:
        """The constant sizes of a Reshape for the file's own batch; None where there is nothing to be changed."""
        sizes, each = self._read(node, 1), divide(product(tuple(x.shape)), self.size)
        if sizes is None or (0 in sizes and node.attributes.get("allowzero")):
            return None
        sizes = [
            int(x.shape[i]) if n == 0 and isinstance(x.shape[i], int) else n for i, n in enumerate(sizes)
        ]
        if 0 in sizes or not isinstance(each, int):
            return None  # the batch is copied, or there are other symbols
        rest = product(tuple(n for n in sizes if n != -1))
        assert isinstance(rest, int)
        found = [self.own * each // rest if n == -1 else n for n in sizes]
        if product(tuple(found)) != self.own * each:
            raise self._refused(node, f"the shape {sizes} does not hold {self.own} times {each} elements")
        return found

    def _places(self, node: OnnxNode, shape: Sequence[Dim], sizes: list[int]) -> list[int]:
        """Which of `sizes` may have the batch in it, so that the same elements follow one another: that has all of it,
        behind as many rows as there are before it in `shape`."""
        axis, before = self._before(node, shape)
        found, rows = [], 1
        for i, size in enumerate(sizes):
            if before % rows == 0 and rows * size % (before * self.own) == 0 and size:
                found.append(i)
            rows *= size
        if not found:
            raise self._refused(
                node, f"of the sizes {sizes} none has the batch at its place in {list(shape)}"
            )
        return sorted(found, key=lambda i: (i != axis, i))

    def _before(self, node: OnnxNode, shape: Sequence[Dim]) -> tuple[int, int]:
        """The axis that has the batch in it, and the number of rows before it."""
        axis = next(i for i, dim in enumerate(shape) if self._follows(dim))
        before = product(tuple(shape[:axis])) * self.inside.get(node.inputs[0], 1)
        assert isinstance(before, int)
        return axis, before

    def _reshaped(self, node: OnnxNode, x: Tensor, place: int) -> OnnxNode:
        sizes = self._own_sizes(node, x)
        assert sizes is not None
        rows = product(tuple(sizes[:place]))
        _, before = self._before(node, x.shape)
        if before != rows:
            assert isinstance(rows, int)
            self.inside[node.outputs[0]] = before // rows
        return self._put(node, 1, [-1 if i == place else n for i, n in enumerate(sizes)])

    def _expand(self, node: OnnxNode, x: Tensor) -> OnnxNode:
        sizes = self._read(node, 1)
        if sizes is None:
            return node
        behind = dict(zip(range(-1, -x.ndim - 1, -1), reversed(x.shape), strict=True))
        for i in range(-1, -len(sizes) - 1, -1):
            if self._follows(behind.get(i, 1)):
                if sizes[i] not in (1, self.own):
                    raise self._refused(node, f"{x.shape} is expanded to {sizes}")
                sizes[i] = 1
        return self._put(node, 1, sizes)

    def _slice(self, node: OnnxNode, x: Tensor) -> OnnxNode:
        starts, ends = self._read(node, 1), self._read(node, 2)
        axes = self._read(node, 3) if len(node.inputs) > 3 and node.inputs[3] else None
        if starts is None or ends is None:
            return node
        for i, axis in enumerate(axes or range(len(starts))):
            size = x.shape[axis]
            if not self._follows(size) or ends[i] <= 0:
                continue
            if starts[i] == 0 and ends[i] == evaluate(size, {str(self.size): self.own}) and self.own > 1:
                ends[i] = _END
            elif ends[i] < _END // 2**32:
                raise self._refused(
                    node, f"whether {starts[i]}:{ends[i]} is all of the batch, one cannot tell"
                )
        return self._put(node, 2, ends)

    def _gather(self, node: OnnxNode, x: Tensor) -> OnnxNode:
        indices, axis = self._read(node, 1), node.attributes.get("axis", 0)
        if indices is not None and self._follows(x.shape[axis]) and self.own == 1:
            raise self._refused(node, f"whether {indices} is all of the batch or an element, one cannot tell")
        return node

    def _sizes(self, node: OnnxNode, x: Tensor) -> OnnxNode:
        """Sizes of the result, that of the batch as x has it."""
        position = _SIZES[node.operator]
        sizes = self._read(node, position)
        if sizes is None or len(sizes) < 2 or x.shape[0] != self.size or sizes[0] != self.own:
            return node
        rest = self._constant(f"{node.outputs[0]}.rest", sizes[1:])
        return _reading(node, position, self._add("Concat", [self._count(), rest], f"{rest}.{_SIZE}", axis=0))

    def _count(self) -> str:
        """The name of a vector that has the size of the batch."""
        return self._add("Shape", [self.inputs[0].name], _SIZE, start=0, end=1)

    # Values that are the same for each element of the batch.

    def _with_rows_repeated(self, node: OnnxNode, error: LenetcError) -> tuple[OnnxNode, tuple[Value, ...]]:
        """`node` where it does not fit a value that has the file's own batch: with the rows of that, which are all the
        same, repeated for the batch. Raises `error` where there are no such values, or several ways."""
        candidates = [
            (position, axis) for position, name in enumerate(node.inputs) for axis in self._same_rows(name)
        ]
        if len(candidates) > 8 or not any(name and self._is_of_batch(name) for name in node.inputs):
            candidates = []
        for count in range(1, len(candidates) + 1):
            ways = [way for way in itertools.combinations(candidates, count) if self._fits(node, way)]
            if len(ways) == 1:
                for position, axis in ways[0]:
                    node = _reading(node, position, self._repeated(node.inputs[position], axis))
                inputs = [self.values[name] if name else None for name in node.inputs]
                return node, apply(node, inputs, Context(scope=self.values))
            if ways:
                break
        reason = str(error).split("\n")[0]
        raise self._refused(node, reason) from None

    def _is_of_batch(self, name: str) -> bool:
        value = self.values[name]
        if isinstance(value, np.ndarray):
            return is_symbolic(value) and any(self._follows(item) for item in value.flat)
        return isinstance(value, Tensor) and any(map(self._follows, value.shape))

    def _same_rows(self, name: str) -> Iterator[int]:
        """The axes along which a value has as many elements as the file's batch, all the same."""
        value = self.values[name] if name else None
        if not isinstance(value, (Tensor, np.ndarray)):
            return
        if any(isinstance(dim, Poly) for dim in value.shape):
            return
        for axis, size in enumerate(value.shape):
            if size == self.own and (size == 1 or self._is_repeated(name, axis)):
                yield axis

    def _is_repeated(self, name: str, axis: int) -> bool:
        value = self.values[name]
        if isinstance(value, np.ndarray) and not is_symbolic(value):
            return bool((value == np.take(value, [0], axis)).all())
        maker = self.makers.get(name)
        if maker is None or maker.domain or maker.operator not in ("Expand", "Tile"):
            return False
        assert isinstance(value, Tensor)
        of = to_tensor(self.values[maker.inputs[0]])
        place = axis - value.ndim + of.ndim
        return place < 0 or of.shape[place] == 1

    def _fits(self, node: OnnxNode, way: Sequence[tuple[int, int]]) -> bool:
        if len({position for position, _ in way}) < len(way):
            return False
        inputs = [self.values[name] if name else None for name in node.inputs]
        for position, axis in way:
            x = to_tensor(inputs[position])
            first = x[(slice(None),) * axis + (slice(0, 1),)]
            inputs[position] = first.expand([self.size if i == axis else n for i, n in enumerate(x.shape)])
        try:
            apply(node, inputs, Context(scope=self.values))
        except LenetcError:
            return False
        return True

    def _repeated(self, name: str, axis: int) -> str:
        """A value with its rows along `axis` as often as there are elements in the batch."""
        value = self.values[name]
        assert isinstance(value, (Tensor, np.ndarray))
        whole = f"{name}.of_batch"
        first = self._add("Slice", [name], f"{whole}.first", starts=[0], ends=[1], axes=[axis])
        ones = [
            self._constant(f"{whole}.{side}", [1] * count)
            for side, count in (("before", axis), ("behind", value.ndim - axis - 1))
        ]
        shape = self._add("Concat", [ones[0], self._count(), ones[1]], f"{whole}.shape", axis=0)
        return self._add("Expand", [first, shape], whole)

    def output(self, port: Port, own: int | str | None) -> Port:
        """An output with its new type. Raises OnnxOperatorError where it should follow the batch and does not."""
        value, declared = self.values[port.name], port.shape
        if not isinstance(value, (Tensor, np.ndarray)):
            return port
        shape = [evaluate(dim, {str(self.size): self.own}) for dim in value.shape]
        fits = declared is None or (
            len(shape) == len(declared)
            and all(
                a == b
                for a, b in zip(shape, declared, strict=True)
                if isinstance(a, int) and isinstance(b, int)
            )
        )
        has_batch = bool(declared) and own is not None and declared is not None and declared[0] == own
        if not fits or (has_batch and not any(map(self._follows, value.shape))):
            raise OnnxOperatorError(
                f"batch={str(self.size)!r} is not possible: the output {port.name!r} of shape "
                f"{list(declared or ())} would be of {list(value.shape)}"
            )
        return replace(port, shape=tuple(n if isinstance(n, int) else str(n) for n in value.shape))


def _as_it_is(change: _Change, node: OnnxNode, x: Tensor) -> OnnxNode:
    return node


_RULES: dict[str, Any] = {
    "Expand": _Change._expand,
    "Slice": _Change._slice,
    "Gather": _Change._gather,
    "Resize": _Change._sizes,
    "AffineGrid": _Change._sizes,
}


def _reading(node: OnnxNode, position: int, name: str) -> OnnxNode:
    """`node` with another input at `position`."""
    return replace(node, inputs=tuple(name if i == position else old for i, old in enumerate(node.inputs)))


def _of_port(number: int, port: Port) -> Tensor:
    if port.shape is None or port.dtype not in DTYPES:
        raise OnnxError(f"batch= needs the type of the input {port.name!r}, which the file does not say")
    shape = [
        size
        if isinstance(size, int)
        else symbol(size if size and is_name(size) else f"input_{number}_{axis}")
        for axis, size in enumerate(port.shape)
    ]
    return Tensor._from_node(leaf(f"input_{number}", Type(DTYPES[port.dtype], tuple(shape))))
