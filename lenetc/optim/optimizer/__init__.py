"""The base of all optimizers, their param groups, and their state as PyTorch saves it.

It may import `operations` and what that may.
"""

from lenetc.optim.optimizer.base import Optimizer
from lenetc.optim.optimizer.groups import REQUIRED
from lenetc.optim.optimizer.refused import SparseAdam

__all__ = ["Optimizer", "SparseAdam", "required"]

required = REQUIRED
