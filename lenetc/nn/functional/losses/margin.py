"""Losses that ask for a margin: between scores and classes, and between distances."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ir import ops
from ir.errors import DTypeError, LenetcError, ShapeError
from ir.node import Node
from ir.op import literal, scalar
from ir.types import i64
from lenetc.evaluation.ranges import require_range
from lenetc.evaluation.tracing import here
from lenetc.nn.functional.activation import logsigmoid
from lenetc.nn.functional.distance import pairwise_distance
from lenetc.nn.functional.labels import class_mask
from lenetc.nn.functional.linear import same_dtype
from lenetc.nn.functional.losses.reduction import check_reduction, chosen, reduced, total
from lenetc.operations import elementwise, reductions
from lenetc.operations.autocast import autocasts
from lenetc.tensors.arrays import need_number
from lenetc.tensors.tensor import Tensor, apply, require_tensors


def _at_least_zero(x: Tensor) -> Tensor:
    return elementwise.clamp(x, min=0)


@autocasts
def margin_ranking_loss(
    input1: Tensor,
    input2: Tensor,
    target: Tensor,
    margin: float = 0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """max(0, -target * (input1 - input2) + margin), for targets 1 and -1 (torch.nn.functional.margin_ranking_loss).

    Raises ShapeError unless all have the same number of dimensions.
    """
    reduction = chosen(size_average, reduce, reduction)
    require_tensors("margin_ranking_loss", input1, input2, target)
    if not input1.ndim == input2.ndim == target.ndim:
        raise ShapeError(
            "margin_ranking_loss : All input tensors should have same dimension but got sizes: "
            f"input1: {input1.shape}, input2: {input2.shape}, target: {target.shape}"
        ).at(here())
    # A float, as in PyTorch: of integers the loss is one.
    return total(_at_least_zero(-target * (input1 - input2) + margin * 1.0), reduction)


@autocasts
def hinge_embedding_loss(
    input: Tensor,
    target: Tensor,
    margin: float = 1.0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """The input where target is 1, and max(0, margin - input) where it is -1; their sum for any other target.

    Source: torch.nn.functional.hinge_embedding_loss.
    """
    reduction = chosen(size_average, reduce, reduction)
    require_tensors("hinge_embedding_loss", input, target)
    far = elementwise.where(elementwise.eq(target, 1), 0, _at_least_zero(margin - input))
    return total(far + elementwise.where(elementwise.eq(target, -1), 0, input), reduction)


@autocasts
def soft_margin_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """log(1 + exp(-target * input)), for targets 1 and -1 (torch.nn.functional.soft_margin_loss)."""
    reduction = chosen(size_average, reduce, reduction)
    check_reduction(reduction)
    require_tensors("soft_margin_loss", input, target)

    def build(product: Node) -> Node:
        return reduced(ops.softplus(-product), reduction)

    return apply("SoftMarginLossBackward0", build, input * target)


def multilabel_soft_margin_loss(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Binary cross-entropy of sigmoid(input[*,C]), its mean over the classes; weight: factors of the classes.

    Source: torch.nn.functional.multilabel_soft_margin_loss.
    """
    reduction = chosen(size_average, reduce, reduction)
    require_tensors("multilabel_soft_margin_loss", input, target, optional=[weight])
    losses = -(target * logsigmoid(input) + (1 - target) * logsigmoid(-input))
    if weight is not None:
        losses = losses * weight
    return total(reductions.sum(losses, -1) / input.shape[-1], reduction)


@autocasts
def cosine_embedding_loss(
    input1: Tensor,
    input2: Tensor,
    target: Tensor,
    margin: float = 0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """1 - cos(input1, input2) where target is 1, max(0, cos - margin) where it is -1, else 0.

    input1 and input2 [N,D] with target[N], or [D] with a scalar. Raises ShapeError for other dimensions.
    Source: torch.nn.functional.cosine_embedding_loss.
    """
    reduction = chosen(size_average, reduce, reduction)
    require_tensors("cosine_embedding_loss", input1, input2, target)
    if target.ndim > 1:
        raise ShapeError(
            f"0D or 1D target tensor expected, multi-target not supported: {target.type_text()}"
        ).at(here())
    if input1.ndim != target.ndim + 1 or input2.ndim != target.ndim + 1:
        raise ShapeError(
            f"{target.ndim}D target tensor expects {target.ndim + 1}D input tensors, but found inputs with sizes "
            f"{input1.shape} and {input2.shape}"
        ).at(here())

    def length(x: Tensor) -> Tensor:
        return reductions.sum(x * x, -1) + 1e-12

    cosine = reductions.sum(input1 * input2, -1) / elementwise.sqrt(length(input1) * length(input2))
    near = elementwise.where(elementwise.eq(target, 1), 1 - cosine, 0)
    far = elementwise.where(elementwise.eq(target, -1), _at_least_zero(cosine - margin), 0)
    return total(near + far, reduction)


def _scores(what: str, input: Tensor, target: Tensor, labels: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    """input[N,C] and target as rows, for what is one row, or one score, as well. labels: the target's shape."""
    if input.ndim > 2 or not input.numel():
        raise ShapeError(
            f"{what}: expected non-empty vector or matrix with optional 0-dim batch size, but got: {input.type_text()}"
        ).at(here())
    if target.dtype is not i64:
        raise DTypeError(f"{what}: the target holds classes, i64, but it is {target.type_text()}").at(here())
    if tuple(target.shape) != labels and not (target.numel() == 1 and input.ndim < 2):
        raise ShapeError(
            f"{what}: inconsistent target size: {target.type_text()} for the input {input.type_text()}"
        ).at(here())
    rows = input if input.ndim == 2 else input.reshape(1, -1)
    return rows, target.reshape(rows.shape[0], *labels[1:]) if input.ndim == 2 else target.reshape(1, -1)


@autocasts
def multi_margin_loss(
    input: Tensor,
    target: Tensor,
    p: int = 1,
    margin: float = 1.0,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """The mean over classes of max(0, margin - input[target] + input)^p, without the target's own.

    input[N,C] and target i64[N], or [C] and a scalar. p: 1 or 2. weight[C]: factors by the target's class.
    Source: torch.nn.functional.multi_margin_loss.
    """
    reduction = chosen(size_average, reduce, reduction)
    check_reduction(reduction)
    require_tensors("multi_margin_loss", input, target, optional=[weight])
    need_number("multi_margin_loss", "margin", margin)
    if p not in (1, 2):
        raise ValueError("only p == 1 and p == 2 supported")
    if weight is not None and weight.ndim != 1:
        raise ValueError("weight must be one-dimensional")
    rows, target_rows = _scores("multi_margin_loss", input, target, tuple(input.shape[:-1]))
    labels = target_rows.reshape(rows.shape[0])
    classes = int(rows.shape[1])
    same_dtype("multi_margin_loss", input, weight)
    if weight is not None and weight.shape[0] != classes:
        raise ShapeError(f"multi_margin_loss: inconsistent weight size {weight.type_text()}").at(here())
    require_range(
        "multi_margin_loss", "label", labels, classes, None, f"{classes} classes in {input.type_text()}"
    )

    def build(x: Node, y: Node, *factors: Node) -> Node:
        zero = scalar(0, x.dtype)
        mask = class_mask(y, classes, 1)
        own = ops.sum(ops.where(mask, x, zero), axes=(1,), keepdims=True)
        gap = margin - own + x
        gap = ops.where(ops.logical_and(ops.greater(gap, 0.0), ops.logical_not(mask)), gap, zero)
        losses = ops.sum(gap * gap if p == 2 else gap, axes=(1,)) / float(classes)
        return losses * ops.gather(factors[0], y, axis=0) if factors else losses

    operands = (rows, labels) if weight is None else (rows, labels, weight)
    losses = apply("MultiMarginLossBackward0", build, *operands, edges=(rows,))
    return total(losses if input.ndim == 2 else losses.reshape(tuple(target.shape)), reduction)


@autocasts
def multilabel_margin_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """The mean over classes of max(0, 1 - input[target] + input), summed over the targets, without any target's.

    input[N,C] and target i64[N,C], or both [C]: the targets of a row end at its first -1.
    Source: torch.nn.functional.multilabel_margin_loss.
    """
    reduction = chosen(size_average, reduce, reduction)
    check_reduction(reduction)
    require_tensors("multilabel_margin_loss", input, target)
    rows, labels = _scores("multilabel_margin_loss", input, target, tuple(input.shape))
    classes = int(rows.shape[1])
    reason = f"{classes} classes in {input.type_text()}"
    require_range("multilabel_margin_loss", "label", labels, classes, None, reason, low=-1)

    def build(x: Node, y: Node) -> Node:
        count, zero = x.shape[0], scalar(0, x.dtype)
        ends = ops.cast(ops.less(y, 0), dtype=i64)
        before = literal(
            np.triu(np.ones((classes, classes), np.int64))
        )  # which labels stand before or at a place
        ended = ops.sum(ops.reshape(ends, shape=(count, classes, 1)) * before, axes=(1,))
        valid = ops.equal(ended, 0)
        places = ops.where(valid, y, scalar(0, i64))
        chosen_scores = ops.take_along_axis(x, places, axis=1)
        mask = ops.logical_and(class_mask(places, classes, 2), ops.reshape(valid, shape=(count, classes, 1)))
        taken = ops.greater(ops.sum(ops.cast(mask, dtype=i64), axes=(1,)), 0)
        gap = (
            1.0
            - ops.reshape(chosen_scores, shape=(count, classes, 1))
            + ops.reshape(x, shape=(count, 1, classes))
        )
        counts = ops.logical_and(
            ops.reshape(valid, shape=(count, classes, 1)),
            ops.logical_not(ops.reshape(taken, shape=(count, 1, classes))),
        )
        gap = ops.where(ops.logical_and(ops.greater(gap, 0.0), counts), gap, zero)
        return ops.sum(gap, axes=(1, 2)) / float(classes)

    losses = apply("MultilabelMarginLossBackward0", build, rows, labels, edges=(rows,))
    return total(losses if input.ndim == 2 else losses.reshape(()), reduction)


@autocasts
def triplet_margin_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    margin: float = 1.0,
    p: float = 2,
    eps: float = 1e-6,
    swap: bool = False,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """max(0, margin + d(anchor, positive) - d(anchor, negative)), d the pairwise distance (Balntas et al. 2016).

    swap: of the distances of the negative the one from the positive, where that is less. Raises ValueError for a
    margin that is not positive. Source: torch.nn.functional.triplet_margin_loss.
    """
    reduction = chosen(size_average, reduce, reduction)
    return triplet_margin_with_distance_loss(
        anchor,
        positive,
        negative,
        distance_function=lambda a, b: pairwise_distance(a, b, p, eps),
        margin=margin,
        swap=swap,
        reduction=reduction,
    )


def triplet_margin_with_distance_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    *,
    distance_function: Callable[[Tensor, Tensor], Tensor] | None = None,
    margin: float = 1.0,
    swap: bool = False,
    reduction: str = "mean",
) -> Tensor:
    """triplet_margin_loss of any distance (torch.nn.functional.triplet_margin_with_distance_loss)."""
    check_reduction(reduction)
    require_tensors("triplet_margin_loss", anchor, positive, negative)
    if margin <= 0:
        raise ValueError(f"margin must be greater than 0, got {margin}")
    if not anchor.ndim == positive.ndim == negative.ndim:
        raise LenetcError(
            "The anchor, positive, and negative tensors are expected to have the same number of dimensions, but got: "
            f"anchor {anchor.ndim}D, positive {positive.ndim}D, and negative {negative.ndim}D inputs"
        ).at(here())
    distance = distance_function or pairwise_distance
    near, far = distance(anchor, positive), distance(anchor, negative)
    if swap:
        far = elementwise.minimum(far, distance(positive, negative))
    return total(_at_least_zero(margin + near - far), reduction)
