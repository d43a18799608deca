"""Parameter: a tensor that a module registers when it is assigned to an attribute."""

from __future__ import annotations

from typing import Any

from lenetc.operations.creation import empty
from lenetc.tensors.tensor import Tensor


class Parameter(Tensor):
    """A leaf tensor that training changes (torch.nn.Parameter). It shares the storage of `data`.

    Raises LenetcError for `requires_grad` with a dtype that is not floating point.
    """

    __slots__ = ()

    def __init__(self, data: Any = None, requires_grad: bool = True) -> None:
        source = empty(0) if data is None else data
        self._init((source if isinstance(source, Tensor) else Tensor(source))._cell)
        self.requires_grad_(requires_grad)

    def __repr__(self) -> str:
        return f"Parameter containing:\n{super().__repr__()}"
