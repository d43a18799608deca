"""Whether all or any elements are true, and whether tensors are alike."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import lenetc.tensors.tensor as t
from ir import ops
from ir.errors import DTypeError
from ir.node import Node
from ir.types import f64, i64, u8
from lenetc.evaluation.tracing import here
from lenetc.operations.elementwise import abs, eq, le, logical_and, logical_or, lt, ne
from lenetc.operations.elementwise.operands import cast, truth
from lenetc.operations.reductions.dims import Axes, axes_of, numpy_names
from lenetc.tensors.grad_fn import set_grad_enabled

if TYPE_CHECKING:
    from lenetc.tensors.tensor import Tensor

__all__ = ["all", "allclose", "any", "equal"]


@numpy_names
def all(input: Tensor, dim: Axes = None, keepdim: bool = False) -> Tensor:
    """Whether every element over `dim` (all if None, none for an empty list) is true, that is not 0; as bool, of u8 as
    u8."""
    t.require_tensors("all", input)
    axes = _listed(input, dim, "all")
    return t.apply(
        "", lambda a: _flag(a, ops.logical_not(_some(ops.logical_not(truth(a)), axes, keepdim))), input
    )


@numpy_names
def any(input: Tensor, dim: Axes = None, keepdim: bool = False) -> Tensor:
    """Whether an element over `dim` (all if None, none for an empty list) is true, as `all`."""
    t.require_tensors("any", input)
    axes = _listed(input, dim, "any")
    return t.apply("", lambda a: _flag(a, _some(truth(a), axes, keepdim)), input)


def _listed(x: Tensor, dim: Axes, what: str) -> tuple[int, ...]:
    """The axes of `dim`: none for an empty list, which PyTorch takes for all of them elsewhere but not here."""
    return () if isinstance(dim, (tuple, list)) and not dim else axes_of(x, dim, what)


def _some(found: Node, axes: tuple[int, ...], keepdim: bool) -> Node:
    """Whether one of the bools along `axes` is true."""
    return truth(ops.sum(cast(found, i64), axes=axes, keepdims=keepdim)) if axes else found


def _flag(a: Node, flag: Node) -> Node:
    return cast(flag, u8) if a.dtype is u8 else flag


def allclose(
    input: Tensor, other: Tensor, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False
) -> bool:
    """Whether elements are equal, or finite with |input - other| <= atol + |rtol other|, everywhere.

    equal_nan: whether a NaN is close to a NaN. Raises DTypeError where the dtypes differ.
    """
    t.require_tensors("allclose", input, other)
    x = input
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


def equal(input: Tensor, other: Tensor) -> bool:
    """Whether both have the same shape and elements."""
    t.require_tensors("equal", input, other)
    return input.shape == other.shape and bool(all(eq(input, other)))
