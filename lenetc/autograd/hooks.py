"""Functions that are called with gradients as they pass (torch.Tensor.register_hook and its like)."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import lenetc.tensors.tensor as t
from ir.errors import LenetcError, ShapeError
from ir.node import Node
from lenetc.evaluation.cell import Context, Counts
from lenetc.evaluation.tracing import here
from lenetc.tensors.grad_fn import GradFn, set_grad_enabled

if TYPE_CHECKING:
    from lenetc.tensors.tensor import Tensor

    History = Callable[[Node], Tensor]

_numbers = itertools.count()


class RemovableHandle:
    """What registering a hook returns: remove() takes it away, as does the end of a `with` block."""

    def __init__(
        self, table: dict[int, Any], hook: Any, prepend: bool = False, is_inner: bool = False
    ) -> None:
        """is_inner: of something that the running trace has made, and that ends with it."""
        self.id = next(_numbers)
        self._table, self._is_inner = table, is_inner
        self._changed("registers")
        before = dict(table) if prepend else {}
        if prepend:
            table.clear()
        table[self.id] = hook
        table.update(before)

    def _changed(self, what: str) -> None:
        trace = Context.trace
        if trace is not None and not self._is_inner:
            if trace.outer:
                raise trace.refused(
                    LenetcError(
                        f"a compiled function {what} a hook after backward() that goes on outside of it, which will "
                        "meet the hooks of then: do it before, or call backward() outside"
                    )
                )
            trace.effect(f"it {what} a hook")
            trace.before_change(functools.partial(_put_back, self._table, dict(self._table)))
        Counts.epoch += 1  # hooks are a part of what compiled functions have read

    def remove(self) -> None:
        """Call the hook no more."""
        if self.id in self._table:
            self._changed("removes")
            del self._table[self.id]

    def __enter__(self) -> RemovableHandle:
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()


def _put_back(table: dict[int, Any], before: dict[int, Any]) -> None:
    table.clear()
    table.update(before)


def register_hook(tensor: Tensor, hook: Callable[[Tensor], Tensor | None]) -> RemovableHandle:
    """Call hook(gradient) whenever the gradient of this tensor is computed; what it returns, if that is not None, is
    the gradient from there on (torch.Tensor.register_hook).

    Raises LenetcError for a tensor that does not require grad.
    """
    if not tensor.requires_grad:
        raise LenetcError("cannot register a hook on a tensor that doesn't require gradient").at(here())
    trace, fn = Context.trace, tensor._grad_fn
    if fn is not None:
        fn.require_last("register_hook()")
    is_inner = trace is not None and (tensor._cell.trace if fn is None else fn.trace) is trace
    return RemovableHandle(_table(tensor), hook, is_inner=is_inner)


def _table(tensor: Tensor) -> dict[int, Callable[[Tensor], Any]]:
    """The hooks of a tensor: a leaf's are its own, another's are those of the operation that made it."""
    owner = tensor if tensor._grad_fn is None else tensor._grad_fn
    if owner.hooks is None:
        owner.hooks = {}
    return owner.hooks


def register_post_accumulate_grad_hook(tensor: Tensor, hook: Callable[[Tensor], None]) -> RemovableHandle:
    """Call hook(tensor) whenever backward() has added to the `.grad` of this leaf.

    Raises LenetcError for a tensor that does not require grad, or is no leaf. Source:
    torch.Tensor.register_post_accumulate_grad_hook.
    """
    if not tensor.requires_grad:
        raise LenetcError("cannot register a hook on a tensor that doesn't require gradient").at(here())
    if tensor._grad_fn is not None:
        raise LenetcError("post accumulate grad hooks cannot be registered on non-leaf tensors").at(here())
    if tensor.after_grad is None:
        tensor.after_grad = {}
    is_inner = Context.trace is not None and tensor._cell.trace is Context.trace
    return RemovableHandle(tensor.after_grad, hook, is_inner=is_inner)


def hooks_of(
    functions: Sequence[GradFn], leaves: Sequence[tuple[Tensor, Node]], history: History | None = None
) -> Mapping[Node, Callable[[Node], Node]]:
    """What is to be done with the gradients of nodes: the hooks of operations and of leaves. history: what makes a
    gradient with history of a node, where gradients are to have one."""
    found: dict[Node, Callable[[Node], Node]] = {}
    for node, table in (
        *((fn.node, fn.hooks) for fn in functions),
        *((node, tensor.hooks) for tensor, node in leaves),
    ):
        if table:
            found[node] = calling(tuple(table.values()), history)
    return found


def calling(
    hooks: Sequence[Callable[[Tensor], Any]], history: History | None = None
) -> Callable[[Node], Node]:
    """What calls `hooks` with a gradient, one after the other, and gives what they make of it; history: hooks_of."""
    made = t.Tensor._from_node if history is None else history

    def call(gradient: Node) -> Node:
        with set_grad_enabled(history is not None):
            for hook in hooks:
                returned = hook(made(gradient))
                if returned is not None:
                    t.require_tensors("a hook's gradient", returned)
                    if returned._cell.type != gradient.ty:
                        raise ShapeError(
                            f"a hook has changed the type of the gradient from {gradient.type} to "
                            f"{returned.type_text()}"
                        ).at(here())
                    gradient = returned.node
        return gradient

    return call
