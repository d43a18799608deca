"""Train a network with PyTorch to tell the digits 0 to 4 apart, and export it: python pretrain.py digits_0_to_4.onnx

The file that it wrote is beside it: only who wants another needs PyTorch.
"""

import sys

import torch
from torch import nn

from lenetc.data import load_mnist

torch.manual_seed(0)
digits = load_mnist()
known = digits.train_labels < 5
images = torch.tensor(digits.train_images[known], dtype=torch.float32)[:, None] / 255
labels = torch.tensor(digits.train_labels[known])

net = nn.Sequential(
    *(nn.Conv2d(1, 8, 5, padding=2), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2)),
    *(nn.Conv2d(8, 16, 5, padding=2), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2)),
    *(nn.Conv2d(16, 16, 3), nn.ReLU(), nn.Flatten(), nn.Linear(16 * 5 * 5, 32), nn.ReLU(), nn.Linear(32, 5)),
)
optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
for epoch in range(4):
    for batch in torch.randperm(len(images)).split(64):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(net(images[batch]), labels[batch])
        loss.backward()
        optimizer.step()
    print(f"epoch {epoch}: loss {loss.item():.4f}")

torch.onnx.export(
    net.eval(),
    (images[:2],),
    sys.argv[1],
    dynamo=False,
    opset_version=17,
    training=torch.onnx.TrainingMode.PRESERVE,  # these two: else batch normalization is folded into the convolutions
    do_constant_folding=False,
    input_names=["image"],
    output_names=["scores"],
    dynamic_axes={"image": {0: "N"}, "scores": {0: "N"}},
)
