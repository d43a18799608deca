"""Bad input of layers and losses: refused where PyTorch refuses."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import lenetc  # noqa: E402
from tests.parity.modules.drawn import labels, normal  # noqa: E402

REFUSED: list[tuple[str, Any, tuple[Any, ...]]] = [
    ("channels", lambda lib, x: lib.nn.Conv2d(1, 6, 5)(x), (normal(1, 3, 32, 32),)),
    ("rank", lambda lib, x: lib.nn.Conv2d(1, 6, 5)(x), (normal(32, 32),)),
    ("too small", lambda lib, x: lib.nn.Conv2d(1, 6, 5)(x), (normal(1, 1, 3, 3),)),
    ("dtype", lambda lib, x: lib.nn.Conv2d(1, 6, 5)(x), (normal(1, 1, 9, 9).astype(np.float64),)),
    ("integers", lambda lib, x: lib.nn.Conv2d(1, 6, 5)(x), (labels(1, 1, 9, 9),)),
    ("padding name", lambda lib: lib.nn.Conv2d(1, 6, 5, padding="full"), ()),
    ("same with stride", lambda lib: lib.nn.Conv2d(1, 6, 5, padding="same", stride=2), ()),
    ("groups", lambda lib: lib.nn.Conv2d(3, 6, 5, groups=2), ()),
    ("no groups", lambda lib: lib.nn.Conv2d(3, 6, 5, groups=0), ()),
    ("features", lambda lib, x: lib.nn.Linear(4, 3)(x), (normal(2, 5),)),
    ("a scalar", lambda lib, x: lib.nn.Linear(4, 3)(x), (normal(),)),
    ("linear dtype", lambda lib, x: lib.nn.Linear(4, 3)(x), (normal(2, 4).astype(np.float64),)),
    ("pool rank", lambda lib, x: lib.nn.functional.max_pool2d(x, 2), (normal(4, 4),)),
    ("pool padding", lambda lib, x: lib.nn.functional.max_pool2d(x, 2, padding=2), (normal(1, 1, 4, 4),)),
    ("pool size", lambda lib, x: lib.nn.functional.max_pool2d(x, 2), (normal(1, 1, 1, 1),)),
    (
        "label too large",
        lambda lib, x, y: lib.nn.CrossEntropyLoss()(x, y),
        (normal(3, 4), np.array([0, 1, 4])),
    ),
    (
        "label negative",
        lambda lib, x, y: lib.nn.CrossEntropyLoss()(x, y),
        (normal(3, 4), np.array([0, 1, -1])),
    ),
    (
        "label dtype",
        lambda lib, x, y: lib.nn.CrossEntropyLoss()(x, y),
        (normal(3, 4), np.array([0, 1, 2], np.int32)),
    ),
    ("label float", lambda lib, x, y: lib.nn.CrossEntropyLoss()(x, y), (normal(3, 4), normal(3))),
    ("label count", lambda lib, x, y: lib.nn.CrossEntropyLoss()(x, y), (normal(3, 4), np.array([0, 1]))),
    ("label ones", lambda lib, x, y: lib.nn.CrossEntropyLoss()(x, y), (normal(3, 4), labels(3, 4))),
    (
        "label column",
        lambda lib, x, y: lib.nn.CrossEntropyLoss()(x, y),
        (normal(3, 4), labels(3, 1, classes=4)),
    ),
    (
        "label places",
        lambda lib, x, y: lib.nn.CrossEntropyLoss()(x, y),
        (normal(3, 4, 5), labels(3, 4, classes=4)),
    ),
    (
        "weights",
        lambda lib, x, y, w: lib.nn.CrossEntropyLoss(w)(x, y),
        (normal(3, 4), labels(3, classes=4), normal(3)),
    ),
    (
        "smoothing",
        lambda lib, x, y: lib.nn.CrossEntropyLoss(label_smoothing=2.0)(x, y),
        (normal(3, 4), labels(3, classes=4)),
    ),
    (
        "reduction",
        lambda lib, x, y: lib.nn.CrossEntropyLoss(reduction="x")(x, y),
        (normal(3, 4), labels(3, classes=4)),
    ),
    (
        "ignored",
        lambda lib, x, y: lib.nn.CrossEntropyLoss(ignore_index=1)(x, y),
        (normal(3, 4), normal(3, 4)),
    ),
    (
        "integer scores",
        lambda lib, x, y: lib.nn.CrossEntropyLoss()(x, y),
        (labels(3, 4), labels(3, classes=4)),
    ),
    ("integer mse", lambda lib, x, y: lib.nn.MSELoss()(x, y), (labels(3), labels(3))),
    ("bce sizes", lambda lib, x, y: lib.nn.BCELoss()(x, y), (normal(3), normal(4))),
    ("logit sizes", lambda lib, x, y: lib.nn.BCEWithLogitsLoss()(x, y), (normal(3), normal(4))),
    ("delta", lambda lib, x: lib.nn.functional.huber_loss(x, x, delta=0.0), (normal(3),)),
    ("beta", lambda lib, x: lib.nn.functional.smooth_l1_loss(x, x, beta=-1.0), (normal(3),)),
    ("probability", lambda lib, x: lib.nn.functional.dropout(x, 2.0), (normal(3),)),
    ("dropout module", lambda lib: lib.nn.Dropout(2.0), ()),
    ("batch norm rank", lambda lib, x: lib.nn.BatchNorm2d(3)(x), (normal(1, 3),)),
    ("batch norm size", lambda lib, x: lib.nn.BatchNorm2d(3)(x), (normal(1, 4, 2, 2),)),
    ("one value", lambda lib, x: lib.nn.BatchNorm2d(3)(x), (normal(1, 3, 1, 1),)),
    ("layer norm", lambda lib, x: lib.nn.LayerNorm(3)(x), (normal(2, 4),)),
    ("index", lambda lib, x: lib.nn.Embedding(3, 2)(x), (np.array([3]),)),
    ("index dtype", lambda lib, x: lib.nn.Embedding(3, 2)(x), (normal(2),)),
    ("one-hot", lambda lib, x: lib.nn.functional.one_hot(x, 3), (np.array([4]),)),
    ("negative one-hot", lambda lib, x: lib.nn.functional.one_hot(x, 3), (np.array([-1]),)),
    ("softmax", lambda lib, x: lib.nn.functional.softmax(x, 0), (labels(3),)),
    ("no forward", lambda lib: lib.nn.Module()(1), ()),
    ("no attribute", lambda lib: lib.nn.Linear(1, 1).wieght, ()),
]


@pytest.mark.filterwarnings("ignore:Using a target size")
@pytest.mark.parametrize(
    ("call", "arrays"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED]
)
def test_refused_as_in_pytorch(call: Any, arrays: tuple[Any, ...]) -> None:
    with pytest.raises(Exception) as expected:
        call(torch, *map(torch.from_numpy, map(np.asarray, arrays)))
    with pytest.raises(Exception) as found:
        call(lenetc, *map(lenetc.from_numpy, arrays))
    kind = type(expected.value)
    if kind is NotImplementedError and "not implemented for" in str(expected.value):
        kind = TypeError  # a dtype that a kernel lacks
    if kind is AssertionError:
        kind = ValueError
    assert isinstance(found.value, kind), (type(found.value), str(found.value), str(expected.value))
