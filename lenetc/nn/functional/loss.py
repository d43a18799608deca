"""Losses between two tensors of one shape: regression, and binary cross-entropy."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ir import ops
from ir.errors import DTypeError, LenetcError, ShapeError
from ir.node import Node
from ir.ops.rules import broadcast_shapes
from lenetc.evaluation.tracing import here
from lenetc.nn.functional.activation import warn
from lenetc.operations import elementwise, reductions
from lenetc.operations.autocast import widened
from lenetc.tensors.arrays import need_number
from lenetc.tensors.convert import result_dtype
from lenetc.tensors.tensor import Tensor, apply, require_tensors
from passes.autodiff import means

REDUCTIONS = ("none", "mean", "sum")


def check_reduction(reduction: str) -> None:
    if reduction not in REDUCTIONS:
        raise ValueError(f"{reduction!r} is not a valid value for reduction; use 'none', 'mean' or 'sum'")


def reduced(losses: Node, reduction: str) -> Node:
    """The mean or the sum of all elements, or the elements."""
    if reduction == "none":
        return losses
    axes = tuple(range(losses.rank))
    return means.mean(losses, axes) if reduction == "mean" else ops.sum(losses, axes=axes)


def _pair(what: str, input: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Both with one shape and dtype; broadcasting is allowed, with PyTorch's warning."""
    require_tensors(what, input, target)
    input, target = widened(input), widened(target)
    if input.shape != target.shape:
        try:
            shape = broadcast_shapes(what, tuple(input.shape), tuple(target.shape))
        except ShapeError as error:
            raise error.at(here()) from None
        warn(
            f"Using a target size ({target.shape}) that is different to the input size ({input.shape}). "
            "This will likely lead to incorrect results due to broadcasting. "
            "Please ensure they have the same size."
        )
        input, target = (x if tuple(x.shape) == shape else x.expand(*shape) for x in (input, target))
    dtype = result_dtype(input, target)
    if not dtype.is_float:
        raise DTypeError(
            f"{what}: needs floating point tensors, but they are {input.type_text()} and {target.type_text()}"
        ).at(here())
    return input.to(dtype), target.to(dtype)


def _compared(
    name: str, what: str, input: Tensor, target: Tensor, reduction: str, each: Callable[[Node, Node], Node]
) -> Tensor:
    check_reduction(reduction)
    x, y = _pair(what, input, target)
    return apply(name, lambda a, b: reduced(each(a, b), reduction), x, y)


def mse_loss(input: Tensor, target: Tensor, *, reduction: str = "mean") -> Tensor:
    """(input - target)^2, its mean or its sum (torch.nn.functional.mse_loss)."""

    def each(x: Node, y: Node) -> Node:
        d = x - y
        return d * d

    return _compared("MseLossBackward0", "mse_loss", input, target, reduction, each)


def l1_loss(input: Tensor, target: Tensor, *, reduction: str = "mean") -> Tensor:
    """|input - target|, its mean or its sum (torch.nn.functional.l1_loss)."""
    check_reduction(reduction)
    x, y = _pair("l1_loss", input, target)
    distance = elementwise.abs(x - y)
    if reduction == "none":
        return distance
    return reductions.mean(distance) if reduction == "mean" else reductions.sum(distance)


def _parts(d: Node, limit: float) -> tuple[Node, Node, Node]:
    """d where |d| is up to `limit` and 0 beyond, where infinities would spoil the gradient of the square; |d|; and
    where it is beyond."""
    z = ops.abs(d)
    far = ops.greater(z, limit)
    return ops.where(far, ops.scalar(0, d.dtype), d), z, far


def huber_loss(input: Tensor, target: Tensor, *, reduction: str = "mean", delta: float = 1.0) -> Tensor:
    """Half the squared distance up to `delta`, linear beyond (Huber 1964; torch.nn.functional.huber_loss)."""
    need_number("huber_loss", "delta", delta)
    if delta <= 0:
        raise LenetcError(f"huber_loss does not support non-positive values for delta, but it is {delta}").at(
            here()
        )

    def each(x: Node, y: Node) -> Node:
        small, z, far = _parts(x - y, delta)
        return ops.where(far, (z - 0.5 * delta) * delta, small * small * 0.5)

    return _compared("HuberLossBackward0", "huber_loss", input, target, reduction, each)


def smooth_l1_loss(input: Tensor, target: Tensor, *, reduction: str = "mean", beta: float = 1.0) -> Tensor:
    """huber_loss with delta=beta, divided by beta; l1_loss for 0 (Girshick 2015).

    Source: torch.nn.functional.smooth_l1_loss.
    """
    need_number("smooth_l1_loss", "beta", beta)
    if beta < 0:
        raise LenetcError(f"smooth_l1_loss does not support negative values for beta, but it is {beta}").at(
            here()
        )
    if beta == 0:
        return l1_loss(input, target, reduction=reduction)

    def each(x: Node, y: Node) -> Node:
        small, z, far = _parts(x - y, beta)
        return ops.where(far, z - 0.5 * beta, small * small * (0.5 / beta))

    return _compared("SmoothL1LossBackward0", "smooth_l1_loss", input, target, reduction, each)


def _same_size(what: str, input: Tensor, target: Tensor, *factors: Tensor | None) -> None:
    require_tensors(what, input, target, optional=factors)
    if input.shape != target.shape:
        raise ShapeError(f"Target size ({target.shape}) must be the same as input size ({input.shape})").at(
            here()
        )


def binary_cross_entropy(
    input: Tensor, target: Tensor, weight: Tensor | None = None, *, reduction: str = "mean"
) -> Tensor:
    """-(target log(input) + (1 - target) log(1 - input)), for inputs in [0, 1].

    Logarithms are cut off at -100. weight: factors of the elements, broadcast.
    Source: torch.nn.functional.binary_cross_entropy.
    """
    check_reduction(reduction)
    _same_size("binary_cross_entropy", input, target, weight)

    def entropy(x: Node, y: Node, floor: float | None) -> Node:
        logs = (ops.log(x), ops.log(1.0 - x))
        if floor is not None:
            logs = tuple(ops.maximum(log, ops.scalar(floor, x.dtype)) for log in logs)  # type: ignore[assignment]
        return -(y * logs[0] + (1.0 - y) * logs[1])

    def build(x: Node, y: Node, *factors: Node) -> Node:
        # At 0 and 1, PyTorch's gradient is (x - y) / 1e-12, a number in f32.
        least = float(np.float32(1e-12))
        end = ops.less(x * (1.0 - x), least)
        fixed = ops.stop_gradient(x)
        at_end = entropy(fixed, y, -100.0) + (x - fixed) * ops.stop_gradient((x - y) / least)
        inside = entropy(ops.where(end, ops.scalar(0.5, x.dtype), x), y, None)
        losses = ops.where(end, at_end, inside)
        return reduced(losses * factors[0] if factors else losses, reduction)

    operands = (input, target) if weight is None else (input, target, weight)
    return apply("BinaryCrossEntropyBackward0", build, *operands, edges=(input, target))


def binary_cross_entropy_with_logits(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    *,
    reduction: str = "mean",
    pos_weight: Tensor | None = None,
) -> Tensor:
    """binary_cross_entropy(sigmoid(input), target), computed stably.

    weight: factors of the elements, pos_weight: factors of the positive part; both broadcast.
    Source: torch.nn.functional.binary_cross_entropy_with_logits.
    """
    check_reduction(reduction)
    _same_size("binary_cross_entropy_with_logits", input, target, weight, pos_weight)
    given = [x for x in (weight, pos_weight) if x is not None]

    def build(x: Node, y: Node, *extra: Node) -> Node:
        nodes = list(extra)
        factor = nodes.pop(0) if weight is not None else None
        positive, whole = y, None
        if nodes:
            positive = y * nodes[0]
            whole = positive - y + 1.0
        # Two formulas for one loss: this has its digits for y = 1, and the gradient of the other, which is
        # sigmoid(x) - y, has them for y = 0.
        ahead, behind = ops.softplus(-x), ops.softplus(x)
        if whole is not None:
            ahead, behind = ahead * whole, behind * whole
        losses = ops.with_gradient((1.0 - y) * x + ahead, behind - positive * x)
        return reduced(losses if factor is None else losses * factor, reduction)

    return apply("BinaryCrossEntropyWithLogitsBackward0", build, input, target, *given, edges=(input, target))
