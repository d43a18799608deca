"""Losses of classifiers: negative log-likelihood and cross-entropy.

The class of each label is picked by a one-hot mask, or looked up among many.
"""

from __future__ import annotations

from ir import ops
from ir.dims import Dim, product
from ir.errors import DTypeError, LenetcError, ShapeError
from ir.node import Node
from ir.types import bf16, f16, f32, i64, u8
from lenetc.evaluation.ranges import require_range
from lenetc.evaluation.tracing import here
from lenetc.nn.functional.activation import log_softmax
from lenetc.nn.functional.labels import class_mask
from lenetc.nn.functional.linear import same_dtype
from lenetc.nn.functional.losses.reduction import check_reduction, chosen
from lenetc.operations import reductions
from lenetc.operations.autocast import autocasts
from lenetc.tensors.arrays import index_of, need_number
from lenetc.tensors.size import Size
from lenetc.tensors.tensor import Tensor, apply, require_tensors
from passes.autodiff import means


@autocasts
def nll_loss(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    ignore_index: int = -100,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Minus the log-probability of the labels: input[N,C,...] or [C], target i64[N,...] or a scalar.

    weight[C]: factors of the classes; the mean is over the weights. Labels `ignore_index` are left out,
    also of the mean. Raises LabelError for labels out of range, ShapeError and DTypeError naming both types.
    Source: torch.nn.functional.nll_loss.
    """
    reduction = chosen(size_average, reduce, reduction)
    require_tensors("nll_loss", input, target, optional=[weight])
    target = _checked("nll_loss", input, target, weight, ignore_index, reduction)
    return _picked(input, target, weight, ignore_index, reduction)


@autocasts
def cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    ignore_index: int = -100,
    reduce: bool | None = None,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    """nll_loss of log_softmax: scores input[N,C,...] or [C]; labels i64[N,...] or probabilities [N,C,...].

    label_smoothing: the part of the probability that is spread evenly over the classes. The rest is as for
    nll_loss; for probabilities the mean is over N and the other places.
    Source: torch.nn.functional.cross_entropy.
    """
    reduction = chosen(size_average, reduce, reduction)
    check_reduction(reduction)
    require_tensors("cross_entropy", input, target, optional=[weight])
    need_number("cross_entropy", "label_smoothing", label_smoothing)
    if not 0.0 <= label_smoothing <= 1.0:
        raise LenetcError(f"label_smoothing must be between 0.0 and 1.0. Got: {label_smoothing}").at(here())
    if not input.ndim:
        raise ShapeError(
            f"cross_entropy: the input needs a dimension of classes, but it is {input.type_text()}"
        ).at(here())
    if not input.dtype.is_float:
        raise DTypeError(
            f"cross_entropy: the scores must be floating point, but they are {input.type_text()}; use .float()"
        ).at(here())
    axis = 0 if input.ndim == 1 else 1
    if target.shape == input.shape:
        return _of_probabilities(input, target, weight, ignore_index, reduction, label_smoothing, axis)
    target = _checked("cross_entropy", input, target, weight, ignore_index, reduction)
    logs = log_softmax(input, axis)
    loss = _picked(logs, target, weight, ignore_index, reduction)
    if not label_smoothing:
        return loss
    spread = _spread(logs, target, weight, ignore_index, reduction)
    classes = input.shape[axis]
    share = (
        spread * (label_smoothing / classes)
        if isinstance(classes, int)
        else spread * label_smoothing / classes
    )
    return loss * (1 - label_smoothing) + share


def _checked(
    what: str, input: Tensor, target: Tensor, weight: Tensor | None, ignore_index: int, reduction: str
) -> Tensor:
    """The labels as i64, fit for `input`."""
    check_reduction(reduction)
    index_of(f"{what}: ignore_index", ignore_index)
    if not input.ndim:
        raise ShapeError(f"{what}: the input needs a dimension of classes, but it is {input.type_text()}").at(
            here()
        )
    classes = input.shape[0 if input.ndim == 1 else 1]
    labels = Size((*input.shape[:1], *input.shape[2:])) if input.ndim > 1 else Size()
    both = (
        f"input {input.type_text()} takes labels of shape {list(labels)}, the target is {target.type_text()}"
    )
    if target.shape == input.shape and not target.dtype.is_float and what == "cross_entropy":
        raise DTypeError(
            f"{what}: a target of the input's shape holds probabilities, which are floating point: {both}"
        ).at(here())
    if target.shape != labels:
        raise ShapeError(f"{what}: {both}").at(here())
    if target.dtype not in (i64, u8):
        raise DTypeError(
            f"{what}: expected target dtype to be i64 or u8: {both}; convert it with .long()"
        ).at(here())
    _check_weight(what, input, weight, classes)
    require_range(what, "label", target, classes, ignore_index, f"{classes} classes in {input.type_text()}")
    return target.to(i64)


def _check_weight(what: str, input: Tensor, weight: Tensor | None, classes: Dim) -> None:
    same_dtype(what, input, weight)
    if weight is not None and tuple(weight.shape) != (classes,):
        raise ShapeError(
            f"{what}: the weight {weight.type_text()} must hold one factor for each of the {classes} classes "
            f"of the input {input.type_text()}"
        ).at(here())


_FEW = 64  # classes up to which comparing all of them costs less than looking one up


class _Labels:
    """Which elements of logs[N,C,...] belong to a label that counts.

    Of few classes by a mask over all of them, so that nothing is scattered; of many by index.
    """

    def __init__(self, logs: Node, target: Node, ignore_index: int, axis: int) -> None:
        self.axis, self.classes = axis, logs.shape[axis]
        is_left_out = 0 <= ignore_index < self.classes  # any other value is no class
        self.indices: Node | None = None  # [N,1,...]
        if isinstance(self.classes, int) and self.classes <= _FEW:
            self.counts = class_mask(target, self.classes, axis)
            if is_left_out:
                kept = ops.logical_not(ops.equal(ops.iota(size=self.classes, dtype=i64), ignore_index))
                self.counts = ops.logical_and(self.counts, self.over_classes(kept, logs))
            return
        shape = tuple(1 if i == axis else size for i, size in enumerate(logs.shape))
        labels = ops.reshape(target, shape=shape)
        limit = self.classes if isinstance(self.classes, int) else ops.dim(size=self.classes)
        self.counts = ops.logical_and(ops.greater(labels, -1), ops.less(labels, limit))
        if is_left_out:
            self.counts = ops.logical_and(self.counts, ops.logical_not(ops.equal(labels, ignore_index)))
        self.indices = ops.where(self.counts, labels, ops.scalar(0, i64))

    def over_classes(self, weight: Node, like: Node) -> Node:
        return ops.reshape(
            weight, shape=tuple(self.classes if i == self.axis else 1 for i in range(like.rank))
        )

    def of(self, logs: Node, weight: Node | None) -> Node:
        """logs times weight[C] where a label counts and 0 elsewhere: [N,C,...], or [N,1,...] of many classes."""
        if self.indices is not None:
            logs = ops.take_along_axis(logs, self.indices, axis=self.axis)
        scaled = logs if weight is None else logs * self._factors(weight, logs)
        return ops.where(self.counts, scaled, ops.scalar(0, logs.dtype))

    def total_weight(self, logs: Node, weight: Node | None) -> Node:
        """The sum of the weights of all labels that count: their number without weights. Not for halves."""
        axes = tuple(range(logs.rank))
        if weight is None:
            return ops.sum(ops.cast(self.counts, dtype=logs.dtype), axes=axes)
        factors = self._factors(weight, logs)
        return ops.sum(ops.where(self.counts, factors, ops.scalar(0, logs.dtype)), axes=axes)

    def _factors(self, weight: Node, like: Node) -> Node:
        if self.indices is None:
            return self.over_classes(weight, like)
        return ops.gather(weight, self.indices, axis=0)


def _picked(logs: Tensor, target: Tensor, weight: Tensor | None, ignore_index: int, reduction: str) -> Tensor:
    """nll_loss of checked operands."""
    axis = 0 if logs.ndim == 1 else 1
    shape = target.shape
    if logs.ndim == 3 or logs.ndim > 4:  # as PyTorch, whose graph shows it
        rest = product(tuple(shape[1:]))
        logs = logs.reshape(*logs.shape[:2], 1, rest)
        target = target.reshape(shape[0], 1, rest)

    def build(given: Node, labels: Node, *weights: Node) -> Node:
        x, factor = means.widened(given), means.widened(weights[0]) if weights else None
        counted = _Labels(x, labels, ignore_index, axis)
        chosen = counted.of(x, factor)
        if reduction == "none":
            return means.narrowed(-ops.sum(chosen, axes=(axis,)), given.dtype)
        total = -ops.sum(chosen, axes=tuple(range(x.rank)))
        if reduction == "mean":
            total = total / counted.total_weight(x, factor)
        return means.narrowed(total, given.dtype)

    operands = (logs, target) if weight is None else (logs, target, weight)
    name = "NllLossBackward0" if logs.ndim < 3 else "NllLoss2DBackward0"
    loss = apply(name, build, *operands, edges=(logs,))
    return loss.reshape(*shape) if reduction == "none" and loss.shape != shape else loss


def _spread(logs: Tensor, target: Tensor, weight: Tensor | None, ignore_index: int, reduction: str) -> Tensor:
    """What smoothing adds: minus the sum of the classes' log-probabilities."""
    axis = 0 if logs.ndim == 1 else 1

    def build(given: Node, labels: Node, *weights: Node) -> Node:
        x, factor = means.widened(given), means.widened(weights[0]) if weights else None
        counted = _Labels(x, labels, ignore_index, axis)
        scaled = x if factor is None else x * counted.over_classes(factor, x)
        sums = -ops.sum(scaled, axes=(axis,))
        sums = ops.where(ops.equal(labels, ignore_index), ops.scalar(0, x.dtype), sums)
        if reduction != "none":
            sums = ops.sum(sums, axes=tuple(range(sums.rank)))
        if reduction == "mean":
            sums = sums / counted.total_weight(x, factor)
        return means.narrowed(sums, given.dtype)

    operands = (logs, target) if weight is None else (logs, target, weight)
    return apply("DivBackward0" if reduction == "mean" else "SumBackward0", build, *operands, edges=(logs,))


def _of_probabilities(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None,
    ignore_index: int,
    reduction: str,
    smoothing: float,
    axis: int,
) -> Tensor:
    if not target.dtype.is_float:
        raise DTypeError(
            "cross_entropy: expected floating point type for target with class probabilities, got "
            f"{target.type_text()} for the input {input.type_text()}; labels have no dimension of classes"
        ).at(here())
    if ignore_index >= 0:
        raise LenetcError("cross_entropy: ignore_index is not supported for a target of probabilities").at(
            here()
        )
    classes = input.shape[axis]
    _check_weight("cross_entropy", input, weight, classes)
    logs = log_softmax(input, axis)
    if smoothing:
        even = smoothing / classes if isinstance(classes, int) else target.new_tensor(smoothing) / classes
        target = target * (1 - smoothing) + even
    terms = logs * target
    if weight is not None:
        terms = terms * weight.reshape(*(classes if i == axis else 1 for i in range(input.ndim)))
    if reduction == "none":
        return -reductions.sum(terms, axis)
    if reduction == "sum":
        return -reductions.sum(terms)
    places = tuple(i for i in range(input.ndim) if i != axis)
    total = -reductions.sum(terms.to(f32) if terms.dtype in (f16, bf16) else terms)
    loss = apply(
        "DivBackward1",
        lambda a, x: a / means.count(x, places),
        total,
        input.detach(),
        edges=(total,),
        saves=False,
    )
    return loss.to(terms.dtype)
