"""The step of an optimizer that is a formula: made of operations, so that it compiles.

An optimizer says by `_rule` how one parameter changes, as a formula over IR nodes. Here is where the values
come from: parameters and gradients, state tensors, step counters and other numbers that parameters share, and
hyperparameters, which are inputs of the program where they may change and constants where they do not.
"""

from __future__ import annotations

import itertools
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, ClassVar, TypeAlias
from weakref import WeakKeyDictionary

import numpy as np

from ir import ops
from ir.errors import LenetcError
from ir.node import Node, building_at
from ir.op import leaf, scalar
from ir.template import Template
from ir.types import Array, DType, Type, f32, f64
from lenetc.evaluation import lazy
from lenetc.evaluation.cell import Cell, Context, Counts
from lenetc.evaluation.tracing import Trace, here, phase, tracing, where_now
from lenetc.operations import creation
from lenetc.optim.optimizer.base import Optimizer
from lenetc.optim.optimizer.groups import IMPLEMENTATION, Group, is_number
from lenetc.tensors.arrays import need_number
from lenetc.tensors.grad_fn import set_grad_enabled
from lenetc.tensors.tensor import Tensor

Scalar: TypeAlias = Node | float
Rule: TypeAlias = Callable[..., tuple[Node, ...]]
Stepping: TypeAlias = tuple[
    Tensor, Node, str | None
]  # a parameter, its gradient, and its name, if it has one


@dataclass(frozen=True, slots=True)
class Factor:
    """A state tensor whose shape is not its parameter's, of zeros at the start."""

    shape: tuple[int, ...]


@dataclass(slots=True)
class Setting:
    """What a rule is made for: the parameters of one dtype in one param group that share a step counter.

    step: the counter, f32[] (f64[] for f64 parameters), counting from 1; None where the rule needs none.
    shared: the other numbers that these parameters have together, f32[]; a rule puts their next values in.
    hypers: hyperparameters that stand in the place of the optimizer's.
    """

    optimizer: RuleOptimizer
    index: int
    dtype: DType
    step: Node | None
    shared: dict[str, Node] = field(default_factory=dict)
    hypers: Mapping[str, Node] = field(default_factory=dict)

    @property
    def wide(self) -> DType:
        """The dtype that numbers are computed in: f16 would lose too much on the way."""
        return f64 if self.dtype is f64 else f32

    def hyper(self, key: str) -> Scalar:
        """A hyperparameter: a number, or a node of the step counter's dtype if it may change."""
        value = self.hypers[key] if key in self.hypers else self.optimizer._hyper(self.index, key)
        return as_dtype(value, self.wide) if isinstance(value, Node) else value

    def fit(self, number: Scalar) -> Node:
        """`number` in the parameters' dtype, to be called last."""
        return as_dtype(number, self.dtype) if isinstance(number, Node) else scalar(number, self.dtype)

    def gradient(self, group: Group) -> Callable[[Node, Node], Node]:
        """The gradient as most rules take it: negated to maximize, and with weight_decay * p added."""
        weight_decay = self.hyper("weight_decay")
        decay = self.fit(weight_decay)
        maximize = group["maximize"]

        def changed(p: Node, g: Node) -> Node:
            g = -g if maximize else g
            return g + p * decay if is_on(weight_decay) else g

        return changed


def as_dtype(node: Node, dtype: DType) -> Node:
    return node if node.dtype is dtype else ops.cast(node, dtype=dtype)


def is_on(factor: Scalar) -> bool:
    """Whether a term with this factor is needed: not if it is the number 0."""
    return isinstance(factor, Node) or factor != 0


_TEMPLATES = 16  # kept for an optimizer
# Formulas of lazy steps by what they were made for, each with the numbers of the cells that it changes.
_templates: WeakKeyDictionary[RuleOptimizer, dict[tuple[Any, ...], tuple[Template, list[int]]]] = (
    WeakKeyDictionary()
)


class RuleOptimizer(Optimizer, ABC):
    """Base of the optimizers whose step is a formula for each parameter."""

    _checks_options = True
    _common: ClassVar[tuple[str, ...]] = ("step",)

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Change every parameter that has a gradient; returns what `closure`, called first, returned."""
        loss = None
        if closure is not None:
            with set_grad_enabled(True):
                loss = closure()
        trace = Context.trace
        if trace is not None and trace.optimizers.get(self) == 1:
            self._note_constants(trace)
        undo = self._saved() if trace is None else None
        try:
            with set_grad_enabled(False), phase("update"), building_at(where_now()):
                for index in range(len(self.param_groups)):
                    self._step_group(index)
            if trace is None:
                lazy.evaluate_pending()  # now, or the graph of the parameters would grow from step to step
                lazy.check_computed(tensor._cell for tensor in self._tensors())
        except BaseException:
            if undo is not None:
                undo()
            raise
        return loss

    def _saved(self) -> Callable[[], None]:
        """What undoes a step that failed: a computation that cannot run is noticed only at its end."""
        restore = [tensor._cell.saved() for tensor in self._tensors()]
        undo_state = self._saved_state()

        def undo() -> None:
            undo_state()
            for put_back in restore:
                put_back()

        return undo

    # What an optimizer defines.

    @abstractmethod
    def _buffers(self, group: Group, param: Tensor) -> Mapping[str, float | Factor]:
        """Names of the state tensors of `param`, each with the value that all its elements start from."""

    def _counts(self, group: Group) -> bool:
        """Whether the rule needs the number of the step."""
        return True

    def _start(self, group: Group, name: str) -> float:
        """What a number of `_common` other than the step counter starts from."""
        return 1.0

    @abstractmethod
    def _rule(self, group: Group, setting: Setting) -> Rule:
        """The function (parameter, gradient, *buffers) -> (parameter, *buffers) of one step.

        What is the same for all parameters is computed outside of it, so that it is in the graph once.
        """

    # The step.

    def _step_group(self, index: int) -> None:
        group = self.param_groups[index]
        names = group.get("param_names") or [None] * len(group["params"])
        stepping = [
            (param, grad._cell.node, name)
            for param, name in zip(group["params"], names, strict=True)
            if (grad := param.grad) is not None
        ]
        if not stepping:
            return
        counts = self._counts(group)
        if counts:
            self._count(group, [param for param, _, _ in stepping])
        again = Context.trace is None and not any(name for _, _, name in stepping)
        changes = self._changes_again(index, stepping) if again else self._changes(index, stepping)
        for cell, node in changes.items():
            cell.node = node

    def _changes(
        self,
        index: int,
        stepping: Sequence[Stepping],
        known: Mapping[Cell, Node] = MappingProxyType({}),
        hypers: Mapping[str, Node] = MappingProxyType({}),
    ) -> dict[Cell, Node]:
        """What one step changes, with the new values. known: nodes in the place of cells' own; hypers: in the place
        of hyperparameters."""

        def read(cell: Cell) -> Node:
            node = known.get(cell)
            return cell.node if node is None else node

        group = self.param_groups[index]
        counts = self._counts(group)
        found: dict[Cell, Node] = {}
        rules: dict[tuple[Tensor | None, DType], Rule] = {}
        before: dict[Tensor | None, dict[str, Node]] = {}
        where = where_now()
        for param, grad, name in stepping:
            buffers = self._buffers(group, param)
            state = self._state_of(param, buffers)
            counter = state["step"] if counts else None
            key = (counter, param.dtype)
            if key not in rules:
                if counter not in before:  # another dtype may have put the next values in
                    before[counter] = {n: read(state[n]._cell) for n in self._common[1:]} if counts else {}
                step = None if counter is None else read(counter._cell)
                setting = Setting(self, index, param.dtype, step, dict(before[counter]), hypers)
                setting.step = None if step is None else as_dtype(step, setting.wide)
                rules[key] = self._rule(group, setting)
                for shared, node in setting.shared.items():
                    found[state[shared]._cell] = as_dtype(node, f32)
            cells = [state[buffer]._cell for buffer in buffers]
            with building_at(where if name is None else where._replace(module=name)):
                if Context.trace is not None and Context.trace.exporting is not None:
                    grad = Context.trace.exporting.reads(param, grad)
                # Of several parameters of one storage each changes what the one before has left.
                before_it = found.get(param._cell)
                now = read(param._cell) if before_it is None else before_it
                changed, *values = rules[key](now, grad, *map(read, cells))
                # Between two steps of one program, gradients of later losses end here.
                found[param._cell] = changed if Context.trace is None else ops.stop_gradient(changed)
                if Context.trace is not None:
                    Context.trace.stepped.add(param)
            found.update(zip(cells, values, strict=True))
        return found

    def _changes_again(self, index: int, stepping: Sequence[Stepping]) -> dict[Cell, Node]:
        """The same, by the formulas of an earlier step that was alike: a loop of lazy steps would make them anew each
        time. Alike are steps that read values of the same types in the same places, with the same options."""
        group = self.param_groups[index]
        number: dict[Cell, int] = {}  # of what a rule may read
        pattern: list[Any] = [type(self)]
        for param, grad, _ in stepping:
            state = self._state_of(param, self._buffers(group, param))
            pattern += (number.setdefault(param._cell, len(number)), grad.type, len(state))
            for name, value in state.items():
                held = isinstance(value, Tensor)
                pattern += (name, number.setdefault(value._cell, len(number)) if held else value)
        moving = {key for of, key in self._dynamic if of == index}
        moving |= {key for key, value in group.items() if isinstance(value, Tensor)}
        hypers = {key: node for key in sorted(moving) if isinstance(node := self._hyper(index, key), Node)}
        for key, value in group.items():
            if key not in ("params", "param_names"):
                pattern += (key, None if key in hypers else value)
        nodes = [cell.node for cell in number] + [grad for _, grad, _ in stepping] + [*hypers.values()]
        pattern += [node.type for node in nodes]
        templates = _templates.setdefault(self, {})
        try:
            found = templates.get(tuple(pattern))
        except TypeError:  # options in a list
            return self._changes(index, stepping)
        if found is None:
            leaves = [leaf(f"_read_{i}", node.ty) for i, node in enumerate(nodes)]
            grads = [(p, x, n) for (p, _, n), x in zip(stepping, leaves[len(number) :], strict=False)]
            given = dict(zip(hypers, leaves[len(number) + len(grads) :], strict=True))
            changes = self._changes(index, grads, dict(zip(number, leaves, strict=False)), given)
            template = Template(leaves, [*changes.values()])
            if not template.is_closed:
                return self._changes(index, stepping)
            if len(templates) == _TEMPLATES:
                del templates[next(iter(templates))]
            found = templates[tuple(pattern)] = (template, [number[cell] for cell in changes])
        template, places = found
        cells = [*number]
        made = template.over(nodes, where_now())
        return {cells[i]: node for i, node in zip(places, made, strict=True) if node is not None}

    def _state_of(self, param: Tensor, buffers: Mapping[str, float | Factor]) -> dict[str, Any]:
        """The state of `param`, with the tensors that it lacks made. Their values are known, even in a trace,
        for which they are state that was there before: the first step is a step like any other."""
        state = self.state[param] if buffers else self.state.get(param, {})
        for name, start in buffers.items():
            if name not in state:
                with tracing(self._home()):
                    if isinstance(start, Factor):
                        state[name] = creation.zeros(start.shape, dtype=param.dtype)
                    else:
                        state[name] = creation.full_like(param, start)
        return state

    def _start_of_state(self) -> dict[Cell, Array]:
        found: dict[Cell, Array] = {}
        for group in self.param_groups:
            for param in group["params"]:
                starts = self._buffers(group, param)
                for name, value in self.state.get(param, {}).items():
                    if not isinstance(value, Tensor):
                        continue
                    start = starts.get(name, 0.0)
                    if name in self._common[1:]:
                        start = self._start(group, name)
                    number = 0.0 if isinstance(start, Factor) else start
                    cell = value._cell
                    found[cell] = np.full(tuple(map(int, cell.type.shape)), number, cell.type.dtype.numpy)
        return found

    def _state_shapes(self, group: Group, param: Tensor) -> Mapping[str, tuple[int, ...]]:
        shapes = {
            name: start.shape if isinstance(start, Factor) else tuple(map(int, param.shape))
            for name, start in self._buffers(group, param).items()
        }
        return {**shapes, **dict.fromkeys(self._common, ())}

    def _home(self) -> Trace | None:
        """The trace that new state belongs to: none, but for an optimizer that a traced function has made."""
        return self._trace if self._trace is Context.trace else None

    def _count(self, group: Group, params: list[Tensor]) -> None:
        """Advance the step counters of `params`. Parameters that always step together share one, and what else
        they share."""
        states = [self.state[param] for param in params]
        idle: set[Tensor | None] = set()
        if len(params) < len(self.state):  # of other groups too, and of parameters that have left
            moved = set(params)
            idle = {state.get("step") for param, state in self.state.items() if param not in moved}
        replaced: dict[Tensor, dict[str, Tensor]] = {}
        fresh: dict[bool, dict[str, Tensor]] = {}
        for state in states:
            counter = state.get("step")
            if counter is None or any(name not in state for name in self._common):
                stepped = bool(state)  # tensors of steps that were not counted, e.g. loaded ones
                if stepped not in fresh:
                    starts = {"step": float(stepped)}
                    starts.update((name, self._start(group, name)) for name in self._common[1:])
                    with tracing(self._home()):
                        fresh[stepped] = {n: Tensor._from_array(np.float32(v)) for n, v in starts.items()}
                state.update({name: made for name, made in fresh[stepped].items() if name not in state})
            elif counter in idle:
                if counter not in replaced:
                    name = type(self).__name__
                    replaced[counter] = {n: _parted(name, state[n]) for n in self._common}
                state.update(replaced[counter])
        for counter in dict.fromkeys(state["step"] for state in states):
            counter._cell.node = counter._cell.node + 1.0

    # Hyperparameters.

    def _number_of(self, group: Group, key: str) -> float:
        """The present value of an option, for state that starts from it."""
        with tracing(None):
            return float(group[key])

    def _hyper(self, index: int, key: str) -> Scalar:
        """A hyperparameter as a number; as a node if it may change: an input of the program, or a tensor's value."""
        given = self.option(index, key)
        if isinstance(given, Tensor):
            node = given._cell.node
            return ops.reshape(node, shape=()) if node.shape else node
        need_number(type(self).__name__, f"{key} of param group {index}", given)
        value = float(given)
        if (index, key) not in self._dynamic or (self._trace is not None and self._trace is Context.trace):
            return value
        wide = f64 if any(param.dtype is f64 for param in self.param_groups[index]["params"]) else f32
        if Context.trace is None:
            held = self._leaves.get((index, key))
            if held is None or held[0] != value or held[1].dtype is not wide:
                held = self._leaves[index, key] = (value, Tensor._from_array(np.asarray(value, wide.numpy)))
            return held[1]._cell.node
        hypers, exporting = Context.trace.hypers, Context.trace.exporting
        if exporting is not None and (id(self), index, key) in exporting.rates:
            return as_dtype(exporting.rates[id(self), index, key], wide)
        # One that the function itself changes is another input from then on.
        after = max((i for i, s in enumerate(Context.trace.schedules, 1) if s.optimizer is self), default=0)
        place = (id(self), index, key, value, after)
        if place not in hypers:
            taken = Context.trace.names | {node.attrs["name"] for _, _, _, node in hypers.values()}
            label = next(name for n in itertools.count() if (name := f"{key}_{n}" if n else key) not in taken)
            node = leaf(label, Type(wide, ()), "hyper")
            hypers[place] = (self, index, key, node)
        return hypers[place][3]

    def _note_constants(self, trace: Trace) -> None:
        """Tell the trace which options it builds in, so that a change makes it stale."""
        whole = {key for key, _ in self._parts.values()}
        keys = [key for key in self.defaults if key not in whole and key not in IMPLEMENTATION]
        for index in range(len(self.param_groups)):
            for key in keys + list(self._parts):
                value = self.option(index, key)
                if isinstance(value, Tensor):  # whose value is state
                    continue
                # A flag, and a number that is 0, choose between formulas: a change is not one of input.
                chooses = not is_number(value) or (value == 0 and key != "lr")
                if chooses or (index, key) not in self._dynamic:
                    trace.baked.append((self, index, key, value))
                elif key != "lr":
                    trace.baked.append((self, index, key, _NONZERO))


class _Nonzero:
    """Equal to every number but 0: what an option that is an input of the program must stay."""

    def __eq__(self, other: object) -> bool:
        return other != 0

    __hash__ = None  # type: ignore[assignment]


_NONZERO = _Nonzero()


def _parted(optimizer: str, counter: Tensor) -> Tensor:
    """A counter of its own for parameters that step while others that share `counter` do not.

    Raises LenetcError where a program has counted for both by one counter already.
    """
    if Context.trace is not None and counter._cell in Context.trace.current:
        raise LenetcError(
            f"{optimizer}: of parameters that stepped together earlier in this compiled function, some have "
            "no gradient now. Put them into param groups of their own, so that their steps are counted apart"
        ).at(here())
    with tracing(None):
        own = Tensor._from_array(counter.numpy())
    Counts.epoch += 1  # programs that count for both by one counter are stale
    return own
