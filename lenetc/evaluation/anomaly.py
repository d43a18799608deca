"""`detect_anomaly`: when a result is NaN or infinite, name the first operation that made it so."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NoReturn

import numpy as np

from ir.errors import LenetcError
from ir.interpret import bind, evaluate_node
from ir.node import Graph, Node
from ir.types import Array
from lenetc.evaluation.cell import Context, Counts
from lenetc.evaluation.tracing import asked, setting

_enabled = [False]
_PHASES = ("forward", "backward", "update")
_UNCHANGED = "Nothing was changed"


class AnomalyError(LenetcError):
    """A computation gave NaN or infinity; the message names the first op that did."""


class detect_anomaly:
    """In this block every run is checked, and a NaN or infinity is traced to the op that made it first.

    Costs a look at the results and the new state of each run; the search itself, in NumPy, happens only when
    one is found. The state is left as it was before the run. What waits to be computed is computed at both
    ends of the block, so that it is about what the block computes (torch.autograd.detect_anomaly).
    """

    def __init__(self, check: bool = True) -> None:
        self.check = check

    def __enter__(self) -> None:
        if Context.trace is not None:
            raise Context.trace.refused(
                LenetcError(
                    "detect_anomaly inside a compiled function checks nothing: put it around the call"
                )
            )
        Counts.evaluate_pending()
        _enabled.append(self.check)

    def __exit__(self, kind: object, *_: object) -> None:
        try:
            if kind is None:
                Counts.evaluate_pending()
        finally:
            _enabled.pop()


def set_detect_anomaly(mode: bool) -> None:
    """Switch the checks on or off everywhere (torch.autograd.set_detect_anomaly)."""
    setting("the checks for anomalies")
    _enabled[0] = mode


def is_anomaly_enabled() -> bool:
    """Whether runs are checked (torch.is_anomaly_enabled)."""
    asked("whether runs are checked")
    return is_enabled()


def is_enabled() -> bool:
    return _enabled[-1]


def all_finite(arrays: Iterable[Array]) -> bool:
    """Whether there is neither NaN nor infinity in any of `arrays`."""
    return all(map(_finite, arrays))


def explain(graph: Graph, feeds: Mapping[str, Array]) -> NoReturn:
    """Interpret `graph` and raise AnomalyError at the first op whose result is not finite though its
    operands are.

    Where no op is to blame, an input is: the message then names it, and the op that reads it first.
    """
    inputs = [np.asarray(feeds[node.attrs["name"]]) for node in graph.inputs]
    with np.errstate(all="ignore"):
        _search(graph, inputs, "")
    readers = {x: node for node in reversed(graph.nodes()) for x in node.inputs}
    for node, array in zip(graph.inputs, inputs, strict=True):
        if node in readers and not _finite(array):
            reader = readers[node]
            raise AnomalyError(
                f"the input {node.attrs['name']} of type {node.type} holds {_what(array)} before "
                "anything ran; "
                f"{reader.op.name} ({reader.where.phase}) reads it first. {_UNCHANGED}"
            ).at(str(reader.where))
    raise AnomalyError(
        "a result is NaN or infinite, though the same computation in NumPy is not: the runtime's "
        "other order of "
        f"summation exceeded the range of the dtype. {_UNCHANGED}"
    )


def _search(graph: Graph, inputs: Sequence[Array], context: str) -> tuple[Array, ...]:
    """The outputs of `graph`; raises AnomalyError at the first op that makes a NaN or infinity out of finite
    operands.

    The first in the order of the program: forward, then backward, then update.
    """
    values: dict[Node, Any] = dict(zip(graph.inputs, inputs, strict=True))
    env = bind(graph.inputs, [array.shape for array in inputs])
    guilty: list[Node] = []
    for node in graph.nodes():
        if node not in values:
            operands = [values[x] for x in node.inputs]
            values[node] = evaluate_node(node, operands, env)
            if node.op.name != "const" and not _finite(values[node]) and all(map(_finite, operands)):
                guilty.append(node)
    if not guilty:
        return tuple(values[node] for node in graph.outputs)
    first = min(guilty, key=lambda node: _PHASES.index(node.where.phase))
    if first.op.name == "scan":
        _search_steps(first, [values[x] for x in first.inputs], context)
    raise AnomalyError(
        f"{first.op.name} ({first.where.phase}){context} made {_what(values[first])} out of finite operands: "
        f"{', '.join(str(x.type) for x in first.inputs)} -> {first.type}. {_UNCHANGED}"
    ).at(str(first.where))


def _search_steps(node: Node, operands: Sequence[Array], context: str) -> None:
    """`_search` in every step of a scan."""
    body, carries, sequences = node.attrs["body"], node.attrs["carries"], node.attrs["sequences"]
    state, items, rest = (
        operands[:carries],
        operands[carries : carries + sequences],
        operands[carries + sequences :],
    )
    length = len(items[0]) if items else int(node.attrs["length"])
    for step in reversed(range(length)) if node.attrs["reverse"] else range(length):
        inputs = (*state, *(item[step] for item in items), *rest)
        state = _search(body, inputs, f"{context} in step {step} of {length}")[:carries]


def _finite(value: object) -> bool:
    if isinstance(value, tuple):
        return all(map(_finite, value))
    array = np.asarray(value)
    return array.dtype.kind != "f" or bool(np.isfinite(array).all())


def _what(value: object) -> str:
    array = np.concatenate([np.ravel(v) for v in value]) if isinstance(value, tuple) else np.asarray(value)
    nan, inf = int(np.isnan(array).sum()), int(np.isinf(array).sum())
    counts = ((nan, "NaN"), (inf, "infinite"))
    return " and ".join(f"{count} {name} of {array.size} values" for count, name in counts if count)
