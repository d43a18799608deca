"""Op records: schema, type rule and NumPy reference of one operation, in one place.

The decorated function is the record: its positional parameters are the operands, its keyword-only ones the
attributes (with defaults), its body the NumPy reference. A type rule takes the operand types and the
attributes and gives the result's type, or raises an error that names both shapes.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from ir.errors import DTypeError, LenetcError
from ir.node import Literal, Node, Operand, current_where, intern_node
from ir.types import AnyType, DType, Type

Infer = Callable[..., AnyType]
OPS: dict[str, Op] = {}


class Op:
    """One operation. Calling it with nodes (or Python numbers) builds a node."""

    def __init__(self, name: str, reference: Callable[..., Any], infer: Infer) -> None:
        self.name = name
        self.reference = reference
        self.infer = infer
        self.doc = inspect.getdoc(reference) or ""
        parameters = inspect.signature(reference).parameters.values()
        positional = [p for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]
        self.operands = tuple(p.name for p in positional)
        self.required = sum(p.default is p.empty for p in positional)
        self.variadic = any(p.kind is p.VAR_POSITIONAL for p in parameters)
        self.attributes = {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY}

    def __call__(self, *operands: Operand, **attrs: Any) -> Node:
        inputs = self._nodes(operands)
        values = {key: attrs.pop(key, default) for key, default in self.attributes.items()}
        if attrs or inspect.Parameter.empty in values.values():
            raise TypeError(f"{self.name} takes the attributes {', '.join(self.attributes) or 'none'}")
        if not self.required <= len(inputs) or not (self.variadic or len(inputs) <= len(self.operands)):
            raise TypeError(f"{self.name} takes {len(self.operands)} operands, not {len(inputs)}")

        def infer() -> AnyType:
            try:
                return self.infer(*(node.type for node in inputs), **values)
            except LenetcError as error:
                raise error.at(str(current_where())) from None

        return intern_node(self, inputs, values, infer)

    def _nodes(self, operands: tuple[Operand, ...]) -> tuple[Node, ...]:
        peer = next((x for x in operands if isinstance(x, Node)), None)
        if all(isinstance(x, Node) for x in operands):
            return operands  # type: ignore[return-value]
        if peer is None:
            raise TypeError(f"{self.name} needs at least one node among its operands")
        return tuple(x if isinstance(x, Node) else scalar(x, peer.dtype) for x in operands)

    def __repr__(self) -> str:
        return f"<op {self.name}>"


def op(infer: Infer, name: str | None = None) -> Callable[[Callable[..., Any]], Op]:
    """Make the decorated NumPy function an op with the type rule `infer`, and register it."""

    def decorate(reference: Callable[..., Any]) -> Op:
        record = Op(name or reference.__name__.rstrip("_"), reference, infer)
        if record.name in OPS:
            raise ValueError(f"op {record.name} exists already")
        OPS[record.name] = record
        return record

    return decorate


def scalar(value: Any, dtype: DType) -> Node:
    """A constant of rank 0. Raises DTypeError where the number does not fit the dtype's kind."""
    if not dtype.is_float and isinstance(value, float) and not value.is_integer():
        raise DTypeError(f"the number {value} does not fit {dtype}; use an integer, or cast the other operand")
    return OPS["const"](value=Literal(np.asarray(value, dtype.numpy)))


def literal(array: Any) -> Node:
    """A constant holding a NumPy array."""
    return OPS["const"](value=Literal(np.asarray(array)))


def leaf(name: str, type: Type, kind: str = "input") -> Node:
    """A graph input. `kind` is "input", "hyper" or "state"; the name of all but state is an identifier.

    Raises ValueError for a name that the text form could not hold.
    """
    if not name or '"' in name or "\n" in name or (kind != "state" and not name.isidentifier()):
        raise ValueError(f"{name!r} cannot name a graph input of kind {kind}")
    return OPS["input"](name=name, type=type, kind=kind)
