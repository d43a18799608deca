"""Softmax layers."""

from __future__ import annotations

from lenetc.nn import functional as F
from lenetc.nn.modules.module import Module
from lenetc.tensors.tensor import Tensor, require_tensors


class Softmax(Module):
    """functional.softmax along `dim` (torch.nn.Softmax)."""

    def __init__(self, dim: int | None = None) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, input: Tensor) -> Tensor:
        return F.softmax(input, self.dim)

    def extra_repr(self) -> str:
        return f"dim={self.dim}"


class LogSoftmax(Softmax):
    """functional.log_softmax along `dim` (torch.nn.LogSoftmax)."""

    def forward(self, input: Tensor) -> Tensor:
        return F.log_softmax(input, self.dim)


class Softmin(Softmax):
    """functional.softmin along `dim` (torch.nn.Softmin)."""

    def forward(self, input: Tensor) -> Tensor:
        return F.softmin(input, self.dim)


class Softmax2d(Module):
    """softmax over the channels of [N,C,H,W] or [C,H,W] (torch.nn.Softmax2d)."""

    def forward(self, input: Tensor) -> Tensor:
        require_tensors("Softmax2d", input)
        if input.ndim not in (3, 4):
            raise ValueError(f"Softmax2d: expected input to be 3D or 4D, got {input.ndim}D instead")
        return F.softmax(input, -3)
