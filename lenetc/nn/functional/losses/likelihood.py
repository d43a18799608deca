"""Losses that are negative log-likelihoods of distributions, and their divergence."""

from __future__ import annotations

import math

from ir import ops
from ir.node import Node
from ir.op import scalar
from lenetc.evaluation.cell import Context
from lenetc.nn.functional.activation import warn
from lenetc.nn.functional.losses.reduction import check_reduction, chosen, total
from lenetc.operations import creation, elementwise, reductions
from lenetc.operations.autocast import autocasts
from lenetc.tensors.arrays import need_number
from lenetc.tensors.tensor import Tensor, apply, require_tensors


@autocasts
def poisson_nll_loss(
    input: Tensor,
    target: Tensor,
    log_input: bool = True,
    full: bool = False,
    size_average: bool | None = None,
    eps: float = 1e-8,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """exp(input) - target * input, or input - target * log(input + eps) if not log_input.

    full: with Stirling's approximation of log(target!) for targets above 1.
    Source: torch.nn.functional.poisson_nll_loss.
    """
    reduction = chosen(size_average, reduce, reduction)
    check_reduction(reduction)
    require_tensors("poisson_nll_loss", input, target)
    mean, log = (elementwise.exp(input), input) if log_input else (input, elementwise.log(input + eps))
    losses = mean - target * log
    if full:
        above = target > 1
        # Where it is left out, the logarithm could be infinite, and spoil the gradient.
        t = elementwise.where(above, target, creation.ones_like(target))
        stirling = t * elementwise.log(t) - t + 0.5 * elementwise.log(2 * math.pi * t)
        losses = losses + stirling * above.to(stirling.dtype)
    return total(losses, reduction)


def gaussian_nll_loss(
    input: Tensor,
    target: Tensor,
    var: Tensor | float,
    full: bool = False,
    eps: float = 1e-6,
    reduction: str = "mean",
) -> Tensor:
    """(log(var) + (input - target)^2 / var) / 2, with variances of at least `eps`, whose gradient is var's.

    var: of the input's shape, or without its last dimension, or with one of size 1. full: with log(2 pi) / 2. Raises
    ValueError for a negative variance; in a compiled function the loss is NaN. Source:
    torch.nn.functional.gaussian_nll_loss.
    """
    check_reduction(reduction)
    require_tensors("gaussian_nll_loss", input, target)
    if not isinstance(var, Tensor):
        need_number("gaussian_nll_loss", "var", var)
        if var < 0:
            raise ValueError("var has negative entry/entries")
        var = creation.full_like(input, float(var))
    elif Context.trace is None and bool(reductions.any(var.detach() < 0)):
        raise ValueError("var has negative entry/entries")
    if var.shape != input.shape:
        differing = [a != b for a, b in zip(input.shape, var.shape, strict=False)]
        if tuple(input.shape[:-1]) == tuple(var.shape):
            var = var.unsqueeze(-1)
        elif input.ndim != var.ndim or differing.count(True) != 1:
            raise ValueError("var is of incorrect size")

    def floored(v: Node) -> Node:
        low = ops.where(ops.less(v, 0.0), scalar(math.nan, v.dtype), ops.maximum(v, scalar(eps, v.dtype)))
        return ops.with_gradient(low, v)

    variance = apply("CloneBackward0", floored, var)
    losses = 0.5 * (elementwise.log(variance) + (input - target) ** 2 / variance)
    return total(losses + 0.5 * math.log(2 * math.pi) if full else losses, reduction)


@autocasts
def kl_div(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    log_target: bool = False,
) -> Tensor:
    """target * (log(target) - input), for an input of log-probabilities (Kullback and Leibler 1951).

    log_target: the target holds logarithms too. reduction: also "batchmean", the sum over the size of the first
    dimension. Source: torch.nn.functional.kl_div.
    """
    reduction = chosen(size_average, reduce, reduction)
    require_tensors("kl_div", input, target)
    if reduction == "mean" and size_average is None and reduce is None:
        warn(
            "reduction: 'mean' divides the total loss by both the batch size and the support size."
            "'batchmean' divides only by the batch size, and aligns with the KL div math definition."
            "'mean' will be changed to behave the same as 'batchmean' in the next major release."
        )
    if log_target:
        losses = elementwise.exp(target) * (target - input)
    else:
        losses = apply("XlogyBackward0", _times_log, target) - target * input
    if reduction != "batchmean":
        return total(losses, reduction)
    summed = reductions.sum(losses)
    return summed / input.shape[0] if input.ndim else summed


def _times_log(t: Node) -> Node:
    """t log(t), which is 0 at 0."""
    return ops.where(ops.equal(t, 0.0), scalar(0, t.dtype), t * ops.log(t))
