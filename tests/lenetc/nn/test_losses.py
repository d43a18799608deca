"""Losses by their definitions in NumPy, label checks, and compiled losses."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import lenetc
import lenetc.nn as nn
import lenetc.nn.functional as F
import lenetc.optim
from ir.errors import DTypeError, LenetcError, ShapeError
from lenetc.evaluation.tracing import Trace, tracing

SCORES = np.array([[1.0, 2.0, 0.5], [0.0, -1.0, 3.0], [2.0, 2.0, 2.0]], np.float32)
LABELS = np.array([1, 2, 0])


def log_softmax(x: Any) -> Any:
    return x - np.log(np.exp(x).sum(1, keepdims=True))


def value(loss: Any) -> Any:
    return loss.detach().numpy()


def test_regression_losses_by_definition() -> None:
    a, b = lenetc.tensor([0.0, 1.0, -3.0]), lenetc.tensor([0.5, 1.0, 1.0])
    assert value(F.mse_loss(a, b)) == pytest.approx((0.25 + 0 + 16) / 3)
    assert value(F.mse_loss(a, b, reduction="sum")) == pytest.approx(16.25)
    assert value(F.l1_loss(a, b, reduction="none")).tolist() == [0.5, 0, 4]
    assert value(F.huber_loss(a, b, delta=2, reduction="none")).tolist() == [0.125, 0, 6]
    assert value(F.smooth_l1_loss(a, b, beta=2, reduction="none")).tolist() == [0.0625, 0, 3]
    assert value(F.smooth_l1_loss(a, b, beta=0, reduction="none")).tolist() == [0.5, 0, 4]


def test_cross_entropy_by_definition() -> None:
    each = -log_softmax(SCORES)[range(3), LABELS]
    x, y = lenetc.from_numpy(SCORES), lenetc.from_numpy(LABELS)
    np.testing.assert_allclose(value(F.cross_entropy(x, y, reduction="none")), each, rtol=1e-6)
    assert value(F.cross_entropy(x, y)) == pytest.approx(each.mean(), rel=1e-6)
    weight = np.array([1.0, 2.0, 4.0], np.float32)
    weighted = value(nn.CrossEntropyLoss(lenetc.from_numpy(weight))(x, y))
    assert weighted == pytest.approx((each * weight[LABELS]).sum() / weight[LABELS].sum(), rel=1e-6)
    assert value(F.nll_loss(F.log_softmax(x, 1), y)) == pytest.approx(each.mean(), rel=1e-6)


def test_the_gradient_of_cross_entropy_is_softmax_minus_one_hot() -> None:
    x = lenetc.from_numpy(SCORES).requires_grad_()
    F.cross_entropy(x, lenetc.from_numpy(LABELS)).backward()
    assert x.grad is not None
    expected = (np.exp(log_softmax(SCORES)) - np.eye(3)[LABELS]) / 3
    np.testing.assert_allclose(x.grad.numpy(), expected, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("ignore", [-100, 1, -7, 5])
def test_ignored_labels_count_nowhere(ignore: int) -> None:
    labels = np.array([ignore, 2, ignore])
    x = lenetc.from_numpy(SCORES).requires_grad_()
    loss = F.cross_entropy(x, lenetc.from_numpy(labels), ignore_index=ignore)
    assert value(loss) == pytest.approx(-log_softmax(SCORES)[1, 2], rel=1e-6)
    loss.backward()
    assert x.grad is not None
    assert x.grad.numpy()[[0, 2]].tolist() == [[0, 0, 0], [0, 0, 0]]
    assert np.abs(x.grad.numpy()[1]).min() > 0


def test_smoothing_spreads_probability_over_the_classes() -> None:
    target = 0.7 * np.eye(3)[LABELS] + 0.1
    expected = -(log_softmax(SCORES) * target).sum(1).mean()
    x = lenetc.from_numpy(SCORES)
    assert value(F.cross_entropy(x, lenetc.from_numpy(LABELS), label_smoothing=0.3)) == pytest.approx(
        expected, rel=1e-6
    )
    probabilities = lenetc.from_numpy(target.astype(np.float32))
    assert value(F.cross_entropy(x, probabilities)) == pytest.approx(expected, rel=1e-6)


def test_binary_cross_entropy_by_definition() -> None:
    x, y = np.array([0.2, 0.9, 0.5], np.float32), np.array([0.0, 1.0, 0.5], np.float32)
    expected = -(y * np.log(x) + (1 - y) * np.log(1 - x))
    np.testing.assert_allclose(
        value(F.binary_cross_entropy(lenetc.from_numpy(x), lenetc.from_numpy(y), reduction="none")),
        expected,
        rtol=1e-6,
    )
    logits = np.log(x / (1 - x))
    found = F.binary_cross_entropy_with_logits(lenetc.from_numpy(logits), lenetc.from_numpy(y))
    assert value(found) == pytest.approx(expected.mean(), rel=1e-5)
    pos = F.binary_cross_entropy_with_logits(
        lenetc.from_numpy(logits), lenetc.from_numpy(y), pos_weight=lenetc.tensor([3.0])
    )
    assert value(pos) == pytest.approx(-(3 * y * np.log(x) + (1 - y) * np.log(1 - x)).mean(), rel=1e-5)


def test_binary_cross_entropy_is_cut_off_where_it_is_infinite() -> None:
    x = lenetc.tensor([0.0, 1.0]).requires_grad_()
    loss = F.binary_cross_entropy(x, lenetc.tensor([1.0, 0.0]), reduction="none")
    assert loss.tolist() == [100.0, 100.0]
    loss.sum().backward()
    assert x.grad is not None
    np.testing.assert_allclose(x.grad.numpy(), [-1e12, 1e12], rtol=1e-6)


def test_confident_logits_keep_their_small_losses() -> None:
    found = F.binary_cross_entropy_with_logits(lenetc.tensor([20.0]), lenetc.tensor([1.0]))
    assert value(found) == pytest.approx(math.log1p(math.exp(-20)), rel=1e-5)


# Labels.


@pytest.mark.parametrize(("label", "place"), [(3, 1), (-1, 2), (-100, 0)])
def test_labels_out_of_range_are_named_with_what_is_allowed(label: int, place: int) -> None:
    labels = LABELS.copy()
    labels[place] = label
    with pytest.raises(
        IndexError, match=rf"label {label} .*0\.\.2 .*ignore_index -7; first met at position \[{place}\]"
    ):
        F.cross_entropy(lenetc.from_numpy(SCORES), lenetc.from_numpy(labels), ignore_index=-7)


def test_labels_that_are_computed_are_checked_too() -> None:
    labels = lenetc.from_numpy(LABELS) + 1
    with pytest.raises(F.LabelError, match="label 3"):
        F.cross_entropy(lenetc.from_numpy(SCORES), labels)
    assert value(F.cross_entropy(lenetc.from_numpy(SCORES), labels - 1)) > 0


def test_checking_labels_computes_nothing_else() -> None:
    from lenetc.evaluation.cell import pending

    x = lenetc.from_numpy(SCORES) * 2
    F.cross_entropy(x, lenetc.from_numpy(LABELS).reshape(3))
    assert x._cell.number in pending


def test_compiled_labels_are_checked_before_the_run() -> None:
    net = nn.Linear(2, 3)
    optimizer = lenetc.optim.SGD(net.parameters(), lr=0.1)

    @lenetc.compile
    def step(x: Any, y: Any) -> Any:
        optimizer.zero_grad()
        loss = F.cross_entropy(net(x), y)
        loss.backward()
        optimizer.step()
        return loss

    x = lenetc.ones(2, 2)
    step(x, lenetc.tensor([0, 2]))
    before = net.weight.detach().numpy()
    with pytest.raises(LenetcError, match=r"label.*0\.\.2 \(3 classes in f32\[2,3\]\).*-100"):
        step(x, lenetc.tensor([0, 3]))
    np.testing.assert_array_equal(net.weight.detach().numpy(), before)
    ignored = step(x, lenetc.tensor([0, -100]))
    assert np.isfinite(value(ignored))


def test_the_mean_of_a_compiled_loss_leaves_ignored_labels_out() -> None:
    step = lenetc.compile(lambda x, y: F.cross_entropy(x, y))
    for labels in ([0, 1, 2], [0, -100, 2], [-100, -100, 1]):
        y = lenetc.tensor(labels)
        assert value(step(lenetc.from_numpy(SCORES), y)) == pytest.approx(
            value(F.cross_entropy(lenetc.from_numpy(SCORES), y)), rel=1e-6
        )


def test_a_trace_notes_the_range_of_its_labels_through_views() -> None:
    trace = Trace()
    with tracing(trace):
        from ir.op import leaf
        from ir.types import Type, f32, i64

        labels = leaf("labels", Type(i64, (2, 3)))
        scores = lenetc.Tensor._from_node(leaf("scores", Type(f32, (6, 4))))
        F.cross_entropy(scores, lenetc.Tensor._from_node(labels).reshape(-1), ignore_index=9)
    ((node, wanted),) = trace.ranges
    assert (node, wanted.low, wanted.high, wanted.ignore) == (labels, 0, 4, 9)
    assert "test_losses.py" in wanted.where


# Errors.


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (
            lambda: F.cross_entropy(lenetc.ones(3, 4), lenetc.zeros(2, dtype=lenetc.int64)),
            ShapeError,
            r"f32\[3,4\].*i64\[2\]",
        ),
        (
            lambda: F.cross_entropy(lenetc.ones(3, 4), lenetc.zeros(3, dtype=lenetc.int32)),
            DTypeError,
            r"i64 or u8.*i32\[3\]",
        ),
        (lambda: F.cross_entropy(lenetc.ones(3, 4), lenetc.zeros(3)), DTypeError, r"f32\[3,4\].*f32\[3\]"),
        (
            lambda: F.cross_entropy(lenetc.ones(3, 4), lenetc.zeros(3, 4, dtype=lenetc.int64)),
            DTypeError,
            "probabilities",
        ),
        (
            lambda: F.nll_loss(lenetc.ones(()), lenetc.zeros((), dtype=lenetc.int64)),
            ShapeError,
            "dimension of classes",
        ),
        (lambda: nn.MSELoss(reduction="avg"), ValueError, "'avg' is not a valid value for reduction"),
        (lambda: F.mse_loss(lenetc.ones(3), lenetc.ones(4)), ShapeError, r"\[3\] and \[4\]"),
        (lambda: F.mse_loss(lenetc.tensor([1]), lenetc.tensor([1])), DTypeError, r"i64\[1\]"),
        (
            lambda: F.binary_cross_entropy(lenetc.ones(3), lenetc.ones(4)),
            ShapeError,
            r"Size\(\[4\]\).*Size\(\[3\]\)",
        ),
        (
            lambda: F.huber_loss(lenetc.ones(3), lenetc.ones(3), delta=0),
            LenetcError,
            "non-positive values for delta",
        ),
    ],
)
def test_errors_say_what_is_wrong(call: Any, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        call()


def test_sizes_that_broadcast_warn_at_the_users_line() -> None:
    with pytest.warns(
        UserWarning, match=r"target size \(lenetc.Size\(\[4\]\)\).*input size \(lenetc.Size\(\[3, 1\]\)\)"
    ) as warned:
        loss = nn.MSELoss(reduction="none")(lenetc.ones(3, 1), lenetc.zeros(4))
    assert warned[0].filename == __file__ and loss.shape == (3, 4)


def test_mixed_dtypes_are_promoted() -> None:
    assert F.mse_loss(lenetc.ones(3), lenetc.ones(3).double()).dtype is lenetc.float64
    assert value(F.l1_loss(lenetc.ones(3), lenetc.tensor([1, 2, 3]))) == 1.0
