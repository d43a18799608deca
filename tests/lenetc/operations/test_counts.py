"""Means over more elements than a half can count: f16 ends at 65,504, bf16 has three digits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import lenetc
import lenetc.nn.functional as F
from ir import ops
from ir.dims import symbol
from ir.interpret import run
from ir.node import Node
from ir.op import leaf
from ir.types import Array, Type, bf16, f16, f32
from passes.autodiff import means
from passes.autodiff.standardize import standardized
from tests.support import gradient_graph, graph_to, run_onnx

SIZE = 70_000
N = symbol("N")


def values(*shape: int) -> Array:
    return np.random.default_rng(0).uniform(0.5, 2.5, shape).astype(np.float16)


def spread(x: Any) -> Any:
    """A target that differs from x by much."""
    return lenetc.full_like(x, -1.0)


MEANS: dict[str, tuple[tuple[int, ...], Callable[[Any], Any], Callable[[Array], Any]]] = {
    "mean": ((SIZE,), lambda x: x.mean(), lambda x: x.mean()),
    "mean of columns": ((SIZE, 2), lambda x: x.mean(0), lambda x: x.mean(0)),
    "var": ((SIZE,), lambda x: x.var(), lambda x: x.var(ddof=1)),
    "var, biased": ((SIZE, 2), lambda x: x.var(0, unbiased=False), lambda x: x.var(0)),
    "std": ((2, SIZE), lambda x: x.std(1), lambda x: x.std(1, ddof=1)),
    "mse": ((SIZE,), lambda x: F.mse_loss(x, spread(x)), lambda x: ((x + 1) ** 2).mean()),
    "l1": ((SIZE,), lambda x: F.l1_loss(x, spread(x)), lambda x: (x + 1).mean()),
    "huber": ((SIZE,), lambda x: F.huber_loss(x, spread(x)), lambda x: (x + 1 - 0.5).mean()),
    "smooth l1": ((SIZE,), lambda x: F.smooth_l1_loss(x, spread(x)), lambda x: (x + 1 - 0.5).mean()),
    "bce with logits": (
        (SIZE,),
        lambda x: F.binary_cross_entropy_with_logits(x, lenetc.zeros_like(x)),
        lambda x: np.log1p(np.exp(x)).mean(),
    ),
    "cross entropy": (
        (SIZE, 2),
        lambda x: F.cross_entropy(x, lenetc.zeros(SIZE, dtype=lenetc.int64)),
        lambda x: np.log1p(np.exp(x[:, 1] - x[:, 0])).mean(),
    ),
    "weighted cross entropy": (
        (SIZE, 2),
        lambda x: F.cross_entropy(
            x, lenetc.zeros(SIZE, dtype=lenetc.int64), lenetc.tensor([3.0, 1.0], dtype=lenetc.float16)
        ),
        lambda x: np.log1p(np.exp(x[:, 1] - x[:, 0])).mean(),
    ),
    "smoothed cross entropy": (
        (SIZE, 2),
        lambda x: F.cross_entropy(x, lenetc.zeros(SIZE, dtype=lenetc.int64), label_smoothing=0.5),
        lambda x: (np.log1p(np.exp(x[:, 1] - x[:, 0])) + 0.25 * (x[:, 0] - x[:, 1])).mean(),
    ),
    "cross entropy of probabilities": (
        (SIZE, 2),
        lambda x: F.cross_entropy(x, lenetc.full_like(x, 0.5)),
        lambda x: (np.log1p(np.exp(x[:, 1] - x[:, 0])) + 0.5 * (x[:, 0] - x[:, 1])).mean(),
    ),
    "layer norm": (
        (2, SIZE),
        lambda x: F.layer_norm(x, (SIZE,)),
        lambda x: (x - x.mean(1, keepdims=True)) / np.sqrt(x.var(1, keepdims=True) + 1e-5),
    ),
    "batch norm": (
        (SIZE, 2),
        lambda x: F.batch_norm(x, None, None, training=True),
        lambda x: (x - x.mean(0)) / np.sqrt(x.var(0) + 1e-5),
    ),
    "average pooling": (
        (1, 1, 280, 560),
        lambda x: F.avg_pool2d(x, 280),
        lambda x: x.reshape(1, 1, 280, 2, 280).mean((2, 4))[:, :, None],
    ),
    "global average pooling": (
        (1, 2, 280, 260),
        lambda x: F.adaptive_avg_pool2d(x, 1),
        lambda x: x.mean((2, 3), keepdims=True),
    ),
}


@pytest.mark.parametrize("name", MEANS)
def test_more_elements_than_f16_counts(name: str) -> None:
    """Values, and gradients against those in f32."""
    shape, function, wide = MEANS[name]
    x = values(*shape)

    def graded(dtype: Any) -> tuple[Array, Array]:
        given = lenetc.tensor(x.astype(dtype)).requires_grad_()
        y = function(given) if dtype is np.float16 else _in_f32(function)(given)
        # A normalization takes a constant and what is linear in x out of its gradient: the square is left.
        weights = given.detach() ** 2 if y.shape == given.shape else 1.0
        (y * weights * 1000.0).sum().backward()
        assert y.dtype is given.dtype
        return y.detach().numpy(), given.grad.numpy()

    (y, gradient), (_, slope) = graded(np.float16), graded(np.float32)
    np.testing.assert_allclose(y, wide(x.astype(np.float64)), rtol=4e-3, atol=4e-3)
    np.testing.assert_allclose(gradient, slope, rtol=2e-2, atol=2e-2 * np.abs(slope).max())


def _in_f32(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """`function`, whose halves are f32 where it makes any."""

    def wide(x: Any) -> Any:
        half, lenetc.float16 = lenetc.float16, lenetc.float32
        try:
            return function(x)
        finally:
            lenetc.float16 = half

    return wide


def test_running_statistics_of_many_halves() -> None:
    x = values(SIZE, 2)
    mean, variance = (lenetc.zeros(2, dtype=lenetc.float16) for _ in range(2))
    F.batch_norm(lenetc.tensor(x), mean, variance, training=True, momentum=1.0)
    np.testing.assert_allclose(mean.numpy(), x.astype(np.float64).mean(0), rtol=2e-3)
    np.testing.assert_allclose(variance.numpy(), x.astype(np.float64).var(0, ddof=1), rtol=2e-3)


FORMULAS: dict[str, Callable[[Node], Node]] = {
    "mean": lambda x: means.mean(x, (0,)),
    "mean of all": lambda x: means.mean(x, (0, 1)),
    "sum of one value": lambda x: ops.sum(
        ops.broadcast_to(means.mean(x, (0,)) * 0.0625, shape=x.shape), axes=(0,)
    ),
    "standardized": lambda x: standardized(x, 0.0).mean,
}


@pytest.mark.parametrize("name", FORMULAS)
def test_a_batch_of_any_size(name: str) -> None:
    """One program for any number of halves, run with many."""
    x = leaf("x", Type(f16, (N, 2)))
    graph = graph_to(FORMULAS[name](x))
    for size in (5, SIZE):
        given = values(size, 2)
        want = given.astype(np.float64).mean(0) * (0.0625 * size if name == "sum of one value" else 1)
        want = want.mean() if name == "mean of all" else want
        for (got,) in (run(graph, [given]), run_onnx(graph, [given])):
            np.testing.assert_allclose(np.asarray(got, np.float64).reshape(want.shape), want, rtol=4e-3)


@pytest.mark.parametrize("dtype", [f32, bf16], ids=str)
def test_bf16_counts_to_more_than_three_digits(dtype: Any) -> None:
    x = leaf("x", Type(dtype, (1003,)))
    ones = np.ones(1003, np.float32)
    assert run(graph_to(means.mean(x, (0,))), [ones])[0] == 1
    made, _ = gradient_graph(graph_to(means.mean(x, (0,))))
    (gradient,) = run(made, [ones, np.float32(1)])
    np.testing.assert_allclose(gradient, 1 / 1003, rtol=4e-3)


def test_more_ties_than_f16_counts() -> None:
    x = lenetc.Tensor(np.ones(SIZE, np.float16)).requires_grad_()
    for function in (lambda x: x.amax(0), lambda x: x.max(), lambda x: x.norm(float("inf"))):
        x.grad = None
        (function(x) * 1000.0).backward()
        np.testing.assert_allclose(x.grad.numpy(), 1000 / SIZE, rtol=2e-3)
