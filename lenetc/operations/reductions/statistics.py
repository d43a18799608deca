"""Variances and standard deviations."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import lenetc.tensors.tensor as t
from ir import ops
from ir.errors import DTypeError
from ir.node import Node
from ir.op import scalar
from ir.types import f64
from lenetc.evaluation.tracing import here
from lenetc.operations.elementwise.operands import cast
from lenetc.operations.reductions.dims import Axes, axes_of, need_float, numpy_names
from lenetc.operations.reductions.sums import mean
from lenetc.tensors.arrays import need_number
from passes.autodiff import means

if TYPE_CHECKING:
    from lenetc.tensors.convert import Number
    from lenetc.tensors.tensor import Tensor

__all__ = ["std", "std_mean", "var", "var_mean"]


@numpy_names
def var(
    input: Tensor,
    dim: Axes = None,
    unbiased: bool = True,
    keepdim: bool = False,
    *,
    correction: Number | None = None,
) -> Tensor:
    """Variance over `dim` (all if None), divided by n - 1, by n if not unbiased, or by n - correction.

    A bool in the place of `dim` is `unbiased`, as in PyTorch. Raises DTypeError for a dtype that is not float.
    """
    variance = _variance("var", input, dim, unbiased, keepdim, correction)
    return t.apply("VarBackward0", lambda a: means.narrowed(variance(a), a.dtype), input)


def _variance(
    what: str, x: Tensor, dim: Axes, unbiased: bool, keepdim: bool, correction: Number | None
) -> Callable[[Node], Node]:
    """The variance of x in f64, as PyTorch has it: squares of an f32 can be too large for one, and too small. The
    arguments are those of `var`, for which `what` stands."""
    if isinstance(dim, bool):
        if unbiased is not True:
            raise DTypeError(f"{what}: dim is an int or several, not {dim}").at(here())
        unbiased = dim
    need_float(what, x)
    axes = axes_of(x, None if isinstance(dim, bool) else dim, what)
    less = int(bool(unbiased)) if correction is None else correction
    need_number(what, "correction", less)

    def build(a: Node) -> Node:
        a = means.widened(a)
        centred = cast(a - means.mean(a, axes, keepdims=True), f64)
        n = means.count(centred, axes)
        degrees = ops.maximum(n - scalar(less, f64), 0.0) if less else n
        return ops.sum(centred * centred, axes=axes, keepdims=keepdim) / degrees

    return build


@numpy_names
def std(
    input: Tensor,
    dim: Axes = None,
    unbiased: bool = True,
    keepdim: bool = False,
    *,
    correction: Number | None = None,
) -> Tensor:
    """The square root of the variance, of which the arguments are; its gradient is 0 where the variance is 0."""
    variance = _variance("std", input, dim, unbiased, keepdim, correction)
    return t.apply("StdBackward0", lambda a: means.narrowed(root(variance(a)), a.dtype), input)


def root(squares: Node) -> Node:
    """The square root, with gradient 0 at 0, where that of sqrt is infinite."""
    zero = ops.equal(squares, 0)
    safe = ops.sqrt(ops.where(zero, scalar(1, squares.dtype), squares))
    return ops.with_gradient(ops.sqrt(squares), ops.where(zero, scalar(0, squares.dtype), safe))


def _mean_beside(input: Tensor, dim: Any, keepdim: bool) -> Tensor:
    """The mean over what `var` takes for its `dim`."""
    return mean(input, None if isinstance(dim, bool) else dim, keepdim)


@numpy_names
def var_mean(
    input: Tensor,
    dim: Axes = None,
    unbiased: bool = True,
    keepdim: bool = False,
    *,
    correction: Number | None = None,
) -> tuple[Tensor, Tensor]:
    """The variance and the mean over `dim`; the arguments are those of `var`."""
    return var(input, dim, unbiased, keepdim, correction=correction), _mean_beside(input, dim, keepdim)


@numpy_names
def std_mean(
    input: Tensor,
    dim: Axes = None,
    unbiased: bool = True,
    keepdim: bool = False,
    *,
    correction: Number | None = None,
) -> tuple[Tensor, Tensor]:
    """The standard deviation and the mean over `dim`; the arguments are those of `var`."""
    return std(input, dim, unbiased, keepdim, correction=correction), _mean_beside(input, dim, keepdim)
