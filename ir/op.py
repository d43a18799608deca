"""Op records: schema, type rule and NumPy reference of one operation, in one place.

The decorated function is the record: its positional parameters are the operands, its keyword-only ones the
attributes (with defaults), its body the NumPy reference. A type rule takes the operand types and the
attributes and gives the result's type, or raises an error that names both shapes.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping
from functools import lru_cache
from operator import is_not
from typing import Any

import numpy as np

from ir.dims import is_name
from ir.errors import DTypeError, LenetcError
from ir.node import Graph, Literal, Node, Operand, Where, current_where, find_node, new_node
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
        self._defaults = tuple(self.attributes.values())
        self.mandatory = frozenset(
            key for key, default in self.attributes.items() if default is inspect.Parameter.empty
        )

    def __call__(self, *operands: Operand, **attrs: Any) -> Node:
        """The node (self, operands, attrs): the one that exists, or a new one typed by the type rule.

        Python numbers among the operands become constants of the first node's dtype. Raises TypeError where
        the operands or attributes are not the record's, and what the type rule raises.
        """
        for x in operands:
            if type(x) is not Node:
                operands = self._nodes(operands)
                break
        values, given = self.attributes, self._defaults
        if attrs or self.mandatory:
            values = {**values, **attrs}
            given = tuple(values.values())
            if len(given) != len(self._defaults) or not self.mandatory <= attrs.keys():
                raise TypeError(f"{self.name} takes the attributes {', '.join(self.attributes) or 'none'}")
        key = (self, operands, given)
        try:
            node = find_node(key)
        except TypeError:
            raise TypeError(
                f"{self.name}: attributes are numbers, strings and tuples (not lists): {attrs}"
            ) from None
        return self._build(key, values) if node is None else node

    def over(self, inputs: tuple[Node, ...], attrs: Mapping[str, Any], where: Where) -> Node:
        """The node over `inputs`, with the attributes of a node of this op, or others that are plain already: what a
        pass builds a node anew by. One that is not there yet gets the provenance `where`."""
        key = (self, inputs, tuple(attrs.values()))
        return find_node(key) or self._new(key, attrs, where)

    def moved(self, node: Node, inputs: tuple[Node, ...]) -> Node:
        """`node`, of this op, over other operands of the same types: its type and the symbols it needs are the same."""
        key = (self, inputs, tuple(node.attrs.values()))
        found = find_node(key)
        if found is None:
            found = new_node(key, node.attrs, node.type, node.where)
            found.needs = node.needs
        return found

    def typed(self, inputs: tuple[Node, ...], attrs: Mapping[str, Any]) -> AnyType:
        """What the type rule gives. Raises what it raises."""
        if not attrs:
            return _typed(self, tuple([x.type for x in inputs]), ())
        given = tuple(attrs.values())
        if inputs and "backward" not in attrs and not any(type(value) is Graph for value in given):
            return _typed(self, tuple([x.type for x in inputs]), given)
        # Constants, graphs and keys of functions, which should not be kept for what type they have.
        return self.infer(*[x.type for x in inputs], **attrs)

    def _nodes(self, operands: tuple[Operand, ...]) -> tuple[Node, ...]:
        peer = next((x for x in operands if isinstance(x, Node)), None)
        if peer is None:
            raise TypeError(f"{self.name} needs at least one node among its operands")
        return tuple([x if isinstance(x, Node) else scalar(x, peer.dtype) for x in operands])

    def _build(self, key: tuple[Any, ...], values: Mapping[str, Any]) -> Node:
        _, inputs, given = key
        if not self.required <= len(inputs) or not (self.variadic or len(inputs) <= len(self.operands)):
            raise TypeError(f"{self.name} takes {len(self.operands)} operands, not {len(inputs)}")
        if given:
            plain = tuple([value if type(value) in _PLAIN else _plain(value) for value in given])
            if any(map(is_not, plain, given)):
                values = dict(zip(values, plain, strict=True))
                key = (self, inputs, plain)
                node = find_node(key)
                if node is not None:
                    return node
        return self._new(key, values, current_where())

    def _new(self, key: tuple[Any, ...], attrs: Mapping[str, Any], where: Where) -> Node:
        try:
            found = self.typed(key[1], attrs)
        except LenetcError as error:
            raise error.at(str(where)) from None
        return new_node(key, attrs, found, where)

    def __repr__(self) -> str:
        return f"<op {self.name}>"


@lru_cache(maxsize=4096)
def _typed(record: Op, types: tuple[AnyType, ...], values: tuple[Any, ...]) -> AnyType:
    """A program that is traced again asks the same again, and one of many layers for each of them."""
    return record.infer(*types, **dict(zip(record.attributes, values, strict=True)))


def op(infer: Infer, name: str | None = None) -> Callable[[Callable[..., Any]], Op]:
    """Make the decorated NumPy function an op with the type rule `infer`, and register it."""

    def decorate(reference: Callable[..., Any]) -> Op:
        record = Op(name or reference.__name__.rstrip("_"), reference, infer)
        if record.name in OPS:
            raise ValueError(f"op {record.name} exists already")
        OPS[record.name] = record
        return record

    return decorate


_PLAIN = frozenset((int, bool, str, type(None), DType, Type, Literal))  # in the one form already


def _plain(value: Any) -> Any:
    """An attribute in the one form that the text has for it: tuples, Python's numbers, one NaN."""
    if isinstance(value, tuple):
        plain = tuple([x if type(x) is int else _plain(x) for x in value])
        return value if not any(map(is_not, plain, value)) else plain
    if isinstance(value, np.generic):
        return _plain(value.item())
    return math.nan if isinstance(value, float) and value != value else value


def scalar(value: Any, dtype: DType) -> Node:
    """A constant of rank 0. Raises DTypeError where the number does not fit the dtype."""
    if not isinstance(value, (int, float, np.number, np.bool_)):
        raise TypeError(f"an operand must be a node or a number, not {value!r}")
    if hasattr(value, "__node__"):  # a number that is known by an input of its own
        node = value.__node__(dtype)
        if node is not None:
            return node if node.dtype is dtype else OPS["cast"](node, dtype=dtype)
    node = _const(_number(value, "" if value else repr(value), dtype))
    return node if node.dtype is dtype else OPS["cast"](node, dtype=dtype)  # NumPy has no bf16


@lru_cache(maxsize=1024)
def _number(value: Any, sign: str, dtype: DType) -> Literal:
    """`sign` tells -0.0 from 0.0, which are equal."""
    try:
        if not dtype.is_float and int(value) != value:
            raise ValueError
        with np.errstate(over="ignore"):  # which gives infinity
            return Literal(np.asarray(value, dtype.numpy))
    except (ValueError, OverflowError):
        raise DTypeError(
            f"the number {value!r} does not fit {dtype}; use an integer in its range, or cast the other operand"
        ) from None


def _const(value: Literal) -> Node:
    return OPS["const"].over((), {"value": value}, current_where())


def literal(array: Any, dtype: DType | None = None) -> Node:
    """A constant holding a NumPy array, as it is or as values of `dtype`."""
    node = _const(Literal(np.asarray(array) if dtype is None else np.asarray(array, dtype.numpy)))
    return node if dtype in (None, node.dtype) else OPS["cast"](node, dtype=dtype)  # NumPy has no bf16


def leaf(name: str, type: Type, kind: str = "input") -> Node:
    """A graph input. `kind` is "input", "hyper" or "state".

    Raises ValueError for a name that is not a Python identifier, unless it names state.
    """
    if not name or (kind != "state" and not is_name(name)):
        raise ValueError(
            f"{name!r} cannot name a graph input of kind {kind}: it has to be a Python identifier"
        )
    key = (OPS["input"], (), (name, type, kind))
    return find_node(key) or new_node(key, {"name": name, "type": type, "kind": kind}, type, current_where())
