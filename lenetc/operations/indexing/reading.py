"""x[index]."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import lenetc.tensors.tensor as t
from ir import ops
from ir.node import Node
from lenetc.operations.indexing.places import Places
from lenetc.operations.indexing.selection import selection
from lenetc.operations.shaping.slicing import put, taken

if TYPE_CHECKING:
    from lenetc.tensors.tensor import Tensor


def getitem(x: Tensor, index: Any) -> Tensor:
    """x[index] for ints, slices with positive steps, None, ..., bools, and tensors or lists of integers or bools.

    Raises BoundsError, an IndexError, for what is out of range, UnsupportedError for a mask in a compiled function:
    the shape depends on its values.
    """
    chosen = selection(x, index)
    positions = chosen.positions()
    shape = tuple(chosen.shape)
    places = (
        Places.of(shape, [axis for axis, _ in positions], [tuple(i.shape) for _, i in positions])
        if positions
        else None
    )
    known: list[Node] = []

    def cut(a: Node) -> Node:
        part = taken(a, chosen.bounds)
        return part if part.shape == shape else ops.reshape(part, shape=shape)

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
