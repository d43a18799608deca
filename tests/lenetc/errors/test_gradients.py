"""Gradients that cannot be: the error names the user's line, and no gradient is left."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import lenetc
from ir import ops
from ir.errors import LenetcError
from ir.op import literal
from lenetc import optim
from lenetc.runtime import RunError
from lenetc.tensors.tensor import apply
from tests.lenetc.errors.small import line_with


class Halves(lenetc.autograd.Function):
    """x * y, with a backward that `returned` replaces."""

    returned: Any = None

    @staticmethod
    def forward(ctx: Any, x: Any, y: Any) -> Any:
        return x * y

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        return Halves.returned(g)


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize(
    ("returned", "says"),
    [
        (
            lambda g: g,
            "Halves.backward returned 1 gradients, but forward took 2 arguments; return one for each",
        ),
        (lambda g: (g, g, g), "Halves.backward returned 3 gradients, but forward took 2 arguments"),
        (lambda g: (g.sum(), None), r"a gradient of shape \[\] for an argument of shape \[3\]"),
        (lambda g: (3.0, None), r"returned a float for an argument f32\[3\]; gradients are tensors, or None"),
    ],
    ids=["too few", "too many", "shape", "number"],
)
def test_a_function_with_wrong_gradients(
    compiled: bool, returned: Any, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Halves, "returned", returned)
    w = lenetc.ones(3, requires_grad=True)

    def backward(x: Any) -> Any:
        product = Halves.apply(w, lenetc.as_tensor(x))  # apply line
        product.sum().backward()
        return w.grad

    with pytest.raises(LenetcError, match=says) as raised:
        (lenetc.compile(backward) if compiled else backward)(np.ones(3, np.float32))
    assert f"at {line_with('apply line', __file__)}" in str(raised.value)
    assert w.grad is None
    monkeypatch.setattr(Halves, "returned", lambda g: (g, None))
    assert backward(np.ones(3, np.float32)).tolist() == [1, 1, 1]


def test_a_function_without_backward() -> None:
    class Incomplete(lenetc.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            return x * 2

    with pytest.raises(LenetcError, match=r"Incomplete lacks a static method backward\(ctx, ...\)"):
        Incomplete.apply(lenetc.ones(2))


@pytest.mark.parametrize("compiled", [False, True])
def test_backward_twice(compiled: bool) -> None:
    w = lenetc.ones(3, requires_grad=True)

    def twice(x: Any) -> Any:
        loss = (w * w * lenetc.as_tensor(x)).sum()
        loss.backward()
        loss.backward()  # second line
        return loss

    with pytest.raises(
        LenetcError, match=r"backward through the graph a second time.*retain_graph=True"
    ) as raised:
        (lenetc.compile(twice) if compiled else twice)(np.ones(3, np.float32))
    assert f"at {line_with('second line', __file__)}" in str(raised.value)
    if compiled:
        assert w.grad is None
    else:
        assert w.grad is not None and w.grad.tolist() == [2, 2, 2]


def test_backward_of_what_has_no_gradient() -> None:
    w = lenetc.ones(3, requires_grad=True)
    for call, says in (
        (lambda: lenetc.ones(3).sum().backward(), "does not require grad"),
        (lambda: (w * 2).backward(), r"scalar outputs, but the output is f32\[3\]"),
        (lambda: (w * 2).backward(lenetc.ones(4)), r"the gradient has shape \[4\], the output \[3\]"),
        (
            lambda: lenetc.tensor([1, 2], requires_grad=True),
            r"floating point dtype can require gradients, not i64\[2\]",
        ),
    ):
        with pytest.raises(LenetcError, match=says) as raised:
            call()
        assert f"\n  at {__file__}:" in str(raised.value)
    assert w.grad is None


def beyond(x: lenetc.Tensor) -> lenetc.Tensor:
    """What only the runtime refuses: an index out of range, past the check that x[...] makes."""
    return apply("", lambda a: ops.gather(a, literal(np.array([7])), axis=0), x)  # gather line


def test_a_failure_at_run_time_stays_with_its_tensor() -> None:
    w = lenetc.ones(2, requires_grad=True)
    optimizer = optim.SGD([w], lr=0.5)
    rows = lenetc.ones(2, 3)
    outside = beyond(rows)
    assert (rows * 2).sum().item() == 12
    with pytest.raises(RunError, match="gather") as raised:
        outside.numpy()
    assert f"at {line_with('gather line', __file__)}" in str(raised.value)
    # A step whose gradient cannot be computed leaves the parameter as it is.
    (w * beyond(rows).sum()).sum().backward()
    with pytest.raises(RunError):
        optimizer.step()
    assert w.tolist() == [1, 1]
    optimizer.zero_grad()
    (w * 3).sum().backward()
    optimizer.step()
    assert w.tolist() == [-0.5, -0.5]
