"""One run of user code under `compile`: which state it read, which it replaced, and where each value came from."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from types import FrameType
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from ir.errors import LenetcError
from ir.node import Node, Where
from ir.op import leaf
from ir.types import Type
from lenetc.evaluation.cell import Cell, Context

if TYPE_CHECKING:
    from lenetc.evaluation.ranges import Range
    from lenetc.nn.modules.module import Module
    from lenetc.optim.optimizer import Optimizer
    from lenetc.tensors.tensor import Tensor

_HOME = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
_OURS = tuple(f"{_HOME}{os.sep}{package}{os.sep}" for package in ("lenetc", "passes", "ir"))


traced_leaves: WeakSet[Node] = (
    WeakSet()
)  # stand for values inside of compiled functions, never for stored ones


class ValueDependentError(LenetcError):
    """Compiled code looked at a value that exists only when the program runs."""


class Trace:
    """What a traced function did to cells that existed before it.

    captured: the leaf that stands for each cell's value at entry, in order of first use. current: nodes of the
    cells that it replaced. Cells made during the trace are its own.
    """

    def __init__(self) -> None:
        self._own: set[Cell] = set()
        self.captured: dict[Cell, Node] = {}
        self.current: dict[Cell, Node] = {}
        self.hypers: dict[tuple[int, int, str], tuple[Optimizer, int, str, Node]] = {}
        self.baked: list[tuple[Optimizer, int, str, Any]] = []
        self.modules: dict[Module, dict[str, Any]] = {}  # with their plain attributes at entry
        self.grads: dict[Tensor, Tensor | None] = {}
        self.grads_read: set[Tensor] = set()
        self.ranges: list[tuple[Node, Range]] = []
        self.optimizers: dict[Optimizer, int] = {}  # how often each stepped

    def own(self, cell: Cell) -> None:
        self._own.add(cell)

    def read(self, cell: Cell) -> Node:
        if cell in self._own:
            return cell.own_node()
        if cell in self.current:
            return self.current[cell]
        if cell not in self.captured:
            self.captured[cell] = leaf(f"state{cell.number}", cell.type, "state")
            traced_leaves.add(self.captured[cell])
        return self.captured[cell]

    def write(self, cell: Cell, node: Node) -> None:
        if cell in self._own:
            cell.replace(node)
            return
        if self.read(cell).type != node.type:
            raise LenetcError(
                f"an in-place operation under compile cannot change {cell.type} into {node.type}"
            ).at(here())
        self.current[cell] = node

    def saw_grad(self, tensor: Tensor, is_read: bool) -> None:
        """Note the `.grad` that `tensor` had at entry, and whether the function used it."""
        if tensor not in self.grads:
            self.grads[tensor] = tensor._grad
            if is_read:
                self.grads_read.add(tensor)

    def refuse_value(self, type: Type) -> None:
        raise ValueDependentError(
            f"this line looks at the value of a tensor {type} (an `if` or `while`, item, float, numpy, a formatted "
            "number) inside a compiled function, where only shapes and dtypes are known. Return the tensor and look "
            "at it outside, or write the choice with lenetc.where"
        ).at(here())


@contextlib.contextmanager
def tracing(trace: Trace | None) -> Iterator[None]:
    """Run the block under `trace`; None suspends the one that is running."""
    before = Context.trace
    Context.trace = trace
    try:
        yield
    finally:
        Context.trace = before


# Provenance: the module that is being called, the phase, and the user's line.

_scopes: list[str] = [""]
_phases: list[str] = ["forward"]


def user_frame() -> FrameType | None:
    """The innermost frame outside of these packages."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_code.co_filename.startswith(_OURS):
        frame = frame.f_back
    return frame


def where_now() -> Where:
    """Provenance of an operation called now."""
    frame = user_frame()
    if frame is None:
        return Where(_scopes[-1], _phases[-1])
    return Where(_scopes[-1], _phases[-1], frame.f_code.co_filename, frame.f_lineno)


def here() -> str:
    """The module path and the user's line, for error messages."""
    return str(where_now())


@contextlib.contextmanager
def phase(name: str) -> Iterator[None]:
    """Operations in the block belong to phase `name` (forward, backward, update)."""
    _phases.append(name)
    try:
        yield
    finally:
        _phases.pop()


@contextlib.contextmanager
def scope(module: str) -> Iterator[None]:
    """Operations in the block belong to the module path `module`."""
    _scopes.append(module)
    try:
        yield
    finally:
        _scopes.pop()


def current_scope() -> str:
    return _scopes[-1]
