"""The changes of shape as methods of Tensor."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lenetc.operations import shaping

if TYPE_CHECKING:
    from lenetc.tensors.tensor import Tensor


class ShapingMethods:
    __slots__ = ()

    view = shaping.view
    reshape = shaping.reshape
    view_as = shaping.view_as
    flatten = shaping.flatten
    squeeze = shaping.squeeze
    unsqueeze = shaping.unsqueeze
    permute = shaping.permute
    transpose = shaping.transpose
    expand = shaping.expand
    expand_as = shaping.expand_as
    contiguous = shaping.contiguous
    gather = shaping.gather
    index_select = shaping.index_select
    split = shaping.split
    chunk = shaping.chunk
    tril = shaping.tril
    t = shaping.transposed

    @property
    def T(self) -> Tensor:
        """All dimensions in reverse order."""
        return shaping.permute(self, *reversed(range(self.ndim)))  # type: ignore[attr-defined, arg-type]
