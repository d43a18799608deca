"""Losses and distances against live PyTorch: values and gradients of every reduction, as functions and modules."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import lenetc  # noqa: E402
import lenetc.nn as nn  # noqa: E402
import lenetc.nn.functional as F  # noqa: E402
from tests.parity.both import check, copy_state  # noqa: E402

tnn, tF = torch.nn, torch.nn.functional
rng = np.random.default_rng(3)


def normal(*shape: int) -> Any:
    return rng.standard_normal(shape)


def signs(*shape: int) -> Any:
    return np.where(rng.random(shape) < 0.5, 1.0, -1.0)


WEIGHT = rng.random((3, 4)) + 0.5
LABELS = np.array([[0, -1, 1, 2], [3, 2, -1, 0], [-1, 0, 0, 0]])
# The function, its operands, and its options.
CALLS: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = [
    ("mse_loss", (normal(3, 4), normal(3, 4), WEIGHT), {}),
    ("l1_loss", (normal(3, 4), normal(3, 4), WEIGHT), {}),
    ("huber_loss", (normal(3, 4), normal(3, 4), WEIGHT), {"delta": 0.6}),
    ("smooth_l1_loss", (normal(3, 4), normal(3, 4)), {"beta": 0.3}),
    ("poisson_nll_loss", (normal(3, 4), rng.random((3, 4)) * 3), {"full": True}),
    ("poisson_nll_loss", (rng.random((3, 4)), rng.random((3, 4)) * 3), {"log_input": False, "eps": 1e-3}),
    ("gaussian_nll_loss", (normal(3, 4), normal(3, 4), rng.random((3, 1))), {"full": True}),
    ("gaussian_nll_loss", (normal(3, 4), normal(3, 4), np.array([1.0, 0.0, 2.0])), {"eps": 1e-2}),
    ("kl_div", (normal(3, 4), rng.random((3, 4))), {}),
    ("kl_div", (normal(3, 4), normal(3, 4)), {"log_target": True}),
    ("binary_cross_entropy", (rng.random((3, 4)), rng.random((3, 4))), {}),
    ("margin_ranking_loss", (normal(5), normal(5), signs(5)), {"margin": 0.3}),
    ("hinge_embedding_loss", (normal(3, 4), signs(3, 4)), {"margin": 0.7}),
    ("soft_margin_loss", (normal(3, 4), signs(3, 4).astype(int)), {}),
    ("multilabel_soft_margin_loss", (normal(3, 4), rng.random((3, 4)), rng.random(4)), {}),
    ("cosine_embedding_loss", (normal(3, 4), normal(3, 4), np.array([1.0, -1.0, 0.0])), {"margin": 0.1}),
    ("cosine_embedding_loss", (normal(4), normal(4), np.array(-1)), {}),
    ("multi_margin_loss", (normal(3, 4), np.array([0, 3, 1])), {"margin": 0.8}),
    ("multi_margin_loss", (normal(4), np.array(2)), {"p": 2}),
    ("multilabel_margin_loss", (normal(3, 4), LABELS), {}),
    ("multilabel_margin_loss", (normal(4), LABELS[0]), {}),
    ("triplet_margin_loss", (normal(3, 4), normal(3, 4), normal(3, 4)), {"swap": True, "margin": 2.0}),
    ("triplet_margin_loss", (normal(3, 4), normal(3, 4), normal(3, 4)), {"p": 1}),
    ("triplet_margin_with_distance_loss", (normal(3, 4), normal(3, 4), normal(3, 4)), {"swap": True}),
]
WEIGHTED = ("mse_loss", "l1_loss", "huber_loss", "multilabel_soft_margin_loss")


@pytest.mark.filterwarnings("ignore:reduction")
@pytest.mark.parametrize(("name", "operands", "options"), CALLS)
def test_loss(name: str, operands: tuple[Any, ...], options: dict[str, Any]) -> None:
    reductions = ("mean", "sum", "none", *(("batchmean",) if name == "kl_div" else ()))

    def call(function: Any, *tensors: Any) -> Any:
        last = {"weight": tensors[2].detach()} if name in WEIGHTED else {}
        given = tensors[:2] if name in WEIGHTED else tensors
        losses = [function(*given, **last, **options, reduction=r) for r in reductions]
        return sum((loss * (i + 1)).sum() for i, loss in enumerate(losses))

    check(
        lambda *x: call(getattr(F, name), *x),
        lambda *x: call(getattr(tF, name), *x),
        *operands,
        chains=False,
        rtol=1e-10,
    )


# The module of both, and its operands.
MODULES: list[tuple[str, dict[str, Any], tuple[Any, ...]]] = [
    ("PoissonNLLLoss", {"log_input": False, "eps": 1e-3, "full": True}, (rng.random((3, 4)), WEIGHT)),
    ("GaussianNLLLoss", {"full": True}, (normal(3, 4), normal(3, 4), WEIGHT)),
    ("KLDivLoss", {"reduction": "batchmean", "log_target": True}, (normal(3, 4), normal(3, 4))),
    ("HingeEmbeddingLoss", {"margin": 0.4}, (normal(3, 4), signs(3, 4))),
    ("MarginRankingLoss", {"margin": 0.4}, (normal(4), normal(4), signs(4))),
    ("CosineEmbeddingLoss", {"margin": 0.4}, (normal(3, 4), normal(3, 4), signs(3))),
    ("MultiLabelMarginLoss", {"reduction": "sum"}, (normal(3, 4), LABELS)),
    ("MultiMarginLoss", {"p": 2, "margin": 0.4}, (normal(3, 4), np.array([0, 3, 1]))),
    ("SoftMarginLoss", {"reduction": "none"}, (normal(3, 4), signs(3, 4).astype(int))),
    ("MultiLabelSoftMarginLoss", {}, (normal(3, 4), WEIGHT)),
    ("TripletMarginLoss", {"p": 1, "swap": True}, (normal(3, 4), normal(3, 4), normal(3, 4))),
    ("TripletMarginWithDistanceLoss", {"margin": 2.0}, (normal(3, 4), normal(3, 4), normal(3, 4))),
    ("PairwiseDistance", {"keepdim": True}, (normal(3, 4), normal(3, 4))),
    ("CosineSimilarity", {"dim": 0}, (normal(3, 4), normal(3, 1))),
]


@pytest.mark.parametrize(("name", "options", "operands"), MODULES)
def test_module(name: str, options: dict[str, Any], operands: tuple[Any, ...]) -> None:
    mine, reference = getattr(nn, name)(**options), getattr(tnn, name)(**options)
    assert repr(mine) == repr(reference)
    check(mine, reference, *operands, chains=False, rtol=1e-10)


def test_legacy_arguments() -> None:
    x, y = lenetc.tensor([1.0, 3.0]), lenetc.tensor([0.0, 0.0])
    with pytest.warns(UserWarning, match="reduction='sum'"):
        assert F.mse_loss(x, y, False).item() == 10
    with pytest.warns(UserWarning, match="reduction='none'"):
        assert nn.L1Loss(reduce=False)(x, y).tolist() == [1, 3]


def test_distances() -> None:
    zeros = np.array([[0.0, 0, 0], [1, 2, 3], [1e-9, 0, 0]])
    other = np.array([[1.0, 2, 3], [0, 0, 0], [1, 1, 1]])
    check(F.cosine_similarity, tF.cosine_similarity, zeros, other, chains=False, rtol=1e-10)
    for p in (1.0, 2.0, float("inf")):
        check(
            lambda x, p=p: F.pdist(x, p), lambda x, p=p: tF.pdist(x, p), normal(4, 3), chains=False, rtol=1e-9
        )
    with pytest.raises(RuntimeError, match="pdist only supports 2D tensors"):
        F.pdist(lenetc.ones(3))


# What both refuse.
REFUSED: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = [
    ("mse_loss", (normal(3, 4), normal(3, 4)), {"reduction": "average"}),
    ("mse_loss", (normal(3, 4), normal(3, 4)), {"weight": lenetc.ones(4)}),
    ("multi_margin_loss", (normal(3, 4), np.array([1, 2, 8])), {}),
    ("multi_margin_loss", (normal(3, 4), np.array([1, 2, 3])), {"p": 3}),
    ("multi_margin_loss", (normal(3, 4), np.array([1, 2])), {}),
    ("multilabel_margin_loss", (normal(3, 4), LABELS[:2]), {}),
    ("cosine_embedding_loss", (normal(3, 4), normal(3, 4), normal(3, 4)), {}),
    ("margin_ranking_loss", (normal(3), normal(3), normal(3, 1)), {}),
    ("triplet_margin_loss", (normal(3), normal(3), normal(3)), {"margin": 0}),
    ("triplet_margin_loss", (normal(3, 1), normal(3), normal(3)), {}),
    ("gaussian_nll_loss", (normal(3), normal(3), -np.ones(3)), {}),
    ("gaussian_nll_loss", (normal(3), normal(3), np.ones(2)), {}),
]


@pytest.mark.parametrize(("name", "operands", "options"), REFUSED)
def test_refusals(name: str, operands: tuple[Any, ...], options: dict[str, Any]) -> None:
    theirs = {k: torch.ones(4) if isinstance(v, lenetc.Tensor) else v for k, v in options.items()}
    with pytest.raises((RuntimeError, ValueError, IndexError)):
        getattr(tF, name)(*map(torch.as_tensor, operands), **theirs)
    with pytest.raises((RuntimeError, ValueError, IndexError)):
        getattr(F, name)(*map(lenetc.tensor, operands), **options)


LOGS = np.log(rng.dirichlet(np.ones(5), (6, 3)))
MARKS = rng.integers(1, 5, (3, 3))
FLAT_MARKS = np.concatenate([MARKS[0], MARKS[1, :2], MARKS[2, :1]])


@pytest.mark.parametrize(
    ("marks", "inputs", "counts", "options"),
    [
        (MARKS, np.array([6, 5, 4]), np.array([3, 2, 1]), {}),
        (MARKS, (6, 5, 4), (3, 0, 1), {"reduction": "sum"}),
        (MARKS % 4, np.array([2, 5, 4]), np.array([3, 2, 1]), {"zero_infinity": True, "blank": 4}),
        (FLAT_MARKS, (6, 5, 4), (3, 2, 1), {"reduction": "none"}),
    ],
)
def test_ctc(marks: Any, inputs: Any, counts: Any, options: dict[str, Any]) -> None:
    def lengths(make: Any, given: Any) -> Any:
        return make(given) if isinstance(given, np.ndarray) else given

    def call(function: Any, make: Any, x: Any) -> Any:
        return function(x, make(marks), lengths(make, inputs), lengths(make, counts), **options)

    check(
        lambda x: call(F.ctc_loss, lenetc.from_numpy, x),
        lambda x: call(tF.ctc_loss, torch.from_numpy, x),
        LOGS,
        chains=False,
        rtol=1e-8,
    )


def test_ctc_without_a_batch_compiled_and_infinite() -> None:
    loss, reference = nn.CTCLoss(), tnn.CTCLoss()
    marks, x = MARKS[0], LOGS[:, 0].astype(np.float32)
    compiled = lenetc.compile(lambda x: loss(x, lenetc.tensor(marks), (6,), (3,)))
    expected = reference(torch.tensor(x), torch.tensor(marks), (6,), (3,)).item()
    assert compiled(lenetc.tensor(x)).item() == pytest.approx(expected, rel=1e-5)
    assert loss(lenetc.tensor(x), lenetc.tensor(marks), (1,), (3,)).item() == float("inf")
    with pytest.raises(IndexError, match="label 5 is out of bounds"):
        loss(lenetc.tensor(x), lenetc.tensor(marks * 0 + 5), (6,), (3,))


@pytest.mark.parametrize("options", [{}, {"div_value": 2.0, "head_bias": True}])
def test_adaptive_log_softmax(options: dict[str, Any]) -> None:
    mine = nn.AdaptiveLogSoftmaxWithLoss(16, 20, [5, 9], **options)
    reference = tnn.AdaptiveLogSoftmaxWithLoss(16, 20, [5, 9], **options)
    assert repr(mine) == repr(reference)
    copy_state(mine, reference)
    targets = np.array([0, 4, 5, 8, 9, 19])
    x = normal(6, 16).astype(np.float32)
    check(
        lambda x: mine(x, lenetc.tensor(targets)).loss + mine.log_prob(x).sum(),
        lambda x: reference(x, torch.tensor(targets)).loss + reference.log_prob(x).sum(),
        x,
        parameters=(list(mine.parameters()), list(reference.parameters())),
        chains=False,
        rtol=1e-4,
        atol=1e-5,
    )
    assert mine.predict(lenetc.tensor(x)).tolist() == reference.predict(torch.tensor(x)).tolist()
    with pytest.raises(IndexError):
        mine(lenetc.tensor(x), lenetc.tensor(targets + 1))


@pytest.mark.parametrize("classes", [64, 65])
@pytest.mark.parametrize("reduction", ["none", "sum", "mean"])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_labels_of_few_classes_and_of_many(classes: int, reduction: str, smoothing: float) -> None:
    """Compared with all classes, or looked up: with weights, and labels that are left out."""
    draw = np.random.default_rng(classes)
    scores, weight = draw.standard_normal((4, classes, 3)), draw.random(classes)
    labels = draw.integers(0, classes, (4, 3))
    labels[0] = 7
    found = []
    for fw in (torch, lenetc):
        x = fw.from_numpy(scores).requires_grad_()
        for ignored, factors in ((-100, None), (7, fw.from_numpy(weight))):
            loss = fw.nn.functional.cross_entropy(
                x,
                fw.from_numpy(labels),
                factors,
                ignore_index=ignored,
                reduction=reduction,
                label_smoothing=smoothing,
            )
            (g,) = fw.autograd.grad((loss * loss).sum(), [x])
            found.append((loss.detach().numpy(), g.numpy()))
    for theirs, mine in zip(found[:2], found[2:], strict=True):
        for wanted, got in zip(theirs, mine, strict=True):
            np.testing.assert_allclose(got, wanted, rtol=1e-9, atol=1e-12)
