"""The schedule that waits for a metric to stop improving."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from ir.errors import LenetcError
from lenetc.evaluation.cell import Context
from lenetc.optim.lr_scheduler.base import HasParamGroups, LRScheduler, is_count, per_group, set_option
from lenetc.tensors.tensor import Tensor


class ReduceLROnPlateau(LRScheduler):
    """The learning rate is multiplied by `factor` when `step(metric)` has had no better metric for `patience` epochs.

    mode: "min" or "max", what is better. threshold: by how much it has to be, as a part of the best ("rel") or in
    itself ("abs"; threshold_mode). cooldown: epochs that do not count after a reduction. min_lr: a number or a list
    of one per param group. eps: reductions by less are not made. Raises ValueError for a wrong argument.
    """

    def __init__(
        self,
        optimizer: HasParamGroups,
        mode: str = "min",
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        threshold_mode: str = "rel",
        cooldown: int = 0,
        min_lr: float | Sequence[float] = 0,
        eps: float = 1e-8,
    ) -> None:
        self._require(mode in ("min", "max"), "mode", mode, "'min' or 'max'")
        self._require(threshold_mode in ("rel", "abs"), "threshold_mode", threshold_mode, "'rel' or 'abs'")
        self.factor = self._number("factor", factor)
        self._require(self.factor < 1, "factor", factor, "below 1")
        self._require(is_count(patience, 0), "patience", patience, "an integer of at least 0")
        self._require(is_count(cooldown, 0), "cooldown", cooldown, "an integer of at least 0")
        groups = self._groups_of(optimizer)
        self.optimizer = optimizer
        self.min_lrs = per_group(self, "min_lr", min_lr, len(groups))
        self.default_min_lr: float | None = None if isinstance(min_lr, list | tuple) else self.min_lrs[0]
        self.patience, self.cooldown = int(patience), int(cooldown)
        self.eps = self._number("eps", eps)
        self.last_epoch = 0
        self._last_lr = self._options("lr")
        self.mode, self.threshold_mode = mode, threshold_mode
        self.threshold: float = self._number("threshold", threshold)
        self.mode_worse = math.inf if mode == "min" else -math.inf
        self._reset()

    def _reset(self) -> None:
        """Forget the best metric and what has been waited for."""
        self.best = self.mode_worse
        self.cooldown_counter = 0
        self.num_bad_epochs = 0

    def step(self, metrics: Any, epoch: int | None = None) -> None:  # type: ignore[override]
        """Tell the metric of an epoch, a number or a tensor of one; to be called after `optimizer.step()`."""
        if Context.trace is not None and isinstance(metrics, Tensor):
            raise Context.trace.refused(
                LenetcError(
                    "ReduceLROnPlateau.step(metric) looks at the metric, which a compiled function only computes: "
                    "return it, and step the schedule outside; lr is then an input of the program"
                )
            )
        current = float(metrics)
        if epoch is not None:
            self._warn_of_epoch()
        self.last_epoch = self.last_epoch + 1 if epoch is None else epoch
        if self._is_better(current):
            self.best, self.num_bad_epochs = current, 0
        else:
            self.num_bad_epochs += 1
        if self.in_cooldown:
            self.cooldown_counter -= 1
            self.num_bad_epochs = 0
        if self.num_bad_epochs > self.patience:
            self._reduce_lr()
            self.cooldown_counter, self.num_bad_epochs = self.cooldown, 0
        self._last_lr = self._options("lr")

    @property
    def in_cooldown(self) -> bool:
        """Whether epochs without improvement do not count now."""
        return self.cooldown_counter > 0

    def _is_better(self, metric: float) -> bool:
        sign = 1.0 if self.mode == "max" else -1.0
        margin = sign * self.threshold
        needed = self.best * (1.0 + margin) if self.threshold_mode == "rel" else self.best + margin
        return metric > needed if self.mode == "max" else metric < needed

    def _reduce_lr(self) -> None:
        groups = self.optimizer.param_groups
        if len(groups) != len(self.min_lrs):
            if self.default_min_lr is None:
                raise RuntimeError(
                    f"ReduceLROnPlateau has {len(self.min_lrs)} values of min_lr, but the optimizer now has "
                    f"{len(groups)} param groups; put one for each into min_lrs"
                )
            self.min_lrs = [self.default_min_lr] * len(groups)
        for group, least in zip(groups, self.min_lrs, strict=True):
            before = float(group["lr"])
            lr = max(before * self.factor, float(least))
            if before - lr > self.eps:
                set_option(group, "lr", lr)
