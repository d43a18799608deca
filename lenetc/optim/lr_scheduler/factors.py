"""Schedules that multiply the rate they find, or the initial one, by factors."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from lenetc.optim.lr_scheduler.base import HasParamGroups, LRScheduler, attributes_of, is_count
from lenetc.optim.lr_scheduler.numbers import called


class _OfFunctions(LRScheduler):
    """Schedules by functions of the epoch: one for all param groups, or a list. Callable objects' attributes are
    part of the state."""

    lr_lambdas: list[Callable[[int], float]]

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
            len(functions) == count and all(map(callable, functions)), "lr_lambda", lr_lambda, allowed
        )
        self.lr_lambdas = functions
        super().__init__(optimizer, last_epoch)

    def _factors(self) -> list[float]:
        epoch = self.last_epoch
        return [
            self._number(f"the value of lr_lambda[{index}] at epoch {epoch}", called(function, epoch))
            for index, function in enumerate(self.lr_lambdas)
        ]

    def state_dict(self) -> dict[str, Any]:
        """As for every schedule; `lr_lambdas` holds callable objects' attributes, None for functions."""
        return super().state_dict() | {"lr_lambdas": attributes_of(self.lr_lambdas)}

    def _load(self, state: dict[str, Any]) -> None:
        saved = state.pop("lr_lambdas")
        super()._load(state)
        for function, attributes in zip(self.lr_lambdas, saved, strict=True):
            if attributes is not None:
                vars(function).update(attributes)


class LambdaLR(_OfFunctions):
    """lr(epoch) = initial_lr * lr_lambda(epoch); one function for all param groups or a list."""

    _looks_at_rates = False

    def get_lr(self) -> list[Any]:
        self._warn_outside_of_step()
        return [base_lr * factor for base_lr, factor in zip(self.base_lrs, self._factors(), strict=True)]


class MultiplicativeLR(_OfFunctions):
    """The learning rate is multiplied by lr_lambda(epoch) every epoch; one function or a list."""

    def get_lr(self) -> list[Any]:
        self._warn_outside_of_step()
        if self._is_initial:
            return self._options("lr")
        return [lr * factor for lr, factor in zip(self._options("lr"), self._factors(), strict=True)]


class StepLR(LRScheduler):
    """The learning rate is multiplied by `gamma` every `step_size` epochs."""

    def __init__(
        self, optimizer: HasParamGroups, step_size: int, gamma: float = 0.1, last_epoch: int = -1
    ) -> None:
        self._require(is_count(step_size, 1), "step_size", step_size, "a positive integer")
        self.step_size = int(step_size)
        self.gamma = self._number("gamma", gamma)
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[Any]:
        self._warn_outside_of_step()
        is_due = self.last_epoch > 0 and self.last_epoch % self.step_size == 0
        return self._scaled_lrs(self.gamma if is_due else 1.0)

    def _get_closed_form_lr(self) -> list[Any]:
        return [base_lr * self.gamma ** (self.last_epoch // self.step_size) for base_lr in self.base_lrs]


class MultiStepLR(LRScheduler):
    """The learning rate is multiplied by `gamma` at each of the `milestones`, once each time it is named."""

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

    def get_lr(self) -> list[Any]:
        self._warn_outside_of_step()
        times = bisect_right(self.milestones, self.last_epoch) - bisect_left(self.milestones, self.last_epoch)
        return self._scaled_lrs(self.gamma**times)

    def _get_closed_form_lr(self) -> list[Any]:
        times = bisect_right(self.milestones, self.last_epoch)
        return [base_lr * self.gamma**times for base_lr in self.base_lrs]

    def _load(self, state: dict[str, Any]) -> None:
        if isinstance(state["milestones"], Counter):  # as PyTorch has them
            state["milestones"] = sorted(state["milestones"].elements())
        super()._load(state)


class ConstantLR(LRScheduler):
    """initial_lr * factor for `total_iters` epochs, then initial_lr."""

    def __init__(
        self,
        optimizer: HasParamGroups,
        factor: float = 1.0 / 3,
        total_iters: int = 5,
        last_epoch: int = -1,
    ) -> None:
        self.factor = self._number("factor", factor)
        self._require(0 <= self.factor <= 1, "factor", factor, "between 0 and 1")
        self._require(is_count(total_iters, 0), "total_iters", total_iters, "an integer of at least 0")
        self.total_iters = int(total_iters)
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[Any]:
        self._warn_outside_of_step()
        if self.last_epoch == 0:
            return self._scaled_lrs(self.factor)
        return self._scaled_lrs(1.0 / self.factor if self.last_epoch == self.total_iters else 1.0)

    def _get_closed_form_lr(self) -> list[Any]:
        factor = 1.0 if self.last_epoch >= self.total_iters else self.factor
        return [base_lr * factor for base_lr in self.base_lrs]


class LinearLR(LRScheduler):
    """On a line from initial_lr * start_factor to initial_lr * end_factor in `total_iters` epochs."""

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

    def get_lr(self) -> list[Any]:
        self._warn_outside_of_step()
        if self.last_epoch == 0:
            return self._scaled_lrs(self.start_factor)
        if self._is_initial or self.last_epoch > self.total_iters:
            return self._options("lr")
        rise = self.end_factor - self.start_factor
        before = self.total_iters * self.start_factor + (self.last_epoch - 1) * rise
        return self._scaled_lrs(1.0 + rise / before)

    def _get_closed_form_lr(self) -> list[Any]:
        gone = min(self.total_iters, self.last_epoch)
        sum_of_parts = self.start_factor * (self.total_iters - gone) + self.end_factor * gone
        return [base_lr * sum_of_parts / self.total_iters for base_lr in self.base_lrs]


class ExponentialLR(LRScheduler):
    """The learning rate is multiplied by `gamma` every epoch."""

    def __init__(self, optimizer: HasParamGroups, gamma: float, last_epoch: int = -1) -> None:
        self.gamma = self._number("gamma", gamma)
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[Any]:
        self._warn_outside_of_step()
        return self._scaled_lrs(1.0 if self._is_initial else self.gamma)

    def _get_closed_form_lr(self) -> list[Any]:
        return [base_lr * self.gamma**self.last_epoch for base_lr in self.base_lrs]


class PolynomialLR(LRScheduler):
    """initial_lr * (1 - epoch / total_iters)^power, down to 0 in `total_iters` epochs."""

    def __init__(
        self,
        optimizer: HasParamGroups,
        total_iters: int = 5,
        power: float = 1.0,
        last_epoch: int = -1,
    ) -> None:
        self._require(is_count(total_iters, 1), "total_iters", total_iters, "a positive integer")
        self.total_iters = int(total_iters)
        self.power = self._number("power", power)
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[Any]:
        self._warn_outside_of_step()
        if self._is_initial or self.last_epoch > self.total_iters:
            return self._options("lr")
        left, before = (1.0 - epoch / self.total_iters for epoch in (self.last_epoch, self.last_epoch - 1))
        return self._scaled_lrs((left / before) ** self.power)

    def _get_closed_form_lr(self) -> list[Any]:
        left = (self.total_iters - min(self.total_iters, self.last_epoch)) / self.total_iters
        return [base_lr * left**self.power for base_lr in self.base_lrs]
