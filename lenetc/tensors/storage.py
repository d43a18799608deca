"""Storage that several tensors show: which they are, and what becomes of them when one is given other data.

A cell is the storage. `tensor.data = value` gives the tensor other storage in PyTorch, and those that showed the old
one with it (what `detach()` and `.data` gave, a tensor that a Parameter was made of, views) keep that.
"""

from __future__ import annotations

import functools
import weakref
from typing import TYPE_CHECKING

from ir import ops
from ir.errors import LenetcError
from lenetc.evaluation.cell import Cell, Context, Counts, known
from lenetc.evaluation.tracing import Trace, tracing
from lenetc.tensors.grad_fn import set_grad_enabled

if TYPE_CHECKING:
    from lenetc.tensors.tensor import Tensor

_FEW = 8


def share(cell: Cell, *tensors: Tensor) -> None:
    """Note that `tensors` show `cell`."""
    held = cell.sharers
    if held is None:
        held = cell.sharers = {}
    elif len(held) >= _FEW and not len(held) & (len(held) - 1):
        for number in [number for number, tensor in held.items() if tensor() is None]:
            del held[number]
    for tensor in tensors:
        held[id(tensor)] = weakref.ref(tensor)


def others(tensor: Tensor) -> list[Tensor]:
    """The other tensors that show its storage, or a part of it."""
    cell = tensor._cell
    if not cell.sharers:
        return []
    held = [found for one in cell.sharers.values() if (found := one()) is not None and found is not tensor]
    return [x for x in held if x._cell is cell or (x._view is not None and x._view.cell is cell)]


def set_data(tensor: Tensor, value: Tensor) -> None:
    """Give `tensor` the values of `value`, and nobody else (torch.Tensor.data). Raises LenetcError in a compiled
    function where others show what it has changed or been given."""
    trace = Context.trace
    with set_grad_enabled(False):
        if trace is None:
            if others(tensor):
                tensor._cell = known(value._array())
                Counts.epoch += 1
                Counts.changes += 1
            elif value._cell.type == tensor._cell.type:
                tensor.detach().copy_(value)
            else:
                tensor._cell.become(value._cell.type, value._array())
            return
        if any(alias() is tensor for alias in trace.aliases):
            tensor._cell = Cell(value._cell.type, ops.stop_gradient(value.node))
            trace.made.append(weakref.ref(tensor))
            return
        if value._cell.type != tensor._cell.type:
            raise trace.refused(
                LenetcError(
                    f"a compiled function cannot give a {tensor.type_text()} another type in place, "
                    f"{value.type_text()}, by .data or by the dtype of a network: do it before, outside"
                )
            )
        _part(tensor, trace)
        if tensor._cell.trace is not trace:
            trace.given_data.append(tensor)
        alias = tensor.detach()
        alias.copy_(value)
        if alias._cell.sharers is not None:  # nobody sees it, but the trace keeps it
            alias._cell.sharers.pop(id(alias), None)


def _part(tensor: Tensor, trace: Trace) -> None:
    """Let the others that show the storage of `tensor` keep what it is now."""
    cell = tensor._cell
    inside = {id(alias()) for alias in trace.aliases}
    for other in others(tensor):
        if other._view is not None:
            other._refresh()
        if other._cell.trace is trace and other._view is not None:
            other._view = None
        elif id(other) in inside:
            other._cell = Cell(cell.type, trace.read(cell))
            trace.made.append(weakref.ref(other))
        elif cell in trace.current or id(other) in trace.given:
            raise trace.refused(
                LenetcError(
                    f"data: a {tensor.type_text()} is given other data in a compiled function, while another tensor "
                    "outside shows the storage that it has (.data, detach(), a view): use copy_(), or do it outside"
                )
            )
        else:
            _part_outside(other, trace)


def _part_outside(other: Tensor, trace: Trace) -> None:
    for name in ("_cell", "_view"):
        trace.before_change(functools.partial(setattr, other, name, getattr(other, name)))
    with tracing(None):
        if other._view is not None:
            other._refresh()
            other._view = None
        else:
            other._cell = known(other._cell.numpy())
    Counts.epoch += 1
