"""Checkpoints of onnxruntime-training (`written/write.py` made them with 1.19.2): read, trained on, broken."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lenetc
import lenetc.nn.functional as F

WRITTEN = Path(__file__).parent / "written"
FOUND = dict(np.load(WRITTEN / "found.npz"))
FROZEN = {"0.weight", "0.bias"}


def weights(when: str) -> dict[str, Any]:
    return {name.removeprefix(f"{when} "): v for name, v in FOUND.items() if name.startswith(f"{when} ")}


def network(**options: Any) -> tuple[Any, Any]:
    """The network, and AdamW over what is trained of it."""
    net = lenetc.from_onnx(WRITTEN / "mlp.onnx", trainable=["1.*", "2.*"], **options)
    trained = [p for p in net.parameters() if p.requires_grad]
    return net, lenetc.optim.AdamW(trained, lr=0.5, eps=1e-6, weight_decay=0.0)


def test_it_holds_what_was_saved() -> None:
    first, after = (lenetc.load_ort_checkpoint(WRITTEN / name) for name in ("checkpoint", "after"))
    for checkpoint in (first, after):
        assert checkpoint.frozen.keys() == FROZEN
        assert checkpoint.parameters.keys() == weights("saved").keys()
    assert first.optimizers == {} and first.properties == {}
    for name, array in weights("saved").items():
        np.testing.assert_array_equal(after.parameters[name], array)
    assert after.properties == {"epoch": 3, "best": 0.5, "name": "run"}
    (group,) = after.optimizers.values()
    assert (group.step, group.learning_rate) == (5, pytest.approx(0.001))  # not the 0.02 that was set
    assert group.moments.keys() == after.trained.keys()
    assert all(moments.keys() == {"momentum0", "momentum1"} for moments in group.moments.values())


@pytest.mark.parametrize(
    "names", [None, lambda name: f"layer_{name.replace('.', '_')}"], ids=["own", "other"]
)
def test_training_goes_on_as_it_would_have_there(names: Any) -> None:
    """Its AdamW adds eps before the bias of the second moment is corrected: where gradients are near to eps, its steps
    are smaller."""
    net, optimizer = network(names=names)
    lenetc.load_ort_checkpoint(WRITTEN / "after").restore(net, optimizer)
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.001)
    optimizer.param_groups[0]["lr"] = 0.02

    @lenetc.compile
    def step(x: Any, y: Any) -> Any:
        optimizer.zero_grad()
        loss = F.cross_entropy(net(x), y)
        loss.backward()
        optimizer.step()
        return loss

    losses = [step(FOUND["x"], FOUND["y"]).item() for _ in range(5)]
    np.testing.assert_allclose(losses, FOUND["losses"][5:], rtol=1e-4)
    state = dict(net.named_parameters())
    for path, name in net.onnx_names().items():
        difference = np.abs(state[path].detach().numpy() - FOUND[f"last {name}"])
        assert np.median(difference) < 1e-4, name
        assert difference.max() < 0.05, name  # where gradients are small: a step of 0.02 is less there
