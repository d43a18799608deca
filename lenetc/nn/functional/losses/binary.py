"""Binary cross-entropy, of probabilities and of their logits."""

from __future__ import annotations

import math

import numpy as np

from ir import ops
from ir.errors import DTypeError, ShapeError
from ir.node import Node
from ir.types import DType, f32
from lenetc.evaluation.ranges import require_probabilities
from lenetc.evaluation.tracing import here
from lenetc.nn.functional.losses.reduction import check_reduction, chosen, reduced
from lenetc.operations.autocast import autocasts
from lenetc.operations.elementwise.operands import HALVES, in_f32
from lenetc.tensors.tensor import Tensor, apply, require_tensors


def _check(what: str, input: Tensor, target: Tensor, **factors: Tensor | None) -> None:
    """Raise DTypeError for what is not float as the input is, ShapeError for a target of another size."""
    require_tensors(what, input, target, optional=tuple(factors.values()))
    if not input.dtype.is_float:
        raise DTypeError(f"{what}: the input must be floating point, but it is {input.type_text()}").at(
            here()
        )
    for name, x in {"target": target, **factors}.items():
        if x is not None and _wide(x.dtype) is not _wide(input.dtype):
            raise DTypeError(
                f"{what}: the {name} {x.type_text()} should have the dtype of the input {input.type_text()}; "
                f"convert it with .to(input.dtype)"
            ).at(here())
    if input.shape != target.shape:
        raise ShapeError(f"Target size ({target.shape}) must be the same as input size ({input.shape})").at(
            here()
        )


def _wide(dtype: DType) -> DType:
    """What a dtype is computed in."""
    return f32 if dtype in HALVES else dtype


@autocasts
def binary_cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """-(target log(input) + (1 - target) log(1 - input)), for inputs in [0, 1].

    Logarithms are cut off at -100. weight: factors of the elements, broadcast. Raises LenetcError for an input or a
    target outside of [0, 1], DTypeError for integers.
    Source: torch.nn.functional.binary_cross_entropy.
    """
    reduction = chosen(size_average, reduce, reduction)
    check_reduction(reduction)
    _check("binary_cross_entropy", input, target, weight=weight)
    require_probabilities("binary_cross_entropy", "input", input)
    require_probabilities("binary_cross_entropy", "target", target)

    def entropy(x: Node, y: Node, floor: float | None) -> Node:
        logs = (ops.log(x), ops.log(1.0 - x))
        if floor is not None:
            logs = tuple(ops.maximum(log, ops.scalar(floor, x.dtype)) for log in logs)  # type: ignore[assignment]
        return -(y * logs[0] + (1.0 - y) * logs[1])

    def build(x: Node, y: Node, *factors: Node) -> Node:
        # At 0 and 1, PyTorch's gradient is (x - y) / 1e-12, a number in f32.
        least = float(np.float32(1e-12))
        product = x * (1.0 - x)
        end = ops.less(product, least)
        fixed = ops.stop_gradient(x)
        at_end = entropy(fixed, y, -100.0) + (x - fixed) * ops.stop_gradient((x - y) / least)
        inside = entropy(ops.where(end, ops.scalar(0.5, x.dtype), x), y, None)
        losses = ops.where(end, at_end, inside)
        losses = ops.where(ops.less(product, 0.0), ops.scalar(math.nan, x.dtype), losses)
        return reduced(losses * factors[0] if factors else losses, reduction)

    operands = (input, target) if weight is None else (input, target, weight)
    return apply("BinaryCrossEntropyBackward0", in_f32(build), *operands, edges=(input, target))


@autocasts
def binary_cross_entropy_with_logits(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    pos_weight: Tensor | None = None,
) -> Tensor:
    """binary_cross_entropy(sigmoid(input), target), computed stably.

    weight: factors of the elements, pos_weight: factors of the positive part; both broadcast.
    Source: torch.nn.functional.binary_cross_entropy_with_logits.
    """
    reduction = chosen(size_average, reduce, reduction)
    check_reduction(reduction)
    _check("binary_cross_entropy_with_logits", input, target, weight=weight, pos_weight=pos_weight)
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

    return apply(
        "BinaryCrossEntropyWithLogitsBackward0", in_f32(build), input, target, *given, edges=(input, target)
    )
