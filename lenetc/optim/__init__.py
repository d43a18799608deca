"""Optimizers, learning-rate schedules and averages of weights (torch.optim).

It may import `nn` and what that may.
"""

from typing import TYPE_CHECKING

from lenetc.missing import names_of
from lenetc.optim import lr_scheduler, swa_utils
from lenetc.optim.adadelta import Adadelta
from lenetc.optim.adafactor import Adafactor
from lenetc.optim.adagrad import Adagrad
from lenetc.optim.adam import Adam
from lenetc.optim.adamax import Adamax
from lenetc.optim.adamw import AdamW
from lenetc.optim.asgd import ASGD
from lenetc.optim.lbfgs import LBFGS
from lenetc.optim.muon import Muon
from lenetc.optim.nadam import NAdam
from lenetc.optim.optimizer import Optimizer, SparseAdam
from lenetc.optim.radam import RAdam
from lenetc.optim.rmsprop import RMSprop
from lenetc.optim.rprop import Rprop
from lenetc.optim.sgd import SGD

__all__ = [
    "ASGD",
    "LBFGS",
    "SGD",
    "Adadelta",
    "Adafactor",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "Muon",
    "NAdam",
    "Optimizer",
    "RAdam",
    "RMSprop",
    "Rprop",
    "SparseAdam",
    "lr_scheduler",
    "swa_utils",
]

if not TYPE_CHECKING:
    __getattr__ = names_of(__name__)
