"""Which sizes of an exported step are symbolic: what the user says, else the batch, where tracing allows it."""

from __future__ import annotations

import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from ir import ops
from ir.dims import Dim, is_name, symbol
from ir.node import Graph
from ir.types import Type
from lenetc.compiler.function import CompiledFunction
from lenetc.compiler.structure import ArgumentError, is_array, type_of
from lenetc.compiler.traces.for_export import ReplacedError
from lenetc.compiler.traces.records import Capture
from lenetc.evaluation.tracing import Exporting, is_ours_or_pythons
from lenetc.operations import creation

Axes: TypeAlias = Mapping[str, Mapping[int, str] | Sequence[int]]
Types: TypeAlias = dict[str, Type]
BATCH = "N"


@dataclass
class Symbolic:
    """A step as it is exported. types: of the inputs that are arrays; sizes: what each symbol was when it was traced,
    that of the batch first; notes: what could not be symbolic, and why."""

    captured: Capture
    types: Types
    sizes: dict[str, int]
    notes: list[str] = field(default_factory=list)


def traced(function: CompiledFunction, values: dict[str, Any], axes: Axes | None, static: bool) -> Symbolic:
    """`function` traced for a call with `values`, whose arrays get symbolic sizes.

    axes: the symbol of each axis that has one, by input, {"tokens": {0: "N", 1: "T"}}; None: the leading axis of the
    inputs, where tracing allows it. static: no symbols. Raises ArgumentError for axes that there are not, and what
    tracing raises where a size that the user wants symbolic has to be a number.
    """
    found = _traced(function, values, axes, static)
    lone = [tensor for tensor, label in found.captured.grads if label and tensor._grad is None]
    if lone:  # gradients that a step leaves are added to by the next, unless it forgets them first
        for tensor in lone:
            tensor._grad = creation.zeros_like(tensor.detach())
        try:
            again = function.capture(values, found.types, exporting=Exporting())
        finally:
            for tensor in lone:
                tensor._grad = None
        if again.grad_inputs:
            found.captured = again
    _forget(found.captured)
    return found


def _forget(captured: Capture) -> None:
    """Let gradients that the step reads and then forgets be zeros for the next."""
    left = {id(tensor) for tensor, label in captured.grads if not label}
    updates = dict(captured.graph.updates)
    for name, tensor in captured.grad_inputs.items():
        if id(tensor) in left:
            type = captured.cells[name].type
            updates[name] = ops.broadcast_to(ops.scalar(0, type.dtype), shape=type.shape)
    graph = captured.graph
    captured.graph = Graph.make(graph.name, graph.inputs, graph.results, updates.items())
    captured.updated = [*updates]


def _traced(function: CompiledFunction, values: dict[str, Any], axes: Axes | None, static: bool) -> Symbolic:
    fixed = {name: type_of(leaf) for name, leaf in function.arguments.leaves(values) if is_array(leaf)}
    if axes is not None and not static:
        types = _named(fixed, axes)
        return _made(function.capture(values, types, exporting=Exporting()), fixed, types)
    arrays = [name for name, type in fixed.items() if type.rank]
    if static or not arrays:
        return _made(function.capture(values, fixed, exporting=Exporting()), fixed, fixed)
    return _Search(function, values, fixed, arrays).best()


def _made(captured: Capture, fixed: Types, types: Types, notes: Sequence[str] = ()) -> Symbolic:
    sizes: dict[str, int] = {}
    for name, type in types.items():
        for dim, size in zip(type.shape, fixed[name].shape, strict=True):
            if not isinstance(dim, int):
                sizes.setdefault(str(dim), int(size))
    return Symbolic(captured, types, sizes, list(notes))


def _named(fixed: Types, axes: Axes) -> Types:
    """`fixed` with the symbols that the user gives. Raises ArgumentError."""
    types = dict(fixed)
    sizes: dict[str, tuple[int, str]] = {}
    if not isinstance(axes, Mapping) or not all(
        isinstance(given, Mapping | list | tuple) for given in axes.values()
    ):
        raise ArgumentError(f"axes: {axes!r}: a dict for each input, as in {{'tokens': {{0: 'N', 1: 'T'}}}}")
    for name, given in axes.items():
        if name not in fixed:
            raise ArgumentError(f"axes: there is no input {name!r}; the inputs are {', '.join(fixed)}")
        shape: list[Dim] = [*fixed[name].shape]
        named = given if isinstance(given, Mapping) else {axis: f"{name}_{axis}" for axis in given}
        for axis, label in named.items():
            if not isinstance(axis, int) or not -len(shape) <= axis < len(shape):
                raise ArgumentError(f"axes: {name} is {fixed[name]} and has no axis {axis!r}")
            if not isinstance(label, str) or not is_name(label):
                raise ArgumentError(
                    f"axes: {label!r}, the name of axis {axis} of {name}, is not an identifier"
                )
            size = int(fixed[name].shape[axis])
            before, where = sizes.setdefault(label, (size, f"axis {axis} of {name}"))
            if before != size:
                raise ArgumentError(
                    f"axes: {label} is {before}, {where}, and {size}, axis {axis} of {name}: "
                    "one name is one size"
                )
            shape[axis] = symbol(label)
        types[name] = fixed[name].with_shape(tuple(shape))
    return types


class _Search:
    """For which sizes the function can be traced. Every trace runs its Python."""

    def __init__(
        self, function: CompiledFunction, values: dict[str, Any], fixed: Types, arrays: list[str]
    ) -> None:
        self.function, self.values, self.fixed = function, values, fixed
        self.batch = int(fixed[arrays[0]].shape[0])
        self.leading = [name for name in arrays if fixed[name].shape[0] == self.batch]
        self.why = ""  # the first way was not possible

    def best(self) -> Symbolic:
        """With the batch as one symbol, wherever it leads; with matrices [N, N] that multiply the batch; without an
        input that only happens to be as long; with the batch as other axes, as in [T, N]; else as it is, with a note
        that says why."""
        whole = dict.fromkeys(self.leading, BATCH)
        everywhere = {
            name: type.with_shape(tuple(symbol(BATCH) if s == self.batch else s for s in type.shape))
            for name, type in self.fixed.items()
        }
        captured = self.attempt(self.with_leading(whole))
        if captured is not None:
            return self.parted(whole, captured)
        other = self.attempt(everywhere) if everywhere != self.with_leading(whole) else None
        if other is not None and any(node.op is ops.matmul for node in other.graph.nodes()):
            return _made(other, self.fixed, everywhere)
        for lone in self.leading[1:]:
            named = {name: label for name, label in whole.items() if name != lone}
            captured = self.attempt(self.with_leading(named))
            if captured is not None:
                return self.parted(named, captured)
        if other is not None:
            return _made(other, self.fixed, everywhere)
        note = f"axis 0 of {', '.join(self.leading)} is fixed at {self.batch}: {self.why}"
        captured = self.function.capture(self.values, self.fixed, exporting=Exporting())
        return _made(captured, self.fixed, self.fixed, [note])

    def parted(self, named: dict[str, str], captured: Capture) -> Symbolic:
        """With a symbol of its own for each input whose length need not be that of the first."""
        for name in list(named)[1:]:
            alone = {**named, name: f"{BATCH}_{name}"}
            found = self.attempt(self.with_leading(alone))
            if found is not None:
                named, captured = alone, found
        return _made(captured, self.fixed, self.with_leading(named))

    def with_leading(self, named: Mapping[str, str]) -> Types:
        return {
            name: type.with_shape((symbol(named[name]), *type.shape[1:])) if name in named else type
            for name, type in self.fixed.items()
        }

    def attempt(self, types: Types) -> Capture | None:
        try:
            return self.function.capture(self.values, types, exporting=Exporting())
        except ReplacedError:  # whatever the sizes are
            raise
        except Exception as error:  # an assertion of the function's own about its sizes, too
            self.why = self.why or told(error)
            return None


def told(error: Exception) -> str:
    """An error's first line, and the user's line."""
    lines = (str(error) or type(error).__name__).splitlines()
    where = next((line.strip() for line in lines[1:] if line.startswith("  at ")), "")
    if not where:
        frames = [
            frame
            for frame in traceback.extract_tb(error.__traceback__)
            if not is_ours_or_pythons(frame.filename)
        ]
        where = f"at {frames[-1].filename}:{frames[-1].lineno}" if frames else ""
    return f"{lines[0]} ({where})" if where else lines[0]
