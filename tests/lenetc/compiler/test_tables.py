"""No index table stands in a program's text or in its model, however large the images are."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import onnx
import pytest

from ir import ops
from ir.text import to_text
from lenetc import nn
from lenetc.compiler.function import CompiledFunction
from lenetc.lenet import LeNet
from passes.emit.model import to_onnx
from passes.kernels.constants import folded
from passes.kernels.order import memory
from passes.pipeline import run_pipeline
from passes.target import Target


def _two(width: int) -> nn.Module:
    first, second = nn.Conv2d(3, width, 3, padding=1), nn.Conv2d(width, width, 3, padding=1)
    return nn.Sequential(first, nn.ReLU(), second, nn.ReLU(), nn.MaxPool2d(2))


def _vgg() -> nn.Module:
    layers: list[nn.Module] = []
    channels = 3
    for width in (64, 128, 256, 512, 512):
        layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
        channels = width
    return nn.Sequential(*layers)


def _of_all_kinds() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 8, 7, stride=2, padding=3),
        nn.MaxPool2d(3, stride=2, padding=1),
        nn.Conv2d(8, 8, 3, padding=2, dilation=2),
        nn.AvgPool2d(3, stride=2, padding=1, ceil_mode=True, count_include_pad=False),
        nn.Conv2d(8, 16, 3, stride=2, dilation=2, groups=4),
        nn.ConvTranspose2d(16, 4, 2, stride=2),
        nn.MaxPool2d(2, ceil_mode=True),
    )


BATCH_LAST = tuple((op, "gather") for op in ("conv2d", "conv2d_weight_grad", "conv2d_input_grad"))
CASES: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...], Any]] = {
    "LeNet": (LeNet, (64, 1, 32, 32), ()),
    "two of 64": (lambda: _two(64), (4, 3, 112, 112), ()),
    "VGG": (_vgg, (2, 3, 224, 224), ()),
    "all kinds": (_of_all_kinds, (8, 3, 75, 64), ()),
    "all kinds batch-last": (_of_all_kinds, (8, 3, 75, 64), BATCH_LAST),
}


@pytest.mark.parametrize("case", CASES)
def test_models_hold_no_index_tables(case: str) -> None:
    make, shape, overrides = CASES[case]
    model = make()

    def step(x: Any) -> Any:
        model.zero_grad()
        loss = (model(x) ** 2).mean()
        loss.backward()
        return [loss, *(p.grad for p in model.parameters())]

    graph = CompiledFunction(step, "cpu").lower(np.zeros(shape, np.float32)).capture.graph
    stages = run_pipeline(graph, Target(threads=2, overrides=overrides))
    for stage in stages:
        constants = [line for line in to_text(stage.graph).splitlines() if "const(" in line]
        assert max(map(len, constants), default=0) < 400
    lowered = stages[-1].graph
    assert sum(_sizes(to_onnx(lowered).model.graph)) < 30_000
    tables = [node.attrs["value"].array.nbytes for node in folded(lowered).nodes() if node.op is ops.const]
    assert sum(tables) < memory(lowered, 1)


def _sizes(graph: onnx.GraphProto) -> Iterator[int]:
    """Bytes of each constant of a graph, and of those inside it."""
    yield from (tensor.ByteSize() for tensor in graph.initializer)
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield attribute.t.ByteSize()
            if attribute.HasField("g"):
                yield from _sizes(attribute.g)
