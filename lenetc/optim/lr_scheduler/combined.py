"""Schedules made of schedules."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from typing import Any

from lenetc.optim.lr_scheduler.base import HasParamGroups, LRScheduler, set_option
from lenetc.optim.lr_scheduler.plateau import ReduceLROnPlateau


class _OfSchedules(LRScheduler):
    """Several schedules of one optimizer."""

    _unsaved = ("optimizer", "_optimizer_steps_before", "_schedulers")
    _schedulers: list[Any]

    def _check_schedules(self, schedulers: Sequence[Any], optimizer: HasParamGroups | None) -> HasParamGroups:
        name = type(self).__name__
        if not schedulers:
            raise ValueError(f"{name} needs at least one schedule, but got none")
        for index, schedule in enumerate(schedulers):
            if not hasattr(schedule, "optimizer"):
                raise TypeError(f"{name}: number {index} is no schedule, but a {type(schedule).__name__}")
            if isinstance(schedule, ReduceLROnPlateau):
                raise ValueError(
                    f"{name} does not take ReduceLROnPlateau, whose step() needs a metric, but number {index} is one; "
                    "step it beside this one"
                )
        wanted = schedulers[0].optimizer if optimizer is None else optimizer
        for index, schedule in enumerate(schedulers):
            if schedule.optimizer is not wanted:
                raise ValueError(
                    f"{name}: number {index}, a {type(schedule).__name__}, is for another optimizer"
                )
        self._groups_of(wanted)
        return wanted

    def state_dict(self) -> dict[str, Any]:
        """As for every schedule; `_schedulers` holds the state of each."""
        return super().state_dict() | {
            "_schedulers": [schedule.state_dict() for schedule in self._schedulers]
        }

    def _saved(self) -> Callable[[], None]:
        mine = super()._saved()
        parts = [schedule._saved() for schedule in self._schedulers]

        def undo() -> None:
            for put_back in parts:
                put_back()
            mine()

        return undo

    def _is_repeatable(self) -> bool:
        return super()._is_repeatable() and all(schedule._is_repeatable() for schedule in self._schedulers)

    def _load(self, state: dict[str, Any]) -> None:
        parts = state.pop("_schedulers")
        super()._load(state)
        for schedule, part in zip(self._schedulers, parts, strict=True):
            schedule.load_state_dict(part)


class SequentialLR(_OfSchedules):
    """One schedule after another: the next begins, at its epoch 0, at each of the `milestones`.

    Raises ValueError for no schedules, schedules of different optimizers, or not one milestone less than schedules.
    """

    def __init__(
        self,
        optimizer: HasParamGroups,
        schedulers: list[LRScheduler],
        milestones: list[int],
        last_epoch: int = -1,
    ) -> None:
        self._check_schedules(schedulers, optimizer)
        if len(milestones) != len(schedulers) - 1:
            raise ValueError(
                f"SequentialLR needs one milestone less than schedules, but got {len(milestones)} for {len(schedulers)}"
            )
        self._schedulers = list(schedulers)
        self._milestones = list(milestones)
        self.last_epoch = last_epoch + 1
        self.optimizer = optimizer
        for group in optimizer.param_groups:
            set_option(group, "lr", group["initial_lr"])
        _undo_first_steps(self)
        # That of epoch 0 begins now; the others took a first step only when they were made.
        first = self._schedulers[bisect_right(self._milestones, 0)]
        first._initial_step()
        self._last_lr = first.get_last_lr()

    def step(self) -> None:  # type: ignore[override]
        """Go to the next epoch; to be called after `optimizer.step()`."""
        self.last_epoch += 1
        index = bisect_right(self._milestones, self.last_epoch)
        schedule = self._schedulers[index]
        if index > 0 and self._milestones[index - 1] == self.last_epoch:
            schedule._update_lr(0)
        else:
            schedule.step()
        self._last_lr = schedule.get_last_lr()

    def _has_closed_form(self) -> bool:
        return all(schedule._has_closed_form() for schedule in self._schedulers)

    def _put_closed_form(self) -> None:
        self._schedulers[bisect_right(self._milestones, self.last_epoch)]._put_closed_form()


def _undo_first_steps(schedule: Any) -> None:
    if hasattr(schedule, "_schedulers"):
        for part in schedule._schedulers:
            _undo_first_steps(part)
    elif hasattr(schedule, "last_epoch"):
        schedule.last_epoch -= 1


class ChainedScheduler(_OfSchedules):
    """Several schedules at once: each takes its step, in order, from the rates that the one before leaves."""

    _counts = ()

    def __init__(self, schedulers: Sequence[LRScheduler], optimizer: HasParamGroups | None = None) -> None:
        self.optimizer = self._check_schedules(schedulers, optimizer)
        self._schedulers = list(schedulers)
        self._last_lr = self._options("lr")

    def step(self) -> None:  # type: ignore[override]
        """Go to the next epoch; to be called after `optimizer.step()`."""
        for schedule in self._schedulers:
            schedule.step()
        self._last_lr = self._options("lr")
