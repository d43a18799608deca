"""Batches that do not fit the network: the error names the module, the user's line, both types and what to do."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import lenetc
from ir.errors import DTypeError, LenetcError, ShapeError
from lenetc import nn
from lenetc.evaluation.ranges import LabelError
from lenetc.nn import functional as F
from tests.lenetc.errors.small import IMAGES, LABELS, NET, Net, Training, line_with


@pytest.mark.parametrize(
    ("images", "error", "says", "place"),
    [
        (
            IMAGES.astype(np.float64),
            DTypeError,
            r"f64\[4,1,12,12\].*f32\[2,1,3,3\].*astype\(np.float32\).*\.double\(\)",
            "conv1",
        ),
        (
            (IMAGES * 9).astype(np.int64),
            DTypeError,
            r"i64\[4,1,12,12\].*f32\[2,1,3,3\].*\.to\(lenetc.float32\)",
            "conv1",
        ),
        (
            (IMAGES * 9).astype(np.uint8),
            DTypeError,
            r"u8\[4,1,12,12\].*f32\[2,1,3,3\].*astype\(np.float32\)",
            "conv1",
        ),
        (
            np.zeros((4, 3, 12, 12), np.float32),
            ShapeError,
            r"f32\[2,1,3,3\].*1 " r"channels.*f32\[4,3,12,12\]",
            "conv1",
        ),
        (
            np.zeros((12, 12), np.float32),
            ShapeError,
            r"3D.*\[C,H,W\].*4D.*\[N,C,H,W\].*f32\[12,12\]",
            "conv1",
        ),
        (np.zeros((4, 1, 2, 2), np.float32), ShapeError, r"3x3.*does not fit.*f32\[4,1,2,2\]", "conv1"),
        (np.zeros((4, 1, 4, 4), np.float32), ShapeError, r"3x3.*does not fit.*f32\[4,2,2,2\]", "features.1"),
        (
            np.zeros((4, 1, 16, 16), np.float32),
            ShapeError,
            r"f32\[4,108\] has 108.*f32\[3,48\] takes " r"48.*Linear\(108, 3\)",
            "fc",
        ),
    ],
    ids=["f64", "i64", "u8", "channels", "rank", "small", "nested", "spatial"],
)
def test_wrong_images(training: Training, images: Any, error: type[Exception], says: str, place: str) -> None:
    with pytest.raises(error, match=says) as raised:
        training.step(images, LABELS)
    module = place.partition(".")[0]
    assert str(raised.value).endswith(f"\n  at {place}, {line_with(f'{module} line', NET)}")


@pytest.mark.parametrize(
    ("labels", "error", "says"),
    [
        (LABELS.astype(np.float32), DTypeError, r"i64.*f32\[4,3\].*f32\[4\].*\.long\(\)"),
        (LABELS.astype(np.int32), DTypeError, r"i64.*f32\[4,3\].*i32\[4\].*\.long\(\)"),
        (LABELS[:2], ShapeError, r"f32\[4,3\] takes labels of shape \[4\].*i64\[2\]"),
        (np.eye(3, dtype=np.int64)[LABELS], DTypeError, r"floating point.*i64\[4,3\].*f32\[4,3\]"),
        (
            np.array([0, 1, 3, 1]),
            LabelError,
            r"label 3 is out of bounds.*0\.\.2 \(3 classes in "
            r"f32\[4,3\]\).*ignore_index "
            r"-100; .*\[2\]",
        ),
        (
            np.array([0, -1, 0, 1]),
            LabelError,
            r"label -1 is out of bounds.*first met at .*\[1\]\. " r"Nothing was run",
        ),
    ],
    ids=["float", "i32", "count", "one-hot", "too large", "negative"],
)
def test_wrong_labels(training: Training, labels: Any, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says) as raised:
        training.step(IMAGES, labels)
    assert str(raised.value).endswith(f"\n  at {line_with('loss line', NET)}")


def test_the_ignored_label_is_no_label_out_of_range(training: Training) -> None:
    before = training.before
    assert np.isfinite(training.step(IMAGES, np.array([0, -100, 2, 1])).item())
    training.before = training.state()
    assert training.before != before


def test_wrong_labels_in_a_scan_name_the_step() -> None:
    training = Training(compiled=True)
    labels = np.stack([LABELS, [0, 1, 7, 1]])
    with pytest.raises(LabelError, match=r"label 7 .*first met at labels\[1, 2\]"):
        training.step.scan(np.stack([IMAGES, IMAGES]), labels)  # type: ignore[attr-defined]
    training.assert_unchanged()


def test_wrong_labels_that_the_function_holds() -> None:
    labels = lenetc.tensor([0, 1, 2, 1])
    scores = np.zeros((4, 3), np.float32)
    loss = lenetc.compile(lambda x: F.cross_entropy(x, labels))
    assert loss(scores).item() == pytest.approx(np.log(3))
    labels.copy_(np.array([0, 1, 2, 3]))
    with pytest.raises(LabelError, match=r"label 3 .*first met at labels\[3\]"):
        loss(scores)
    labels.copy_(np.array([0, 0, 0, 0]))
    assert loss(scores).item() == pytest.approx(np.log(3))


def test_two_losses_check_the_labels_both() -> None:
    @lenetc.compile
    def losses(few: Any, many: Any, labels: Any) -> Any:
        return F.cross_entropy(few, labels), F.cross_entropy(many, labels)

    few, many = np.zeros((2, 3), np.float32), np.zeros((2, 9), np.float32)
    with pytest.raises(LabelError, match=r"0\.\.2 \(3 classes"):
        losses(few, many, np.array([0, 4]))
    with pytest.raises(LabelError, match=r"0\.\.8 \(9 classes"):
        losses(many, many, np.array([0, 9]))


def test_an_array_where_a_tensor_is_needed() -> None:
    net = Net()
    with pytest.raises(
        DTypeError, match=r"conv2d takes tensors, not a numpy.ndarray of shape \[4, 1, 12, 12\].*from_numpy"
    ) as raised:
        net(IMAGES)
    assert f"at conv1, {line_with('conv1 line', NET)}" in str(raised.value)
    scores = net(lenetc.tensor(IMAGES))
    for call in (
        lambda: F.cross_entropy(scores, LABELS),
        lambda: F.nll_loss(scores, LABELS),
        lambda: F.linear(np.ones((2, 3)), net.fc.weight),
        lambda: F.relu(IMAGES),
        lambda: F.tanh(IMAGES),
        lambda: F.max_pool2d(IMAGES, 2),
        lambda: F.softmax(IMAGES, 1),
        lambda: F.mse_loss(scores, np.zeros((4, 3))),
        lambda: F.embedding(LABELS, net.fc.weight),
        lambda: lenetc.cat([scores, IMAGES]),
    ):
        with pytest.raises(DTypeError, match=r"takes tensors, not a numpy.ndarray"):
            call()


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (None, "this NoneType, whose values are no numbers"),
        ("abc", "this str, whose values are no numbers"),
        ([[1, 2], [3]], "this list: .*inhomogeneous"),
        ([object()], "this list, whose values are no numbers"),
        (
            np.array([1j]),
            r"of shape \[1\]: arrays of dtype complex128 are not supported; convert to one of float32",
        ),
    ],
)
def test_what_cannot_be_a_tensor(data: Any, says: str) -> None:
    for make in (lenetc.tensor, lenetc.as_tensor, lenetc.compile(lenetc.as_tensor)):
        if isinstance(data, np.ndarray) and make is not lenetc.tensor:
            continue
        with pytest.raises(DTypeError, match=f"cannot make a tensor (of )?{says}"):
            make(data)


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("values", [[0.5, 1.2], [-0.3, 0.5], [0.5, float("nan")]])
def test_binary_cross_entropy_wants_probabilities(values: list[float], compiled: bool) -> None:
    weight = nn.Parameter(lenetc.ones(2))
    optimizer = lenetc.optim.SGD([weight], lr=0.1)

    def step(x: lenetc.Tensor) -> lenetc.Tensor:
        optimizer.zero_grad()
        loss = F.binary_cross_entropy(x * weight, lenetc.ones(2))
        loss.backward()
        optimizer.step()
        return loss

    run = lenetc.compile(step) if compiled else step
    run(lenetc.tensor([0.0, 1.0]))
    lenetc.nn.init.ones_(weight)
    with pytest.raises(LenetcError, match=r"all elements of input should be between 0 and 1.*f32\[2\]"):
        run(lenetc.tensor(values))
    assert weight.tolist() == [1.0, 1.0]
