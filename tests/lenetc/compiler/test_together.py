"""What comes out of one call together: results that others are computed from, and views of arguments that are views."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import lenetc
from ir.errors import LenetcError
from lenetc import Tensor, nn


def parts() -> tuple[Tensor, Tensor]:
    """A hidden value and the loss that is computed from it, of one compiled call."""
    p = nn.Parameter(lenetc.ones(1))

    @lenetc.compile
    def step(x: Tensor) -> tuple[Tensor, Tensor]:
        h = p * x
        return h, (h**2).sum()

    hidden, loss = step(lenetc.ones(1))
    return hidden, loss


@pytest.mark.parametrize(
    "use",
    [
        lambda hidden, loss: lenetc.autograd.grad(loss + hidden.sum(), hidden),
        lambda hidden, loss: lenetc.autograd.grad(loss, hidden, allow_unused=True),
        lambda hidden, loss: hidden.retain_grad(),
        lambda hidden, loss: hidden.register_hook(lambda g: g * 10),
    ],
    ids=["grad of both", "grad of one", "retain_grad", "register_hook"],
)
def test_gradients_by_a_result_that_others_are_computed_from_are_refused(
    use: Callable[[Tensor, Tensor], Any],
) -> None:
    with pytest.raises(LenetcError, match="came out of a compiled function together with others"):
        use(*parts())


def test_the_last_result_has_hooks_as_any_tensor() -> None:
    _, loss = parts()
    seen: list[float] = []
    loss.register_hook(lambda g: seen.append(float(g)))
    loss.retain_grad()
    loss.backward()
    assert seen == [1.0] and loss.grad is not None and float(loss.grad) == 1.0


def test_retain_grad_inside_needs_backward_inside() -> None:
    p = nn.Parameter(lenetc.ones(1))

    def hidden(x: Tensor) -> tuple[Tensor, Tensor]:
        h = p * x
        h.retain_grad()
        return h, (h**2).sum()

    def trained(x: Tensor) -> tuple[Tensor, Tensor | None]:
        h, loss = hidden(x)
        loss.backward()
        return loss, h.grad

    with pytest.raises(LenetcError, match="retain_grad"):
        lenetc.compile(hidden)(lenetc.ones(1))
    grad = lenetc.compile(trained)(lenetc.ones(1))[1]
    assert grad is not None and grad.tolist() == [2.0]


@pytest.mark.parametrize("view", [lambda v: v[:1], lambda v: v.view(2, 1)[0], lambda v: v.chunk(2)[0]])
def test_a_view_of_an_argument_that_is_a_view_shows_what_has_changed(
    view: Callable[[Tensor], Tensor],
) -> None:
    def doubled(v: Tensor) -> Tensor:
        part = view(v)
        v.mul_(2.0)
        return part

    x = lenetc.ones(4)
    compiled = lenetc.compile(doubled)
    assert compiled(x[:2]).tolist() == [2.0]
    assert compiled(x[:2]).tolist() == [4.0]
    assert x.tolist() == [4.0, 4.0, 1.0, 1.0]
