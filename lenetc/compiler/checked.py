"""Labels and indices that a program computes itself: errors for those that are out of range."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ir.types import Array
from lenetc.compiler.traces.history import Call, replaced
from lenetc.compiler.traces.records import Capture
from lenetc.evaluation.cell import Cell
from lenetc.evaluation.tracing import tracing
from lenetc.tensors.grad_fn import set_grad_enabled
from lenetc.tensors.tensor import Tensor


def refuse_computed(captured: Capture, counts: Array) -> None:
    """Raise LabelError where `counts`, of the values that are not as `captured.checks` wants them, are not 0."""
    for count, wanted in zip(counts.reshape(-1, len(captured.checks)).sum(0), captured.checks, strict=True):
        if count:
            wanted.refuse()


def explain_failure(captured: Capture, leaves: Sequence[Any], numbers: Mapping[str, float]) -> None:
    """Raise LabelError where a run failed as such an index is out of range, which the runtime found first, or nothing.
    The state is as it was before the run."""
    if captured.invalid is None:
        return
    arguments: dict[str, Cell | Array] = {}
    for name, position in captured.feeds:
        leaf = leaves[position]
        arguments[name] = leaf._cell if isinstance(leaf, Tensor) else np.array(leaf)
    call = Call(captured.sources, arguments, numbers, {}, frozenset())
    with tracing(None), set_grad_enabled(False):
        (node,) = replaced([captured.invalid], dict(call.values([captured.invalid])))
        counts = Tensor._from_node(node)._array()
    refuse_computed(captured, counts)
