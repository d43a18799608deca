"""What all optimizers share: param groups, state, and a step made of operations, so that it compiles.

An optimizer says by `_rule` how one parameter changes, as a formula over IR nodes. Here is where the values
come from: parameters and gradients, state tensors, step counters that parameters share, and hyperparameters,
which are inputs of the program where they may change and constants where they do not.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, TypeAlias

import numpy as np

from ir import ops
from ir.errors import LenetcError
from ir.node import Node, building_at
from ir.op import leaf, scalar
from ir.types import DType, Type, f32, f64
from lenetc.evaluation import lazy
from lenetc.evaluation.cell import Context, Counts
from lenetc.evaluation.tracing import Trace, here, phase, tracing, where_now
from lenetc.evaluation.watched import State
from lenetc.operations import creation
from lenetc.optim import groups, saved
from lenetc.optim.groups import Group, Params
from lenetc.optim.schedule import is_number
from lenetc.tensors.arrays import need_number
from lenetc.tensors.grad_fn import set_grad_enabled
from lenetc.tensors.tensor import Tensor

Scalar: TypeAlias = Node | float
Rule: TypeAlias = Callable[..., tuple[Node, ...]]


@dataclass(slots=True)
class Setting:
    """What a rule is made for: the parameters of one dtype in one param group that share a step counter.

    step: the counter, f32[] (f64[] for f64 parameters), counting from 1; None where the rule needs none.
    """

    optimizer: Optimizer
    index: int
    dtype: DType
    step: Node | None

    def hyper(self, key: str) -> Scalar:
        """A hyperparameter: a number, or a node of the step counter's dtype if it may change."""
        value = self.optimizer._hyper(self.index, key)
        return ops.cast(value, dtype=f64) if isinstance(value, Node) and self.dtype is f64 else value

    def fit(self, number: Scalar) -> Node:
        """`number` in the parameters' dtype, to be called last: f16 would lose too much on the way."""
        if not isinstance(number, Node):
            return scalar(number, self.dtype)
        return number if number.dtype is self.dtype else ops.cast(number, dtype=self.dtype)


def is_on(factor: Scalar) -> bool:
    """Whether a term with this factor is needed: not if it is the number 0."""
    return isinstance(factor, Node) or factor != 0


class Optimizer(ABC):
    """Base of the optimizers (torch.optim.Optimizer).

    params: tensors, (name, tensor) pairs, or dicts {"params": tensors, option: value}. defaults: the options
    of groups that do not give their own. `param_groups` may be changed between steps; `state` maps each
    parameter that has stepped to its state tensors.

    Raises TypeError for what is no tensor or no option, ValueError for an empty list, a tensor given twice or
    not a leaf, and an option's wrong value.
    """

    # Numbers inside of options that hold several: {"beta1": ("betas", 0)}.
    _parts: ClassVar[Mapping[str, tuple[str, int]]] = {}

    def __init__(self, params: Params, defaults: dict[str, Any]) -> None:
        self.defaults = defaults
        self.param_groups: list[Group] = []
        self.state: State = State()
        self._step_count = 0
        self._trace = Context.trace  # that it was made in: its state then begins anew at every call
        self._dynamic: set[tuple[int, str]] = set()  # hyperparameters that are inputs of programs
        self._leaves: dict[tuple[int, str], tuple[float, Tensor]] = {}  # their last values
        for group in groups.listed(type(self).__name__, params):
            self.add_param_group(group)

    def add_param_group(self, param_group: Group) -> None:
        """Optimize more tensors, {"params": tensors, option: value}. Raises as the constructor does."""
        group = groups.made(type(self).__name__, param_group, self.defaults, self.param_groups)
        self._check(group)
        self._dynamic.add((len(self.param_groups), "lr"))
        self.param_groups.append(group)
        Counts.epoch += 1

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients, or fill them with zeros."""
        for group in self.param_groups:
            for param in group["params"]:
                if set_to_none:
                    param.grad = None
                elif (grad := param.grad) is not None:
                    if grad.grad_fn is not None:
                        param.grad = grad = grad.detach()
                    with set_grad_enabled(False):
                        grad.zero_()

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Change every parameter that has a gradient; returns what `closure`, called first, returned."""
        loss = None
        if closure is not None:
            with set_grad_enabled(True):
                loss = closure()
        trace = Context.trace
        if trace is not None:
            trace.before_change(self._saved_state())
        if trace is not None and self._trace is not trace:
            if self not in trace.optimizers:
                self._note_constants(trace)
            trace.optimizers[self] = trace.optimizers.get(self, 0) + 1
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
        self._step_count += trace is None
        return loss

    def state_dict(self) -> dict[str, Any]:
        """{"state": {number: {name: tensor}}, "param_groups": [...]}, parameters numbered over all groups.

        The tensors are those in use, as in PyTorch: copy.deepcopy the result to keep it over further steps.
        """
        return saved.state_dict(self.state, self.param_groups)

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Take over what `state_dict()` gave, here or in PyTorch; arrays may stand for the tensors.

        Raises ValueError, and changes nothing, where groups, their sizes or options, or shapes differ.
        """
        name = type(self).__name__
        self.param_groups, self.state = saved.loaded(name, state_dict, self.param_groups, self.defaults)
        Counts.epoch += 1

    def __repr__(self) -> str:
        lines = [f"{type(self).__name__} ("]
        for index, group in enumerate(self.param_groups):
            lines.append(f"Parameter Group {index}")
            lines += [f"    {key}: {group[key]}" for key in sorted(group) if key != "params"]
            lines.append("")
        return "\n".join(lines[:-1]) + "\n)"

    def _tensors(self) -> Iterator[Tensor]:
        """What a step may change: parameters and state tensors."""
        for group in self.param_groups:
            yield from group["params"]
        for state in self.state.values():
            yield from (value for value in state.values() if isinstance(value, Tensor))

    def _saved(self) -> Callable[[], None]:
        """What undoes a step that failed: a computation that cannot run is noticed only at its end."""
        restore = [tensor._cell.saved() for tensor in self._tensors()]
        undo_state = self._saved_state()

        def undo() -> None:
            undo_state()
            for put_back in restore:
                put_back()

        return undo

    def _saved_state(self) -> Callable[[], None]:
        """What puts back which state tensors there are."""
        state = {param: dict(entry) for param, entry in self.state.items()}

        def undo() -> None:
            self.state.clear()
            self.state.update({param: dict(entry) for param, entry in state.items()})

        return undo

    # What an optimizer defines.

    def _check(self, group: Group) -> None:  # noqa: B027 - for the optimizers that have something to check
        """Raise ValueError for options that do not go together."""

    @abstractmethod
    def _buffers(self, group: Group) -> Mapping[str, float]:
        """Names of the state tensors that have a parameter's shape, each with the value they start from."""

    def _counts(self, group: Group) -> bool:
        """Whether the rule needs the number of the step."""
        return True

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
        buffers = self._buffers(group)
        rules: dict[tuple[Tensor | None, DType], Rule] = {}
        where = where_now()
        for param, grad, name in stepping:
            state = self._state_of(param, buffers)
            counter = state["step"] if counts else None
            key = (counter, param.dtype)
            if key not in rules:
                rules[key] = self._rule(
                    group, Setting(self, index, param.dtype, _number(counter, param.dtype))
                )
            cells = [state[buffer]._cell for buffer in buffers]
            with building_at(where if name is None else where._replace(module=name)):
                changed, *values = rules[key](param._cell.node, grad, *(cell.node for cell in cells))
                # Between two steps of one program, gradients of later losses end here.
                param._cell.node = changed if Context.trace is None else ops.stop_gradient(changed)
                if Context.trace is not None:
                    Context.trace.stepped.add(param)
            for cell, value in zip(cells, values, strict=True):
                cell.node = value

    def _state_of(self, param: Tensor, buffers: Mapping[str, float]) -> dict[str, Any]:
        """The state of `param`, with the tensors that it lacks made. Their values are known, even in a trace,
        for which they are state that was there before: the first step is a step like any other."""
        state = self.state[param] if buffers else self.state.get(param, {})
        for name, start in buffers.items():
            if name not in state:
                with tracing(self._home()):
                    state[name] = creation.full_like(param, start)
        return state

    def _home(self) -> Trace | None:
        """The trace that new state belongs to: none, but for an optimizer that a traced function has made."""
        return self._trace if self._trace is Context.trace else None

    def _count(self, group: Group, params: list[Tensor]) -> None:
        """Advance the step counters of `params`. Parameters that always step together share one."""
        states = [self.state[param] for param in params]
        idle: set[Tensor | None] = set()
        if len(params) < len(group["params"]):
            unmoved = set(group["params"]) - set(params)
            idle = {self.state[param].get("step") for param in unmoved if param in self.state}
        replaced: dict[Tensor, Tensor] = {}
        fresh: dict[bool, Tensor] = {}
        for state in states:
            counter = state.get("step")
            if counter is None:
                stepped = bool(state)  # tensors of steps that were not counted, e.g. loaded ones
                if stepped not in fresh:
                    with tracing(self._home()):
                        fresh[stepped] = Tensor._from_array(np.float32(stepped))
                state["step"] = fresh[stepped]
            elif counter in idle:
                if counter not in replaced:
                    replaced[counter] = _parted(type(self).__name__, counter)
                state["step"] = replaced[counter]
        for counter in dict.fromkeys(state["step"] for state in states):
            counter._cell.node = counter._cell.node + 1.0

    # Hyperparameters.

    def option(self, index: int, key: str) -> Any:
        """The present value of an option of param group `index`, or of a number inside of one (`_parts`)."""
        group = self.param_groups[index]
        name, part = self._parts.get(key, (key, None))
        if name not in group:
            raise LenetcError(
                f"{type(self).__name__}: param group {index} has no {name!r} any more; its entries are "
                f"{', '.join(map(repr, group))}"
            ).at(here())
        return group[name] if part is None else group[name][part]

    def _hyper(self, index: int, key: str) -> Scalar:
        """A hyperparameter as a number; as a node, an f32[] input of the program, if it may change."""
        given = self.option(index, key)
        if not isinstance(given, Tensor):
            need_number(type(self).__name__, f"{key} of param group {index}", given)
        value = float(given)
        if (index, key) not in self._dynamic or (self._trace is not None and self._trace is Context.trace):
            return value
        if Context.trace is None:
            held = self._leaves.get((index, key))
            if held is None or held[0] != value:
                held = self._leaves[index, key] = (value, Tensor._from_array(np.float32(value)))
            return held[1]._cell.node
        hypers = Context.trace.hypers
        # One that the function itself changes is another input from then on.
        if (id(self), index, key, value) not in hypers:
            before = sum(other == key for _, _, other, _ in hypers)
            node = leaf(f"{key}_{before}" if before else key, Type(f32, ()), "hyper")
            hypers[id(self), index, key, value] = (self, index, key, node)
        return hypers[id(self), index, key, value][3]

    def _note_constants(self, trace: Trace) -> None:
        """Tell the trace which options it builds in, so that a change makes it stale."""
        whole = {key for key, _ in self._parts.values()}
        keys = [key for key in self.defaults if key not in whole] + list(self._parts)
        for index in range(len(self.param_groups)):
            for key in keys:
                value = self.option(index, key)
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


def _number(counter: Tensor | None, dtype: DType) -> Node | None:
    if counter is None:
        return None
    return ops.cast(counter._cell.node, dtype=f64) if dtype is f64 else counter._cell.node


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
