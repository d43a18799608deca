"""Optimizers and learning-rate schedules (torch.optim).

It may import `operations` and what that may.
"""

from typing import TYPE_CHECKING

from lenetc.missing import names_of
from lenetc.optim import lr_scheduler
from lenetc.optim.adagrad import Adagrad
from lenetc.optim.adam import Adam, AdamW
from lenetc.optim.optimizer import Optimizer
from lenetc.optim.rmsprop import RMSprop
from lenetc.optim.sgd import SGD

__all__ = ["SGD", "Adagrad", "Adam", "AdamW", "Optimizer", "RMSprop", "lr_scheduler"]

if not TYPE_CHECKING:
    __getattr__ = names_of(__name__)
