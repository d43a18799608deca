"""What a tensor says of itself without being looked at: sizes, dtype, place."""

from __future__ import annotations

from typing import Any

from ir.dims import Dim
from ir.types import DType
from lenetc.evaluation import lazy
from lenetc.evaluation.cell import Cell
from lenetc.runtime.device import device
from lenetc.tensors import formats
from lenetc.tensors.arrays import axis_of
from lenetc.tensors.size import Size


class Described:
    """The part of a Tensor that its cell's type tells."""

    __slots__ = ()

    _cell: Cell

    @property
    def shape(self) -> Size:
        """The sizes (torch.Tensor.shape); dims of a trace may be symbols."""
        return Size(self._cell.type.shape)

    @property
    def dtype(self) -> DType:
        """What kind of numbers these are (torch.Tensor.dtype)."""
        return self._cell.type.dtype

    @property
    def ndim(self) -> int:
        """How many dimensions there are (torch.Tensor.ndim)."""
        return self._cell.type.rank

    def type_text(self) -> str:
        """Type as messages show it, e.g. f32[6,1,5,5]."""
        return str(self._cell.type)

    @property
    def device(self) -> device:
        """Where lazy programs compute this (torch.Tensor.device)."""
        return device(lazy.default_device())

    @property
    def is_cuda(self) -> bool:
        """Whether it is computed on CUDA (torch.Tensor.is_cuda)."""
        return self.device.type == "cuda"

    @property
    def is_cpu(self) -> bool:
        """Whether it is computed on the CPU (torch.Tensor.is_cpu)."""
        return self.device.type == "cpu"

    @property
    def is_mps(self) -> bool:
        """False: neither this device nor these kinds of tensors are here."""
        return False

    is_xpu = is_meta = is_sparse = is_quantized = is_mkldnn = is_nested = is_mps

    @property
    def layout(self) -> formats.layout:
        """Strided, as all tensors here are (torch.Tensor.layout)."""
        return formats.strided

    def size(self, dim: int | None = None) -> Any:
        """The shape, or the size of one dimension."""
        return self.shape if dim is None else self._cell.type.shape[axis_of(dim, self.ndim, "size")]

    def dim(self) -> int:
        """How many dimensions there are (torch.Tensor.dim)."""
        return self.ndim

    def numel(self) -> Dim:
        """Number of elements."""
        return self._cell.type.size

    def __len__(self) -> int:
        if not self.ndim:
            raise TypeError("len() of a 0-d tensor")
        return int(self._cell.type.shape[0])
