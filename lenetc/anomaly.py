"""`detect_anomaly`: when a result is NaN or infinite, name the first operation that made it so."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ir.errors import LenetcError
from ir.interpret import bind, evaluate_node
from ir.node import Graph
from ir.types import Array

_enabled = [False]


class AnomalyError(LenetcError):
    """A computation gave NaN or infinity; the message names the first op that did."""


class detect_anomaly:
    """In this block every run is checked, and a NaN or infinity is traced to the op that made it first.

    Costs a look at the results of each run; the search itself, in NumPy, happens only when one is found. The
    state is left as it was before the run (torch.autograd.detect_anomaly).
    """

    def __init__(self, check: bool = True) -> None:
        self.check = check

    def __enter__(self) -> None:
        _enabled.append(self.check)

    def __exit__(self, *_: object) -> None:
        _enabled.pop()


def set_detect_anomaly(mode: bool) -> None:
    """Switch the checks on or off everywhere (torch.autograd.set_detect_anomaly)."""
    _enabled[0] = mode


def is_enabled() -> bool:
    return _enabled[-1]


def explain(graph: Graph, feeds: Mapping[str, Array]) -> None:
    """Interpret `graph` and raise AnomalyError at the first op whose result is not finite though its operands are."""
    values = {node: np.asarray(feeds[node.attrs["name"]]) for node in graph.inputs}
    env = bind(graph.inputs, [array.shape for array in values.values()])
    for node, array in values.items():
        if not _finite(array):
            raise AnomalyError(f"the value of {node.attrs['name']} ({node.type}) has {_what(array)} before the run")
    with np.errstate(all="ignore"):
        for node in graph.nodes():
            if node in values:
                continue
            values[node] = evaluate_node(node, [values[x] for x in node.inputs], env)
            if node.op.name != "const" and not _finite(values[node]):
                where = f" at {node.where}" if str(node.where) else ""
                raise AnomalyError(
                    f"{node.op.name} ({node.where.phase}){where} made {_what(values[node])} out of finite operands: "
                    f"{', '.join(str(x.type) for x in node.inputs)} -> {node.type}"
                )
    raise AnomalyError("a result is not finite, though the reference computation is: the f32 range was exceeded in the runtime")


def _finite(value: object) -> bool:
    if isinstance(value, tuple):
        return all(map(_finite, value))
    array = np.asarray(value)
    return array.dtype.kind != "f" or bool(np.isfinite(array).all())


def _what(value: object) -> str:
    array = np.concatenate([np.ravel(v) for v in value]) if isinstance(value, tuple) else np.asarray(value)
    nan, inf = int(np.isnan(array).sum()), int(np.isinf(array).sum())
    return " and ".join(f"{count} {name} of {array.size} values" for count, name in ((nan, "NaN"), (inf, "infinite")) if count)
