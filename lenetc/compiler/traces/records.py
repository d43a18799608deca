"""What a trace gives: the graph of a function, its state, and what it leaves behind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ir.node import Graph, Node, Where
from ir.types import Array, Type
from lenetc.compiler.reads.observed import Observed
from lenetc.compiler.traces.history import History, Sources
from lenetc.evaluation.cell import Cell
from lenetc.evaluation.ranges import Probabilities, Range
from lenetc.tensors.tensor import Tensor

if TYPE_CHECKING:
    from lenetc.nn.modules.module import Module
    from lenetc.optim.lr_scheduler import LRScheduler
    from lenetc.optim.optimizer import Optimizer
    from lenetc.tensors.grad_fn import GradFn
    from lenetc.tensors.views import View

INVALID = "invalid"  # the result that tells how many computed labels and indices are out of range


@dataclass
class Hyper:
    """A scalar input read from an optimizer's param group at every call. value: what the trace read; after: how many
    of the call's schedules have stepped by then."""

    input: str
    optimizer: Optimizer
    group: int
    key: str
    value: float
    after: int = 0


@dataclass
class Result:
    """A tensor that comes out: which of the graph's results it is, and what backward needs to know of it.

    view: of a tensor that is there outside, how it shows elements of that; base: which one: a result, an argument by
    its name, or itself; is_detached: whether without its history. same: the result before this one that has the same
    storage.
    """

    name: str
    history: History | None = None
    view: View | None = None
    base: Result | Tensor | str | None = None
    is_detached: bool = False
    same: str | None = None


@dataclass
class GradOf:
    """A result that is the `.grad` which a tensor, or an argument by its name, has when the call returns."""

    tensor: Tensor | str


@dataclass
class AliasOf:
    """A result that detach() or `.data` gave of what is there outside: of an argument by its name, or of a tensor."""

    of: Tensor | str


@dataclass
class Exported:
    """What files are cut out of a traced function by. gradients: (the state's name, the result that is the gradient
    which an optimizer's step reads for it), in order. started: state of optimizers and of schedules, with what it is
    before the first step, where that is known. modules: those that were called. calls: the arguments of each one's
    first call, by parameter of its forward."""

    gradients: list[tuple[str, str]]
    started: dict[str, Array | None]
    modules: list[Module]
    calls: dict[Module, dict[str, Passed | Any]]


@dataclass(frozen=True)
class Passed:
    """A tensor that a module was called with. input: which of the graph's inputs it is, None where it was computed."""

    type: Type
    input: str | None


@dataclass
class Capture:
    """A traced function.

    graph: (inputs, hyperparameters, state) -> (results, new state). cells: the state inputs, by name, in order;
    updated: names of those that the graph replaces. result: what the function returned; `leaves` tells of each of its
    leaves the Result that it is, the name of the argument, or None where it is the same at every call. changed: tensors
    that the call changes beside state, by the argument's name.
    """

    graph: Graph
    feeds: list[
        tuple[str, int]
    ]  # inputs that are arrays or tensors, each with the position of the argument's leaf
    cells: dict[str, Cell]
    updated: list[str]
    hypers: list[Hyper]
    scalars: dict[str, int]  # the inputs that are numbers, each with the position of the argument's leaf
    positions: dict[str, int]  # of the leaves of the arguments, by name
    ranges: list[tuple[str, Range]]  # inputs and unchanged state, each with what its values must be
    checks: list[Range | Probabilities]  # what the values that the result `invalid` counts must be
    invalid: Node | None  # the formula of that result
    result: Any
    leaves: list[Result | GradOf | AliasOf | str | None]
    grads: list[
        tuple[Tensor, str]
    ]  # tensors whose .grad is left behind, with the result that holds it, "" for none
    given_grads: list[tuple[Tensor | str, str]]  # ... those, or arguments by name, whose .grad is an argument
    lost_grads: list[tuple[Tensor, Node]]  # ... and those whose .grad stays inside, with its formula
    argument_grads: dict[str, str]  # the same by the argument's name
    gradients: list[Result]  # the results that are a .grad
    changed: dict[str, Result]
    # State that is the .grad of a tensor: a new object whenever gradients are computed anew, so looked up at each run.
    grad_inputs: dict[str, Tensor]
    # Of what a `.grad` was, with the position of the argument's leaf that it was too.
    grads_read: list[tuple[Tensor, type | None, int | None]]
    laid: list[Tensor]  # of which the function asked how they lie in memory
    given_data: list[Tensor]  # whose `.data` was set, while no other showed their storage
    optimizers: dict[Optimizer, int]  # how often each stepped
    baked: list[tuple[Optimizer, int, str, Any]]  # options that were taken for constants
    argument_cells: dict[int, Cell]  # of tensors among the arguments, by the position of the leaf
    argument_numbers: dict[int, int]  # of the tensors themselves
    sources: Sources
    floats: dict[int, Any]  # numbers among the arguments that could be inputs, by the position of the leaf
    fixed: dict[int, Any]  # numbers whose value was looked at, by the position of the argument's leaf
    # Where backward goes on outside: an argument by its name, or a tensor; its gradient; whether the graph is kept.
    outer: list[tuple[Tensor | str, Result, bool]] = field(default_factory=list)
    # Arguments that the function changes, with the history that they had.
    histories: list[tuple[Tensor, GradFn | None]] = field(default_factory=list)
    # What the trace itself made, which is given its values by the run that follows.
    made: list[tuple[Tensor, Result]] = field(default_factory=list)
    observed: Observed | None = None
    effects: list[tuple[str, Where]] = field(default_factory=list)  # that this package did, once and for all
    undo: Callable[[], None] = lambda: None  # puts back what the trace changed beside cells
    undo_gradients: Callable[[], None] = lambda: None  # the same for each .grad alone
    is_repeatable: bool = True  # whether a run can stand for a call, as far as results tell
    exported: Exported | None = None
    schedules: list[LRScheduler] = field(default_factory=list)  # that step at every call, in order
    error: BaseException | None = None  # that the function raised; the graph is what it had done by then

    def let_go(self) -> None:
        """Forget what only the call itself needed, and with it the objects that the trace has met."""
        self.undo = self.undo_gradients = lambda: None
        self.observed = None

    def results(self) -> list[Result]:
        """All that comes out and has a place in Python."""
        found = [what for what in self.leaves if isinstance(what, Result)]
        return [*found, *self.gradients, *self.changed.values(), *(result for _, result in self.made)]


def kind_of(grad: Tensor | None) -> type | None:
    """What a program that reads a `.grad` depends on: whether there is one, and whether it has a value."""
    return None if grad is None else type(grad)
