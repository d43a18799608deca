"""Normalization: over the batch, over features, to unit length."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import numpy as np

from ir import ops
from ir.dims import product
from ir.errors import DTypeError, LenetcError, ShapeError
from ir.node import Node
from ir.op import scalar
from ir.types import bf16, f16, f32, f64
from lenetc.evaluation.tracing import here
from lenetc.nn.functional.linear import same_dtype
from lenetc.operations import elementwise, reductions
from lenetc.operations.autocast import autocasts
from lenetc.tensors.arrays import index_of, need_number
from lenetc.tensors.grad_fn import no_grad
from lenetc.tensors.tensor import Tensor, apply, require_tensors
from passes.autodiff import means
from passes.autodiff.standardize import axes_of, per_channel, standardized


def _standardized(x: Node, axes: tuple[int, ...], eps: float) -> Node:
    """x without its mean over `axes`, over its deviation; of halves in f32."""
    return ops.standardize_along(means.widened(x), axes=axes, eps=eps)


def _same_or_wide(what: str, input: Tensor, *others: Tensor | None) -> bool:
    """Whether the input is half precision and its operands are f32, as within `autocast`. Raises DTypeError where they
    differ otherwise."""
    require_tensors(what, input, optional=others)
    given = [other for other in others if other is not None]
    if given and input.dtype in (f16, bf16) and all(other.dtype is f32 for other in given):
        return True
    same_dtype(what, input, *given)
    return False


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
    if input.ndim == 1 and not input.numel():  # which PyTorch lets through
        return elementwise.clone(input)
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
    if _same_or_wide("batch_norm", input, weight, bias, running_mean, running_var):
        found = batch_norm(input.to(f32), running_mean, running_var, weight, bias, training, momentum, eps)
        return found.to(input.dtype)
    need_number("batch_norm", "eps", eps)
    if eps < 0 or (training and eps == 0):
        wanted = "positive during training" if training else "non-negative"
        raise ValueError(f"batch_norm eps must be {wanted}, but got {eps}")
    axes = tuple(i for i in range(input.ndim) if i != 1)
    affine = [x for x in (weight, bias) if x is not None]
    if training:
        count = product(tuple(input.shape[i] for i in axes))
        if count == 1:
            raise ValueError(
                f"Expected more than 1 value per channel when training, got input size {input.shape}"
            )
        statistics: list[Tensor] = []
        if running_mean is not None and running_var is not None and count != 0:
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


def moments(x: Tensor, correction: int) -> tuple[Tensor, Tensor]:
    """Mean and variance of each channel of x[N,C,...], the sum of squares divided by n - correction: [C] each, f32 of
    halves. Without gradients."""

    def mean(a: Node) -> Node:
        return ops.reshape(standardized(a, 0.0).mean, shape=(a.shape[1],))

    def variance(a: Node) -> Node:
        squares = ops.reshape(standardized(a, 0.0).squares, shape=(a.shape[1],))
        return squares / (means.count(a, axes_of(a)) - float(correction))

    with no_grad():
        return apply("", mean, x), apply("", variance, x)


def _move(x: Tensor, running_mean: Tensor, running_var: Tensor, momentum: float | Tensor) -> None:
    """Move the running statistics towards those of the batch."""
    with no_grad():
        for running, now in zip((running_mean, running_var), moments(x, 1), strict=True):
            running.copy_(running * (1 - momentum) + now * momentum)


def instance_norm(
    input: Tensor,
    running_mean: Tensor | None = None,
    running_var: Tensor | None = None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-05,
) -> Tensor:
    """input[N,C,...] standardized by image and channel, times weight[C], plus bias[C] (Ulyanov et al. 2016).

    use_input_stats: use the mean and variance of each image, and move the running ones, if given, towards their mean
    over the images; otherwise use the running ones. Raises ValueError for a single value per channel of an image.
    Source: torch.nn.functional.instance_norm.
    """
    require_tensors("instance_norm", input, optional=[running_mean, running_var, weight, bias])
    if not use_input_stats:
        if running_mean is None or running_var is None:
            raise LenetcError(
                "Expected running_mean and running_var to be defined when use_input_stats is false"
            ).at(here())
        return batch_norm(input, running_mean, running_var, weight, bias, False, momentum, eps)
    if input.ndim < 2:
        raise ShapeError(f"instance_norm: the input must be [N,C,...], but it is {input.type_text()}").at(
            here()
        )
    if product(tuple(input.shape[2:])) == 1:
        raise ValueError(f"Expected more than 1 spatial element when training, got input size {input.shape}")
    _check_channels("instance_norm", input, weight, bias, running_mean, running_var)
    axes = tuple(range(2, input.ndim))
    if running_mean is not None and running_var is not None:
        with no_grad():
            for running, statistic in ((running_mean, _mean_of), (running_var, _variance_of)):
                moved = apply("", lambda a, f=statistic: f(a, axes), input)
                running.copy_(running * (1 - momentum) + moved * momentum)

    def build(x: Node, *nodes: Node) -> Node:
        return _affine(_standardized(x, axes, eps), x, weight, nodes)

    operands = [x for x in (weight, bias) if x is not None]
    return apply("NativeBatchNormBackward0", build, input, *operands, edges=(input, weight, bias))


def _mean_of(x: Node, axes: tuple[int, ...]) -> Node:
    """The mean of each channel over its images, [C]."""
    return means.mean(x, (0, *axes))


def _variance_of(x: Node, axes: tuple[int, ...]) -> Node:
    """The variance of each image's channels, divided by one less than their number, its mean over images, [C]."""
    n = means.count(x, axes)
    centred = means.widened(x) - ops.sum(means.widened(x), axes=axes, keepdims=True) / n
    return means.mean(ops.sum(centred * centred, axes=axes) / (n - 1.0), (0,))


def _check_channels(what: str, input: Tensor, *given: Tensor | None) -> None:
    """Raise ShapeError or DTypeError unless each tensor holds one value for each channel of input[N,C,...]."""
    _same_or_wide(what, input, *given)
    for tensor in given:
        if tensor is not None and tuple(tensor.shape) != (input.shape[1],):
            raise ShapeError(
                f"{what}: expected a vector of size equal to the number of channels in the input "
                f"{input.type_text()}, but got {tensor.type_text()}"
            ).at(here())


def _affine(y: Node, x: Node, weight: Tensor | None, given: Sequence[Node]) -> Node:
    """y[N,C,...] times and plus what is `given` for each channel, in the dtype of x. weight: whether it is among it."""
    rest = [per_channel(means.widened(node), y.rank) for node in given]
    y = y * rest.pop(0) if weight is not None else y
    return means.narrowed(y + rest[0] if rest else y, x.dtype)


@autocasts
def group_norm(
    input: Tensor,
    num_groups: int,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-05,
) -> Tensor:
    """input[N,C,...] standardized by image and group of channels, times weight[C], plus bias[C] (Wu and He 2018).

    Raises ShapeError for channels that do not divide into the groups. Source: torch.nn.functional.group_norm.
    """
    require_tensors("group_norm", input, optional=[weight, bias])
    groups = index_of("group_norm: num_groups", num_groups)
    if input.ndim < 2:
        raise ShapeError(f"Expected at least 2 dimensions for input tensor but received {input.ndim}").at(
            here()
        )
    channels = input.shape[1]
    if groups < 1 or channels % groups:
        raise ShapeError(
            "Expected number of channels in input to be divisible by num_groups, but got input "
            f"{input.type_text()} and num_groups={groups}"
        ).at(here())
    if product((input.shape[0], channels // groups, *input.shape[2:])) == 1:
        raise ValueError(
            f"Expected more than 1 value per channel when training, got input size {input.shape}"
        )
    _check_channels("group_norm", input, weight, bias)

    def build(x: Node, *nodes: Node) -> Node:
        grouped = ops.reshape(x, shape=(x.shape[0], groups, product((channels // groups, *x.shape[2:]))))
        return _affine(ops.reshape(_standardized(grouped, (2,), eps), shape=x.shape), x, weight, nodes)

    operands = [x for x in (weight, bias) if x is not None]
    return apply("NativeGroupNormBackward0", build, input, *operands, edges=(input, weight, bias))


def _last_dimensions(
    what: str, input: Tensor, normalized_shape: Sequence[int], *given: Tensor | None
) -> tuple[int, ...]:
    """normalized_shape as a tuple. Raises ShapeError unless input ends in it and weights, where given, have it."""
    require_tensors(what, input, optional=given)
    if not isinstance(normalized_shape, (tuple, list)):
        raise DTypeError(f"{what}: normalized_shape is a sequence of sizes, not {normalized_shape!r}").at(
            here()
        )
    shape = tuple(normalized_shape)
    if not shape or tuple(input.shape[-len(shape) :]) != shape:
        raise ShapeError(
            f"{what}: given normalized_shape={list(shape)}, expected input with shape "
            f"[*, {', '.join(map(str, shape))}], but it is {input.type_text()}"
        ).at(here())
    for name, tensor in zip(("weight", "bias"), given, strict=False):
        if tensor is not None and tuple(tensor.shape) != shape:
            raise ShapeError(
                f"{what}: {name} must have shape {list(shape)}, but it is {tensor.type_text()}"
            ).at(here())
    return shape


@autocasts
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
    shape = _last_dimensions("layer_norm", input, normalized_shape, weight, bias)
    _same_or_wide("layer_norm", input, weight, bias)
    axes = tuple(range(input.ndim - len(shape), input.ndim))

    def build(x: Node, *nodes: Node) -> Node:
        rest = list(nodes)
        y = _standardized(x, axes, eps)
        y = y * means.widened(rest.pop(0)) if weight is not None else y
        return means.narrowed(y + means.widened(rest[0]) if rest else y, x.dtype)

    operands = [x for x in (weight, bias) if x is not None]
    return apply("NativeLayerNormBackward0", build, input, *operands, edges=(input, weight, bias))


@autocasts
def rms_norm(
    input: Tensor, normalized_shape: Sequence[int], weight: Tensor | None = None, eps: float | None = None
) -> Tensor:
    """input[*,normalized_shape] over the root of its mean square over these dimensions, times weight.

    eps: what is added to the mean square, the epsilon of f32, or f64, if None (Zhang and Sennrich 2019). Raises
    ShapeError
    where the last dimensions differ. Source: torch.nn.functional.rms_norm.
    """
    shape = _last_dimensions("rms_norm", input, normalized_shape, weight)
    _same_or_wide("rms_norm", input, weight)
    axes = tuple(range(input.ndim - len(shape), input.ndim))
    exact = np.float64 if input.dtype is f64 else np.float32
    added = float(np.finfo(exact).eps) if eps is None else eps

    def build(x: Node, *weights: Node) -> Node:
        wide = means.widened(x)
        y = wide / ops.sqrt(ops.sum(wide * wide, axes=axes, keepdims=True) / means.count(x, axes) + added)
        return means.narrowed(y * means.widened(weights[0]) if weights else y, x.dtype)

    operands = [] if weight is None else [weight]
    return apply("FusedRmsNormBackward0", build, input, *operands)


def local_response_norm(
    input: Tensor, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0
) -> Tensor:
    """input[N,C,*] over (k + alpha * m)^beta, m the mean square of `size` neighbouring channels, zeros beyond.

    Krizhevsky et al. 2012. Raises ShapeError for fewer than 3 dimensions. Source:
    torch.nn.functional.local_response_norm.
    """
    require_tensors("local_response_norm", input)
    size = index_of("local_response_norm: size", size)
    if input.ndim < 3:
        raise ShapeError(f"Expected 3D or higher dimensionality input (got {input.ndim} dimensions)").at(
            here()
        )
    if not input.numel():
        return input

    def build(x: Node) -> Node:
        low = tuple(size // 2 if i == 1 else 0 for i in range(x.rank))
        high = tuple((size - 1) // 2 if i == 1 else 0 for i in range(x.rank))
        squares = ops.pad(x * x, low=low, high=high)
        steps = (1,) * x.rank
        windows = [
            ops.slice(
                squares,
                starts=tuple(j if i == 1 else 0 for i in range(x.rank)),
                stops=tuple(j + n if i == 1 else n for i, n in enumerate(x.shape)),
                steps=steps,
            )
            for j in range(size)
        ]
        total = functools.reduce(ops.add, windows)
        if x.dtype.is_float:
            return x / ops.pow(total * (alpha / size) + k, scalar(beta, x.dtype))
        mean = ops.cast(ops.div(total, size), dtype=f32)  # as PyTorch, whose mean of integers is one
        return ops.cast(x, dtype=f32) / ops.pow(mean * alpha + k, scalar(beta, f32))

    return apply("DivBackward0", build, input)


def normalize(
    input: Tensor, p: float = 2.0, dim: int = 1, eps: float = 1e-12, out: Tensor | None = None
) -> Tensor:
    """input over its p-norm along `dim`, at least over `eps` (torch.nn.functional.normalize)."""
    length = elementwise.clamp(reductions.norm(input, p, dim, keepdim=True), min=eps)
    found = input / length.expand_as(input)
    return found if out is None else out._change("normalize", found)
