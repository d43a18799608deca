"""Learning-rate schedules: each writes the rates of the coming steps into the optimizer's `param_groups`.

The recursions are PyTorch's: a schedule changes the rate it finds, so rates edited by hand and several
schedules on one optimizer compose. An epoch is one call of `step()`, be it after an epoch or after a batch.
Source: `torch.optim.lr_scheduler`, PyTorch 2.13.
"""

import math
import types
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from lenetc.optim.one_cycle import OneCycleLR
from lenetc.optim.schedule import HasParamGroups, LRScheduler, is_count, is_number

__all__ = [
    "CosineAnnealingLR",
    "ExponentialLR",
    "LRScheduler",
    "LambdaLR",
    "LinearLR",
    "MultiStepLR",
    "OneCycleLR",
    "StepLR",
]


class LambdaLR(LRScheduler):
    """lr(epoch) = initial_lr * lr_lambda(epoch); one function for all param groups or a list."""

    def __init__(
        self,
        optimizer: HasParamGroups,
        lr_lambda: Callable[[int], float] | Sequence[Callable[[int], float]],
        last_epoch: int = -1,
    ) -> None:
        count = len(self._groups_of(optimizer))
        functions: list[Any] = list(lr_lambda) if isinstance(lr_lambda, list | tuple) else [lr_lambda] * count
        allowed = f"a function of the epoch or a list of {count}, one per param group"
        self._require(
            len(functions) == count and all(map(callable, functions)),
            "lr_lambda",
            lr_lambda,
            allowed,
        )
        self.lr_lambdas: list[Callable[[int], float]] = functions
        super().__init__(optimizer, last_epoch)

    def _next_lrs(self, epoch: int, *, entering: bool) -> list[float]:
        factors = [
            self._number(f"the value of lr_lambda[{index}] at epoch {epoch}", function(epoch))
            for index, function in enumerate(self.lr_lambdas)
        ]
        return [base_lr * factor for base_lr, factor in zip(self.base_lrs, factors, strict=True)]

    def state_dict(self) -> dict[str, Any]:
        """As for every schedule; `lr_lambdas` holds callable objects' attributes, None for functions."""
        saved = [
            dict(vars(function))
            if hasattr(function, "__dict__") and not isinstance(function, types.FunctionType)
            else None
            for function in self.lr_lambdas
        ]
        return super().state_dict() | {"lr_lambdas": saved}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """As for every schedule; callable objects get their saved attributes back."""
        super().load_state_dict(state_dict)
        for function, attributes in zip(self.lr_lambdas, state_dict["lr_lambdas"], strict=True):
            if attributes is not None:
                vars(function).update(attributes)


class StepLR(LRScheduler):
    """The learning rate is multiplied by `gamma` every `step_size` epochs."""

    _hyperparameters = ("step_size", "gamma")

    def __init__(
        self, optimizer: HasParamGroups, step_size: int, gamma: float = 0.1, last_epoch: int = -1
    ) -> None:
        self._require(is_count(step_size, 1), "step_size", step_size, "a positive integer")
        self.step_size = int(step_size)
        self.gamma = self._number("gamma", gamma)
        super().__init__(optimizer, last_epoch)

    def _next_lrs(self, epoch: int, *, entering: bool) -> list[float]:
        return self._scaled_lrs(self.gamma if epoch > 0 and epoch % self.step_size == 0 else 1.0)

    def _closed_form_lrs(self, epoch: int) -> list[float]:
        return [base_lr * self.gamma ** (epoch // self.step_size) for base_lr in self.base_lrs]


class MultiStepLR(LRScheduler):
    """The learning rate is multiplied by `gamma` at each of the `milestones`, once each time it is named."""

    _hyperparameters = ("milestones", "gamma")

    def __init__(
        self, optimizer: HasParamGroups, milestones: Iterable[int], gamma: float = 0.1, last_epoch: int = -1
    ) -> None:
        allowed = "a list of epochs, each an integer of at least 0"
        self._require(isinstance(milestones, Iterable), "milestones", milestones, allowed)
        epochs = list(milestones)
        self._require(all(is_count(epoch, 0) for epoch in epochs), "milestones", epochs, allowed)
        self.milestones = sorted(int(epoch) for epoch in epochs)
        self.gamma = self._number("gamma", gamma)
        super().__init__(optimizer, last_epoch)

    def _next_lrs(self, epoch: int, *, entering: bool) -> list[float]:
        times = bisect_right(self.milestones, epoch) - bisect_left(self.milestones, epoch)
        return self._scaled_lrs(self.gamma**times)

    def _closed_form_lrs(self, epoch: int) -> list[float]:
        return [base_lr * self.gamma ** bisect_right(self.milestones, epoch) for base_lr in self.base_lrs]


class ExponentialLR(LRScheduler):
    """The learning rate is multiplied by `gamma` every epoch."""

    _hyperparameters = ("gamma",)

    def __init__(self, optimizer: HasParamGroups, gamma: float, last_epoch: int = -1) -> None:
        self.gamma = self._number("gamma", gamma)
        super().__init__(optimizer, last_epoch)

    def _next_lrs(self, epoch: int, *, entering: bool) -> list[float]:
        return self._scaled_lrs(1.0 if entering else self.gamma)

    def _closed_form_lrs(self, epoch: int) -> list[float]:
        return [base_lr * self.gamma**epoch for base_lr in self.base_lrs]


class LinearLR(LRScheduler):
    """On a line from initial_lr * start_factor to initial_lr * end_factor in `total_iters` epochs."""

    _hyperparameters = ("start_factor", "end_factor", "total_iters")

    def __init__(
        self,
        optimizer: HasParamGroups,
        start_factor: float = 1.0 / 3,
        end_factor: float = 1.0,
        total_iters: int = 5,
        last_epoch: int = -1,
    ) -> None:
        self.start_factor = self._number("start_factor", start_factor)
        self._require(
            0 < self.start_factor <= 1, "start_factor", start_factor, "greater than 0 and at most 1"
        )
        self.end_factor = self._number("end_factor", end_factor)
        self._require(0 <= self.end_factor <= 1, "end_factor", end_factor, "between 0 and 1")
        self._require(is_count(total_iters, 1), "total_iters", total_iters, "a positive integer")
        self.total_iters = int(total_iters)
        super().__init__(optimizer, last_epoch)

    def _next_lrs(self, epoch: int, *, entering: bool) -> list[float]:
        if epoch == 0:
            return self._scaled_lrs(self.start_factor)
        if entering or epoch > self.total_iters:
            return self._scaled_lrs(1.0)
        rise = self.end_factor - self.start_factor
        return self._scaled_lrs(1.0 + rise / (self.total_iters * self.start_factor + (epoch - 1) * rise))

    def _closed_form_lrs(self, epoch: int) -> list[float]:
        rise = self.end_factor - self.start_factor
        factor = self.start_factor + rise * min(self.total_iters, epoch) / self.total_iters
        return [base_lr * factor for base_lr in self.base_lrs]


class CosineAnnealingLR(LRScheduler):
    """Half a cosine wave from initial_lr down to `eta_min` in `T_max` epochs, and up again in the next.

    Source: Loshchilov and Hutter 2017, https://arxiv.org/abs/1608.03983, without the restarts.
    """

    _hyperparameters = ("T_max", "eta_min")

    def __init__(
        self, optimizer: HasParamGroups, T_max: float, eta_min: float = 0.0, last_epoch: int = -1
    ) -> None:
        self._require(is_number(T_max) and T_max > 0, "T_max", T_max, "a positive number of epochs")
        self.T_max = T_max
        self.eta_min = self._number("eta_min", eta_min)
        super().__init__(optimizer, last_epoch)

    def _height(self, epoch: int) -> float:
        """2 at the top of the wave, 0 at the bottom."""
        return 1 + math.cos(math.pi * epoch / self.T_max)

    def _next_lrs(self, epoch: int, *, entering: bool) -> list[float]:
        if entering:
            return self._scaled_lrs(1.0)
        if (epoch - 1 - self.T_max) % (2 * self.T_max) == 0:
            # The wave was at its bottom, from where no ratio of heights leads up again.
            climb = (1 - math.cos(math.pi / self.T_max)) / 2
            return [
                float(group["lr"]) + (base_lr - self.eta_min) * climb
                for group, base_lr in zip(self.optimizer.param_groups, self.base_lrs, strict=True)
            ]
        ratio = self._height(epoch) / self._height(epoch - 1)
        return [
            self.eta_min + ratio * (float(group["lr"]) - self.eta_min)
            for group in self.optimizer.param_groups
        ]

    def _closed_form_lrs(self, epoch: int) -> list[float]:
        return [
            self.eta_min + (base_lr - self.eta_min) * self._height(epoch) / 2 for base_lr in self.base_lrs
        ]
