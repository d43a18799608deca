"""`testing.assert_close` fails where PyTorch's does, with its words."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
import torch

import lenetc

ROWS = [
    "T.assert_close(t.ones(3), t.ones(3))",
    "T.assert_close(t.ones(3), t.ones(3) + 1e-6)",
    "T.assert_close(t.ones(3), t.tensor([1., 1., 1.5]))",
    "T.assert_close(t.ones(2, 2), t.tensor([[1., 2.], [3., 1.]]))",
    "T.assert_close(t.tensor([1, 2]), t.tensor([1, 3]))",
    "T.assert_close(t.ones(3), t.ones(3, dtype=t.float64))",
    "T.assert_close(t.ones(3), t.ones(3, dtype=t.float64), check_dtype=False)",
    "T.assert_close(t.ones(3), t.ones(4))",
    "T.assert_close(t.ones(3) * nan, t.ones(3) * nan)",
    "T.assert_close(t.ones(3) * nan, t.ones(3) * nan, equal_nan=True)",
    "T.assert_close(t.ones(3) * inf, t.ones(3) * inf)",
    "T.assert_close(t.ones(1) * inf, t.ones(1))",
    "T.assert_close([t.ones(1), {'a': t.ones(2)}], [t.ones(1), {'a': t.zeros(2)}])",
    "T.assert_close([1], [1, 2])",
    "T.assert_close({'a': 1}, {'b': 1})",
    "T.assert_close(1.0, 1.1)",
    "T.assert_close(1, 2)",
    "T.assert_close(1.0, 1.0 + 1e-8)",
    "T.assert_close(1.0, t.tensor(1.0))",
    "T.assert_close(1, 1.0, check_dtype=False)",
    "T.assert_close(1, 1.0)",
    "T.assert_close(t.ones(3), t.zeros(3), rtol=0, atol=2)",
    "T.assert_close(t.ones(3), t.zeros(3), rtol=0.1)",
    "T.assert_close(t.ones(1), t.zeros(1), msg='no')",
    "T.assert_close(t.ones(1), t.zeros(1), msg=lambda text: 'see: ' + text)",
    "T.assert_close(np.ones(2), np.ones(2) + 1)",
    "T.assert_close('a', 'a')",
    "T.assert_close(None, None)",
    "T.assert_close(t.ones(2, dtype=t.bfloat16), t.ones(2, dtype=t.bfloat16) * 1.01)",
]


def told(library: Any, code: str) -> tuple[str, str]:

    names = {"T": library.testing, "t": library, "np": np, "nan": float("nan"), "inf": float("inf")}
    try:
        eval(code, names)
    except (AssertionError, TypeError, ValueError) as error:
        return type(error).__name__, str(error)
    return "", ""


def rounded(text: str) -> str:
    """Differences to three digits, under PyTorch's names."""
    text = text.replace("lenetc.", "torch.").replace("tensors.tensor.", "")
    return re.sub(r"\d\.\d+(e-?\d+)?", lambda found: f"{float(found[0]):.3g}", text)


@pytest.mark.parametrize("code", ROWS)
def test_what_is_close(code: str) -> None:
    (kind, text), (expected, message) = told(lenetc, code), told(torch, code)
    assert kind == expected
    assert rounded(text).split("\n\nThe failure")[0] == rounded(message).split("\n\nThe failure")[0]


@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16", "int64", "uint8", "bool"])
def test_made_tensors_lie_between_their_limits(dtype: str) -> None:
    kind = getattr(lenetc, dtype)
    made = lenetc.testing.make_tensor(20, 5, dtype=kind)
    assert made.dtype is kind and tuple(made.shape) == (20, 5)
    assert made.float().abs().max() <= 9 and made.float().std() > 0.3
    positive = lenetc.testing.make_tensor((100,), dtype=kind, low=0, high=2, exclude_zero=True)
    assert 0 < float(positive.float().min()) <= float(positive.float().max()) <= 2
