"""Activation functions and softmax."""

from __future__ import annotations

import math
import warnings

from ir import ops
from ir.node import Node
from ir.op import Op
from ir.types import DType
from lenetc.evaluation.tracing import user_frame
from lenetc.operations import elementwise, in_place
from lenetc.operations.autocast import widened
from lenetc.tensors.arrays import axis_of
from lenetc.tensors.tensor import Tensor, apply, require_tensors

tanh = elementwise.tanh
sigmoid = elementwise.sigmoid


def relu(input: Tensor, inplace: bool = False) -> Tensor:
    """max(input, 0), with gradient 0 at 0 (torch.nn.functional.relu)."""
    return in_place.relu_(input) if inplace else elementwise.relu(input)


def gelu(input: Tensor, approximate: str = "none") -> Tensor:
    """input * Phi(input), exact or by tanh (Hendrycks and Gimpel 2016; torch.nn.functional.gelu)."""

    def exact(x: Node) -> Node:
        return x * 0.5 * (ops.erf(x * math.sqrt(0.5)) + 1.0)

    def by_tanh(x: Node) -> Node:
        # (1 + tanh(u)) / 2 is sigmoid(2 u), which keeps its digits where tanh is near to -1.
        return x * ops.sigmoid((x + x * x * x * 0.044715) * (2 * math.sqrt(2 / math.pi)))

    forms = {"none": exact, "tanh": by_tanh}
    if approximate not in tuple(forms):
        raise ValueError(f"gelu: approximate must be 'none' or 'tanh', not {approximate!r}")
    return apply("GeluBackward0", forms[approximate], input)


def softmax(input: Tensor, dim: int | None = None, *, dtype: DType | None = None) -> Tensor:
    """exp(input) over its sum along `dim` (torch.nn.functional.softmax)."""
    axis, x = _along("softmax", input, dim, dtype)
    return apply("SoftmaxBackward0", lambda a: _over(ops.softmax, a, axis), x)


def log_softmax(input: Tensor, dim: int | None = None, *, dtype: DType | None = None) -> Tensor:
    """log(softmax(input)) along `dim`, computed stably (torch.nn.functional.log_softmax)."""
    axis, x = _along("log_softmax", input, dim, dtype)
    return apply("LogSoftmaxBackward0", lambda a: _over(ops.log_softmax, a, axis), x)


def _over(op: Op, x: Node, axis: int) -> Node:
    return op(x, axis=axis) if x.rank else ops.reshape(op(ops.reshape(x, shape=(1,)), axis=0), shape=())


def _along(what: str, x: Tensor, dim: int | None, dtype: DType | None) -> tuple[int, Tensor]:
    require_tensors(what, x)
    x = widened(x)
    if dim is None:
        warn(
            f"Implicit dimension choice for {what} has been deprecated. "
            "Change the call to include dim=X as an argument."
        )
        dim = 0 if x.ndim in (0, 1, 3) else 1
    return axis_of(dim, x.ndim, what), x if dtype is None else x.to(dtype)


def warn(message: str) -> None:
    """A UserWarning at the user's line."""
    frame = user_frame()
    if frame is None:
        warnings.warn(message, stacklevel=2)
    else:
        warnings.warn_explicit(message, UserWarning, frame.f_code.co_filename, frame.f_lineno)


def softplus(input: Tensor, beta: float = 1.0, threshold: float = 20.0) -> Tensor:
    """log(1 + exp(beta * input)) / beta, and the input where beta * input is above `threshold`.

    Source: torch.nn.functional.softplus.
    """

    def build(x: Node) -> Node:
        scaled = x if beta == 1 else x * beta
        y = ops.softplus(scaled)
        return ops.where(ops.greater(scaled, threshold), x, y if beta == 1 else y / beta)

    return apply("SoftplusBackward0", build, input)


def logsigmoid(input: Tensor) -> Tensor:
    """log(sigmoid(input)), computed stably (torch.nn.functional.logsigmoid)."""
    return apply("LogSigmoidBackward0", lambda x: -ops.softplus(-x), input)
