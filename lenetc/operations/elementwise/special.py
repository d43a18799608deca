"""Functions of statistics and of number theory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ir import ops
from lenetc.operations.elementwise.operands import unary

if TYPE_CHECKING:
    from lenetc.tensors.tensor import Tensor

__all__ = [
    "erf",
]


def erf(x: Tensor) -> Tensor:
    return unary("ErfBackward0", ops.erf, x)
