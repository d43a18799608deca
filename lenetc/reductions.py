"""Sums, means, extremes and comparisons of whole tensors: PyTorch's functions of the same names."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import lenetc.tensor as t
from ir import ops
from ir.errors import DTypeError
from ir.node import Node
from ir.op import scalar
from ir.types import DType, i64, normalize_axis
from lenetc.amp import widened
from lenetc.grad_fn import set_grad_enabled
from lenetc.operations import (
    abs,
    eq,
    gt,
    le,
    logical_and,
    logical_not,
    logical_or,
    lt,
    maximum,
    minimum,
    truth,
)
from lenetc.tracing import here
from passes import means

if TYPE_CHECKING:
    from lenetc.convert import Number
    from lenetc.tensor import Tensor

__all__ = [
    "all",
    "allclose",
    "amax",
    "amin",
    "any",
    "argmax",
    "equal",
    "max",
    "mean",
    "min",
    "norm",
    "std",
    "sum",
    "var",
]

Axes: TypeAlias = int | Sequence[int] | None


def axes_of(x: Tensor, dim: Axes, what: str) -> tuple[int, ...]:
    """`dim` as sorted axes counted from the front; all of them for None."""
    if dim is None:
        return tuple(range(x.ndim))
    listed = (dim,) if isinstance(dim, int) else tuple(dim)
    try:
        return tuple(sorted({normalize_axis(axis, x.ndim, what) for axis in listed if x.ndim}))
    except IndexError as error:
        raise IndexError(f"{error} of {x.type_text()}") from None


def sum(x: Tensor, dim: Axes = None, keepdim: bool = False, *, dtype: DType | None = None) -> Tensor:
    """Sum over `dim` (all if None). Integers and bools are summed as i64."""
    x = widened(x)
    axes = axes_of(x, dim, "sum")
    target = dtype or (x.dtype if x.dtype.is_float else i64)
    name = "SumBackward0" if dim is None else "SumBackward1"
    return t.apply(
        name,
        lambda a: ops.sum(
            ops.cast(a, dtype=target) if a.dtype is not target else a, axes=axes, keepdims=keepdim
        ),
        x,
        saves=False,
    )


def mean(x: Tensor, dim: Axes = None, keepdim: bool = False) -> Tensor:
    """Mean over `dim` (all if None). Raises DTypeError for a dtype that is not float."""
    if not x.dtype.is_float:
        raise DTypeError(
            f"mean(): the input must be floating point, but it is {x.type_text()}; use .float()"
        ).at(here())
    x = widened(x)
    axes = axes_of(x, dim, "mean")
    name = "MeanBackward0" if dim is None else "MeanBackward1"
    return t.apply(name, lambda a: means.mean(a, axes, keepdim), x, saves=False)


def var(x: Tensor, dim: Axes = None, unbiased: bool = True, keepdim: bool = False) -> Tensor:
    """Variance over `dim`, divided by n - 1, or by n if not unbiased."""
    axes = axes_of(x, dim, "var")

    def build(a: Node) -> Node:
        return means.narrowed(_variance(a, axes, unbiased, keepdim), a.dtype)

    return t.apply("VarBackward0", build, x)


def _variance(a: Node, axes: tuple[int, ...], unbiased: bool, keepdim: bool) -> Node:
    """Of a half in f32."""
    n, a = means.count(a, axes), means.widened(a)
    centred = a - ops.sum(a, axes=axes, keepdims=True) / n
    return ops.sum(centred * centred, axes=axes, keepdims=keepdim) / (n - 1.0 if unbiased else n)


def std(x: Tensor, dim: Axes = None, unbiased: bool = True, keepdim: bool = False) -> Tensor:
    """The root of the variance; its gradient is 0 where the variance is 0."""
    axes = axes_of(x, dim, "std")

    def build(a: Node) -> Node:
        return means.narrowed(_root(_variance(a, axes, unbiased, keepdim)), a.dtype)

    return t.apply("StdBackward0", build, x)


def _root(squares: Node) -> Node:
    """The square root, with gradient 0 at 0, where that of sqrt is infinite."""
    zero = ops.equal(squares, 0)
    root = ops.sqrt(ops.where(zero, scalar(1, squares.dtype), squares))
    return ops.with_gradient(ops.sqrt(squares), ops.where(zero, scalar(0, squares.dtype), root))


def norm(x: Tensor, p: Number = 2, dim: Axes = None, keepdim: bool = False) -> Tensor:
    """p-norm over `dim` (all if None), for p = 1, 2 or inf."""
    axes = axes_of(x, dim, "norm")
    if p == 1:
        return sum(abs(x), axes, keepdim)
    if p == 2:

        def build(a: Node) -> Node:
            wide = means.widened(a)
            return means.narrowed(_root(ops.sum(wide * wide, axes=axes, keepdims=keepdim)), a.dtype)

        return t.apply("LinalgVectorNormBackward0", build, x)
    if math.isinf(p):

        def build(a: Node) -> Node:
            return _largest(ops.abs(a), axes, keepdim, pick=_multiplied)

        return t.apply("LinalgVectorNormBackward0", build, x)
    raise ValueError(f"norm: p must be 1, 2 or inf, not {p}")


def _largest(
    x: Node, axes: tuple[int, ...], keepdim: bool = False, *, pick: Callable[[Node, Node], Node]
) -> Node:
    """Largest element, whose gradient the elements that equal it share, NaN counting as equal to NaN. `pick` takes
    which these are, and x, and gives x there and zeros elsewhere."""
    found = ops.reduce_max(x, axes=axes, keepdims=keepdim)
    value = found if keepdim else ops.reduce_max(x, axes=axes, keepdims=True)
    equal = ops.logical_or(ops.equal(x, value), ops.logical_and(ops.is_nan(x), ops.is_nan(value)))
    picked = means.widened(pick(equal, x))
    number = ops.sum(ops.cast(equal, dtype=picked.dtype), axes=axes, keepdims=keepdim)
    shared = ops.sum(picked, axes=axes, keepdims=keepdim) / number
    return ops.with_gradient(found, means.narrowed(shared, x.dtype))


def _masked(kept: Node, x: Node) -> Node:
    return ops.where(kept, x, scalar(0, x.dtype))


def _multiplied(kept: Node, x: Node) -> Node:
    return x * ops.cast(kept, dtype=x.dtype)


def amax(x: Tensor, dim: Axes = None, keepdim: bool = False) -> Tensor:
    """Largest element over `dim`, NaN if one is; ties share the gradient."""
    axes = axes_of(x, dim, "amax")
    return t.apply("AmaxBackward0", lambda a: ops.reduce_max(a, axes=axes, keepdims=keepdim), x)


def amin(x: Tensor, dim: Axes = None, keepdim: bool = False) -> Tensor:
    """Smallest element over `dim`, NaN if one is; ties share the gradient."""
    axes = axes_of(x, dim, "amin")
    return t.apply("AminBackward0", lambda a: -ops.reduce_max(-a, axes=axes, keepdims=keepdim), x)


def argmax(x: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """Index of the first largest element along `dim` (of the flattened tensor if None), or of the first NaN, as i64."""
    if dim is None:
        return t.apply(
            "", lambda a: ops.argmax(ops.reshape(a, shape=(a.ty.size,)), axis=0, keepdims=False), x
        )
    axis = axes_of(x, dim, "argmax")[0]
    return t.apply("", lambda a: ops.argmax(a, axis=axis, keepdims=keepdim), x)


class Extreme(NamedTuple):
    """What max and min along a dim return (torch.return_types.max)."""

    values: Tensor
    indices: Tensor


def max(x: Tensor, dim: int | Tensor | None = None, keepdim: bool = False) -> Any:
    """Largest element of all; or (values, indices) along a dim; or elementwise with another tensor (torch.max)."""
    if isinstance(dim, t.Tensor):
        return maximum(x, dim)
    if dim is None:

        def whole(a: Node) -> Node:
            axes = tuple(range(a.rank))
            return (
                _largest(a, axes, pick=_masked)
                if a.dtype.is_float
                else ops.reduce_max(a, axes=axes, keepdims=False)
            )

        return t.apply("MaxBackward1", whole, x)
    axis = axes_of(x, dim, "max")[0]
    indices = argmax(x, axis, keepdim=True)

    def build(a: Node, i: Node) -> Node:
        values = ops.take_along_axis(a, i, axis=axis)
        return values if keepdim else ops.reshape(values, shape=(*a.shape[:axis], *a.shape[axis + 1 :]))

    values = t.apply("MaxBackward0", build, x, indices)
    return Extreme(values, indices if keepdim else indices.squeeze(axis))


def min(x: Tensor, dim: int | Tensor | None = None, keepdim: bool = False) -> Any:
    """Smallest element, as max."""
    if isinstance(dim, t.Tensor):
        return minimum(x, dim)
    found = max(-x, dim, keepdim)
    return Extreme(-found.values, found.indices) if isinstance(found, Extreme) else -found


def all(x: Tensor) -> Tensor:
    return eq(sum(logical_not(x)), 0)


def any(x: Tensor) -> Tensor:
    return gt(sum(t.apply("", truth, x)), 0)


def allclose(x: Tensor, other: Tensor, rtol: float = 1e-05, atol: float = 1e-08) -> bool:
    """Whether |x - other| <= atol + rtol |other| everywhere; infinities are close to themselves alone."""
    with set_grad_enabled(False):
        distance = abs(x - other)
        near = logical_and(le(distance, atol + rtol * abs(other)), lt(distance, math.inf))
        return bool(all(logical_or(eq(x, other), near)))


def equal(x: Tensor, other: Tensor) -> bool:
    """Whether both have the same shape and elements."""
    return x.shape == other.shape and bool(all(eq(x, other)))
