"""What tensors cannot do: the error names both types and the user's line."""

from __future__ import annotations

import re

import pytest

import lenetc
from ir.errors import LenetcError, ShapeError
from lenetc import nn, optim
from lenetc.nn import functional as F
from lenetc.runtime import DeviceError
from tests.lenetc.errors.small import Net


def test_in_place_changes_that_cannot_be() -> None:
    x, w = lenetc.zeros(2, 3), lenetc.ones(3, requires_grad=True)
    for call, says in (
        (lambda: x[0].expand(2, 3).add_(1), "in-place changes of a view"),
        (lambda: x.unfold(1, 2, 1).fill_(1), "in-place changes of a view"),
        (lambda: w.add_(1), "a leaf variable that requires grad.*no_grad"),
        (lambda: x.add_(lenetc.ones(4, 2, 3)), r"the result has shape \[4, 2, 3\], the tensor \[2, 3\]"),
        (lambda: lenetc.tensor([1, 2]).add_(1.5), r"f32\[2\], which cannot be stored in i64\[2\]"),
    ):
        with pytest.raises(LenetcError, match=says) as raised:
            call()
        assert f"\n  at {__file__}:" in str(raised.value)
    assert not x.numpy().any() and w.tolist() == [1, 1, 1]


def test_shapes_that_do_not_go_together() -> None:
    a, b = lenetc.ones(2, 3), lenetc.ones(2, 4)
    for call, says in (
        (lambda: a + b, r"\[2, 3\] and \[2, 4\] do not broadcast"),
        (lambda: a @ a, r"f32\[2,3\] and f32\[2,3\] do not multiply"),
        (lambda: a.view(5), r"shape \[5\] is invalid for a tensor f32\[2,3\] with 6 elements"),
        (lambda: lenetc.cat([a, b]), r"f32\[2,3\] and f32\[2,4\] differ"),
        (
            lambda: lenetc.stack([a, b]),
            r"stack: every tensor must have the same shape, but they are f32\[2,3\] and f32\[2,4\]",
        ),
        (lambda: lenetc.cat([]), "there are no tensors to join"),
        (lambda: F.mse_loss(a, b), r"\[2, 3\] and \[2, 4\] do not broadcast"),
    ):
        with pytest.raises(ShapeError, match=says) as raised:
            call()
        assert f"\n  at {__file__}:" in str(raised.value)


def test_indices_that_cannot_be() -> None:
    x = lenetc.ones(2, 3)
    for index, says in (
        (5, r"index 5 is out of bounds for dimension 0 of f32\[2,3\]"),
        ((0, 0, 0), r"too many indices: 3 for f32\[2,3\]"),
        ("a", r"f32\[2,3\] takes ints, slices.*not a str"),
        (1.5, "not a float"),
    ):
        with pytest.raises(IndexError, match=says):
            x[index]


def test_names_that_lenetc_lacks() -> None:
    for owner, name, says in (
        (lenetc, "argmaxx", "lenetc has no 'argmaxx': not all of PyTorch is here. Did you mean argmax"),
        (lenetc, "vander_qx", "lenetc has no 'vander_qx'.*autograd.Function"),
        (nn, "LSTMCel", "lenetc.nn has no 'LSTMCel'.*Did you mean LSTMCell"),
        (F, "grid_sampl", "lenetc.nn.functional has no 'grid_sampl'.*Did you mean grid_sample"),
        (optim, "Adamm", "lenetc.optim has no 'Adamm'.*Did you mean Adam"),
        (lenetc.zeros(3), "cumsumm", "Tensor has no 'cumsumm'.*Compose it"),
    ):
        with pytest.raises(AttributeError, match=says):
            getattr(owner, name)
        assert not hasattr(owner, "__no_such__")
    with pytest.raises(AttributeError, match="'Net' object has no attribute 'conv3'"):
        _ = Net().conv3
    with pytest.raises(AttributeError, match=re.escape(f"at {__file__}:")):
        lenetc.zeros(3).no_such_method()


def test_cuda_where_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "lenetc.runtime.device.cuda_missing", lambda: "there is no NVIDIA driver on this machine"
    )
    net = Net()
    for use in (
        lambda: lenetc.compile(net, device="cuda"),
        lambda: lenetc.zeros(3).cuda(),
        lambda: lenetc.zeros(3).to("cuda:0"),
        lambda: lenetc.zeros(3, device="cuda"),
        lambda: lenetc.tensor([1.0], device="cuda"),
        net.cuda,
        lambda: net.to("cuda"),
    ):
        with pytest.raises(
            DeviceError,
            match=r"device='cuda' cannot be used: there is no NVIDIA driver.*lenetc\[cuda\].*'cpu' do "
            r"without",
        ) as raised:
            use()
        assert f"\n  at {__file__}:" in str(raised.value)
    with pytest.raises(DeviceError, match="unknown device 'tpu'; use 'auto', 'cpu' or 'cuda'"):
        lenetc.compile(net, device="tpu")
    assert net.conv1.weight.device == "cpu" and lenetc.compile(net, device="auto").device == "cpu"
