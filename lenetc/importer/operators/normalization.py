"""Normalization, and dropout."""

from __future__ import annotations

import lenetc.nn.functional as F
from lenetc.importer.registry import operator
from lenetc.importer.values import Buffer, Sizes
from lenetc.tensors.tensor import Tensor


@operator
def BatchNormalization(
    x: Tensor,
    scale: Tensor,
    bias: Tensor,
    mean: Buffer,
    var: Buffer,
    /,
    *,
    epsilon: float = 1e-5,
    momentum: float = 0.9,
    training_mode: int = 0,
    spatial: int = 1,
    training: bool,
    count: int,
) -> Tensor:
    return F.batch_norm(x, mean, var, scale, bias, training, 1 - momentum, epsilon)


@operator
def Dropout(
    x: Tensor, ratio_: Sizes | None = None, mode: Sizes | None = None, /, *, ratio: float = 0.5, seed: int = 0
) -> Tensor:
    """As exported for inference: nothing."""
    return x
