"""Sums, means, extremes and comparisons of whole tensors: PyTorch's functions of the same names."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import lenetc.tensors.tensor as t
from ir import ops
from ir.dims import product
from ir.errors import DTypeError, LenetcError
from ir.node import Node
from ir.op import scalar
from ir.types import DType, bool_, f64, i64, u8
from lenetc.evaluation.tracing import here
from lenetc.operations.autocast import widened
from lenetc.operations.elementwise import (
    abs,
    eq,
    le,
    logical_and,
    logical_not,
    logical_or,
    lt,
    maximum,
    minimum,
    ne,
    truth,
)
from lenetc.operations.integers import inverted
from lenetc.tensors.arrays import axis_of, need_number
from lenetc.tensors.grad_fn import set_grad_enabled
from passes.autodiff import means

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
    "argmin",
    "equal",
    "max",
    "mean",
    "min",
    "norm",
    "prod",
    "std",
    "sum",
    "var",
]

Axes: TypeAlias = int | Sequence[int] | None


def axes_of(x: Tensor, dim: Axes, what: str) -> tuple[int, ...]:
    """`dim` as sorted axes counted from the front; all of them for None and, as in PyTorch, for an empty list.

    Raises BoundsError, an IndexError, for one that x lacks, LenetcError for one that is named twice.
    """
    if dim is None or (isinstance(dim, (tuple, list)) and not dim):
        return tuple(range(x.ndim))
    listed = dim if isinstance(dim, (tuple, list)) else (dim,)
    axes = [axis_of(axis, x.ndim, f"{what} of {x.type_text()}") for axis in listed]
    if len(set(axes)) != len(axes):
        raise LenetcError(f"{what}: a dimension appears twice in {tuple(listed)}").at(here())
    return tuple(sorted(axes)) if x.ndim else ()


def _need_float(what: str, x: Tensor) -> None:
    t.require_tensors(what, x)
    if not x.dtype.is_float:
        raise DTypeError(
            f"{what}(): the input must be floating point, but it is {x.type_text()}; use .float()"
        ).at(here())


def sum(x: Tensor, dim: Axes = None, keepdim: bool = False, *, dtype: DType | None = None) -> Tensor:
    """Sum over `dim` (all if None), as `dtype`. Integers and bools are summed as i64."""
    t.require_tensors("sum", x)
    if dtype is bool_:
        return any(x.to(bool_), dim or None, keepdim)
    x = widened(x)
    axes = axes_of(x, dim, "sum")
    target = dtype or (x.dtype if x.dtype.is_float else i64)
    name = "SumBackward0" if dim is None else "SumBackward1"

    def build(a: Node) -> Node:
        # A narrow integer, for which the runtime has no sum; in a wider one it wraps around alike.
        if target.kind == "int" and target.itemsize < 4:
            return ops.cast(ops.sum(ops.cast(a, dtype=i64), axes=axes, keepdims=keepdim), dtype=target)
        return ops.sum(ops.cast(a, dtype=target) if a.dtype is not target else a, axes=axes, keepdims=keepdim)

    return t.apply(name, build, x, saves=False)


def prod(x: Tensor, dim: int | None = None, keepdim: bool = False, *, dtype: DType | None = None) -> Tensor:
    """Product over `dim` (all if None), as `dtype`. Integers and bools are multiplied as i64.

    Raises SymbolicDimError for a dimension whose size is not known, DTypeError for a bool `dtype`.
    """
    t.require_tensors("prod", x)
    target = dtype or (x.dtype if x.dtype.is_float else i64)
    if target is bool_:
        raise DTypeError("prod: the result cannot be bool; use all()").at(here())
    axes = tuple(range(x.ndim)) if dim is None else (axis_of(dim, x.ndim, f"prod of {x.type_text()}"),)
    axes = axes if x.ndim else ()

    def build(a: Node) -> Node:
        kept = [axis for axis in range(a.rank) if axis not in axes]
        count = int(product(tuple(a.shape[axis] for axis in axes)))
        shape = tuple(1 if axis in axes else size for axis, size in enumerate(a.shape))
        a = a if a.dtype is target else ops.cast(a, dtype=target)
        rows = ops.reshape(ops.transpose(a, perm=(*axes, *kept)), shape=(count, *(a.shape[i] for i in kept)))
        made = _product_of_rows(rows, count)
        return ops.reshape(made, shape=shape if keepdim and dim is not None else made.shape[1:])

    return t.apply("ProdBackward0" if dim is None else "ProdBackward1", build, x)


def _product_of_rows(rows: Node, count: int) -> Node:
    """One row, the product of all: half of them times the other half, so that no gradient divides by an element."""
    if not count:  # their sum, 0, keeps the gradient
        return ops.sum(rows, axes=(0,), keepdims=True) + scalar(1, rows.dtype)
    while count > 1:
        half, rest = divmod(count, 2)
        cuts = ((0, half), (half, 2 * half), (2 * half, count))
        low, high, last = (
            ops.slice(
                rows, starts=(a, *(0,) * (rows.rank - 1)), stops=(z, *rows.shape[1:]), steps=(1,) * rows.rank
            )
            for a, z in cuts
        )
        rows, count = (ops.concat(low * high, last, axis=0) if rest else low * high), half + rest
    return rows


def mean(x: Tensor, dim: Axes = None, keepdim: bool = False, *, dtype: DType | None = None) -> Tensor:
    """Mean over `dim` (all if None), of x as `dtype`. Raises DTypeError for a dtype that is not float."""
    t.require_tensors("mean", x)
    x = x if dtype is None else x.to(dtype)
    _need_float("mean", x)
    x = widened(x)
    axes = axes_of(x, dim, "mean")
    name = "MeanBackward0" if dim is None else "MeanBackward1"
    return t.apply(name, lambda a: means.mean(a, axes, keepdim), x, saves=False)


def var(
    x: Tensor,
    dim: Axes = None,
    unbiased: bool = True,
    keepdim: bool = False,
    *,
    correction: Number | None = None,
) -> Tensor:
    """Variance over `dim` (all if None), divided by n - 1, by n if not unbiased, or by n - correction.

    A bool in the place of `dim` is `unbiased`, as in PyTorch. Raises DTypeError for a dtype that is not float.
    """
    variance = _variance("var", x, dim, unbiased, keepdim, correction)
    return t.apply("VarBackward0", lambda a: means.narrowed(variance(a), a.dtype), x)


def _variance(
    what: str, x: Tensor, dim: Axes, unbiased: bool, keepdim: bool, correction: Number | None
) -> Callable[[Node], Node]:
    """The variance of x, of a half in f32; the arguments are those of `var`, for which `what` stands."""
    if isinstance(dim, bool):
        if unbiased is not True:
            raise DTypeError(f"{what}: dim is an int or several, not {dim}").at(here())
        unbiased = dim
    _need_float(what, x)
    axes = axes_of(x, None if isinstance(dim, bool) else dim, what)
    less = int(bool(unbiased)) if correction is None else correction
    need_number(what, "correction", less)

    def build(a: Node) -> Node:
        n, a = means.count(a, axes), means.widened(a)
        centred = a - ops.sum(a, axes=axes, keepdims=True) / n
        degrees = ops.maximum(n - scalar(less, n.dtype), 0.0) if less else n
        return ops.sum(centred * centred, axes=axes, keepdims=keepdim) / degrees

    return build


def std(
    x: Tensor,
    dim: Axes = None,
    unbiased: bool = True,
    keepdim: bool = False,
    *,
    correction: Number | None = None,
) -> Tensor:
    """The square root of the variance, of which the arguments are; its gradient is 0 where the variance is 0."""
    variance = _variance("std", x, dim, unbiased, keepdim, correction)
    return t.apply("StdBackward0", lambda a: means.narrowed(_root(variance(a)), a.dtype), x)


def _root(squares: Node) -> Node:
    """The square root, with gradient 0 at 0, where that of sqrt is infinite."""
    zero = ops.equal(squares, 0)
    root = ops.sqrt(ops.where(zero, scalar(1, squares.dtype), squares))
    return ops.with_gradient(ops.sqrt(squares), ops.where(zero, scalar(0, squares.dtype), root))


def norm(x: Tensor, p: Number | str = 2, dim: Axes = None, keepdim: bool = False) -> Tensor:
    """p-norm over `dim` (all if None), for p = 1, 2 ("fro"), inf or -inf. Raises DTypeError for a dtype that is not
    float, ValueError for another p."""
    _need_float("norm", x)
    axes = axes_of(x, dim, "norm")
    p = 2 if p == "fro" else p
    if p == 1:
        return sum(abs(x), axes, keepdim)
    if p == 2:

        def build(a: Node) -> Node:
            wide = means.widened(a)
            return means.narrowed(_root(ops.sum(wide * wide, axes=axes, keepdims=keepdim)), a.dtype)

        return t.apply("LinalgVectorNormBackward0", build, x)
    if p == math.inf:

        def largest(a: Node) -> Node:
            return _largest(ops.abs(a), axes, keepdim, pick=_multiplied)

        return t.apply("LinalgVectorNormBackward0", largest, x)
    if p == -math.inf:

        def smallest(a: Node) -> Node:
            return -_largest(-ops.abs(a), axes, keepdim, pick=_multiplied)

        return t.apply("LinalgVectorNormBackward0", smallest, x)
    raise ValueError(f"norm: p must be 1, 2, inf or -inf, not {p!r}")


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


def _turned(a: Node) -> Node:
    """a in the opposite order: -a, or the bits of an integer inverted, as the smallest one has no negative."""
    return -a if a.dtype.is_float else inverted(a)


def _through_u8(build: Callable[[Node], Node]) -> Callable[[Node], Node]:
    """`build`, of bools by way of zeros and ones, which can be compared."""
    return lambda a: ops.cast(build(ops.cast(a, dtype=u8)), dtype=bool_) if a.dtype is bool_ else build(a)


def amax(x: Tensor, dim: Axes = None, keepdim: bool = False) -> Tensor:
    """Largest element over `dim`, NaN if one is; ties share the gradient."""
    t.require_tensors("amax", x)
    axes = axes_of(x, dim, "amax")
    build = _through_u8(lambda a: ops.reduce_max(a, axes=axes, keepdims=keepdim))
    return t.apply("AmaxBackward0", build, x)


def amin(x: Tensor, dim: Axes = None, keepdim: bool = False) -> Tensor:
    """Smallest element over `dim`, NaN if one is; ties share the gradient."""
    t.require_tensors("amin", x)
    axes = axes_of(x, dim, "amin")
    build = _through_u8(lambda a: _turned(ops.reduce_max(_turned(a), axes=axes, keepdims=keepdim)))
    return t.apply("AminBackward0", build, x)


def argmax(x: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """Index of the first largest element along `dim` (of the flattened tensor if None), or of the first NaN, as i64.

    Raises DTypeError for bools, as PyTorch.
    """
    t.require_tensors("argmax", x)
    if x.dtype is bool_:
        raise DTypeError(
            f"argmax does not support bool input: {x.type_text()}; convert it with .to(lenetc.uint8)"
        ).at(here())
    return t.apply("", lambda a: _place_of_largest(a, x, dim, keepdim), x)


def _place_of_largest(a: Node, x: Tensor, dim: int | None, keepdim: bool) -> Node:
    axis = None if dim is None else axis_of(dim, x.ndim, f"argmax of {x.type_text()}")
    if axis is not None and x.ndim:
        return ops.argmax(a, axis=axis, keepdims=keepdim)
    place = ops.argmax(ops.reshape(a, shape=(a.ty.size,)), axis=0, keepdims=False)
    return ops.reshape(place, shape=(1,) * a.rank) if keepdim and a.rank else place


def argmin(x: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """Index of the first smallest element, as argmax."""
    t.require_tensors("argmin", x)
    if x.dtype is bool_:
        raise DTypeError(
            f"argmin does not support bool input: {x.type_text()}; convert it with .to(lenetc.uint8)"
        ).at(here())
    return t.apply("", lambda a: _place_of_largest(_turned(a), x, dim, keepdim), x)


class Extreme(NamedTuple):
    """What max and min along a dim return (torch.return_types.max)."""

    values: Tensor
    indices: Tensor


def max(x: Tensor, dim: int | Tensor | None = None, keepdim: bool = False) -> Any:
    """Largest element of all; or (values, indices) along a dim; or elementwise with another tensor (torch.max)."""
    t.require_tensors("max", x)
    if isinstance(dim, t.Tensor):
        return maximum(x, dim)
    if dim is None:
        if keepdim:
            raise LenetcError("max and min: keepdim is for a dim").at(here())
        axes = tuple(range(x.ndim))
        if x.dtype.is_float:
            return t.apply("MaxBackward1", lambda a: _largest(a, axes, pick=_masked), x)
        build = _through_u8(lambda a: ops.reduce_max(a, axes=axes, keepdims=False))
        return t.apply("MaxBackward1", build, x)
    axis = axis_of(dim, x.ndim, f"max of {x.type_text()}")
    if not x.ndim:
        return Extreme(t.apply("MaxBackward0", lambda a: a, x), t.apply("", _first_place, x))
    indices = argmax(x.to(u8) if x.dtype is bool_ else x, axis, keepdim=True)

    def pick(a: Node, i: Node) -> Node:
        values = ops.take_along_axis(a, i, axis=axis)
        return values if keepdim else ops.reshape(values, shape=(*a.shape[:axis], *a.shape[axis + 1 :]))

    values = t.apply("MaxBackward0", pick, x, indices)
    return Extreme(values, indices if keepdim else indices.squeeze(axis))


def _first_place(a: Node) -> Node:
    return scalar(0, i64)


def min(x: Tensor, dim: int | Tensor | None = None, keepdim: bool = False) -> Any:
    """Smallest element, as max."""
    t.require_tensors("min", x)
    if isinstance(dim, t.Tensor):
        return minimum(x, dim)
    if not x.dtype.is_float:
        found = max(t.apply("", _turned, x), dim, keepdim)
        if isinstance(found, Extreme):
            return Extreme(t.apply("", _turned, found.values), found.indices)
        return t.apply("", _turned, found)
    found = max(-x, dim, keepdim)
    return Extreme(-found.values, found.indices) if isinstance(found, Extreme) else -found


def all(x: Tensor, dim: Axes = None, keepdim: bool = False) -> Tensor:
    """Whether every element over `dim` (all if None) is true, that is not 0; as bool, of u8 as u8."""
    t.require_tensors("all", x)
    axes = _listed(x, dim, "all")
    return _as_flag(x, eq(sum(logical_not(x), axes, keepdim) if axes else logical_not(x), 0))


def any(x: Tensor, dim: Axes = None, keepdim: bool = False) -> Tensor:
    """Whether an element over `dim` (all if None) is true, as `all`."""
    t.require_tensors("any", x)
    axes = _listed(x, dim, "any")
    found = t.apply("", truth, x)
    return _as_flag(x, ne(sum(found, axes, keepdim) if axes else found, 0))


def _listed(x: Tensor, dim: Axes, what: str) -> tuple[int, ...]:
    """The axes of `dim`: none for an empty list, which PyTorch takes for all of them elsewhere but not here."""
    return () if isinstance(dim, (tuple, list)) and not dim else axes_of(x, dim, what)


def _as_flag(x: Tensor, flag: Tensor) -> Tensor:
    return flag.to(u8) if x.dtype is u8 else flag


def allclose(
    x: Tensor, other: Tensor, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False
) -> bool:
    """Whether elements are equal, or finite with |x - other| <= atol + |rtol other|, everywhere.

    equal_nan: whether a NaN is close to a NaN. Raises DTypeError where the dtypes differ.
    """
    t.require_tensors("allclose", x, other)
    if x.dtype is not other.dtype:
        raise DTypeError(
            f"allclose: both tensors must have one dtype, but they are {x.type_text()} and {other.type_text()}"
        ).at(here())
    with set_grad_enabled(False):
        close = eq(x, other)
        if x.dtype.is_float:
            distance = abs(x - other)
            near = le(distance, atol + abs(rtol * other))
            close = logical_or(close, logical_and(near, lt(distance, math.inf)))
            if equal_nan:
                close = logical_or(close, logical_and(ne(x, x), ne(other, other)))
        elif rtol or atol:
            a, b = x.to(f64), other.to(f64)
            close = logical_or(close, le(abs(a - b), atol + abs(rtol * b)))
        return bool(all(close))


def equal(x: Tensor, other: Tensor) -> bool:
    """Whether both have the same shape and elements."""
    t.require_tensors("equal", x, other)
    return x.shape == other.shape and bool(all(eq(x, other)))
