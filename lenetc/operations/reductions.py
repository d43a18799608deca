"""Sums, means, extremes and comparisons of whole tensors: PyTorch's functions of the same names."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import lenetc.tensors.tensor as t
from ir import ops
from ir.dims import Dim, product
from ir.errors import DTypeError
from ir.node import Node
from ir.op import scalar
from ir.types import DType, i64, normalize_axis
from lenetc.evaluation.tracing import here
from lenetc.operations.autocast import widened
from lenetc.operations.elementwise import abs, eq, gt, le, logical_not, maximum, minimum, truth
from lenetc.tensors.grad_fn import set_grad_enabled

if TYPE_CHECKING:
    from lenetc.tensors.convert import Number
    from lenetc.tensors.tensor import Tensor

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


def count(node: Node, axes: Sequence[int]) -> Node:
    """Number of elements along `axes`, as a scalar of node's dtype."""
    size: Dim = product(tuple(node.shape[axis] for axis in axes))
    return (
        scalar(size, node.dtype) if isinstance(size, int) else ops.cast(ops.dim(size=size), dtype=node.dtype)
    )


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
        return t.apply(
            "MaxBackward1", lambda a: ops.reduce_max(a, axes=tuple(range(a.rank)), keepdims=False), x
        )
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
    """Whether |x - other| <= atol + rtol |other| everywhere."""
    with set_grad_enabled(False):
        return bool(all(le(abs(x - other), atol + rtol * abs(other))))


def equal(x: Tensor, other: Tensor) -> bool:
    """Whether both have the same shape and elements."""
    return x.shape == other.shape and bool(all(eq(x, other)))
