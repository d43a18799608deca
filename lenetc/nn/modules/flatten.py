"""Layers that change shapes only."""

from __future__ import annotations

from collections.abc import Sequence

from lenetc.nn.modules.module import Module
from lenetc.operations import shaping
from lenetc.tensors.arrays import axis_of, index_of
from lenetc.tensors.tensor import Tensor


class Flatten(Module):
    """Dimensions start_dim to end_dim joined into one (torch.nn.Flatten)."""

    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        super().__init__()
        self.start_dim, self.end_dim = start_dim, end_dim

    def forward(self, input: Tensor) -> Tensor:
        return shaping.flatten(input, self.start_dim, self.end_dim)

    def extra_repr(self) -> str:
        return f"start_dim={self.start_dim}, end_dim={self.end_dim}"


class Unflatten(Module):
    """Dimension `dim` split into `unflattened_size`, of which one may be -1 (torch.nn.Unflatten)."""

    def __init__(self, dim: int, unflattened_size: Sequence[int]) -> None:
        super().__init__()
        sizes = unflattened_size if isinstance(unflattened_size, (tuple, list)) else (unflattened_size,)
        self.dim = index_of("dim", dim)
        self.unflattened_size = tuple(index_of("unflattened_size", size) for size in sizes)

    def forward(self, input: Tensor) -> Tensor:
        axis = axis_of(self.dim, input.ndim, "Unflatten")
        return input.view(*input.shape[:axis], *self.unflattened_size, *input.shape[axis + 1 :])

    def extra_repr(self) -> str:
        return f"dim={self.dim}, unflattened_size={self.unflattened_size}"
