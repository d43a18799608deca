"""What reductions share: which dimensions are meant, and the names that arguments have."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import lenetc.tensors.tensor as t
from ir import ops
from ir.errors import BoundsError, DTypeError, LenetcError
from ir.node import Node
from lenetc.evaluation.tracing import here
from lenetc.tensors.arrays import axis_of

if TYPE_CHECKING:
    from lenetc.tensors.tensor import Tensor

Axes: TypeAlias = int | Sequence[int] | None
R = TypeVar("R")
_OF_NUMPY = {"axis": "dim", "keepdims": "keepdim"}


def numpy_names(function: Callable[..., R]) -> Callable[..., R]:
    """`function`, which takes `axis` for `dim` and `keepdims` for `keepdim` too, as PyTorch does."""

    @functools.wraps(function)
    def named(*args: Any, **kwargs: Any) -> R:
        for other, name in _OF_NUMPY.items():
            if other in kwargs:
                if name in kwargs:
                    raise TypeError(
                        f"{function.__name__}() got both {name!r} and {other!r}, which are one argument"
                    )
                kwargs[name] = kwargs.pop(other)
        return function(*args, **kwargs)

    return named


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


def axis_in(x: Tensor, dim: Any, what: str) -> int:
    """The one axis `dim` counted from the front, of a scalar 0. Raises as axes_of."""
    return axis_of(dim, x.ndim, f"{what} of {x.type_text()}")


def need_float(what: str, x: Tensor) -> None:
    t.require_tensors(what, x)
    if not x.dtype.is_float:
        raise DTypeError(
            f"{what}(): the input must be floating point, but it is {x.type_text()}; use .float()"
        ).at(here())


def need_dim(what: str, dim: Any, keepdim: bool) -> None:
    """Raise LenetcError for a keepdim without a dim, which PyTorch has no such function for."""
    if keepdim and dim is None:
        raise LenetcError(f"{what}(): keepdim is for a dim").at(here())


def need_elements(what: str, x: Tensor, axes: Sequence[int]) -> None:
    """Raise BoundsError where there is nothing to choose from along `axes`."""
    if any(x.shape[axis] == 0 for axis in axes):
        raise BoundsError(
            f"{what}(): there is none among no elements: {x.type_text()} along {tuple(axes)}"
        ).at(here())


def cut(x: Node, axis: int, start: Any, stop: Any) -> Node:
    """x[..., start:stop, ...] along `axis`."""
    starts = tuple(start if i == axis else 0 for i in range(x.rank))
    stops = tuple(stop if i == axis else size for i, size in enumerate(x.shape))
    return ops.slice(x, starts=starts, stops=stops, steps=(1,) * x.rank)


def without(shape: Sequence[Any], axes: Sequence[int]) -> tuple[Any, ...]:
    """`shape` less the sizes of `axes`."""
    return tuple(size for i, size in enumerate(shape) if i not in axes)


def as_row(x: Node) -> Node:
    """A scalar as a vector of one element, anything else as it is."""
    return x if x.rank else ops.reshape(x, shape=(1,))
