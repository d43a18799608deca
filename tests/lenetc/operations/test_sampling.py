"""Samples: their moments and shares, drawn lazily and by compiled functions."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

import lenetc
from ir.errors import LenetcError, UnsupportedError
from ir.types import Array
from lenetc.compiler.function import CompiledFunction
from lenetc.tensors.tensor import Tensor

SIZE = 40_000


def empty() -> Tensor:
    return lenetc.empty(SIZE)


# What is drawn, its mean and its standard deviation.
MOMENTS: list[tuple[str, Callable[[], Tensor], float, float]] = [
    ("uniform_", lambda: empty().uniform_(2.0, 5.0), 3.5, 3 / math.sqrt(12)),
    ("normal_", lambda: empty().normal_(2.0, 3.0), 2.0, 3.0),
    ("log_normal_", lambda: empty().log_normal_(0.0, 0.5).log(), 0.0, 0.5),
    ("exponential_", lambda: empty().exponential_(2.0), 0.5, 0.5),
    ("geometric_", lambda: empty().geometric_(0.25), 4.0, math.sqrt(12)),
    ("bernoulli_", lambda: empty().bernoulli_(0.3), 0.3, math.sqrt(0.21)),
    ("random_", lambda: empty().long().random_(10).float(), 4.5, math.sqrt(8.25)),
    ("random_ from", lambda: empty().random_(5, 15), 9.5, math.sqrt(8.25)),
    ("cauchy_", lambda: (empty().cauchy_(1.0, 2.0) < 3.0).float(), 0.75, math.sqrt(3 / 16)),
    ("normal", lambda: lenetc.normal(lenetc.ones(SIZE), 2.0), 1.0, 2.0),
    ("normal size", lambda: lenetc.normal(1.0, 2.0, (SIZE,)), 1.0, 2.0),
    ("bernoulli", lambda: lenetc.bernoulli(lenetc.full((SIZE,), 0.7)), 0.7, math.sqrt(0.21)),
    ("randint", lambda: lenetc.randint(-3, 4, (SIZE,)).float(), 0.0, 2.0),
    ("randint wide", lambda: lenetc.randint(0, 1 << 40, (SIZE,)).double() / 2**40, 0.5, 1 / math.sqrt(12)),
    ("multinomial", lambda: lenetc.multinomial(lenetc.ones(10), SIZE, True).float(), 4.5, math.sqrt(8.25)),
    ("randint_like", lambda: lenetc.randint_like(empty(), 2, 5), 3.0, math.sqrt(2 / 3)),
]


@pytest.mark.parametrize("row", MOMENTS, ids=lambda row: row[0])
def test_moments_lazily_and_compiled(row: tuple[str, Callable[[], Tensor], float, float]) -> None:
    _, draw, mean, deviation = row
    compiled = CompiledFunction(lambda: (draw(), draw()), "cpu")
    lenetc.manual_seed(7)
    lazily = [draw().numpy().astype(np.float64) for _ in range(2)]
    lenetc.manual_seed(7)
    for x, y in zip(lazily, (x.numpy() for x in compiled()), strict=True):
        np.testing.assert_allclose(x, y, 1e-5, 1e-5)
        assert abs(x.mean() - mean) < 4.5 * deviation / math.sqrt(SIZE)
        assert x.std() == pytest.approx(deviation, rel=0.03)
    assert not np.array_equal(*lazily)


def shares(samples: Array, categories: int) -> Array:
    return np.bincount(samples.ravel(), minlength=categories) / samples.size


def test_categories_come_as_often_as_they_weigh() -> None:
    weights = lenetc.tensor([[1.0, 2.0, 0.0, 5.0], [0.0, 0.0, 3.0, 0.0]])
    for count in (20_000, 1_200_000):  # by a race each, and by cumulative sums of known weights
        lenetc.manual_seed(3)
        found = lenetc.multinomial(weights, count, replacement=True).numpy()
        np.testing.assert_allclose(shares(found[0], 4), [1 / 8, 2 / 8, 0, 5 / 8], atol=0.015)
        assert (found[1] == 2).all()
    for count, rows in ((2, 6000), (70, 40)):  # place by place, and all at once
        categories = max(4, count)
        table = lenetc.ones(rows, categories)
        table[:, 0] = 1e-30
        drawn = lenetc.multinomial(table, count).numpy()
        assert all(len(set(row)) == count for row in drawn.tolist())
        expected = 1 / (categories - 1) if count < categories else 1 / categories
        assert abs(shares(drawn[:, 0], categories)[1] - expected) < 5 * math.sqrt(expected / rows)
    with pytest.raises(LenetcError, match="70 of 3 categories"):
        lenetc.multinomial(lenetc.ones(3), 70)
    drawn = lenetc.compile(lambda w: lenetc.multinomial(w, 70))(lenetc.arange(100.0) ** 3).numpy()
    assert len(set(drawn)) == 70 and drawn[:35].mean() > drawn[35:].mean()
    with pytest.raises(UnsupportedError, match="too many for a compiled function"):
        lenetc.compile(lambda w: lenetc.multinomial(w, 1 << 20, True))(lenetc.ones(100))


def test_permutations_are_fair_in_compiled_functions() -> None:
    compiled = CompiledFunction(lambda: lenetc.randperm(5), "cpu")
    lenetc.manual_seed(3)
    orders = np.stack([compiled().numpy() for _ in range(500)])
    assert len(compiled.programs()) == 1
    lenetc.manual_seed(3)
    np.testing.assert_array_equal(np.stack([lenetc.randperm(5).numpy() for _ in range(500)]), orders)
    np.testing.assert_array_equal(np.sort(orders, axis=1), np.tile(np.arange(5), (500, 1)))
    places = np.stack([np.bincount(orders[:, i], minlength=5) for i in range(5)])
    assert (abs(places - 100) < 4.5 * np.sqrt(80)).all()
