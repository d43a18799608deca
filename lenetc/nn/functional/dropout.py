"""Dropout: of elements, of channels, and what keeps the mean and the variance of normal numbers.

A mask is part of the graph: a compiled program draws a new one in every run.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from ir import ops
from ir.dims import Dim
from ir.errors import DTypeError, ShapeError
from ir.node import Node, building_at
from lenetc.evaluation import random
from lenetc.evaluation.tracing import here, where_now
from lenetc.nn.functional.activation import warn
from lenetc.operations import elementwise, in_place
from lenetc.tensors.arrays import need_number
from lenetc.tensors.tensor import Tensor, require_tensors

_SELU = (
    1.7580993408473766  # the value of SELU far left: Klambauer et al., Self-normalizing neural networks, 2017
)


def check_share(what: str, p: float) -> None:
    """Raise ValueError unless 0 <= p <= 1."""
    need_number(what, "p", p)
    if not 0 <= p <= 1:
        raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")


def _check(what: str, input: Tensor, p: float) -> None:
    require_tensors(what, input)
    check_share(what, p)


def _kept(what: str, input: Tensor, shape: Sequence[Dim], p: float) -> Node:
    """1 with probability 1 - p, else 0. Raises DTypeError for an input that is not floating point."""
    if not input.dtype.is_float:
        raise DTypeError(f"{what}: needs floating point, but the input is {input.type_text()}").at(here())
    if p == 1:
        return ops.broadcast_to(ops.scalar(0, input.dtype), shape=tuple(shape))
    return random.kept_node(p, shape, input.dtype)


def _dropped(
    what: str, input: Tensor, shape: Sequence[Dim], p: float, training: bool, inplace: bool
) -> Tensor:
    """`input` times a mask of `shape`, which is scaled so that the mean stays."""
    if not training or p == 0:
        return input
    with building_at(where_now()):
        mask = Tensor._from_node(_kept(what, input, shape, p) * (1 / (1 - p) if p < 1 else 0.0))
    return in_place.mul_(input, mask) if inplace else elementwise.mul(input, mask)


def dropout(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """In training, zeros with probability p, the rest scaled by 1/(1-p) (torch.nn.functional.dropout).

    Raises ValueError unless 0 <= p <= 1, DTypeError for an input that is not floating point.
    """
    _check("dropout", input, p)
    return _dropped("dropout", input, tuple(input.shape), p, training, inplace)


def _of_channels(input: Tensor, axes: int) -> tuple[Dim, ...]:
    """The shape of a mask that is one number for each index of the first `axes` axes."""
    return tuple(size if axis < axes else 1 for axis, size in enumerate(input.shape))


def dropout1d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Dropout of whole channels of [N,C,L] or [C,L] (torch.nn.functional.dropout1d).

    Raises ShapeError for another rank, ValueError unless 0 <= p <= 1.
    """
    _check("dropout1d", input, p)
    if input.ndim not in (2, 3):
        raise ShapeError(f"dropout1d: needs 2 or 3 dimensions, [N,C,L] or [C,L], not {input.type_text()}").at(
            here()
        )
    return _dropped("dropout1d", input, _of_channels(input, input.ndim - 1), p, training, inplace)


def dropout2d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Dropout of whole channels of [N,C,H,W], and of [N,C,L] (torch.nn.functional.dropout2d).

    Raises ShapeError for fewer than 2 dimensions, ValueError unless 0 <= p <= 1.
    """
    _check("dropout2d", input, p)
    if input.ndim not in (3, 4):
        warn(f"dropout2d: received a {input.ndim}-D input, where [N,C,H,W] is meant; use dropout instead")
    _need_channels("dropout2d", input)
    if input.ndim == 3:
        warn(
            "dropout2d: a 3-D input is taken for [N,C,L], as PyTorch takes it for now; use dropout1d instead"
        )
    return _dropped("dropout2d", input, _of_channels(input, 2), p, training, inplace)


def _need_channels(what: str, input: Tensor) -> None:
    if input.ndim < 2:
        raise ShapeError(
            f"{what}: dropout of channels needs at least 2 dimensions, not {input.type_text()}"
        ).at(here())


def dropout3d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Dropout of whole channels of [N,C,D,H,W] or [C,D,H,W] (torch.nn.functional.dropout3d).

    Raises ValueError unless 0 <= p <= 1.
    """
    _check("dropout3d", input, p)
    if input.ndim not in (4, 5):
        warn(f"dropout3d: received a {input.ndim}-D input, where [N,C,D,H,W] is meant; use dropout instead")
    return _dropped(
        "dropout3d", input, _of_channels(input, 2 if input.ndim == 5 else 1), p, training, inplace
    )


def _alpha(what: str, input: Tensor, shape: Sequence[Dim], p: float, training: bool, inplace: bool) -> Tensor:
    """What is dropped becomes SELU's lowest value; then all is scaled and moved so that mean and variance stay."""
    if not training or p == 0:
        return input
    if p == 1:
        return _dropped(what, input, shape, p, training, inplace)
    scale = 1 / math.sqrt((_SELU**2 * p + 1) * (1 - p))
    with building_at(where_now()):
        kept = _kept(what, input, shape, p)
        factor = Tensor._from_node(kept * scale)
        offset = Tensor._from_node((kept - 1.0) * (_SELU * scale) + _SELU * scale * p)
    if inplace:
        return in_place.add_(in_place.mul_(input, factor), offset)
    return elementwise.add(elementwise.mul(input, factor), offset)


def alpha_dropout(input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False) -> Tensor:
    """Dropout for SELU, which keeps mean and variance (torch.nn.functional.alpha_dropout).

    Raises ValueError unless 0 <= p <= 1, DTypeError for an input that is not floating point.
    """
    _check("alpha_dropout", input, p)
    return _alpha("alpha_dropout", input, tuple(input.shape), p, training, inplace)


def feature_alpha_dropout(
    input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False
) -> Tensor:
    """alpha_dropout of whole channels of [N,C,*] (torch.nn.functional.feature_alpha_dropout).

    Raises ShapeError for fewer than 2 dimensions in training, ValueError unless 0 <= p <= 1.
    """
    _check("feature_alpha_dropout", input, p)
    if training and p != 0:
        _need_channels("feature_alpha_dropout", input)
    return _alpha("feature_alpha_dropout", input, _of_channels(input, 2), p, training, inplace)
