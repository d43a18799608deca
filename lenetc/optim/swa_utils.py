"""Averages of weights over a training: stochastic weight averaging, and exponential moving averages."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from typing import Any, TypeAlias

import lenetc.operations.elementwise as elementwise
from ir.types import i64
from lenetc.nn.modules.module import Module
from lenetc.nn.modules.normalization import _BatchNorm
from lenetc.operations import creation
from lenetc.optim.lr_scheduler.base import HasParamGroups, LRScheduler, per_group
from lenetc.tensors.grad_fn import set_grad_enabled
from lenetc.tensors.tensor import Tensor

__all__ = [
    "SWALR",
    "AveragedModel",
    "get_ema_avg_fn",
    "get_ema_multi_avg_fn",
    "get_swa_avg_fn",
    "get_swa_multi_avg_fn",
    "update_bn",
]

Average: TypeAlias = Callable[[Tensor, Tensor, Tensor], Tensor]
Averages: TypeAlias = Callable[[Sequence[Tensor], Sequence[Tensor], Tensor], None]


def get_ema_avg_fn(decay: float = 0.999) -> Average:
    """(average, new, count) -> decay * average + (1 - decay) * new. Raises ValueError for a decay outside [0, 1]."""
    _check_decay(decay)

    def average(averaged: Tensor, current: Tensor, num_averaged: Tensor) -> Tensor:
        with set_grad_enabled(False):
            return averaged * decay + current * (1 - decay)

    return average


def get_swa_avg_fn() -> Average:
    """(average, new, count) -> the mean of `count` + 1 values, of which the average is that of the first `count`."""

    def average(averaged: Tensor, current: Tensor, num_averaged: Tensor) -> Tensor:
        with set_grad_enabled(False):
            return averaged + (current - averaged) / (num_averaged + 1)

    return average


def get_ema_multi_avg_fn(decay: float = 0.999) -> Averages:
    """As `get_ema_avg_fn`, for lists of tensors, of which the first is changed in place."""
    return _of_lists(get_ema_avg_fn(decay))


def get_swa_multi_avg_fn() -> Averages:
    """As `get_swa_avg_fn`, for lists of tensors, of which the first is changed in place."""
    return _of_lists(get_swa_avg_fn())


def _check_decay(decay: float) -> None:
    if not 0.0 <= decay <= 1.0:
        raise ValueError(f"the decay of an average must be between 0 and 1, got {decay}")


def _of_lists(average: Average) -> Averages:
    def averages(averaged: Sequence[Tensor], current: Sequence[Tensor], num_averaged: Tensor) -> None:
        with set_grad_enabled(False):
            for old, new in zip(averaged, current, strict=True):
                old.copy_(average(old, new, num_averaged))

    return averages


class AveragedModel(Module):
    """A copy of `model` whose parameters are averages of those that `update_parameters` has been given.

    avg_fn: (average, new, count) -> average for one tensor; multi_avg_fn: the same for lists, of which it changes the
    first in place, once for each dtype; at most one of them, and by default the mean of all. The first update copies.
    use_buffers: average the buffers too; else they are the model's. device: "cpu" or "cuda", as for `Module.to`.

    `update_parameters` may be part of a compiled function.
    Source: torch.optim.swa_utils; Izmailov et al., Averaging weights leads to wider optima and better generalization,
    2018.
    """

    n_averaged: Tensor

    def __init__(
        self,
        model: Module,
        device: Any = None,
        avg_fn: Average | None = None,
        multi_avg_fn: Averages | None = None,
        use_buffers: bool = False,
    ) -> None:
        super().__init__()
        if avg_fn is not None and multi_avg_fn is not None:
            raise AssertionError("AveragedModel takes one of avg_fn and multi_avg_fn, but got both")
        self.module = copy.deepcopy(model)
        if device is not None:
            self.module = self.module.to(device)
        self.register_buffer("n_averaged", creation.tensor(0, dtype=i64))
        self.avg_fn = avg_fn
        self.multi_avg_fn = multi_avg_fn
        self.use_buffers = use_buffers

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """What the averaged module gives."""
        return self.module(*args, **kwargs)

    def update_parameters(self, model: Module) -> None:
        """Take the parameters of `model`, of the same structure, into the averages."""
        ours, theirs = self.module, model
        with set_grad_enabled(False):
            pairs = list(zip(ours.parameters(), theirs.parameters(), strict=True))
            buffers = list(zip(ours.buffers(), theirs.buffers(), strict=True))
            count, is_first = self.n_averaged.clone(), self.n_averaged == 0
            averaged = [
                (mine.detach(), given.detach())
                for mine, given in chain(pairs, buffers if self.use_buffers else ())
            ]
            for (mine, given), new in zip(averaged, self._averages(averaged, count), strict=True):
                # Both are computed: whether this is the first time is not known while a program is made.
                mine.copy_(elementwise.where(is_first, given, new.to(mine.dtype)))
            for mine, given in () if self.use_buffers else buffers:
                mine.detach().copy_(given.detach())
            self.n_averaged.add_(1)

    def _averages(self, pairs: list[tuple[Tensor, Tensor]], count: Tensor) -> list[Tensor]:
        if self.multi_avg_fn is None:
            average = self.avg_fn or get_swa_avg_fn()
            return [average(mine, given, count) for mine, given in pairs]
        results = [mine.clone() for mine, _ in pairs]
        for dtype in dict.fromkeys(mine.dtype for mine, _ in pairs):
            own = [
                (new, given) for new, (mine, given) in zip(results, pairs, strict=True) if mine.dtype is dtype
            ]
            self.multi_avg_fn([new for new, _ in own], [given for _, given in own], count)
        return results


def update_bn(loader: Iterable[Any], model: Module, device: Any = None) -> None:
    """Compute the running statistics of all batch normalizations in `model` anew, from the batches of `loader`.

    A batch is a tensor, or a list or tuple whose first item is one.
    """
    norms = [module for module in model.modules() if isinstance(module, _BatchNorm)]
    if not norms:
        return
    momenta = [norm.momentum for norm in norms]
    was_training = model.training
    for norm in norms:
        norm.reset_running_stats()
    model.train()
    for norm in norms:
        norm.momentum = None
    with set_grad_enabled(False):
        for batch in loader:
            batch = batch[0] if isinstance(batch, (list, tuple)) else batch
            model(batch if device is None else batch.to(device))
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    model.train(was_training)


class SWALR(LRScheduler):
    """From the present learning rate to `swa_lr` in `anneal_epochs` epochs, where it stays.

    anneal_strategy: "cos" or "linear". swa_lr: a number or a list of one per param group.
    """

    def __init__(
        self,
        optimizer: HasParamGroups,
        swa_lr: float | Sequence[float],
        anneal_epochs: int = 10,
        anneal_strategy: str = "cos",
        last_epoch: int = -1,
    ) -> None:
        groups = self._groups_of(optimizer)
        lrs = per_group(self, "swa_lr", swa_lr, len(groups))
        self._require(
            anneal_strategy in ("cos", "linear"), "anneal_strategy", anneal_strategy, "'cos' or 'linear'"
        )
        self._require(
            isinstance(anneal_epochs, int) and anneal_epochs >= 0,
            "anneal_epochs",
            anneal_epochs,
            "an integer of at least 0",
        )
        for group, lr in zip(groups, lrs, strict=True):
            group["swa_lr"] = lr
        self.anneal_epochs = anneal_epochs
        self._anneal_strategy = anneal_strategy
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[Any]:
        self._warn_outside_of_step()
        step = self._step_count - 1
        if self.anneal_epochs == 0:
            step = max(1, step)
        before, now = self._share(step - 1), self._share(step)
        lrs = []
        for group in self.optimizer.param_groups:
            last = group["swa_lr"]
            first = last if before == 1 else (group["lr"] - before * last) / (1 - before)
            lrs.append(last * now + first * (1 - now))
        return lrs

    def _share(self, step: int) -> float:
        """How much of the way is gone."""
        part = max(0.0, min(1.0, step / max(1, self.anneal_epochs)))
        return part if self._anneal_strategy == "linear" else (1 - math.cos(math.pi * part)) / 2
