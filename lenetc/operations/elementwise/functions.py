"""Exponentials, logarithms, circular and hyperbolic functions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import lenetc.tensors.tensor as t
from ir import ops
from ir.types import u8
from lenetc.operations.autocast import widened
from lenetc.operations.elementwise.operands import unary

if TYPE_CHECKING:
    from lenetc.tensors.tensor import Tensor

__all__ = [
    "cos",
    "exp",
    "log",
    "relu",
    "sigmoid",
    "sin",
    "tanh",
]


def exp(x: Tensor) -> Tensor:
    return unary("ExpBackward0", ops.exp, widened(x))


def log(x: Tensor) -> Tensor:
    return unary("LogBackward0", ops.log, widened(x))


def sin(x: Tensor) -> Tensor:
    return unary("SinBackward0", ops.sin, x)


def cos(x: Tensor) -> Tensor:
    return unary("CosBackward0", ops.cos, x)


def tanh(x: Tensor) -> Tensor:
    return unary("TanhBackward0", ops.tanh, x)


def sigmoid(x: Tensor) -> Tensor:
    return unary("SigmoidBackward0", ops.sigmoid, x)


def relu(x: Tensor) -> Tensor:
    return t.apply("ReluBackward0", lambda a: a if a.dtype is u8 else ops.relu(a), x)
