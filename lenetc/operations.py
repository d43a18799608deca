"""Elementwise operations, reductions and in-place changes, as functions of tensors.

Each is PyTorch's function of the same name; `Tensor` takes them as its methods. `lenetc.shaping` has what moves
elements, `lenetc.nn.functional` what networks are made of.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import lenetc.tensor as t
from ir import ops
from ir.dims import Dim, product
from ir.errors import DTypeError, ShapeError
from ir.node import Node
from ir.op import Op, scalar
from ir.types import DType, bool_, f32, i64, normalize_axis
from lenetc import autograd
from lenetc.tracing import here

if TYPE_CHECKING:
    from lenetc.tensor import Number, Tensor

Axes = int | Sequence[int] | None
InPlace: TypeAlias = "Callable[..., Tensor]"


# Two operands.


def _binary(name: str, op: Op, x: Any, y: Any, *, to_float: bool = False, saves: bool = True) -> Tensor:
    first = x if isinstance(x, t.Tensor) else y
    if not isinstance(x, (t.Tensor, bool, int, float)) or not isinstance(y, (t.Tensor, bool, int, float)):
        other = y if isinstance(x, t.Tensor) else x
        if not hasattr(other, "__array__"):
            return NotImplemented  # type: ignore[no-any-return]  # Python then asks the other operand
        x, y = t.as_tensor(x), t.as_tensor(y)
        first = x
    dtype = t.result_dtype(first, y if first is x else x)
    if to_float and not dtype.is_float:
        dtype = f32

    def operand(value: Any, node: Node | None) -> Node:
        if node is None:
            return scalar(value, dtype)
        return node if node.dtype is dtype else ops.cast(node, dtype=dtype)

    if not isinstance(y, t.Tensor):
        return t.apply(name, lambda a: op(operand(x, a), operand(y, None)), x, saves=saves)
    if not isinstance(x, t.Tensor):
        return t.apply(name, lambda b: op(operand(x, None), operand(y, b)), y, saves=saves)
    return t.apply(name, lambda a, b: op(operand(x, a), operand(y, b)), x, y, saves=saves)


def add(x: Tensor, other: Tensor | Number, *, alpha: Number = 1) -> Tensor:
    """x + alpha * other, broadcast."""
    return _binary("AddBackward0", ops.add, x, other if alpha == 1 else mul(t.as_tensor(other), alpha), saves=False)


def sub(x: Tensor, other: Tensor | Number, *, alpha: Number = 1) -> Tensor:
    """x - alpha * other, broadcast."""
    return _binary("SubBackward0", ops.sub, x, other if alpha == 1 else mul(t.as_tensor(other), alpha), saves=False)


def rsub(x: Tensor, other: Tensor | Number) -> Tensor:
    """other - x, broadcast."""
    return _binary("RsubBackward1", ops.sub, other, x, saves=False)


def mul(x: Tensor, other: Tensor | Number) -> Tensor:
    return _binary("MulBackward0", ops.mul, x, other)


def div(x: Tensor, other: Tensor | Number) -> Tensor:
    """x / other, broadcast; integers are divided as floats."""
    return _binary("DivBackward0", ops.div, x, other, to_float=True)


def rdiv(x: Tensor, other: Tensor | Number) -> Tensor:
    return _binary("DivBackward0", ops.div, other, x, to_float=True)


def pow(x: Tensor, exponent: Tensor | Number) -> Tensor:
    """x ** exponent. Small whole exponents become products."""
    if isinstance(exponent, (int, float)) and exponent in (1, 2, 3):
        powers: dict[float, Callable[[Node], Node]] = {1: lambda a: a * 1, 2: lambda a: a * a, 3: lambda a: a * a * a}
        return t.apply("PowBackward0", powers[exponent], x)
    if exponent == 0.5:
        return t.apply("PowBackward0", ops.sqrt, x)
    return _binary("PowBackward0" if not isinstance(exponent, t.Tensor) else "PowBackward1", ops.pow, x, exponent, to_float=True)


def rpow(x: Tensor, base: Number) -> Tensor:
    return _binary("PowBackward1", ops.pow, base, x, to_float=True)


def maximum(x: Tensor, other: Tensor) -> Tensor:
    return _binary("MaximumBackward0", ops.maximum, x, other)


def minimum(x: Tensor, other: Tensor) -> Tensor:
    return _binary("MinimumBackward0", ops.minimum, x, other)


def eq(x: Tensor, other: Any) -> Tensor:
    return _binary("", ops.equal, x, other)


def ne(x: Tensor, other: Any) -> Tensor:
    return logical_not(eq(x, other))


def lt(x: Tensor, other: Any) -> Tensor:
    return _binary("", ops.less, x, other)


def gt(x: Tensor, other: Any) -> Tensor:
    return _binary("", ops.greater, x, other)


def le(x: Tensor, other: Any) -> Tensor:
    return logical_or(lt(x, other), eq(x, other))


def ge(x: Tensor, other: Any) -> Tensor:
    return logical_or(gt(x, other), eq(x, other))


def _truth(node: Node) -> Node:
    return node if node.dtype is bool_ else ops.logical_not(ops.equal(node, 0))


def logical_not(x: Tensor) -> Tensor:
    return t.apply("", lambda a: ops.logical_not(_truth(a)), x)


def logical_and(x: Tensor, other: Tensor) -> Tensor:
    return t.apply("", lambda a, b: ops.logical_and(_truth(a), _truth(b)), x, other)


def logical_or(x: Tensor, other: Tensor) -> Tensor:
    return t.apply("", lambda a, b: ops.logical_or(_truth(a), _truth(b)), x, other)


def where(condition: Tensor, x: Tensor | Number, y: Tensor | Number) -> Tensor:
    """Elements of x where condition holds, of y elsewhere, broadcast (torch.where)."""
    x, y = (t.as_tensor(v, None if isinstance(v, t.Tensor) else _peer_dtype(v, w)) for v, w in ((x, y), (y, x)))
    dtype = t.result_dtype(x, y)
    return t.apply("WhereBackward0", lambda c, a, b: ops.where(c, a, b), condition, to(x, dtype), to(y, dtype))


def _peer_dtype(value: Number, other: Any) -> DType | None:
    return t.result_dtype(other, value) if isinstance(other, t.Tensor) else None


def matmul(x: Tensor, other: Tensor) -> Tensor:
    """Matrix product: [..., M, K] @ [..., K, L]; 1-D operands as in torch.matmul."""
    if x.ndim == 0 or other.ndim == 0:
        raise ShapeError(f"matmul: both operands need at least one dimension, but they are {x.type_text()} and {other.type_text()}").at(here())

    def build(a: Node, b: Node) -> Node:
        left = ops.reshape(a, shape=(1, *a.shape)) if a.rank == 1 else a
        right = ops.reshape(b, shape=(*b.shape, 1)) if b.rank == 1 else b
        product = ops.matmul(left, right)
        shape = [d for i, d in enumerate(product.shape) if not (a.rank == 1 and i == product.rank - 2) and not (b.rank == 1 and i == product.rank - 1)]
        return product if len(shape) == product.rank else ops.reshape(product, shape=tuple(shape))

    name = {(2, 2): "MmBackward0", (1, 1): "DotBackward0", (2, 1): "MvBackward0"}.get((x.ndim, other.ndim), "UnsafeViewBackward0")
    return t.apply(name, build, x, other)


# One operand.


def _unary(name: str, op: Op, x: Tensor) -> Tensor:
    t.require_tensors(op.name, x)
    return t.apply(name, op if x.dtype.is_float else lambda a: op(ops.cast(a, dtype=f32)), x)


def neg(x: Tensor) -> Tensor:
    return t.apply("NegBackward0", ops.neg, x, saves=False)


def abs(x: Tensor) -> Tensor:
    return t.apply("AbsBackward0", ops.abs, x)


def sign(x: Tensor) -> Tensor:
    return t.apply("SignBackward0", ops.sign, x)


def exp(x: Tensor) -> Tensor:
    return _unary("ExpBackward0", ops.exp, x)


def log(x: Tensor) -> Tensor:
    return _unary("LogBackward0", ops.log, x)


def sqrt(x: Tensor) -> Tensor:
    return _unary("SqrtBackward0", ops.sqrt, x)


def rsqrt(x: Tensor) -> Tensor:
    return t.apply("RsqrtBackward0", lambda a: 1.0 / ops.sqrt(a), x)


def square(x: Tensor) -> Tensor:
    return pow(x, 2)


def reciprocal(x: Tensor) -> Tensor:
    return t.apply("ReciprocalBackward0", lambda a: 1.0 / a, x)


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
    return _unary("FloorBackward0", ops.floor, x)


def relu(x: Tensor) -> Tensor:
    return t.apply("ReluBackward0", ops.relu, x)


def clamp(x: Tensor, min: Number | None = None, max: Number | None = None) -> Tensor:
    """x limited to [min, max]; the gradient passes where min <= x <= max (torch.clamp)."""

    def build(a: Node) -> Node:
        low = a if min is None else ops.where(ops.less(a, min), scalar(min, a.dtype), a)
        return low if max is None else ops.where(ops.greater(low, max), scalar(max, a.dtype), low)

    return t.apply("ClampBackward1", build, x)


def isnan(x: Tensor) -> Tensor:
    return ne(x, x)


def clone(x: Tensor) -> Tensor:
    """A copy with storage of its own; gradients pass."""
    return t.apply("CloneBackward0", lambda a: a, x, saves=False)


def to(x: Tensor, *what: Any, dtype: DType | None = None, device: Any = None) -> Tensor:
    """x with another dtype, and / or a device name, which is checked (torch.Tensor.to).

    Values live where programs run: a device name moves nothing by itself. Raises DeviceError for "cuda" where
    CUDA cannot be used.
    """
    from lenetc import lazy

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


# Reductions.


def axes_of(x: Tensor, dim: Axes, what: str) -> tuple[int, ...]:
    """`dim` as sorted axes counted from the front; all of them for None."""
    if dim is None:
        return tuple(range(x.ndim))
    listed = (dim,) if isinstance(dim, int) else tuple(dim)
    try:
        return tuple(sorted({normalize_axis(axis, x.ndim, what) for axis in listed if x.ndim}))
    except IndexError as error:
        raise IndexError(f"{error} of {x.type_text()}") from None


def count(node: Node, axes: Sequence[int]) -> Node:
    """Number of elements along `axes`, as a scalar of node's dtype."""
    size: Dim = product(tuple(node.shape[axis] for axis in axes))
    return scalar(size, node.dtype) if isinstance(size, int) else ops.cast(ops.dim(size=size), dtype=node.dtype)


def sum(x: Tensor, dim: Axes = None, keepdim: bool = False, *, dtype: DType | None = None) -> Tensor:
    """Sum over `dim` (all if None). Integers and bools are summed as i64."""
    axes = axes_of(x, dim, "sum")
    target = dtype or (x.dtype if x.dtype.is_float else i64)
    name = "SumBackward0" if dim is None else "SumBackward1"
    return t.apply(name, lambda a: ops.sum(ops.cast(a, dtype=target) if a.dtype is not target else a, axes=axes, keepdims=keepdim), x, saves=False)


def mean(x: Tensor, dim: Axes = None, keepdim: bool = False) -> Tensor:
    """Mean over `dim` (all if None). Raises DTypeError for a dtype that is not float."""
    if not x.dtype.is_float:
        raise DTypeError(f"mean(): the input must be floating point, but it is {x.type_text()}; use .float()").at(here())
    axes = axes_of(x, dim, "mean")
    name = "MeanBackward0" if dim is None else "MeanBackward1"
    return t.apply(name, lambda a: ops.sum(a, axes=axes, keepdims=keepdim) / count(a, axes), x, saves=False)


def var(x: Tensor, dim: Axes = None, unbiased: bool = True, keepdim: bool = False) -> Tensor:
    """Variance over `dim`, divided by n - 1, or by n if not unbiased."""
    axes = axes_of(x, dim, "var")

    def build(a: Node) -> Node:
        n = count(a, axes)
        centred = a - ops.sum(a, axes=axes, keepdims=True) / n
        return ops.sum(centred * centred, axes=axes, keepdims=keepdim) / (n - 1.0 if unbiased else n)

    return t.apply("VarBackward0", build, x)


def std(x: Tensor, dim: Axes = None, unbiased: bool = True, keepdim: bool = False) -> Tensor:
    return t.apply("StdBackward0", ops.sqrt, var(x, dim, unbiased, keepdim))


def norm(x: Tensor, p: Number = 2, dim: Axes = None, keepdim: bool = False) -> Tensor:
    """p-norm over `dim` (all if None), for p = 1, 2 or inf."""
    axes = axes_of(x, dim, "norm")
    if p == 1:
        return sum(abs(x), axes, keepdim)
    if p == 2:

        def build(a: Node) -> Node:
            squares = ops.sum(a * a, axes=axes, keepdims=keepdim)
            if not x.requires_grad:
                return ops.sqrt(squares)
            # The gradient at 0 is 0, where that of the root is infinite.
            zero = ops.equal(squares, 0)
            root = ops.sqrt(ops.where(zero, scalar(1, a.dtype), squares))
            return ops.where(zero, scalar(0, a.dtype), root)

        return t.apply("LinalgVectorNormBackward0", build, x)
    if math.isinf(p):
        return amax(abs(x), axes, keepdim)
    raise ValueError(f"norm: p must be 1, 2 or inf, not {p}")


def amax(x: Tensor, dim: Axes = None, keepdim: bool = False) -> Tensor:
    """Largest element over `dim`; ties share the gradient."""
    axes = axes_of(x, dim, "amax")
    return t.apply("AmaxBackward0", lambda a: ops.reduce_max(a, axes=axes, keepdims=keepdim), x)


def amin(x: Tensor, dim: Axes = None, keepdim: bool = False) -> Tensor:
    """Smallest element over `dim`; ties share the gradient."""
    axes = axes_of(x, dim, "amin")
    return t.apply("AminBackward0", lambda a: -ops.reduce_max(-a, axes=axes, keepdims=keepdim), x)


def argmax(x: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """Index of the first largest element along `dim` (of the flattened tensor if None), as i64."""
    if dim is None:
        return t.apply("", lambda a: ops.argmax(ops.reshape(a, shape=(a.ty.size,)), axis=0, keepdims=False), x)
    axis = axes_of(x, dim, "argmax")[0]
    return t.apply("", lambda a: ops.argmax(a, axis=axis, keepdims=keepdim), x)


def max(x: Tensor, dim: int | Tensor | None = None, keepdim: bool = False) -> Any:
    """Largest element of all; or (values, indices) along a dim; or elementwise with another tensor (torch.max)."""
    if isinstance(dim, t.Tensor):
        return maximum(x, dim)
    if dim is None:
        return t.apply("MaxBackward1", lambda a: ops.reduce_max(a, axes=tuple(range(a.rank)), keepdims=False), x)
    axis = axes_of(x, dim, "max")[0]
    indices = argmax(x, axis, keepdim=True)

    def build(a: Node, i: Node) -> Node:
        values = ops.take_along_axis(a, i, axis=axis)
        return values if keepdim else ops.reshape(values, shape=(*a.shape[:axis], *a.shape[axis + 1 :]))

    values = t.apply("MaxBackward0", build, x, indices)
    return values, indices if keepdim else indices.squeeze(axis)


def min(x: Tensor, dim: int | Tensor | None = None, keepdim: bool = False) -> Any:
    """Smallest element, as max."""
    if isinstance(dim, t.Tensor):
        return minimum(x, dim)
    found = max(-x, dim, keepdim)
    return (-found[0], found[1]) if isinstance(found, tuple) else -found


def all(x: Tensor) -> Tensor:
    return eq(sum(logical_not(x)), 0)


def any(x: Tensor) -> Tensor:
    return gt(sum(t.apply("", _truth, x)), 0)


def allclose(x: Tensor, other: Tensor, rtol: float = 1e-05, atol: float = 1e-08) -> bool:
    """Whether |x - other| <= atol + rtol |other| everywhere."""
    with autograd.set_grad_enabled(False):
        return bool(all(le(abs(x - other), atol + rtol * abs(other))))


def equal(x: Tensor, other: Tensor) -> bool:
    """Whether both have the same shape and elements."""
    return x.shape == other.shape and bool(all(eq(x, other)))


# In-place changes.


def _in_place(operation: Callable[..., Tensor], name: str) -> Callable[..., Tensor]:
    def change(x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        value = operation(x, *args, **kwargs)
        return x._change(name, value)

    change.__name__ = name
    change.__doc__ = f"{operation.__name__}, in place."
    return change


add_: InPlace = _in_place(add, "add_")
sub_: InPlace = _in_place(sub, "sub_")
mul_: InPlace = _in_place(mul, "mul_")
div_: InPlace = _in_place(div, "div_")
pow_: InPlace = _in_place(pow, "pow_")
neg_: InPlace = _in_place(neg, "neg_")
sqrt_: InPlace = _in_place(sqrt, "sqrt_")
relu_: InPlace = _in_place(relu, "relu_")
clamp_: InPlace = _in_place(clamp, "clamp_")
maximum_: InPlace = _in_place(maximum, "maximum_")


def addcmul(x: Tensor, a: Tensor, b: Tensor, *, value: Number = 1) -> Tensor:
    """x + value * a * b."""
    return x + (a * b if value == 1 else value * a * b)


def addcdiv(x: Tensor, a: Tensor, b: Tensor, *, value: Number = 1) -> Tensor:
    """x + value * a / b."""
    return x + (a / b if value == 1 else value * (a / b))


def lerp(x: Tensor, end: Tensor, weight: Tensor | Number) -> Tensor:
    """x + weight * (end - x)."""
    return x + weight * (end - x)


addcmul_: InPlace = _in_place(addcmul, "addcmul_")
addcdiv_: InPlace = _in_place(addcdiv, "addcdiv_")
lerp_: InPlace = _in_place(lerp, "lerp_")


def fill_(x: Tensor, value: Number | Tensor) -> Tensor:
    """Every element becomes `value`."""

    def build(a: Node) -> Node:
        source = t.as_tensor(value, x.dtype).node
        return ops.broadcast_to(source if source.dtype is a.dtype else ops.cast(source, dtype=a.dtype), shape=a.shape)

    return x._change("fill_", t.apply("FillBackward0", build, x.detach()))


def zero_(x: Tensor) -> Tensor:
    return fill_(x, 0)


def copy_(x: Tensor, source: Any) -> Tensor:
    """The values of `source`, broadcast and cast to x's type."""
    source = t.as_tensor(source)

    def build(a: Node) -> Node:
        cast = a if a.dtype is x.dtype else ops.cast(a, dtype=x.dtype)
        return cast if cast.shape == tuple(x.shape) else ops.broadcast_to(cast, shape=tuple(x.shape))

    return x._change("copy_", t.apply("CopyBackwards", build, source))
