"""The in-place changes by index and of shape as methods of Tensor."""

from __future__ import annotations

from lenetc.operations import in_place_moves


class InPlaceMoves:
    __slots__ = ()

    as_strided_ = in_place_moves.as_strided_
    detach_ = in_place_moves.detach_
    fill_diagonal_ = in_place_moves.fill_diagonal_
    index_add_ = in_place_moves.index_add_
    index_copy_ = in_place_moves.index_copy_
    index_fill_ = in_place_moves.index_fill_
    index_put_ = in_place_moves.index_put_
    index_reduce_ = in_place_moves.index_reduce_
    masked_fill_ = in_place_moves.masked_fill_
    masked_scatter_ = in_place_moves.masked_scatter_
    put_ = in_place_moves.put_
    resize_ = in_place_moves.resize_
    resize_as_ = in_place_moves.resize_as_
    set_ = in_place_moves.set_
    scatter_ = in_place_moves.scatter_
    scatter_add_ = in_place_moves.scatter_add_
    scatter_reduce_ = in_place_moves.scatter_reduce_
    squeeze_ = in_place_moves.squeeze_
    swapaxes_ = in_place_moves.swapaxes_
    swapdims_ = in_place_moves.swapdims_
    t_ = in_place_moves.t_
    transpose_ = in_place_moves.transpose_
    tril_ = in_place_moves.tril_
    triu_ = in_place_moves.triu_
    unsqueeze_ = in_place_moves.unsqueeze_
