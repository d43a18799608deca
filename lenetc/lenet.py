"""LeNet as PyTorch's "Neural Networks" tutorial writes it (LeCun et al. 1998, with ReLU and max-pooling).

But for the name of the package this is PyTorch code: benchmarks and tests run the same text with PyTorch's name in it.
"""

from __future__ import annotations

from typing import Any

import lenetc.nn.functional as F
from lenetc import nn


class LeNet(nn.Module):
    """Digits [N,1,32,32] -> scores [N,10]."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 6, 5)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.fc1 = nn.Linear(16 * 5 * 5, 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, 10)

    def forward(self, images: Any) -> Any:
        x = F.max_pool2d(F.relu(self.conv1(images)), (2, 2))
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        x = x.flatten(1)
        x = F.relu(self.fc1(x))
        x = F.relu(self.fc2(x))
        return self.fc3(x)
