"""Products of matrices and convolutions, with what comes after."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import lenetc.nn.functional as F
import lenetc.operations.elementwise as E
from lenetc.importer.errors import OnnxOperatorError
from lenetc.importer.operators.products import Gemm
from lenetc.importer.operators.windows.convolutions import Conv
from lenetc.importer.registry import MICROSOFT, operator
from lenetc.operations import products
from lenetc.tensors.tensor import Tensor


@operator(domain=MICROSOFT)
def FusedMatMul(
    a: Tensor,
    b: Tensor,
    /,
    *,
    alpha: float = 1.0,
    transA: int = 0,
    transB: int = 0,
    transBatchA: int = 0,
    transBatchB: int = 0,
) -> Tensor:
    """transBatch: the axes before the last one come one further to the left, the first one after them, before the
    matrices are turned as transA says."""
    product = products.matmul(_turned(a, transA, transBatchA), _turned(b, transB, transBatchB))
    return product if alpha == 1 else product * alpha


def _turned(x: Tensor, is_turned: int, is_batch_turned: int) -> Tensor:
    if is_batch_turned and x.ndim > 2:
        x = x.movedim(0, -2)
    return x.transpose(-2, -1) if is_turned and x.ndim > 1 else x


@operator(domain=MICROSOFT)
def TransposeMatMul(
    a: Tensor, b: Tensor, /, *, alpha: float = 1.0, transA: int = 0, transB: int = 0
) -> Tensor:
    return FusedMatMul(a, b, alpha=alpha, transA=transA, transB=transB)


@operator(domain=MICROSOFT)
def GemmFastGelu(x: Tensor, w: Tensor, bias: Tensor | None = None, /) -> Tensor:
    product = products.matmul(x, w)
    return F.gelu(product if bias is None else product + bias, "tanh")


@operator(domain=MICROSOFT)
def FusedGemm(
    a: Tensor,
    b: Tensor,
    c: Tensor | None = None,
    /,
    *,
    activation: str = "",
    activation_alpha: float | None = None,
    activation_beta: float | None = None,
    activation_gamma: float | None = None,
    alpha: float = 1.0,
    beta: float = 1.0,
    transA: int = 0,
    transB: int = 0,
) -> Tensor:
    product = Gemm(a, b, c, alpha=alpha, beta=beta, transA=transA, transB=transB)
    given = (activation_alpha, activation_beta, activation_gamma)
    return _activated(product, activation, [number for number in given if number is not None])


@operator(domain=MICROSOFT)
def FusedConv(
    x: Tensor,
    w: Tensor,
    b: Tensor | None = None,
    z: Tensor | None = None,
    /,
    *,
    activation: str = "",
    activation_params: Sequence[float] = (),
    auto_pad: str = "NOTSET",
    dilations: Sequence[int] | None = None,
    group: int = 1,
    kernel_shape: Sequence[int] | None = None,
    pads: Sequence[int] | None = None,
    strides: Sequence[int] | None = None,
) -> Tensor:
    """z is added before the activation."""
    y = Conv(
        x,
        w,
        b,
        auto_pad=auto_pad,
        dilations=dilations,
        group=group,
        kernel_shape=kernel_shape,
        pads=pads,
        strides=strides,
    )
    return _activated(y if z is None else y + z, activation, activation_params)


_ACTIVATIONS: dict[str, Callable[..., Tensor]] = {
    "": lambda x: x,
    "Relu": F.relu,
    "Tanh": F.tanh,
    "Sigmoid": F.sigmoid,
    "Softplus": lambda x: F.softplus(x, threshold=math.inf),
    "Softsign": F.softsign,
    "LeakyRelu": lambda x, alpha=0.01: F.leaky_relu(x, alpha),
    "Elu": lambda x, alpha=1.0: F.elu(x, alpha),
    "ThresholdedRelu": lambda x, alpha=1.0: F.threshold(x, alpha, 0.0),
    "HardSigmoid": lambda x, alpha=0.2, beta=0.5: F.hardtanh(x * alpha + beta, 0.0, 1.0),
    "Clip": lambda x, low=None, high=None: E.clamp(x, low, high),
}


def _activated(x: Tensor, activation: str, numbers: Sequence[float]) -> Tensor:
    if activation not in _ACTIVATIONS:
        raise OnnxOperatorError(
            f"the activation {activation!r} is not here, but {', '.join(_ACTIVATIONS)[2:]}"
        )
    return _ACTIVATIONS[activation](x, *numbers)
