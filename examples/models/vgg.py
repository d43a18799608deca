"""A small VGG with a classifier of three layers (Simonyan and Zisserman 2014)."""

import lenetc as torch
import lenetc.nn as nn
from examples.models import synthetic


def make_layers(plan, batch_norm=True):
    layers, channels = [], 3
    for v in plan:
        if v == "M":
            layers += [nn.MaxPool2d(kernel_size=2, stride=2)]
        else:
            conv = nn.Conv2d(channels, v, kernel_size=3, padding=1)
            layers += (
                [conv, nn.BatchNorm2d(v), nn.ReLU(inplace=True)] if batch_norm else [conv, nn.ReLU(True)]
            )
            channels = v
    return nn.Sequential(*layers)


class VGG(nn.Module):
    def __init__(self, plan=(16, "M", 32, "M", 64, 64, "M"), classes=10, dropout=0.0):
        super().__init__()
        self.features = make_layers(plan)
        self.avgpool = nn.AdaptiveAvgPool2d((2, 2))
        self.classifier = nn.Sequential(
            nn.Linear(64 * 2 * 2, 128),
            nn.ReLU(True),
            nn.Dropout(p=dropout),
            nn.Linear(128, 128),
            nn.ReLU(True),
            nn.Dropout(p=dropout),
            nn.Linear(128, classes),
        )
        for m in self.modules():
            if isinstance(m, nn.Linear):
                nn.init.normal_(m.weight, 0, 0.05)
                nn.init.zeros_(m.bias)

    def forward(self, x):
        x = self.avgpool(self.features(x))
        return self.classifier(torch.flatten(x, 1))


def build():
    net = VGG()
    loss_fn = nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)

    def step(images, labels):
        loss = loss_fn(net(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    return net, step


def batches(steps):
    return synthetic.images(steps, 16)
