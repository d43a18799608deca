"""Names can be imported under PyTorch's paths, whichever files they are in here."""

from __future__ import annotations

import importlib

import pytest

import lenetc
from lenetc import nn


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("nn.modules", "Linear"),
        ("nn.modules.activation", "MultiheadAttention"),
        ("nn.modules.container", "Sequential"),
        ("nn.modules.linear", "Identity"),
        ("nn.modules.rnn", "LSTM"),
        ("nn.modules.transformer", "TransformerEncoder"),
        ("nn.parallel", "DataParallel"),
        ("nn.utils.weight_norm", "weight_norm"),
        ("distributions.normal", "Normal"),
        ("distributions.categorical", "Categorical"),
        ("autograd.variable", "Variable"),
        ("utils.data.dataloader", "DataLoader"),
        ("utils.data.dataset", "TensorDataset"),
        ("utils.data.sampler", "WeightedRandomSampler"),
        ("utils.data.distributed", "DistributedSampler"),
        ("random", "manual_seed"),
    ],
)
def test_a_path_of_pytorchs_gives_the_same_object(path: str, name: str) -> None:
    home = "nn" if path.startswith("nn.modules") else path.rpartition(".")[0]
    expected = getattr(importlib.import_module(f"lenetc.{home}".rstrip(".")), name)
    assert getattr(importlib.import_module(f"lenetc.{path}"), name) is expected
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = importlib.import_module(f"lenetc.{path}").no_such_name


def test_base_classes_are_those_of_the_layers() -> None:
    modules = importlib.import_module("lenetc.nn.modules")
    for path, base, layer in [
        ("batchnorm", "_BatchNorm", nn.BatchNorm2d(2)),
        ("conv", "_ConvNd", nn.Conv2d(1, 1, 1)),
        ("dropout", "_DropoutNd", nn.Dropout()),
        ("loss", "_Loss", nn.MSELoss()),
    ]:
        assert isinstance(layer, getattr(getattr(modules, path), base))
    assert modules.utils._pair(3) == (3, 3)
    assert modules.utils._triple((1, 2, 3)) == (1, 2, 3)


def test_a_variable_is_a_tensor_without_history() -> None:
    variable = lenetc.autograd.Variable
    weight = lenetc.ones(2, requires_grad=True)
    assert not variable(weight * 2).requires_grad
    assert variable(weight * 2, requires_grad=True).is_leaf
    assert isinstance(weight, variable)
    assert not isinstance(2.0, variable)


def test_data_parallel_is_the_network_on_the_device_that_there_is() -> None:
    net = nn.Linear(2, 3)
    parallel = nn.DataParallel(net)
    assert list(parallel.state_dict()) == ["module.weight", "module.bias"]
    assert parallel(lenetc.ones(1, 2)).tolist() == net(lenetc.ones(1, 2)).tolist()
