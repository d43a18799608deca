"""Random numbers: their quality, their seed, and that every way to run a program draws the same ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lenetc
import lenetc.nn.functional as F
from ir.types import Array
from lenetc.compiler.function import CompiledFunction
from lenetc.evaluation.random import default_generator, permutation

SIZE = 200_000
SEEDS = (0, 1, 12345)


def uniform(seed: int, *shape: int) -> Array:
    lenetc.manual_seed(seed)
    return lenetc.rand(*shape).numpy()


def normal(seed: int, *shape: int) -> Array:
    lenetc.manual_seed(seed)
    return lenetc.randn(*shape).numpy()


def correlation(x: Array, y: Array) -> float:
    """In standard deviations of what independent numbers would give."""
    return float(np.corrcoef(x.ravel(), y.ravel())[0, 1] * np.sqrt(x.size))


@pytest.mark.parametrize("seed", SEEDS)
def test_uniform_numbers_are_uniform(seed: int) -> None:
    x = uniform(seed, SIZE).astype(np.float64)
    assert x.min() >= 0 and x.max() < 1
    assert abs(x.mean() - 0.5) < 4 * np.sqrt(1 / 12 / SIZE)
    assert abs(x.var() - 1 / 12) < 4 * np.sqrt(1 / 180 / SIZE)
    for bins in (100, 256, 1000):
        counts = np.histogram(x, bins, (0, 1))[0]
        chi2 = ((counts - SIZE / bins) ** 2).sum() / (SIZE / bins)
        assert abs(chi2 - (bins - 1)) < 4 * np.sqrt(2 * (bins - 1)), f"{bins} bins"
    low = (x * (1 << 24)).astype(np.int64) % 256  # the lowest bits that f32 keeps
    counts = np.bincount(low, minlength=256)
    assert abs(((counts - SIZE / 256) ** 2).sum() / (SIZE / 256) - 255) < 4 * np.sqrt(2 * 255)


@pytest.mark.parametrize("seed", SEEDS)
def test_neighbours_are_unrelated(seed: int) -> None:
    x = uniform(seed, SIZE)
    for lag in (1, 2, 3, 28, 32, 784, 1024):
        assert abs(correlation(x[lag:], x[:-lag])) < 4, f"lag {lag}"
    pairs = (x[0::2] * 16).astype(int) * 16 + (x[1::2] * 16).astype(int)
    counts, expected = np.bincount(pairs, minlength=256), SIZE / 2 / 256
    assert abs(((counts - expected) ** 2).sum() / expected - 255) < 4 * np.sqrt(2 * 255)


def test_draws_and_seeds_are_unrelated() -> None:
    lenetc.manual_seed(0)
    draws = [lenetc.rand(50_000).numpy() for _ in range(6)]
    streams = [*draws, *(uniform(seed, 50_000) for seed in (1, 2, 3, -1, 1 << 40))]
    for i, x in enumerate(streams):
        for y in streams[:i]:
            assert abs(correlation(x, y)) < 4.5
            assert abs(correlation(x[1:], y[:-1])) < 4.5
            assert (x == y).mean() < 1e-3


@pytest.mark.parametrize("seed", SEEDS)
def test_normal_numbers_are_normal(seed: int) -> None:
    x = normal(seed, SIZE).astype(np.float64)
    assert np.isfinite(x).all()
    moments = [(1, 0.0, 1), (2, 1.0, 2), (3, 0.0, 15), (4, 3.0, 96)]
    for power, expected, variance in moments:
        assert abs((x**power).mean() - expected) < 4 * np.sqrt(variance / SIZE), f"moment {power}"
    for bound, share in ((1, 0.317311), (2, 0.0455003), (3, 0.0026998), (4, 6.334e-5)):
        beyond = (np.abs(x) > bound).mean()
        assert abs(beyond - share) < 4 * np.sqrt(share / SIZE), f"beyond {bound}"
    for lag in (1, 2, SIZE // 2):
        assert abs(correlation(x[lag:], x[:-lag])) < 4


def test_integers_and_permutations_are_fair() -> None:
    lenetc.manual_seed(4)
    counts = np.bincount(lenetc.randint(0, 7, (70_000,)).numpy(), minlength=7)
    assert counts.shape == (7,) and (abs(counts - 10_000) < 4 * np.sqrt(10_000)).all()
    orders = np.stack([permutation(5) for _ in range(500)])
    np.testing.assert_array_equal(np.sort(orders, axis=1), np.tile(np.arange(5), (500, 1)))
    places = np.stack([np.bincount(orders[:, i], minlength=5) for i in range(5)])
    assert (abs(places - 100) < 4.5 * np.sqrt(80)).all()


def test_the_numbers_of_a_seed_are_the_same_everywhere_and_for_ever() -> None:
    """Stored: a seed means the same run on every machine and in every later version."""
    np.testing.assert_array_equal(uniform(0, 4), np.array(UNIFORM_0, np.float32))
    np.testing.assert_array_equal(uniform(-7, 4), np.array(UNIFORM_MINUS_7, np.float32))


UNIFORM_0 = [0.3576803207397461, 0.6783577799797058, 0.8525710105895996, 0.41474151611328125]
UNIFORM_MINUS_7 = [0.13006556034088135, 0.39780014753341675, 0.32611918449401855, 0.14667797088623047]


def test_manual_seed_starts_again() -> None:
    first = uniform(3, 5)
    second = lenetc.rand(5).numpy()
    assert not np.array_equal(first, second)
    np.testing.assert_array_equal(uniform(3, 5), first)
    np.testing.assert_array_equal(lenetc.rand(5).numpy(), second)
    assert lenetc.initial_seed() == 3
    assert lenetc.manual_seed(9) is default_generator
    assert not np.array_equal(lenetc.rand(5).numpy(), first)


def test_the_state_of_the_generator_can_be_kept() -> None:
    lenetc.manual_seed(3)
    lenetc.rand(2)
    state = lenetc.get_rng_state()
    first = lenetc.rand(5).numpy()
    lenetc.manual_seed(8)
    lenetc.set_rng_state(state)
    np.testing.assert_array_equal(lenetc.rand(5).numpy(), first)


def noise(x: Any) -> Any:
    """Every kind of randomness, two of each."""
    a, b = lenetc.rand(3, 2), lenetc.rand(3, 2)
    dropped = F.dropout(x, 0.4, training=True), F.dropout(x, 0.4, training=True)
    return lenetc.cat([a, b, lenetc.randn(3, 2), lenetc.randn(3, 2), *dropped])


def test_lazy_compiled_scanned_and_exported_runs_draw_the_same_numbers(tmp_path: Path) -> None:
    ones = np.ones((3, 2), np.float32)
    compiled = CompiledFunction(noise, "cpu")
    lenetc.manual_seed(21)
    lenetc.rand(1)
    compiled.lower(ones).export(tmp_path)
    state = lenetc.get_rng_state()
    found = {"lazy": [noise(lenetc.from_numpy(ones)).numpy() for _ in range(4)]}
    after = lenetc.get_rng_state()
    lenetc.set_rng_state(state)
    found["compiled"] = [compiled(ones).numpy() for _ in range(4)]
    np.testing.assert_array_equal(lenetc.get_rng_state(), after)
    lenetc.set_rng_state(state)
    found["scanned"] = list(compiled.scan(np.stack([ones] * 4)).numpy())
    np.testing.assert_array_equal(lenetc.get_rng_state(), after)
    artifact = lenetc.load(tmp_path)
    found["exported"] = [artifact(x=ones)["result"] for _ in range(4)]
    assert artifact.state["rng.counter"] == default_generator.cells()[1].numpy()
    for way, values in found.items():
        for call in range(4):
            # logarithm and cosine may differ in their last bit from one kernel to another
            np.testing.assert_allclose(values[call], found["lazy"][call], rtol=1e-6, atol=1e-6, err_msg=way)
            np.testing.assert_array_equal(values[call][:6], found["lazy"][call][:6], err_msg=way)
            np.testing.assert_array_equal(values[call][12:], found["lazy"][call][12:], err_msg=way)
    parts = found["lazy"][0].reshape(6, 6)
    assert len({part.tobytes() for part in parts}) == 6


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_dropout_drops_the_share_it_is_told_to(p: float) -> None:
    lenetc.manual_seed(2)
    x = lenetc.ones(400, 500, requires_grad=True)
    y = F.dropout(x, p, training=True)
    y.sum().backward()
    values = y.detach().numpy()
    kept = values != 0
    assert abs(kept.mean() - (1 - p)) < 4 * np.sqrt(p * (1 - p) / values.size)
    np.testing.assert_allclose(values[kept], 1 / (1 - p), rtol=1e-6)
    for axis in (0, 1):
        share = kept.mean(axis=axis)
        assert abs(share - (1 - p)).max() < 5 * np.sqrt(p * (1 - p) / kept.shape[axis])
    assert x.grad is not None
    np.testing.assert_array_equal(x.grad.numpy(), values)  # the same mask


def test_a_step_that_is_seeded_again_repeats() -> None:
    compiled = CompiledFunction(noise, "cpu")
    ones = np.ones((3, 2), np.float32)

    def three() -> Array:
        lenetc.manual_seed(6)
        return np.stack([compiled(ones).numpy() for _ in range(3)])

    first = three()
    np.testing.assert_array_equal(three(), first)
    assert not np.array_equal(first[0], first[1])
    assert len(compiled.programs()) == 1


def test_drawing_by_a_compiled_function_moves_the_users_generator() -> None:
    """One stream for all: what is drawn before a step and after it is never the same."""
    compiled = CompiledFunction(lambda: lenetc.rand(4), "cpu")
    lenetc.manual_seed(6)
    drawn = [lenetc.rand(4).numpy(), compiled().numpy(), lenetc.rand(4).numpy(), compiled().numpy()]
    lenetc.manual_seed(6)
    np.testing.assert_array_equal([lenetc.rand(4).numpy() for _ in range(4)], drawn)
