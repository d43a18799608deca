"""What all learning-rate schedules share: the groups they write to, their steps, their saved state."""

from __future__ import annotations

import copy
import functools
import types
import warnings
from collections.abc import Callable, Mapping, Sequence
from numbers import Integral
from typing import Any, ClassVar, Protocol, TypeVar

from ir.types import f32
from lenetc.evaluation.cell import Context
from lenetc.optim.lr_scheduler.inside import take_inside
from lenetc.optim.lr_scheduler.numbers import Number, for_numbers
from lenetc.optim.optimizer import Optimizer
from lenetc.optim.optimizer.groups import is_number
from lenetc.tensors.tensor import Tensor

F = TypeVar("F", bound=Callable[..., Any])


class HasParamGroups(Protocol):
    @property
    def param_groups(self) -> list[dict[str, Any]]: ...


def noted(step: F) -> F:
    """`step` with what a trace has to know of it: whether runs of the program can take it after them, or that an
    exported program takes it itself."""

    @functools.wraps(step)
    def whole(self: LRScheduler, *args: Any, **kwargs: Any) -> Any:
        trace = Context.trace
        if trace is None or trace.is_scheduling:  # the step of a part, or of a base
            return step(self, *args, **kwargs)
        trace.is_scheduling = True
        try:
            trace.before_change(self._saved())
            if take_inside(self, functools.partial(step, self), trace, bool(args or kwargs)):
                return None
            result = step(self, *args, **kwargs)
        finally:
            trace.is_scheduling = False
        if not self._is_initial and not args and not kwargs and self._is_repeatable():
            trace.schedules.append(self)
        else:
            trace.effect(f"it calls {type(self).__name__}.step()")
        return result

    return whole  # type: ignore[return-value]


class LRScheduler:
    """What all schedules share. Constructing one sets the learning rates of the first epoch.

    A schedule, PyTorch's or one's own, defines `get_lr()`, which gives the rates of `last_epoch`, one per param group;
    it may look at `base_lrs`, the rates to start from, and at the present ones. `_get_closed_form_lr()`, where there is
    one, gives them without those of the epoch before.

    `last_epoch` is -1 to start, or the last epoch that an interrupted schedule had reached; the optimizer's
    groups must then hold the `initial_lr` (as a loaded optimizer state does). A rate that is a tensor is filled anew.

    Raises TypeError if `optimizer` is none, ValueError for a wrong argument, KeyError where groups lack what they must
    hold.
    """

    # What is no part of the state: the optimizer, and what is made of the rest.
    _unsaved: ClassVar[tuple[str, ...]] = ("optimizer", "_optimizer_steps_before")
    _group_keys: tuple[str, ...] = ("initial_lr",)  # that the schedule computes from
    _counts: ClassVar[tuple[str, ...]] = ("last_epoch",)  # what a step counts on
    _is_initial = False
    _looks_at_rates: ClassVar[bool] = True  # whether get_lr() needs the rates that there are

    def __init__(self, optimizer: HasParamGroups, last_epoch: int = -1) -> None:
        groups = self._groups_of(optimizer)
        self._require(is_count(last_epoch, -1), "last_epoch", last_epoch, "an integer of at least -1")
        self.optimizer = optimizer
        for index, group in enumerate(groups):
            self._require(
                isinstance(group["lr"], Tensor) or is_number(group["lr"]),
                f"param_groups[{index}]['lr']",
                group["lr"],
                "a finite number",
            )
            if last_epoch == -1:
                group.setdefault("initial_lr", _own(group["lr"]))
            for key in self._group_keys:
                if key not in group:
                    raise MissingOption(
                        f"{type(self).__name__} with last_epoch={last_epoch} goes on with a schedule, but "
                        f"param_groups[{index}] has no {key!r}; load the optimizer's saved state first, "
                        "or start with last_epoch=-1"
                    )
        self.base_lrs: list[Any] = self._options("initial_lr")
        self.last_epoch = int(last_epoch)
        self._optimizer_steps_before = getattr(optimizer, "_step_count", None)
        self._get_lr_called_within_step = False
        self._is_initial = False
        self._initial_step()

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "step" in cls.__dict__:
            cls.step = noted(cls.__dict__["step"])  # type: ignore[method-assign]

    def _initial_step(self) -> None:
        """Set the rates of the first epoch."""
        self._step_count = 0
        self._is_initial = True
        try:
            self.step()
        finally:
            self._is_initial = False

    @noted
    def step(self, epoch: int | None = None) -> None:
        """Go to the next epoch; to be called after `optimizer.step()`.

        Giving `epoch` jumps there, by the closed form where the schedule has one; deprecated, as in PyTorch.
        Warns if the optimizer counts its steps and has made none since the schedule was made: the first
        learning rate would never be used.

        A compiled function may call it. An exported one has the count as state and the rate as a formula, which is NaN
        where this raises; it takes no `epoch`.

        Raises ValueError, and changes nothing, if the epoch is outside the schedule.
        """
        count = len(self.optimizer.param_groups)
        if count != len(self.base_lrs):
            raise ValueError(
                f"{type(self).__name__} was made for {len(self.base_lrs)} param groups, but the optimizer "
                f"now has {count}; make the schedule after the last add_param_group"
            )
        if self._step_count == 1 and self._is_idle():
            warnings.warn(
                "lr_scheduler.step() was called before optimizer.step(), so the first learning rate of the "
                "schedule is skipped; call optimizer.step() first",
                UserWarning,
                stacklevel=3,
            )
        if epoch is not None:
            self._require(is_count(epoch, 0), "epoch", epoch, "an integer of at least 0")
            self._warn_of_epoch()
        undo = self._saved()
        try:
            self._step_count += 1
            self._update_lr(epoch)
        except BaseException:
            undo()
            raise

    def _update_lr(self, epoch: int | None = None) -> None:
        self.last_epoch = self.last_epoch + 1 if epoch is None else int(epoch)
        if _is_closed(self.last_epoch):
            return
        closed = None if epoch is None else getattr(self, "_get_closed_form_lr", None)
        self._get_lr_called_within_step = True
        try:
            lrs = self._rates(self.get_lr if closed is None else closed)
        finally:
            self._get_lr_called_within_step = False
        self._set_lrs(lrs)

    def get_lr(self) -> list[Any]:
        """The learning rates of `last_epoch`, one per param group. To be defined by schedules; `get_last_lr()` tells
        those in use."""
        raise NotImplementedError(f"{type(self).__name__} defines no get_lr()")

    def get_last_lr(self) -> list[Any]:
        """The learning rates that this schedule set last, one per param group."""
        return list(self._last_lr)

    def state_dict(self) -> dict[str, Any]:
        """All attributes but the optimizer.

        The learning rates in use are in the optimizer's state, which is to be saved as well.
        """
        saved = {name: value for name, value in self.__dict__.items() if name not in self._unsaved}
        return {name: list(value) if isinstance(value, list) else value for name, value in saved.items()}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Take over what `state_dict()` of a schedule of the same class gave, here or in PyTorch. Leaves the
        optimizer as it is.

        Raises ValueError, and changes nothing, if entries are missing or unknown or the number of param
        groups differs.
        """
        expected = self.state_dict()
        missing = sorted(expected.keys() - state_dict.keys() - _YOUNG)
        unknown = sorted(state_dict.keys() - expected.keys() - _OLD)
        if missing or unknown:
            raise ValueError(
                f"not the state of a {type(self).__name__}: entries missing {missing}, unknown {unknown}"
            )
        if "base_lrs" in expected and len(state_dict["base_lrs"]) != len(self.base_lrs):
            raise ValueError(
                f"the state of {type(self).__name__} is for {len(state_dict['base_lrs'])} param groups, "
                f"but the optimizer has {len(self.base_lrs)}"
            )
        self._load({name: _taken(state_dict[name]) for name in expected if name in state_dict})

    def _load(self, state: dict[str, Any]) -> None:
        """Take over entries that are this schedule's."""
        self.__dict__.update(state)

    # For schedules.

    def _options(self, key: str) -> list[Any]:
        """An option of each param group, tensors as copies."""
        return [_own(group[key]) for group in self.optimizer.param_groups]

    def _scaled_lrs(self, factor: Any) -> list[Any]:
        is_one = not isinstance(factor, Number) and factor == 1
        return [lr if is_one else lr * factor for lr in self._options("lr")]

    def _rates(self, get: Callable[[], list[Any]]) -> list[Any]:
        """What `get` gives, which somebody else may have written, for a count that may be a Number."""
        count: Any = self.last_epoch
        made: list[Any] = for_numbers(get)() if isinstance(count, Number) else get()
        return made

    def _has_closed_form(self) -> bool:
        """Whether the counts alone tell the rates."""
        return not self._looks_at_rates or hasattr(self, "_get_closed_form_lr")

    def _put_closed_form(self) -> None:
        """Set the rates that the counts alone tell."""
        self._get_lr_called_within_step = True
        self._set_lrs(self._rates(getattr(self, "_get_closed_form_lr", self.get_lr)))

    def _set_lrs(self, lrs: Sequence[Any]) -> None:
        for group, lr in zip(self.optimizer.param_groups, lrs, strict=True):
            set_option(group, "lr", lr)
        self._last_lr = self._options("lr")

    def _warn_outside_of_step(self) -> None:
        if not self._get_lr_called_within_step:
            warnings.warn(
                "get_lr() is for the schedule itself; get_last_lr() gives the learning rates in use",
                UserWarning,
                stacklevel=3,
            )

    def _warn_of_epoch(self) -> None:
        warnings.warn(
            "the epoch argument of lr_scheduler.step() is deprecated; call step() once per epoch",
            UserWarning,
            stacklevel=3,
        )

    def _is_repeatable(self) -> bool:
        """Whether a step is Python alone that a run of a program can have done beside it."""
        return (
            type(self).__module__.startswith(__package__)
            and isinstance(self.optimizer, Optimizer)
            and self.optimizer._trace is None
            and not any(isinstance(group["lr"], Tensor) for group in self.optimizer.param_groups)
        )

    def _is_idle(self) -> bool:
        """Whether the optimizer counts its steps, and has made none since the schedule was made."""
        before = getattr(self, "_optimizer_steps_before", None)
        if before is None or getattr(self.optimizer, "_step_count", None) != before:
            return False
        # Steps of a program are counted when it has run.
        return Context.trace is None or self.optimizer not in Context.trace.optimizers

    def _saved(self) -> Callable[[], None]:
        """What puts back the schedule and the options that it sets."""
        fields = dict(self.__dict__)
        options = [dict(group) for group in self.optimizer.param_groups]

        def undo() -> None:
            self.__dict__.update(fields)
            for group, before in zip(self.optimizer.param_groups, options, strict=True):
                group.update(before)

        return undo

    def _groups_of(self, optimizer: HasParamGroups) -> list[dict[str, Any]]:
        groups = getattr(optimizer, "param_groups", None)
        if not isinstance(groups, list):
            raise TypeError(
                f"{type(self).__name__} needs an optimizer, got {type(optimizer).__name__}, "
                "which has no list of param_groups"
            )
        return groups

    def _require(self, holds: bool, name: str, value: object, allowed: str) -> None:
        if not holds:
            raise ValueError(f"{type(self).__name__}: {name} must be {allowed}, got {value!r}")

    def _number(self, name: str, value: Any) -> Any:
        if isinstance(value, Number):
            return value
        self._require(is_number(value), name, value, "a finite number")
        return float(value)


class MissingOption(KeyError, ValueError):
    """A param group lacks an entry that a schedule goes on from."""

    __str__ = ValueError.__str__


# Attributes that not every version of PyTorch saves, and that some versions saved.
_YOUNG = frozenset(("_is_initial", "_get_lr_called_within_step"))
_OLD = frozenset(("verbose", "_is_initial", "_get_lr_called_within_step"))


def _is_closed(count: Any) -> bool:
    """Whether a count is a formula of a program that has the rates as formulas of the counts."""
    return isinstance(count, Number) and count.dtype is f32


def _own(value: Any) -> Any:
    return value.detach().clone() if isinstance(value, Tensor) else value


def _taken(value: Any) -> Any:
    """An entry of a saved state, as this schedule's own."""
    if isinstance(value, list | tuple):
        return [_taken(part) for part in value]
    return copy.deepcopy(value)


def set_option(group: dict[str, Any], key: str, value: Any) -> None:
    """Set an option; one that is a tensor stays the tensor that it is."""
    held = group[key]
    if isinstance(held, Tensor):
        held.detach().fill_(value.detach() if isinstance(value, Tensor) else value)
    else:
        group[key] = value


def set_momentum(group: dict[str, Any], momentum: float) -> None:
    """Set the momentum, which is the first of `betas` where a group has betas."""
    if "betas" in group:
        group["betas"] = (momentum, *group["betas"][1:])
    else:
        group["momentum"] = momentum


def let_momentum_move(optimizer: HasParamGroups) -> None:
    """Let programs take the momentum as an input, as they do the rate."""
    if isinstance(optimizer, Optimizer):
        for index, group in enumerate(optimizer.param_groups):
            optimizer._dynamic.add((index, "beta1" if "betas" in group else "momentum"))


def per_group(schedule: LRScheduler, name: str, value: Any, count: int) -> list[Any]:
    """`value` for each of `count` param groups: itself, or its items if it is a list. Raises ValueError."""
    values: list[Any] = list(value) if isinstance(value, list | tuple) else [value] * count
    allowed = f"a number or a list of {count}, one per param group"
    is_right = len(values) == count and all(is_number(x) or isinstance(x, Tensor) for x in values)
    schedule._require(is_right, name, value, allowed)
    return [x.detach().clone() if isinstance(x, Tensor) else float(x) for x in values]


def attributes_of(functions: Sequence[Any]) -> list[dict[str, Any] | None]:
    """What a state holds of functions: the attributes of callable objects, None for functions."""
    return [
        dict(vars(function))
        if hasattr(function, "__dict__") and not isinstance(function, types.FunctionType)
        else None
        for function in functions
    ]


def is_count(value: object, least: int) -> bool:
    return not isinstance(value, bool) and isinstance(value, Integral) and int(value) >= least
