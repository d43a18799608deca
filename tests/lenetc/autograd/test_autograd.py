"""What PyTorch users do with gradients: their own operations, kept gradients, higher derivatives, no_grad."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import lenetc
from ir.errors import LenetcError, UnsupportedError
from lenetc import Tensor, autograd

X = np.linspace(-2, 2, 12, dtype=np.float32).reshape(3, 4)


class Cube(autograd.Function):
    """x^3, whose backward is deliberately not the derivative but ten times it, so that it shows when it runs."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, scale: float) -> Tensor:
        ctx.save_for_backward(x)
        ctx.scale = scale
        return x * x * x * scale

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor, None]:
        (x,) = ctx.saved_tensors
        return g * x * x * (30.0 * ctx.scale), None


class MinMax(autograd.Function):
    """Two results, and a third that has no gradient."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        ctx.save_for_backward(x)
        signs = x.sign()
        ctx.mark_non_differentiable(signs)
        return x * 2.0, x * x, signs

    @staticmethod
    def backward(ctx: Any, doubled: Tensor, squared: Tensor, signs: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        return doubled * 2.0 + squared * 2.0 * x


def gradient_of(loss: Callable[[Tensor], Tensor], compiled: bool) -> np.ndarray[Any, Any]:
    """d loss / d x at X, by backward(), in one program or lazily."""
    x = lenetc.tensor(X, requires_grad=True)

    def run() -> Any:
        x.grad = None
        loss(x).backward()
        return x.grad

    found = lenetc.compile(run, device="cpu")() if compiled else run()
    return np.asarray(found)


@pytest.mark.parametrize("compiled", [False, True])
def test_the_users_backward_is_what_runs(compiled: bool) -> None:
    found = gradient_of(lambda x: Cube.apply(x, 0.5).sum(), compiled)
    np.testing.assert_allclose(found, 15 * X * X, rtol=1e-6)


@pytest.mark.parametrize("compiled", [False, True])
def test_a_function_of_several_results(compiled: bool) -> None:
    def loss(x: Tensor) -> Tensor:
        doubled, squared, signs = MinMax.apply(x)
        assert not signs.requires_grad
        return (doubled * 3.0 + squared * signs).sum()

    np.testing.assert_allclose(gradient_of(loss, compiled), 6 + 2 * X * np.sign(X), rtol=1e-6)


def test_the_name_of_a_users_function_is_in_the_chain() -> None:
    result = Cube.apply(lenetc.tensor(X, requires_grad=True), 1.0)
    assert result.grad_fn.name() == "CubeBackward"
    assert result.grad_fn.next_functions[0][0].name().endswith("AccumulateGrad")


def test_retain_grad_keeps_the_gradient_of_what_is_no_leaf() -> None:
    x = lenetc.tensor(X, requires_grad=True)
    y = x * 3.0
    y.retain_grad()
    (y * y).sum().backward()
    assert y.grad is not None and x.grad is not None
    np.testing.assert_allclose(y.grad.numpy(), 6 * X, rtol=1e-6)
    np.testing.assert_allclose(x.grad.numpy(), 18 * X, rtol=1e-6)


def test_second_derivatives_through_grad() -> None:
    x = lenetc.tensor(X, requires_grad=True)
    (first,) = autograd.grad((x**3).sum(), x, create_graph=True)
    assert first is not None
    (second,) = autograd.grad(first.sum(), x)
    assert second is not None and x.grad is None
    np.testing.assert_allclose(second.numpy(), 6 * X, rtol=1e-6)


def test_a_gradient_penalty_reaches_the_weights() -> None:
    w = lenetc.tensor(X, requires_grad=True)
    x = lenetc.tensor(X[::-1].copy(), requires_grad=True)
    (slope,) = autograd.grad((w * x * x).sum(), x, create_graph=True)
    assert slope is not None
    (slope * slope).sum().backward()
    assert w.grad is not None
    np.testing.assert_allclose(w.grad.numpy(), 8 * X * X[::-1] ** 2, rtol=1e-5)


def test_an_unused_input_is_an_error_unless_allowed() -> None:
    x, other = (lenetc.tensor(X, requires_grad=True) for _ in range(2))
    with pytest.raises(LenetcError, match="allow_unused=True"):
        autograd.grad(x.sum(), [x, other])
    _, nothing = autograd.grad(x.sum(), [x, other], allow_unused=True)
    assert nothing is None


def test_retain_graph_lets_backward_run_again() -> None:
    x = lenetc.tensor(X, requires_grad=True)
    loss = (x * x).sum()
    loss.backward(retain_graph=True)
    loss.backward()
    assert x.grad is not None
    np.testing.assert_allclose(x.grad.numpy(), 4 * X, rtol=1e-6)
    with pytest.raises(LenetcError, match="retain_graph=True"):
        loss.backward()


def test_no_grad_as_block_and_decorator() -> None:
    x = lenetc.tensor(X, requires_grad=True)

    @lenetc.no_grad()
    def halve(value: Tensor) -> Tensor:
        return value * 0.5

    with lenetc.no_grad():
        inside = x * 2.0
    assert not inside.requires_grad and not halve(x).requires_grad and (x * 2.0).requires_grad
    (x * inside).sum().backward()  # a value from no_grad is a constant, though an equal expression is not
    assert x.grad is not None
    np.testing.assert_allclose(x.grad.numpy(), 2 * X, rtol=1e-6)


def test_two_leaves_of_equal_value_have_gradients_of_their_own() -> None:
    def run() -> Any:
        a, b = (lenetc.zeros(3, requires_grad=True) for _ in range(2))
        (a * 2.0 + b * 5.0).sum().backward()
        return a.grad, b.grad

    for first, second in (run(), lenetc.compile(run, device="cpu")()):
        np.testing.assert_array_equal(first.numpy(), np.full(3, 2.0))
        np.testing.assert_array_equal(second.numpy(), np.full(3, 5.0))


def test_backward_takes_several_tensors_and_chosen_inputs() -> None:
    a, b = lenetc.ones(2, requires_grad=True), lenetc.ones(2, requires_grad=True)
    lenetc.autograd.backward((a * b).sum())
    assert a.grad.tolist() == b.grad.tolist() == [1.0, 1.0]
    a.grad = b.grad = None
    hidden = a * 3
    lenetc.autograd.backward(
        [hidden, hidden * b], [lenetc.ones(2), lenetc.full((2,), 2.0)], inputs=[a, hidden]
    )
    assert a.grad.tolist() == [9.0, 9.0]
    assert hidden.grad.tolist() == [3.0, 3.0]
    assert b.grad is None
    (a * b).sum().backward(inputs=b)
    assert (a.grad.tolist(), b.grad.tolist()) == ([9.0, 9.0], [1.0, 1.0])


def test_gradients_of_what_is_not_used_can_be_zeros() -> None:
    a, b = lenetc.ones(2, requires_grad=True), lenetc.ones(3, requires_grad=True)
    used, unused = lenetc.autograd.grad((a * a).sum(), (a, b), only_inputs=True, materialize_grads=True)
    assert (used.tolist(), unused.tolist()) == ([2.0, 2.0], [0.0, 0.0, 0.0])
    with pytest.raises(ValueError, match="materialize_grads"):
        lenetc.autograd.grad(a.sum(), b, materialize_grads=True, allow_unused=False)
    with pytest.raises(LenetcError, match="not used"):
        lenetc.autograd.grad(a.sum(), b)
    with pytest.raises(UnsupportedError, match="vmap"):
        lenetc.autograd.grad(a, a, lenetc.ones(4, 2), is_grads_batched=True)


def test_gradients_are_taken_of_any_iterable_of_tensors() -> None:
    weights = {"a": lenetc.ones(2, requires_grad=True), "b": lenetc.ones(2, requires_grad=True)}
    loss = (weights["a"] * weights["b"] * 3).sum()
    found = lenetc.autograd.grad(loss, weights.values(), retain_graph=True)
    assert [g.tolist() for g in found] == [[3.0, 3.0], [3.0, 3.0]]
    loss.backward(inputs=iter(weights.values()))
    assert weights["a"].grad.tolist() == [3.0, 3.0]


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("how", ["zero_", "copy_", "data", "load"])
def test_leaves_that_are_given_equal_values_have_gradients_of_their_own(how: str, compiled: bool) -> None:
    p, q = (lenetc.nn.Parameter(lenetc.ones(3)) for _ in range(2))
    module = lenetc.nn.ParameterList([p, q])

    def step(x: Tensor) -> Tensor:
        with lenetc.no_grad():
            if how == "load":
                module.load_state_dict({"0": x * 2, "1": x * 2})
            for leaf in (p, q):
                if how == "zero_":
                    leaf.zero_()
                elif how == "copy_":
                    leaf.copy_(x)
                elif how == "data":
                    leaf.data.fill_(0.5)
        loss = (p * x).sum() + (q * x).sum() * 2
        p.grad = q.grad = None
        loss.backward()
        return loss

    (lenetc.compile(step) if compiled else step)(lenetc.ones(3))
    assert (p.grad.tolist(), q.grad.tolist()) == ([1.0] * 3, [2.0] * 3)
