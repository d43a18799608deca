"""Elements picked by their places. Places below 0 count from the end."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ir.dims import Dim, product
from ir.errors import ShapeError
from lenetc.evaluation.ranges import require_range
from lenetc.importer.registry import operator
from lenetc.importer.values import Value, is_symbolic, to_tensor
from lenetc.operations import creation
from lenetc.operations import elementwise as E
from lenetc.tensors.tensor import Tensor


@operator
def Gather(x: Tensor, indices: Value, /, *, axis: int = 0) -> Tensor:
    if isinstance(indices, np.ndarray) and not indices.ndim and not is_symbolic(indices):
        return x.select(axis, int(indices))
    at = to_tensor(indices)
    found = x.index_select(axis, from_front("Gather", at.reshape([-1]), x, axis))
    axis = axis % x.ndim
    return found.reshape([*x.shape[:axis], *at.shape, *x.shape[axis + 1 :]])


def from_front(what: str, places: Tensor, x: Tensor, axis: int) -> Tensor:
    """`places` along an axis of x, counted from the front."""
    size = x.shape[axis]
    if isinstance(size, int):
        where = f"dimension {axis} of {x.type_text()}"
        require_range(what, "index", places, size, None, where, low=-size)
    return E.where(places < 0, places + size, places)


@operator
def GatherElements(x: Tensor, indices: Tensor, /, *, axis: int = 0) -> Tensor:
    return x.gather(axis, from_front("GatherElements", indices, x, axis))


@operator
def GatherND(x: Tensor, indices: Tensor, /, *, batch_dims: int = 0) -> Tensor:
    """indices: [..., k], a place in k axes of x behind the first batch_dims, which both have."""
    places, rest = in_rows("GatherND", x, indices, batch_dims)
    found = x.reshape([product(tuple(x.shape[: x.ndim - len(rest)])), *rest]).index_select(0, places)
    return found.reshape([*indices.shape[:-1], *rest])


def in_rows(what: str, x: Tensor, indices: Tensor, batch_dims: int = 0) -> tuple[Tensor, Sequence[Dim]]:
    """The places of `indices` among the rows of x, counted through, and the shape of a row."""
    depth = indices.shape[-1]
    if not isinstance(depth, int) or not 1 <= depth <= x.ndim - batch_dims:
        raise ShapeError(
            f"indices {indices.type_text()} are to have the places of 1 to {x.ndim - batch_dims} axes of "
            f"{x.type_text()} in their last axis"
        )
    own = [
        creation.arange(size).reshape([-1] + [1] * (indices.ndim - 2 - axis))
        for axis, size in enumerate(x.shape[:batch_dims])
    ]
    given = [
        from_front(what, indices.select(-1, i), x, batch_dims + i).to(creation.arange(1).dtype)
        for i in range(depth)
    ]
    total: Tensor | None = None
    for axis, places in enumerate([*own, *given]):
        total = places if total is None else total * x.shape[axis] + places
    assert total is not None
    return total.reshape([-1]), list(x.shape[batch_dims + depth :])


@operator
def ReverseSequence(
    x: Tensor, sequence_lens: Tensor, /, *, batch_axis: int = 1, time_axis: int = 0
) -> Tensor:
    """The first sequence_lens elements of each row of the batch, last first; the others as they are."""
    if {batch_axis, time_axis} != {0, 1}:
        raise ShapeError(f"batch and time are the axes 0 and 1, not {batch_axis} and {time_axis}")
    rest = [1] * (x.ndim - 2)
    time = creation.arange(x.shape[time_axis])
    time = time.reshape([-1, 1, *rest] if time_axis == 0 else [1, -1, *rest])
    length = sequence_lens.to(time.dtype).reshape([-1, 1, *rest] if batch_axis == 0 else [1, -1, *rest])
    places = E.where(time < length, length - 1 - time, time)
    return x.gather(time_axis, places.expand(x.shape))
