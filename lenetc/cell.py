"""Cells: where tensors keep their values.

A cell is the storage that a tensor, its `.data` and its `.detach()` share. It holds an IR node (what the value
is), and once somebody looked, the value itself. A cell whose value was given, not computed, stands in the IR as
a leaf of its own; every new value gets a new leaf, so an IR node means one value for ever.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary, WeakValueDictionary

import numpy as np

from ir.errors import LenetcError
from ir.node import Node
from ir.op import leaf
from ir.types import Array, Type, dtype_of
from lenetc import runtime
from lenetc.runtime import Value

if TYPE_CHECKING:
    from lenetc.tracing import Trace

_numbers = itertools.count()
_slots = itertools.count()
_cells: WeakValueDictionary[Node, Cell] = WeakValueDictionary()  # leaf -> the cell that holds its value
evaluated: WeakKeyDictionary[Node, Value | Array] = WeakKeyDictionary()  # computed nodes whose value is known
pending: WeakValueDictionary[int, Cell] = WeakValueDictionary()  # cells nobody has looked at yet, by number

evaluate_pending: Callable[[], None]  # lenetc.lazy sets it


class Context:
    """The trace that is running, if one is."""

    trace: Trace | None = None


class Cell:
    """One value: a node, and its value where it is known.

    `slot` numbers the memory that holds the value now, so that a prepared run can tell whether it still fits.
    """

    __slots__ = ("__weakref__", "_back", "_back_slot", "_node", "_value", "name", "number", "slot", "type", "version")

    def __init__(self, type: Type, node: Node | None = None, value: Value | Array | None = None) -> None:
        self.type = type
        self._node = node
        self._value = value
        self.version = 0
        self.name = ""
        self.number = next(_numbers)
        self.slot = -1
        self._back: Value | None = None
        self._back_slot = -1
        if value is None and Context.trace is None and node is not None and node.op.name != "input":
            pending[self.number] = self

    @property
    def node(self) -> Node:
        """The IR node of the present value."""
        if Context.trace is not None:
            return Context.trace.read(self)
        return self.own_node()

    def own_node(self) -> Node:
        if self._node is None:
            self._node = leaf(f"t{next(_numbers)}", self.type)
            _cells[self._node] = self
        return self._node

    @node.setter
    def node(self, node: Node) -> None:
        if Context.trace is not None:
            Context.trace.write(self, node)
            return
        self.version += 1
        self._node, self._value = node, None
        self.type = node.ty
        pending[self.number] = self

    def set_value(self, value: Value | Array) -> None:
        """Put a known value in. Must not be called for a cell that a computation still has to read."""
        self._value = value
        self._node = None
        self.version += 1
        self.slot, self._back, self._back_slot = -1, None, -1
        pending.pop(self.number, None)

    def settle(self, value: Value | Array, keep_history: bool) -> None:
        """Record the computed value. With `keep_history` the node stays, for a later backward."""
        if keep_history and self._node is not None:
            evaluated[self._node] = value
        else:
            self._node = None
        self._value = value
        pending.pop(self.number, None)

    @property
    def is_known(self) -> bool:
        return self._value is not None

    def value(self) -> Value | Array:
        """The value, computed now if nobody looked before."""
        if Context.trace is not None:
            Context.trace.refuse_value(self)
        if self._value is None:
            if self._node is not None and self._node.op.name == "input":
                raise LenetcError(
                    "this tensor belongs to a compiled function that has returned: its value was never computed. "
                    "Return it from the function to see it"
                )
            evaluate_pending()
        assert self._value is not None
        return self._value

    def numpy(self) -> Array:
        """The value as an array of the caller's own."""
        value = self.value()
        return np.array(value) if isinstance(value, np.ndarray) else runtime.to_numpy(value)

    # Memory on the device, double-buffered: a run reads `front` and writes `back`, then they change places.

    def front(self, device: str) -> Value:
        """The value on `device`, moved there if it is elsewhere."""
        value = self.value()
        if isinstance(value, np.ndarray) or value.device_name().lower() != device:
            host = value if isinstance(value, np.ndarray) else runtime.to_numpy(value)
            value = self._value = runtime.to_device(host, device)
            self.slot = -1
        if self.slot < 0:
            self.slot = next(_slots)
        return value

    def back(self, device: str) -> Value:
        """Memory of the same type for the next value."""
        if self._back is None:
            self._back = runtime.empty([int(dim) for dim in self.type.shape], self.type.dtype.numpy, device)
            self._back_slot = next(_slots)
        return self._back

    def swap(self) -> None:
        """The back memory holds the value now."""
        self._value, self._back = self._back, self._value  # type: ignore[assignment]
        self.slot, self._back_slot = self._back_slot, self.slot
        self._node = None
        self.version += 1


def known(array: Array) -> Cell:
    """A cell holding a copy of `array`."""
    copy = np.array(array)
    return Cell(Type(dtype_of(copy), copy.shape), value=copy)


def leaf_value(node: Node) -> Value | Array | None:
    """The value that leaf `node` stands for. Raises LenetcError where it has been overwritten since."""
    cell = _cells.get(node)
    if cell is None or cell._node is not node:
        raise LenetcError(
            "a value needed for this computation has been modified by an in-place operation (or has been freed): "
            "compute the loss again before calling backward, or clone() what you want to keep"
        ).at(str(node.where))
    return cell._value


