"""Derivatives as functions, beside PyTorch's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

import lenetc

pytestmark = pytest.mark.filterwarnings("ignore:.*torch.jit.script")
X = np.random.default_rng(0).standard_normal((3, 2))
W = np.random.default_rng(1).standard_normal(2)


def loss(x: Any, w: Any) -> Any:
    return ((x @ w).tanh() ** 2).sum()


def cube(x: Any) -> Any:
    return (x**3) * x.sum()


CASES: dict[str, Any] = {
    "grad": lambda t, x, w: t.func.grad(loss)(x, w),
    "grad by two": lambda t, x, w: t.func.grad(loss, argnums=(0, 1))(x, w),
    "grad of grad": lambda t, x, w: t.func.grad(lambda a: t.func.grad(loss)(a, w).sum())(x),
    "grad and value": lambda t, x, w: t.func.grad_and_value(loss)(x, w),
    "aux": lambda t, x, w: t.func.grad(lambda a: ((a * w).sum(), a * 2), has_aux=True)(x),
    "vjp": lambda t, x, w: t.func.vjp(cube, x)[1](t.ones_like(x)),
    "jvp": lambda t, x, w: t.func.jvp(cube, (x,), (t.ones_like(x),)),
    "jacrev": lambda t, x, w: t.func.jacrev(cube)(x),
    "jacfwd": lambda t, x, w: t.func.jacfwd(loss, argnums=1)(x, w),
    "hessian": lambda t, x, w: t.func.hessian(loss)(x, w),
    "vmap": lambda t, x, w: t.func.vmap(lambda row: (row * w).sum())(x),
    "vmap of grad": lambda t, x, w: t.func.vmap(t.func.grad(lambda row: (row * w).sin().sum()))(x),
    "vmap, one not mapped": lambda t, x, w: t.vmap(lambda a, b: a * b, in_dims=(0, None))(x, w),
    "jacobian": lambda t, x, w: t.autograd.functional.jacobian(cube, x),
    "jacobian by two": lambda t, x, w: t.autograd.functional.jacobian(lambda a, b: a @ b, (x, w)),
    "hessian by two": lambda t, x, w: t.autograd.functional.hessian(loss, (x, w)),
    "functional vjp": lambda t, x, w: t.autograd.functional.vjp(cube, x, t.ones_like(x)),
    "functional jvp": lambda t, x, w: t.autograd.functional.jvp(cube, x, t.ones_like(x)),
    "hvp": lambda t, x, w: t.autograd.functional.hvp(lambda a: loss(a, w), x, t.ones_like(x)),
    "vhp": lambda t, x, w: t.autograd.functional.vhp(lambda a: loss(a, w), x, t.ones_like(x)),
}


def flat(value: Any) -> list[Any]:
    return [y for x in value for y in flat(x)] if isinstance(value, (tuple, list)) else [value]


@pytest.mark.parametrize("case", CASES)
def test_same_as_pytorch(case: str) -> None:
    mine, theirs = (
        flat(CASES[case](t, t.from_numpy(X.copy()), t.from_numpy(W.copy()))) for t in (lenetc, torch)
    )
    assert len(mine) == len(theirs)
    for found, expected in zip(mine, theirs, strict=True):
        assert found.requires_grad == expected.requires_grad
        np.testing.assert_allclose(found.detach().numpy(), expected.detach().numpy(), rtol=1e-7, atol=1e-12)
