"""Gradients that are returned from a compiled function, stay inside, add up over calls, or are read by another."""

from typing import Any

import numpy as np
import pytest

import lenetc
from ir.errors import LenetcError
from lenetc import optim
from tests.lenetc.compiler.regression import Regression, X


def test_gradients_that_are_returned_become_grad() -> None:
    w = lenetc.ones(4, 2, requires_grad=True)

    @lenetc.compile
    def gradient(x: Any) -> Any:
        w.grad = None
        (x @ w).sum().backward()
        return w.grad

    returned = gradient(X)
    expected = np.repeat(X.sum(0)[:, None], 2, axis=1)
    np.testing.assert_allclose(returned.numpy(), expected, rtol=1e-5, atol=1e-6)
    assert w.grad is returned


def test_gradients_that_stay_inside_are_computed_for_who_looks() -> None:
    compiled, plain = Regression(), Regression(compiled=False)
    for looks in (False, True, True, False, True, True):  # the last by a program that returns them
        compiled.step(X)
        plain.step(X)
        if looks:
            assert compiled.w.grad is not None
            assert plain.w.grad is not None
            np.testing.assert_allclose(compiled.w.grad.numpy(), plain.w.grad.numpy(), rtol=1e-5, atol=1e-6)
    compiled.optimizer.zero_grad()
    assert compiled.w.grad is None


def test_gradients_that_stay_inside_are_refused_when_what_they_came_from_is_gone() -> None:
    model = Regression()
    model.step(X)
    with lenetc.no_grad():
        model.w.mul_(2)
    with pytest.raises(LenetcError, match="return it from the function"):
        _ = model.w.grad


def test_gradients_accumulate_over_calls_until_zeroed() -> None:
    w = lenetc.ones(4, 2, requires_grad=True)

    @lenetc.compile
    def accumulate(x: Any) -> Any:
        loss = (x @ w).sum()
        loss.backward()
        return loss

    expected = np.repeat(X.sum(0)[:, None], 2, axis=1)
    for calls in (1, 2, 3):
        accumulate(X)
        assert w.grad is not None
        np.testing.assert_allclose(w.grad.numpy(), expected * calls, rtol=1e-5, atol=1e-5)
    w.grad = None
    accumulate(X)
    assert w.grad is not None
    np.testing.assert_allclose(w.grad.numpy(), expected, rtol=1e-5, atol=1e-5)


def test_a_program_reads_the_gradient_of_today() -> None:
    """Each backward may leave a new object in .grad; an update compiled apart must not read the first one for ever."""
    w = lenetc.ones(4, 2, requires_grad=True)
    optimizer = optim.SGD([w], lr=1.0)

    @lenetc.compile
    def backward(x: Any) -> Any:
        loss = (x @ w).sum()
        loss.backward()
        return loss

    @lenetc.compile
    def update() -> None:
        optimizer.step()
        optimizer.zero_grad()

    expected = np.ones((4, 2), np.float32)
    for i in range(5):
        for k in range(3):
            backward(X * (i + 1 + k))
            expected -= (X * (i + 1 + k)).sum(0)[:, None]
        update()
        np.testing.assert_allclose(w.detach().numpy(), expected, rtol=1e-4, atol=1e-4)


def test_a_gradient_that_stayed_inside_is_read_by_another_program() -> None:
    compiled, plain = Regression(), Regression(compiled=False)
    for model in (compiled, plain):
        model.step(X)
        lenetc.compile(model.optimizer.step)()
    np.testing.assert_allclose(compiled.values()[0], plain.values()[0], rtol=1e-5, atol=1e-6)
