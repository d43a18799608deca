"""Draw lenet.svg: the training step of LeNet with plain SGD, simplified and fused, for any batch size."""

from pathlib import Path

import numpy as np

import lenetc
import lenetc.nn.functional as F
from lenetc import Tensor, optim
from lenetc.artifact.axes import traced
from lenetc.lenet import LeNet
from lenetc.pictures import visualize
from passes.kernels.fuse import fuse
from passes.rewrite.simplify import simplify
from passes.target import Target


def draw() -> str:
    net = LeNet()
    optimizer = optim.SGD(net.parameters(), lr=0.05)

    @lenetc.compile(device="cpu")
    def train_step(images: Tensor, labels: Tensor) -> Tensor:
        optimizer.zero_grad()
        loss = F.cross_entropy(net(images), labels)
        loss.backward()
        optimizer.step()
        return loss

    batch = {"images": np.zeros((2, 1, 32, 32), np.float32), "labels": np.zeros(2, np.int64)}
    types = traced(train_step, batch, None, static=False).types
    graph, _ = simplify(train_step.capture(batch, types).graph, Target())
    graph, _ = fuse(graph, Target())  # before strategies, which would take the convolutions apart
    return visualize.to_svg(graph)


if __name__ == "__main__":
    Path(__file__).with_name("lenet.svg").write_text(draw())
