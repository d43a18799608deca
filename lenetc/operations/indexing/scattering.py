"""Elements put where an index of the tensor's own dimensions says. PyTorch's functions of the same names."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

import lenetc.tensors.tensor as t
from ir import ops
from ir.errors import DTypeError, LenetcError, ShapeError
from ir.node import Node
from ir.op import literal, scalar
from ir.types import bool_, i32, u8
from lenetc.evaluation.tracing import here
from lenetc.operations.autocast import autocasts
from lenetc.operations.indexing.gathering import need_positions, need_range, need_smaller
from lenetc.operations.shaping.slicing import put
from lenetc.tensors.arrays import axis_of, need_number
from lenetc.tensors.convert import Number, as_tensor, element_for, operand_of

if TYPE_CHECKING:
    from lenetc.tensors.tensor import Tensor

__all__ = ["scatter", "scatter_add", "scatter_reduce"]

Way: TypeAlias = Callable[[Node, Node, Node, int], Node]  # (tensor, index, source of its shape, axis)


def _into(what: str, name: str, x: Tensor, dim: Any, index: Tensor, src: Tensor | Number, way: Way) -> Tensor:
    """`way` of the part of x that the index reaches, and of the part of `src` that it takes."""
    t.require_tensors(what, x, index)
    axis = axis_of(dim, x.ndim, what)
    need_positions(what, index)
    value = operand_of(what, src)
    if isinstance(value, t.Tensor) and value.dtype is not x.dtype:
        raise DTypeError(
            f"{what}: src must have the dtype of the tensor {x.type_text()}, but it is {value.type_text()}"
        ).at(here())
    source = value if isinstance(value, t.Tensor) else as_tensor(element_for(x.dtype, value), x.dtype)
    if index.numel() == 0:
        return t.apply(name, lambda a, _: a, x, source)
    need_smaller(what, index, x, axis)
    if isinstance(value, t.Tensor):
        own, its = tuple(index.shape) or (1,), tuple(value.shape) or (1,)
        if len(own) != len(its) or any(
            isinstance(n, int) and isinstance(size, int) and n > size
            for n, size in zip(own, its, strict=True)
        ):
            raise ShapeError(
                f"{what}: the index {index.type_text()} must have as many dimensions as src {value.type_text()}, and "
                "be no larger"
            ).at(here())
    need_range(what, index, x, axis)

    def build(a: Node, s: Node, i: Node) -> Node:
        shape, is_number = a.shape, not isinstance(value, t.Tensor)
        a, i, s = (_as_row(v) for v in (a, i, s))
        s = ops.broadcast_to(s, shape=i.shape) if is_number else _head(s, i.shape)
        reached = tuple(
            size if k == axis else n for k, (size, n) in enumerate(zip(a.shape, i.shape, strict=True))
        )
        found = way(_head(a, reached), i, s, axis)
        whole = found if reached == a.shape else put(a, found, [(0, n, 1) for n in reached])
        return whole if whole.shape == shape else ops.reshape(whole, shape=shape)

    return t.apply(name, build, x, source, index, edges=(x, source))


def _as_row(a: Node) -> Node:
    return a if a.rank else ops.reshape(a, shape=(1,))


def _head(a: Node, shape: Any) -> Node:
    """The first elements along each axis."""
    return (
        a if a.shape == shape else ops.slice(a, starts=(0,) * a.rank, stops=tuple(shape), steps=(1,) * a.rank)
    )


def _replace(a: Node, i: Node, s: Node, axis: int) -> Node:
    return ops.scatter(a, i, s, axis=axis)


def _add(a: Node, i: Node, s: Node, axis: int) -> Node:
    if a.dtype is bool_:
        return ops.cast(_add(ops.cast(a, dtype=i32), i, ops.cast(s, dtype=i32), axis), dtype=bool_)
    return a + ops.put_along_axis(s, i, axis=axis, size=a.shape[axis])


def _multiply(a: Node, i: Node, s: Node, axis: int) -> Node:
    if a.dtype is bool_:
        found = ops.scatter(ops.cast(a, dtype=u8), i, ops.cast(s, dtype=u8), axis=axis, reduction="min")
        return ops.cast(found, dtype=bool_)
    return ops.scatter(a, i, s, axis=axis, reduction="mul")


def _mean(a: Node, i: Node, s: Node, axis: int, include_self: bool) -> Node:
    ones = ops.broadcast_to(scalar(1, a.dtype), shape=i.shape)
    count = ops.put_along_axis(ones, i, axis=axis, size=a.shape[axis])
    count = count + 1 if include_self else ops.maximum(count, 1)
    total = _add(a, i, s, axis)
    return total / count if a.dtype.is_float else _floored(total, count)


def _floored(x: Node, y: Node) -> Node:
    """The quotient of integers towards -inf, of y > 0."""
    quotient = ops.div(x, y)
    return quotient - ops.cast(ops.less(x - quotient * y, 0), dtype=x.dtype)


def _extreme(reduction: str) -> Way:
    return lambda a, i, s, axis: ops.scatter(a, i, s, axis=axis, reduction=reduction)


def reduction(what: str, x: Tensor, reduce: Any, include_self: bool) -> Way:
    """The way that scatter_reduce calls `reduce`. Raises LenetcError for a name that is none."""
    if x.dtype is bool_:
        if reduce not in ("sum", "prod", "amax", "amin"):
            raise DTypeError(f"{what}: there is no {reduce!r} of bools, {x.type_text()}").at(here())
        of_bytes = reduction(what, x.to(u8), "amax" if reduce in ("sum", "amax") else "amin", include_self)

        def of_bools(a: Node, i: Node, s: Node, axis: int) -> Node:
            return ops.cast(of_bytes(ops.cast(a, dtype=u8), i, ops.cast(s, dtype=u8), axis), dtype=bool_)

        return of_bools
    least, most = _limits(x)
    ways: dict[str, tuple[Way, Any]] = {
        "sum": (_add, 0),
        "prod": (_multiply, 1),
        "mean": (lambda a, i, s, axis: _mean(a, i, s, axis, include_self), 0),
        "amax": (_extreme("max"), least),
        "amin": (_extreme("min"), most),
    }
    if reduce not in ways:
        raise LenetcError(f"{what}: reduce is one of {', '.join(ways)}, not {reduce!r}").at(here())
    way, neutral = ways[reduce]
    if include_self:
        return way

    def without_self(a: Node, i: Node, s: Node, axis: int) -> Node:
        reached = ops.scatter(
            ops.broadcast_to(literal(np.False_), shape=a.shape),
            i,
            ops.broadcast_to(literal(np.True_), shape=i.shape),
            axis=axis,
        )
        return way(ops.where(reached, scalar(neutral, a.dtype), a), i, s, axis)

    return without_self


def _limits(x: Tensor) -> tuple[Any, Any]:
    if x.dtype.is_float:
        return -math.inf, math.inf
    info = np.iinfo(x.dtype.numpy.type)  # type: ignore[type-var]
    return int(info.min), int(info.max)


def scatter(
    input: Tensor,
    dim: int,
    index: Tensor,
    src: Tensor | Number | None = None,
    *,
    value: Number | None = None,
    reduce: str | None = None,
) -> Tensor:
    """`input` with result[index[i][j]][j] = src[i][j], or a number, along `dim` (torch.scatter). Where an index occurs
    twice the last one stays.

    reduce: "add" or "multiply" with what is there. Raises LabelError, an IndexError, for an index that is negative or
    out of range, ShapeError where shapes do not fit, DTypeError for a src of another dtype.
    """
    ways: dict[Any, Way] = {None: _replace, "add": _add, "multiply": _multiply}
    if reduce not in ways:
        raise LenetcError(f"scatter: reduce is 'add' or 'multiply', not {reduce!r}").at(here())
    source = value if src is None else src
    if not isinstance(source, t.Tensor):
        need_number("scatter", "src", source)
    return _into("scatter", "ScatterBackward0", input, dim, index, source, ways[reduce])  # type: ignore[arg-type]


@autocasts
def scatter_add(input: Tensor, dim: int, index: Tensor, src: Tensor) -> Tensor:
    """`input` with src[i][j] added to [index[i][j]][j], along `dim` (torch.scatter_add). Raises as scatter."""
    t.require_tensors("scatter_add", src)
    return _into("scatter_add", "ScatterAddBackward0", input, dim, index, src, _add)


def scatter_reduce(
    input: Tensor, dim: int, index: Tensor, src: Tensor, reduce: str, *, include_self: bool = True
) -> Tensor:
    """`input` with the sum, the product, the mean, the largest or the smallest of all that goes to a place along `dim`,
    and of what is there if `include_self` (torch.scatter_reduce).

    reduce: "sum", "prod", "mean", "amax" or "amin". Raises as scatter.
    """
    t.require_tensors("scatter_reduce", input, src)
    way = reduction("scatter_reduce", input, reduce, include_self)
    return _into("scatter_reduce", "ScatterReduceBackward0", input, dim, index, src, way)
