"""Normalizations in eval mode made a part of the layer before them."""

from __future__ import annotations

import copy
from typing import Any, TypeVar

from lenetc.nn.modules.module import Module
from lenetc.nn.parameter import Parameter
from lenetc.operations import creation, elementwise
from lenetc.tensors.grad_fn import no_grad
from lenetc.tensors.tensor import Tensor

M = TypeVar("M", bound=Module)


def fuse_conv_bn_weights(
    conv_w: Tensor,
    conv_b: Tensor | None,
    bn_rm: Tensor,
    bn_rv: Tensor,
    bn_eps: float,
    bn_w: Tensor | None,
    bn_b: Tensor | None,
    transpose: bool = False,
) -> tuple[Parameter, Parameter]:
    """Weight and bias of a convolution with what follows it, a BatchNorm by running statistics.

    transpose: the convolution is a transposed one, whose outputs are the weight's second dimension.
    Source: torch.nn.utils.fuse_conv_bn_weights.
    """
    with no_grad():
        scale = elementwise.rsqrt(bn_rv + bn_eps)
        scale = scale if bn_w is None else scale * bn_w
        shape = [-1 if i == int(transpose) else 1 for i in range(conv_w.ndim)]
        offset = (creation.zeros_like(bn_rm) if conv_b is None else conv_b) - bn_rm
        bias = offset * scale if bn_b is None else offset * scale + bn_b
        weight = (conv_w * scale.reshape(*shape)).to(conv_w.dtype)
        bias = bias.to(conv_w.dtype if conv_b is None else conv_b.dtype)
    return Parameter(weight, conv_w.requires_grad), Parameter(bias, conv_b is None or conv_b.requires_grad)


def fuse_conv_bn_eval(conv: M, bn: Module, transpose: bool = False) -> M:
    """A copy of `conv` that does what both do in eval mode (torch.nn.utils.fuse_conv_bn_eval)."""
    return _fused(conv, bn, transpose)


def fuse_linear_bn_weights(
    linear_w: Tensor,
    linear_b: Tensor | None,
    bn_rm: Tensor,
    bn_rv: Tensor,
    bn_eps: float,
    bn_w: Tensor,
    bn_b: Tensor,
) -> tuple[Parameter, Parameter]:
    """fuse_conv_bn_weights of an affine layer (torch.nn.utils.fuse_linear_bn_weights)."""
    return fuse_conv_bn_weights(linear_w, linear_b, bn_rm, bn_rv, bn_eps, bn_w, bn_b)


def fuse_linear_bn_eval(linear: M, bn: Module) -> M:
    """A copy of `linear` that does what both do in eval mode (torch.nn.utils.fuse_linear_bn_eval)."""
    return _fused(linear, bn, False)


def _fused(layer: M, bn: Any, transpose: bool) -> M:
    if layer.training or bn.training:
        raise AssertionError("Fusion only for eval!")
    if bn.running_mean is None or bn.running_var is None:
        raise AssertionError("bn.running_mean and bn.running_var must not be None")
    fused: Any = copy.deepcopy(layer)
    statistics = (bn.running_mean, bn.running_var, bn.eps, bn.weight, bn.bias)
    fused.weight, fused.bias = fuse_conv_bn_weights(fused.weight, fused.bias, *statistics, transpose)
    found: M = fused
    return found
