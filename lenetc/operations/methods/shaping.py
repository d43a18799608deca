"""The changes of shape as methods of Tensor."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lenetc.operations import shaping

if TYPE_CHECKING:
    from ir.dims import Dim
    from lenetc.tensors.tensor import Tensor


class ShapingMethods:
    __slots__ = ()

    adjoint = shaping.adjoint
    as_strided = shaping.as_strided
    broadcast_to = shaping.broadcast_to
    chunk = shaping.chunk
    contiguous = shaping.contiguous
    diag = shaping.diag
    diag_embed = shaping.diag_embed
    diagflat = shaping.diagflat
    diagonal = shaping.diagonal
    diagonal_scatter = shaping.diagonal_scatter
    dsplit = shaping.dsplit
    element_size = shaping.element_size
    expand = shaping.expand
    expand_as = shaping.expand_as
    flatten = shaping.flatten
    flip = shaping.flip
    fliplr = shaping.fliplr
    flipud = shaping.flipud
    hsplit = shaping.hsplit
    is_contiguous = shaping.is_contiguous
    moveaxis = shaping.moveaxis
    movedim = shaping.movedim
    narrow = shaping.narrow
    narrow_copy = shaping.narrow_copy
    permute = shaping.permute
    ravel = shaping.ravel
    repeat = shaping.repeat
    repeat_interleave = shaping.repeat_interleave
    reshape = shaping.reshape
    reshape_as = shaping.reshape_as
    roll = shaping.roll
    rot90 = shaping.rot90
    select = shaping.select
    select_scatter = shaping.select_scatter
    slice_scatter = shaping.slice_scatter
    split = shaping.split
    split_with_sizes = shaping.split_with_sizes
    squeeze = shaping.squeeze
    storage_offset = shaping.storage_offset
    stride = shaping.stride
    swapaxes = shaping.swapaxes
    swapdims = shaping.swapdims
    tensor_split = shaping.tensor_split
    tile = shaping.tile
    trace = shaping.trace
    transpose = shaping.transpose
    tril = shaping.tril
    triu = shaping.triu
    unbind = shaping.unbind
    unflatten = shaping.unflatten
    unfold = shaping.unfold
    unsqueeze = shaping.unsqueeze
    view = shaping.view
    view_as = shaping.view_as
    vsplit = shaping.vsplit
    t = shaping.transposed

    @property
    def T(self) -> Tensor:
        """All dimensions in reverse order."""
        return shaping.reversed_dims(self)  # type: ignore[arg-type]

    @property
    def mT(self) -> Tensor:
        """The last two dimensions exchanged."""
        return shaping.matrix_transposed(self)  # type: ignore[arg-type]

    @property
    def H(self) -> Tensor:
        """The transpose of a matrix."""
        return shaping.hermitian(self)  # type: ignore[arg-type]

    @property
    def mH(self) -> Tensor:
        """As mT: the numbers are real."""
        return shaping.matrix_transposed(self)  # type: ignore[arg-type]

    def nelement(self) -> Dim:
        """Number of elements."""
        return shaping.numel(self)  # type: ignore[arg-type]

    def ndimension(self) -> int:
        """Number of dimensions."""
        return self.ndim  # type: ignore[attr-defined, no-any-return]
