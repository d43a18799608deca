"""QuantizeLinear and DequantizeLinear after each other, beside torch's fake_quantize."""

from __future__ import annotations

import io

import numpy as np
import onnx
import pytest
import torch

import lenetc


class Rounded(torch.nn.Module):
    """An input rounded as a whole, and a weight rounded by its rows."""

    def __init__(self) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.weight = torch.nn.Parameter(torch.randn(3, 4, generator=generator))
        self.register_buffer("scale", torch.tensor([0.004, 0.01, 0.02]))
        self.register_buffer("zero", torch.tensor([0, 5, -7], dtype=torch.int32))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        weight = torch.fake_quantize_per_channel_affine(self.weight, self.scale, self.zero, 0, -128, 127)
        return torch.fake_quantize_per_tensor_affine(x, 0.02, 100, 0, 255) @ weight.T


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_values_and_gradients_are_those_of_fake_quantize() -> None:
    theirs, file = Rounded(), io.BytesIO()
    x = torch.randn(6, 4, generator=torch.Generator().manual_seed(1)) * 2
    torch.onnx.export(theirs, (x,), file, dynamo=False, opset_version=13, do_constant_folding=False)
    mine = lenetc.from_onnx(onnx.load_from_string(file.getvalue()))
    assert [name for name, _ in mine.named_parameters()] == ["weight"]

    given = lenetc.tensor(x.numpy(), requires_grad=True)
    y = mine(given)
    (y**2).sum().backward()
    x.requires_grad_()
    wanted = theirs(x)
    (wanted**2).sum().backward()
    np.testing.assert_allclose(y.detach().numpy(), wanted.detach().numpy(), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(given.grad.numpy(), x.grad.numpy(), rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(mine.weight.grad.numpy(), theirs.weight.grad.numpy(), rtol=1e-5, atol=1e-5)
    assert (x.grad == 0).any() and (theirs.weight.grad == 0).any()
