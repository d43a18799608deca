"""The networks that are timed. One source text builds them from lenetc's `nn` or from PyTorch's, which is passed in.

Parameters have the same names either way, so that weights go from one to the other by state_dict.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

LENET = Path("lenetc", "lenet.py")


def lenet(nn: Any) -> Any:
    """The package's LeNet: images f32[N,1,32,32] -> scores f32[N,10].

    Its file is run with the name of the framework in it, and found by its path: where PyTorch is timed there may be
    no lenetc to import.
    """
    text = (Path(__file__).parents[1] / LENET).read_text()
    names: dict[str, Any] = {}
    exec(compile(text.replace("lenetc", nn.__name__.partition(".")[0]), LENET, "exec"), names)
    return names["LeNet"]()


def mlp(nn: Any) -> Any:
    """A multilayer perceptron 784-512-512-10 with ReLU: pixels f32[N,784] -> scores f32[N,10]."""
    F = nn.functional

    class Mlp(nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.fc1 = nn.Linear(784, 512)
            self.fc2 = nn.Linear(512, 512)
            self.fc3 = nn.Linear(512, 10)

        def forward(self, pixels: Any) -> Any:
            return self.fc3(F.relu(self.fc2(F.relu(self.fc1(pixels)))))

    return Mlp()


def resnet20(nn: Any, blocks: int = 3) -> Any:
    """The residual network for CIFAR-10 of He et al. 2015 ("Deep Residual Learning for Image Recognition", 4.2):
    images f32[N,3,32,32] -> scores f32[N,10].

    Three stages of 16, 32 and 64 channels with `blocks` blocks each: 6 * blocks + 2 layers, 20 for 3 blocks. Shortcuts
    are the paper's option A, which has no parameters: where a stage begins, every second pixel, and zeros for the new
    channels, half of them before the others and half after them. Global average pooling ends it.
    """
    F = nn.functional

    class Block(nn.Module):  # type: ignore[misc]
        """Two 3x3 convolutions, each with batch normalization, beside the shortcut."""

        def __init__(self, inputs: int, channels: int) -> None:
            super().__init__()
            stride = channels // inputs
            self.grows = stride > 1
            self.new = (channels - inputs) // 2
            self.conv1 = nn.Conv2d(inputs, channels, 3, stride=stride, padding=1, bias=False)
            self.bn1 = nn.BatchNorm2d(channels)
            self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
            self.bn2 = nn.BatchNorm2d(channels)

        def forward(self, x: Any) -> Any:
            y = F.relu(self.bn1(self.conv1(x)))
            y = self.bn2(self.conv2(y))
            if self.grows:
                x = F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, self.new, self.new))
            return F.relu(y + x)

    class ResNet(nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.conv1 = nn.Conv2d(3, 16, 3, padding=1, bias=False)
            self.bn1 = nn.BatchNorm2d(16)
            self.layer1 = stage(16, 16)
            self.layer2 = stage(16, 32)
            self.layer3 = stage(32, 64)
            self.pool = nn.AdaptiveAvgPool2d(1)
            self.fc = nn.Linear(64, 10)

        def forward(self, images: Any) -> Any:
            x = F.relu(self.bn1(self.conv1(images)))
            x = self.layer3(self.layer2(self.layer1(x)))
            return self.fc(self.pool(x).flatten(1))

    def stage(inputs: int, channels: int) -> Any:
        return nn.Sequential(Block(inputs, channels), *(Block(channels, channels) for _ in range(blocks - 1)))

    return ResNet()


MODELS: dict[str, Callable[[Any], Any]] = {"lenet": lenet, "mlp": mlp, "resnet20": resnet20}
