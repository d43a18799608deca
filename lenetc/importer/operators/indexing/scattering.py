"""Elements put at places. Places below 0 count from the end."""

from __future__ import annotations

from ir.dims import product
from ir.errors import ShapeError
from lenetc.importer.operators.indexing.gathering import from_front, in_rows
from lenetc.importer.registry import operator
from lenetc.operations import creation
from lenetc.operations import elementwise as E
from lenetc.tensors.tensor import Tensor

_REDUCE = {"mul": "prod", "max": "amax", "min": "amin"}


@operator
def ScatterElements(
    x: Tensor, indices: Tensor, updates: Tensor, /, *, axis: int = 0, reduction: str = "none"
) -> Tensor:
    places = from_front("ScatterElements", indices, x, axis)
    if reduction == "none":
        return x.scatter(axis, places, updates)
    if reduction == "add":
        return x.scatter_add(axis, places, updates)
    return x.scatter_reduce(axis, places, updates, _way(reduction))


def _way(reduction: str) -> str:
    if reduction not in _REDUCE:
        raise ShapeError(f"reduction is none, add, mul, max or min, not {reduction!r}")
    return _REDUCE[reduction]


@operator
def Scatter(x: Tensor, indices: Tensor, updates: Tensor, /, *, axis: int = 0) -> Tensor:
    """ScatterElements, as it was called before opset 11."""
    return ScatterElements(x, indices, updates, axis=axis)


@operator
def ScatterND(x: Tensor, indices: Tensor, updates: Tensor, /, *, reduction: str = "none") -> Tensor:
    """indices: [..., k], places of rows in the first k axes of x."""
    places, rest = in_rows("ScatterND", x, indices)
    rows = x.reshape([product(tuple(x.shape[: x.ndim - len(rest)])), *rest])
    new = updates.expand([*indices.shape[:-1], *rest]).reshape([places.shape[0], *rest])
    if reduction == "none":
        found = rows.index_copy(0, places, new)
    elif reduction == "add":
        found = rows.index_add(0, places, new)
    else:
        found = rows.index_reduce(0, places, new, _way(reduction))
    return found.reshape(x.shape)


@operator
def TensorScatter(
    x: Tensor,
    update: Tensor,
    write_indices: Tensor | None = None,
    /,
    *,
    axis: int = -2,
    mode: str = "linear",
) -> Tensor:
    """update: x's shape but for `axis`, put there from write_indices (one a batch entry, zeros where absent) on; in
    the mode "circular" what is beyond the end begins again."""
    axis = axis % x.ndim
    length = update.shape[axis]
    at = creation.arange(length).reshape([-1] + [1] * (x.ndim - 1 - axis))
    if write_indices is not None:
        at = at + write_indices.reshape([-1] + [1] * (x.ndim - 1))
    if mode == "circular":
        at = E.remainder(at, x.shape[axis])
    elif mode != "linear":
        raise ShapeError(f"mode is linear or circular, not {mode!r}")
    return x.scatter(axis, at.expand(update.shape), update)
