"""Softmax layers and dropout."""

from __future__ import annotations

from lenetc.nn import functional as F
from lenetc.nn.modules.module import Module
from lenetc.tensors.arrays import need_number
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


class Dropout(Module):
    """In training mode, functional.dropout (Srivastava et al. 2014; torch.nn.Dropout).

    Raises ValueError unless 0 <= p <= 1.
    """

    def __init__(self, p: float = 0.5, inplace: bool = False) -> None:
        super().__init__()
        need_number("Dropout", "p", p)
        if not 0 <= p <= 1:
            raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")
        self.p, self.inplace = p, inplace

    def forward(self, input: Tensor) -> Tensor:
        return F.dropout(input, self.p, self.training, self.inplace)

    def extra_repr(self) -> str:
        return f"p={self.p}, inplace={self.inplace}"
