"""Functions of functions: what is not a comparison with PyTorch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import lenetc
from ir.errors import LenetcError, ShapeError
from lenetc.func import GradcheckError


def test_derivatives_inside_a_compiled_function() -> None:
    slope = lenetc.compile(lambda x: lenetc.func.grad(lambda a: (a**3).sum())(x))
    for value in (1.0, 2.0):
        assert slope(lenetc.full((2,), value)).tolist() == [3 * value**2] * 2


def test_third_derivative() -> None:
    d = lenetc.func.grad(lenetc.func.grad(lenetc.func.grad(lambda x: x**4)))
    assert d(lenetc.tensor(2.0)).item() == 48.0


def test_parameters_by_name_for_one_call() -> None:
    net = lenetc.nn.Sequential(lenetc.nn.Linear(2, 3), lenetc.nn.BatchNorm1d(3))
    before = {name: value.clone() for name, value in net.state_dict().items()}
    zeros = {name: value * 0 for name, value in net.named_parameters()}
    x = lenetc.ones(4, 2)
    assert lenetc.func.functional_call(net, zeros, x).abs().sum().item() == 0.0

    def loss(parameters: Any) -> lenetc.Tensor:
        return (lenetc.func.functional_call(net, parameters, x) ** 2).sum()

    slopes = lenetc.func.grad(loss)({"1.weight": lenetc.ones(3), "1.bias": lenetc.ones(3)})
    np.testing.assert_allclose(slopes["1.bias"].numpy(), [8.0] * 3)
    for name, value in net.named_parameters():
        assert value.equal(before[name]), name
    with pytest.raises(LenetcError, match=r"no parameter or buffer '0[.]wait'"):
        lenetc.func.functional_call(net, {"0.wait": lenetc.ones(3)}, x, strict=True)


def test_vmap_over_structures() -> None:
    def of(point: dict[str, lenetc.Tensor]) -> lenetc.Tensor:
        return point["x"] * point["y"].sum()

    x, y = lenetc.arange(3.0), lenetc.ones(3, 2)
    assert lenetc.vmap(of)({"x": x, "y": y}).tolist() == [0.0, 2.0, 4.0]
    assert lenetc.vmap(lambda a: a * 2, in_dims=1, out_dims=1)(y).shape == (3, 2)
    with pytest.raises(ShapeError, match="mapped axes"):
        lenetc.vmap(lambda a, b: a + b)(x, lenetc.ones(4))


def test_gradcheck_tells_a_wrong_gradient() -> None:
    class Wrong(lenetc.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: lenetc.Tensor) -> lenetc.Tensor:
            return x * 2

        @staticmethod
        def backward(ctx: Any, g: lenetc.Tensor) -> lenetc.Tensor:
            return g * 3

    x = lenetc.rand(3, dtype=lenetc.float64).requires_grad_()
    assert lenetc.autograd.gradcheck(lambda a: (a.exp(), a.sum()), (x,))
    assert lenetc.autograd.gradgradcheck(lambda a: a**3, (x,))
    with pytest.raises(GradcheckError, match="output 0 with respect to input 0"):
        lenetc.autograd.gradcheck(Wrong.apply, (x,))
    assert not lenetc.autograd.gradcheck(Wrong.apply, (x,), raise_exception=False)
    with pytest.raises(LenetcError, match="requires_grad"):
        lenetc.autograd.gradcheck(Wrong.apply, (x.detach(),))


def test_inference_mode_as_block_and_decorator() -> None:
    x = lenetc.ones(2, requires_grad=True)
    with lenetc.inference_mode():
        assert lenetc.is_inference_mode_enabled() and not (x * 2).requires_grad
    with lenetc.inference_mode(False):
        assert not lenetc.is_inference_mode_enabled() and (x * 2).requires_grad

    @lenetc.inference_mode
    def bare(x: lenetc.Tensor) -> bool:
        return (x * 2).requires_grad

    @lenetc.inference_mode()
    def called(x: lenetc.Tensor) -> bool:
        return (x * 2).requires_grad

    assert not bare(x) and not called(x) and (x * 2).requires_grad


def test_what_the_function_must_give() -> None:
    with pytest.raises(LenetcError, match="scalar tensor, not f32"):
        lenetc.func.grad(lambda x: x * 2)(lenetc.ones(2))
    with pytest.raises(LenetcError, match="argnums=3"):
        lenetc.func.grad(lambda x: x.sum(), argnums=3)(lenetc.ones(2))
