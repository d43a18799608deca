"""Largest and smallest elements, and where they are."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import lenetc.tensors.tensor as t
from ir import ops
from ir.errors import DTypeError
from ir.node import Node
from ir.op import scalar
from ir.types import bool_, i64, u8
from lenetc.evaluation.tracing import here
from lenetc.operations.elementwise import maximum, minimum
from lenetc.operations.integers import inverted
from lenetc.operations.reductions.dims import (
    Axes,
    axes_of,
    axis_in,
    need_dim,
    need_elements,
    numpy_names,
    without,
)
from passes.autodiff import means

if TYPE_CHECKING:
    from lenetc.tensors.tensor import Tensor

__all__ = ["amax", "amin", "aminmax", "argmax", "argmin", "max", "min"]


class Extreme(NamedTuple):
    """What max and min along a dim return, and others that choose one element (torch.return_types.max)."""

    values: Tensor
    indices: Tensor


class Extremes(NamedTuple):
    """What aminmax returns (torch.return_types.aminmax)."""

    min: Tensor
    max: Tensor


def largest(
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


def masked(kept: Node, x: Node) -> Node:
    return ops.where(kept, x, scalar(0, x.dtype))


def turned(a: Node) -> Node:
    """a in the opposite order: -a, or the bits of an integer inverted, as the smallest one has no negative."""
    return -a if a.dtype.is_float else inverted(a)


def _through_u8(build: Callable[[Node], Node]) -> Callable[[Node], Node]:
    """`build`, of bools by way of zeros and ones, which can be compared."""
    return lambda a: ops.cast(build(ops.cast(a, dtype=u8)), dtype=bool_) if a.dtype is bool_ else build(a)


@numpy_names
def amax(input: Tensor, dim: Axes = None, keepdim: bool = False) -> Tensor:
    """Largest element over `dim`, NaN if one is; ties share the gradient."""
    t.require_tensors("amax", input)
    axes = axes_of(input, dim, "amax")
    build = _through_u8(lambda a: ops.reduce_max(a, axes=axes, keepdims=keepdim))
    return t.apply("AmaxBackward0", build, input)


@numpy_names
def amin(input: Tensor, dim: Axes = None, keepdim: bool = False) -> Tensor:
    """Smallest element over `dim`, NaN if one is; ties share the gradient."""
    t.require_tensors("amin", input)
    axes = axes_of(input, dim, "amin")
    build = _through_u8(lambda a: turned(ops.reduce_max(turned(a), axes=axes, keepdims=keepdim)))
    return t.apply("AminBackward0", build, input)


@numpy_names
def aminmax(input: Tensor, *, dim: int | None = None, keepdim: bool = False) -> Extremes:
    """(min, max) over one `dim` (all if None), as amin and amax."""
    t.require_tensors("aminmax", input)
    axes = None if dim is None else axis_in(input, dim, "aminmax")
    return Extremes(amin(input, axes, keepdim), amax(input, axes, keepdim))


@numpy_names
def argmax(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """Index of the first largest element along `dim` (of the flattened tensor if None), or of the first NaN, as i64.

    Raises DTypeError for bools, as PyTorch.
    """
    return _place("argmax", input, dim, keepdim, lambda a: a)


@numpy_names
def argmin(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """Index of the first smallest element, as argmax."""
    return _place("argmin", input, dim, keepdim, turned)


def _place(what: str, x: Tensor, dim: int | None, keepdim: bool, order: Callable[[Node], Node]) -> Tensor:
    t.require_tensors(what, x)
    if x.dtype is bool_:
        raise DTypeError(
            f"{what} does not support bool input: {x.type_text()}; convert it with .to(lenetc.uint8)"
        ).at(here())
    axis = None if dim is None else axis_in(x, dim, what)
    need_elements(what, x, range(x.ndim) if axis is None else (axis,) if x.ndim else ())

    def build(a: Node) -> Node:
        a = order(a)
        if axis is not None and x.ndim:
            return ops.argmax(a, axis=axis, keepdims=keepdim)
        place = ops.argmax(ops.reshape(a, shape=(a.ty.size,)), axis=0, keepdims=False)
        return ops.reshape(place, shape=(1,) * a.rank) if keepdim and a.rank else place

    return t.apply("", build, x)


def picked(name: str, x: Tensor, indices: Tensor, axis: int, keepdim: bool) -> Extreme:
    """What one index for each row along `axis` chooses of x, where the gradient goes; recorded as `name`."""
    if not x.ndim:
        return Extreme(t.apply(name, lambda a: a, x), indices)

    def pick(a: Node, i: Node) -> Node:
        values = ops.take_along_axis(a, i, axis=axis)
        return values if keepdim else ops.reshape(values, shape=without(a.shape, (axis,)))

    return Extreme(t.apply(name, pick, x, indices), indices if keepdim else indices.squeeze(axis))


@numpy_names
def max(input: Tensor, dim: Any = None, keepdim: bool = False, *, other: Any = None) -> Any:
    """Largest element of all; or (values, indices) along a dim; or elementwise with another tensor (torch.max)."""
    t.require_tensors("max", input)
    if other is not None or isinstance(dim, t.Tensor):
        return maximum(input, dim if other is None else other)
    if dim is None:
        need_dim("max", dim, keepdim)
        axes = tuple(range(input.ndim))
        if input.dtype.is_float:
            return t.apply("MaxBackward1", lambda a: largest(a, axes, pick=masked), input)
        build = _through_u8(lambda a: ops.reduce_max(a, axes=axes, keepdims=False))
        return t.apply("MaxBackward1", build, input)
    axis = axis_in(input, dim, "max")
    if not input.ndim:
        return Extreme(
            t.apply("MaxBackward0", lambda a: a, input), t.apply("", lambda a: scalar(0, i64), input)
        )
    need_elements("max", input, (axis,))
    indices = argmax(input.to(u8) if input.dtype is bool_ else input, axis, keepdim=True)
    return picked("MaxBackward0", input, indices, axis, keepdim)


@numpy_names
def min(input: Tensor, dim: Any = None, keepdim: bool = False, *, other: Any = None) -> Any:
    """Smallest element, as max."""
    t.require_tensors("min", input)
    if other is not None or isinstance(dim, t.Tensor):
        return minimum(input, dim if other is None else other)
    name = "MinBackward1" if dim is None else "MinBackward0"
    found = max(t.apply(name, turned, input), dim, keepdim)
    if isinstance(found, Extreme):
        return Extreme(t.apply(name, turned, found.values), found.indices)
    return t.apply(name, turned, found)
