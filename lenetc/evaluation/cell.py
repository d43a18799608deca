"""Cells: where tensors keep their values.

A cell is the storage that a tensor, its `.data` and its `.detach()` share. It holds an IR node (what the
value is), and once somebody looked, the value itself. A cell whose value was given, not computed, stands in
the IR as a leaf of its own; every new value gets a new leaf, so an IR node means one value for ever.
"""

from __future__ import annotations

import contextlib
import itertools
import operator
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary, WeakValueDictionary, ref

import numpy as np

from ir.errors import DTypeError, LenetcError
from ir.node import Node
from ir.op import leaf, literal
from ir.types import Array, Type, dtype_of
from lenetc import runtime
from lenetc.runtime import Value

if TYPE_CHECKING:
    from lenetc.evaluation.tracing import Trace
    from lenetc.tensors.tensor import Tensor

numbers = itertools.count()  # of cells, and of leaves that share theirs
_slots = itertools.count()
evaluated: WeakKeyDictionary[Node, Value | Array] = WeakKeyDictionary()  # nodes whose value is known
pending: WeakValueDictionary[int, Cell] = WeakValueDictionary()  # cells that wait to be computed, by number


# Held while anything traces, builds, computes or changes a tensor: several threads may use tensors and compiled
# functions, one at a time.
lock = threading.RLock()


@contextlib.contextmanager
def unlocked() -> Iterator[None]:
    """Let the lock go while the user's code runs, which may wait for a thread that needs it."""
    held = lock._release_save()  # type: ignore[attr-defined]  # as threading.Condition does
    try:
        yield
    finally:
        lock._acquire_restore(held)  # type: ignore[attr-defined]


class _Context(threading.local):
    """The trace that is running in this thread, if one is."""

    trace: Trace | None = None


Context = _Context()


def fresh_uid() -> int:
    """A number for a node that is to be told from all others. Each trace counts anew: equal ones are equal graphs."""
    return next(numbers if Context.trace is None else Context.trace.uids)


class Counts:
    """Counters for all threads, and what computes pending cells (lenetc.lazy)."""

    # Changes that can make a compiled program stale: train/eval, requires_grad, new parameters.
    epoch: int = 0
    # What happens to state and gradients, runs of programs included: one that finds the count as it left it need not
    # look at them.
    changes: int = 0
    evaluate_pending: Callable[[], None]


class Cell:
    """One value: a node, and its value where it is known.

    `slot` numbers the memory that holds the value now, so that a prepared run can tell whether it still fits.
    `has_history` says that autograd may still ask how the value was computed. `catch_up` is set for state of a
    program that has run: it exchanges the memories for runs that nobody has looked at since. `trace` is the one that
    made the cell, if one did.
    """

    __slots__ = (
        *("__weakref__", "_back", "_back_slot", "_node", "_value"),
        *("catch_up", "failure", "has_history", "number", "sharers", "slot", "trace", "type", "version"),
    )

    def __init__(self, type: Type, node: Node | None = None, value: Value | Array | None = None) -> None:
        self.type = type
        self._node = node
        self._value = value
        self.version = 0
        self.has_history = False
        self.failure: LenetcError | None = None  # why the value could not be computed
        self.number = next(numbers)
        self.slot = -1
        self._back: Value | None = None
        self._back_slot = -1
        self.catch_up: Callable[[], None] | None = None
        self.sharers: dict[int, ref[Tensor]] | None = None  # of tensors that show it, if there are several
        self.trace = Context.trace
        if value is None and self.trace is None:
            pending[self.number] = self

    @property
    def node(self) -> Node:
        """The IR node of the present value."""
        trace = Context.trace
        return self.own_node() if trace is None else trace.read(self)

    @node.setter
    def node(self, node: Node) -> None:
        trace = Context.trace
        if trace is not None:
            trace.write(self, node)
        else:
            self.replace(node)
            pending[self.number] = self

    def is_read(self) -> bool:
        """Whether somebody may have computed something from the present value."""
        return Context.trace is not None or self._node is not None

    def present(self) -> object:
        """What tells the present value from earlier and later ones."""
        if self.catch_up is not None:
            self.catch_up()
        traced = None if Context.trace is None else Context.trace.current.get(self)
        return self.version if traced is None else (self.version, traced)

    def own_node(self) -> Node:
        """The node outside of any trace: a leaf that stands for the value where no computation does."""
        if self._node is None:
            self._touch()  # the next run has to take the node away
            assert self._value is not None
            self._node = leaf(f"t{next(numbers)}", self.type)
            evaluated[self._node] = self._value
        return self._node

    def _touch(self) -> None:
        """To be called before anything but a program's run changes the cell."""
        if self.catch_up is not None:
            self.catch_up()
        if self.slot >= 0:
            Counts.changes += 1

    def replace(self, node: Node) -> None:
        """Let `node` be the value from now on."""
        self._touch()
        self.version += 1
        self._node, self._value, self.type, self.failure = node, None, node.ty, None
        self.slot, self._back, self._back_slot = -1, None, -1

    def set_value(self, value: Value | Array) -> None:
        """Put a known value of the same type in."""
        self._touch()
        self.version += 1
        self._node, self._value, self.failure = None, value, None
        self.slot, self._back, self._back_slot = -1, None, -1
        pending.pop(self.number, None)

    def become(self, type: Type, value: Value | Array) -> None:
        """Put a known value of another type in."""
        self.type = type
        Counts.epoch += 1
        self.set_value(value)

    def settle(self, value: Value | Array) -> None:
        """Record the computed value. Without history the cell becomes a leaf: a training loop's graph does
        not grow from one iteration to the next."""
        assert self._node is not None
        evaluated[self._node] = value
        if not self.has_history:
            self._node = None
        self._value = value
        pending.pop(self.number, None)

    def fail(self, error: LenetcError) -> None:
        """Record why the value cannot be computed, to be raised when somebody looks."""
        self.failure = error
        pending.pop(self.number, None)

    def saved(self) -> Callable[[], None]:
        """What puts the present value back, whatever happens to the cell in between."""
        self._touch()
        fields = _fields(self)
        waits = self.number in pending

        def restore() -> None:
            self._touch()
            for name, field in zip(_FIELDS, fields, strict=True):
                setattr(self, name, field)
            if waits:
                pending[self.number] = self
            else:
                pending.pop(self.number, None)

        return restore

    def value(self) -> Value | Array:
        """The value, computed now if nobody looked before."""
        if Context.trace is not None:
            Context.trace.refuse_value(self.type)
        with lock:
            if self.catch_up is not None:
                self.catch_up()
            if self._value is None:
                Counts.evaluate_pending()
            if self._value is None:
                assert self._node is not None
                raise self.failure or unavailable(self._node)
            return self._value

    def given(self, value: Value | Array) -> None:
        """What a program computed for a cell that its trace made, or an argument that it changed: no longer a part of
        the trace."""
        self._touch()
        self.trace = None
        self.version += 1
        self._node, self._value, self.failure, self.has_history = None, value, None, False
        self.slot, self._back, self._back_slot = -1, None, -1

    def is_known(self) -> bool:
        """Whether the value has been computed."""
        return self._value is not None

    def numpy(self) -> Array:
        """The value as an array of the caller's own."""
        value = self.value()
        return np.array(value) if isinstance(value, np.ndarray) else runtime.to_numpy(value)

    def held(self) -> Array:
        """The value as an array for reading only, which is kept: on the CPU no copy is made a second time."""
        value = self.value()
        if isinstance(value, np.ndarray):
            return value
        array = runtime.to_numpy(value)
        if self.slot < 0 and value.device_name() == "cpu":
            self._value = array
            if self._node is not None:
                evaluated[self._node] = array
        return array

    def item(self) -> int | float | bool:
        """The value of a single element as a Python number."""
        value = self.value()
        number: int | float | bool = value.item() if isinstance(value, np.ndarray) else runtime.item(value)
        return number

    # Memory on the device, double-buffered: a run reads `front` and writes `back`, then they change places.

    def front(self, device: str) -> Value:
        """The value on `device`, moved there if it is elsewhere."""
        value = self.value()
        if self.slot < 0 or isinstance(value, np.ndarray) or value.device_name() != device:
            self._touch()
            value = self._value = runtime.moved(value, device)
            if self._node is not None:
                evaluated[self._node] = value
            self.slot, self._back = next(_slots), None
        return value

    def readable(self, device: str) -> Value:
        """The value on `device`, for reading only: it may share its memory with others."""
        value = self.value()
        there = not isinstance(value, np.ndarray) and value.device_name() == device
        return value if there else self.front(device)

    def back(self, device: str) -> Value:
        """Memory of the same type for the next value."""
        if self.catch_up is not None:
            self.catch_up()
        if self._back is None:
            self._back = runtime.empty(
                [int(dim) for dim in self.type.shape], runtime.stored(self.type.dtype), device
            )
            self._back_slot = next(_slots)
        return self._back

    def swap(self, runs: int = 1) -> None:
        """After `runs` runs: the back memory holds the value, if their number is odd. Whoever needs an old value
        has computed it before the first one."""
        if self._node is not None:
            evaluated.pop(self._node, None)
            self._node = None
        self.version += runs
        if runs & 1:
            assert self._back is not None and not isinstance(self._value, np.ndarray)
            self._value, self._back = self._back, self._value
            self.slot, self._back_slot = self._back_slot, self.slot


_FIELDS = tuple(name for name in Cell.__slots__ if name not in ("__weakref__", "sharers"))
_fields = operator.attrgetter(*_FIELDS)


class Exchange:
    """The state that a program replaces. Its memories change places when somebody looks, not at every run.

    settle: waits until the last run has written them; raises what it raised, and then that run does not count.
    """

    __slots__ = ("_lock", "cells", "runs", "settle")

    def __init__(self, cells: Sequence[Cell], settle: Callable[[], None]) -> None:
        self.cells = cells
        self.runs = 0
        self.settle = settle
        self._lock = threading.Lock()

    def wait(self) -> None:
        """Return when the state of the last run is written."""
        try:
            self.settle()
        except BaseException:
            self.runs -= 1
            raise

    def catch_up(self) -> None:
        """Exchange the memories for the runs there have been."""
        if not self.runs:
            return
        with self._lock:
            try:
                self.wait()
            finally:
                for cell in self.cells if self.runs else ():
                    cell.swap(self.runs)
                self.runs = 0


def known(array: Array) -> Cell:
    """A cell holding a copy of `array`, which is a constant of the program that is being traced, if one is.

    Raises DTypeError for an array of a dtype that tensors cannot have.
    """
    copy = np.array(array)
    try:
        type = Type(dtype_of(copy), copy.shape)
    except TypeError as error:
        raise DTypeError(f"cannot make a tensor of shape {list(copy.shape)}: {error}") from None
    if Context.trace is None:
        return Cell(type, value=copy)
    return Cell(type, literal(copy.astype(type.dtype.numpy), type.dtype))


def unavailable(node: Node) -> LenetcError:
    """The error for a value that no computation can give any more."""
    return LenetcError(
        f"the value of this {node.type} is not stored: it was made inside a compiled function, of "
        "which only what it "
        "returns comes out. Return it from the function to see it"
    ).at(str(node.where))
