"""Weights of PyTorch's exports: their names, what exporters merge and fold, and loading a state_dict."""

from __future__ import annotations

import io
import warnings

import numpy as np
import onnx
import pytest
import torch

import lenetc
from lenetc.importer.errors import OnnxWarning


class Block(torch.nn.Module):
    """Its weights are equal in each instance, as those of a network that was begun by constants."""

    def __init__(self) -> None:
        super().__init__()
        self.fc, self.norm = torch.nn.Linear(8, 8), torch.nn.LayerNorm(8)
        self.scale = torch.nn.Parameter(torch.ones(1))
        self.register_buffer("pos", torch.randn(5, 8, generator=torch.Generator().manual_seed(3)))
        with torch.no_grad():
            self.fc.weight.fill_(0.1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.norm(self.fc(x) + self.pos)) * self.scale * torch.tensor([1.0, 2.0] * 4)


def _exported(net: torch.nn.Module, x: torch.Tensor, dynamo: bool, **options: bool) -> onnx.ModelProto:
    content = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            net,
            (x,),
            content,
            dynamo=dynamo,
            opset_version=18,
            input_names=["x"],
            verbose=False,
            **options,  # type: ignore[arg-type]
        )
    return onnx.load_from_string(content.getvalue())


@pytest.mark.parametrize("dynamo", [False, True])
def test_merged_weights_get_their_names_again(dynamo: bool) -> None:
    torch.manual_seed(0)
    net = torch.nn.Sequential(Block(), Block(), torch.nn.Linear(8, 3)).eval()
    x = torch.randn(2, 5, 8)
    model = _exported(net, x, dynamo)
    with pytest.warns(OnnxWarning, match="is shared by 2 nodes"):
        assert len(list(lenetc.from_onnx(model).parameters())) < len(list(net.parameters()))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", OnnxWarning)  # the older exporter does not say that `pos` is a buffer
        mine = lenetc.from_onnx(model, untie=True)
    roles = {name: row.role for name, row in mine.table().items()}
    if dynamo:  # it says what was a parameter, a buffer and neither
        assert roles["0.pos"] == "buffer"
        assert sum(role == "parameter" for role in roles.values()) == len(list(net.parameters()))
    # Linear layers over more than rows are products with a transposed weight, under a name of the exporter's.
    named = {name: p for name, p in net.named_parameters() if name in dict(mine.named_parameters())}
    assert set(dict(net.named_parameters())) - named.keys() == {"0.fc.weight", "1.fc.weight", "2.weight"}
    assert all(mine.get_parameter(name).shape == p.shape for name, p in named.items())
    with torch.no_grad():
        for p in named.values():
            p.copy_(torch.randn_like(p))
    mine.load_state_dict({name: p.detach() for name, p in named.items()}, strict=False)
    np.testing.assert_allclose(
        mine(x.numpy()).detach().numpy(), net(x).detach().numpy(), rtol=1e-4, atol=1e-5
    )


def test_a_state_dict_loads() -> None:
    torch.manual_seed(0)
    layers = (
        torch.nn.Conv2d(1, 4, 3),
        torch.nn.BatchNorm2d(4),
        torch.nn.ReLU(),
        torch.nn.Flatten(),
        torch.nn.Linear(64, 3),
    )
    net, x = torch.nn.Sequential(*layers), torch.randn(2, 1, 6, 6)
    content = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(net.train(), (x,), content, dynamo=False, training=torch.onnx.TrainingMode.TRAINING)
    mine = lenetc.from_onnx(content.getvalue())
    with torch.no_grad():
        for p in net.parameters():
            p.copy_(torch.randn_like(p))
    net(x)
    mine.load_state_dict(net.state_dict())  # all keys of it, but for the count of batches
    np.testing.assert_allclose(
        mine.eval()(x.numpy()).detach().numpy(), net.eval()(x).detach().numpy(), rtol=1e-4, atol=1e-4
    )


_NORMALIZATIONS = {
    "group": lambda: torch.nn.GroupNorm(2, 4),
    "group without weights": lambda: torch.nn.GroupNorm(2, 4, affine=False),
    "instance": lambda: torch.nn.InstanceNorm1d(4),
    "layer": lambda: torch.nn.LayerNorm(5, elementwise_affine=False),
}


@pytest.mark.parametrize("dynamo", [False, True])
@pytest.mark.parametrize("name", _NORMALIZATIONS)
def test_normalizations_train_what_they_have(name: str, dynamo: bool) -> None:
    """Group normalization is exported as one of instances, between ones and zeros that the network does not have."""
    net = torch.nn.Sequential(torch.nn.Conv1d(2, 4, 1), _NORMALIZATIONS[name]())
    mine = lenetc.from_onnx(_exported(net.eval(), torch.randn(2, 2, 5), dynamo))
    count = sum(parameter.numel() for parameter in net.parameters())
    assert sum(parameter.numel() for parameter in mine.parameters()) == count, mine.table()


class Scaled(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.logit_scale = torch.nn.Parameter(torch.tensor(1.5))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.logit_scale.exp()


def test_a_single_number_that_pytorch_trains() -> None:
    """It is trained where the file says that it was; where the exporter computed something of it, that is told."""
    whole, folded = (
        _exported(Scaled().eval(), torch.randn(2, 3), dynamo=True, optimize=optimize)
        for optimize in (False, True)
    )
    assert [name for name, _ in lenetc.from_onnx(whole).named_parameters()] == ["logit_scale"]
    with pytest.warns(OnnxWarning, match="'exp' \\[\\] is computed of logit_scale, and not trained"):
        assert not list(lenetc.from_onnx(folded).parameters())
