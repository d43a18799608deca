"""Denormals are flushed while a program runs, in every thread that computes it, and nowhere else."""

import numpy as np
import pytest

import lenetc
from lenetc.runtime.denormals import flushed

TINY = np.full((64, 400), 1e-40, np.float32)

needs_mode = pytest.mark.skipif(not flushed.works, reason="the floating-point mode cannot be set here")


@needs_mode
def test_programs_flush_and_numpy_does_not() -> None:
    double = lenetc.compile(lambda x: x + x, device="cpu")
    assert not double(TINY).numpy().any()
    assert (TINY + TINY).all()


@needs_mode
def test_the_mode_is_put_back_after_an_error() -> None:
    with pytest.raises(ValueError, match="inside"), flushed:
        assert not (TINY * np.float32(0.5)).any()
        raise ValueError("inside")
    assert (TINY * np.float32(0.5)).all()


def test_momentum_of_a_dead_weight_dies_out() -> None:
    w = lenetc.zeros(8, requires_grad=True)
    optimizer = lenetc.optim.SGD([w], lr=0.1, momentum=0.9)

    @lenetc.compile(device="cpu")
    def step(x: np.ndarray) -> lenetc.Tensor:  # type: ignore[type-arg]
        optimizer.zero_grad()
        loss = (w * x).sum()
        loss.backward()
        optimizer.step()
        return loss

    step(np.ones(8, np.float32))
    for _ in range(1200):
        step(np.zeros(8, np.float32))
    momentum = optimizer.state[w]["momentum_buffer"].numpy()
    assert not momentum.any() or not flushed.works


@needs_mode
def test_blocks_in_blocks_put_the_mode_back_at_the_end() -> None:
    with flushed:
        with flushed:
            pass
        assert not (TINY * np.float32(0.5)).any()
    assert (TINY * np.float32(0.5)).all()
