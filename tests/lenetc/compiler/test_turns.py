"""Calls that follow each other: state whose memories change places unseen, memory of inputs and results used again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import lenetc
from ir.errors import LenetcError
from lenetc import nn, optim
from lenetc.compiler.function import CompiledFunction

X = np.random.default_rng(0).normal(size=(6, 4)).astype(np.float32)


class Pair:
    """Two functions that train the same weight by turns, compiled or not."""

    def __init__(self, compiled: bool) -> None:
        self.w = lenetc.tensor(np.linspace(-1, 1, 8).reshape(4, 2).astype(np.float32), requires_grad=True)
        self.optimizer = optim.SGD([self.w], lr=0.1, momentum=0.5)
        self.first = self._step(1.0, compiled)
        self.second = self._step(-2.0, compiled)

    def _step(self, sign: float, compiled: bool) -> Callable[..., Any]:
        def step(x: Any) -> Any:
            self.optimizer.zero_grad()
            y = (lenetc.as_tensor(x) @ self.w).tanh()
            loss = (y * y).mean() * sign
            loss.backward()
            self.optimizer.step()
            return loss

        return CompiledFunction(step, "cpu") if compiled else step

    def value(self) -> Any:
        return self.w.detach().numpy()


def same(compiled: Pair, plain: Pair) -> None:
    np.testing.assert_allclose(compiled.value(), plain.value(), rtol=1e-5, atol=1e-6)
    buffers = [pair.optimizer.state[pair.w]["momentum_buffer"].numpy() for pair in (compiled, plain)]
    np.testing.assert_allclose(*buffers, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("runs", range(1, 7))
def test_state_is_right_after_any_number_of_runs(runs: int) -> None:
    compiled, plain = Pair(True), Pair(False)
    for _ in range(2):
        for pair in (
            compiled,
            plain,
        ):  # one after the other: what the plain one does to gradients is a change
            for i in range(runs):
                pair.first(X * i)
        same(compiled, plain)


@pytest.mark.parametrize("order", ["aab", "abab", "aaabbbab", "baaaabba"])
def test_programs_that_change_the_same_state_by_turns(order: str) -> None:
    compiled, plain = Pair(True), Pair(False)
    for pair in (compiled, plain):
        for i, name in enumerate(order * 3):
            (pair.first if name == "a" else pair.second)(X * (i % 5))
    same(compiled, plain)


def test_a_program_that_only_reads_sees_every_change() -> None:
    pair = Pair(True)
    read = lenetc.compile(lambda: pair.w.detach() * 1.0, device="cpu")
    for i in range(6):
        for _ in range(i):
            pair.first(X)
        np.testing.assert_array_equal(read().numpy(), pair.value())
        np.testing.assert_array_equal(read().numpy(), pair.value())
    pair.w.data.mul_(2.0)
    np.testing.assert_array_equal(read().numpy(), pair.value())
    pair.w.data = lenetc.ones(4, 2)
    np.testing.assert_array_equal(read().numpy(), np.ones((4, 2)))


def test_changes_from_outside_between_unseen_runs() -> None:
    compiled, plain = Pair(True), Pair(False)
    for pair in (compiled, plain):
        for i in range(12):
            pair.first(X)
            if i % 5 == 4:
                pair.w.data.mul_(0.5)
            if i % 6 == 3:
                pair.optimizer.state[pair.w]["momentum_buffer"].zero_()
            if i == 7:
                nn.init.constant_(pair.w, 0.25)
    same(compiled, plain)


def test_what_is_made_of_old_state_keeps_it_or_says_that_it_is_gone() -> None:
    pair = Pair(True)
    for _ in range(3):
        pair.first(X)
    before = pair.value()
    waiting = pair.w.detach() * 2
    looked_at = (pair.w * pair.w).sum()
    looked_at.item()
    for _ in range(4):
        pair.first(X)
    np.testing.assert_array_equal(waiting.numpy(), before * 2)
    pair.optimizer.zero_grad()
    with pytest.raises(LenetcError, match="modified by an in-place operation"):
        looked_at.backward()
        assert pair.w.grad is not None
        pair.w.grad.numpy()


def test_results_stay_whoever_holds_them() -> None:
    pair = Pair(True)
    kept: list[tuple[Any, float]] = []
    for i in range(12):
        loss = pair.first(X * i)
        if i % 3 == 0:
            kept.append((loss.detach(), float(loss)))
        elif i % 3 == 1:
            value = float(loss)
            kept.append((loss * 2, value * 2))  # computed later
        del loss
    assert [tensor.item() for tensor, _ in kept] == pytest.approx([value for _, value in kept], rel=1e-6)
    assert len({value for _, value in kept}) == len(kept)


def test_a_result_may_be_the_input_of_the_next_call() -> None:
    double = CompiledFunction(lambda x: x * 2, "cpu")
    value: Any = np.ones(3, np.float32)
    for _ in range(6):
        value = double(value)
    np.testing.assert_array_equal(value.numpy(), np.full(3, 64))
    held = [value]
    for _ in range(3):
        held.append(double(held[-1]))
    np.testing.assert_array_equal([x.numpy()[0] for x in held], [64, 128, 256, 512])


@pytest.mark.parametrize("size", [4, 40_000])  # copied, and bound
def test_an_array_that_is_filled_again_is_read_again(size: int) -> None:
    double = CompiledFunction(lambda x: x * 2, "cpu")
    batch = np.zeros(size, np.float32)
    for i in range(5):
        batch[:] = i
        np.testing.assert_array_equal(double(batch).numpy(), np.full(size, 2.0 * i))
        np.testing.assert_array_equal(double(batch[::-1]).numpy(), np.full(size, 2.0 * i))


def test_gradients_that_stay_inside_are_there_after_every_call() -> None:
    compiled, plain = Pair(True), Pair(False)
    for k in range(6):
        for pair in (compiled, plain):
            pair.first(X)
        if k > 2:
            assert compiled.w.grad is not None
            np.testing.assert_allclose(compiled.w.grad.numpy(), plain.w.grad.numpy(), rtol=1e-5, atol=1e-6)
            compiled.optimizer.zero_grad()
            assert compiled.w.grad is None


def test_an_option_that_became_an_input_stays_one_until_it_is_0() -> None:
    compiled, plain = Pair(True), Pair(False)
    for pair in (compiled, plain):
        for momentum in (0.5, 0.25, 0.75, 0.0, 0.0, 0.5):
            pair.optimizer.param_groups[0]["momentum"] = momentum
            pair.first(X)
    same(compiled, plain)
