"""LeNet as PyTorch's "Neural Networks" tutorial writes it (LeCun et al. 1998, with ReLU and max-pooling)."""

from __future__ import annotations

import lenetc.nn.functional as F
from lenetc import nn
from lenetc.operations.shaping import flatten
from lenetc.tensors.tensor import Tensor


class LeNet(nn.Module):
    """Digits [N,1,32,32] -> scores [N,10]."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 6, 5)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.fc1 = nn.Linear(16 * 5 * 5, 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, 10)

    def forward(self, images: Tensor) -> Tensor:
        x = F.max_pool2d(F.relu(self.conv1(images)), (2, 2))
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        x = flatten(x, 1)
        x = F.relu(self.fc1(x))
        x = F.relu(self.fc2(x))
        scores: Tensor = self.fc3(x)
        return scores
