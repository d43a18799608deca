"""Changes of views are seen through their base and through other views, with gradients, as PyTorch's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

import lenetc
from tests.parity.kinds.alike import check_all

X = np.random.default_rng(0).standard_normal((4, 4))
PROGRAMS = [
    *("x[0] += 1; x", "x.view(-1)[2] = 0; x", "y = x[:, 0]; y.mul_(2); x", "x.t().add_(1); x"),
    *("x.diagonal().fill_(1); x", "y = x[1]; x.mul_(2); y", "y = x[1]; z = x[:, 1]; y.add_(10); z"),
    *("y = x.view(2, 8); z = y[0]; z[3] = 7; x.mul_(2); y + z.sum()", "y = x.t()[1:3]; y[0, ::2] = 5; x"),
    *("x[1:3, ::2].copy_(x[2:, :2] * 3); x", "y = x[t.tensor(1)]; y += 1; x", "x[[0, 2]] += 1; x"),
    *("y = x.unsqueeze(0).squeeze(0).transpose(0, 1).flatten(); y", "y = x.detach(); y[0] = 3; x"),
    *("y = x[0].detach(); y.fill_(3); x", "y = x[0].detach(); x.mul_(2); y", "y = x[0]; x[0] = 4; y"),
    "y = x.diagonal(1); y[1:] = -1; x.t()[0].mul_(2); y + x[0, :3]",
    *("y = x.narrow(0, 1, 2).select(1, 2); y.neg_(); x", "x.unsqueeze_(0); x[0, 1] = 2; x"),
    *(
        "y = x.clone(); y.t_(); y[0] = 9; y",
        "x.unflatten(0, (2, 2))[1, 0].sub_(4); x",
        "x[..., None][1, 2] = 8; x",
    ),
    *(
        "x.swapaxes(0, 1).tril_(); x",
        "y = x[2:]; y[0], y[1] = 1, 2; x",
        "y = x.view(4, 4); y.squeeze_(); y.zero_(); x",
    ),
    *("y = x[0]; y.masked_fill_(y > 0, 9); x", "y = x.movedim(0, 1); y.index_fill_(0, t.tensor([1]), 7); x"),
    *("x.zero_(); x", "x[0].zero_(); x.fill_(2); x * 1", "y = x.view(-1); y.copy_(t.arange(16.)); x"),
]
PIECES = [
    "a, b = x.chunk(2); a.zero_(); b.mul_(3); x",
    "a, b = x.split([1, 3]); b.zero_(); x",
    "x.unbind(1)[2].add_(1); x",
]
TAIL = "; (z * t.arange(1., 1 + z.numel(), dtype=t.float64).reshape(z.shape)).sum().backward(); (z.detach(), l.grad)"


def with_gradient(code: str) -> str:
    *statements, last = code.split("; ")
    return "; ".join(["x = l * 1", *statements, f"z = {last}"]) + TAIL


def test_values() -> None:
    check_all([*PROGRAMS, *PIECES], {"x": (X, "f64")})


def test_gradients() -> None:
    check_all(
        [with_gradient(code) for code in PROGRAMS if ".detach()" not in code], {"l": (X, "f64")}, grad=True
    )


def test_what_is_not_recorded_changes_no_gradient() -> None:
    for library in (torch, lenetc):
        leaf = library.ones(4, requires_grad=True)
        x = leaf * 2
        with library.no_grad():
            x[1:].mul_(3)
            x[0] = 9
        x.detach()[1:2].fill_(5)
        x.pow(2).sum().backward()
        assert leaf.grad.tolist() == [36, 20, 24, 24]


@pytest.mark.parametrize("code", PROGRAMS[::3])
def test_compiled(code: str) -> None:
    *statements, last = code.split("; ")
    space = {"t": lenetc}
    lines = "".join(f"    {line}\n" for line in ("x = x * 1", *statements))
    exec(f"def change(x):\n{lines}    return {last}", space)
    x = lenetc.tensor(X)
    expected = space["change"](x).numpy()
    np.testing.assert_array_equal(lenetc.compile(space["change"])(x).numpy(), expected)


def _averaged(b: Any, w: Any) -> Any:
    b.data.mul_(0.5).add_(w * 2, alpha=0.3)
    return (b * w).sum()


def _copied(b: Any, w: Any) -> Any:
    b.detach().copy_(w * w)
    return (b**2 * w).sum()


def _assigned(b: Any, w: Any) -> Any:
    b.data[0] = w.sum()
    return (b.detach() * w).sum() + (b * w).sum()


def _kept(b: Any, w: Any) -> Any:
    a = b.data
    a.add_(w)
    return (a * w).sum()


@pytest.mark.parametrize("change", [_averaged, _copied, _assigned, _kept])
def test_what_data_gets_is_no_history_of_the_tensor(change: Any) -> None:
    def trained(library: Any, is_compiled: bool) -> list[Any]:
        b, w = library.tensor([1.0, 2.0, 3.0]), library.tensor([0.5, -1.0, 2.0], requires_grad=True)

        def step() -> None:
            w.grad = None
            change(b, w).backward()

        turn = lenetc.compile(step) if is_compiled else step
        turn(), turn()
        return [w.grad.tolist(), b.tolist(), b.requires_grad]

    expected = trained(torch, False)
    for is_compiled in (False, True):
        found = trained(lenetc, is_compiled)
        assert found[2] == expected[2]
        np.testing.assert_allclose(found[:2], expected[:2], rtol=1e-5)
