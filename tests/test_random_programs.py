"""Random programs through the front end: eager, lazy, compiled and scanned runs agree, gradients included."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import lenetc
from ir.interpret import run
from ir.types import Array
from lenetc.compiler.function import CompiledFunction
from tests.random_nets import INSTRUCTIONS, Instruction, arrays, outcome

SEEDS = st.integers(0, 2**32 - 1)


def few(examples: int) -> Any:
    return settings(
        max_examples=examples, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
    )


def uncompiled(program: list[Instruction], seed: int, looks: bool) -> list[Array]:
    """Loss, and the gradients of images and weights; with every value looked at as it is made, or none."""
    images, weights = arrays(seed)
    x = lenetc.tensor(images, requires_grad=True)
    w = {name: lenetc.tensor(value, requires_grad=True) for name, value in weights.items()}
    loss = outcome(
        lenetc, program, x, w, look=(lambda value: value.detach().numpy()) if looks else lambda _: None
    )
    loss.backward()
    return [loss.detach().numpy(), *(gradient(t) for t in (x, *w.values()))]


def gradient(tensor: Any) -> Array:
    return (
        np.zeros(tuple(tensor.shape), np.float32) if tensor.grad is None else np.asarray(tensor.grad.numpy())
    )


def compiled(program: list[Instruction], seed: int) -> tuple[CompiledFunction, Array]:
    """A compiled function from images to loss and gradients."""
    images, weights = arrays(seed)
    w = {name: lenetc.tensor(value, requires_grad=True) for name, value in weights.items()}

    def step(x: Any) -> Any:
        x = x.detach().requires_grad_()
        for tensor in w.values():
            tensor.grad = None
        loss = outcome(lenetc, program, x, w)
        loss.backward()
        return [loss, *(lenetc.zeros_like(t) if t.grad is None else t.grad for t in (x, *w.values()))]

    return CompiledFunction(step, "cpu"), images


def assert_agree(found: list[Array], expected: list[Array], how: str) -> None:
    assert len(found) == len(expected)
    for i, (got, want) in enumerate(zip(found, expected, strict=True)):
        scale = max(1.0, float(np.abs(want).max()))
        np.testing.assert_allclose(got, want, rtol=1e-3, atol=2e-5 * scale, err_msg=f"{how}, output {i}")


@few(10)
@given(INSTRUCTIONS, SEEDS)
def test_all_ways_to_run_a_program_agree(program: list[Instruction], seed: int) -> None:
    expected = uncompiled(program, seed, looks=True)
    assert_agree(uncompiled(program, seed, looks=False), expected, "lazy")
    function, images = compiled(program, seed)
    assert_agree([t.detach().numpy() for t in function(images)], expected, "compiled")
    stacked = function.scan(np.stack([images, images * 0.5, images]))
    assert_agree([t.detach().numpy()[0] for t in stacked], expected, "scanned, first")
    assert_agree([t.detach().numpy()[2] for t in stacked], expected, "scanned, last")


@few(12)
@given(INSTRUCTIONS, SEEDS)
def test_every_stage_of_a_program_agrees(program: list[Instruction], seed: int) -> None:
    function, images = compiled(program, seed)
    made = function.lower(images)
    inputs = {"x": images, **{name: cell.numpy() for name, cell in made.capture.cells.items()}}
    expected = list(run(made.graph("traced"), inputs))
    for stage in made.stages()[2:]:
        assert_agree(list(run(made.graph(stage), inputs)), expected, stage)


@pytest.mark.parity
@few(60)
@given(INSTRUCTIONS, SEEDS)
def test_pytorch_agrees(program: list[Instruction], seed: int) -> None:
    torch = pytest.importorskip("torch")
    images, weights = arrays(seed)
    x = torch.tensor(images, requires_grad=True)
    w = {name: torch.tensor(value, requires_grad=True) for name, value in weights.items()}
    loss = outcome(torch, program, x, w)
    loss.backward()
    expected = [loss.detach().numpy(), *(gradient(t) for t in (x, *w.values()))]
    function, images = compiled(program, seed)
    assert_agree([t.detach().numpy() for t in function(images)], expected, "compiled")
    assert_agree(uncompiled(program, seed, looks=False), expected, "lazy")
