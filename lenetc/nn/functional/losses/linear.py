"""The cross-entropy of an affine map, and what PyTorch's may be told of how it is computed."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ir.errors import LenetcError, ShapeError
from ir.types import DType, bf16, f16, f32, f64
from lenetc.evaluation.tracing import here
from lenetc.nn.functional.linear import linear
from lenetc.nn.functional.losses.entropy import cross_entropy
from lenetc.tensors.tensor import Tensor, require_tensors


@dataclass(frozen=True, slots=True)
class LinearCrossEntropyOptions:
    """How PyTorch divides the batch to spare memory (torch.nn.LinearCrossEntropyOptions); it asks for nothing here.

    Raises ValueError for values that PyTorch has not.
    """

    allow_retain_graph: bool = False
    batch_chunk_size: int | None = None
    chunking_method: str | None = "auto"
    acc_policy: str = "auto"
    acc_dtype: DType | None = None

    def __post_init__(self) -> None:
        if self.acc_policy not in ("auto", "accurate", "balanced", "compact"):
            raise ValueError(f"invalid acc_policy: {self.acc_policy!r}")
        if self.chunking_method not in (None, "auto"):
            name, colon, factor = str(self.chunking_method).partition(":")
            if name != "aspect_ratio" or (colon and not (factor.isdigit() and int(factor))):
                raise ValueError(f"invalid chunking_method: {self.chunking_method!r}")
        size = self.batch_chunk_size
        if size is not None and not (isinstance(size, int) and size > 0):
            raise ValueError(f"batch_chunk_size must be positive int or None, got {size!r}")
        if self.acc_dtype not in (None, f16, bf16, f32, f64):
            raise ValueError(f"acc_dtype must be a floating point dtype or None, got {self.acc_dtype!r}")


def linear_cross_entropy(
    input: Tensor,
    linear_weight: Tensor,
    target: Tensor,
    *,
    linear_bias: Tensor | None = None,
    weight: Tensor | None = None,
    reduction: str = "mean",
    ignore_index: int | None = None,
    label_smoothing: float = 0.0,
    options: LinearCrossEntropyOptions | None = None,
) -> Tensor:
    """cross_entropy of the scores input[N,I] @ linear_weight[C,...,I].T + linear_bias[C,...]; N may be left out.

    options are accepted, and ask for nothing here. Raises ShapeError for what does not fit, LenetcError for an
    ignore_index beside probabilities. Source: torch.nn.functional.linear_cross_entropy.
    """
    require_tensors("linear_cross_entropy", input, linear_weight, target, optional=[linear_bias, weight])
    shapes = f"the input {input.type_text()} and linear_weight {linear_weight.type_text()}"
    if input.ndim not in (1, 2) or linear_weight.ndim < 2 or linear_weight.ndim > 2 > input.ndim:
        raise ShapeError(
            f"linear_cross_entropy: expected [N,I] or [I] and [C,I], or [N,I] and [C,...,I], but got {shapes}"
        ).at(here())
    classes, *places, features = linear_weight.shape
    if input.shape[-1] != features:
        raise ShapeError(
            f"linear_cross_entropy: expected equal last dimensions (in_features) of {shapes}"
        ).at(here())
    if linear_bias is not None and tuple(linear_bias.shape) != (classes, *places):
        raise ShapeError(
            f"linear_cross_entropy: expected linear_bias shape {(classes, *places)}, got {linear_bias.type_text()}"
        ).at(here())
    shape = (*input.shape[:-1], classes, *places)
    if tuple(target.shape) == shape and ignore_index is not None:
        raise LenetcError("ignore_index cannot be specified when target contains probabilities").at(here())
    rows = math.prod(places, start=classes)
    bias = None if linear_bias is None else linear_bias.reshape(rows)
    return cross_entropy(
        linear(input, linear_weight.reshape(rows, features), bias).reshape(*shape),
        target,
        weight,
        ignore_index=-100 if ignore_index is None else ignore_index,
        reduction=reduction,
        label_smoothing=label_smoothing,
    )
