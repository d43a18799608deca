"""The changes of shape as methods of Tensor."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lenetc.operations.shaping import diagonals, moving, repeating, slicing, splitting, triangles, viewing

if TYPE_CHECKING:
    from ir.dims import Dim
    from lenetc.tensors.tensor import Tensor


class ShapingMethods:
    __slots__ = ()

    adjoint = moving.adjoint
    as_strided = viewing.as_strided
    broadcast_to = repeating.broadcast_to
    chunk = splitting.chunk
    contiguous = viewing.contiguous
    diag = diagonals.diag
    diag_embed = diagonals.diag_embed
    diagflat = diagonals.diagflat
    diagonal = diagonals.diagonal
    diagonal_scatter = diagonals.diagonal_scatter
    dsplit = splitting.dsplit
    expand = repeating.expand
    expand_as = repeating.expand_as
    flatten = viewing.flatten
    flip = moving.flip
    fliplr = moving.fliplr
    flipud = moving.flipud
    hsplit = splitting.hsplit
    is_contiguous = viewing.is_contiguous
    moveaxis = moving.moveaxis
    movedim = moving.movedim
    narrow = slicing.narrow
    narrow_copy = slicing.narrow_copy
    permute = moving.permute
    ravel = viewing.ravel
    repeat = repeating.repeat
    repeat_interleave = repeating.repeat_interleave
    reshape = viewing.reshape
    reshape_as = viewing.reshape_as
    roll = moving.roll
    rot90 = moving.rot90
    select = slicing.select
    select_scatter = slicing.select_scatter
    slice_scatter = slicing.slice_scatter
    split = splitting.split
    split_with_sizes = splitting.split_with_sizes
    squeeze = viewing.squeeze
    storage_offset = viewing.storage_offset
    stride = viewing.stride
    swapaxes = moving.swapaxes
    swapdims = moving.swapdims
    tensor_split = splitting.tensor_split
    tile = repeating.tile
    trace = diagonals.trace
    transpose = moving.transpose
    tril = triangles.tril
    triu = triangles.triu
    unbind = splitting.unbind
    unflatten = viewing.unflatten
    unfold = slicing.unfold
    unsafe_chunk = splitting.chunk
    unsafe_split = splitting.split
    unsafe_split_with_sizes = splitting.split_with_sizes
    unsqueeze = viewing.unsqueeze
    view = viewing.view
    view_as = viewing.view_as
    vsplit = splitting.vsplit
    t = moving.transposed

    @property
    def T(self) -> Tensor:
        """All dimensions in reverse order."""
        return moving.reversed_dims(self)  # type: ignore[arg-type]

    @property
    def mT(self) -> Tensor:
        """The last two dimensions exchanged."""
        return moving.matrix_transposed(self)  # type: ignore[arg-type]

    @property
    def H(self) -> Tensor:
        """The transpose of a matrix."""
        return moving.hermitian(self)  # type: ignore[arg-type]

    @property
    def mH(self) -> Tensor:
        """As mT: the numbers are real."""
        return moving.matrix_transposed(self)  # type: ignore[arg-type]

    def nelement(self) -> Dim:
        """Number of elements."""
        return viewing.numel(self)  # type: ignore[arg-type]

    def ndimension(self) -> int:
        """Number of dimensions."""
        return self.ndim  # type: ignore[attr-defined, no-any-return]
