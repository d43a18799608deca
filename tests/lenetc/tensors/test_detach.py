"""detach() and .data end gradients, of views as of whole tensors."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import lenetc

X = np.arange(1, 7, dtype=np.float32).reshape(2, 3)
VIEWS: list[Callable[[Any], Any]] = [
    lambda p: p,
    lambda p: p[:, :3],
    lambda p: p.view(2, 3),
    lambda p: p.flatten().reshape(2, 3),
    lambda p: p.t().t(),
    lambda p: p.unsqueeze(0).squeeze(0),
]


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("end", [lambda v: v.detach(), lambda v: v.data, lambda v: v.detach().view(2, 3)])
def test_gradients_do_not_pass(view: Callable[[Any], Any], end: Callable[[Any], Any]) -> None:
    def gradient() -> Any:
        p.grad = None
        (end(view(p)) * p).sum().backward()
        return p.grad

    p = lenetc.tensor(X, requires_grad=True)
    np.testing.assert_array_equal(gradient().numpy(), X)  # twice that, if they passed
    np.testing.assert_array_equal(lenetc.compile(gradient)().numpy(), X)
