"""What is trained: networks, batches, data and first weights, the same for every peer."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.models import MODELS
from lenetc import nn, random
from lenetc.data import load_mnist, prepare


@dataclass(frozen=True)
class Workload:
    """A network, at the batch sizes that are timed.

    steps: so many losses are compared. tolerance: by how much, relatively, they may differ from the reference's.
    It grows with depth: rounding in one step moves all later ones, and batch normalization amplifies it.
    """

    name: str
    title: str
    batches: tuple[int, ...]
    steps: int
    tolerance: float


WORKLOADS = {
    workload.name: workload
    for workload in (
        Workload("lenet", "LeNet", (1, 16, 64, 256, 1024), 10, 1e-4),
        Workload("mlp", "MLP 784-512-512-10", (128,), 10, 1e-4),
        Workload("resnet20", "ResNet-20 (CIFAR)", (32,), 5, 5e-3),
    )
}
OPTIMIZERS = {"sgd": "SGD with momentum 0.9", "adam": "Adam", "plain-sgd": "SGD without momentum"}


def data(name: str) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Inputs and labels: 8,000 digits, or for ResNet-20 1,024 images of noise with labels by lot (its time does not
    depend on what they show)."""
    if name == "resnet20":
        rng = np.random.default_rng(0)
        return rng.standard_normal((1024, 3, 32, 32), dtype=np.float32), rng.integers(0, 10, 1024)
    digits = load_mnist()
    images = prepare(digits.train_images)
    if name == "mlp":
        images = images[:, :, 2:-2, 2:-2].reshape(len(images), 784)
    return np.ascontiguousarray(images), digits.train_labels


def write(name: str, folder: Path) -> None:
    """The files that workers read: data, and PyTorch's default initialization from a fixed seed."""
    folder.mkdir(parents=True, exist_ok=True)
    x, y = data(name)
    np.save(folder / "x.npy", x)
    np.save(folder / "y.npy", y)
    random.manual_seed(0)
    state = MODELS[name](nn).state_dict()
    np.savez(folder / "weights.npz", **{key: value.detach().numpy() for key, value in state.items()})
