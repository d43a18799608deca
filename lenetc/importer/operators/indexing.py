"""Elements picked and put by index."""

from __future__ import annotations

from lenetc.importer.registry import operator
from lenetc.tensors.tensor import Tensor


@operator
def Gather(x: Tensor, indices: Tensor, /, *, axis: int = 0) -> Tensor:
    """Negative indices count from the end."""
    size = x.shape[axis]
    flat = indices.reshape(-1)
    found = x.index_select(axis, (flat < 0).to(flat.dtype) * size + flat)
    axis = axis % x.ndim
    return found.reshape([*x.shape[:axis], *indices.shape, *x.shape[axis + 1 :]])
