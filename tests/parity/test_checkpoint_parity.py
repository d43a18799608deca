"""Checkpoints go to and from PyTorch's own safetensors reader and writer."""

from pathlib import Path

import numpy as np
import pytest

from lenetc.artifact import checkpoint

torch = pytest.importorskip("torch")
DTYPES = ["float16", "bfloat16", "float32", "float64", "int64", "int32", "uint8", "bool"]


def test_pytorch_loads_what_we_save(tmp_path: Path):
    from safetensors.torch import load_file

    net = torch.nn.Sequential(torch.nn.Conv2d(1, 6, 5), torch.nn.BatchNorm2d(6))
    expected = {
        name: np.full(tensor.shape, 3, tensor.numpy().dtype) for name, tensor in net.state_dict().items()
    }
    checkpoint.save(expected, tmp_path / "state.safetensors")
    net.load_state_dict(load_file(tmp_path / "state.safetensors"), strict=True)
    for name, tensor in net.state_dict().items():
        np.testing.assert_array_equal(tensor.numpy(), expected[name])


@pytest.mark.parametrize("dtype", DTYPES)
def test_we_load_what_pytorch_saves(tmp_path: Path, dtype: str):
    from safetensors.torch import save_file

    tensor = torch.tensor([[0, 1, 2], [3, 4, 5]]).to(getattr(torch, dtype))
    save_file({"w": tensor, "scalar": tensor[1, 2].clone()}, tmp_path / "state.safetensors")
    loaded = checkpoint.load(tmp_path / "state.safetensors")
    assert loaded["w"].dtype.name == dtype
    assert loaded["scalar"].shape == ()
    np.testing.assert_array_equal(loaded["w"].astype(np.float64), tensor.double().numpy())
    np.testing.assert_array_equal(loaded["scalar"].astype(np.float64), tensor[1, 2].double().numpy())
