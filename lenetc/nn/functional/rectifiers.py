"""Activation functions made of straight pieces."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from ir import ops
from ir.errors import DTypeError, LenetcError, ShapeError
from ir.node import Node
from ir.op import scalar
from ir.types import u8
from lenetc.evaluation.tracing import here
from lenetc.nn.functional.linear import same_dtype
from lenetc.operations import creation, elementwise
from lenetc.operations.autocast import autocasts
from lenetc.operations.elementwise.operands import graded, in_f32
from lenetc.tensors.arrays import need_number
from lenetc.tensors.convert import number_for
from lenetc.tensors.tensor import Tensor, apply, require_tensors


def need_float(what: str, x: Tensor) -> None:
    """Raise DTypeError for what is no floating point tensor."""
    require_tensors(what, x)
    if not x.dtype.is_float:
        raise DTypeError(
            f"{what} is not implemented for {x.type_text()}: it takes floating point tensors; use .float()"
        ).at(here())


def kept(what: str, input: Tensor, value: Tensor, inplace: bool) -> Tensor:
    """`value`, put into `input` if it is to be changed in place."""
    return input._change(f"{what}_", value) if inplace else value


InPlace: TypeAlias = Callable[..., Tensor]


def _zero(x: Node) -> Node:
    return scalar(0, x.dtype)


def relu(input: Tensor, inplace: bool = False) -> Tensor:
    """max(input, 0), with gradient 0 at 0 (torch.nn.functional.relu)."""
    require_tensors("relu", input)
    return kept("relu", input, elementwise.relu(input), inplace)


def hardtanh(input: Tensor, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> Tensor:
    """input limited to [min_val, max_val]; the gradient passes strictly inside (torch.nn.functional.hardtanh).

    Raises ValueError for min_val above max_val.
    """
    require_tensors("hardtanh", input)
    need_number("hardtanh", "min_val", min_val)
    need_number("hardtanh", "max_val", max_val)
    if min_val > max_val:
        raise ValueError("min_val cannot be greater than max_val")
    if input.dtype.kind == "bool":
        raise DTypeError(f"hardtanh: bool input is not supported: {input.type_text()}").at(here())
    if input.dtype is u8 and min_val < 0:
        raise LenetcError(f"hardtanh: unsigned integers have no limit {min_val}, which is negative").at(
            here()
        )

    low, high = (scalar(number_for(input.dtype, v), input.dtype) for v in (min_val, max_val))

    def build(x: Node) -> Node:
        limited = ops.minimum(ops.maximum(x, low), high)
        if not x.dtype.is_float:
            return limited
        inside = ops.logical_and(ops.greater(x, low), ops.less(x, high))
        return ops.with_gradient(limited, ops.where(inside, x, _zero(x)))

    return kept("hardtanh", input, apply("HardtanhBackward0", build, input), inplace)


def relu6(input: Tensor, inplace: bool = False) -> Tensor:
    """input limited to [0, 6] (torch.nn.functional.relu6)."""
    return hardtanh(input, 0.0, 6.0, inplace)


def leaky_relu(input: Tensor, negative_slope: float = 0.01, inplace: bool = False) -> Tensor:
    """input where it is positive, else input * negative_slope (torch.nn.functional.leaky_relu)."""
    need_float("leaky_relu", input)
    need_number("leaky_relu", "negative_slope", negative_slope)

    def build(x: Node) -> Node:
        return ops.where(ops.greater(x, 0.0), x, x * negative_slope)

    return kept("leaky_relu", input, apply("LeakyReluBackward0", in_f32(build), input), inplace)


@autocasts
def prelu(input: Tensor, weight: Tensor) -> Tensor:
    """input where it is positive, else input * weight: one factor, or one for each channel of input[N,C,...].

    Raises ShapeError for a number of factors that does not fit. Source: torch.nn.functional.prelu.
    """
    need_float("prelu", input)
    same_dtype("prelu", input, weight)
    if weight.ndim > 1:
        raise ShapeError(
            f"prelu: expected `weight` to be a scalar or 1D tensor, but it is {weight.type_text()}"
        ).at(here())
    if weight.numel() != 1:
        channels = input.shape[1] if input.ndim > 1 else 1
        if not input.ndim or channels != weight.numel():
            raise ShapeError(
                f"prelu: mismatch of parameter numbers and input channel size: {weight.numel()} parameters "
                f"for the input {input.type_text()}"
            ).at(here())

    def build(x: Node, w: Node) -> Node:
        shape = tuple(w.ty.size if i == 1 else 1 for i in range(x.rank)) if x.rank > 1 else (1,) * x.rank
        positive = ops.greater(x, 0.0)
        # Where it is not taken, an infinite product would spoil the gradient.
        low = ops.where(positive, _zero(x), x)
        return ops.where(positive, x, low * ops.reshape(w, shape=shape))

    return apply("PreluKernelBackward0", in_f32(build), input, weight)


def rrelu(
    input: Tensor,
    lower: float = 1.0 / 8,
    upper: float = 1.0 / 3,
    training: bool = False,
    inplace: bool = False,
) -> Tensor:
    """leaky_relu with slopes drawn from [lower, upper) in training, and of their mean else (Xu et al. 2015).

    Source: torch.nn.functional.rrelu.
    """
    need_float("rrelu", input)
    for name, value in (("lower", lower), ("upper", upper)):
        need_number("rrelu", name, value)
    if lower > upper:
        raise LenetcError(f"rrelu: the lower bound {lower} must not be above the upper bound {upper}").at(
            here()
        )
    if not training:
        return leaky_relu(input, (lower + upper) / 2, inplace)
    slopes = creation.rand(tuple(input.shape), dtype=input.dtype) * (upper - lower) + lower

    def build(x: Node, slope: Node) -> Node:
        return ops.where(ops.greater(x, 0.0), x, x * slope)

    drawn = apply("RreluWithNoiseBackward0", build, input, slopes, edges=(input,))
    return kept("rrelu", input, drawn, inplace)


def threshold(input: Tensor, threshold: float, value: float, inplace: bool = False) -> Tensor:
    """input where it is above `threshold`, else `value` (torch.nn.functional.threshold)."""
    require_tensors("threshold", input)
    need_number("threshold", "threshold", threshold)
    need_number("threshold", "value", value)

    limit, other = (scalar(number_for(input.dtype, v), input.dtype) for v in (threshold, value))

    def build(x: Node) -> Node:
        return ops.where(ops.logical_or(ops.less(x, limit), ops.equal(x, limit)), other, x)

    found = apply("ThresholdBackward0", build, input)
    return kept("threshold", input, found, inplace)


def hardsigmoid(input: Tensor, inplace: bool = False) -> Tensor:
    """input / 6 + 1/2 limited to [0, 1]; the gradient passes strictly inside (torch.nn.functional.hardsigmoid)."""
    need_float("hardsigmoid", input)

    def build(x: Node) -> Node:
        limited = ops.minimum(ops.maximum(x + 3.0, _zero(x)), scalar(6, x.dtype)) / 6.0
        inside = ops.logical_and(ops.greater(x, -3.0), ops.less(x, 3.0))
        return ops.with_gradient(limited, ops.where(inside, x / 6.0, _zero(x)))

    return kept("hardsigmoid", input, apply("HardsigmoidBackward0", in_f32(build), input), inplace)


def hardswish(input: Tensor, inplace: bool = False) -> Tensor:
    """input * hardsigmoid(input) (Howard et al. 2019; torch.nn.functional.hardswish)."""
    need_float("hardswish", input)

    def build(x: Node) -> Node:
        value = x * ops.minimum(ops.maximum(x + 3.0, _zero(x)), scalar(6, x.dtype)) / 6.0
        slope = ops.where(ops.less(x, 3.0), x / 3.0 + 0.5, scalar(1, x.dtype))
        low = ops.logical_or(ops.less(x, -3.0), ops.equal(x, -3.0))
        return graded(value, (x, ops.where(low, _zero(x), slope)))

    return kept("hardswish", input, apply("HardswishBackward0", in_f32(build), input), inplace)


def hardshrink(input: Tensor, lambd: float = 0.5) -> Tensor:
    """0 within [-lambd, lambd], else the input (torch.nn.functional.hardshrink)."""
    need_float("hardshrink", input)
    need_number("hardshrink", "lambd", lambd)

    def build(x: Node) -> Node:
        outside = ops.logical_or(ops.greater(x, lambd), ops.less(x, -lambd))
        return ops.where(ops.logical_or(outside, ops.is_nan(x)), x, _zero(x))

    return apply("HardshrinkBackward0", build, input)


def softshrink(input: Tensor, lambd: float = 0.5) -> Tensor:
    """The input nearer to 0 by lambd, and 0 within [-lambd, lambd] (torch.nn.functional.softshrink).

    Raises LenetcError for a lambd that is negative.
    """
    need_float("softshrink", input)
    need_number("softshrink", "lambd", lambd)
    if lambd < 0:
        raise LenetcError(f"lambda must be greater or equal to 0, but found to be {lambd}").at(here())

    def build(x: Node) -> Node:
        inside = ops.where(ops.is_nan(x), x, ops.stop_gradient(x * 0.0))  # of the sign of x
        low = ops.where(ops.less(x, -lambd), x + lambd, inside)
        return ops.where(ops.greater(x, lambd), x - lambd, low)

    return apply("SoftshrinkBackward0", in_f32(build), input)


def changed_in_place(function: Callable[..., Tensor]) -> InPlace:
    """`function`, in place."""

    def change(input: Tensor, *args: object, **kwargs: object) -> Tensor:
        return function(input, *args, **kwargs, inplace=True)

    change.__name__ = f"{function.__name__}_"
    change.__doc__ = f"{function.__name__}, in place (torch.nn.functional.{function.__name__}_)."
    return change


relu_, hardtanh_, leaky_relu_ = (
    changed_in_place(relu),
    changed_in_place(hardtanh),
    changed_in_place(leaky_relu),
)
rrelu_, threshold_ = changed_in_place(rrelu), changed_in_place(threshold)
