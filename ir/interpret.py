"""The reference semantics: run a graph in NumPy, one node at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ir.dims import Dim, Poly, divide, evaluate, linear
from ir.errors import DTypeError, ShapeError, VerifyError
from ir.node import Graph, Literal, Node
from ir.types import Array, TupleType, Type

Env = dict[str, Dim]


def run(graph: Graph, inputs: Sequence[Array] | Mapping[str, Array]) -> tuple[Array, ...]:
    """Outputs of `graph` (results, then updates) for NumPy inputs in graph order or by name.

    Every result is checked against its inferred type. Raises ShapeError or DTypeError where an
    input is missing or does not fit its type, VerifyError where a reference breaks its own type rule.
    """
    if isinstance(inputs, Mapping):
        missing = [node.attrs["name"] for node in graph.inputs if node.attrs["name"] not in inputs]
        if missing:
            raise ShapeError(f"graph {graph.name} was not given the inputs {', '.join(missing)}")
        inputs = [inputs[node.attrs["name"]] for node in graph.inputs]
    if len(inputs) != len(graph.inputs):
        raise ShapeError(f"graph {graph.name} takes {len(graph.inputs)} inputs, but was given {len(inputs)}")
    values: dict[Node, Any] = {node: np.asarray(x) for node, x in zip(graph.inputs, inputs, strict=True)}
    env = bind(graph.inputs, [array.shape for array in values.values()])
    for node, array in values.items():
        if array.dtype != node.dtype.numpy:
            raise DTypeError(
                f"input {node.attrs['name']} is {node.type}, but was given an array of {array.dtype}"
            )
    with np.errstate(all="ignore"):
        for node in graph.nodes():
            if node not in values:
                values[node] = evaluate_node(node, [values[x] for x in node.inputs], env)
    return tuple(values[node] for node in graph.outputs)


def bind(nodes: Sequence[Node], shapes: Sequence[tuple[int, ...]]) -> Env:
    """What the concrete `shapes` of inputs `nodes` say about their symbols.

    Raises ShapeError naming the first input that does not fit.
    """
    env: Env = {}
    for node, shape in zip(nodes, shapes, strict=True):
        for want, size in zip(node.shape, shape, strict=False):
            if (solvable := linear(want)) and solvable[0] not in env:
                name, factor, offset = solvable
                quotient = divide(size - offset, factor)
                if quotient is not None:
                    env[name] = quotient
    for node, shape in zip(nodes, shapes, strict=True):
        if len(shape) != node.rank or any(
            evaluate(want, env) != n for want, n in zip(node.shape, shape, strict=True)
        ):
            sizes = ", ".join(f"{name}={size}" for name, size in sorted(env.items()))
            raise ShapeError(
                f"input {node.attrs['name']} is {node.type}, but was given shape {list(shape)}"
                + (f" (the inputs say {sizes})" if sizes and len(shape) == node.rank else "")
            )
    return env


def evaluate_node(node: Node, operands: list[Any], env: Env) -> Any:
    """Value of one node from its operands' values (symbols taken from `env`)."""
    attrs = {key: _concrete(value, env) for key, value in node.attrs.items()}
    result = node.op.reference(*operands, **attrs)
    if isinstance(node.type, TupleType):
        return tuple(_checked(node, x, t, env) for x, t in zip(result, node.type.items, strict=True))
    return _checked(node, result, node.type, env)


def _concrete(value: Any, env: Env) -> Any:
    if isinstance(value, Literal):
        return value.array
    if isinstance(value, Poly):
        return evaluate(value, env)
    if isinstance(value, tuple):
        return tuple(_concrete(item, env) for item in value)
    return value


def _checked(node: Node, result: Any, type: Type, env: Env) -> Array:
    array = np.asarray(result).astype(type.dtype.numpy, copy=False)
    shape = tuple(evaluate(dim, env) for dim in type.shape)
    if array.shape != shape:
        raise VerifyError(f"the reference of {node.op.name} gave shape {array.shape}, its type rule {type}")
    return array
