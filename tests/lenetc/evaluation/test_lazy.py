"""Lazy evaluation: programs are cached by structure, and numbers that change become inputs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import lenetc
from lenetc import optim
from lenetc.evaluation import lazy


@pytest.fixture
def compilations(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """One entry for each program that lazy evaluation compiles from now on."""
    made: list[Any] = []
    compile_program = lazy._compile

    def counted(*args: Any) -> Any:
        made.append(args)
        return compile_program(*args)

    monkeypatch.setattr(lazy, "_compile", counted)
    return made


def test_a_number_that_changes_costs_one_more_compilation(compilations: list[Any]) -> None:
    x = lenetc.tensor(np.arange(7, dtype=np.float32))
    for i in range(8):
        found = (x * (0.1 * (i + 1)) + 2.5).exp().numpy()
        np.testing.assert_allclose(found, np.exp(np.arange(7) * 0.1 * (i + 1) + 2.5), rtol=1e-5)
    assert len(compilations) == 2


def test_the_second_iteration_of_a_training_loop_compiles_nothing(compilations: list[Any]) -> None:
    net = lenetc.nn.Linear(9, 4)
    optimizer = optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
    x = np.ones((3, 9), np.float32)
    after = []
    for i in range(5):
        optimizer.param_groups[0]["lr"] = 0.1 / (i + 1)
        optimizer.zero_grad()
        loss = net(lenetc.tensor(x)).square().mean()
        loss.backward()
        optimizer.step()
        after.append(len(compilations))
    assert after == [after[0]] * 5


def test_what_is_computed_is_not_computed_again(compilations: list[Any]) -> None:
    x = lenetc.tensor(np.ones((2, 3), np.float32)) * 3.25
    first = x.numpy()
    assert len(compilations) == 1
    np.testing.assert_array_equal(x.numpy(), first)
    assert len(compilations) == 1
