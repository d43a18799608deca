"""Values that must lie in a range, class labels and indices: checked before anything runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ir import ops
from ir.errors import LenetcError
from ir.types import Array
from lenetc import runtime
from lenetc.evaluation import lazy
from lenetc.evaluation.cell import Context
from lenetc.evaluation.tracing import here
from lenetc.runtime import Value

if TYPE_CHECKING:
    from lenetc.tensors.tensor import Tensor

# Operations that change no value: whatever holds for their operand holds for them.
_MOVES = ("reshape", "transpose", "broadcast_to", "cast", "alias", "stop_gradient")


class LabelError(LenetcError, IndexError):
    """A class label or an index is out of range."""


@dataclass(frozen=True)
class Range:
    """low <= value < high, or value == ignore. what: the function that asks; noun: what it calls a value."""

    what: str
    noun: str
    low: int
    high: int
    ignore: int | None
    reason: str
    where: str

    def check(self, values: Array, name: str = "position ") -> None:
        """Raise LabelError, naming the first place, unless every one of `values` is allowed."""
        if values.size == 1:
            if self.low <= values.item() < self.high:
                return
        elif not values.size or (
            np.minimum.reduce(values, None) >= self.low and np.maximum.reduce(values, None) < self.high
        ):
            return
        wrong = (values < self.low) | (values >= self.high)
        if self.ignore is not None:
            wrong &= values != self.ignore
        if wrong.any():
            place = tuple(np.argwhere(wrong)[0].tolist())
            ignored = "" if self.ignore is None else f", or ignore_index {self.ignore}"
            raise LabelError(
                f"{self.what}: {self.noun} {values[place]} is out of bounds: it must be in "
                f"{self.low}..{self.high - 1} "
                f"({self.reason}){ignored}; first met at {name}{list(place)}. Nothing was run"
            ).at(self.where)


def require_range(
    what: str, noun: str, values: Tensor, high: int, ignore: int | None, reason: str, low: int = 0
) -> None:
    """Raise LabelError unless every value is in low..high-1 or is `ignore`.

    Under compile the values are not known yet: those that the program is fed are checked before each run.
    """
    wanted = Range(what, noun, low, high, ignore, reason, here())
    trace = Context.trace
    if trace is None:
        wanted.check(as_array(_present(values)))
        return
    node = values.node
    while node.op.name in _MOVES and node.inputs[0].dtype.kind == "int":
        node = node.inputs[0]
    if node.op.name == "const":
        wanted.check(node.attrs["value"].array)
    elif node.op is ops.input:
        trace.ranges.append((node, wanted))


def as_array(value: Value | Array) -> Array:
    """`value` on the host."""
    return value if isinstance(value, np.ndarray) else runtime.to_numpy(value)


def _present(values: Tensor) -> Value | Array:
    """The values, without computing anything else that waits."""
    if values._cell.is_known():
        return values._cell.value()
    return lazy.compute([lazy.through(values.node)])[0]
