"""The one-cycle schedule of learning rate and momentum."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from lenetc.optim.schedule import HasParamGroups, LRScheduler, is_count, is_number


class _Phase(NamedTuple):
    """A stretch of the schedule up to step `end`; its bounds are entries of a param group, first to last."""

    end: float
    lr: tuple[str, str]
    momentum: tuple[str, str]


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

    _hyperparameters = ("total_steps", "pct_start", "anneal_strategy", "cycle_momentum", "three_phase")

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
        self.pct_start = self._number("pct_start", pct_start)
        self._require(0 <= self.pct_start <= 1, "pct_start", pct_start, "between 0 and 1")
        self._require(
            anneal_strategy in ("cos", "linear"), "anneal_strategy", anneal_strategy, "'cos' or 'linear'"
        )
        for name, factor in (("div_factor", div_factor), ("final_div_factor", final_div_factor)):
            self._require(is_number(factor) and factor > 0, name, factor, "a positive number")
        self.anneal_strategy = anneal_strategy
        self.cycle_momentum = bool(cycle_momentum)
        self.three_phase = bool(three_phase)
        max_lrs = self._per_group("max_lr", max_lr, len(groups))
        bounds: list[dict[str, Any]] = [
            {"initial_lr": lr / div_factor, "max_lr": lr, "min_lr": lr / div_factor / final_div_factor}
            for lr in max_lrs
        ]
        if self.cycle_momentum:
            tops = self._per_group("max_momentum", max_momentum, len(groups))
            bottoms = self._per_group("base_momentum", base_momentum, len(groups))
            for index, (group, bound) in enumerate(zip(groups, bounds, strict=True)):
                if "momentum" not in group and "betas" not in group:
                    raise ValueError(
                        "OneCycleLR: cycle_momentum=True needs a momentum or betas to cycle, and "
                        f"param_groups[{index}] has neither; give cycle_momentum=False"
                    )
                bound |= {"max_momentum": tops[index], "base_momentum": bottoms[index]}
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

    def _per_group(self, name: str, value: float | Sequence[float], count: int) -> list[float]:
        values: list[Any] = list(value) if isinstance(value, list | tuple) else [value] * count
        allowed = f"a number or a list of {count}, one per param group"
        self._require(len(values) == count and all(map(is_number, values)), name, value, allowed)
        return [float(number) for number in values]

    def _group_keys(self) -> tuple[str, ...]:
        momentum_keys = ("max_momentum", "base_momentum") if self.cycle_momentum else ()
        return ("initial_lr", "max_lr", "min_lr", *momentum_keys)

    def _phase_at(self, epoch: int) -> tuple[_Phase, float]:
        """The phase that step `epoch` lies in, and how much of it is over (above 1 after the last step)."""
        rise, fall = ("initial_lr", "max_lr"), ("max_momentum", "base_momentum")
        up = _Phase(self.pct_start * self.total_steps - 1, rise, fall)
        if self.three_phase:
            back = _Phase(2 * self.pct_start * self.total_steps - 2, rise[::-1], fall[::-1])
            out = _Phase(self.total_steps - 1, ("initial_lr", "min_lr"), ("max_momentum", "max_momentum"))
            phases = [up, back, out]
        else:
            phases = [up, _Phase(self.total_steps - 1, ("max_lr", "min_lr"), fall[::-1])]
        index = next((i for i, phase in enumerate(phases) if epoch <= phase.end), len(phases) - 1)
        start = phases[index - 1].end if index else 0.0
        length = phases[index].end - start
        return phases[index], (epoch - start) / length if length else 1.0

    def _between(self, group: dict[str, Any], bounds: tuple[str, str], progress: float) -> float:
        first, last = (float(group[name]) for name in bounds)
        if self.anneal_strategy == "linear":
            return first + (last - first) * progress
        return last + (first - last) / 2 * (1 + math.cos(math.pi * progress))

    def _next_lrs(self, epoch: int, *, entering: bool) -> list[float]:
        # One step past the end is let through, as in PyTorch: a loop of total_steps batches ends with it.
        if epoch > self.total_steps:
            raise ValueError(
                f"OneCycleLR: step {epoch} is beyond total_steps={self.total_steps}; "
                "make the schedule as long as the training, or stop stepping it"
            )
        phase, progress = self._phase_at(epoch)
        return [self._between(group, phase.lr, progress) for group in self.optimizer.param_groups]

    def _enter(self, epoch: int, lrs: list[float]) -> None:
        super()._enter(epoch, lrs)
        if not self.cycle_momentum:
            return
        phase, progress = self._phase_at(epoch)
        for group in self.optimizer.param_groups:
            momentum = self._between(group, phase.momentum, progress)
            if "betas" in group:
                group["betas"] = (momentum, *group["betas"][1:])
            else:
                group["momentum"] = momentum
