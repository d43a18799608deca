"""Runs the nodes of an ONNX graph over tensors, one after the other, so that all else is as for a user's own code."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np

from ir.errors import LenetcError, SymbolicDimError
from lenetc.evaluation.tracing import current_scope, here, scope
from lenetc.importer import operators  # noqa: F401 - fills the table
from lenetc.importer.errors import OnnxOperatorError
from lenetc.importer.quantized import MOVES, on_floats
from lenetc.importer.records import OnnxGraph, OnnxNode
from lenetc.importer.registry import ON_HOST, TABLE, Entry
from lenetc.importer.values import Value, to_host, to_tensor
from lenetc.tensors.tensor import Tensor


@dataclass
class Context:
    """What operators may ask for besides their inputs. training: the module's mode. scope: names and values that
    bodies see from outside. buffers: the module's, each with the mode of the part that has it."""

    training: bool = False
    scope: Mapping[str, Value] = field(default_factory=dict)
    buffers: Sequence[tuple[Tensor, bool]] = ()

    def mode(self, tensor: Tensor) -> bool | None:
        """Whether the part of the module that has `tensor` as a buffer is in training mode; None where none has it, so
        that it may not be changed."""
        return next((training for buffer, training in self.buffers if buffer is tensor), None)

    def run(self, body: OnnxGraph, inputs: list[Value]) -> list[Value]:
        """The outputs of a body, which sees the values around it."""
        return run(body, dict(zip((port.name for port in body.inputs), inputs, strict=True)), self)


def run(graph: OnnxGraph, given: Mapping[str, Value], context: Context) -> list[Value]:
    """The outputs of `graph`. given: its inputs, initializers and folded values, by name.

    Raises the errors of the operations, with the node in their text.
    """
    values: dict[str, Value] = {**context.scope, **graph.initializers, **given}
    inner = replace(context, scope=values)
    around = current_scope()
    for node in graph.nodes:
        if all(name in given for name in node.outputs if name):
            continue  # folded, or asked for from outside
        with scope(f"{around}.{node.path}" if around else node.path):
            outputs = apply(node, [values[name] if name else None for name in node.inputs], inner)
        values.update((name, value) for name, value in zip(node.outputs, outputs, strict=False) if name)
    return [values[port.name] for port in graph.outputs]


def apply(node: OnnxNode, inputs: list[Value], context: Context) -> tuple[Value, ...]:
    """The outputs of `node`. Raises the errors of the operations, with the node in their text."""
    try:
        return _apply(node, inputs, context)
    except LenetcError as error:
        raise _at(node, error) from None
    except Warning:
        raise
    except Exception as error:
        # Of what files say and the operator did not expect, such as axes that there are not.
        raise _at(node, OnnxOperatorError(f"{type(error).__name__}: {error}")) from error


def _at(node: OnnxNode, error: LenetcError) -> LenetcError:
    """`error`, which says of which node it is, once."""
    if not hasattr(error, "onnx_node"):
        error.at(here())
        error.args = (f"{error.args[0]}\n  in {node}", *error.args[1:])
        error.onnx_node = node  # type: ignore[attr-defined]
    return error


def _apply(node: OnnxNode, inputs: list[Value], context: Context) -> tuple[Value, ...]:
    entry = entry_of(node)
    attributes = attributes_of(entry, node)
    on_host = ON_HOST.get(entry.name) if not entry.domain else None
    if (
        on_host is not None
        and attributes.keys() <= on_host.keywords
        and all(value is None or isinstance(value, np.ndarray) for value in inputs)
    ):
        given = {k: v for k, v in _given(node, context).items() if k in on_host.keywords}
        try:
            return _outputs(on_host.function(*inputs, **attributes, **given))
        except SymbolicDimError:
            pass  # no dim comes of it, but a value does
    converted = [_convert(value, entry.kind(i)) for i, value in enumerate(inputs)]
    given = _given(node, context)
    function = partial(entry.function, **attributes, **{name: given[name] for name in entry.given})
    return _outputs(on_floats(function, converted) if node.operator in MOVES else function(*converted))


def entry_of(node: OnnxNode) -> Entry:
    """The table's entry for `node`. Raises OnnxOperatorError where there is none."""
    entry = TABLE.get((node.domain, node.operator))
    if entry is None:
        raise OnnxOperatorError(f"{node}: this operator is not here")
    return entry


def attributes_of(entry: Entry, node: OnnxNode) -> dict[str, Any]:
    """The arguments for the attributes of `node`. Raises OnnxOperatorError for such as the entry does not know, and
    for missing ones."""
    if unknown := sorted(node.attributes.keys() - entry.attributes.keys()):
        raise OnnxOperatorError(f"{node}: the attribute {', '.join(unknown)} is not understood")
    empty = inspect.Parameter.empty
    if lacking := [
        name for name, d in entry.attributes.items() if d is empty and name not in node.attributes
    ]:
        raise OnnxOperatorError(f"{node}: the attribute {', '.join(lacking)} is missing")
    return dict(node.attributes)


def _given(node: OnnxNode, context: Context) -> dict[str, Any]:
    return {
        "opset": node.opset,
        "count": max((i + 1 for i, name in enumerate(node.outputs) if name), default=0),
        "training": context.training,
        "node": node,
        "context": context,
    }


_CONVERT: dict[str | None, Callable[[Value], Any]] = {
    "Tensor": to_tensor,
    "Buffer": to_tensor,
    "Sizes": to_host,
    "Value": lambda value: value,
}


def _convert(value: Value, kind: str | None) -> Any:
    if kind is None:
        raise OnnxOperatorError("the operator has more inputs than it takes")
    return None if value is None else _CONVERT[kind](value)


def _outputs(result: Any) -> tuple[Value, ...]:
    return result if isinstance(result, tuple) else (result,)
