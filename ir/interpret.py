"""The reference semantics: run a graph in NumPy, one node at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ir.dims import Dim, Poly, divide, evaluate, symbols
from ir.errors import ShapeError, VerifyError
from ir.node import Graph, Literal, Node
from ir.types import Array, TupleType, Type

Env = dict[str, Dim]


def run(graph: Graph, inputs: Sequence[Array] | Mapping[str, Array]) -> tuple[Array, ...]:
    """Outputs of `graph` (results, then updates) for NumPy inputs in graph order or by name.

    Every result is checked against its inferred type. Raises ShapeError where an input does not fit its
    type, VerifyError where a reference breaks its own type rule.
    """
    if isinstance(inputs, Mapping):
        inputs = [inputs[node.attrs["name"]] for node in graph.inputs]
    env: Env = {}
    values: dict[Node, Any] = {}
    for node, value in zip(graph.inputs, inputs, strict=True):
        array = np.asarray(value)
        bind(node, array.shape, env)
        if array.dtype != node.dtype.numpy:
            raise ShapeError(f"input {node.attrs['name']} is {node.type}, but was given an array of {array.dtype}")
        values[node] = array
    with np.errstate(all="ignore"):
        for node in graph.nodes():
            if node not in values:
                values[node] = evaluate_node(node, [values[x] for x in node.inputs], env)
    return tuple(values[node] for node in graph.outputs)


def bind(node: Node, shape: tuple[int, ...], env: Env) -> None:
    """Record in `env` what a concrete `shape` of input `node` says about its symbols."""
    name, expected = node.attrs["name"], node.shape
    if len(shape) != len(expected):
        raise ShapeError(f"input {name} is {node.type}, but was given shape {list(shape)}")
    for want, size in zip(expected, shape, strict=True):
        if isinstance(want, Poly) and want.terms[0][0][0][0] not in env and len(symbols(want)) == 1:
            coefficient = want.terms[0][1]
            quotient = divide(size, coefficient) if len(want.terms) == 1 else None
            if quotient is not None:
                env[want.terms[0][0][0][0]] = quotient
        if evaluate(want, env) != size:
            raise ShapeError(f"input {name} is {node.type}, but was given shape {list(shape)}")


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
