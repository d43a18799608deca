"""Losses of regression: distances between two tensors of one shape."""

from __future__ import annotations

from collections.abc import Callable

from ir import ops
from ir.errors import DTypeError, LenetcError, ShapeError
from ir.node import Node
from ir.ops.rules import broadcast_shapes
from lenetc.evaluation.tracing import here
from lenetc.nn.functional.activation import warn
from lenetc.nn.functional.losses.reduction import check_reduction, chosen, reduced, total
from lenetc.operations import elementwise, reductions
from lenetc.operations.autocast import autocasts
from lenetc.operations.elementwise.operands import in_f32
from lenetc.tensors.arrays import need_number
from lenetc.tensors.convert import result_dtype
from lenetc.tensors.tensor import Tensor, apply, require_tensors


def _pair(what: str, input: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Both with one shape and dtype; broadcasting is allowed, with PyTorch's warning."""
    require_tensors(what, input, target)
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
    return apply(name, lambda a, b: reduced(in_f32(each)(a, b), reduction), x, y)


def _weighted(losses: Tensor, input: Tensor, weight: Tensor, reduction: str) -> Tensor:
    """`losses` times `weight`; their mean is over the weights. Raises ValueError for one of another size."""
    check_reduction(reduction)
    require_tensors("weight", weight)
    if weight.shape != input.shape:
        raise ValueError("Weights and input must have the same size.")
    if reduction == "mean":
        return reductions.sum(losses * weight) / reductions.sum(weight)
    return total(losses * weight, reduction)


@autocasts
def mse_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    weight: Tensor | None = None,
) -> Tensor:
    """(input - target)^2, its mean or its sum (torch.nn.functional.mse_loss).

    weight: factors of the elements, over which the mean is.
    """
    reduction = chosen(size_average, reduce, reduction)
    if weight is not None:
        x, y = _pair("mse_loss", input, target)
        return _weighted((x - y) ** 2, input, weight, reduction)

    def each(x: Node, y: Node) -> Node:
        d = x - y
        return d * d

    return _compared("MseLossBackward0", "mse_loss", input, target, reduction, each)


@autocasts
def l1_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    weight: Tensor | None = None,
) -> Tensor:
    """|input - target|, its mean or its sum (torch.nn.functional.l1_loss).

    weight: factors of the elements, over which the mean is.
    """
    reduction = chosen(size_average, reduce, reduction)
    check_reduction(reduction)
    x, y = _pair("l1_loss", input, target)
    distance = elementwise.abs(x - y)
    if weight is not None:
        return _weighted(distance, input, weight, reduction)
    return total(distance, reduction)


def _parts(d: Node, limit: float) -> tuple[Node, Node, Node]:
    """d where |d| is up to `limit` and 0 beyond, where infinities would spoil the gradient of the square; |d|; and
    where it is beyond."""
    z = ops.abs(d)
    far = ops.greater(z, limit)
    return ops.where(far, ops.scalar(0, d.dtype), d), z, far


@autocasts
def huber_loss(
    input: Tensor,
    target: Tensor,
    reduction: str = "mean",
    delta: float = 1.0,
    weight: Tensor | None = None,
) -> Tensor:
    """Half the squared distance up to `delta`, linear beyond (Huber 1964; torch.nn.functional.huber_loss).

    weight: factors of the elements; the mean is over their number.
    """
    need_number("huber_loss", "delta", delta)
    if delta <= 0:
        raise LenetcError(f"huber_loss does not support non-positive values for delta, but it is {delta}").at(
            here()
        )

    def each(x: Node, y: Node) -> Node:
        small, z, far = _parts(x - y, delta)
        return ops.where(far, (z - 0.5 * delta) * delta, small * small * 0.5)

    if weight is not None:
        require_tensors("huber_loss", weight)
        if weight.shape != input.shape:
            raise ValueError("Weights and input must have the same size.")
        losses = _compared("HuberLossBackward0", "huber_loss", input, target, "none", each)
        return total(losses * weight, reduction)
    return _compared("HuberLossBackward0", "huber_loss", input, target, reduction, each)


@autocasts
def smooth_l1_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    beta: float = 1.0,
) -> Tensor:
    """huber_loss with delta=beta, divided by beta; l1_loss for 0 (Girshick 2015).

    Source: torch.nn.functional.smooth_l1_loss.
    """
    reduction = chosen(size_average, reduce, reduction)
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
