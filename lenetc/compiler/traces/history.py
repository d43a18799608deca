"""The history of what comes out of a compiled function: what backward() outside of it needs.

A result that requires gradients is, outside, one operation of the tensors that it was computed from. Its backward
differentiates the traced formula and computes it anew from the values that these have; where one has been changed in
place since, that is PyTorch's error.
"""

from __future__ import annotations

import itertools
import weakref
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from ir import ops
from ir.errors import LenetcError
from ir.node import Node, Where, building_at, topological
from ir.op import leaf
from ir.types import Array, Type
from lenetc.autograd.hooks import calling
from lenetc.evaluation.cell import Cell, known
from lenetc.evaluation.tracing import Trace, here
from lenetc.tensors.grad_fn import GradFn, grad_fn_class
from lenetc.tensors.tensor import Tensor
from passes.autodiff.driver import gradients
from passes.autodiff.registry import CUSTOM

_calls = itertools.count()


@dataclass
class History:
    """How a result was computed inside. node: its formula; operands: the tensors that gradients go on to, those made
    inside by weak references, each with its node; name: of its last operation; is_freed: whether a backward() inside
    has freed it; functions: operations that have hooks."""

    node: Node
    operands: list[tuple[Tensor | weakref.ref[Tensor], Node]]
    name: str
    is_freed: bool
    where: Where
    functions: list[GradFn] = field(default_factory=list)
    found: tuple[Node, list[Node | None]] | None = None
    has_custom: bool | None = None
    freed: GradFn | None = None  # what stands for it outside then, the same for every call

    def differentiated(self) -> tuple[Node, list[Node | None]]:
        """The leaf that stands for the result's gradient, and the operands' gradients by it."""
        if self.found is None:
            gradient = leaf("gradient", Type(self.node.dtype, self.node.shape))
            with building_at(self.where._replace(phase="backward")):
                self.found = gradient, gradients([(self.node, gradient)], [node for _, node in self.operands])
        return self.found

    def calls_back(self) -> bool:
        """Whether backward calls the user's functions: hooks, or the backward of an autograd.Function."""
        if self.has_custom is None:
            self.has_custom = any(node.op is ops.custom for node in topological((), [self.node]))
        return self.has_custom or bool(self.functions)

    def freed_for(self, tensor: Tensor) -> None:
        """Give `tensor` the history that a backward() inside has freed."""
        if self.freed is None:
            self.freed = grad_fn_class(self.name)(self.node, (), (), saves=True)
            self.freed.freed = True
        tensor._set_grad_fn(self.freed)


def history_of(tensor: Tensor, trace: Trace) -> History | None:
    """The history that `tensor` has in `trace`; None where it has none. It has none of the trace's afterwards."""
    fn = tensor._grad_fn
    if fn is None or fn.trace is not trace:
        return None
    seen: dict[GradFn, None] = {}
    operands: dict[Tensor, Node] = {}
    stack = [fn]
    while stack:
        one = stack.pop()
        if one in seen or one.trace is not trace:
            continue
        seen[one] = None
        operands.update((leaf, node) for leaf, node in one._leaves)
        stack.extend(child for child, _ in one.next_functions if child is not None)
    freed = any(one.freed for one in seen)
    if not freed and any(one.retained is not None and one.retained() is not None for one in seen):
        raise LenetcError(
            "a compiled function calls retain_grad() on a tensor, and backward() is called outside, where what came "
            "out is one operation: call backward() inside, or return the tensor and compile what comes after it "
            "by itself"
        ).at(here())
    node = tensor.node
    tensor._grad_fn = None
    kept: list[tuple[Tensor | weakref.ref[Tensor], Node]] = []
    for operand, at in () if freed else operands.items():
        # A leaf made inside that nobody holds has a gradient for nobody, but for its hooks.
        is_seen = operand._cell.trace is not trace or operand.hooks or operand.after_grad
        kept.append((operand if is_seen else weakref.ref(operand), at))
    hooked = [] if freed else [one for one in seen if one.hooks]
    return History(node, kept, fn.name(), freed, node.where, hooked)


@dataclass
class Sources:
    """What the leaves of a trace stand for: cells of state; arguments and numbers by name."""

    cells: dict[Node, Cell]
    arguments: dict[Node, str]
    numbers: dict[Node, str]


@dataclass
class Call:
    """What one call computed with: for its backward. arguments: their cells, or copies of arrays; numbers: by the
    input's name; before: values that the call itself replaced and results were computed from; versions: of cells."""

    sources: Sources
    arguments: Mapping[str, Cell | Array]
    numbers: Mapping[str, float]
    before: Mapping[Cell, Array]
    replaced: frozenset[Cell]
    versions: dict[Cell, int] = field(default_factory=dict)
    formulas: list[Node] = field(default_factory=list)  # of the results that have history

    def remember(self) -> None:
        """To be called when the run is done."""
        cells = [*self.sources.cells.values(), *(x for x in self.arguments.values() if isinstance(x, Cell))]
        self.versions = {cell: cell.version for cell in cells}

    def values(self, nodes: Sequence[Node], *known: Node) -> Iterator[tuple[Node, Node]]:
        """The leaves of the trace that `nodes` are computed from, each with its node outside."""
        tables = {*self.sources.cells, *self.sources.arguments, *self.sources.numbers}
        for node in topological((), nodes):
            if node in tables and node not in known:
                yield node, self.value(node)

    def value(self, node: Node) -> Node:
        """The node outside of the trace for one of its leaves. Raises LenetcError where its value is gone."""
        if node in self.sources.numbers:
            return _constant(self.numbers[self.sources.numbers[node]], node)
        if node in self.sources.arguments:
            given = self.arguments[self.sources.arguments[node]]
            if not isinstance(given, Cell):
                return known(given).own_node()
            if given in self.before:
                return known(self.before[given]).own_node()
            return self._unchanged(given)
        cell = self.sources.cells[node]
        if cell in self.before:
            return known(self.before[cell]).own_node()
        return self._unchanged(cell)

    def _unchanged(self, cell: Cell) -> Node:
        if cell.catch_up is not None:
            cell.catch_up()
        if cell in self.replaced or cell.version != self.versions.get(cell, cell.version):
            raise LenetcError(
                "one of the variables needed for gradient computation has been modified by an inplace operation: a "
                f"{cell.type} that a compiled function has read was changed before backward(). Call backward() "
                "before the optimizer's step, or change a clone()"
            ).at(here())
        return cell.own_node()


def _constant(value: float, node: Node) -> Node:
    return known(np.asarray(value, node.dtype.numpy)).own_node()


def attach(tensor: Tensor, history: History, call: Call | None, given: Mapping[int, Tensor]) -> None:
    """Give `tensor`, whose value has come out of a call, its history outside. given: by the number of each argument of
    the traced call, that of this one."""
    if history.is_freed:
        history.freed_for(tensor)
        return
    assert call is not None
    key = f"compiled_{next(_calls)}"
    operands = []
    positions = []
    for position, (held, _) in enumerate(history.operands):
        operand = held() if isinstance(held, weakref.ref) else given.get(id(held), held)
        if operand is not None:
            operands.append(operand)
            positions.append(position)
    nodes = [operand.node for operand in operands]
    CUSTOM[key] = partial(_backward, history, call, positions)
    with building_at(history.where):
        node = ops.custom(tensor._cell.own_node(), *nodes, backward=key)
    weakref.finalize(node, CUSTOM.pop, key, None)
    tensor._cell._node = node
    edges = [operand.grad_fn or operand._accumulator() for operand in operands]
    leaves = [(operand, n) for operand, n in zip(operands, nodes, strict=True) if operand.grad_fn is None]
    fn = grad_fn_class("CompiledFunctionBackward")(node, edges, leaves, saves=True)
    call.formulas.append(history.node)
    fn.together = history.node, call.formulas
    tensor._set_grad_fn(fn)


def _backward(history: History, call: Call, positions: Sequence[int], gradient: Node) -> list[Node | None]:
    """Gradients of the operands at `positions`, by that of the result."""
    if history.calls_back():
        return _with_hooks(history, call, positions, gradient)
    given, every = history.differentiated()
    found = [every[position] for position in positions]
    wanted = [node for node in found if node is not None]
    new = {given: gradient}
    new.update(call.values(wanted, given))
    renewed = dict(zip(wanted, replaced(wanted, new), strict=True))
    return [None if node is None else renewed[node] for node in found]


def _with_hooks(history: History, call: Call, positions: Sequence[int], gradient: Node) -> list[Node | None]:
    """The same with the formula of this call's values, which is what hooks see."""
    places = [history.node, *(node for _, node in history.operands), *(fn.node for fn in history.functions)]
    node, *others = replaced(places, dict(call.values(places)))
    operands = [others[position] for position in positions]
    hooked = zip(history.functions, others[len(history.operands) :], strict=True)
    hooks = {at: calling(tuple(fn.hooks.values())) for fn, at in hooked if fn.hooks}
    with building_at(history.where._replace(phase="backward")):
        return gradients([(node, gradient)], operands, hooks)


def replaced(nodes: Sequence[Node], leaves: Mapping[Node, Node]) -> list[Node]:
    """`nodes` with others for some of what they are computed from."""
    new: dict[Node, Node] = dict(leaves)
    for node in topological((), nodes):
        if node not in new:
            operands = [new[x] for x in node.inputs]
            if all(a is b for a, b in zip(operands, node.inputs, strict=True)):
                new[node] = node
            else:
                with building_at(node.where):
                    new[node] = node.op(*operands, **node.attrs)
    return [new[node] for node in nodes]
