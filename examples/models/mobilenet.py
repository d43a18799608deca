"""A net like MobileNetV2: inverted residuals of depthwise convolutions (Sandler et al. 2018)."""

import lenetc as torch
import lenetc.nn as nn
from examples.models import synthetic


class ConvBNReLU(nn.Sequential):
    def __init__(self, inp, out, kernel=3, stride=1, groups=1):
        super().__init__(
            nn.Conv2d(inp, out, kernel, stride, (kernel - 1) // 2, groups=groups, bias=False),
            nn.BatchNorm2d(out),
            nn.ReLU6(inplace=True),
        )


class InvertedResidual(nn.Module):
    def __init__(self, inp, out, stride, expand):
        super().__init__()
        hidden = round(inp * expand)
        self.use_res_connect = stride == 1 and inp == out
        layers = [] if expand == 1 else [ConvBNReLU(inp, hidden, kernel=1)]
        layers += [
            ConvBNReLU(hidden, hidden, stride=stride, groups=hidden),
            nn.Conv2d(hidden, out, 1, bias=False),
            nn.BatchNorm2d(out),
        ]
        self.conv = nn.Sequential(*layers)

    def forward(self, x):
        return x + self.conv(x) if self.use_res_connect else self.conv(x)


class MobileNet(nn.Module):
    def __init__(self, classes=10):
        super().__init__()
        features = [ConvBNReLU(3, 16, stride=1)]
        channels = 16
        for expand, out, repeats, stride in ((1, 16, 1, 1), (4, 24, 2, 2), (4, 32, 2, 2)):
            for i in range(repeats):
                features.append(InvertedResidual(channels, out, stride if i == 0 else 1, expand))
                channels = out
        features.append(ConvBNReLU(channels, 64, kernel=1))
        self.features = nn.Sequential(*features)
        self.classifier = nn.Sequential(nn.Dropout(0.0), nn.Linear(64, classes))

    def forward(self, x):
        return self.classifier(self.features(x).mean([2, 3]))


def build():
    net = MobileNet()
    optimizer = torch.optim.RMSprop(net.parameters(), lr=1e-3, momentum=0.9, weight_decay=4e-5)

    def step(images, labels):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(net(images), labels)
        loss.backward()
        optimizer.step()
        return loss

    return net, step


def batches(steps):
    return synthetic.images(steps, 16)
