"""Digits and batches: what a network is trained on.

It may import `tensors` and what that may.
"""

from lenetc.data.digits import MEAN, STD, Mnist, batches, load_mnist, prepare
from lenetc.data.feeding import prefetch

__all__ = ["MEAN", "STD", "Mnist", "batches", "load_mnist", "prefetch", "prepare"]
