"""Averages of states, of clients and over time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest

import lenetc
from ir.errors import DTypeError, LenetcError, ShapeError
from ir.types import Array
from lenetc.artifact.checkpoint import CheckpointError, save_tensors


def state(seed: int) -> dict[str, Array]:
    draw = np.random.default_rng(seed)
    return {
        "w": draw.standard_normal((3, 2)).astype(np.float32),
        "half": draw.standard_normal(4).astype(np.float16),
        "brain": draw.standard_normal(4).astype(ml_dtypes.bfloat16),
        "wide": draw.standard_normal(()),
        "optimizer.step": np.array(seed, np.int64),
        "rng.key": np.array([seed, seed], np.int32),
        "flag": np.array(seed % 2 == 0),
    }


def assert_is(found: dict[str, Array], expected: dict[str, Array]) -> None:
    assert list(found) == list(expected)
    for name, array in expected.items():
        assert found[name].dtype == array.dtype and found[name].shape == array.shape
        np.testing.assert_array_equal(found[name], array, err_msg=name)


def mean(states: list[dict[str, Array]], shares: list[float], whose: int) -> dict[str, Array]:
    return {
        name: np.asarray(
            sum(p * s[name].astype(np.float64) for p, s in zip(shares, states, strict=True))
        ).astype(array.dtype)
        if array.dtype.kind in "fV"
        else states[whose][name]
        for name, array in states[0].items()
    }


def test_the_mean_of_clients_and_the_average_over_time(tmp_path: Path) -> None:
    a, b, c = state(1), state(2), state(3)
    given: list[Any] = [a, {name: v if name == "brain" else lenetc.from_numpy(v) for name, v in b.items()}]
    save_tensors(tmp_path / "c.safetensors", c)
    given.append(tmp_path / "c.safetensors")
    assert_is(lenetc.average_states(given, weights=[30, 60, 10]), mean([a, b, c], [0.3, 0.6, 0.1], 0))
    assert_is(lenetc.average_states([a, str(tmp_path / "c.safetensors")]), mean([a, c], [0.5, 0.5], 0))
    assert_is(lenetc.average_states([a, a, a], [1, 1, 1]), a)
    assert_is(lenetc.ema_state(a, given[2], 0.75), mean([a, c], [0.75, 0.25], 1))
    broken = {**b, "w": b["w"] * np.nan}
    assert_is(lenetc.average_states([a, broken], [1, 0]), a)
    found = lenetc.average_states([a])
    found["w"][:] = 0
    found["rng.key"][:] = 0
    assert a["w"].all() and a["rng.key"].all()


def test_the_average_is_that_of_swa_utils() -> None:
    averaged, new = lenetc.ones(3), lenetc.arange(3).to(lenetc.float32)
    expected = lenetc.optim.swa_utils.get_ema_avg_fn(0.9)(averaged, new, lenetc.tensor(1))
    np.testing.assert_allclose(
        lenetc.ema_state({"w": averaged}, {"w": new}, 0.9)["w"], expected.numpy(), rtol=1e-6
    )


A = {"w": np.ones(3, np.float32), "n": np.array(1)}


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda: lenetc.average_states([]), LenetcError, "a list of at least one state"),
        (lambda: lenetc.average_states(A), LenetcError, "a list of at least one state"),
        (lambda: lenetc.average_states([A, A], [1]), LenetcError, "a weight for each of the 2 states"),
        (lambda: lenetc.average_states([A, A], [0, 0]), LenetcError, "not all 0"),
        (lambda: lenetc.average_states([A, A], [1, -1]), LenetcError, "0 or more"),
        (lambda: lenetc.average_states([A, A], [1, float("nan")]), LenetcError, "0 or more"),
        (lambda: lenetc.average_states([A, A], [1, None]), LenetcError, "0 or more"),
        (lambda: lenetc.average_states([A, {"w": A["w"]}]), LenetcError, "only state 0 has 'n'"),
        (lambda: lenetc.average_states([A, A, {**A, "v": 1}]), LenetcError, "only state 2 has 'v'"),
        (
            lambda: lenetc.average_states([A, {**A, "w": A["w"][:2]}]),
            ShapeError,
            r"\[3\] .* float32 \[2\] in state 1",
        ),
        (lambda: lenetc.ema_state(A, {**A, "w": np.ones(3)}), DTypeError, "float32 .* float64 .* in state 1"),
        (lambda: lenetc.ema_state(A, A, 1.5), LenetcError, "a decay between 0 and 1, not 1.5"),
        (lambda: lenetc.ema_state(A, A, None), LenetcError, "a decay between 0 and 1"),
        (lambda: lenetc.ema_state(A, __file__), CheckpointError, "no readable checkpoint"),
    ],
)
def test_what_cannot_be_averaged(call: Any, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        call()
