"""Normalization: over the batch, over features, to unit length."""

from __future__ import annotations

from collections.abc import Sequence

from ir import ops
from ir.dims import product
from ir.errors import DTypeError, LenetcError, ShapeError
from ir.node import Node
from lenetc.evaluation.tracing import here
from lenetc.nn.functional.linear import same_dtype
from lenetc.operations import elementwise, reductions
from lenetc.operations.autocast import widened
from lenetc.tensors.arrays import need_number
from lenetc.tensors.grad_fn import no_grad
from lenetc.tensors.tensor import Tensor, apply, require_tensors
from passes.autodiff import means
from passes.autodiff.standardize import axes_of, per_channel, standardized


def _standardized(x: Node, axes: tuple[int, ...], eps: float) -> tuple[Node, Node]:
    """x without its mean over `axes`, and the reciprocal of its deviation, kept dims of size 1; of halves in f32."""
    n, x = means.count(x, axes), means.widened(x)
    centred = x - ops.sum(x, axes=axes, keepdims=True) / n
    variance = ops.sum(centred * centred, axes=axes, keepdims=True) / n
    return centred, 1.0 / ops.sqrt(variance + eps)


def batch_norm(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float | Tensor = 0.1,
    eps: float = 1e-05,
) -> Tensor:
    """input[N,C,...] standardized by channel, times weight[C], plus bias[C] (Ioffe and Szegedy 2015).

    training: use the mean and variance of the batch, and move the running ones, if given, towards them by
    `momentum`, the variance divided by n - 1; otherwise use the running ones. Raises ShapeError where sizes
    differ, and for a single value per channel in training. Source: torch.nn.functional.batch_norm.
    """
    require_tensors("batch_norm", input, optional=[running_mean, running_var, weight, bias])
    if not isinstance(momentum, Tensor):
        need_number("batch_norm", "momentum", momentum)
    input = widened(input)
    if input.ndim < 2:
        raise ShapeError(f"batch_norm: the input must be [N,C,...], but it is {input.type_text()}").at(here())
    channels = input.shape[1]
    named = {"running_mean": running_mean, "running_var": running_var, "weight": weight, "bias": bias}
    for name, given in named.items():
        if given is not None and tuple(given.shape) != (channels,):
            raise ShapeError(
                f"batch_norm: {name} should contain {channels} elements for the input {input.type_text()}, "
                f"but it is {given.type_text()}"
            ).at(here())
    same_dtype("batch_norm", input, weight, bias, running_mean, running_var)
    axes = tuple(i for i in range(input.ndim) if i != 1)
    affine = [x for x in (weight, bias) if x is not None]
    if training:
        if product(tuple(input.shape[i] for i in axes)) == 1:
            raise ValueError(
                f"Expected more than 1 value per channel when training, got input size {input.shape}"
            )
        statistics: list[Tensor] = []
        if running_mean is not None and running_var is not None:
            _move(input, running_mean, running_var, momentum)
    elif running_mean is None or running_var is None:
        raise LenetcError("batch_norm: running_mean and running_var must be given when not training").at(
            here()
        )
    else:
        statistics = [running_mean, running_var]

    def build(x: Node, *nodes: Node) -> Node:
        rest = list(nodes)
        factor = rest.pop(0) if weight is not None else None
        offset = per_channel(rest.pop(0), x.rank) if bias is not None else None
        if rest:
            mean, variance = (per_channel(node, x.rank) for node in rest)
            # One factor for each channel, so that elements are multiplied once only.
            scale = 1.0 / ops.sqrt(variance + eps)
            y = (x - mean) * (scale if factor is None else scale * per_channel(factor, x.rank))
        else:
            ones = ops.broadcast_to(ops.scalar(1, x.dtype), shape=x.shape[1:2])
            y = ops.standardize(x, ones if factor is None else factor, eps=eps)
        return y if offset is None else y + offset

    return apply("NativeBatchNormBackward0", build, input, *affine, *statistics, edges=(input, weight, bias))


def _move(x: Tensor, running_mean: Tensor, running_var: Tensor, momentum: float | Tensor) -> None:
    """Move the running statistics towards those of the batch."""

    def mean(a: Node) -> Node:
        return ops.reshape(standardized(a, 0.0).mean, shape=(a.shape[1],))

    def variance(a: Node) -> Node:
        squares = ops.reshape(standardized(a, 0.0).squares, shape=(a.shape[1],))
        return squares / (means.count(a, axes_of(a)) - 1.0)

    with no_grad():
        for running, statistic in ((running_mean, mean), (running_var, variance)):
            running.copy_(running * (1 - momentum) + apply("", statistic, x) * momentum)


def layer_norm(
    input: Tensor,
    normalized_shape: Sequence[int],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-05,
) -> Tensor:
    """input[*,normalized_shape] standardized over its last dimensions, times weight, plus bias.

    Ba et al. 2016. Raises ShapeError where the last dimensions differ.
    Source: torch.nn.functional.layer_norm.
    """
    require_tensors("layer_norm", input, optional=[weight, bias])
    input = widened(input)
    if not isinstance(normalized_shape, (tuple, list)):
        raise DTypeError(f"layer_norm: normalized_shape is a sequence of sizes, not {normalized_shape!r}").at(
            here()
        )
    shape = tuple(normalized_shape)
    if not shape or tuple(input.shape[-len(shape) :]) != shape:
        raise ShapeError(
            f"layer_norm: given normalized_shape={list(shape)}, expected input with shape "
            f"[*, {', '.join(map(str, shape))}], but it is {input.type_text()}"
        ).at(here())
    for name, given in (("weight", weight), ("bias", bias)):
        if given is not None and tuple(given.shape) != shape:
            raise ShapeError(
                f"layer_norm: {name} must have shape {list(shape)}, but it is {given.type_text()}"
            ).at(here())
    same_dtype("layer_norm", input, weight, bias)
    axes = tuple(range(input.ndim - len(shape), input.ndim))

    def build(x: Node, *nodes: Node) -> Node:
        rest = list(nodes)
        centred, scale = _standardized(x, axes, eps)
        y = centred * scale
        y = y * means.widened(rest.pop(0)) if weight is not None else y
        return means.narrowed(y + means.widened(rest[0]) if rest else y, x.dtype)

    operands = [x for x in (weight, bias) if x is not None]
    return apply("NativeLayerNormBackward0", build, input, *operands, edges=(input, weight, bias))


def normalize(input: Tensor, p: float = 2.0, dim: int = 1, eps: float = 1e-12) -> Tensor:
    """input over its p-norm along `dim`, at least over `eps` (torch.nn.functional.normalize)."""
    length = elementwise.clamp(reductions.norm(input, p, dim, keepdim=True), min=eps)
    return input / length.expand_as(input)
