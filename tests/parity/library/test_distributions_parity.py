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
    kind = library.float32 if name == "GeneralizedPareto" else library.float64  # PyTorch's has f32 alone
    numbers = {key: value for key, value in parameters.items() if isinstance(value, int)}
    rest = {key: value for key, value in parameters.items() if key not in numbers}
    given = {key: library.tensor(value, dtype=kind) for key, value in rest.items()}
    for tensor in given.values():
        tensor.requires_grad_()
    distribution = getattr(library.distributions, name)(**given, **numbers, validate_args=False)
    return distribution, list(given.values())


def answer(library: Any, name: str, parameters: dict[str, Any], value: Any, what: str) -> Any:
    distribution, given = made(library, name, parameters)
    if what in READ:
        return getattr(distribution, what)
    is_index = isinstance(np.ravel(value)[0], np.integer)
    x = library.tensor(value) if is_index else library.tensor(value, dtype=given[0].dtype)
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


def near(x: Any) -> tuple[float, float]:
    return (1e-4, 1e-5) if x.dtype is torch.float32 else (1e-6, 1e-7)


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
                np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), *near(b), err_msg=what)


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
        (p, _), (q, _) = made(library, first, ALL[first]), made(library, second, ALL[second])
        return library.distributions.kl_divergence(p, q)

    compare(ask, pairs)


@pytest.mark.parametrize("row", PAIRS, ids=lambda row: f"{row[0]}-{row[2]}")
def test_divergences(row: tuple[str, dict[str, Any], str, dict[str, Any]]) -> None:
    def ask(library: Any, what: str) -> Any:
        (p, given), (q, others) = made(library, *row[:2]), made(library, *row[2:])
        found = library.distributions.kl_divergence(p, q)
        found.sum().backward()
        return [found, *(x.grad for x in (*given, *others))]

    compare(ask, ["kl_divergence"])


# Of these a sample's mean and deviation are far from the distribution's, or there is none: what is compared instead.
HEAVY: dict[str, Callable[[Any], Any]] = {
    "LogNormal": lenetc.log,
    "Cauchy": lenetc.atan,
    "HalfCauchy": lenetc.atan,
    "Pareto": lenetc.log,
    "InverseGamma": lenetc.log,
    "StudentT": lenetc.atan,
    "FisherSnedecor": lenetc.log,
    "GeneralizedPareto": lenetc.atan,
}
SAMPLED = {row[0]: row for row in KINDS if row[0] not in ("Categorical", "RelaxedOneHotCategorical")}


@pytest.mark.parametrize("row", SAMPLED.values(), ids=lambda row: row[0])
def test_samples_have_the_moments(row: tuple[str, dict[str, Any], Any]) -> None:
    lenetc.manual_seed(5)
    torch.manual_seed(5)
    size = 4000
    distribution, _ = made(lenetc, row[0], row[1])
    theirs, _ = made(torch, row[0], row[1])
    change = HEAVY.get(row[0], lambda x: x)
    x = change(distribution.sample((size,))).numpy()
    y = change(lenetc.from_numpy(theirs.sample((size,)).numpy())).numpy()
    assert x.shape == y.shape
    deviation = y.std(0) + 1e-9
    assert (abs(x.mean(0) - y.mean(0)) < 4.5 * deviation * math.sqrt(2 / size)).all()
    np.testing.assert_allclose(x.std(0), deviation, rtol=0.12, atol=1e-6)


def test_samples_in_a_compiled_function() -> None:
    D = lenetc.distributions

    def draw(rate: Any) -> Any:
        return D.Gamma(rate, rate).sample(), D.Poisson(10 * rate).sample(), D.Beta(rate, 2.0).sample()

    step, rate = lenetc.compile(draw), lenetc.full((4000,), 2.5)
    first, second = step(rate), step(rate)
    for a, b, mean in zip(first, second, (1.0, 25.0, 2.5 / 4.5), strict=True):
        assert bool((a != b).any()) and abs(float(a.mean()) / mean - 1) < 0.05


def test_samples_of_categories_and_their_gradients() -> None:
    lenetc.manual_seed(5)
    x = lenetc.distributions.Categorical(probs=lenetc.tensor(P)).sample((20_000,)).numpy()
    shares = np.stack([(x == category).mean(0) for category in range(3)], -1)
    np.testing.assert_allclose(shares, P, atol=0.02)
    loc = lenetc.tensor([1.0, 2.0], requires_grad=True)
    lenetc.distributions.Normal(loc, 0.1).rsample((5,)).sum().backward()
    assert loc.grad is not None and loc.grad.tolist() == [5.0, 5.0]


TRANSFORMED = [
    "[]",
    "D.ExpTransform()",
    "[D.AffineTransform(1., -2.), D.SigmoidTransform()]",
    "[D.TanhTransform(), D.AffineTransform(t.tensor([0., 1.]), 2.)]",
    "D.SoftplusTransform()",
    "[D.ExpTransform(), D.PowerTransform(t.tensor(2.))]",
]
TRANSFORMS = [
    *(
        "ExpTransform()",
        "SigmoidTransform()",
        "TanhTransform()",
        "SoftplusTransform()",
        "StickBreakingTransform()",
    ),
    *("AffineTransform(1., -2.)", "AffineTransform(t.ones(3), t.tensor([1., 2., -3.]), event_dim=1)"),
    "ComposeTransform([D.AffineTransform(1., 2.), D.StickBreakingTransform()])",
    "IndependentTransform(D.ExpTransform(), 1)",
    "ReshapeTransform((3,), (3, 1))",
    "CumulativeDistributionTransform(D.Normal(0., 2.))",
    "StackTransform([D.ExpTransform(), D.TanhTransform(), D.AffineTransform(0., 2.)], 1)",
    "CatTransform([D.ExpTransform(), D.TanhTransform()], 1, [1, 2])",
]
MAPPED = [
    *("positive", "unit_interval", "real", "interval(-1., 3.)", "greater_than(2.)", "less_than(-1.)"),
    *("lower_cholesky", "positive_definite", "real_vector", "independent(D.constraints.positive, 1)"),
]
CHECKED = [
    *("positive_integer.check(t.tensor([0., 1., 1.5]))", "nonnegative_integer.check(t.tensor([0, -1]))"),
    *("half_open_interval(0., 1.).check(t.tensor([0., 1.]))", "less_than(1.).check(t.tensor([0., 1.]))"),
    *("lower_cholesky.check(t.eye(2))", "positive_definite.check(t.tensor([[1., 2.], [2., 1.]]))"),
    *("symmetric.check(t.tensor([[1., 2.], [2., 1.]]))", "multinomial(3).check(t.tensor([1., 2.]))"),
]
MIXTURE = "D.MixtureSameFamily(D.Categorical(t.tensor([0.2, 0.8])), D.Normal(t.tensor([0., 1.]), t.tensor([1., 2.])))"
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
    *(
        "D.kl_divergence(D.Poisson(2.), D.Bernoulli(0.5))",
        "D.Gamma(0., 1.)",
        "D.Gamma(2., 1.).expand((3,)).mean",
    ),
    *(
        "D.Poisson(2.).log_prob(t.tensor(-1.))",
        "D.Binomial(5, t.tensor(1.5))",
        "D.Binomial(t.tensor([3., 4.]), 0.5).entropy()",
    ),
    *("D.Binomial(3, t.tensor([0.5, 0.2])).enumerate_support()", "D.Multinomial(4, t.ones(3)).entropy()"),
    *(
        "D.Geometric(t.tensor(0.)).mean",
        "D.Dirichlet(t.tensor(1.))",
        "D.Beta(2., 3.).mode",
        "D.Chi2(t.tensor([3.])).expand((2,)).mean",
    ),
    *("D.MultivariateNormal(t.zeros(2), t.tensor([[1., 2.], [2., 1.]]))", "D.MultivariateNormal(t.zeros(2))"),
    *(
        "D.MultivariateNormal(t.zeros(2), t.eye(2)).precision_matrix",
        "D.MultivariateNormal(t.zeros(3, 2), t.eye(2)).variance",
    ),
    *(
        "D.Cauchy(0., 1.).icdf(t.tensor([0.2, 0.9]))",
        "D.Gumbel(0., 2.).icdf(t.tensor([0.2, 0.9]))",
        "D.Weibull(1., 2.).icdf(t.tensor(0.3))",
    ),
    *(
        "D.HalfNormal(2.).icdf(t.tensor(0.3))",
        "D.Pareto(1., 2.).icdf(t.tensor(0.3))",
        "D.ContinuousBernoulli(0.3).icdf(t.tensor(0.3))",
    ),
    *(
        f"D.TransformedDistribution(D.Normal(t.tensor([0.5, -1.]), 2.), {code}).{asked}"
        for code in TRANSFORMED
        for asked in (
            "log_prob(t.tensor([0.3, 0.6]))",
            "cdf(t.tensor([0.3, 0.6]))",
            "icdf(t.tensor([0.3, 0.6]))",
            "event_shape",
            "batch_shape",
        )
    ),
    *(
        "D.transform_to(D.constraints.simplex)(t.tensor([0.1, -0.2]))",
        "D.biject_to(D.constraints.simplex)(t.tensor([0.1, -0.2]))",
    ),
    *(f"D.transform_to(D.constraints.{code})(t.tensor([[0.1, -0.2], [0.3, 0.4]]))" for code in MAPPED),
    *(f"D.constraints.{code}" for code in CHECKED),
    "D.TransformedDistribution(D.Normal(0., 1.), 3)",
    "D.LogisticNormal(t.zeros(2), 1.).sample((5,)).shape",
    "D.MixtureSameFamily(D.Categorical(t.ones(2)), D.Normal(t.zeros(3), 1.))",
    "D.RelaxedBernoulli(t.tensor(0.5), t.tensor([0.2])).expand((3,)).log_prob(t.tensor([0.1, 0.5, 0.9]))",
    "D.RelaxedOneHotCategorical(0.5, t.ones(3)).rsample((2,)).shape",
]


def test_calls() -> None:
    ending = "tuple(x) if isinstance(x, tuple) else x if hasattr(x, 'dtype') else None"
    check_all([f"D = t.distributions; x = {code}; {ending}" for code in CALLS], {})


PARTS = "[y, f.inv(y), f.log_abs_det_jacobian(x, y), f.inv.log_abs_det_jacobian(y, x)]"
VALUES = "[m.log_prob(x), m.mean, m.variance, tuple(m.sample((4,)).shape), tuple(m.batch_shape)]"
STEPS = [
    *(f"f = D.{code}; x = t.linspace(-1., 1., 6).reshape(2, 3); y = f(x); {PARTS}" for code in TRANSFORMS),
    f"m = {MIXTURE}; x = t.tensor([0.1, 0.2]); {VALUES}",
    f"m = {MIXTURE}; m.cdf(t.tensor([0.1, 0.2]))",
    f"n = D.Independent(D.Normal(t.zeros(3, 2), 1.), 1); m = D.MixtureSameFamily(D.Categorical(t.ones(3)), n); "
    f"x = t.ones(4, 2); {VALUES}",
    "f = D.TanhTransform(cache_size=1); x = t.tensor([20.]); f.inv(f(x))",
]


def test_steps() -> None:
    check_all([f"D = t.distributions; {code}" for code in STEPS], {})
