"""Schedules along a cosine."""

from __future__ import annotations

import math
from typing import Any

from lenetc.optim.lr_scheduler.base import HasParamGroups, LRScheduler, is_count
from lenetc.optim.lr_scheduler.numbers import sin
from lenetc.optim.optimizer.groups import is_number


def height(epoch: Any, length: Any) -> Any:
    """1 + cos(pi * epoch / length), by a sine that is 0 at the bottom, near which a sum would have no digits left."""
    left = abs(epoch % (2 * length) - length)
    return 2 * sin(math.pi / 2 * left / length) ** 2


class CosineAnnealingLR(LRScheduler):
    """Half a cosine wave from initial_lr down to `eta_min` in `T_max` epochs, and up again in the next.

    Source: Loshchilov and Hutter 2017, https://arxiv.org/abs/1608.03983, without the restarts.
    """

    def __init__(
        self, optimizer: HasParamGroups, T_max: float, eta_min: float = 0.0, last_epoch: int = -1
    ) -> None:
        self._require(is_number(T_max) and T_max > 0, "T_max", T_max, "a positive number of epochs")
        self.T_max = T_max
        self.eta_min = self._number("eta_min", eta_min)
        super().__init__(optimizer, last_epoch)

    def _height(self, epoch: Any) -> Any:
        """2 at the top of the wave, 0 at the bottom."""
        return height(epoch, self.T_max)

    def get_lr(self) -> list[Any]:
        self._warn_outside_of_step()
        epoch = self.last_epoch
        if self._is_initial:
            return self._options("lr")
        if self._step_count == 1 and epoch > 0:
            return self._get_closed_form_lr()
        if (epoch - 1 - self.T_max) % (2 * self.T_max) == 0:
            # The wave was at its bottom, from where no ratio of heights leads up again.
            climb = (1 - math.cos(math.pi / self.T_max)) / 2
            return [
                lr + (base_lr - self.eta_min) * climb
                for lr, base_lr in zip(self._options("lr"), self.base_lrs, strict=True)
            ]
        ratio = self._height(epoch) / self._height(epoch - 1)
        return [ratio * (lr - self.eta_min) + self.eta_min for lr in self._options("lr")]

    def _get_closed_form_lr(self) -> list[Any]:
        height = self._height(self.last_epoch)
        return [self.eta_min + (base_lr - self.eta_min) * height / 2 for base_lr in self.base_lrs]


class CosineAnnealingWarmRestarts(LRScheduler):
    """Half a cosine wave from initial_lr down to `eta_min` in T_0 epochs, then anew, each time T_mult as long.

    `step(epoch)` goes anywhere, to fractions of epochs too. Raises ValueError for a wrong argument.
    Source: Loshchilov and Hutter 2017, https://arxiv.org/abs/1608.03983.
    """

    _counts = ("last_epoch", "T_cur", "T_i")
    _looks_at_rates = False

    def __init__(
        self,
        optimizer: HasParamGroups,
        T_0: int,
        T_mult: int = 1,
        eta_min: float = 0.0,
        last_epoch: int = -1,
    ) -> None:
        self._require(is_count(T_0, 1), "T_0", T_0, "a positive integer")
        self._require(is_count(T_mult, 1), "T_mult", T_mult, "a positive integer")
        self.T_0 = self.T_i = int(T_0)
        self.T_mult = int(T_mult)
        self.eta_min = self._number("eta_min", eta_min)
        self.T_cur: float = last_epoch
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[Any]:
        self._warn_outside_of_step()
        share = height(self.T_cur, self.T_i) / 2
        return [self.eta_min + (base_lr - self.eta_min) * share for base_lr in self.base_lrs]

    def step(self, epoch: float | None = None) -> None:
        """Go to the next epoch, or to `epoch`, which may be a fraction of one: epoch + batch / batches."""
        if epoch is None and self.last_epoch < 0:
            epoch = 0
        if epoch is None:
            epoch = self.last_epoch + 1
            self.T_cur += 1
            if self.T_cur >= self.T_i:
                self.T_cur %= self.T_i
                self.T_i *= self.T_mult
        else:
            self._require(is_number(epoch) and epoch >= 0, "epoch", epoch, "a number of at least 0")
            rounds = 0
            if epoch >= self.T_0 and self.T_mult > 1:
                rounds = int(math.log(epoch / self.T_0 * (self.T_mult - 1) + 1, self.T_mult))
                gone = self.T_0 * (self.T_mult**rounds - 1) / (self.T_mult - 1)
                self.T_cur = epoch - gone
            else:
                self.T_cur = epoch % self.T_0 if epoch >= self.T_0 else epoch
            self.T_i = self.T_0 * self.T_mult**rounds
        self.last_epoch = math.floor(epoch)
        self._get_lr_called_within_step = True
        try:
            self._set_lrs(self.get_lr())
        finally:
            self._get_lr_called_within_step = False
