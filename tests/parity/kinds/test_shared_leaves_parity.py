"""Leaves that show the storage of another tensor, by detach(), .data or Parameter: each has a gradient of its own."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import lenetc
from ir.errors import LenetcError

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
        "copy.copy(b)",
        "copy.copy(b * 2)",
        "copy.copy(b.detach().requires_grad_())",
        "copy.copy(t.nn.Parameter(b))",
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
    space: dict[str, Any] = {"t": library, "copy": copy}
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


# What was computed from x before it was a leaf that requires gradients, or while it was none, is constant to it.
STARTED = [
    "x = b * 1; y = x * 2; x = x.detach(); x.requires_grad_(); (x, x * y)",
    "x = t.ones(3, dtype=b.dtype); y = x * 3; x.requires_grad_(); (x, x * y * b)",
    "x = b.detach().clone(); m = x.mean(); x.requires_grad_(); (x, (x - m) ** 3 + b)",
    "x = b.detach().clone(); z = x * 2; x.requires_grad_(); (x, z * x * x.exp())",
    "x = t.ones_like(b).requires_grad_(); x.requires_grad_(False); y = x * 2; x.requires_grad_(); (x, x * y * b)",
    "x = t.ones(3, dtype=b.dtype).requires_grad_(); z = x.exp(); x.requires_grad_(False); y = x * 2; "
    "x.requires_grad_(); (x, z * x * y * b)",
    "d = t.ones(3, dtype=b.dtype) * 2; x = t.nn.Parameter(d); (x, (x - d + b) ** 2 * x)",
    "d = t.tensor([1.0, 2.0, 3.0], dtype=b.dtype); x = t.nn.Parameter(d); (x, x * d + b)",
    "d = t.arange(3.).to(b.dtype); v = d.view(3); x = t.nn.Parameter(d); (x, x * v + b)",
    "d = t.ones(3, dtype=b.dtype); p = t.nn.Parameter(d); x = t.nn.Parameter(d); (x, x * p * p * b)",
]
# Of two tensors that are computed alike each has the gradient of its own uses.
ALIKE = [
    *(
        "y = b * 2; z = b * 2; (y, y * z)",
        "y = b.exp(); z = b.exp(); (y, y * z * z)",
        "y = b.clone(); (y, y * b)",
    ),
    *(
        "y = b.view(3); (y, y * b)",
        "h = b * 2; y = h.reshape(3); (y, y * h * h)",
        "y = t.nn.Identity()(b * 2); (y, y * (b * 2))",
    ),
    *("y = b.sum(); z = b.sum(); (y, y * z * b)", "y = b.to(b.dtype, copy=True); (y, y * b)"),
    "f = t.nn.functional.linear; w = t.ones(3, 3, dtype=b.dtype); y = f(b, w); z = f(b, w); (y, y * z * y)",
    "y = b.expand(3); z = b.contiguous() * 1; w = b * 1; (w, w * z * y)",
]


def _asked(library: Any, code: str, wrapped: Callable[[Any], Any]) -> list[Any]:
    """The gradients of what the code gives first and of b: by grad(), by backward() with retain_grad(), by a hook."""
    *statements, last = code.split("; ")
    lines = "".join(f"    {line}\n" for line in statements)
    space: dict[str, Any] = {"t": library}
    exec(f"def compute(b):\n{lines}    return {last}", space)
    compute = space["compute"]

    def asked(b: Any) -> list[Any]:
        y, z = compute(b)
        return list(library.autograd.grad(z.sum(), [y, b], allow_unused=True))

    def kept(b: Any) -> list[Any]:
        b = b.detach().requires_grad_()
        y, z = compute(b)
        y.retain_grad()
        z.sum().backward()
        return [g if g is None else g * 3 for g in (y.grad, b.grad)]

    def hooked(b: Any) -> list[Any]:
        b = b.detach().requires_grad_()
        y, z = compute(b)
        y.register_hook(lambda g: g * 10)
        z.sum().backward()
        return [b.grad]

    found = []
    # Compiled, a result that has the value of what is kept is refused.
    for function in (asked, hooked) if wrapped is lenetc.compile else (asked, hooked, kept):
        b = library.tensor([0.5, 2.0, -1.5], dtype=library.float64, requires_grad=True)
        found += [None if g is None else g.numpy() for g in wrapped(function)(b)]
    return found


@pytest.mark.filterwarnings("ignore::lenetc.RetraceWarning")
@pytest.mark.parametrize("wrapped", [lambda f: f, lenetc.compile], ids=["lazily", "compiled"])
@pytest.mark.parametrize("code", [*STARTED, *ALIKE])
def test_gradients_of_what_is_computed_alike(code: str, wrapped: Callable[[Any], Any]) -> None:
    expected, found = _asked(torch, code, lambda f: f), _asked(lenetc, code, wrapped)
    for mine, reference in zip(found, expected[: len(found)], strict=True):
        assert (mine is None) == (reference is None), code
        if reference is not None:
            np.testing.assert_allclose(mine, reference, rtol=1e-12, err_msg=code)


def test_equal_traces_are_one_program() -> None:
    counts = []

    @lenetc.compile
    def step(b: Any) -> Any:
        counts.append(1)
        x = b.detach().requires_grad_()
        y, z = (x * 2).clone(), x * 2
        (y * z * (x * 2) * x.detach()).sum().backward()
        return x.grad

    with pytest.warns(lenetc.RetraceWarning):
        for k in range(3):
            assert step(lenetc.ones(2) * k).tolist() == [24.0 * k**3] * 2
    assert len(counts) == 3 and len(step.programs()) == 1


def test_views_made_without_recording() -> None:
    def tried(library: Any) -> list[Any]:
        w = library.nn.Parameter(library.tensor([1.0, 2.0]))
        with library.no_grad():
            view = w.view(2, 1)
        found = [view.requires_grad, view.is_leaf]
        product = (view * 2.0 + w).sum()
        product.backward()
        found += [(view * 2.0).requires_grad, product.item(), w.grad.tolist()]
        with library.no_grad():
            view.mul_(3.0)
        with pytest.raises(RuntimeError if library is torch else LenetcError, match="no_grad mode"):
            view.mul_(2.0)
        return [*found, w.tolist()]

    assert tried(lenetc) == tried(torch)
