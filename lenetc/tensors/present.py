"""Values that are there already: what only picks or joins them is done at once, with NumPy, and needs no program. A
program for each sample that a dataset reads would cost a hundred times as much."""

from __future__ import annotations

from collections.abc import Sequence

import lenetc.tensors.tensor as t
from ir.types import Array, Type
from lenetc.evaluation import lazy
from lenetc.evaluation.cell import Cell, Context, lock
from lenetc.tensors.storage import share
from lenetc.tensors.views import Read, Write


def present(x: t.Tensor) -> Array | None:
    """The values of x, for reading only; None where they wait to be computed, are state that programs change or are on
    another device, in a compiled function, and where what is read has history."""
    if (
        Context.trace is not None
        or x._requires_grad
        or x._grad_fn is not None
        or lazy.default_device() != "cpu"
    ):
        return None
    with lock:
        if x._view is not None:
            x._refresh()
        cell = x._cell
        if not cell.is_known() or cell.catch_up is not None or cell.slot >= 0 or x._grad_fn is not None:
            return None
        return cell.held()


def tensor_of(array: Array, like: t.Tensor) -> t.Tensor:
    """A tensor of values that nobody changes, of the dtype of another one."""
    return t.Tensor._from_cell(Cell(Type(like.dtype, array.shape), value=array))


def view_of(x: t.Tensor, array: Array, read: Read, write: Write) -> t.Tensor:
    """What read(x) is as a view of x. array: its values."""
    view = tensor_of(array, x)
    view._shares = "a view"
    view._view = t._view_of(x, read, write)
    share(view._view.cell, view)
    return view


def all_present(tensors: Sequence[t.Tensor]) -> list[Array] | None:
    """The values of all, if they are there and of one dtype."""
    found = []
    for tensor in tensors:
        array = present(tensor) if tensor.dtype is tensors[0].dtype else None
        if array is None:
            return None
        found.append(array)
    return found
