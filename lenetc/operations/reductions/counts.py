"""How many elements there are of a kind."""

from __future__ import annotations

from typing import TYPE_CHECKING

import lenetc.tensors.tensor as t
from ir import ops
from ir.errors import DTypeError, LenetcError, ShapeError, UnsupportedError
from ir.node import Node
from ir.op import scalar
from ir.types import f32, f64, i64
from lenetc.evaluation.cell import Context
from lenetc.evaluation.ranges import require_range
from lenetc.evaluation.tracing import here
from lenetc.operations.elementwise.operands import cast, truth
from lenetc.operations.reductions.dims import Axes, axes_of, need_float, numpy_names
from lenetc.operations.reductions.extremes import amax, amin
from lenetc.tensors.arrays import index_of

if TYPE_CHECKING:
    from lenetc.tensors.convert import Number
    from lenetc.tensors.tensor import Tensor

__all__ = ["bincount", "count_nonzero", "histc"]


@numpy_names
def count_nonzero(input: Tensor, dim: Axes = None) -> Tensor:
    """How many elements over `dim` (all if None) are not 0, as i64."""
    t.require_tensors("count_nonzero", input)
    axes = axes_of(input, dim, "count_nonzero")
    return t.apply("", lambda a: ops.sum(cast(truth(a), i64), axes=axes), input)


def histc(input: Tensor, bins: int = 100, min: Number = 0, max: Number = 0) -> Tensor:
    """How many elements lie in each of `bins` parts of one size from `min` to `max`, as floats; where these are equal,
    from the smallest to the largest element. Other elements, and NaN, are not counted.

    Raises DTypeError for a dtype that is not float, LenetcError for no bins and for min > max.
    """
    need_float("histc", input)
    bins = index_of("histc: bins", bins)
    if bins <= 0:
        raise LenetcError(f"histc: bins must be positive, but it is {bins}").at(here())
    if min > max:
        raise LenetcError(f"histc: max must be larger than min, but they are {max} and {min}").at(here())
    found = min == max and bool(input.numel())
    ends = [amin(input), amax(input)] if found else []

    def build(a: Node, *extremes: Node) -> Node:
        low, high = (cast(end, f64) for end in extremes) if extremes else (scalar(v, f64) for v in (min, max))
        if min == max:
            same = ops.equal(low, high)
            low, high = ops.where(same, low - 1.0, low), ops.where(same, high + 1.0, high)
        x = cast(ops.reshape(a, shape=(a.ty.size,)), f64)
        inside = ops.logical_not(
            ops.logical_or(ops.is_nan(x), ops.logical_or(ops.less(x, low), ops.greater(x, high)))
        )
        x = ops.where(inside, x, low)
        place = ops.minimum(ops.floor((x - low) * bins / (high - low)), float(bins - 1))
        counts = ops.scatter_add(cast(inside, f64), cast(place, i64), axis=0, size=bins)
        return cast(counts, a.dtype)

    return t.apply("", build, input, *ends)


def bincount(input: Tensor, weights: Tensor | None = None, minlength: int = 0) -> Tensor:
    """How often each whole number is in a vector, as i64, or the sums of the `weights` that belong to it.

    The result has as many elements as the largest number asks for, `minlength` at least; under compile, where that is
    not known, `minlength` of them, and a larger number is a LabelError. Raises ShapeError for what is no vector,
    DTypeError for what holds no integers.
    """
    t.require_tensors("bincount", input, optional=(weights,))
    minlength = index_of("bincount: minlength", minlength)
    if input.ndim != 1 or (weights is not None and weights.shape != input.shape):
        raise ShapeError(
            f"bincount: only vectors are counted, with as many weights: {input.type_text()}"
            + (f", {weights.type_text()}" if weights is not None else "")
        ).at(here())
    if input.dtype.kind != "int":
        raise DTypeError(f"bincount: only integers are counted, not {input.type_text()}").at(here())
    if minlength < 0:
        raise LenetcError(f"bincount: minlength must not be negative, but it is {minlength}").at(here())
    size = minlength
    if Context.trace is None and input.numel():
        size = max(minlength, int(amax(input).item()) + 1, 1)
    elif Context.trace is not None and not size:
        raise UnsupportedError(
            "bincount: under compile the number of results has to be known; give minlength, which none may exceed"
        ).at(here())
    if input.numel():
        require_range("bincount", "number", input, size, None, f"size {size}")

    def build(a: Node, *given: Node) -> Node:
        ones = ops.broadcast_to(scalar(1, i64), shape=a.shape)
        added = given[0] if given else ones

        if given and added.dtype is not f32:
            added = cast(added, f64)
        return ops.scatter_add(added, cast(a, i64), axis=0, size=size)

    given = [] if weights is None else [weights.detach()]
    return t.apply("", build, input, *given)
