"""Activation functions and softmax."""

from __future__ import annotations

import math
import warnings

from ir import ops
from ir.errors import LenetcError
from ir.node import Node
from ir.types import DType
from lenetc.evaluation.tracing import here, user_frame
from lenetc.operations import creation, elementwise, shaping, softmaxes
from lenetc.operations.autocast import autocasts
from lenetc.operations.elementwise.operands import graded, in_f32
from lenetc.tensors.arrays import axis_of
from lenetc.tensors.tensor import Tensor, apply, require_tensors

tanh = elementwise.tanh
sigmoid = elementwise.sigmoid


def gelu(input: Tensor, approximate: str = "none") -> Tensor:
    """input * Phi(input), exact or by tanh (Hendrycks and Gimpel 2016; torch.nn.functional.gelu)."""

    def exact(x: Node) -> Node:
        # x Phi(x) and Phi(x) + x phi(x) over u = x / sqrt(2), so that x has no other reader: what makes x can make u,
        # and what reads the result, or the gradient, can multiply it by the number.
        u = x * math.sqrt(0.5)
        doubled = ops.erf(u) + 1.0
        slope = (u * ops.exp(-(u * u)) * (2 / math.sqrt(math.pi)) + doubled) * 0.5
        return graded(u * doubled * math.sqrt(0.5), (x, slope))

    def by_tanh(x: Node) -> Node:
        # (1 + tanh(u)) / 2 is sigmoid(2 u), which keeps its digits where tanh is near to -1.
        linear = 2 * math.sqrt(2 / math.pi)
        cubic = 0.044715 * linear
        square = ops.minimum(
            x * x, 2500.0
        )  # from where on the gate is 0 or 1, and infinite slopes would give NaN
        u = (square * cubic + linear) * x
        gate = ops.sigmoid(u)
        # 1 - gate would lose its digits where the gate is near to 1.
        slope = gate * (ops.sigmoid(-u) * ((square * (3 * cubic) + linear) * x) + 1.0)
        return graded(x * gate, (x, slope))

    forms = {"none": exact, "tanh": by_tanh}
    if approximate not in tuple(forms):
        raise LenetcError(f"gelu: approximate must be 'none' or 'tanh', not {approximate!r}").at(here())
    return apply("GeluBackward0", in_f32(forms[approximate]), input)


def softmax(
    input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: DType | None = None
) -> Tensor:
    """exp(input) over its sum along `dim` (torch.nn.functional.softmax)."""
    return softmaxes.softmax(input, _along("softmax", input, dim), dtype)


def log_softmax(
    input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: DType | None = None
) -> Tensor:
    """log(softmax(input)) along `dim`, computed stably (torch.nn.functional.log_softmax)."""
    return softmaxes.log_softmax(input, _along("log_softmax", input, dim), dtype)


def softmin(
    input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: DType | None = None
) -> Tensor:
    """softmax of -input along `dim` (torch.nn.functional.softmin)."""
    return softmaxes.softmax(-input, _along("softmin", input, dim), dtype)


def gumbel_softmax(
    logits: Tensor, tau: float = 1, hard: bool = False, eps: float = 1e-10, dim: int = -1
) -> Tensor:
    """A sample of softmax(logits) along `dim` that gradients pass, of temperature `tau` (Jang et al. 2016).

    hard: one-hot, with the gradient of the sample that is not. Source: torch.nn.functional.gumbel_softmax.
    """
    if eps != 1e-10:
        warn("`eps` parameter is deprecated and has no effect.")
    require_tensors("gumbel_softmax", logits)
    # The uniform numbers are multiples of 2^-24: 0 stands for what lies below.
    draws = elementwise.clamp(creation.rand(tuple(logits.shape), dtype=logits.dtype), min=2.0**-25)
    noise = -elementwise.log(-elementwise.log(draws))
    soft = softmax((logits + noise) / tau, dim)
    if not hard:
        return soft
    axis = axis_of(dim, logits.ndim, "gumbel_softmax")

    def largest(x: Node) -> Node:
        place = ops.argmax(x, axis=axis)
        return ops.cast(shaping.one_hot_mask(place, x.shape[axis], axis), dtype=x.dtype)

    return apply("", largest, soft.detach()) - soft.detach() + soft


def _along(what: str, x: Tensor, dim: int | None) -> int:
    """`dim`, or the dimension that PyTorch chooses, with its warning."""
    require_tensors(what, x)
    if dim is not None:
        return dim
    warn(
        f"Implicit dimension choice for {what} has been deprecated. "
        "Change the call to include dim=X as an argument."
    )
    return 0 if x.ndim in (0, 1, 3) else 1


def warn(message: str) -> None:
    """A UserWarning at the user's line."""
    frame = user_frame()
    if frame is None:
        warnings.warn(message, stacklevel=2)
    else:
        warnings.warn_explicit(message, UserWarning, frame.f_code.co_filename, frame.f_lineno)


@autocasts
def softplus(input: Tensor, beta: float = 1.0, threshold: float = 20.0) -> Tensor:
    """log(1 + exp(beta * input)) / beta, and the input where beta * input is above `threshold`.

    Source: torch.nn.functional.softplus.
    """

    def build(x: Node) -> Node:
        scaled = x if beta == 1 else x * beta
        y = ops.softplus(scaled)
        return ops.where(ops.greater(scaled, threshold), x, y if beta == 1 else y / beta)

    return apply("SoftplusBackward0", in_f32(build), input)


def logsigmoid(input: Tensor) -> Tensor:
    """log(sigmoid(input)), computed stably (torch.nn.functional.logsigmoid)."""
    return apply("LogSigmoidBackward0", in_f32(lambda x: -ops.softplus(-x)), input)
