"""One run of user code under `compile`: which state it read, which it replaced, and where each value came from."""

from __future__ import annotations

import contextlib
import functools
import itertools
import os
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import FrameType
from typing import TYPE_CHECKING, Any
from weakref import WeakSet, ref

from ir import ops
from ir.dims import Poly, before_unequal
from ir.errors import LenetcError, SymbolicDimError
from ir.node import Node, Where
from ir.op import leaf
from ir.types import Array, Type
from lenetc.evaluation.cell import Cell, Context

if TYPE_CHECKING:
    from lenetc.evaluation.ranges import Probabilities, Range
    from lenetc.nn.modules.module import Module
    from lenetc.optim.lr_scheduler import LRScheduler
    from lenetc.optim.optimizer import Optimizer
    from lenetc.tensors.grad_fn import GradFn
    from lenetc.tensors.tensor import Tensor

_HOME = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
_OURS = tuple(f"{_HOME}{os.sep}{package}{os.sep}" for package in ("lenetc", "passes", "ir"))


traced_leaves: WeakSet[Node] = (
    WeakSet()
)  # stand for values inside of compiled functions, never for stored ones


@dataclass
class Exporting:
    """What a trace notes for files that are cut out of it.

    gradients: (parameter, the gradient that an optimizer's step reads, under an identity of its own), in order. calls:
    the arguments of each module's first call, tensors as their nodes, by parameter of its forward. initializes:
    whether parameters from outside may be drawn anew.
    """

    initializes: bool = False

    gradients: list[tuple[Tensor, Node]] = field(default_factory=list)
    calls: dict[Module, dict[str, Any]] = field(default_factory=dict)
    # What schedules that step inside are to it: the option `key` of the group `index` of the optimizer with a number,
    # as it is now; and the state that it is, where it is no formula of what the schedule counts.
    schedules: dict[Any, Any] = field(default_factory=dict)
    rates: dict[tuple[int, int, str], Node] = field(default_factory=dict)
    rate_state: dict[tuple[int, int, str], Tensor] = field(default_factory=dict)
    # Inputs for rates that were read before their schedule stepped, and what they are now.
    moved: dict[Node, Node] = field(default_factory=dict)
    # State of the schedules: its name, and what it starts from, where that is known.
    state: dict[Cell, tuple[str, Array | None]] = field(default_factory=dict)

    def reads(self, parameter: Tensor, gradient: Node) -> Node:
        """`gradient` as the step of `parameter` is to read it."""
        found: Node = ops.alias(gradient, uid=len(self.gradients))
        self.gradients.append((parameter, found))
        return found


class ValueDependentError(LenetcError):
    """Compiled code looked at a value that exists only when the program runs."""


class Trace:
    """What a traced function did to cells that existed before it.

    captured: the leaf that stands for each cell's value at entry, in order of first use; for an argument it is an
    input of the program. current: nodes of the cells that it replaced. Cells made during the trace are its own
    (`Cell.trace`).
    """

    def __init__(self) -> None:
        self.captured: dict[Cell, Node] = {}
        self.current: dict[Cell, Node] = {}
        self.arguments: set[Cell] = set()
        self.given: set[int] = set()  # the numbers of the tensors themselves
        self.laid: list[Tensor] = []  # those that were asked how they lie in memory
        self.given_grads: dict[Tensor, None] = {}  # those whose `.grad` was set to one of these
        # Those that are views, by the cell of what they are views of; and those that are read through that by now.
        self.views: dict[Cell, list[Tensor]] = {}
        self.joined: set[Cell] = set()
        self.names: set[str] = set()  # of arguments, which no other input may have
        self.made: list[ref[Tensor]] = []  # tensors that were made
        self.uids = itertools.count(-1, -1)  # cells outside count upwards
        # The uids of leaves that are told from what they share a node with, by the number of the tensor: who is gone
        # has left none behind, as a new tensor gets one of its own.
        self.leaves: dict[int, int] = {}
        self.arrays: list[ref[Any]] = []  # what stands for NumPy arrays
        self.bases: list[Tensor] = []  # that views were taken of: held as long as the function runs
        self.sharers: list[ref[Tensor]] = []  # made, with the storage of what stands outside
        self.aliases: list[ref[Tensor]] = []  # made by detach() or .data, of whatever storage
        self.given_data: list[Tensor] = []  # tensors of outside whose `.data` was set
        self.altered: dict[Tensor, GradFn | None] = {}  # changed in place, with the history they had
        # (optimizer, param group, option, value when it was read, how many of `schedules` it was read after): the
        # input that stands for it.
        self.hypers: dict[tuple[int, int, str, float, int], tuple[Optimizer, int, str, Node]] = {}
        self.schedules: list[LRScheduler] = []  # that stepped, in order, and that a run can step as well
        self.is_scheduling = False
        self.baked: list[tuple[Optimizer, int, str, Any]] = []
        self.modules: dict[Module, None] = {}  # that were called
        self.grads: dict[Tensor, Tensor | None] = {}
        self.grads_read: set[Tensor] = set()
        # Where backward goes on outside: a tensor of there, its gradient, whether the graph is retained; and the leaves
        # that it reaches.
        self.outer: list[tuple[Tensor, Tensor, bool]] = []
        self.awaited: set[Tensor] = set()
        self.stepped: set[Tensor] = set()  # parameters that an optimizer has changed
        self.ranges: list[tuple[Node, Range]] = []
        self.checks: list[
            tuple[Node, Range | Probabilities]
        ] = []  # of values that the program itself computes
        self.optimizers: dict[Optimizer, int] = {}  # how often each stepped
        # What an export asks for besides: the gradient that each parameter's step reads, and how modules were called.
        self.exporting: Exporting | None = None
        # Buffers that were assigned anew: the module's table, the name, the tensor before.
        self.rebound: list[tuple[dict[str, Any], str, Tensor | None]] = []
        self.effects: list[tuple[str, Where]] = []  # what was done once and for all, beyond tensors
        self.refusal: LenetcError | None = None
        self._undo: list[Callable[[], None]] = []

    def read(self, cell: Cell) -> Node:
        if cell.trace is self:
            return cell.own_node()
        node = self.current.get(cell) or self.captured.get(cell)
        if node is None:
            node = self.captured[cell] = leaf(f"state{cell.number}", cell.type, "state")
            traced_leaves.add(node)
            if any(view._cell in self.current for view in self.views.get(cell, ())):
                self.join(cell)
                node = self.current[cell]
        return node

    def write(self, cell: Cell, node: Node) -> None:
        if cell.trace is self:
            cell.replace(node)
            return
        if cell in self.views:
            self.join(cell)
        if self.read(cell).type != node.type:
            raise self.refused(
                LenetcError(f"an in-place operation under compile cannot change {cell.type} into {node.type}")
            )
        self.current[cell] = node

    def is_fed(self, cell: Cell) -> bool:
        """Whether it is an argument that stands for itself, whatever it is a view of."""
        return cell in self.arguments and cell not in self.joined

    def before_argument_changes(self, tensor: Tensor) -> None:
        """A view that is an argument is about to be changed in place. What comes out is its new value, which is then
        written to its base, unless the function sees the base in another way."""
        root = tensor._root()._cell
        if root in self.captured or len(self.views.get(root, ())) > 1:
            self.join(root)

    def join(self, root: Cell) -> None:
        """Let the arguments that are views of `root` be read and written through it from now on. It is state of this
        call alone."""
        views = self.views.pop(root, [])
        self.effect("it changes a tensor that an argument is a view of")
        self.read(root)
        for view in views:
            if view.requires_grad:
                raise self.refused(
                    LenetcError(
                        f"a {view.type_text()} among the arguments is a view of a tensor that the function changes in "
                        "place, and requires gradients: take the view inside, or pass a clone()"
                    )
                )
            assert view._view is not None
            self.joined.add(view._cell)
            new = self.current.pop(view._cell, None)
            if new is not None and callable(view._view.write):
                self.current[root] = view._view.write(self.read(root), new)

    def saw_grad(self, tensor: Tensor, is_read: bool) -> None:
        """Note the `.grad` that `tensor` had at entry, and whether the function used it."""
        if tensor in self.awaited:
            raise self.refused(
                LenetcError(
                    f"a compiled function looks at the gradient of a {tensor.type_text()}, to which a backward() in it "
                    "goes on outside, when it is done: call backward() outside, or compute all of the loss inside"
                )
            )
        if tensor not in self.grads:
            self.grads[tensor] = tensor._grad
            if is_read:
                self.grads_read.add(tensor)

    def before_change(self, undo: Callable[[], None]) -> None:
        """What puts back something that is about to change beside cells: a flag, an entry. Runs if the call fails."""
        self._undo.append(undo)

    def changed(self, tensor: Tensor) -> None:
        """`tensor`, which is not of this trace, is about to be changed in place."""
        if tensor not in self.altered:
            self.altered[tensor] = tensor._grad_fn
            self.before_change(functools.partial(setattr, tensor, "_grad_fn", tensor._grad_fn))

    def undo(self) -> None:
        """Put back whatever the function changed beside cells, and forget what it did to these."""
        for undo in reversed(self._undo):
            undo()
        self.undo_gradients()

    def undo_gradients(self) -> None:
        """Put back each `.grad` that there was."""
        for tensor, before in self.grads.items():
            tensor._grad = before

    def effect(self, what: str) -> None:
        """Something is done now that a run of the program does not do: the function has to be traced at every call."""
        self.effects.append((what, where_now()))

    def refused(self, error: LenetcError) -> LenetcError:
        """`error`, remembered: code that catches it would go another way than it does uncompiled."""
        error = error.at(here())
        self.refusal = self.refusal or error
        return error

    def refuse_value(self, type: Type) -> None:
        raise self.refused(
            ValueDependentError(
                f"this line looks at the value of a tensor {type} (an `if` or `while`, item, float, numpy, a formatted "
                "or printed number) inside a compiled function, where only shapes and dtypes are known. Return the "
                "tensor and look at it outside, or write the choice with lenetc.where"
            )
        )


def asked(what: str) -> None:
    """Note that the user's code asks for something that may be set otherwise between two calls."""
    if Context.trace is not None:
        Context.trace.effect(f"it asks for {what}")


def setting(what: str) -> None:
    """Note that the user's code sets something that may be set otherwise between two calls."""
    if Context.trace is not None:
        Context.trace.effect(f"it sets {what}")


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


class _Place(threading.local):
    """The module paths and phases that this thread is in, innermost last."""

    def __init__(self) -> None:
        self.scopes = [""]
        self.phases = ["forward"]


_place = _Place()


@functools.lru_cache(maxsize=4096)
def is_ours(file: str) -> bool:
    """Whether code of `file` is of these packages."""
    return file.startswith(_OURS)


def is_ours_or_pythons(file: str) -> bool:
    """Whether code of `file` is of these packages, frozen into Python, or what runs context managers of these packages:
    no line for a person to look at."""
    return is_ours(file) or file.startswith("<frozen ") or file == contextlib.__file__


def user_frame() -> FrameType | None:
    """The innermost frame outside of these packages."""
    frame: FrameType | None = sys._getframe(1)
    # Nor of what Python itself is made of: a dict's `update` that ends in one of ours.
    while frame is not None and is_ours_or_pythons(frame.f_code.co_filename):
        frame = frame.f_back
    return frame


def where_now() -> Where:
    """Provenance of an operation called now."""
    frame = user_frame()
    module, phase = _place.scopes[-1], _place.phases[-1]
    if frame is None:
        return Where(module, phase)
    return Where(module, phase, frame.f_code.co_filename, frame.f_lineno)


def here() -> str:
    """The module path and the user's line, for error messages."""
    return str(where_now())


def _refuse_equality(dim: Poly, number: int) -> None:
    """A size that is symbolic in this trace decides in the user's code: what is traced would be wrong for some."""
    if Context.trace is not None and not is_ours(sys._getframe(2).f_code.co_filename):
        raise Context.trace.refused(
            SymbolicDimError(
                f"this line asks whether the size {dim}, which is symbolic here, is {number}; write the code for any "
                f"{dim}, or compile for the shapes you have instead of a symbolic batch"
            )
        )


before_unequal.append(_refuse_equality)


@contextlib.contextmanager
def phase(name: str) -> Iterator[None]:
    """Operations in the block belong to phase `name` (forward, backward, update)."""
    _place.phases.append(name)
    try:
        yield
    finally:
        _place.phases.pop()


@contextlib.contextmanager
def scope(module: str) -> Iterator[None]:
    """Operations in the block belong to the module path `module`."""
    _place.scopes.append(module)
    try:
        yield
    finally:
        _place.scopes.pop()


def current_scope() -> str:
    return _place.scopes[-1]
