"""Networks in PyTorch whose exports are imported: each with an example of its inputs and labels."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks import models


class Basic(nn.Module):
    """ResNet's block of two convolutions (He et al. 2015)."""

    def __init__(self, inner: int, outer: int, stride: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(inner, outer, 3, stride, 1, bias=False), nn.BatchNorm2d(outer)
        self.conv2, self.bn2 = nn.Conv2d(outer, outer, 3, 1, 1, bias=False), nn.BatchNorm2d(outer)
        self.downsample = (
            nn.Sequential(nn.Conv2d(inner, outer, 1, stride, bias=False), nn.BatchNorm2d(outer))
            if stride != 1 or inner != outer
            else None
        )

    def forward(self, x: Tensor) -> Tensor:
        shortcut = x if self.downsample is None else self.downsample(x)
        return F.relu(self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x))))) + shortcut)


class ResNet18(nn.Module):
    """ResNet-18's layers, of fewer channels."""

    def __init__(self, width: int = 8) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, width, 7, 2, 3, bias=False), nn.BatchNorm2d(width)
        sizes = [width, width, 2 * width, 4 * width, 8 * width]
        self.layers = nn.Sequential(
            *(
                nn.Sequential(Basic(a, b, 1 if i == 0 else 2), Basic(b, b, 1))
                for i, (a, b) in enumerate(itertools.pairwise(sizes))
            )
        )
        self.fc = nn.Linear(8 * width, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = F.max_pool2d(F.relu(self.bn1(self.conv1(x))), 3, 2, 1)
        return self.fc(torch.flatten(F.adaptive_avg_pool2d(self.layers(x), 1), 1))


class Inverted(nn.Module):
    """MobileNetV2's block (Sandler et al. 2018)."""

    def __init__(self, inner: int, outer: int, stride: int, factor: int) -> None:
        super().__init__()
        wide = inner * factor
        self.adds = stride == 1 and inner == outer
        self.conv = nn.Sequential(
            *(nn.Conv2d(inner, wide, 1, bias=False), nn.BatchNorm2d(wide), nn.ReLU6()),
            *(nn.Conv2d(wide, wide, 3, stride, 1, groups=wide, bias=False), nn.BatchNorm2d(wide), nn.ReLU6()),
            *(nn.Conv2d(wide, outer, 1, bias=False), nn.BatchNorm2d(outer)),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv(x) if self.adds else self.conv(x)


class MobileNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            *(nn.Conv2d(3, 8, 3, 2, 1, bias=False), nn.BatchNorm2d(8), nn.ReLU6()),
            *(Inverted(8, 8, 1, 2), Inverted(8, 12, 2, 4), Inverted(12, 12, 1, 4), Inverted(12, 16, 2, 4)),
        )
        self.classifier = nn.Sequential(nn.Dropout(0.0), nn.Linear(16, 10))

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.features(x).mean([2, 3]))


class Encoder(nn.Module):
    """A transformer that classifies sequences of symbols."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding, self.positions = nn.Embedding(50, 32), nn.Parameter(torch.randn(1, 64, 32) * 0.1)
        layer = nn.TransformerEncoderLayer(32, 4, 64, dropout=0.0, batch_first=True, activation="gelu")
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.head = nn.Linear(32, 10)

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.embedding(tokens) + self.positions[:, : tokens.shape[1]]
        return self.head(self.encoder(x).mean(1))


class ViT(nn.Module):
    """A vision transformer (Dosovitskiy et al. 2020), small."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, 32, 8, 8)
        self.token = nn.Parameter(torch.zeros(1, 1, 32))
        self.positions = nn.Parameter(torch.randn(1, 17, 32) * 0.1)
        layer = nn.TransformerEncoderLayer(32, 4, 64, dropout=0.0, batch_first=True, norm_first=True)
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.norm, self.head = nn.LayerNorm(32), nn.Linear(32, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.patches(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(x.shape[0], -1, -1), x], 1) + self.positions
        return self.head(self.norm(self.encoder(x))[:, 0])


class Recurrent(nn.Module):
    def __init__(self, kind: type[nn.RNNBase], bidirectional: bool) -> None:
        super().__init__()
        self.embedding = nn.Embedding(50, 16)
        self.rnn = kind(16, 24, num_layers=2, batch_first=True, bidirectional=bidirectional)
        self.head = nn.Linear(48 if bidirectional else 24, 10)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.head(self.rnn(self.embedding(tokens))[0][:, -1])


def _double(inner: int, outer: int) -> nn.Sequential:
    return nn.Sequential(
        *(nn.Conv2d(inner, outer, 3, padding=1), nn.BatchNorm2d(outer), nn.ReLU()),
        *(nn.Conv2d(outer, outer, 3, padding=1), nn.BatchNorm2d(outer), nn.ReLU()),
    )


class UNet(nn.Module):
    """Two floors of Ronneberger et al. 2015, one way up by a transposed convolution and one by interpolation."""

    def __init__(self) -> None:
        super().__init__()
        self.down1, self.down2, self.bottom = _double(3, 8), _double(8, 16), _double(16, 32)
        self.up2 = nn.ConvTranspose2d(32, 16, 2, 2)
        self.left2, self.left1 = _double(32, 16), _double(24, 8)
        self.head = nn.Conv2d(8, 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        first = self.down1(x)
        second = self.down2(F.max_pool2d(first, 2))
        x = self.up2(self.bottom(F.max_pool2d(second, 2)))
        x = self.left2(torch.cat([second, x], 1))
        x = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
        return self.head(self.left1(torch.cat([first, x], 1)))


class Generator(nn.Module):
    """DCGAN's generator (Radford et al. 2015), small."""

    def __init__(self) -> None:
        super().__init__()
        self.main = nn.Sequential(
            *(nn.ConvTranspose2d(16, 32, 4, 1, 0, bias=False), nn.BatchNorm2d(32), nn.ReLU(True)),
            *(nn.ConvTranspose2d(32, 16, 4, 2, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU(True)),
            *(nn.ConvTranspose2d(16, 3, 4, 2, 1, bias=False), nn.Tanh()),
        )

    def forward(self, z: Tensor) -> Tensor:
        return self.main(z)


def _images(size: int, channels: int = 3) -> Callable[[int], Tensor]:
    return lambda n: torch.randn(n, channels, size, size)


def _tokens(length: int) -> Callable[[int], Tensor]:
    return lambda n: torch.randint(0, 50, (n, length))


def _classes(n: int) -> Tensor:
    return torch.randint(0, 10, (n,))


@dataclass(frozen=True)
class Network:
    """make: the module; inputs, labels: batches of a size; loss: its name in nn.functional; lr: of SGD; dynamic: names
    of the symbolic sizes; opset: the lowest that PyTorch exports it to."""

    make: Callable[[], nn.Module]
    inputs: Callable[[int], Tensor]
    labels: Callable[[int], Tensor] = _classes
    loss: str = "cross_entropy"
    lr: float = 0.05
    dynamic: dict[int, str] = field(default_factory=lambda: {0: "batch"})
    opset: int = 13


NETWORKS = {
    "lenet": Network(lambda: models.lenet(nn), _images(32, 1)),
    "resnet18": Network(ResNet18, _images(64), lr=0.01),
    "mobilenet": Network(MobileNet, _images(32)),
    "encoder": Network(Encoder, _tokens(12), dynamic={0: "batch", 1: "time"}, opset=14),
    "vit": Network(ViT, _images(32), opset=14),
    "lstm": Network(lambda: Recurrent(nn.LSTM, False), _tokens(9)),
    "gru": Network(lambda: Recurrent(nn.GRU, True), _tokens(9)),
    "unet": Network(UNet, _images(16), lambda n: torch.randint(0, 4, (n, 16, 16))),
    "generator": Network(
        Generator, lambda n: torch.randn(n, 16, 1, 1), lambda n: torch.randn(n, 3, 16, 16).tanh(), "mse_loss"
    ),
}
