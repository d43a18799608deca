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


def two_convolutions(nn: Any) -> Any:
    """Two wide 3x3 convolutions on large images: f32[N,3,H,W] -> scores f32[N,10]."""
    return nn.Sequential(
        nn.Conv2d(3, 64, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(64, 64, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(64, 10),
    )


def unet(torch: Any, width: int = 16) -> Any:
    """The U-Net of Ronneberger et al. 2015 with three halvings, padded convolutions and batch normalization: images
    f32[N,3,H,W] -> scores f32[N,10,H,W], H and W multiples of 8. `width` is the number of channels at full size. It
    takes the framework itself, for `cat`.
    """
    nn = torch.nn

    def double(inputs: int, channels: int) -> Any:
        layers = (
            (nn.Conv2d(c, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels), nn.ReLU())
            for c in (inputs, channels)
        )
        return nn.Sequential(*(layer for three in layers for layer in three))

    class UNet(nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            widths = [width * 2**level for level in range(4)]
            self.down = nn.ModuleList(double(*pair) for pair in zip([3, *widths[:-1]], widths, strict=True))
            self.pool = nn.MaxPool2d(2)
            self.up = nn.ModuleList(nn.ConvTranspose2d(2 * c, c, 2, stride=2) for c in widths[-2::-1])
            self.joined = nn.ModuleList(double(2 * c, c) for c in widths[-2::-1])
            self.scores = nn.Conv2d(width, 10, 1)

        def forward(self, x: Any) -> Any:
            skipped = []
            for level, down in enumerate(self.down):
                x = down(self.pool(x) if level else x)
                skipped.append(x)
            for up, joined, skip in zip(self.up, self.joined, skipped[-2::-1], strict=True):
                x = joined(torch.cat([skip, up(x)], dim=1))
            return self.scores(x)

    return UNet()


MODELS: dict[str, Callable[[Any], Any]] = {"lenet": lenet, "mlp": mlp, "resnet20": resnet20}
