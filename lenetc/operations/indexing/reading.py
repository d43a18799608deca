"""x[index]."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

import lenetc.tensors.tensor as t
from ir import ops
from ir.node import Node
from ir.types import i32, i64
from lenetc.operations.indexing.places import Places
from lenetc.operations.indexing.selection import Selection, is_slices, selection
from lenetc.operations.shaping.slicing import put, taken
from lenetc.tensors.present import present, tensor_of, view_of
from lenetc.tensors.views import Read

if TYPE_CHECKING:
    from lenetc.tensors.tensor import Tensor


def getitem(x: Tensor, index: Any) -> Tensor:
    """x[index] for ints, slices with positive steps, None, ..., bools, and tensors or lists of integers or bools.

    Raises BoundsError, an IndexError, for what is out of range, UnsupportedError for a mask in a compiled function:
    the shape depends on its values.
    """
    picked = _picked(x, index)
    if picked is not None:
        return picked
    chosen = selection(x, index)
    positions = chosen.positions()
    shape = tuple(chosen.shape)
    places = (
        Places.of(shape, [axis for axis, _ in positions], [tuple(i.shape) for _, i in positions])
        if positions
        else None
    )
    known: list[Node] = []

    cut = _cut(chosen)

    def build(a: Node, *nodes: Node) -> Node:
        known[:] = nodes
        return cut(a) if places is None else places.read(cut(a), nodes)

    def restored(base: Node, value: Node) -> Node:
        part = value if places is None else places.write(cut(base), value, known)
        return put(base, part, chosen.bounds)

    name = "IndexBackward0" if positions else "SelectBackward0" if len(shape) < x.ndim else "SliceBackward0"
    is_copy = any(tensor.ndim for _, tensor in positions)  # of a scalar position PyTorch makes a view
    tensors = [tensor for _, tensor in positions]
    return t.apply(name, build, x, *tensors, saves=bool(tensors), view=False if is_copy else restored)


def _cut(chosen: Selection) -> Read:
    """What the slices of a selection take of a node."""
    shape = tuple(chosen.shape)

    def cut(a: Node) -> Node:
        part = taken(a, chosen.bounds)
        return part if part.shape == shape else ops.reshape(part, shape=shape)

    return cut


def _picked(x: Tensor, index: Any) -> Tensor | None:
    """x[index] for ints, slices, None and ..., or one tensor of positions, of values that are there already; None for
    all else."""
    if isinstance(index, t.Tensor):
        return _rows(x, index)
    if not is_slices(index):
        return None
    array = present(x)
    if array is None:
        return None
    try:
        part = array[index]
    except IndexError:
        return None  # to be refused in our words

    def read(a: Node) -> Node:
        return _cut(selection(x, index))(a)

    def write(base: Node, value: Node) -> Node:
        return put(base, value, selection(x, index).bounds)

    return view_of(x, np.asarray(part), read, write)


def _rows(x: Tensor, index: Tensor) -> Tensor | None:
    if index.dtype not in (i32, i64) or not index.ndim or not x.ndim:
        return None
    arrays = present(x), present(index)
    if arrays[0] is None or arrays[1] is None:
        return None
    try:
        return tensor_of(arrays[0][arrays[1]], x)
    except IndexError:
        return None  # to be refused in our words
