"""Optimizers and learning-rate schedules (torch.optim)."""

from lenetc.optim import lr_scheduler
from lenetc.optim.optimizer import Optimizer
from lenetc.optim.sgd import SGD

__all__ = ["SGD", "Optimizer", "lr_scheduler"]
