"""In-place changes of a tensor: a new value for its cell, or for that of the tensor it is a view of."""

from __future__ import annotations

import functools

import numpy as np

from ir import ops
from ir.errors import DTypeError, LenetcError, ShapeError
from ir.node import Node
from lenetc.evaluation.cell import Context, Counts, fresh_uid
from lenetc.evaluation.tracing import here
from lenetc.tensors.grad_fn import is_grad_enabled
from lenetc.tensors.tensor import Tensor, apply
from lenetc.tensors.views import View


def change(self: Tensor, name: str, value: Tensor) -> Tensor:
    """Let `value`, computed from this tensor, be its value from now on."""
    base = None
    if self._shares:
        base = self._view.base() if self._view is not None and callable(self._view.write) else None
        if base is None:
            raise LenetcError(
                f"{name}: in-place changes of {self._shares} would not reach the tensor it was taken from; "
                "write `x = x.operation(...)`, or change the whole tensor"
            ).at(here())
    if value.shape != self.shape:
        raise ShapeError(
            f"{name}: the result has shape {list(value.shape)}, the tensor {list(self.shape)}"
        ).at(here())
    if is_grad_enabled() and self._requires_grad and self._grad_fn is None:
        raise LenetcError(
            f"{name}: a leaf variable that requires grad is being used in an in-place operation; use "
            "no_grad() or .data"
        ).at(here())
    if is_grad_enabled() and self._is_leaf_view():
        raise LenetcError(
            f"{name}: a view was created in no_grad mode and is being modified inplace with grad mode enabled; do both "
            "inside of no_grad(), or both outside"
        ).at(here())
    if value.dtype is not self.dtype:
        raise DTypeError(
            f"{name}: the result is {value.type_text()}, which cannot be stored in {self.type_text()}"
        ).at(here())
    trace = Context.trace
    if base is not None and trace is not None and trace.is_fed(self._cell):
        trace.before_argument_changes(self)
    if base is not None and (trace is None or not trace.is_fed(self._cell)):
        return _change_base(self, name, base, value)
    if trace is not None and self._cell.trace is not trace:
        trace.changed(self)
    self._cell.node = _with_history(self, value)
    if value._grad_fn is not None:
        if self._grad_fn is None:
            Counts.epoch += 1  # compiled functions may have read it without history
        self._set_grad_fn(value._grad_fn)
        self._is_detached = False
    return self


def _with_history(self: Tensor, value: Tensor) -> Node:
    """The node of `value` with the gradient that there has to be: what is not recorded changes no history, and what
    is overwritten has a gradient of zeros."""
    node = value.node
    if value._grad_fn is not None or not node.dtype.is_float:
        return node
    if not self._cell.has_history:
        # An identity of its own: leaves that are given equal values must not share a gradient.
        is_own = self._cell.trace is not None and not self._requires_grad
        return node if is_own else ops.alias(node, uid=fresh_uid())
    before = self._cell.node
    if self._is_detached or not is_grad_enabled():
        return ops.with_gradient(node, before)
    return ops.where(ops.literal(np.True_), node, before)


def _change_base(self: Tensor, name: str, base: Tensor, value: Tensor) -> Tensor:
    """Let `value` be that of this view: the base changes where the view shows it."""
    view = self._view
    assert view is not None and callable(view.write)
    write = view.write

    def written(whole: Node, part: Node) -> Node:  # what is overwritten altogether has a gradient of zeros
        found = write(whole, part)
        return ops.where(ops.literal(np.True_), found, whole) if base.requires_grad else found

    change(base, name, apply("CopySlices", written, base, value))
    if is_grad_enabled() and not self._is_detached and not self._is_read_through():
        self._cell.node = value.node
        view.seen = view.cell.present()
        if value._grad_fn is not None:
            self._set_grad_fn(value._grad_fn)
    return self


def become(self: Tensor, value: Tensor) -> None:
    """Be `value`, a view of this tensor, from now on: the same elements under another shape."""
    view = value._view
    assert view is not None
    if self._view is None:
        base = Tensor._from_cell(self._cell)
        base._grad_fn, base._is_detached = self._grad_fn, self._is_detached
        view = View(base, view.read, view.write, view.is_tracked)
    self._cell, self._grad_fn, self._view, self._shares = value._cell, value._grad_fn, view, value._shares


def forget_history(self: Tensor) -> None:
    """Be a leaf that does not require grad."""
    trace = Context.trace
    if trace is not None and self._cell.trace is not trace:
        for name in ("_grad_fn", "_is_detached", "_requires_grad"):
            trace.before_change(functools.partial(setattr, self, name, getattr(self, name)))
    self._grad_fn, self._is_detached, self._requires_grad = None, True, False
    Counts.epoch += 1
