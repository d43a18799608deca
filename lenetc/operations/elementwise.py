"""Elementwise operations and products, as functions of tensors: PyTorch's functions of the same names.

`Tensor` takes them as its methods. `reductions`, `shaping` and `in_place` beside this have the rest,
`lenetc.nn.functional` what networks are made of.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

import lenetc.tensors.tensor as t
from ir import ops
from ir.errors import DTypeError, LenetcError, ShapeError
from ir.node import Node
from ir.op import Op, scalar
from ir.types import DType, bool_, f32, i64, u8
from lenetc.evaluation import lazy
from lenetc.evaluation.tracing import here
from lenetc.operations import integers
from lenetc.operations.autocast import narrowed, widened
from lenetc.tensors.arrays import need_number
from lenetc.tensors.convert import as_tensor, operand_of, promoted, result_dtype

if TYPE_CHECKING:
    from lenetc.tensors.convert import Number
    from lenetc.tensors.tensor import Tensor

__all__ = [
    "abs",
    "add",
    "addcdiv",
    "addcmul",
    "bitwise_and",
    "bitwise_not",
    "bitwise_or",
    "bitwise_xor",
    "clamp",
    "clone",
    "cos",
    "div",
    "eq",
    "erf",
    "exp",
    "floor",
    "ge",
    "gt",
    "isnan",
    "le",
    "lerp",
    "log",
    "logical_and",
    "logical_not",
    "logical_or",
    "lt",
    "matmul",
    "maximum",
    "minimum",
    "mul",
    "ne",
    "neg",
    "positive",
    "pow",
    "rdiv",
    "reciprocal",
    "relu",
    "rpow",
    "rsqrt",
    "rsub",
    "sigmoid",
    "sign",
    "sin",
    "sqrt",
    "square",
    "sub",
    "tanh",
    "to",
    "where",
]


# Two operands.

Binary: TypeAlias = "Callable[[Node, Node], Node]"
# What arithmetic means for two bools: PyTorch's sum is "or", its product "and", and False is less than True.
_OF_BOOLS: dict[Binary, Binary] = {
    ops.add: ops.logical_or,
    ops.mul: ops.logical_and,
    ops.maximum: ops.logical_or,
    ops.minimum: ops.logical_and,
    ops.less: lambda a, b: ops.logical_and(ops.logical_not(a), b),
    ops.greater: lambda a, b: ops.logical_and(a, ops.logical_not(b)),
    ops.bitwise_and: ops.logical_and,
    ops.bitwise_or: ops.logical_or,
    ops.bitwise_xor: lambda a, b: ops.logical_not(ops.equal(a, b)),
}


def _binary(
    name: str, what: str, op: Binary, x: Any, y: Any, *, to_float: bool = False, saves: bool = True
) -> Tensor:
    """op of x and y in the dtype that they promote to (in a float one if `to_float`). what: the function's name."""
    x, y = operand_of(what, x), operand_of(what, y)
    if not isinstance(x, t.Tensor) and not isinstance(y, t.Tensor):
        raise DTypeError(f"{what} takes at least one tensor, not two numbers").at(here())
    dtype = result_dtype(x, y) if isinstance(x, t.Tensor) else result_dtype(y, x)
    if to_float and not dtype.is_float:
        dtype = f32
    build = _OF_BOOLS.get(op, op) if dtype is bool_ else op

    def operand(value: Any, node: Node | None) -> Node:
        if node is None:
            return scalar(value, dtype)
        return node if node.dtype is dtype else ops.cast(node, dtype=dtype)

    if not isinstance(y, t.Tensor):
        return t.apply(name, lambda a: build(operand(x, a), operand(y, None)), x, saves=saves)
    if not isinstance(x, t.Tensor):
        return t.apply(name, lambda b: build(operand(x, None), operand(y, b)), y, saves=saves)
    return t.apply(name, lambda a, b: build(operand(x, a), operand(y, b)), x, y, saves=saves)


def _kind(value: Tensor | Number) -> str:
    """ "bool", "int" or "float", of a tensor or a number."""
    if isinstance(value, t.Tensor):
        return value.dtype.kind
    return "bool" if isinstance(value, bool) else "int" if isinstance(value, int) else "float"


def _scaled(what: str, op: Binary, x: Any, other: Any, alpha: Any) -> Binary:
    """op of x and alpha * other; op itself where alpha is 1. Raises DTypeError for a number that is none of theirs."""
    x, other, alpha = operand_of(what, x), operand_of(what, other), operand_of(what, alpha)
    if isinstance(alpha, t.Tensor):
        alpha = alpha.item()
    kinds = {_kind(x), _kind(other)}
    if isinstance(alpha, bool) and kinds != {"bool"}:
        raise DTypeError(f"{what}: a boolean alpha is for boolean results only").at(here())
    if isinstance(alpha, float) and "float" not in kinds:
        raise DTypeError(
            f"{what}: for integral input tensors, argument alpha must not be a floating point number"
        ).at(here())
    if alpha == 1:
        return op
    return lambda a, b: op(a, b * scalar(alpha, b.dtype))


def add(x: Tensor, other: Tensor | Number, *, alpha: Number = 1) -> Tensor:
    """x + alpha * other, broadcast; of two bools whether one is true."""
    return _binary("AddBackward0", "add", _scaled("add", ops.add, x, other, alpha), x, other, saves=False)


def sub(x: Tensor, other: Tensor | Number, *, alpha: Number = 1) -> Tensor:
    """x - alpha * other, broadcast. Raises DTypeError for bools."""
    _refuse_bools(x, other)
    return _binary("SubBackward0", "sub", _scaled("sub", ops.sub, x, other, alpha), x, other, saves=False)


def rsub(x: Tensor, other: Tensor | Number) -> Tensor:
    """other - x, broadcast."""
    _refuse_bools(x, other)
    return _binary("RsubBackward1", "sub", ops.sub, other, x, saves=False)


def _refuse_bools(*operands: Any) -> None:
    if any(_kind(operand_of("sub", x)) == "bool" for x in operands):
        raise DTypeError(
            "sub: subtraction, the `-` operator, with a bool is not supported; use `^` or logical_not() to invert"
        ).at(here())


def mul(x: Tensor, other: Tensor | Number) -> Tensor:
    """x * other, broadcast; of two bools whether both are true."""
    return _binary("MulBackward0", "mul", ops.mul, x, other)


def div(x: Tensor, other: Tensor | Number) -> Tensor:
    """x / other, broadcast; integers are divided as floats."""
    return _binary("DivBackward0", "div", ops.div, x, other, to_float=True)


def rdiv(x: Tensor, other: Tensor | Number) -> Tensor:
    return _binary("DivBackward0", "div", ops.div, other, x, to_float=True)


def pow(x: Tensor, exponent: Tensor | Number) -> Tensor:
    """x ** exponent, broadcast. Integers to integer powers are integers, which wrap around as products do. Small whole
    exponents become products, as in PyTorch.

    Raises LenetcError for an integer to a negative number; to a negative tensor it is 0 unless it is 1 or -1.
    """
    x, exponent = operand_of("pow", x), operand_of("pow", exponent)
    if isinstance(exponent, t.Tensor):
        whole = not result_dtype(exponent, x).is_float
        return _binary("PowBackward1", "pow", integers.power if whole else ops.pow, x, exponent)
    t.require_tensors("pow", x)
    dtype = result_dtype(x, exponent)
    if dtype is bool_:
        return t.apply("", lambda a: a if exponent else ops.logical_or(a, ops.logical_not(a)), x)
    if not dtype.is_float:
        return _to_whole_power(x, int(exponent), dtype)
    powers: dict[float, Callable[[Node], Node]] = {
        1: lambda a: a * 1,
        2: lambda a: a * a,
        3: lambda a: a * a * a,
        0.5: ops.sqrt,
        -0.5: lambda a: ops.with_gradient(1.0 / ops.sqrt(a), ops.pow(a, -0.5)),
    }
    if exponent in powers:
        return t.apply("PowBackward0", lambda a: powers[exponent](_cast(a, dtype)), x)
    return _binary("PowBackward0", "pow", ops.pow, x, exponent)


def _to_whole_power(x: Tensor, exponent: int, dtype: DType) -> Tensor:
    if exponent < 0:
        raise LenetcError(
            f"pow: integers to negative integer powers are not allowed: {x.type_text()} ** {exponent}; "
            "convert the base with .float()"
        ).at(here())
    return t.apply("", lambda a: integers.to_power(_cast(a, dtype), exponent), x)


def _cast(node: Node, dtype: DType) -> Node:
    return node if node.dtype is dtype else ops.cast(node, dtype=dtype)


def rpow(x: Tensor, base: Any) -> Tensor:
    """base ** x."""
    base = operand_of("pow", base)
    if isinstance(base, t.Tensor):  # made of an array
        return pow(base, x)
    whole = not result_dtype(x, base).is_float
    return _binary("PowBackward1", "pow", integers.power if whole else ops.pow, base, x)


def maximum(x: Tensor, other: Tensor) -> Tensor:
    return _binary("MaximumBackward0", "maximum", ops.maximum, x, other)


def minimum(x: Tensor, other: Tensor) -> Tensor:
    return _binary("MinimumBackward0", "minimum", ops.minimum, x, other)


def eq(x: Tensor, other: Any) -> Tensor:
    return _binary("", "eq", ops.equal, x, other)


def ne(x: Tensor, other: Any) -> Tensor:
    return logical_not(eq(x, other))


def lt(x: Tensor, other: Any) -> Tensor:
    return _binary("", "lt", ops.less, x, other)


def gt(x: Tensor, other: Any) -> Tensor:
    return _binary("", "gt", ops.greater, x, other)


def le(x: Tensor, other: Any) -> Tensor:
    return logical_or(lt(x, other), eq(x, other))


def ge(x: Tensor, other: Any) -> Tensor:
    return logical_or(gt(x, other), eq(x, other))


def truth(node: Node) -> Node:
    return node if node.dtype is bool_ else ops.logical_not(ops.equal(node, 0))


def logical_not(x: Tensor) -> Tensor:
    return t.apply("", lambda a: ops.logical_not(truth(a)), x)


def logical_and(x: Tensor, other: Tensor) -> Tensor:
    return t.apply("", lambda a, b: ops.logical_and(truth(a), truth(b)), x, other)


def logical_or(x: Tensor, other: Tensor) -> Tensor:
    return t.apply("", lambda a, b: ops.logical_or(truth(a), truth(b)), x, other)


def bitwise_not(x: Tensor) -> Tensor:
    """The bits of an integer the other way round, or not x. Raises DTypeError for floating point tensors."""
    t.require_tensors("bitwise_not", x)
    _refuse_floats("bitwise_not", x)
    return t.apply("", integers.inverted, x)


def _bitwise(what: str, op: Op, x: Any, other: Any) -> Tensor:
    for operand in (x, other):
        _refuse_floats(what, operand_of(what, operand))
    return _binary("", what, op, x, other)


def _refuse_floats(what: str, *operands: Tensor | Number) -> None:
    for x in operands:
        if _kind(x) == "float":
            shown = x.type_text() if isinstance(x, t.Tensor) else repr(x)
            raise DTypeError(f"{what} takes integers and bools, not {shown}").at(here())


def bitwise_and(x: Tensor, other: Tensor | Number) -> Tensor:
    """The bits set in both integers; of bools whether both are true."""
    return _bitwise("bitwise_and", ops.bitwise_and, x, other)


def bitwise_or(x: Tensor, other: Tensor | Number) -> Tensor:
    """The bits set in either integer; of bools whether one is true."""
    return _bitwise("bitwise_or", ops.bitwise_or, x, other)


def bitwise_xor(x: Tensor, other: Tensor | Number) -> Tensor:
    """The bits set in one integer only; of bools whether they differ."""
    return _bitwise("bitwise_xor", ops.bitwise_xor, x, other)


def where(condition: Tensor, x: Tensor | Number, y: Tensor | Number) -> Tensor:
    """Elements of x where condition holds, of y elsewhere, broadcast (torch.where)."""
    t.require_tensors("where", condition)
    if condition.dtype not in (bool_, u8):
        raise DTypeError(f"where: the condition must be bool, but it is {condition.type_text()}").at(here())
    x, y = operand_of("where", x), operand_of("where", y)
    x, y = (as_tensor(v, None if isinstance(v, t.Tensor) else _peer_dtype(v, w)) for v, w in ((x, y), (y, x)))
    dtype = result_dtype(x, y)
    return t.apply(
        "WhereBackward0", lambda c, a, b: ops.where(truth(c), a, b), condition, to(x, dtype), to(y, dtype)
    )


def _peer_dtype(value: Number, other: Any) -> DType | None:
    return result_dtype(other, value) if isinstance(other, t.Tensor) else None


def matmul(x: Tensor, other: Tensor) -> Tensor:
    """Matrix product: [..., M, K] @ [..., K, L]; 1-D operands as in torch.matmul."""
    t.require_tensors("matmul", x, other)
    if x.ndim == 0 or other.ndim == 0:
        raise ShapeError(
            f"matmul: both operands need at least one dimension, but they are {x.type_text()} and {other.type_text()}"
        ).at(here())

    x, other = narrowed(x, other)

    def build(a: Node, b: Node) -> Node:
        left = ops.reshape(a, shape=(1, *a.shape)) if a.rank == 1 else a
        right = ops.reshape(b, shape=(*b.shape, 1)) if b.rank == 1 else b
        product = integers.matmul(left, right) if a.dtype.kind == "int" else ops.matmul(left, right)
        shape = [
            d
            for i, d in enumerate(product.shape)
            if not (a.rank == 1 and i == product.rank - 2) and not (b.rank == 1 and i == product.rank - 1)
        ]
        return product if len(shape) == product.rank else ops.reshape(product, shape=tuple(shape))

    name = {(2, 2): "MmBackward0", (1, 1): "DotBackward0", (2, 1): "MvBackward0"}.get(
        (x.ndim, other.ndim), "UnsafeViewBackward0"
    )
    return t.apply(name, build, x, other)


# One operand.


def _unary(name: str, op: Callable[[Node], Node], x: Tensor, what: str = "") -> Tensor:
    """op of x, of integers and bools as floats. what: the function's name where `op` is no record."""
    t.require_tensors(what or op.name, x)  # type: ignore[attr-defined]
    return t.apply(name, op if x.dtype.is_float else lambda a: op(ops.cast(a, dtype=f32)), x)


def neg(x: Tensor) -> Tensor:
    return t.apply("NegBackward0", integers.negated, x, saves=False)


def positive(x: Tensor) -> Tensor:
    """x itself. Raises DTypeError for bools."""
    t.require_tensors("positive", x)
    if x.dtype is bool_:
        raise DTypeError("positive: the `+` operator, on a bool tensor, is not supported").at(here())
    return x


def abs(x: Tensor) -> Tensor:
    return t.apply("AbsBackward0", ops.abs, x)


def sign(x: Tensor) -> Tensor:
    def build(a: Node) -> Node:
        if a.dtype is bool_:
            return a
        return ops.sign(a) if a.dtype is not u8 else ops.cast(ops.greater(a, 0), dtype=u8)

    return t.apply("SignBackward0", build, x)


def exp(x: Tensor) -> Tensor:
    return _unary("ExpBackward0", ops.exp, widened(x))


def log(x: Tensor) -> Tensor:
    return _unary("LogBackward0", ops.log, widened(x))


def sqrt(x: Tensor) -> Tensor:
    return _unary("SqrtBackward0", ops.sqrt, x)


def rsqrt(x: Tensor) -> Tensor:
    return _unary("RsqrtBackward0", lambda a: 1.0 / ops.sqrt(a), x, "rsqrt")


def square(x: Tensor) -> Tensor:
    return pow(x, 2)


def reciprocal(x: Tensor) -> Tensor:
    """1 / x; of integers a float."""
    return _unary("ReciprocalBackward0", lambda a: 1.0 / a, x, "reciprocal")


def sin(x: Tensor) -> Tensor:
    return _unary("SinBackward0", ops.sin, x)


def cos(x: Tensor) -> Tensor:
    return _unary("CosBackward0", ops.cos, x)


def tanh(x: Tensor) -> Tensor:
    return _unary("TanhBackward0", ops.tanh, x)


def sigmoid(x: Tensor) -> Tensor:
    return _unary("SigmoidBackward0", ops.sigmoid, x)


def erf(x: Tensor) -> Tensor:
    return _unary("ErfBackward0", ops.erf, x)


def floor(x: Tensor) -> Tensor:
    """The largest whole number not above x: an integer itself. Raises DTypeError for bools."""
    t.require_tensors("floor", x)
    return t.apply("FloorBackward0", lambda a: a if a.dtype.kind == "int" else ops.floor(a), x)


def relu(x: Tensor) -> Tensor:
    return t.apply("ReluBackward0", lambda a: a if a.dtype is u8 else ops.relu(a), x)


def clamp(x: Tensor, min: Number | None = None, max: Number | None = None) -> Tensor:
    """x limited to [min, max]; the gradient passes where min <= x <= max (torch.clamp).

    The dtype is that of x promoted with the limits. Raises LenetcError without a limit, DTypeError for limits that
    are no numbers.
    """
    t.require_tensors("clamp", x)
    limits = [None if limit is None else operand_of("clamp", limit) for limit in (min, max)]
    if all(limit is None for limit in limits):
        raise LenetcError("clamp: at least one of 'min' or 'max' must not be None").at(here())
    if any(isinstance(limit, t.Tensor) for limit in limits):
        raise DTypeError("clamp takes numbers for limits; use maximum and minimum with tensors").at(here())
    low, high = limits
    dtype = x.dtype
    for limit in limits:
        dtype = dtype if limit is None else promoted(dtype, result_dtype(x, limit))
    dtype = i64 if dtype is bool_ else dtype

    def build(a: Node) -> Node:
        a = _cast(a, dtype)
        limited = a
        if low is not None:
            limited = ops.maximum(limited, scalar(low, dtype))
        if high is not None:
            limited = ops.minimum(limited, scalar(high, dtype))
        if not dtype.is_float:
            return limited
        limited = ops.stop_gradient(limited)
        if low is not None and high is not None and low > high:
            return ops.where(ops.literal(np.asarray(False)), a, limited)
        return ops.where(ops.equal(a, limited), a, limited)

    return t.apply("ClampBackward1", build, x)


def isnan(x: Tensor) -> Tensor:
    t.require_tensors("isnan", x)
    return t.apply("", ops.is_nan, x) if x.dtype.is_float else ne(x, x)


def clone(x: Tensor) -> Tensor:
    """A copy with storage of its own; gradients pass."""
    return t.apply("CloneBackward0", lambda a: a, x, saves=False)


def to(x: Tensor, *what: Any, dtype: DType | None = None, device: Any = None) -> Tensor:
    """x with another dtype, and / or a device name, which is checked (torch.Tensor.to).

    Values live where programs run: a device name moves nothing by itself. Raises DeviceError for "cuda" where
    CUDA cannot be used.
    """
    for item in (*what, dtype, device):
        if isinstance(item, DType):
            dtype = item
        elif isinstance(item, t.Tensor):
            dtype = item.dtype
        elif item is not None and not isinstance(item, bool):
            lazy.set_default_device(str(item))
    if dtype is None or dtype is x.dtype:
        return x
    target = dtype
    return t.apply("ToCopyBackward0", lambda a: ops.cast(a, dtype=target), x, saves=False)


def addcmul(x: Tensor, a: Tensor, b: Tensor, *, value: Number = 1) -> Tensor:
    """x + value * a * b. Raises DTypeError for bools."""
    t.require_tensors("addcmul", x, a, b)
    if not any(tensor.dtype is not bool_ for tensor in (x, a, b)):
        raise DTypeError(f"addcmul: bools are not added here: {x.type_text()}").at(here())
    return x + (a * b if value == 1 else value * a * b)


def addcdiv(x: Tensor, a: Tensor, b: Tensor, *, value: Number = 1) -> Tensor:
    """x + value * a / b. Raises DTypeError for a and b without floating point."""
    t.require_tensors("addcdiv", x, a, b)
    if not a.dtype.is_float and not b.dtype.is_float:
        raise DTypeError(
            f"addcdiv: integers are not divided here: {a.type_text()} / {b.type_text()}; convert one with .float()"
        ).at(here())
    return x + (a / b if value == 1 else value * (a / b))


def lerp(x: Tensor, end: Tensor, weight: Tensor | Number) -> Tensor:
    """x + weight * (end - x). Raises DTypeError for tensors of different dtypes, or that are not floating point."""
    t.require_tensors("lerp", x, end)
    if not isinstance(weight, t.Tensor):
        need_number("lerp", "weight", weight)
    given = [x, end]
    if isinstance(weight, t.Tensor):
        if weight.ndim:
            given.append(weight)
        else:  # a number, as PyTorch has it
            weight = weight.to(x.dtype)
    for tensor in given:
        if not tensor.dtype.is_float or tensor.dtype is not x.dtype:
            raise DTypeError(
                "lerp: needs floating point tensors of one dtype, but they are "
                f"{' and '.join(tensor.type_text() for tensor in given)}"
            ).at(here())
    return x + weight * (end - x)
