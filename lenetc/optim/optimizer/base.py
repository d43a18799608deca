"""What all optimizers share: param groups, state, hooks around a step, and what is saved."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar, TypeVar

from ir.errors import LenetcError
from ir.types import Array
from lenetc.evaluation.cell import Cell, Context, Counts
from lenetc.evaluation.tracing import here
from lenetc.evaluation.watched import State
from lenetc.optim.optimizer import groups, saved
from lenetc.optim.optimizer.groups import Group, Params
from lenetc.optim.optimizer.hooks import Hook, Hooks, RemovableHandle
from lenetc.tensors.grad_fn import set_grad_enabled
from lenetc.tensors.tensor import Tensor

F = TypeVar("F", bound=Callable[..., Any])


def counted(step: F) -> F:
    """`step` with what happens around every optimizer's: its hooks, and a count for the schedules."""

    @functools.wraps(step)
    def whole(self: Optimizer, *args: Any, **kwargs: Any) -> Any:
        if self._inside:  # the step of a base, that a subclass's calls
            return step(self, *args, **kwargs)
        self._inside = True
        try:
            for hook in self._step_pre_hooks:
                changed = hook(self, args, kwargs)
                if changed is not None:
                    if not (isinstance(changed, tuple) and len(changed) == 2):
                        raise RuntimeError(
                            f"{type(self).__name__}: a hook before a step must return None or (args, kwargs), but it "
                            f"returned a {type(changed).__name__}"
                        )
                    args, kwargs = changed
            trace = Context.trace
            if trace is not None:
                trace.before_change(self._saved_state())
                if self._trace is not trace:
                    trace.optimizers[self] = trace.optimizers.get(self, 0) + 1
            result = step(self, *args, **kwargs)
            for hook in self._step_post_hooks:
                hook(self, args, kwargs)
        finally:
            self._inside = False
        self._step_count += Context.trace is None
        return result

    return whole  # type: ignore[return-value]


class Optimizer:
    """Base of the optimizers, and of those that users write (torch.optim.Optimizer).

    params: tensors, (name, tensor) pairs, or dicts {"params": tensors, option: value}. defaults: the options
    of groups that do not give their own. `param_groups` may be changed between steps; `state` maps each
    parameter that has stepped to its state.

    A subclass defines `step`. Raises TypeError for what is no tensor, ValueError for an empty list, a tensor given
    twice or not a leaf, and an option's wrong value.
    """

    # Numbers inside of options that hold several: {"beta1": ("betas", 0)}.
    _parts: ClassVar[Mapping[str, tuple[str, int]]] = {}
    # Names of state that parameters share which always step together: numbers.
    _common: ClassVar[tuple[str, ...]] = ()
    _checks_options: ClassVar[bool] = False  # those of one's own may mean something else

    def __init__(self, params: Params, defaults: dict[str, Any]) -> None:
        self.defaults = defaults
        self.param_groups: list[Group] = []
        self.state: State = State()
        self._step_count = 0
        self._inside = False  # a step
        self._trace = Context.trace  # that it was made in: its state then begins anew at every call
        self._dynamic: set[tuple[int, str]] = set()  # hyperparameters that are inputs of programs
        self._leaves: dict[tuple[int, str], tuple[float, Tensor]] = {}  # their last values
        self._step_pre_hooks, self._step_post_hooks = Hooks(), Hooks()
        self._save_pre_hooks, self._save_post_hooks = Hooks(), Hooks()
        self._load_pre_hooks, self._load_post_hooks = Hooks(), Hooks()
        for group in groups.listed(type(self).__name__, params):
            self.add_param_group(group)

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "step" in cls.__dict__:
            cls.step = counted(cls.__dict__["step"])  # type: ignore[method-assign]

    def add_param_group(self, param_group: Group) -> None:
        """Optimize more tensors, {"params": tensors, option: value}. Raises as the constructor does."""
        group = groups.made(
            type(self).__name__, param_group, self.defaults, self.param_groups, checked=self._checks_options
        )
        if self._checks_options:
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
                elif (grad := param._known_grad()) is not None:
                    if grad.grad_fn is not None:
                        param.grad = grad = grad.detach()
                    with set_grad_enabled(False):
                        grad.zero_()

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Change the parameters; returns what `closure`, called first, returned. To be defined by subclasses."""
        raise NotImplementedError(f"{type(self).__name__} defines no step()")

    def state_dict(self) -> dict[str, Any]:
        """{"state": {number: {name: tensor}}, "param_groups": [...]}, parameters numbered over all groups.

        The tensors are those in use, as in PyTorch: copy.deepcopy the result to keep it over further steps.
        """
        if Context.trace is not None:
            Context.trace.effect("it reads the state of an optimizer, which may differ at every call")
        for hook in self._save_pre_hooks:
            hook(self)
        packed = saved.state_dict(self.state, self.param_groups)
        for hook in self._save_post_hooks:
            changed = hook(self, packed)
            packed = packed if changed is None else changed
        return packed

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Take over what `state_dict()` gave, here or in PyTorch; arrays may stand for the tensors.

        Raises ValueError, and changes nothing, where groups, their sizes or options, or shapes differ.
        """
        for hook in self._load_pre_hooks:
            changed = hook(self, state_dict)
            state_dict = state_dict if changed is None else changed
        name = type(self).__name__
        defaults = self.defaults if self._checks_options else {}
        self.param_groups, self.state = saved.loaded(
            name, state_dict, self.param_groups, defaults, self._state_shapes, self._common
        )
        Counts.epoch += 1
        for hook in self._load_post_hooks:
            hook(self)

    # Hooks. Each of these returns a handle, whose remove() takes the hook off again.

    def register_step_pre_hook(self, hook: Hook) -> RemovableHandle:
        """hook(optimizer, args, kwargs) is called before each step, and may return other args and kwargs."""
        return self._step_pre_hooks.add(hook)

    def register_step_post_hook(self, hook: Hook) -> RemovableHandle:
        """hook(optimizer, args, kwargs) is called after each step."""
        return self._step_post_hooks.add(hook)

    def register_state_dict_pre_hook(self, hook: Hook, prepend: bool = False) -> RemovableHandle:
        """hook(optimizer) is called before `state_dict()`."""
        return self._save_pre_hooks.add(hook, prepend)

    def register_state_dict_post_hook(self, hook: Hook, prepend: bool = False) -> RemovableHandle:
        """hook(optimizer, state_dict) is called after `state_dict()`, and may return another."""
        return self._save_post_hooks.add(hook, prepend)

    def register_load_state_dict_pre_hook(self, hook: Hook, prepend: bool = False) -> RemovableHandle:
        """hook(optimizer, state_dict) is called before `load_state_dict()`, and may return another."""
        return self._load_pre_hooks.add(hook, prepend)

    def register_load_state_dict_post_hook(self, hook: Hook, prepend: bool = False) -> RemovableHandle:
        """hook(optimizer) is called after `load_state_dict()`."""
        return self._load_post_hooks.add(hook, prepend)

    def __repr__(self) -> str:
        lines = [f"{type(self).__name__} ("]
        for index, group in enumerate(self.param_groups):
            lines.append(f"Parameter Group {index}")
            lines += [f"    {key}: {group[key]}" for key in sorted(group) if key != "params"]
            lines.append("")
        return "\n".join(lines[:-1]) + "\n)"

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

    def _check(self, group: Group) -> None:
        """Raise ValueError for options that do not go together."""

    def _state_shapes(self, group: Group, param: Tensor) -> Mapping[str, tuple[int, ...]]:
        """The shapes of the state tensors of `param` that are known before they are made."""
        return {}

    def _start_of_state(self) -> dict[Cell, Array]:
        """What state tensors are before the first step, by cell; of those whose start is known."""
        return {}

    def _tensors(self) -> Iterator[Tensor]:
        """What a step may change: parameters and state tensors."""
        for group in self.param_groups:
            yield from group["params"]
        for state in self.state.values():
            yield from (value for value in state.values() if isinstance(value, Tensor))

    def _saved_state(self) -> Callable[[], None]:
        """What puts back which state tensors there are."""
        state = {param: dict(entry) for param, entry in self.state.items()}

        def undo() -> None:
            self.state.clear()
            self.state.update({param: dict(entry) for param, entry in state.items()})

        return undo
