"""The tutorial's network with PyTorch's weights: text, forward, loss, gradients, grad_fn chain, ten steps."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import lenetc  # noqa: E402
import lenetc.nn  # noqa: E402
import lenetc.optim  # noqa: E402
from tests.parity.both import assert_equal, chain, copy_state  # noqa: E402
from tests.training import lenet  # noqa: E402


@pytest.fixture
def both() -> SimpleNamespace:
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    made = SimpleNamespace(mine=lenet(lenetc), reference=lenet(torch))
    copy_state(made.mine, made.reference)
    # Constant areas, as digits have them, make max-pooling meet ties.
    made.images = np.maximum(rng.standard_normal((2, 1, 32, 32)), 0).astype(np.float32)
    made.targets = rng.standard_normal((2, 10)).astype(np.float32)
    return made


def test_it_prints_and_names_alike(both: SimpleNamespace) -> None:
    assert repr(both.mine) == repr(both.reference)
    names = [(name, tuple(p.shape)) for name, p in both.mine.named_parameters()]
    assert names == [(name, tuple(p.shape)) for name, p in both.reference.named_parameters()]


@pytest.mark.parametrize("loss", ["MSELoss", "CrossEntropyLoss"])
def test_forward_loss_chain_and_gradients(both: SimpleNamespace, loss: str) -> None:
    target = both.targets if loss == "MSELoss" else np.array([3, 7])
    out, expected_out = both.mine(lenetc.from_numpy(both.images)), both.reference(torch.tensor(both.images))
    assert_equal(out, expected_out, "output", 1e-5, 1e-6)
    found = getattr(lenetc.nn, loss)()(out, lenetc.from_numpy(target))
    expected = getattr(torch.nn, loss)()(expected_out, torch.tensor(target))
    assert chain(found.grad_fn) == chain(expected.grad_fn)
    found.backward()
    expected.backward()
    assert found.item() == pytest.approx(expected.item(), rel=1e-5)
    for (name, p), q in zip(both.mine.named_parameters(), both.reference.parameters(), strict=True):
        assert_equal(p.grad, q.grad, name, 1e-5, 1e-5 * float(q.grad.abs().max()))


def losses_by_hand(lib: Any, net: Any, images: Any, targets: Any) -> list[float]:
    losses = []
    for _ in range(10):
        net.zero_grad()
        loss = lib.nn.MSELoss()(net(images), targets)
        loss.backward()
        for f in net.parameters():
            f.data.sub_(f.grad.data * 0.05)
        losses.append(loss.item())
    return losses


def losses_by_optimizer(lib: Any, net: Any, images: Any, targets: Any) -> list[float]:
    optimizer = lib.optim.SGD(net.parameters(), lr=0.05, momentum=0.9, nesterov=True)
    losses = []
    for _ in range(10):
        optimizer.zero_grad()
        loss = lib.nn.MSELoss()(net(images), targets)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


@pytest.mark.parametrize("train", [losses_by_hand, losses_by_optimizer])
def test_ten_steps(both: SimpleNamespace, train: Any) -> None:
    found = train(lenetc, both.mine, lenetc.from_numpy(both.images), lenetc.from_numpy(both.targets))
    expected = train(torch, both.reference, torch.tensor(both.images), torch.tensor(both.targets))
    assert found == pytest.approx(expected, rel=1e-5)
    for (name, p), q in zip(both.mine.named_parameters(), both.reference.parameters(), strict=True):
        assert_equal(p, q, name, 1e-5, 1e-5 * float(q.detach().abs().max()))


def test_a_single_image_fails_where_pytorch_fails(both: SimpleNamespace) -> None:
    with pytest.raises(RuntimeError, match="mat1 and mat2 shapes cannot be multiplied"):
        both.reference(torch.zeros(1, 32, 32))
    with pytest.raises(RuntimeError, match="mat1 and mat2 shapes cannot be multiplied"):
        both.mine(lenetc.zeros(1, 32, 32))
