"""The arguments of a function while it is traced: stand-ins for arrays and numbers; what the function did to them."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from ir.errors import LenetcError
from ir.node import Node
from ir.op import leaf
from ir.types import Type
from lenetc.compiler.arrays import TracedArray, live, named, tensor_in
from lenetc.compiler.structure import Arguments, flatten, is_array, is_container
from lenetc.compiler.traces.holders import holders, replace
from lenetc.compiler.traces.records import Capture
from lenetc.evaluation.cell import Cell
from lenetc.evaluation.scalars import Scalar, is_float, plain, scalar_of
from lenetc.evaluation.tracing import Trace
from lenetc.tensors.tensor import Tensor

if TYPE_CHECKING:
    pass


_WITH_ATTRIBUTES = "an argument is a tensor with attributes of its own"


@dataclass
class Traced:
    """The arguments as the traced function gets them: arrays and numbers stand-ins, tensors, lists and dicts
    themselves."""

    values: dict[str, Any]
    names: list[str]  # of all leaves
    inputs: dict[str, Node] = field(default_factory=dict)  # leaves of arrays and tensors
    tensors: dict[str, Tensor] = field(default_factory=dict)
    scalars: dict[str, Scalar] = field(default_factory=dict)
    constants: dict[str, Any] = field(default_factory=dict)  # numbers that are no inputs
    # Lists and dicts: what each held, and what it holds for the function.
    containers: list[tuple[Any, Any, list[Any]]] = field(default_factory=list)
    originals: dict[int, Any] = field(default_factory=dict)  # what a stand-in in one of them stands for
    # Of tensors: whether they required grad, and had a history.
    flags: dict[str, tuple[bool, bool]] = field(default_factory=dict)
    arrays: dict[int, str] = field(default_factory=dict)  # the tensors of NumPy arrays by their numbers
    arrays_given: dict[int, Any] = field(default_factory=dict)  # and the arrays themselves

    def leaves(self) -> dict[str, list[Node]]:
        """The inputs of the program by the argument's name, in the order of the arguments."""
        found = {}
        for name in self.names:
            if name in self.inputs:
                found[name] = [self.inputs[name]]
            elif name in self.scalars:
                found[name] = list(self.scalars[name].nodes.values())
        return found

    def let_go(self, trace: Trace) -> None:
        """Forget the stand-ins: whoever still holds one has kept it."""
        self.values, self.containers, self.originals = {}, [], {}
        self.tensors = {
            name: tensor for name, tensor in self.tensors.items() if tensor._cell.trace is not trace
        }


def prepared(
    values: dict[str, Any],
    arguments: Arguments,
    types: Mapping[str, Type],
    trace: Trace,
    is_input: Callable[[Any], bool],
) -> Traced:
    traced = Traced({}, [name for name, _ in arguments.leaves(values)])
    trace.names.update(traced.names)
    names = iter(traced.names)
    arrays: dict[int, Tensor] = {}  # by the numbers of NumPy's, of which one may be given twice
    stand_ins: dict[int, TracedArray] = {}

    def stand_in(value: Any) -> Any:
        name = next(names)
        if is_array(value):
            is_one = isinstance(value, Tensor)
            if is_one and value.__dict__:
                trace.effect(_WITH_ATTRIBUTES)
            if is_one and (value.hooks or value.after_grad):
                trace.effect("an argument has hooks")
            known = trace.captured.get(value._cell) if is_one else None
            traced.inputs[name] = node = known or leaf(name, types[name])
            if not is_one and id(value) in arrays:  # once more
                tensor = arrays[id(value)]
                traced.inputs[name] = tensor.node
            elif not is_one:
                tensor = arrays[id(value)] = Tensor._from_node(node)
                traced.arrays[id(tensor)] = name
                traced.arrays_given[id(tensor)] = value
            elif types[name] == value._cell.type:
                trace.captured[value._cell] = node
                trace.arguments.add(value._cell)
                trace.given.add(id(value))
                if (root := value._root()) is not value and not known:
                    trace.views.setdefault(root._cell, []).append(value)
                tensor = value
            else:  # with symbolic dims
                tensor = type(value)._from_node(node)
                tensor._requires_grad = value._requires_grad
                tensor.hooks, tensor.after_grad = value.hooks, value.after_grad
                tensor.__dict__.update(value.__dict__)
            traced.tensors[name] = tensor
            if is_one:
                traced.flags[name] = tensor._requires_grad, tensor._grad_fn is not None
                return tensor
            return stand_ins.setdefault(id(value), named(tensor, name))
        if is_float(value) and not is_input(value):
            traced.constants[name] = value
        elif is_float(value):
            traced.scalars[name] = scalar_of(plain(value), name, trace)
            return traced.scalars[name]
        return value

    seen: dict[int, Any] = {}

    def taken(value: Any) -> Any:
        if not is_container(value):
            return stand_in(value)
        if id(value) in seen:  # as before, under names that stand for nothing
            for _ in flatten(value, ""):
                next(names)
            return seen[id(value)]
        held = list(value.values()) if isinstance(value, dict) else list(value)
        items = [taken(item) for item in held]
        if isinstance(value, tuple):
            same = all(a is b for a, b in zip(items, held, strict=True))
            seen[id(value)] = value if same else _tuple_like(value, items)
            return seen[id(value)]
        seen[id(value)] = value
        traced.containers.append((value, dict(value) if isinstance(value, dict) else held, items))
        traced.originals.update((id(b), a) for a, b in zip(held, items, strict=True) if a is not b)
        _put_items(value, items)
        return value

    traced.values = {name: taken(value) for name, value in values.items()}
    seen.clear()
    stand_ins.clear()
    arrays.clear()  # what still holds a tensor after the call has kept it
    return traced


def _tuple_like(value: Any, items: Sequence[Any]) -> Any:
    return type(value)(*items) if hasattr(value, "_fields") else type(value)(items)


def _put_items(container: Any, items: Sequence[Any]) -> None:
    """Let a list or dict hold `items` in the places of its own."""
    for place, item in zip(
        container if isinstance(container, dict) else range(len(items)), items, strict=True
    ):
        if container[place] is not item:
            container[place] = item


def _taken(held: dict[str, Any], name: str) -> tuple[Any, int]:
    """What `held` had by `name`, and a count of references, which is `_ALONE` where there are no others."""
    value = held.pop(name)
    return value, sys.getrefcount(value)


_ALONE = _taken({"": object()}, "")[1]


def free_scalars(captured: Capture, traced: Traced) -> None:
    """Where the function has kept a number that it was given, put the number itself for its stand-in."""
    for name in list(traced.scalars):
        scalar, count = _taken(traced.scalars, name)
        if count <= _ALONE:
            continue
        replace(scalar, scalar.value)
        scalar.end()


def free_arrays(traced: Traced, trace: Trace, is_over: bool) -> None:
    """Where the function has kept an array that it was given, put the array itself for its stand-in, and a tensor for
    what it has computed of it. Raises LenetcError where it is kept in a way that cannot be changed, if the call is
    over; an exception holds what was being done."""
    traced.values = {}
    traced.containers = [(container, held, []) for container, held, _ in traced.containers]
    for array in live(trace.arrays):
        tensor = tensor_in(array)
        kept = traced.arrays_given.get(id(tensor), tensor)
        replace(array, kept)
        if is_over and holders(array):
            gc.collect()  # what is held by nobody but itself
        for holder in holders(array) if is_over else ():
            raise LenetcError(
                f"a compiled function keeps a NumPy array {tensor.type_text()} that it was given, or has computed, "
                f"in a {type(holder).__name__} beyond the call: keep a tensor, lenetc.tensor(array)"
            )


def give_back(traced: Traced, trace: Trace) -> None:
    """Lists and dicts hold what they did again, or what the function has put there."""
    if any(tensor.__dict__ for tensor in traced.tensors.values()):  # which no guard looks into
        trace.effect(_WITH_ATTRIBUTES)
    for name, (required, had_history) in traced.flags.items():
        tensor = traced.tensors[name]
        if tensor._requires_grad != required or (had_history and tensor._grad_fn is None):
            trace.effect("it changes whether an argument requires grad")
    for container, held, items in traced.containers:
        is_dict = isinstance(container, dict)
        now = list(container.values()) if is_dict else list(container)
        is_same = len(now) == len(items) and all(a is b for a, b in zip(now, items, strict=True))
        if not is_same or (is_dict and list(container) != list(held)):
            trace.effect("an argument that is a list or dict was changed")
            trace.before_change(partial(_refill, container, held))
    put_back(traced)


def put_back(traced: Traced) -> None:
    """Replace the stand-ins in lists and dicts by what they stand for."""
    for container, _, _ in traced.containers:
        now = list(container.values()) if isinstance(container, dict) else list(container)
        _put_items(container, [plain(traced.originals.get(id(item), item)) for item in now])


def _refill(container: Any, held: Any) -> None:
    container.clear()
    container.update(held) if isinstance(container, dict) else container.extend(held)


def first_name(traced: Traced, cell: Cell) -> str:
    return next(name for name, tensor in traced.tensors.items() if tensor._cell is cell)
