"""x[index] = value."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

import lenetc.tensors.tensor as t
from ir import ops
from ir.dims import Dim
from ir.errors import DTypeError, ShapeError
from ir.node import Node
from ir.types import bf16, bool_
from lenetc.evaluation.tracing import here
from lenetc.operations.indexing.places import Places
from lenetc.operations.indexing.selection import Selection, is_slices, selection
from lenetc.operations.shaping.slicing import put, taken, unchanged
from lenetc.tensors.arrays import array_of
from lenetc.tensors.convert import as_tensor, number_for
from lenetc.tensors.present import present

if TYPE_CHECKING:
    from lenetc.tensors.tensor import Tensor

_SMALL = 1 << 20  # bytes that are copied at each change rather than all changes be made in one run


def setitem(x: Tensor, index: Any, value: Any) -> None:
    """x[index] = value, in place, for every index that x[index] takes.

    value: a number, or a tensor or array that broadcasts to what the index takes. Where an index occurs twice the
    last value stays, and each gets the gradient, as PyTorch's. A mask takes one number in a compiled function too.
    Raises BoundsError for what is out of range, ShapeError for a value that does not fit, DTypeError for one of
    another dtype where PyTorch does, UnsupportedError for a mask with other values in a compiled function.
    """
    if _put_at_once(x, index, value):
        return
    chosen = selection(x, index)
    source = _source(x, value, chosen)
    name = "IndexPutBackward0" if chosen.tensors else "CopySlices"
    if not chosen.tensors and chosen.is_whole(x.shape):
        name = "CopyBackwards"
    x._change("__setitem__", assigned("__setitem__", name, x, chosen, source))


def _put_at_once(x: Tensor, index: Any, value: Any) -> bool:
    """Put a number, or values that are there already, into a small tensor whose values are: whether that was done."""
    if not is_slices(index) or x._shares or x._is_detached or x._cell.has_history or x.dtype is bf16:
        return False
    if type(value) in (bool, int, float):
        number: Any = number_for(x.dtype, value)
    elif isinstance(value, t.Tensor) and value.dtype is x.dtype:
        number = present(value)
    else:
        return False
    array = present(x)
    if number is None or array is None or array.nbytes > _SMALL:
        return False
    changed = array.copy()
    try:
        with np.errstate(over="ignore"):  # which gives infinity
            changed[index] = number
    except (IndexError, ValueError, OverflowError):
        return False  # to be refused in our words
    x._cell.set_value(changed)
    return True


def assigned(
    what: str, name: str, x: Tensor, chosen: Selection, source: Tensor, accumulate: bool = False
) -> Tensor:
    """x with `source` in the place of what was chosen, or added there."""
    masks = [i for _, i in chosen.tensors if i.dtype is bool_]
    if len(masks) == len(chosen.tensors) == 1 and source.numel() == 1 and not accumulate:
        return _with_number(what, name, x, masks[0], chosen, source)
    positions = chosen.positions()
    shape = tuple(chosen.shape)
    places = (
        Places.of(shape, [axis for axis, _ in positions], [tuple(i.shape) for _, i in positions])
        if positions
        else None
    )

    def build(a: Node, given: Node, *nodes: Node) -> Node:
        if places is None:
            return put(a, fitted(what, given, shape), chosen.bounds)
        value = fitted(what, given, places.result())
        if any(size == 0 for size in value.shape):
            return unchanged(a, given)
        return put(a, places.write(_part(a, chosen), value, nodes, accumulate), chosen.bounds)

    tensors = [tensor for _, tensor in positions]
    return t.apply(name, build, x, source, *tensors, edges=(x, source) if tensors else None)


def _part(a: Node, chosen: Selection) -> Node:
    """What the bounds take of `a`, of the shape chosen."""
    part, shape = taken(a, chosen.bounds), tuple(chosen.shape)
    return part if part.shape == shape else ops.reshape(part, shape=shape)


def _with_number(what: str, name: str, x: Tensor, mask: Tensor, chosen: Selection, source: Tensor) -> Tensor:
    """One number wherever a mask is true; no value of the mask has to be known."""
    ((first, _),) = chosen.tensors
    covered = max(mask.ndim, 1)
    spread = (*(1,) * first, *(tuple(mask.shape) or (1,)), *(1,) * (len(chosen.shape) - first - covered))

    def build(a: Node, m: Node, v: Node) -> Node:
        part = _part(a, chosen)
        number = ops.reshape(v, shape=())
        return put(a, ops.where(ops.reshape(m, shape=spread), number, part), chosen.bounds)

    fitted(what, source.node, (1,) * max(len(chosen.shape) - covered + 1, 1))
    return t.apply(name, build, x, mask, source, edges=(x, source))


def _source(x: Tensor, value: Any, chosen: Selection) -> Tensor:
    """`value` as a tensor of x's dtype."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, (bool, int, float)):
        return as_tensor(number_for(x.dtype, value), x.dtype)
    if not isinstance(value, t.Tensor):
        return t.Tensor._from_array(array_of(value)).to(x.dtype)
    masked = [i.dtype for _, i in chosen.tensors] == [bool_] and value.numel() == 1
    by_place = any(i.ndim or i.dtype is bool_ for _, i in chosen.tensors)
    if by_place and not masked and value.dtype is not x.dtype:
        raise DTypeError(
            f"__setitem__: assigning through a tensor needs one dtype, but the tensor is {x.type_text()} and the "
            f"value {value.type_text()}; convert it with .to({x.dtype!r})"
        ).at(here())
    return value.to(x.dtype)


def fitted(what: str, value: Node, shape: Sequence[Dim]) -> Node:
    """`value` broadcast to `shape`; leading axes of size 1 more than that are dropped, as in PyTorch."""
    own = list(value.shape)
    while len(own) > len(shape) and own[0] == 1:
        own.pop(0)
    if len(own) > len(shape) or any(
        a not in (1, b) for a, b in zip(reversed(own), reversed(shape), strict=False)
    ):
        raise ShapeError(
            f"{what}: shape mismatch: the value {value.type} cannot be broadcast to what the index takes, "
            f"which has shape [{', '.join(map(str, shape))}]"
        ).at(here())
    value = value if tuple(own) == value.shape else ops.reshape(value, shape=tuple(own))
    return value if value.shape == tuple(shape) else ops.broadcast_to(value, shape=tuple(shape))
