"""Activations, some with what is added before."""

from __future__ import annotations

import lenetc.nn.functional as F
from lenetc.importer.operators.activations import over_last_axes
from lenetc.importer.registry import MICROSOFT, operator
from lenetc.tensors.tensor import Tensor


@operator(domain=MICROSOFT)
def Gelu(x: Tensor, /) -> Tensor:
    return F.gelu(x)


@operator(domain=MICROSOFT)
def BiasGelu(x: Tensor, bias: Tensor, /) -> Tensor:
    return F.gelu(x + bias)


@operator(domain=MICROSOFT)
def FastGelu(x: Tensor, bias: Tensor | None = None, /) -> Tensor:
    return F.gelu(x if bias is None else x + bias, "tanh")


@operator(domain=MICROSOFT)
def QuickGelu(x: Tensor, /, *, alpha: float = 1.702) -> Tensor:
    return x * F.sigmoid(x * alpha)


@operator(domain=MICROSOFT)
def BiasSplitGelu(x: Tensor, bias: Tensor, /) -> Tensor:
    """The first half times Gelu of the second."""
    first, second = (x + bias).chunk(2, -1)
    return first * F.gelu(second)


@operator(domain=MICROSOFT)
def BiasSoftmax(x: Tensor, bias: Tensor, /, *, axis: int = 1, is_inner_broadcast: int) -> Tensor:
    """Over all axes from `axis` on, of data and a mask of the same rank; which axes the mask lacks shows there."""
    return over_last_axes(F.softmax, x + bias, axis)


@operator(domain=MICROSOFT)
def BiasAdd(x: Tensor, bias: Tensor, skip: Tensor, /) -> Tensor:
    return x + bias + skip
