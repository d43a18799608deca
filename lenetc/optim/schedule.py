"""What all learning-rate schedules share: the groups they write to, their steps, their saved state."""

import math
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from numbers import Integral, Real
from typing import Any, ClassVar, Protocol

from lenetc.evaluation.cell import Context


class HasParamGroups(Protocol):
    @property
    def param_groups(self) -> list[dict[str, Any]]: ...


class LRScheduler(ABC):
    """What all schedules share. Constructing one sets the learning rates of the first epoch.

    `last_epoch` is -1 to start, or the last epoch that an interrupted schedule had reached; the optimizer's
    groups must then hold the `initial_lr` (as a loaded optimizer state does).

    Raises TypeError if `optimizer` is none, ValueError for a wrong argument.
    """

    # Names of the attributes that are saved: those of a class, and those that all have.
    _hyperparameters: ClassVar[tuple[str, ...]] = ()
    _state: ClassVar[tuple[str, ...]] = ("base_lrs", "last_epoch", "_step_count", "_last_lr")

    def __init__(self, optimizer: HasParamGroups, last_epoch: int = -1) -> None:
        groups = self._groups_of(optimizer)
        self._require(is_count(last_epoch, -1), "last_epoch", last_epoch, "an integer of at least -1")
        self.optimizer = optimizer
        for index, group in enumerate(groups):
            self._require(
                is_number(group["lr"]), f"param_groups[{index}]['lr']", group["lr"], "a finite number"
            )
            if last_epoch == -1:
                group.setdefault("initial_lr", group["lr"])
            for key in self._group_keys():
                if key not in group:
                    raise ValueError(
                        f"{type(self).__name__} with last_epoch={last_epoch} goes on with a schedule, but "
                        f"param_groups[{index}] has no {key!r}; load the optimizer's saved state first, "
                        "or start with last_epoch=-1"
                    )
        self.base_lrs = [float(group["initial_lr"]) for group in groups]
        self._optimizer_steps_before = getattr(optimizer, "_step_count", None)
        self._step_count = 1
        self._enter(int(last_epoch) + 1, self._next_lrs(int(last_epoch) + 1, entering=True))

    def _saved(self) -> Callable[[], None]:
        """What puts back the schedule and the options that it sets."""
        fields = dict(self.__dict__)
        options = [dict(group) for group in self.optimizer.param_groups]

        def undo() -> None:
            self.__dict__.update(fields)
            for group, before in zip(self.optimizer.param_groups, options, strict=True):
                group.update(before)

        return undo

    def step(self, epoch: int | None = None) -> None:
        """Go to the next epoch; to be called after `optimizer.step()`.

        Giving `epoch` jumps there, by the closed form where the schedule has one; deprecated, as in PyTorch.
        Warns if the optimizer counts its steps and has made none since the schedule was made: the first
        learning rate would never be used.

        Raises ValueError, and changes nothing, if the epoch is outside the schedule. A compiled function that
        calls it is traced at every call, which costs more than calling it outside.
        """
        if Context.trace is not None:
            Context.trace.effect(f"it calls {type(self).__name__}.step()")
            Context.trace.before_change(self._saved())
        groups = self.optimizer.param_groups
        if len(groups) != len(self.base_lrs):
            raise ValueError(
                f"{type(self).__name__} was made for {len(self.base_lrs)} param groups, but the optimizer "
                f"now has {len(groups)}; make the schedule after the last add_param_group"
            )
        steps_before = self._optimizer_steps_before
        idle = steps_before is not None and getattr(self.optimizer, "_step_count", None) == steps_before
        if (
            Context.trace is not None and self.optimizer in Context.trace.optimizers
        ):  # counted when it has run
            idle = False
        if self._step_count == 1 and idle:
            warnings.warn(
                "lr_scheduler.step() was called before optimizer.step(), so the first learning rate of the "
                "schedule is skipped; call optimizer.step() first",
                UserWarning,
                stacklevel=2,
            )
        if epoch is None:
            epoch = self.last_epoch + 1
            lrs = self._next_lrs(epoch, entering=False)
        else:
            self._require(is_count(epoch, 0), "epoch", epoch, "an integer of at least 0")
            warnings.warn(
                "the epoch argument of lr_scheduler.step() is deprecated; call step() once per epoch",
                UserWarning,
                stacklevel=2,
            )
            lrs = self._closed_form_lrs(epoch)
        self._step_count += 1
        self._enter(epoch, lrs)

    def get_last_lr(self) -> list[float]:
        """The learning rates that this schedule set last, one per param group."""
        return list(self._last_lr)

    def state_dict(self) -> dict[str, Any]:
        """The schedule's position and hyperparameters as Python numbers, strings and lists.

        The learning rates in use are in the optimizer's state, which is to be saved as well.
        """
        saved = {name: getattr(self, name) for name in (*self._state, *self._hyperparameters)}
        return {name: list(value) if isinstance(value, list) else value for name, value in saved.items()}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Take over what `state_dict()` of a schedule of the same class gave. Leaves the optimizer as it is.

        Raises ValueError, and changes nothing, if entries are missing or unknown or the number of param
        groups differs.
        """
        expected = self.state_dict()
        missing = sorted(expected.keys() - state_dict.keys())
        unknown = sorted(state_dict.keys() - expected.keys())
        if missing or unknown:
            raise ValueError(
                f"not the state of a {type(self).__name__}: entries missing {missing}, unknown {unknown}"
            )
        if len(state_dict["base_lrs"]) != len(self.base_lrs):
            raise ValueError(
                f"the state of {type(self).__name__} is for {len(state_dict['base_lrs'])} param groups, "
                f"but the optimizer has {len(self.base_lrs)}"
            )
        for name in (*self._state, *self._hyperparameters):
            value = state_dict[name]
            setattr(self, name, list(value) if isinstance(value, list | tuple) else value)

    @abstractmethod
    def _next_lrs(self, epoch: int, *, entering: bool) -> list[float]:
        """Learning rates of `epoch`, from those in use. `entering` is true in the constructor only."""

    def _closed_form_lrs(self, epoch: int) -> list[float]:
        """Learning rates of `epoch`, from the initial ones."""
        return self._next_lrs(epoch, entering=False)

    def _group_keys(self) -> tuple[str, ...]:
        """The entries of each param group that the schedule computes from, besides the learning rate."""
        return ("initial_lr",)

    def _groups_of(self, optimizer: HasParamGroups) -> list[dict[str, Any]]:
        groups = getattr(optimizer, "param_groups", None)
        if not isinstance(groups, list):
            raise TypeError(
                f"{type(self).__name__} needs an optimizer, got {type(optimizer).__name__}, "
                "which has no list of param_groups"
            )
        return groups

    def _enter(self, epoch: int, lrs: list[float]) -> None:
        for group, lr in zip(self.optimizer.param_groups, lrs, strict=True):
            group["lr"] = lr
        self.last_epoch = epoch
        self._last_lr = list(lrs)

    def _scaled_lrs(self, factor: float) -> list[float]:
        return [float(group["lr"]) * factor for group in self.optimizer.param_groups]

    def _require(self, holds: bool, name: str, value: object, allowed: str) -> None:
        if not holds:
            raise ValueError(f"{type(self).__name__}: {name} must be {allowed}, got {value!r}")

    def _number(self, name: str, value: float) -> float:
        self._require(is_number(value), name, value, "a finite number")
        return float(value)


def is_number(value: object) -> bool:
    return not isinstance(value, bool) and isinstance(value, Real) and math.isfinite(value)


def is_count(value: object, least: int) -> bool:
    return not isinstance(value, bool) and isinstance(value, Integral) and int(value) >= least
