"""Networks that PyTorch exported, imported and trained as in PyTorch."""

from __future__ import annotations

import itertools
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch

import lenetc
from lenetc.importer.errors import OnnxWarning
from tests.parity.importer.exporting import BATCH, Form, check, exported, in_runtime, step_of, torch_losses
from tests.parity.importer.networks import NETWORKS

FORMS = [
    Form(dynamo, opset, training, dynamic)
    for dynamo, opsets in ((False, range(13, 21)), (True, range(18, 21)))  # the newer exporter begins at 18
    for opset, training, dynamic in itertools.product(opsets, (False, True), (False, True))
]
# Of each opset one form, in turns; the networks one after the other.
_SOME = [form for i, form in enumerate(FORMS) if (i + i // 4) % 4 == 0]
QUICK = set(zip(_SOME, itertools.cycle(NETWORKS), strict=False))

pytestmark = pytest.mark.filterwarnings(
    "ignore::lenetc.importer.errors.OnnxWarning",  # tables of positions
    "ignore::DeprecationWarning:torch",
    "ignore::FutureWarning:torch",
)


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.mark.parametrize(
    ("name", "form"),
    [
        pytest.param(
            name, form, id=f"{name}-{form}", marks=[] if (form, name) in QUICK else pytest.mark.nightly
        )
        for form, name in itertools.product(FORMS, NETWORKS)
    ],
)
def test_networks_train_as_in_pytorch(name: str, form: Form, tmp_path: Path) -> None:
    check(NETWORKS[name], form, tmp_path)


def test_optimized_files_train_as_in_pytorch(tmp_path: Path) -> None:
    check(NETWORKS["encoder"], Form(True, 18, False, True, optimized=True), tmp_path)


@pytest.mark.parametrize("name", ["unet", "generator", pytest.param("mobilenet", marks=pytest.mark.nightly)])
def test_batch_normalization_that_is_folded_is_told(name: str) -> None:
    network = NETWORKS[name]
    torch.manual_seed(0)
    module = network.make().train()
    with torch.no_grad():
        module(network.inputs(BATCH) * 2)  # running statistics of something
    model = exported(network, module, Form(True, 18, False, True, optimized=True))
    assert not any(node.op_type == "BatchNormalization" for node in model.graph.node)
    with pytest.warns(OnnxWarning, match="batch normalization folded into them"):
        net = lenetc.from_onnx(model)
    x = network.inputs(BATCH).numpy()
    np.testing.assert_allclose(net.eval()(x).detach().numpy(), in_runtime(model, x), rtol=1e-4, atol=1e-5)


def test_weights_that_are_equal_when_exported_are_told_and_untied() -> None:
    """Of an untrained transformer the biases and scales are the same numbers, and one initializer in the file."""
    network = NETWORKS["encoder"]
    torch.manual_seed(0)
    module = network.make().train()
    model = exported(network, module, Form(False, 18, False, True))
    with pytest.warns(OnnxWarning, match="shared by .* untie= makes copies"):
        tied = lenetc.from_onnx(model)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        net = lenetc.from_onnx(model, untie=True)
    assert len(list(tied.parameters())) < len(list(net.parameters()))
    batches = [(network.inputs(BATCH), network.labels(BATCH)) for _ in range(5)]
    step = step_of(network, net.eval())
    mine = [float(step(x.numpy(), label.numpy()).detach()) for x, label in batches]
    np.testing.assert_allclose(mine, torch_losses(network, module, batches, training=False), rtol=1e-4)
