"""Distributions: densities, moments, divergences and their gradients are PyTorch's; samples have their moments."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import torch

import lenetc
from tests.parity.kinds.alike import check_all

pytestmark = pytest.mark.parity

A, B = [0.3, -1.2, 2.0], [0.5, 1.5, 2.5]  # of any sign, and positive ones
P, Q = [[0.2, 0.3, 0.5], [0.6, 0.4, 0.0]], [[0.1, 0.1, 0.8], [0.5, 0.25, 0.25]]
TRIANGLE = [[1.5, 0.0, 0.0], [0.3, 0.7, 0.0], [-0.2, 0.4, 1.1]]
SQUARE = [[2.0, 0.3, 0.1], [0.3, 1.0, -0.2], [0.1, -0.2, 1.5]]
# (name, parameters, values that it is asked about)
KINDS: list[tuple[str, dict[str, Any], Any]] = [
    ("Normal", {"loc": A, "scale": B}, [0.1, 2.0, -3.0]),
    ("LogNormal", {"loc": A, "scale": B}, [0.1, 2.0, 3.0]),
    ("Laplace", {"loc": A, "scale": B}, [0.1, 2.0, -3.0]),
    ("Exponential", {"rate": B}, [0.1, 2.0, 3.0]),
    ("Uniform", {"low": A, "high": [1.0, 2.0, 3.0]}, [0.4, 0.5, 2.25]),
    ("Bernoulli", {"probs": [0.2, 0.5, 0.9]}, [0.0, 1.0, 1.0]),
    ("Bernoulli", {"logits": A}, [0.0, 1.0, 1.0]),
    ("Categorical", {"probs": P}, [2, 0]),
    ("Categorical", {"logits": [A, B]}, [2, 0]),
    ("OneHotCategorical", {"logits": [A, B]}, [[0.0, 0.0, 1.0], [1.0, 0.0, 0.0]]),
    ("Cauchy", {"loc": A, "scale": B}, [0.1, 2.0, -3.0]),
    ("HalfCauchy", {"scale": B}, [0.1, 2.0, 3.0]),
    ("HalfNormal", {"scale": B}, [0.1, 2.0, 3.0]),
    ("Gumbel", {"loc": A, "scale": B}, [0.1, 2.0, -3.0]),
    ("Pareto", {"scale": B, "alpha": [0.5, 1.5, 3.5]}, [1.1, 2.0, 3.0]),
    ("Weibull", {"scale": B, "concentration": [1.2, 1.5, 3.5]}, [1.1, 2.0, 3.0]),
    ("Kumaraswamy", {"concentration1": B, "concentration0": [1.5, 0.7, 2.0]}, [0.1, 0.5, 0.7]),
    ("GeneralizedPareto", {"loc": A, "scale": B, "concentration": [0.3, 0.0, -0.4]}, [1.0, 2.0, 3.0]),
    ("Gamma", {"concentration": B, "rate": [1.5, 0.7, 2.0]}, [0.1, 2.0, 3.0]),
    ("Chi2", {"df": B}, [0.1, 2.0, 3.0]),
    ("InverseGamma", {"concentration": B, "rate": [1.5, 0.7, 2.0]}, [0.1, 2.0, 3.0]),
    ("Beta", {"concentration1": [1.5, 2.5, 3.0], "concentration0": [1.5, 1.7, 2.0]}, [0.1, 0.5, 0.7]),
    ("Dirichlet", {"concentration": [[0.5, 0.2, 0.9], [1.5, 3.0, 2.0]]}, P),
    ("StudentT", {"df": [0.9, 1.5, 3.5], "loc": A, "scale": B}, [0.1, 2.0, -3.0]),
    ("FisherSnedecor", {"df1": [1.5, 2.5, 3.0], "df2": [1.5, 3.0, 5.0]}, [0.1, 2.0, 3.0]),
    ("Poisson", {"rate": B}, [0.0, 2.0, 5.0]),
    ("Geometric", {"probs": [0.2, 0.5, 0.9]}, [0.0, 2.0, 1.0]),
    ("Geometric", {"logits": A}, [0.0, 2.0, 1.0]),
    ("Binomial", {"total_count": 5, "probs": [0.2, 0.5, 0.9]}, [0.0, 2.0, 5.0]),
    ("Binomial", {"total_count": 5, "logits": A}, [0.0, 2.0, 5.0]),
    ("NegativeBinomial", {"total_count": B, "probs": [0.2, 0.5, 0.9]}, [0.0, 2.0, 5.0]),
    ("NegativeBinomial", {"total_count": B, "logits": A}, [0.0, 2.0, 5.0]),
    ("Multinomial", {"total_count": 4, "probs": P}, [[1.0, 1.0, 2.0], [3.0, 1.0, 0.0]]),
    ("ContinuousBernoulli", {"probs": [0.2, 0.5, 0.9]}, [0.1, 0.5, 0.7]),
    ("ContinuousBernoulli", {"logits": A}, [0.1, 0.5, 0.7]),
    ("RelaxedBernoulli", {"temperature": 0.7, "logits": A}, [0.1, 0.5, 0.7]),
    ("RelaxedOneHotCategorical", {"temperature": 0.7, "logits": [A, B]}, P),
    ("OneHotCategoricalStraightThrough", {"logits": [A, B]}, [[0.0, 0.0, 1.0], [1.0, 0.0, 0.0]]),
    ("MultivariateNormal", {"loc": [A, B], "scale_tril": TRIANGLE}, [A, A]),
    ("MultivariateNormal", {"loc": A, "covariance_matrix": SQUARE}, [A, B]),
    ("MultivariateNormal", {"loc": A, "precision_matrix": SQUARE}, [B, B]),
    ("LogisticNormal", {"loc": A[:2], "scale": B[:2]}, P[0]),
]
READ = ("mean", "variance", "stddev", "mode", "batch_shape", "event_shape")
ASKED = ("log_prob", "cdf", "entropy")


def made(library: Any, name: str, parameters: dict[str, Any]) -> tuple[Any, list[Any]]:
    given = {
        key: library.tensor(value, dtype=library.float64)
        for key, value in parameters.items()
        if not isinstance(value, int)
    }
    for tensor in given.values():
        tensor.requires_grad_()
    counts = {key: value for key, value in parameters.items() if key not in given}
    made = getattr(library.distributions, name)(**given, **counts, validate_args=False)
    return made, list(given.values())


def answer(library: Any, name: str, parameters: dict[str, Any], value: Any, what: str) -> Any:
    distribution, given = made(library, name, parameters)
    if what in READ:
        return getattr(distribution, what)
    is_index = isinstance(np.ravel(value)[0], np.integer)
    x = library.tensor(value) if is_index else library.tensor(value, dtype=library.float64)
    found = distribution.entropy() if what == "entropy" else getattr(distribution, what)(x)
    if not found.requires_grad:
        return found
    found.sum().backward()
    return [found, *(tensor.grad for tensor in given)]


def answers(library: Any, ask: Callable[[Any, str], Any], asked: Sequence[str]) -> dict[str, Any]:
    """What is found, or None where it is not there. All is asked before anything is looked at: that is one run."""
    found = {}
    for what in asked:
        try:
            found[what] = ask(library, what)
        except NotImplementedError:
            found[what] = None
    return found


def compare(ask: Callable[[Any, str], Any], asked: Sequence[str]) -> None:
    expected, found = (answers(library, ask, asked) for library in (torch, lenetc))
    for what, theirs in expected.items():
        mine = found[what]
        if theirs is None or isinstance(theirs, torch.Size):
            assert (mine and tuple(mine)) == (theirs and tuple(theirs)), what
            continue
        pairs = zip(mine, theirs, strict=True) if isinstance(theirs, list) else [(mine, theirs)]
        for a, b in pairs:
            assert (a is None) == (b is None), what
            if b is not None:
                np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), 1e-6, 1e-7, err_msg=what)


@pytest.mark.parametrize("row", KINDS, ids=lambda row: f"{row[0]}-{'-'.join(row[1])}")
def test_what_a_distribution_tells(row: tuple[str, dict[str, Any], Any]) -> None:
    compare(lambda library, what: answer(library, *row, what), [*READ, *ASKED])


PAIRS = [
    ("Normal", {"loc": A, "scale": B}, "Normal", {"loc": B, "scale": B[::-1]}),
    ("LogNormal", {"loc": A, "scale": B}, "LogNormal", {"loc": B, "scale": B[::-1]}),
    ("Laplace", {"loc": A, "scale": B}, "Laplace", {"loc": B, "scale": B[::-1]}),
    ("Exponential", {"rate": B}, "Exponential", {"rate": B[::-1]}),
    (
        "Uniform",
        {"low": A, "high": [1.0, 2.0, 3.0]},
        "Uniform",
        {"low": [0.0, -2.0, 2.5], "high": [4.0, 4.0, 4.0]},
    ),
    ("Bernoulli", {"probs": [0.2, 0.5, 1.0]}, "Bernoulli", {"probs": [0.3, 0.4, 0.6]}),
    ("Categorical", {"probs": P}, "Categorical", {"probs": Q}),
    ("Categorical", {"probs": Q}, "Categorical", {"probs": P}),
    ("Uniform", {"low": A, "high": [1.0, 2.0, 3.0]}, "Normal", {"loc": B, "scale": B}),
    ("Exponential", {"rate": B}, "Normal", {"loc": A, "scale": B}),
    ("Laplace", {"loc": A, "scale": B}, "Normal", {"loc": B, "scale": B[::-1]}),
    (
        "MultivariateNormal",
        {"loc": A, "scale_tril": TRIANGLE},
        "MultivariateNormal",
        {"loc": [B, A], "covariance_matrix": SQUARE},
    ),
    ("Dirichlet", {"concentration": [A[:1] + B]}, "Dirichlet", {"concentration": [B + B[:1]]}),
    (
        "Binomial",
        {"total_count": 5, "probs": [0.2, 0.5, 0.9]},
        "Binomial",
        {"total_count": 5, "probs": [0.3, 0.4, 0.6]},
    ),
    ("Poisson", {"rate": B}, "Poisson", {"rate": B[::-1]}),
    ("Poisson", {"rate": B}, "Bernoulli", {"probs": [0.2, 0.5, 0.9]}),
    ("Bernoulli", {"probs": [0.2, 0.5, 0.9]}, "Poisson", {"rate": B}),
    ("Geometric", {"probs": [0.2, 0.5, 0.9]}, "Geometric", {"probs": [0.3, 0.4, 0.6]}),
    ("Cauchy", {"loc": A, "scale": B}, "Cauchy", {"loc": B, "scale": B[::-1]}),
    ("HalfNormal", {"scale": B}, "HalfNormal", {"scale": B[::-1]}),
]
# Those of which PyTorch has the divergence from almost each other one.
ALL: dict[str, dict[str, Any]] = {
    "Normal": {"loc": A, "scale": B},
    "Laplace": {"loc": A, "scale": B},
    "Gumbel": {"loc": A, "scale": B},
    "Exponential": {"rate": B},
    "Gamma": {"concentration": [1.5, 2.5, 3.0], "rate": B},
    "Beta": {"concentration1": [1.5, 2.5, 3.0], "concentration0": [1.5, 1.7, 2.0]},
    "Pareto": {"scale": [0.1, 0.2, 0.3], "alpha": [2.5, 3.5, 4.5]},
    "ContinuousBernoulli": {"probs": [0.2, 0.3, 0.9]},
    "Uniform": {"low": [0.3, 0.4, 0.5], "high": [0.7, 0.8, 0.9]},
}


def test_divergences_of_all_pairs() -> None:
    pairs = [f"{p} {q}" for p in ALL for q in ALL]

    def ask(library: Any, pair: str) -> Any:
        first, second = pair.split()
        (p, given), (q, others) = made(library, first, ALL[first]), made(library, second, ALL[second])
        found = library.distributions.kl_divergence(p, q)
        if not bool(library.isfinite(found.detach()).all()):
            return found
        found.sum().backward()
        return [found, *(x.grad for x in (*given, *others))]

    compare(ask, pairs)


@pytest.mark.parametrize("row", PAIRS, ids=lambda row: f"{row[0]}-{row[2]}")
def test_divergences(row: tuple[str, dict[str, Any], str, dict[str, Any]]) -> None:
    def ask(library: Any, what: str) -> Any:
        (p, given), (q, others) = made(library, *row[:2]), made(library, *row[2:])
        found = library.distributions.kl_divergence(p, q)
        found.sum().backward()
        return [found, *(x.grad for x in (*given, *others))]

    compare(ask, ["kl_divergence"])


@pytest.mark.parametrize("row", KINDS[:7], ids=lambda row: f"{row[0]}-{'-'.join(row[1])}")
def test_samples_have_the_moments(row: tuple[str, dict[str, Any], Any]) -> None:
    lenetc.manual_seed(5)
    size = 40_000
    distribution, _ = made(lenetc, row[0], row[1])
    x = distribution.sample((size,)).numpy()
    mean, deviation = distribution.mean.detach().numpy(), distribution.stddev.detach().numpy()
    if row[0] == "LogNormal":  # whose own deviation is large
        x, mean, deviation = np.log(x), np.array(A), np.array(B)
    assert (abs(x.mean(0) - mean) < 4.5 * deviation / math.sqrt(size)).all()
    np.testing.assert_allclose(x.std(0), deviation, rtol=0.05)


def test_samples_of_categories_and_their_gradients() -> None:
    lenetc.manual_seed(5)
    x = lenetc.distributions.Categorical(probs=lenetc.tensor(P)).sample((20_000,)).numpy()
    shares = np.stack([(x == category).mean(0) for category in range(3)], -1)
    np.testing.assert_allclose(shares, P, atol=0.02)
    loc = lenetc.tensor([1.0, 2.0], requires_grad=True)
    lenetc.distributions.Normal(loc, 0.1).rsample((5,)).sum().backward()
    assert loc.grad is not None and loc.grad.tolist() == [5.0, 5.0]


CALLS = [
    *("D.Normal(0., 1.).batch_shape", "D.Normal(t.zeros(2, 1), t.ones(3)).sample((4,)).shape"),
    *(
        "D.Normal(0., 0.)",
        "D.Normal(t.zeros(2), -1.)",
        "D.Normal(t.zeros(2), t.ones(3))",
        "D.Uniform(1., 0.)",
    ),
    *(
        "D.Normal(0., -1., validate_args=False).mean",
        "D.Bernoulli(1.5)",
        "D.Bernoulli()",
        "D.Bernoulli(0.5, 0.)",
    ),
    *("D.Categorical(t.tensor(0.5))", "D.Categorical(t.tensor([0.5, -0.5]))", "D.Categorical(t.ones(2, 3))"),
    *("D.Categorical(t.ones(3)).log_prob(t.tensor(3))", "D.Exponential(1.).log_prob(t.tensor(-1.))"),
    *("D.Bernoulli(0.5).log_prob(t.tensor(0.5))", "D.Uniform(0., 1.).log_prob(t.tensor(2.))"),
    *("D.Categorical(t.ones(2, 3)).enumerate_support()", "D.Categorical(t.ones(2, 3)).sample((4, 5)).shape"),
    *("D.Categorical(t.ones(2, 3)).expand((4, 2)).sample().shape", "D.Normal(0., 1.).expand((3,)).mean"),
    "D.Independent(D.Normal(t.zeros(2, 3), 1.), 1).log_prob(t.ones(2, 3))",
    "D.Independent(D.Normal(t.zeros(2, 3), 1.), 1).entropy()",
    *("D.Independent(D.Normal(t.zeros(2), 1.), 2)", "D.Normal(0., 1.).perplexity()"),
    *("D.Uniform(0., 2.).icdf(t.tensor(0.25))", "D.Laplace(0., 2.).icdf(t.tensor([0.25, 0.75]))"),
    *("D.Exponential(2.).icdf(t.tensor([0.25, 0.75]))", "D.Bernoulli(0.3).enumerate_support()"),
    "D.kl_divergence(D.Independent(D.Normal(t.zeros(2, 3), 1.), 1), D.Independent(D.Normal(t.ones(2, 3), 1.), 1))",
    "D.kl_divergence(D.Normal(0., 1.), D.Bernoulli(0.5))",
]


def test_calls() -> None:
    ending = "tuple(x) if isinstance(x, tuple) else x if hasattr(x, 'dtype') else None"
    check_all([f"D = t.distributions; x = {code}; {ending}" for code in CALLS], {})
