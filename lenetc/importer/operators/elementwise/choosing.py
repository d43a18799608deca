"""Elements chosen from several tensors, and limits."""

from __future__ import annotations

from functools import reduce
from typing import Any

import lenetc.operations.elementwise as E
from lenetc.importer.errors import OnnxOperatorError
from lenetc.importer.operators.elementwise.operands import joined, number
from lenetc.importer.registry import operator
from lenetc.importer.values import Value, to_tensor
from lenetc.tensors.tensor import Tensor


@operator
def Where(condition: Tensor, a: Tensor, b: Tensor, /) -> Tensor:
    return E.where(condition, a, b)


@operator
def Max(*xs: Tensor) -> Tensor:
    """Equal ones share the gradient."""
    return reduce(E.maximum, joined(xs))


@operator
def Min(*xs: Tensor) -> Tensor:
    return reduce(E.minimum, joined(xs))


@operator
def Clip(
    x: Tensor,
    low: Value = None,
    high: Value = None,
    /,
    *,
    min: float | None = None,
    max: float | None = None,
    opset: int,
) -> Tensor:
    """Before opset 11 the limits are attributes. The upper one wins where it is below the lower one."""
    if opset >= 11 and (min is not None or max is not None):
        raise OnnxOperatorError("the attributes min and max are inputs from opset 11 on")
    limits: list[Any] = [_limit(low), _limit(high)] if opset >= 11 else [min, max]
    return x if limits == [None, None] else E.clamp(x, *limits)


def _limit(value: Value) -> Any:
    if value is None:
        return None
    found = number(value, 1)
    return to_tensor(value).reshape(()) if found is None else found
