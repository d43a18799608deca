"""Rules of arithmetic: neutral elements, signs, scalar factors, constants, masks."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ir import ops
from ir.interpret import evaluate_node
from ir.node import Graph, Node
from ir.op import OPS
from ir.types import Type, u8
from passes.rewrite.driver import used_once
from passes.rewrite.match import (
    ELEMENTWISE,
    Rules,
    either,
    is_const,
    is_op,
    is_scalar,
    joint_shape,
    number,
    value_of,
    with_shape,
)

RULES = Rules()
_FOLDED = (
    4096  # elements; larger results are left to be computed, so that no model file swells with constants
)


@RULES.on("*")
def fold_constants(node: Node) -> Node | None:
    """op(consts) => const, where the result is small and no larger than what it is made of"""
    if not node.inputs or node.inputs[0].op is not ops.const:  # quick to tell, of nearly all nodes
        return None
    if not all(map(is_const, node.inputs)) or node.op is ops.custom:
        return None
    if not isinstance(node.type, Type) or not node.ty.is_static or node.dtype.name == "bf16":
        return None
    size = math.prod(int(dim) for dim in node.shape)
    if size > min(_FOLDED, max(1, *(x.attrs["value"].array.size for x in node.inputs))):
        return None
    if any(isinstance(value, Graph) for value in node.attrs.values()):
        return None
    with np.errstate(all="ignore"):
        return ops.literal(evaluate_node(node, [x.attrs["value"].array for x in node.inputs], {}))


@RULES.on("dim")
def fold_dim(node: Node) -> Node | None:
    """dim(size=3) => 3"""
    size = node.attrs["size"]
    return ops.scalar(size, node.dtype) if isinstance(size, int) else None


@RULES.on("add", "sub")
def drop_zero(node: Node) -> Node | None:
    """add(x, 0) => x; sub(x, 0) => x"""
    x, y = node.inputs
    return x if value_of(y) == 0 and x.type == node.type else None


@RULES.on("sub")
def negate_instead(node: Node) -> Node | None:
    """sub(0, x) => neg(x), but not for u8, which ONNX Neg does not take"""
    x, y = node.inputs
    return ops.neg(y) if value_of(x) == 0 and y.type == node.type and x.dtype is not u8 else None


@RULES.on("mul", "div", "pow")
def drop_one(node: Node) -> Node | None:
    """mul(x, 1) => x; div(x, 1) => x; pow(x, 1) => x"""
    x, y = node.inputs
    return x if value_of(y) == 1 and x.type == node.type else None


@RULES.on("add", "mul", "maximum", "minimum", "equal")
def constant_right(node: Node) -> Node | None:
    """mul(2, x) => mul(x, 2); and so a scalar goes to the right of a tensor"""
    x, y = node.inputs
    rank = is_const if is_const(x) or is_const(y) else is_scalar  # two rules of order would undo each other
    return node.op(y, x) if rank(x) and not rank(y) else None


@RULES.on(*ELEMENTWISE)
def scalar_constant(node: Node) -> Node | None:
    """add(x, [[2, 2]]) => add(x, 2), where the result has its shape without the constant"""
    if len(node.inputs) == 1:
        return None
    for i, x in enumerate(node.inputs):
        if x.op is ops.const and x.shape and (value := value_of(x)) is not None:
            others = [*node.inputs[:i], ops.scalar(value, x.dtype), *node.inputs[i + 1 :]]
            if joint_shape(*others) == node.shape:
                return node.op(*others, **node.attrs)
    return None


@RULES.on(*ELEMENTWISE)
def drop_broadcast(node: Node) -> Node | None:
    """add(broadcast_to(x), y) => add(x, y), broadcast afterwards where the result still needs it"""
    for x in node.inputs:
        if x.op is ops.broadcast_to:
            break
    else:
        return None
    if node.op is ops.cast and node.dtype.name == "bf16":  # which the CPU cannot broadcast
        return None
    stripped = [x.inputs[0] if x.op is ops.broadcast_to else x for x in node.inputs]
    return with_shape(node.op(*stripped, **node.attrs), node.shape)


def scaled(node: Node) -> tuple[Node, Node | None] | None:
    """(x, factor) where `node` is x times or over a scalar, (x, None) where it is -x."""
    if node.op is ops.neg:
        return node.inputs[0], None
    if node.op in (ops.mul, ops.div) and is_scalar(node.inputs[1]) and not is_scalar(node.inputs[0]):
        return node.inputs[0], node.inputs[1]
    return None


def rescaled(scale: Node, x: Node) -> Node:
    """x with the scaling that made `scale` applied."""
    return OPS[scale.op.name](x, *scale.inputs[1:])


@RULES.on("mul", "div")
def merge_factors(node: Node) -> Node | None:
    """mul(mul(x, a), b) => mul(x, mul(a, b)), and so for div, where a and b are scalars"""
    inner, b = node.inputs
    if not is_op(inner, "mul", "div") or not is_scalar(b) or not is_scalar(inner.inputs[1]):
        return None
    x, a = inner.inputs
    divides = (inner.op is ops.div) + (node.op is ops.div)
    if divides and not node.dtype.is_float:
        return None
    if is_const(a) and is_const(b):
        return _merged_constants(node, x, value_of(a), value_of(b), divides)
    if is_scalar(x) or not used_once(inner):
        return None
    if divides == 1:
        return ops.mul(x, a / b if node.op is ops.div else b / a)
    return node.op(x, a * b)


def _merged_constants(node: Node, x: Node, a: float, b: float, divides: int) -> Node | None:
    """x scaled by both numbers; None where the merged number overflows or underflows."""
    if divides == 1:
        if a == 0 or b == 0:
            return None
        merged = number(a / b if node.op is ops.div else b / a, x)
    else:
        merged = number(a * b, x)
    return (
        None
        if merged is None or value_of(merged) == 0
        else node.op(x, merged)
        if divides != 1
        else x * merged
    )


@RULES.on("div")
def divide_exactly(node: Node) -> Node | None:
    """div(x, 4) => mul(x, 0.25), for powers of two, whose reciprocal is exact"""
    x, y = node.inputs
    value = value_of(y)
    if not is_const(y) or not isinstance(value, float) or not math.isfinite(value) or value == 0:
        return None
    factor = number(1 / value, y) if abs(math.frexp(value)[0]) == 0.5 else None
    return None if factor is None else ops.mul(x, with_shape(factor, y.shape))


@RULES.on("mul", "div")
def minus_one(node: Node) -> Node | None:
    """mul(x, -1) => neg(x); div(x, -1) => neg(x)"""
    x, y = node.inputs
    return ops.neg(x) if value_of(y) == -1 and x.type == node.type else None


@RULES.on("neg")
def merge_neg(node: Node) -> Node | None:
    """neg(neg(x)) => x; neg(sub(x, y)) => sub(y, x); neg(mul(x, 2)) => mul(x, -2); so for div"""
    inner = node.inputs[0]
    if inner.op is ops.neg:
        return inner.inputs[0]
    if inner.op is ops.sub and used_once(inner):
        return ops.sub(inner.inputs[1], inner.inputs[0])
    if inner.op not in (ops.mul, ops.div) or not used_once(inner):
        return None
    x, y = inner.inputs
    if is_const(y):
        return inner.op(x, ops.neg(y))
    return inner.op(ops.neg(x), y) if is_const(x) else None


@RULES.on("mul", "div")
def factor_takes_sign(node: Node) -> Node | None:
    """mul(neg(x), 2) => mul(x, -2); mul(neg(x), neg(y)) => mul(x, y)"""
    x, y = node.inputs
    if x.op is not ops.neg:
        return None
    if is_const(y):
        return node.op(x.inputs[0], ops.neg(y))
    return node.op(x.inputs[0], y.inputs[0]) if y.op is ops.neg else None


@RULES.on("add", "sub")
def add_negated(node: Node) -> Node | None:
    """add(x, neg(y)) => sub(x, y); sub(x, neg(y)) => add(x, y); add(neg(x), y) => sub(y, x)"""
    x, y = node.inputs
    if y.op is ops.neg:
        return (ops.sub if node.op is ops.add else ops.add)(x, y.inputs[0])
    return ops.sub(y, x.inputs[0]) if node.op is ops.add and x.op is ops.neg else None


@RULES.on("mul", "div")
def neg_outwards(node: Node) -> Node | None:
    """mul(neg(x), y) => neg(mul(x, y)), where the sign may meet another one or a difference"""
    for i, x in enumerate(node.inputs):
        if x.op is ops.neg and x.shape == node.shape and used_once(x):
            return ops.neg(node.op(*(y.inputs[0] if j == i else y for j, y in enumerate(node.inputs))))
    return None


@RULES.on("add")
def twice(node: Node) -> Node | None:
    """add(x, x) => mul(x, 2)"""
    x, y = node.inputs
    return ops.mul(x, ops.scalar(2, x.dtype)) if x is y and x.dtype.name != "bf16" else None


@RULES.on("pow")
def square(node: Node) -> Node | None:
    """pow(x, 2) => mul(x, x)"""
    x, y = node.inputs
    return ops.mul(x, x) if value_of(y) == 2 and x.type == node.type else None


@RULES.on("maximum", "minimum", "logical_and", "logical_or")
def same_operands(node: Node) -> Node | None:
    """maximum(x, x) => x; logical_and(x, x) => x"""
    return node.inputs[0] if node.inputs[0] is node.inputs[1] else None


@RULES.on("maximum")
def relu_instead(node: Node) -> Node | None:
    """maximum(x, 0) => relu(x), which the runtime fuses into convolutions"""
    x, y = node.inputs
    return ops.relu(x) if value_of(y) == 0 and x.type == node.type and x.dtype.is_float else None


@RULES.on("relu", "abs", "sign", "floor")
def idempotent(node: Node) -> Node | None:
    """relu(relu(x)) => relu(x); so for abs, sign, floor"""
    return node.inputs[0] if node.inputs[0].op is node.op else None


@RULES.on("logical_not")
def double_not(node: Node) -> Node | None:
    """logical_not(logical_not(x)) => x"""
    return node.inputs[0].inputs[0] if node.inputs[0].op is ops.logical_not else None


@RULES.on("stop_gradient", "alias", "custom", "with_gradient", "with_slope")
def drop_marker(node: Node) -> Node | None:
    """stop_gradient(x) => x; so for the other marks, which mean nothing once gradients are made"""
    return node.inputs[0]


@RULES.on("cast")
def drop_cast(node: Node) -> Node | None:
    """cast(x) => x, where x has the dtype; cast(cast(x)) => cast(x), where the inner one loses nothing"""
    x = node.inputs[0]
    if x.dtype is node.dtype:
        return x
    if x.op is not ops.cast or not _holds(x.dtype, x.inputs[0].dtype):
        return None
    return ops.cast(x.inputs[0], dtype=node.dtype)


def _holds(wide: Any, narrow: Any) -> bool:
    """Whether every value of dtype `narrow` is a value of dtype `wide`."""
    if "bf16" in (wide.name, narrow.name):
        return narrow.kind == "bool" or wide is narrow or wide.name in ("f32", "f64")
    if (
        narrow.name == "i64" and wide is not narrow
    ):  # beyond 2^53 a float loses digits, which NumPy calls safe
        return False
    return narrow.kind == "bool" or np.can_cast(narrow.numpy, wide.numpy, "safe")


@RULES.on("where")
def where_to_mask(node: Node) -> Node | None:
    """where(c, 1, 0) => cast(c); where(c, 0, 1) => cast(logical_not(c))"""
    condition, x, y = node.inputs
    if condition.shape != node.shape or (value_of(x), value_of(y)) not in ((1, 0), (0, 1)):
        return None
    return ops.cast(condition if value_of(x) == 1 else ops.logical_not(condition), dtype=node.dtype)


@RULES.on("where")
def where_decided(node: Node) -> Node | None:
    """where(c, x, x) => x; where(True, x, y) => x; where(False, x, y) => y"""
    condition, x, y = node.inputs
    known = value_of(condition)
    if known is not None or x is y:
        chosen = y if known is False else x
        return with_shape(chosen, node.shape)
    return None


@RULES.on("greater")
def positive_mask(node: Node) -> Node | None:
    """greater(cast(c), 0) => c, where c is a condition"""
    x, y = node.inputs
    if x.op is ops.cast and x.inputs[0].dtype.kind == "bool" and value_of(y) == 0 and x.shape == node.shape:
        return x.inputs[0]
    return None


@RULES.on("relu_grad")
def relu_grad_twice(node: Node) -> Node | None:
    """relu_grad(relu_grad(g, y), y) => relu_grad(g, y)"""
    g, y = node.inputs
    return g if g.op is ops.relu_grad and g.inputs[1] is y and g.type == node.type else None


@RULES.on("where")
def where_equal(node: Node) -> Node | None:
    """where(equal(x, y), x, y) => y: a clamp, once its gradient is made"""
    condition, x, y = node.inputs
    same = condition.op is ops.equal and set(condition.inputs) == {x, y}
    return y if same and y.type == node.type else None


@RULES.on("mul")
def mask_twice(node: Node) -> Node | None:
    """mul(mul(g, m), m) => mul(g, m); mul(m, m) => m, where m = cast(c) is a mask"""
    found = either(node, lambda x: x.op is ops.cast and x.inputs[0].dtype.kind == "bool")
    if found is None:
        return None
    m, other = found
    return (
        other
        if m is other or (other.op is ops.mul and m in other.inputs and other.type == node.type)
        else None
    )
