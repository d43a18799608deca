"""Whole numbers near to others. Integers are whole already; the gradient is 0."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import lenetc.tensors.tensor as t
from ir import ops
from ir.errors import DTypeError, LenetcError
from ir.node import Node
from lenetc.evaluation.tracing import here
from lenetc.operations.elementwise.operands import filled, flat, in_f32, refuse_bools
from lenetc.tensors.arrays import index_of

if TYPE_CHECKING:
    from lenetc.tensors.tensor import Tensor

__all__ = ["ceil", "fix", "floor", "frac", "round", "trunc"]


def _to_whole(what: str, build: Callable[[Node], Node], input: Tensor) -> Tensor:
    refuse_bools(what, input)
    name = f"{what.title()}Backward0"
    return t.apply(name, lambda a: flat(build(a), a) if a.dtype.is_float else a, input, saves=False)


def floor(input: Tensor) -> Tensor:
    """The largest whole number not above x: an integer itself. Raises DTypeError for bools."""
    return _to_whole("floor", ops.floor, input)


def ceil(input: Tensor) -> Tensor:
    """The smallest whole number not below x. Raises DTypeError for bools."""
    return _to_whole("ceil", lambda a: -ops.floor(-a), input)


def truncated(a: Node) -> Node:
    """a without its fraction."""
    return ops.where(ops.less(a, 0.0), -ops.floor(-a), ops.floor(a))


def trunc(input: Tensor) -> Tensor:
    """x without its fraction (torch.trunc, torch.fix). Raises DTypeError for bools."""
    return _to_whole("trunc", truncated, input)


fix = trunc


def frac(input: Tensor) -> Tensor:
    """The fraction of x, with its sign. Raises DTypeError for what is not floating point."""
    t.require_tensors("frac", input)
    if not input.dtype.is_float:
        raise DTypeError(f"frac: only floating point tensors have fractions, not {input.type_text()}").at(
            here()
        )
    return t.apply("FracBackward0", lambda a: a - ops.stop_gradient(truncated(a)), input, saves=False)


def _rounded(a: Node) -> Node:
    """The nearest whole number, the even one of two."""
    below = ops.floor(a)
    rest = a - below
    odd = below - ops.floor(below * 0.5) * 2.0
    up = ops.where(ops.equal(rest, 0.5), odd, ops.cast(ops.greater(rest, 0.5), dtype=a.dtype))
    # An infinity has no fraction.
    return ops.where(ops.equal(a, below), a, below + up)


def round(input: Tensor, *, decimals: int = 0) -> Tensor:
    """The nearest whole number, the even one of two; with `decimals` of its digits kept (torch.round).

    Raises DTypeError for bools, LenetcError for decimals of integers.
    """
    digits = index_of("round: decimals", decimals)
    refuse_bools("round", input)
    if not digits:
        return _to_whole("round", _rounded, input)
    if not input.dtype.is_float:
        raise LenetcError(f"round: integers have no decimals: {input.type_text()}").at(here())

    def build(a: Node) -> Node:
        factor = filled(10.0 ** abs(digits), a)
        return _rounded(a * factor) / factor if digits > 0 else _rounded(a / factor) * factor

    return _to_whole("round", in_f32(build), input)
