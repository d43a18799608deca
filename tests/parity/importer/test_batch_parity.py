"""Networks that were exported for one batch, beside PyTorch at others."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import lenetc
from tests.parity.importer.exporting import BATCH, Form, exported
from tests.parity.importer.networks import NETWORKS


@pytest.mark.filterwarnings("ignore::lenetc.importer.errors.OnnxWarning")
@pytest.mark.parametrize("name", ["encoder", "vit", "lstm", "gru"])
def test_a_network_of_one_batch_computes_others(name: str) -> None:
    network = NETWORKS[name]
    torch.manual_seed(0)
    module = network.make().eval()
    model = exported(network, module, Form(dynamo=False, opset=17, training=False, dynamic=False))
    net = lenetc.from_onnx(model, batch="N").eval()
    for batch in (BATCH + 1, 2):
        x = network.inputs(batch)
        with torch.no_grad():
            expected = module(x).numpy()
        np.testing.assert_allclose(net(x.numpy()).detach().numpy(), expected, rtol=1e-4, atol=1e-4)
