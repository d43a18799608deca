"""Running sums, products and extremes along a dimension, and integrals."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import lenetc.tensors.tensor as t
from ir import ops
from ir.errors import BoundsError, DTypeError, LenetcError, ShapeError
from ir.node import Node
from ir.op import scalar
from ir.types import DType, bool_, i64, u8
from lenetc.evaluation.tracing import here
from lenetc.operations.autocast import autocasts
from lenetc.operations.elementwise.operands import cast
from lenetc.operations.reductions.dims import as_row, axis_in, cut, need_float, numpy_names
from lenetc.operations.reductions.extremes import Extreme, turned
from lenetc.operations.reductions.sums import sum
from lenetc.operations.shaping import cat
from lenetc.tensors.arrays import axis_of, index_of, need_number
from lenetc.tensors.dtypes import need_dtype
from passes.autodiff import means

if TYPE_CHECKING:
    from lenetc.tensors.convert import Number
    from lenetc.tensors.tensor import Tensor

__all__ = [
    "cummax",
    "cummin",
    "cumprod",
    "cumsum",
    "cumulative_trapezoid",
    "diff",
    "logcumsumexp",
    "trapezoid",
    "trapz",
]


def running(name: str, x: Tensor, build: Callable[[Node], Node]) -> Tensor:
    """build of x, of a scalar as a vector of one element."""
    return t.apply(name, lambda a: ops.reshape(build(as_row(a)), shape=a.shape), x)


@autocasts
@numpy_names
def cumsum(input: Tensor, dim: int, *, dtype: DType | None = None) -> Tensor:
    """The sums along `dim` up to each element, it included, as `dtype`: of integers and bools i64, of halves computed
    in f32."""
    dtype = None if dtype is None else need_dtype("cumsum", dtype)
    t.require_tensors("cumsum", input)
    axis = axis_in(input, dim, "cumsum")
    target = dtype or (input.dtype if input.dtype.is_float else i64)

    def build(a: Node) -> Node:
        a = cast(a, target)
        wide = means.widened(a) if target.is_float or target.itemsize >= 4 else cast(a, i64)
        return cast(ops.cumsum(wide, axis=axis), target)

    return running("CumsumBackward0", input, build)


@autocasts
@numpy_names
def cumprod(input: Tensor, dim: int, *, dtype: DType | None = None) -> Tensor:
    """The products along `dim` up to each element, as cumsum. No gradient divides by an element.

    Raises SymbolicDimError for a dimension whose size is not known.
    """
    dtype = None if dtype is None else need_dtype("cumprod", dtype)
    t.require_tensors("cumprod", input)
    axis = axis_in(input, dim, "cumprod")
    target = dtype or (input.dtype if input.dtype.is_float else i64)

    def build(a: Node) -> Node:
        return cast(_up_to_each(means.widened(cast(a, target)), axis, lambda before, x: before * x), target)

    return running("CumprodBackward0", input, build)


def _up_to_each(x: Node, axis: int, combine: Callable[[Node, Node], Node]) -> Node:
    """x[0] . x[1] . ... . x[i] for every i along `axis`, for an associative `combine`: of 1, 2, 4, 8 elements, and so
    on, each from the half that ends here and the one before it."""
    size, reach = int(x.shape[axis]), 1
    while reach < size:
        later = combine(cut(x, axis, 0, size - reach), cut(x, axis, reach, size))
        x = ops.concat(cut(x, axis, 0, reach), later, axis=axis)
        reach *= 2
    return x


@numpy_names
def cummax(input: Tensor, dim: int) -> Extreme:
    """(values, indices): the largest element along `dim` up to each one, and where it last was; NaN from the first NaN
    on."""
    return _running_extreme("cummax", input, dim, lambda a: a)


@numpy_names
def cummin(input: Tensor, dim: int) -> Extreme:
    """(values, indices): the smallest element along `dim` up to each one, as cummax."""
    return _running_extreme("cummin", input, dim, turned)


def _running_extreme(what: str, x: Tensor, dim: int, order: Callable[[Node], Node]) -> Extreme:
    t.require_tensors(what, x)
    axis = axis_in(x, dim, what)

    def last_best(before: Node, i: Node, values: Node) -> Node:
        """Of two places of `values` the second, unless what is there is less; NaN is never."""
        a, b = (ops.take_along_axis(values, place, axis=axis) for place in (before, i))
        wins = ops.logical_not(ops.less(b, a))
        if values.dtype.is_float:
            wins = ops.logical_or(ops.is_nan(b), ops.logical_and(wins, ops.logical_not(ops.is_nan(a))))
        return ops.where(wins, i, before)

    def places(a: Node) -> Node:
        a = order(ops.cast(a, dtype=u8) if a.dtype is bool_ else a)
        size = tuple(n if i == axis else 1 for i, n in enumerate(a.shape))
        each = ops.broadcast_to(ops.reshape(ops.iota(size=a.shape[axis]), shape=size), shape=a.shape)
        return _up_to_each(each, axis, lambda before, i: last_best(before, i, a))

    indices = running("", x.detach(), places)
    name = f"{what.capitalize()}Backward0"
    if not x.ndim:
        return Extreme(t.apply(name, lambda a: a, x), indices)
    return Extreme(t.apply(name, lambda a, i: ops.take_along_axis(a, i, axis=axis), x, indices), indices)


@numpy_names
def logcumsumexp(input: Tensor, dim: int) -> Tensor:
    """log(cumsum(exp(x))) along `dim`, which overflows nowhere. Raises as cumprod, and DTypeError for a dtype that is
    not float."""
    need_float("logcumsumexp", input)
    axis = axis_in(input, dim, "logcumsumexp")

    def added(a: Node, b: Node) -> Node:
        """log(exp(a) + exp(b))"""
        most = ops.maximum(a, b)
        nothing = ops.equal(most, -math.inf)
        one, zero = scalar(1, a.dtype), scalar(0, a.dtype)
        largest = ops.stop_gradient(ops.where(ops.equal(ops.abs(most), math.inf), zero, most))
        both = ops.where(nothing, one, ops.exp(a - largest) + ops.exp(b - largest))
        return ops.where(nothing, most, ops.log(both) + largest)

    def build(a: Node) -> Node:
        return cast(_up_to_each(means.widened(a), axis, added), a.dtype)

    return running("LogcumsumexpBackward0", input, build)


def _areas(what: str, y: Tensor, x: Tensor | None, dx: Number, dim: int) -> tuple[Tensor, int]:
    """Twice the area under each stretch of y along `dim`, and that dimension."""
    t.require_tensors(what, y, optional=(x,))
    if y.dtype is bool_:
        raise DTypeError(f"{what}: received a bool input for `y`, but bool is not supported").at(here())
    axis = axis_of(dim, y.ndim, f"{what} of {y.type_text()}")
    if not y.ndim:
        raise BoundsError(f"{what}: a scalar {y.type_text()} has no dimension to be integrated along").at(
            here()
        )
    size = y.shape[axis]

    def parts(v: Tensor, at: int) -> tuple[Tensor, Tensor]:
        whole = (slice(None),) * at
        return v[(*whole, slice(1, None))], v[(*whole, slice(None, -1))]

    if not size:
        return y, axis
    high, low = parts(y, axis)
    if x is None:
        need_number(what, "dx", dx)
        return (high + low) * dx, axis
    if x.dtype is bool_:
        raise DTypeError(f"{what}: received a bool input for `x`, but bool is not supported").at(here())
    if x.ndim == 1 and y.ndim > 1:
        if x.shape[0] != size:
            raise ShapeError(
                f"{what}: there must be one x for each sample of y: {x.type_text()} for {y.type_text()} along {dim}"
            ).at(here())
        x = x.reshape([size if i == axis else 1 for i in range(y.ndim)])
    after, before = parts(x, x.ndim - (y.ndim - axis))
    return (high + low) * (after - before), axis


def trapezoid(y: Tensor, x: Tensor | None = None, *, dx: Number = 1, dim: int = -1) -> Tensor:
    """The integral of samples y along `dim`, at places x or `dx` apart, by the trapezoidal rule.

    Raises BoundsError for a scalar, ShapeError where x does not fit y, DTypeError for bools.
    """
    areas, axis = _areas("trapezoid", y, x, dx, dim)
    if x is not None or not y.shape[axis]:
        return sum(areas, axis) / 2
    # As PyTorch has it: of one sample 0, or NaN, and of small integers no sum of two wraps around.
    ends = y.select(axis, 0) + y.select(axis, -1)
    return (sum(y, axis) - ends * 0.5) * dx


trapz = trapezoid


def cumulative_trapezoid(y: Tensor, x: Tensor | None = None, *, dx: Number = 1, dim: int = -1) -> Tensor:
    """The integrals of samples y up to each but the first, as trapezoid."""
    areas, axis = _areas("cumulative_trapezoid", y, x, dx, dim)
    return cumsum(areas, axis) / 2


@numpy_names
def diff(
    input: Tensor, n: int = 1, dim: int = -1, prepend: Tensor | None = None, append: Tensor | None = None
) -> Tensor:
    """The differences of neighbours along `dim`, taken `n` times, after `prepend` and `append` are joined to it; of
    bools whether they differ.

    Raises ShapeError for a scalar, LenetcError for a negative n.
    """
    t.require_tensors("diff", input, optional=(prepend, append))
    axis = axis_in(input, dim, "diff")
    if not input.ndim:
        raise ShapeError(f"diff: expects input to be at least one-dimensional, not {input.type_text()}").at(
            here()
        )
    n = index_of("diff: n", n)
    if n < 0:
        raise LenetcError(f"diff: order must be non-negative, but it is {n}").at(here())
    if not n:
        return input.clone()
    parts = [part for part in (prepend, input, append) if part is not None]
    x = cat(parts, axis) if len(parts) > 1 else input
    size = x.shape[axis]

    def build(a: Node) -> Node:
        for _ in range(min(n, size) if isinstance(size, int) else n):
            high, low = cut(a, axis, 1, a.shape[axis]), cut(a, axis, 0, a.shape[axis] - 1)
            a = ops.logical_not(ops.equal(high, low)) if a.dtype is bool_ else high - low
        return a

    return t.apply("SubBackward0", build, x)
