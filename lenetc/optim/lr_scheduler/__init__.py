"""Learning-rate schedules: each writes the rates of the coming steps into the optimizer's `param_groups`.

The recursions are PyTorch's: a schedule changes the rate it finds, so rates edited by hand and several
schedules on one optimizer compose. An epoch is one call of `step()`, be it after an epoch or after a batch.
Source: `torch.optim.lr_scheduler`, PyTorch 2.13.

They may import `optimizer`.
"""

from typing import TYPE_CHECKING

from lenetc.missing import names_of
from lenetc.optim.lr_scheduler.base import LRScheduler
from lenetc.optim.lr_scheduler.combined import ChainedScheduler, SequentialLR
from lenetc.optim.lr_scheduler.cosine import CosineAnnealingLR, CosineAnnealingWarmRestarts
from lenetc.optim.lr_scheduler.cycles import CyclicLR, OneCycleLR
from lenetc.optim.lr_scheduler.factors import (
    ConstantLR,
    ExponentialLR,
    LambdaLR,
    LinearLR,
    MultiplicativeLR,
    MultiStepLR,
    PolynomialLR,
    StepLR,
)
from lenetc.optim.lr_scheduler.plateau import ReduceLROnPlateau

__all__ = [
    "ChainedScheduler",
    "ConstantLR",
    "CosineAnnealingLR",
    "CosineAnnealingWarmRestarts",
    "CyclicLR",
    "ExponentialLR",
    "LRScheduler",
    "LambdaLR",
    "LinearLR",
    "MultiStepLR",
    "MultiplicativeLR",
    "OneCycleLR",
    "PolynomialLR",
    "ReduceLROnPlateau",
    "SequentialLR",
    "StepLR",
]

_LRScheduler = LRScheduler  # the name it had, which people's schedules still have

if not TYPE_CHECKING:
    __getattr__ = names_of(__name__)
