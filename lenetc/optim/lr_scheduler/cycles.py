"""Schedules that cycle the learning rate, and the momentum against it."""

from __future__ import annotations

import math
import types
from collections.abc import Callable, Sequence
from typing import Any

from lenetc.optim.lr_scheduler.base import (
    HasParamGroups,
    LRScheduler,
    attributes_of,
    is_count,
    let_momentum_move,
    per_group,
    set_momentum,
    set_option,
)
from lenetc.optim.lr_scheduler.numbers import called, cos, sin
from lenetc.optim.optimizer.groups import is_number


def _need_momentum(schedule: str, groups: Sequence[dict[str, Any]]) -> None:
    for index, group in enumerate(groups):
        if "momentum" not in group and "betas" not in group:
            raise ValueError(
                f"{schedule}: cycle_momentum=True needs a momentum or betas to cycle, and "
                f"param_groups[{index}] has neither; give cycle_momentum=False"
            )


class CyclicLR(LRScheduler):
    """From base_lr up to max_lr in `step_size_up` steps and back in `step_size_down` (default: as many), over and over.

    mode: "triangular", "triangular2", whose heights halve from cycle to cycle, or "exp_range", whose heights are those
    times gamma^step. scale_fn: another factor of the height, of the number of the cycle, from 1, or with
    scale_mode="iterations" of the step. With `cycle_momentum` the momentum (the first of `betas` where a group has
    betas) moves against the learning rate, from `max_momentum` to `base_momentum` and back. Rates and momenta are
    numbers or lists of one per param group. Raises ValueError for a wrong argument.
    Source: `torch.optim.lr_scheduler.CyclicLR`; Smith 2015, https://arxiv.org/abs/1506.01186.
    """

    _unsaved = ("optimizer", "_optimizer_steps_before", "_scale_fn_custom")
    _looks_at_rates = False

    def __init__(
        self,
        optimizer: HasParamGroups,
        base_lr: float | Sequence[float],
        max_lr: float | Sequence[float],
        step_size_up: int = 2000,
        step_size_down: int | None = None,
        mode: str = "triangular",
        gamma: float = 1.0,
        scale_fn: Callable[[Any], float] | None = None,
        scale_mode: str = "cycle",
        cycle_momentum: bool = True,
        base_momentum: float | Sequence[float] = 0.8,
        max_momentum: float | Sequence[float] = 0.9,
        last_epoch: int = -1,
    ) -> None:
        groups = self._groups_of(optimizer)
        base_lrs = per_group(self, "base_lr", base_lr, len(groups))
        self.max_lrs = per_group(self, "max_lr", max_lr, len(groups))
        for name, size in (("step_size_up", step_size_up), ("step_size_down", step_size_down)):
            allowed = "a positive number of steps"
            self._require(size is None or (is_number(size) and size > 0), name, size, allowed)
        up = float(step_size_up)
        self.total_size = up + (up if step_size_down is None else float(step_size_down))
        self.step_ratio = up / self.total_size
        modes = ("triangular", "triangular2", "exp_range")
        self._require(scale_fn is not None or mode in modes, "mode", mode, " or ".join(map(repr, modes)))
        self.mode = mode
        self.gamma = self._number("gamma", gamma)
        self._scale_fn_custom = scale_fn
        if scale_fn is None:
            scale_mode = "iterations" if mode == "exp_range" else "cycle"
        self.scale_mode = scale_mode
        self.cycle_momentum = bool(cycle_momentum)
        if self.cycle_momentum:
            _need_momentum("CyclicLR", groups)
            let_momentum_move(optimizer)
            self.use_beta1 = "betas" in groups[0]
            self.base_momentums = per_group(self, "base_momentum", base_momentum, len(groups))
            self.max_momentums = per_group(self, "max_momentum", max_momentum, len(groups))
        if last_epoch == -1:
            for group, lr in zip(groups, base_lrs, strict=True):
                set_option(group, "lr", lr)
            bounds = zip(self.max_momentums, self.base_momentums, strict=True) if self.cycle_momentum else ()
            for group, (most, least) in zip(groups, bounds, strict=False):
                group.update(max_momentum=most, base_momentum=least)
        super().__init__(optimizer, last_epoch)
        self.base_lrs = base_lrs

    def scale_fn(self, x: Any) -> Any:
        """The factor of the height, of the number of the cycle or of the step."""
        if self._scale_fn_custom is not None:
            return called(self._scale_fn_custom, x)
        if self.mode == "triangular2":
            return 0.5 ** (x - 1)
        return self.gamma**x if self.mode == "exp_range" else 1.0

    def get_lr(self) -> list[Any]:
        self._warn_outside_of_step()
        cycle = 1 + math.floor(self.last_epoch / self.total_size)
        x = self.last_epoch % self.total_size / self.total_size
        height = x / self.step_ratio if x <= self.step_ratio else (x - 1) / (self.step_ratio - 1)
        height = height * self.scale_fn(cycle if self.scale_mode == "cycle" else self.last_epoch)
        if self.cycle_momentum:
            groups = self.optimizer.param_groups
            for group, least, most in zip(groups, self.base_momentums, self.max_momentums, strict=True):
                set_momentum(group, most - (most - least) * height)
        return [
            least + (most - least) * height for least, most in zip(self.base_lrs, self.max_lrs, strict=True)
        ]

    def state_dict(self) -> dict[str, Any]:
        """As for every schedule; `_scale_fn_custom` is a callable object's attributes, None for a function."""
        function = self._scale_fn_custom
        saved = (
            None
            if function is None or isinstance(function, types.FunctionType)
            else attributes_of([function])[0]
        )
        return super().state_dict() | {"_scale_fn_custom": saved}

    def _load(self, state: dict[str, Any]) -> None:
        attributes = state.pop("_scale_fn_custom")
        super()._load(state)
        if attributes is not None:
            vars(self._scale_fn_custom).update(attributes)


class OneCycleLR(LRScheduler):
    """From max_lr / div_factor up to max_lr, then down to max_lr / div_factor / final_div_factor.

    The length is `total_steps`, or else `epochs * steps_per_epoch`; the way up takes `pct_start` of it (a
    fraction, 0 to 1). With `three_phase` the way down first mirrors the way up and then goes on to the end.
    `anneal_strategy` is "cos" or "linear". With `cycle_momentum` the momentum (the first of `betas` where a
    group has betas) moves against the learning rate, from `max_momentum` to `base_momentum` and back.
    `max_lr` and the momenta are numbers or lists of one per param group. The bounds are kept in the param
    groups and so in the optimizer's state.

    Raises ValueError for a wrong argument, and from `step()` beyond `total_steps`.
    Source: `torch.optim.lr_scheduler.OneCycleLR`; Smith and Topin 2018, https://arxiv.org/abs/1708.07120.
    Where the way up takes no time at all (`pct_start * total_steps` is 1), PyTorch divides by zero and this
    schedule starts at the top.
    """

    _unsaved = ("optimizer", "_optimizer_steps_before", "_group_keys")
    _looks_at_rates = False

    def __init__(
        self,
        optimizer: HasParamGroups,
        max_lr: float | Sequence[float],
        total_steps: int | None = None,
        epochs: int | None = None,
        steps_per_epoch: int | None = None,
        pct_start: float = 0.3,
        anneal_strategy: str = "cos",
        cycle_momentum: bool = True,
        base_momentum: float | Sequence[float] = 0.85,
        max_momentum: float | Sequence[float] = 0.95,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
        three_phase: bool = False,
        last_epoch: int = -1,
    ) -> None:
        groups = self._groups_of(optimizer)
        self.total_steps = self._length(total_steps, epochs, steps_per_epoch)
        share = self._number("pct_start", pct_start)
        self._require(0 <= share <= 1, "pct_start", pct_start, "between 0 and 1")
        self._require(
            anneal_strategy in ("cos", "linear"), "anneal_strategy", anneal_strategy, "'cos' or 'linear'"
        )
        for name, factor in (("div_factor", div_factor), ("final_div_factor", final_div_factor)):
            self._require(is_number(factor) and factor > 0, name, factor, "a positive number")
        self._anneal_func_type = anneal_strategy
        self.cycle_momentum = bool(cycle_momentum)
        self._schedule_phases = _phases(self.total_steps, share, three_phase=bool(three_phase))
        max_lrs = per_group(self, "max_lr", max_lr, len(groups))
        bounds: list[dict[str, Any]] = [
            {"initial_lr": lr / div_factor, "max_lr": lr, "min_lr": lr / div_factor / final_div_factor}
            for lr in max_lrs
        ]
        if self.cycle_momentum:
            tops = per_group(self, "max_momentum", max_momentum, len(groups))
            bottoms = per_group(self, "base_momentum", base_momentum, len(groups))
            _need_momentum("OneCycleLR", groups)
            let_momentum_move(optimizer)
            self._group_keys = ("initial_lr", "max_lr", "min_lr", "max_momentum", "base_momentum")
            self.use_beta1 = "betas" in groups[0]
            for bound, top, bottom in zip(bounds, tops, bottoms, strict=True):
                bound |= {"max_momentum": top, "base_momentum": bottom}
        if last_epoch == -1:
            for group, bound in zip(groups, bounds, strict=True):
                group.update(bound)
        super().__init__(optimizer, last_epoch)

    def _length(self, total_steps: int | None, epochs: int | None, steps_per_epoch: int | None) -> int:
        if total_steps is not None:
            self._require(is_count(total_steps, 1), "total_steps", total_steps, "a positive integer")
            return int(total_steps)
        if epochs is None or steps_per_epoch is None:
            raise ValueError(
                "OneCycleLR: give total_steps, or both epochs and steps_per_epoch; "
                f"got total_steps=None, epochs={epochs}, steps_per_epoch={steps_per_epoch}"
            )
        self._require(is_count(epochs, 1), "epochs", epochs, "a positive integer")
        self._require(is_count(steps_per_epoch, 1), "steps_per_epoch", steps_per_epoch, "a positive integer")
        return int(epochs) * int(steps_per_epoch)

    def _between(self, group: dict[str, Any], first: str, last: str, left: Any) -> Any:
        """Between two options, by how much of the way is left: a sum of shares, which keeps its digits near 0."""
        start, end = float(group[first]), float(group[last])
        if self._anneal_func_type == "linear":
            return start * left + end * (1.0 - left)
        angle = math.pi / 2 * left
        return start * sin(angle) ** 2 + end * cos(angle) ** 2

    def get_lr(self) -> list[Any]:
        self._warn_outside_of_step()
        step = self.last_epoch
        # One step past the end is let through, as in PyTorch: a loop of total_steps batches ends with it.
        if step > self.total_steps:
            raise ValueError(
                f"OneCycleLR: step {step} is beyond total_steps={self.total_steps}; "
                "make the schedule as long as the training, or stop stepping it"
            )
        ends = [phase["end_step"] for phase in self._schedule_phases]
        index = next((i for i, end in enumerate(ends) if step <= end), len(ends) - 1)
        begin, phase = ends[index - 1] if index else 0.0, self._schedule_phases[index]
        length = ends[index] - begin
        left = (ends[index] - step) / length if length else 0.0  # below 0 after the last step
        groups = self.optimizer.param_groups
        if self.cycle_momentum:
            for group in groups:
                set_momentum(
                    group, self._between(group, phase["start_momentum"], phase["end_momentum"], left)
                )
        return [self._between(group, phase["start_lr"], phase["end_lr"], left) for group in groups]


def _phases(total_steps: int, share: float, *, three_phase: bool) -> list[dict[str, Any]]:
    """The stretches of the schedule, each up to a step, between entries of a param group."""

    def phase(end: float, lr: tuple[str, str], momentum: tuple[str, str]) -> dict[str, Any]:
        return {
            "end_step": end,
            "start_lr": lr[0],
            "end_lr": lr[1],
            "start_momentum": momentum[0],
            "end_momentum": momentum[1],
        }

    rise, fall = ("initial_lr", "max_lr"), ("max_momentum", "base_momentum")
    up = phase(share * total_steps - 1, rise, fall)
    if not three_phase:
        return [up, phase(total_steps - 1, ("max_lr", "min_lr"), fall[::-1])]
    back = phase(2 * share * total_steps - 2, rise[::-1], fall[::-1])
    out = phase(total_steps - 1, ("initial_lr", "min_lr"), ("max_momentum", "max_momentum"))
    return [up, back, out]
