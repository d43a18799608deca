"""Activation functions made of exponentials and sigmoids."""

from __future__ import annotations

from ir import ops
from ir.errors import LenetcError, ShapeError
from ir.node import Node
from ir.op import scalar
from lenetc.evaluation.tracing import here
from lenetc.nn.functional.rectifiers import InPlace, changed_in_place, kept, need_float
from lenetc.operations import elementwise
from lenetc.operations.elementwise.operands import graded, in_f32
from lenetc.tensors.arrays import axis_of, need_number
from lenetc.tensors.tensor import Tensor, apply, require_tensors


def _below(x: Node) -> Node:
    """exp(x) - 1 for x up to 0, which keeps its digits near 0; the gradient is exp(x)."""
    t = ops.tanh(x * 0.5)
    return ops.with_gradient(2.0 * t / (1.0 - t), ops.exp(x))


def _exponential(x: Node, slope: float, height: float, rate: float) -> Node:
    """slope * x where x is positive, else height * (exp(rate * x) - 1)."""
    low = ops.logical_or(
        ops.less(x, 0.0), ops.equal(x, 0.0)
    )  # NaN, whose slope is that of positive numbers, is not
    # Where it is not taken, the exponential could overflow, and spoil the gradient.
    curve = _below(ops.where(low, x, scalar(0, x.dtype)) * rate) * height
    return ops.where(low, curve, x if slope == 1 else x * slope)


def elu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """input where it is positive, else alpha * (exp(input) - 1) (Clevert et al. 2015).

    Source: torch.nn.functional.elu.
    """
    need_float("elu", input)
    need_number("elu", "alpha", alpha)
    value = apply("EluBackward0", in_f32(lambda x: _exponential(x, 1.0, alpha, 1.0)), input)
    return kept("elu", input, value, inplace)


def celu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """input where it is positive, else alpha * (exp(input / alpha) - 1) (Barron 2017).

    Raises LenetcError for an alpha of 0. Source: torch.nn.functional.celu.
    """
    need_float("celu", input)
    need_number("celu", "alpha", alpha)
    if alpha == 0:
        raise LenetcError("ZeroDivisionError: alpha cannot be 0 for CELU").at(here())
    value = apply("CeluBackward0", in_f32(lambda x: _exponential(x, 1.0, alpha, 1 / alpha)), input)
    return kept("celu", input, value, inplace)


def selu(input: Tensor, inplace: bool = False) -> Tensor:
    """The elu that keeps mean and variance, of fixed factors (Klambauer et al. 2017).

    Source: torch.nn.functional.selu.
    """
    need_float("selu", input)
    alpha, scale = 1.6732632423543772848170429916717, 1.0507009873554804934193349852946
    value = apply("EluBackward0", in_f32(lambda x: _exponential(x, scale, alpha * scale, 1.0)), input)
    return kept("selu", input, value, inplace)


def silu(input: Tensor, inplace: bool = False) -> Tensor:
    """input * sigmoid(input), also called swish (torch.nn.functional.silu)."""
    need_float("silu", input)

    def build(x: Node) -> Node:
        gate = ops.sigmoid(x)
        slope = gate * ((1.0 - gate) * x + 1.0)
        return graded(x * gate, (x, slope))

    return kept("silu", input, apply("SiluBackward0", in_f32(build), input), inplace)


def mish(input: Tensor, inplace: bool = False) -> Tensor:
    """input * tanh(softplus(input)) (Misra 2019; torch.nn.functional.mish)."""
    need_float("mish", input)

    def build(x: Node) -> Node:
        # tanh(log(1 + e)) is n / (n + 2) with n = e (e + 2), which loses no digits.
        near = ops.minimum(x, 40.0)  # from where on that is 1
        e = ops.exp(near)
        n = e * (e + 2.0)
        slope = e * (e + 2.0 + near * (4.0 * (e + 1.0) / (n + 2.0))) / (n + 2.0)
        slope = slope + (x - x)  # infinity times 0
        return graded(x * (n / (n + 2.0)), (x, slope))

    value = apply("MishBackward0", in_f32(build), input)
    return kept("mish", input, value, inplace)


def glu(input: Tensor, dim: int = -1) -> Tensor:
    """The first half along `dim` times the sigmoid of the second (Dauphin et al. 2016).

    Raises ShapeError for a size that is odd. Source: torch.nn.functional.glu.
    """
    need_float("glu", input)
    if not input.ndim:
        raise ShapeError("glu does not support 0-dimensional tensors").at(here())
    axis = axis_of(dim, input.ndim, "glu")
    if input.shape[axis] % 2:
        raise ShapeError(
            f"Halving dimension must be even, but dimension {axis} is size {input.shape[axis]}"
        ).at(here())

    def build(x: Node) -> Node:
        half = x.shape[axis] // 2
        starts = tuple(half if i == axis else 0 for i in range(x.rank))
        middle = tuple(half if i == axis else size for i, size in enumerate(x.shape))
        first = ops.slice(x, starts=(0,) * x.rank, stops=middle, steps=(1,) * x.rank)
        second = ops.slice(x, starts=starts, stops=x.shape, steps=(1,) * x.rank)
        return first * ops.sigmoid(second)

    return apply("GluBackward0", in_f32(build), input)


def softsign(input: Tensor) -> Tensor:
    """input / (1 + |input|) (torch.nn.functional.softsign)."""
    require_tensors("softsign", input)
    return input / (elementwise.abs(input) + 1)


def tanhshrink(input: Tensor) -> Tensor:
    """input - tanh(input) (torch.nn.functional.tanhshrink)."""
    return input - elementwise.tanh(input)


elu_: InPlace = changed_in_place(elu)
celu_: InPlace = changed_in_place(celu)
selu_: InPlace = changed_in_place(selu)
