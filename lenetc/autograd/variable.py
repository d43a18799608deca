"""Variable, which scripts written before PyTorch 0.4 wrap around tensors: a tensor itself today."""

from __future__ import annotations

from typing import Any

from lenetc.tensors.tensor import Tensor


class _Tensors(type):
    def __instancecheck__(cls, instance: Any) -> bool:
        return isinstance(instance, Tensor)


class Variable(metaclass=_Tensors):
    """`data` without its history, as a leaf (torch.autograd.Variable). Every tensor is an instance."""

    def __new__(cls, data: Tensor, requires_grad: bool = False) -> Tensor:  # type: ignore[misc]
        return data.detach().requires_grad_(requires_grad)
