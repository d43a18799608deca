"""What is recorded for backward, and whether: the gradient modes, and PyTorch's view of the graph, `grad_fn`."""

from __future__ import annotations

import contextlib
import functools
import weakref
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from ir.node import Node

if TYPE_CHECKING:
    from lenetc.tensors.tensor import Tensor

_enabled = [True]


def is_grad_enabled() -> bool:
    return _enabled[-1]


class set_grad_enabled(contextlib.ContextDecorator):
    """Context manager or decorator: whether operations are recorded for backward."""

    def __init__(self, mode: bool) -> None:
        self.mode = mode

    def __enter__(self) -> None:
        _enabled.append(self.mode)

    def __exit__(self, *_: object) -> None:
        _enabled.pop()


class no_grad(set_grad_enabled):
    """Operations in the block are not recorded (torch.no_grad). Works as a decorator, with or without ()."""

    def __new__(cls, function: Callable[..., Any] | None = None) -> Any:
        return super().__new__(cls) if function is None else cls()(function)

    def __init__(self, function: Callable[..., Any] | None = None) -> None:
        super().__init__(False)


class enable_grad(set_grad_enabled):
    """Operations in the block are recorded again, inside of no_grad (torch.enable_grad)."""

    def __init__(self) -> None:
        super().__init__(True)


class GradFn:
    """One recorded operation, as PyTorch shows it: a view of the IR node that it made.

    next_functions: for each operand that could have a gradient, (its GradFn or None, which of its results).
    """

    __slots__ = ("__weakref__", "_leaves", "freed", "next_functions", "node", "retained", "saves", "variable")

    def __init__(
        self,
        node: Node,
        operands: Sequence[GradFn | None],
        leaves: Sequence[tuple[Tensor, Node]],
        saves: bool,
    ) -> None:
        self.node = node
        self.next_functions = tuple((fn, 0) for fn in operands)
        self._leaves = tuple(leaves)  # leaf tensors among the operands, each with the node it had then
        self.saves = saves
        self.freed = False
        self.retained: weakref.ref[Tensor] | None = None
        self.variable: Tensor | None = None

    def name(self) -> str:
        """PyTorch's name of the node, e.g. "AddmmBackward0"."""
        return type(self).__name__

    def __repr__(self) -> str:
        return f"<{self.name()} object at {id(self):#x}>"


@functools.cache
def grad_fn_class(name: str) -> type[GradFn]:
    """The class that PyTorch names `name`, so that type(loss.grad_fn).__name__ reads as there."""
    return type(name, (GradFn,), {"__slots__": (), "__module__": "lenetc.autograd"})


class AccumulateGrad(GradFn):
    """The end of a path: adds what arrives to `variable.grad`."""

    __slots__ = ()

    def __init__(self, variable: Tensor) -> None:
        super().__init__(variable.node, (), (), saves=False)
        self.variable = variable

    def name(self) -> str:
        return "torch::autograd::AccumulateGrad"

    def __repr__(self) -> str:
        return f"<AccumulateGrad object at {id(self):#x}>"


def record(name: str, node: Node, operands: Sequence[Tensor | GradFn | None], saves: bool = True) -> GradFn:
    """A GradFn called `name` for `node` computed from `operands` (None for operands without gradient)."""
    edges: list[GradFn | None] = []
    leaves: list[tuple[Tensor, Node]] = []
    for operand in operands:
        if operand is None or isinstance(operand, GradFn):
            edges.append(operand)
        elif not operand.requires_grad:
            edges.append(None)
        else:
            fn = operand.grad_fn
            if fn is None:
                fn = operand._accumulator()
                leaves.append((operand, operand.node))
            edges.append(fn)
    return grad_fn_class(name)(node, edges, leaves, saves)
