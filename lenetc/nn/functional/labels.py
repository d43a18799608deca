"""Class labels: range checks, and one-hot vectors."""

from __future__ import annotations

import numpy as np

from ir import ops
from ir.dims import Dim
from ir.errors import DTypeError, LenetcError
from ir.node import Node
from ir.types import Array, i64
from lenetc import lazy, runtime, shaping
from lenetc.cell import Context
from lenetc.tensor import Tensor, apply
from lenetc.tracing import here

# Operations that change no value: whatever holds for their operand holds for them.
_MOVES = ("reshape", "transpose", "broadcast_to", "cast", "alias", "stop_gradient")


class LabelError(LenetcError, IndexError):
    """A class label or an index is out of range."""


def check_range(what: str, noun: str, values: Tensor, high: int, ignore: int | None, range_of: str) -> None:
    """Raise LabelError unless every value is in 0..high-1 or is `ignore`.

    Under compile the values are not known yet: those that the program is fed are checked before each run.
    """
    allowed = f"it must be in 0..{high - 1} ({range_of})" + (
        "" if ignore is None else f", or ignore_index {ignore}"
    )
    if Context.trace is not None:
        node = values.node
        while node.op.name in _MOVES and node.inputs[0].dtype.kind == "int":
            node = node.inputs[0]
        if node.op is ops.input:
            Context.trace.ranges.append(
                (node, 0, high, ignore, f"{what}: {noun} out of bounds: {allowed}\n  at {here()}")
            )
        return
    array = _present(values)
    wrong = (array < 0) | (array >= high)
    if ignore is not None:
        wrong &= array != ignore
    if wrong.any():
        place = np.argwhere(wrong)[0].tolist()
        raise LabelError(
            f"{what}: {noun} {array[tuple(place)]} is out of bounds: {allowed}; first met at position {place}"
        ).at(here())


def _present(values: Tensor) -> Array:
    """The values, without computing anything else that waits."""
    known = values._cell._value
    found = lazy.compute([lazy.through(values.node)])[0] if known is None else known
    return found if isinstance(found, np.ndarray) else runtime.to_numpy(found)


def class_mask(labels: Node, classes: Dim, axis: int) -> Node:
    """labels[N,...] as bool [N,C,...], classes at `axis`; all is false for a label that is no class."""
    return shaping.one_hot_mask(labels, classes, axis)


def one_hot(tensor: Tensor, num_classes: int = -1) -> Tensor:
    """Labels [*] as i64[*,C], one where the class is the label (torch.nn.functional.one_hot).

    num_classes: -1 takes the largest label plus one. Raises DTypeError for a dtype other than i64,
    LabelError for labels out of range.
    """
    if tensor.dtype is not i64:
        raise DTypeError(
            f"one_hot is only applicable to index tensors of dtype i64, not {tensor.type_text()}"
        ).at(here())
    classes = int(tensor.numpy().max()) + 1 if num_classes == -1 else num_classes
    if classes < 1:
        raise ValueError(f"one_hot: num_classes must be positive, not {num_classes}")
    check_range("one_hot", "label", tensor, classes, None, f"num_classes is {classes}")
    return apply("", lambda a: ops.cast(class_mask(a, classes, a.rank), dtype=i64), tensor)
