"""Losses of regression and classification against live PyTorch: options, reductions, grad_fn chains."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import lenetc  # noqa: E402
import lenetc.nn as nn  # noqa: E402
import lenetc.nn.functional as F  # noqa: E402
from tests.parity.both import check, check_modules  # noqa: E402
from tests.parity.modules.drawn import labels, normal, whole  # noqa: E402

tnn, tF = torch.nn, torch.nn.functional


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize(
    ("name", "how"),
    [
        ("MSELoss", {}),
        ("L1Loss", {}),
        ("SmoothL1Loss", {}),
        ("SmoothL1Loss", {"beta": 0.5}),
        ("SmoothL1Loss", {"beta": 0.0}),
        ("HuberLoss", {"delta": 2.0}),
    ],
)
def test_regression_losses(name: str, how: dict[str, Any], reduction: str) -> None:
    module = getattr(nn, name)(reduction=reduction, **how)
    reference = getattr(tnn, name)(reduction=reduction, **how)
    check_modules(
        module, reference, whole(4, 3), whole(4, 3, seed=1)
    )  # differences of 0, beta and delta among them
    check_modules(module, reference, normal(4, 3), normal(4, 3, seed=1))


@pytest.mark.parametrize("name", ["mse_loss", "l1_loss", "huber_loss"])
def test_losses_of_different_sizes_warn_and_broadcast(name: str) -> None:
    sizes = [rf"\(\w+.Size\(\[{size}\]\)\)" for size in ("4", "3, 1")]
    message = f"Using a target size {sizes[0]} that is different to the input size {sizes[1]}"
    with pytest.warns(UserWarning, match=message):
        check(getattr(F, name), getattr(tF, name), normal(3, 1), normal(4, seed=1))


CLASSIFIERS: list[tuple[tuple[int, ...], tuple[int, ...]]] = [
    ((4, 5), (4,)),
    ((5,), ()),
    ((3, 5, 2), (3, 2)),
    ((2, 5, 2, 3), (2, 2, 3)),
    ((2, 5, 2, 1, 2), (2, 2, 1, 2)),
]


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize(("scores", "places"), CLASSIFIERS)
def test_cross_entropy(scores: tuple[int, ...], places: tuple[int, ...], reduction: str) -> None:
    module, reference = nn.CrossEntropyLoss(reduction=reduction), tnn.CrossEntropyLoss(reduction=reduction)
    check_modules(module, reference, normal(*scores) * 5, labels(*places), chains=len(scores) in (1, 2, 4))


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize(
    "how", [{}, {"label_smoothing": 0.1}, {"ignore_index": 2}, {"label_smoothing": 0.3, "ignore_index": 2}]
)
@pytest.mark.parametrize("weighted", [False, True])
def test_cross_entropy_options(how: dict[str, Any], weighted: bool, reduction: str) -> None:
    weight = np.array([0.5, 1, 2, 3, 0], np.float32)
    kwargs = {**how, "reduction": reduction}
    module = nn.CrossEntropyLoss(lenetc.from_numpy(weight) if weighted else None, **kwargs)
    reference = tnn.CrossEntropyLoss(torch.tensor(weight) if weighted else None, **kwargs)
    target = np.array([0, 2, 4, 2, 1, how.get("ignore_index", -100)])
    check_modules(module, reference, normal(6, 5), target, chains=False)


def test_cross_entropy_where_a_score_is_minus_infinity() -> None:
    scores = normal(3, 5)
    scores[:, 4] = -np.inf
    check(F.cross_entropy, tF.cross_entropy, scores, np.array([0, 1, 2]))


def test_cross_entropy_of_ignored_labels_only_is_nan() -> None:
    assert np.isnan(F.cross_entropy(lenetc.from_numpy(normal(2, 3)), lenetc.tensor([-100, -100])).item())


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("shape", [(4, 5), (5,), (2, 5, 3)])
@pytest.mark.parametrize("how", [{}, {"label_smoothing": 0.2}])
def test_cross_entropy_of_probabilities(shape: tuple[int, ...], how: dict[str, Any], reduction: str) -> None:
    weight = np.array([0.5, 1, 2, 3, 0], np.float32)
    target = np.abs(normal(*shape, seed=3))
    for given in (None, weight):
        module = nn.CrossEntropyLoss(
            None if given is None else lenetc.from_numpy(given), reduction=reduction, **how
        )
        reference = tnn.CrossEntropyLoss(
            None if given is None else torch.tensor(given), reduction=reduction, **how
        )
        check_modules(module, reference, normal(*shape), target, chains=False)


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_nll_loss(reduction: str) -> None:
    weight = np.array([0.5, 1, 2, 3, 4], np.float32)
    module = nn.NLLLoss(lenetc.from_numpy(weight), ignore_index=1, reduction=reduction)
    reference = tnn.NLLLoss(torch.tensor(weight), ignore_index=1, reduction=reduction)
    check_modules(module, reference, normal(6, 5), np.array([0, 1, 2, 3, 4, 1]))
    check_modules(
        nn.NLLLoss(reduction=reduction), tnn.NLLLoss(reduction=reduction), normal(2, 5, 3, 2), labels(2, 3, 2)
    )


def test_grad_fn_of_the_usual_losses() -> None:
    check(F.cross_entropy, tF.cross_entropy, normal(4, 5), labels(4), chains=True)
    check(F.cross_entropy, tF.cross_entropy, normal(4, 5, 2), labels(4, 2), chains=True)


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("weighted", [False, True])
def test_bce_loss(weighted: bool, reduction: str) -> None:
    weight = np.array([1, 2, 0.5, 3], np.float32)
    module = nn.BCELoss(lenetc.from_numpy(weight) if weighted else None, reduction=reduction)
    reference = tnn.BCELoss(torch.tensor(weight) if weighted else None, reduction=reduction)
    rng = np.random.default_rng(0)
    x, y = (rng.uniform(0.01, 0.99, (3, 4)).astype(np.float32) for _ in range(2))
    check_modules(module, reference, x, y, rtol=2e-5)
    # At the ends only the input's gradient: the target's is infinite in PyTorch, though it cuts the loss off.
    ends = np.array([[0, 1, 0, 1], [1, 0, 0.5, 1e-9]], np.float32)
    targets = np.array([[0, 1, 1, 0], [0.5, 0.5, 1, 1]], np.float32)
    check(lambda a, b: module(a, b.detach()), lambda a, b: reference(a, b.detach()), ends, targets, rtol=2e-5)


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("names", [(), ("weight",), ("pos_weight",), ("weight", "pos_weight")])
def test_bce_with_logits_loss(names: tuple[str, ...], reduction: str) -> None:
    factors = {
        "weight": np.array([1, 2, 0.5, 3], np.float32),
        "pos_weight": np.array([3, 1, 2, 0.5], np.float32),
    }
    module = nn.BCEWithLogitsLoss(**{n: lenetc.from_numpy(factors[n]) for n in names}, reduction=reduction)
    reference = tnn.BCEWithLogitsLoss(**{n: torch.tensor(factors[n]) for n in names}, reduction=reduction)
    x = np.concatenate([normal(4, 4), [[0, 20, -20, 90]]]).astype(np.float32)
    y = np.concatenate([np.random.default_rng(1).uniform(0, 1, (4, 4)), [[0, 1, 0, 1]]]).astype(np.float32)
    check_modules(module, reference, x, y)
