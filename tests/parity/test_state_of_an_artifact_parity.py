"""docs/pytorch_state.md: a training that goes from an exported folder to PyTorch and back is one that never went."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import lenetc

PAGE = Path(__file__).parents[2] / "docs" / "pytorch_state.md"
SHOWN = "framework.optim.AdamW(net.parameters(), lr=0.01)"
OPTIMIZERS = {
    "adamw": SHOWN,
    "sgd": "framework.optim.SGD(net.parameters(), lr=0.05, momentum=0.9)",
    "amsgrad": "framework.optim.AdamW(net.parameters(), lr=0.01, amsgrad=True, weight_decay=0.1)",
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_training_goes_to_pytorch_and_back(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    code = "\n".join(blocks)
    assert SHOWN in code
    script = tmp_path / "page.py"
    script.write_text(code.replace(SHOWN, OPTIMIZERS[name]))
    monkeypatch.chdir(tmp_path)
    lenetc.manual_seed(0)
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    batches = [(rng.standard_normal((6, 8), np.float32), rng.integers(0, 4, 6)) for _ in range(15)]
    found = runpy.run_path(str(script), {"batches": batches})

    uninterrupted = lenetc.load("exported")
    expected = [uninterrupted(x=x, labels=labels)["loss"].item() for x, labels in batches]
    np.testing.assert_allclose(found["losses"], expected, rtol=1e-5)
    for key, value in uninterrupted.state.items():
        np.testing.assert_allclose(found["artifact"].state[key], value, rtol=1e-4, atol=1e-5, err_msg=key)

    net, _, step = found["training"](torch)
    state = load_file("exported/state.safetensors")
    net.load_state_dict({key: state[key] for key in net.state_dict()})
    in_torch = [step(torch.from_numpy(x), torch.from_numpy(labels)).item() for x, labels in batches]
    np.testing.assert_allclose(found["losses"], in_torch, rtol=1e-5)
