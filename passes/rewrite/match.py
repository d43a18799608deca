"""What rules ask of nodes: helpers for structural matching, and the list that rules register in."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ir import ops
from ir.dims import Dim, Shape
from ir.node import Node
from ir.ops.rules import broadcast_shapes
from ir.types import Type, u8
from passes.rewrite.driver import Rule

UNARY = (
    "neg",
    "abs",
    "sign",
    "exp",
    "log",
    "sqrt",
    "sin",
    "cos",
    "tanh",
    "sigmoid",
    "relu",
    "softplus",
    "erf",
    "floor",
    "is_nan",
)
ARITHMETIC = ("add", "sub", "mul", "div", "pow", "fmod", "maximum", "minimum")
COMPARISONS = ("equal", "less", "greater")
LOGIC = ("logical_not", "logical_and", "logical_or", "mod", "bitwise_and", "bitwise_or", "bitwise_xor")
ELEMENTWISE = (*UNARY, *ARITHMETIC, *COMPARISONS, *LOGIC, "where", "cast", "relu_grad")


class Rules(list[tuple[str, Rule]]):
    """Pairs (op name, rule) for `rewrite`; `on` is the decorator that adds one."""

    def on(self, *names: str) -> Callable[[Rule], Rule]:
        """Register a rule `before => after` for the ops named, "*" for all."""

        def register(rule: Rule) -> Rule:
            self.extend((name, rule) for name in names)
            return rule

        return register


def is_op(node: Node, *names: str) -> bool:
    """Whether `node` is one of the ops of these names."""
    return node.op.name in names


def is_scalar(node: Node) -> bool:
    """Whether `node` is one value of rank 0."""
    return isinstance(node.type, Type) and not node.type.shape


def is_const(node: Node) -> bool:
    """Whether `node` is a constant."""
    return node.op is ops.const


def value_of(node: Node) -> Any:
    """The number that every element of `node` is known to equal, or None."""
    while node.op in (ops.broadcast_to, ops.reshape):
        node = node.inputs[0]
    if node.op is not ops.const:
        return None
    array = node.attrs["value"].array
    if array.size == 0 or (array.size > 1 and not (array == array.flat[0]).all()):
        return None
    return array.flat[0].item()


def number(value: float, like: Node) -> Node | None:
    """`value` as a scalar of `like`'s dtype; None where it overflows, or loses digits by underflow."""
    dtype = like.dtype
    if dtype.name == "bf16":  # NumPy has none to hold the number in
        return None
    if not dtype.is_float:
        bits = 8 * dtype.numpy.itemsize
        lowest, highest = (0, 2**bits) if dtype is u8 else (-(2 ** (bits - 1)), 2 ** (bits - 1))
        return ops.scalar(value, dtype) if lowest <= value < highest else None
    with np.errstate(all="ignore"):
        rounded = float(np.asarray(value, dtype.numpy))
    lost = not math.isfinite(rounded) or (value != 0 and abs(rounded) < np.finfo(dtype.numpy).tiny)
    return None if lost else ops.scalar(value, dtype)


def with_shape(x: Node, shape: Shape) -> Node:
    """`x` broadcast to `shape`, or itself where it has it."""
    return x if x.shape == shape else ops.broadcast_to(x, shape=shape)


def reshaped(x: Node, shape: Shape) -> Node:
    """`x` in `shape`, or itself where it has it."""
    return x if x.shape == shape else ops.reshape(x, shape=shape)


def joint_shape(*nodes: Node) -> Shape:
    """The shape that the nodes broadcast to."""
    return broadcast_shapes("rewrite", *(node.shape for node in nodes))


def either(node: Node, test: Callable[[Node], Any]) -> tuple[Node, Node] | None:
    """The operands of a binary node as (one that passes `test`, the other), or None."""
    x, y = node.inputs
    if test(x):
        return x, y
    return (y, x) if test(y) else None


def at_most(small: Dim, large: Dim) -> bool:
    """Whether `small` <= `large` is known for every size of the symbols."""
    try:
        return small <= large
    except TypeError:
        return False
