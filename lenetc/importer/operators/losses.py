"""Losses."""

from __future__ import annotations

import lenetc.nn.functional as F
from ir.types import i64
from lenetc.importer.registry import operator
from lenetc.importer.values import Buffer
from lenetc.tensors.tensor import Tensor


@operator
def NegativeLogLikelihoodLoss(
    x: Tensor,
    target: Tensor,
    weight: Buffer | None = None,
    /,
    *,
    reduction: str = "mean",
    ignore_index: int | None = None,
) -> Tensor:
    return _of_logs(x, target, weight, reduction, ignore_index)


@operator
def SoftmaxCrossEntropyLoss(
    scores: Tensor,
    labels: Tensor,
    weights: Buffer | None = None,
    /,
    *,
    reduction: str = "mean",
    ignore_index: int | None = None,
) -> tuple[Tensor, Tensor]:
    """The loss, and the logarithms of the probabilities."""
    logs = F.log_softmax(scores, 1)
    return _of_logs(logs, labels, weights, reduction, ignore_index), logs


def _of_logs(
    logs: Tensor, target: Tensor, weight: Tensor | None, reduction: str, ignore_index: int | None
) -> Tensor:
    # No label is negative: without a label to ignore it is one that there is not.
    ignored = -1 if ignore_index is None else ignore_index
    return F.nll_loss(logs, target.to(i64), weight, ignore_index=ignored, reduction=reduction)
