"""Lazy loops at ever new sizes: after a few of them one program serves all, with the same values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import lenetc
import lenetc.nn.functional as F
from ir.dims import symbol
from lenetc import nn
from lenetc.evaluation import lazy
from lenetc.evaluation.sizes import Family

LENGTHS = [13, 27, 40, 18, 55, 31, 99, 14]


@pytest.fixture
def compilations(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The programs made in a test, each as its number of inputs."""
    made: list[int] = []
    compile_ = lazy.load_program

    def counting(roots: Any, inputs: Any, device: str) -> Any:
        made.append(len(inputs))
        return compile_(roots, inputs, device)

    monkeypatch.setattr(lazy, "load_program", counting)
    monkeypatch.setattr(lazy, "kept_programs", {})
    monkeypatch.setattr(lazy, "families", {})
    return made


def rows(n: int, width: int = 4) -> lenetc.Tensor:
    return lenetc.from_numpy(np.random.default_rng(n).standard_normal((n, width)).astype(np.float32))


def normalized(n: int) -> lenetc.Tensor:
    x = rows(n).requires_grad_()
    y = (x - x.mean(0)) / x.std(0)
    (y * y[0]).sum().backward()
    assert x.grad is not None
    return lenetc.cat([y.detach().flatten(), x.grad.flatten()])


def windows(n: int) -> lenetc.Tensor:
    x = rows(n)
    return (x[1:] - x[:-1]).reshape(-1) * 2


def products(n: int) -> lenetc.Tensor:
    x = rows(n)
    return F.softmax(x @ x.T, dim=1).reshape(-1)


def labels(n: int) -> lenetc.Tensor:
    targets = lenetc.from_numpy(np.arange(n) % 4)
    return F.cross_entropy(rows(n), targets)


def convolved(n: int) -> lenetc.Tensor:
    return F.conv2d(rows(n, 16).reshape(n, 1, 4, 4), lenetc.ones(2, 1, 3, 3)).sum(0)


def gradients(module: nn.Module, loss: lenetc.Tensor) -> lenetc.Tensor:
    return lenetc.cat([g.reshape(-1) for g in lenetc.autograd.grad(loss, list(module.parameters()))])


def seeded(make: Callable[[], nn.Module]) -> nn.Module:
    lenetc.manual_seed(0)
    return make()


def recurrent(n: int) -> lenetc.Tensor:
    layer = seeded(lambda: nn.LSTM(2, 3, 2, bidirectional=True, dropout=0.5, batch_first=True))
    output, (h, _) = layer(rows(n, 4 * (n % 3 + 2)).reshape(n % 3 + 2, n, 4)[:, :, :2])
    return gradients(layer, output.square().mean() + h.sum())


def attention(n: int) -> lenetc.Tensor:
    layer = seeded(lambda: nn.MultiheadAttention(4, 2, dropout=0.5, batch_first=True))
    kept = lenetc.tril(lenetc.ones(128, 128))[:n, :n] == 0
    x = rows(n).unsqueeze(0)
    return gradients(layer, layer(x, x, x, attn_mask=kept)[0].square().sum())


def sentences(n: int) -> lenetc.Tensor:
    layer = seeded(lambda: nn.Conv1d(4, 3, 3, padding=1))
    found = F.relu(layer(rows(n).T.unsqueeze(0)))
    return gradients(layer, (F.max_pool1d(found, found.shape[2]) * found.mean(2, keepdim=True)).sum())


def images(n: int) -> lenetc.Tensor:
    layer = seeded(lambda: nn.Conv2d(1, 2, 3, padding=1))
    x = rows(4 * n, 4 * n).reshape(1, 1, 4 * n, 4 * n)
    return gradients(layer, F.max_pool2d(F.max_pool2d(layer(x), 2), 2).mean())


def padded(n: int) -> lenetc.Tensor:
    return F.pad(rows(n), (0, 0, 0, 128 - n)).reshape(-1)


FUNCTIONS = [
    normalized,
    windows,
    products,
    labels,
    convolved,
    recurrent,
    attention,
    sentences,
    images,
    padded,
]


@pytest.mark.parametrize("function", FUNCTIONS)
def test_one_program_serves_ever_new_lengths(
    function: Callable[[int], lenetc.Tensor], compilations: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = [function(n).detach().numpy() for n in LENGTHS]
    count = len(compilations)
    again = [function(n + 5).detach().numpy() for n in LENGTHS]
    assert len(compilations) == count, "sizes after those of the first round are new, programs are not"
    monkeypatch.setattr(Family, "find", lambda *_: None)
    for n, value, later in zip(LENGTHS, found, again, strict=True):
        np.testing.assert_allclose(value, function(n).detach().numpy(), rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(later, function(n + 5).detach().numpy(), rtol=1e-5, atol=1e-5)


def test_an_axis_may_begin_empty(compilations: list[int]) -> None:
    sizes = [(3, 0), (4, 7), (6, 11), (5, 9), (9, 4), (7, 0)]
    for n, width in sizes:
        x = rows(n, width)
        np.testing.assert_array_equal((x * 2).reshape(n * width).numpy(), x.numpy().reshape(-1) * 2)
    assert len(compilations) < len(sizes)


def test_two_axes_change_by_themselves(compilations: list[int]) -> None:
    sizes = [(3, 5), (4, 7), (6, 11), (5, 9), (9, 4), (7, 7), (12, 13)]
    for n, width in sizes:
        x = rows(n, width)
        np.testing.assert_allclose((x @ x.T).sum(1).numpy(), (x.numpy() @ x.numpy().T).sum(1), rtol=1e-4)
    assert len(compilations) < len(sizes)


def test_a_product_of_sizes_is_told_from_sizes_of_zero_too(compilations: list[int]) -> None:
    for n, width in [(0, 3), (2, 5), (4, 2), (3, 4), (6, 7), (5, 9)]:
        x = rows(n, width)
        np.testing.assert_allclose((x.reshape(-1) * 2).numpy(), x.numpy().ravel() * 2, rtol=1e-6)
    assert len(compilations) < 6


def test_a_size_of_one_and_numbers_that_are_no_expression_are_compiled_for_themselves(
    compilations: list[int],
) -> None:
    for n in [5, 8, 13, 1, 2, 21, 30]:
        x = rows(n)
        np.testing.assert_allclose((x + x[:1]).numpy(), x.numpy() + x.numpy()[:1], rtol=1e-6)
    for n in [5, 8, 13, 17, 21, 30]:
        half = rows(n)[: n * n % 7 + 1]
        assert half.shape[0] == min(n, n * n % 7 + 1)
        np.testing.assert_allclose((half * 3).numpy(), half.numpy() * 3, rtol=1e-6)


def test_what_cannot_be_compiled_for_any_size_is_compiled_for_each(
    compilations: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    counting = lazy.load_program

    def fixed_only(roots: Any, inputs: Any, device: str) -> Any:
        if any(not isinstance(dim, int) for node in inputs for dim in node.shape):
            raise lenetc.nn.functional.LabelError("this pass wants numbers")
        return counting(roots, inputs, device)

    monkeypatch.setattr(lazy, "load_program", fixed_only)
    for n in LENGTHS:
        np.testing.assert_allclose(
            windows(n).numpy(), np.diff(rows(n).numpy(), axis=0).ravel() * 2, rtol=1e-5
        )
    assert len(compilations) == len(LENGTHS)


def test_numbers_that_leave_the_pattern_are_computed_as_they_are(compilations: list[int]) -> None:
    for n, stop in [(13, 12), (27, 26), (40, 39), (18, 17), (55, 50), (31, 30), (60, 9)]:
        x = rows(n)
        np.testing.assert_allclose((x[:stop] * 3).numpy(), x.numpy()[:stop] * 3, rtol=1e-6)
    # Here what stays the same in the first sizes changes afterwards.
    for n, axis_sum in [(13, 2), (27, 2), (40, 2), (18, 2), (55, 3), (31, 2)]:
        x = rows(n)
        np.testing.assert_allclose(
            (x[:, :axis_sum] * 2).sum(1).numpy(), x.numpy()[:, :axis_sum].sum(1) * 2, rtol=1e-5, atol=1e-6
        )


def test_the_numbers_built_in_are_those_of_the_case_at_hand(compilations: list[int]) -> None:
    # The third shape makes the shared graph, but with its axes of one it is no case of it; the fourth is the first.
    for shape in [(16, 3, 3, 3), (16, 16, 1, 1), (48, 16, 1, 1), (8, 6, 5, 5), (9, 4, 3, 3)]:
        x = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
        np.testing.assert_allclose(lenetc.from_numpy(x).mean().numpy(), x.mean(), rtol=1e-4)


def test_a_table_that_was_always_the_same_has_to_stay_it(compilations: list[int]) -> None:
    square = lenetc.from_numpy(np.arange(16.0, dtype=np.float32).reshape(4, 4))
    for i, n in enumerate(LENGTHS):
        diagonal = int(i >= 5)
        found = rows(n) @ lenetc.tril(square, diagonal)
        np.testing.assert_allclose(
            found.numpy(), rows(n).numpy() @ np.tril(square.numpy(), diagonal), rtol=1e-4, atol=1e-4
        )


def test_what_was_decided_for_the_sizes_seen_has_to_hold_for_a_later_one(compilations: list[int]) -> None:
    for n in LENGTHS:
        padded(n).numpy()
    count = len(compilations)
    (shared,) = [s for family in lazy.families.values() for s in family.shared]
    assert shared.case.decided  # that 128 - n is not below 0
    (name,) = shared.symbols
    shared.case.decided[symbol(name) - 50] = True  # type: ignore[index]
    padded(77).numpy()
    assert len(compilations) == count
    padded(20).numpy()
    assert len(compilations) == count + 1
