"""Optimizers of PyTorch's that nothing here can use."""

from __future__ import annotations

from typing import Any

from ir.errors import UnsupportedError
from lenetc.optim.optimizer.base import Optimizer


class SparseAdam(Optimizer):
    """Raises UnsupportedError: gradients are never sparse here (torch.optim.SparseAdam)."""

    def __init__(self, params: Any, *args: Any, **kwargs: Any) -> None:
        raise UnsupportedError(
            "SparseAdam is for sparse gradients, which there are none of here; use Adam, whose gradients of embeddings "
            "are dense"
        )
