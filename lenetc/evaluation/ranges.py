"""Values that must lie in a range, class labels and indices: checked before anything runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

import numpy as np

from ir import ops
from ir.dims import Dim
from ir.errors import LenetcError
from ir.node import Node
from ir.types import Array, i64
from lenetc import runtime
from lenetc.evaluation import lazy
from lenetc.evaluation.cell import Context, evaluated
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
    high: Dim
    ignore: int | None
    reason: str
    where: str

    def refuse(self) -> NoReturn:
        """Raise LabelError for a value that a program computed."""
        ignored = "" if self.ignore is None else f", or ignore_index {self.ignore}"
        raise LabelError(
            f"{self.what}: a computed {self.noun} is out of bounds: it must be in {self.low}..{self.high - 1} "
            f"({self.reason}){ignored}. Parameters and other state are as they were before the call"
        ).at(self.where)

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
    what: str, noun: str, values: Tensor, high: Dim, ignore: int | None, reason: str, low: int = 0
) -> None:
    """Raise LabelError unless every value is in low..high-1 or is `ignore`.

    Under compile the values are not known yet: those that the program is fed are checked before each run, those that
    it computes, and those whose limit is a size that is not known, by the program itself.
    """
    if values.numel() == 0:  # which a constant repeated no times does not tell
        return
    trace = Context.trace
    node = values.node
    if trace is None and isinstance(high, int) and _are_known_within(node, low, high):
        return
    wanted = Range(what, noun, low, high, ignore, reason, here())
    if trace is None:
        wanted.check(as_array(_present(values)))
        return
    while node.op.name in _MOVES and node.inputs[0].dtype.kind == "int":
        node = node.inputs[0]
    if node.op.name == "const":
        wanted.check(node.attrs["value"].array)
    elif node.op is ops.input and isinstance(high, int):
        trace.ranges.append((node, wanted))
    elif not _is_within(node, wanted):
        trace.checks.append((misses(node, wanted), wanted))


_WAY_OUT = "; take the sigmoid of scores, or binary_cross_entropy_with_logits"


@dataclass(frozen=True)
class Probabilities:
    """0 <= value <= 1, which NaN is not. what: the function that asks, and for which argument."""

    what: str
    argument: str
    type_text: str
    where: str

    def refuse(self) -> NoReturn:
        """Raise LenetcError."""
        raise LenetcError(
            f"{self.what}: all elements of {self.argument} should be between 0 and 1, and those of {self.type_text} "
            f"are not{_WAY_OUT if self.argument == 'input' else ''}. Parameters and other state are as they were "
            "before the call"
        ).at(self.where)


def require_probabilities(what: str, argument: str, values: Tensor) -> None:
    """Raise LenetcError unless every value is between 0 and 1. What is a probability by what computes it is not looked
    at; else the values are computed, or under compile counted by the program itself."""
    node, trace = lazy.through(values.node), Context.trace
    if not values.numel() or _is_probability(node):
        return
    wanted = Probabilities(what, argument, values.type_text(), here())
    if trace is None:
        array = as_array(_present(values))
        if not ((array >= 0) & (array <= 1)).all():
            wanted.refuse()
        return
    right = ops.logical_not(ops.logical_or(ops.less(node, 0.0), ops.greater(node, 1.0)))
    right = ops.logical_and(right, ops.logical_not(ops.is_nan(node)))
    wrong = ops.cast(ops.logical_not(right), dtype=i64)
    trace.checks.append((ops.sum(wrong, axes=tuple(range(node.rank))), wanted))


def _is_probability(node: Node) -> bool:
    """Whether the values are parts of a sigmoid or a softmax, NaN aside, or bools, or numbers between 0 and 1."""
    while node.op.name in (*_MOVES, "slice", "with_gradient"):
        node = node.inputs[0]
    if node.op is ops.concat:
        return all(map(_is_probability, node.inputs))
    if node.op is ops.const:
        array = node.attrs["value"].array
        return bool(((array >= 0) & (array <= 1)).all())
    return node.op in (ops.sigmoid, ops.softmax) or node.dtype.kind == "bool"


def _is_within(node: Node, wanted: Range) -> bool:
    """Whether values of `node` are in the range by what computes them: positions, of a maximum too."""
    if node.op not in (ops.argmax, ops.iota) or wanted.low > 0:
        return False
    size = node.shape[0] if node.op is ops.iota else node.inputs[0].shape[node.attrs["axis"]]
    if isinstance(size, int) and isinstance(wanted.high, int):
        return size <= wanted.high
    return size == wanted.high


def _are_known_within(node: Node, low: int, high: int) -> bool:
    """Whether values of `node` are known, or some of known ones, that are all in the range: a loop that takes its
    indices out of one tensor need not run a program for each of them."""
    while node not in evaluated:
        moves = node.op.name in _MOVES or node.op in (ops.slice, ops.gather)
        if not moves or node.inputs[0].dtype.kind != "int" or _narrows(node):
            return False
        node = node.inputs[0]
    values = as_array(evaluated[node])
    return bool(values.size) and bool(values.min() >= low and values.max() < high)


def _narrows(node: Node) -> bool:
    """Whether this is a cast to integers that may not hold the value."""
    return node.op is ops.cast and node.dtype is not i64


def misses(node: Node, wanted: Range) -> Node:
    """How many values of `node` are not allowed, i64[]."""
    node = node if node.dtype is i64 else ops.cast(node, dtype=i64)
    high = wanted.high if isinstance(wanted.high, int) else ops.dim(size=wanted.high)
    wrong = ops.logical_or(ops.less(node, wanted.low), ops.logical_not(ops.less(node, high)))
    if wanted.ignore is not None:
        wrong = ops.logical_and(wrong, ops.logical_not(ops.equal(node, wanted.ignore)))
    return ops.sum(ops.cast(wrong, dtype=i64), axes=tuple(range(node.rank)))


def as_array(value: Value | Array) -> Array:
    """`value` on the host."""
    return value if isinstance(value, np.ndarray) else runtime.to_numpy(value)


def _present(values: Tensor) -> Value | Array:
    """The values, without computing anything else that waits."""
    if values._cell.is_known():
        return values._cell.value()
    (value,) = lazy.compute([lazy.through(values.node)])
    values._cell.settle(value)
    return value
