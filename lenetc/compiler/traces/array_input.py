"""What stands for a NumPy array among the arguments: a tensor, for tensor operations, that says it is an array."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from ir.node import Node
from ir.types import dtype_of
from lenetc.evaluation.cell import Cell
from lenetc.evaluation.tracing import is_ours
from lenetc.tensors.tensor import Tensor


class ArrayInput(Tensor):
    """A tensor that is a NumPy array to who asks `isinstance`, with those methods of arrays that tensors lack."""

    __slots__ = ()

    @classmethod
    def of(cls, node: Node) -> ArrayInput:
        made = cls.__new__(cls)
        made._init(Cell(node.ty, node))
        return made

    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        return ArrayInput if is_ours(sys._getframe(1).f_code.co_filename) else np.ndarray

    def astype(self, dtype: Any, copy: bool = True) -> Tensor:
        """The values in another dtype, as numpy.ndarray.astype."""
        made = self.to(dtype_of(np.empty(0, dtype)))
        return made.clone() if copy else made

    def copy(self) -> Tensor:
        """The values as a tensor of their own."""
        return self.clone()
