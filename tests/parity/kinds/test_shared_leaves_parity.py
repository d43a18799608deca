"""Leaves that show the storage of another tensor, by detach(), .data or Parameter: each has a gradient of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import lenetc

# How a leaf `x` comes from a leaf `b`, and what is computed of both and of what shows them.
MADE = [
    *("b.detach().requires_grad_()", "(b * 2).detach().requires_grad_()", "b.data.requires_grad_()"),
    *(
        "b[1:].detach().requires_grad_()",
        "b.detach()[1:].requires_grad_()",
        "b.detach().detach().requires_grad_()",
    ),
    *(
        "t.nn.Parameter(b)",
        "t.nn.Parameter(b.detach())",
        "t.nn.Parameter(b.data)",
        "t.nn.Parameter(t.nn.Parameter(b))",
    ),
    *(
        "t.nn.Parameter(b * 3)",
        "b.detach().clone().requires_grad_()",
        "(b * 2).data.view(-1).requires_grad_()",
    ),
]
USES = [
    *("x * x.detach()", "x - x.detach()", "x * b[-1]", "x * x.data + b.sum()", "x * b.detach()[-1] * b[0]"),
    *("x * t.nn.Parameter(x)", "x * x.detach().requires_grad_()", "x / x.detach().exp() * b.prod()"),
]


def _gradients(library: Any, made: str, wrapped: Callable[[Any], Any]) -> dict[str, Any]:
    """By use: the gradients of x and b by backward() outside of the function, and by grad() inside."""
    space: dict[str, Any] = {"t": library}
    uses = "".join(f", {use}" for use in USES)
    exec(f"def make(b):\n    return {made}\ndef use(b, x):\n    return [{uses[2:]}]", space)
    make, use = space["make"], space["use"]

    def inside(b: Any) -> list[Any]:
        x = make(b)
        return [library.autograd.grad(y.pow(2).sum(), [b, x], allow_unused=True) for y in use(b, x)]

    b = library.tensor([0.5, 2.0, -1.5], dtype=library.float64, requires_grad=True)
    found = {f"grad of {code}": pair for code, pair in zip(USES, wrapped(inside)(b), strict=True)}
    x = make(b)
    for i, (code, y) in enumerate(zip(USES, wrapped(use)(b, x), strict=True)):
        x.grad = b.grad = None
        y.pow(2).sum().backward(retain_graph=i < len(USES) - 1)
        found[f"backward of {code}"] = x.grad, b.grad
    return {code: [None if g is None else g.numpy() for g in pair] for code, pair in found.items()}


@pytest.mark.filterwarnings("ignore::lenetc.RetraceWarning")  # a view of an argument is detached
@pytest.mark.parametrize("wrapped", [lambda f: f, lenetc.compile], ids=["lazily", "compiled"])
@pytest.mark.parametrize("made", MADE)
def test_gradients(made: str, wrapped: Callable[[Any], Any]) -> None:
    expected, found = _gradients(torch, made, lambda f: f), _gradients(lenetc, made, wrapped)
    for code in expected:
        for mine, reference in zip(found[code], expected[code], strict=True):
            assert (mine is None) == (reference is None), code
            if reference is not None:
                np.testing.assert_allclose(mine, reference, rtol=1e-12, err_msg=code)


def test_a_value_looked_at_in_between_changes_nothing() -> None:
    def gradient(library: Any) -> list[float]:
        x = (library.ones(2) * 3).detach().requires_grad_()
        y = x * x.detach()
        x.tolist()
        (y + x * 5 + x.detach() * x).sum().backward()
        return list(x.grad.tolist())

    assert gradient(lenetc) == gradient(torch) == [11, 11]
