"""The same computation in lenetc and in PyTorch, compared: values, gradients and grad_fn chains."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

import lenetc


def ours(array: Any) -> lenetc.Tensor:
    return lenetc.from_numpy(np.array(array))


def theirs(array: Any) -> torch.Tensor:
    return torch.from_numpy(np.array(array))


def chain(fn: Any) -> str:
    """A grad_fn and everything below it, by PyTorch's names."""
    if fn is None:
        return "None"
    return f"{fn.name()}({', '.join(chain(below) for below, _ in fn.next_functions)})"


def pair_of_leaves(arrays: Sequence[Any]) -> tuple[list[Any], list[Any]]:
    """Each array as a tensor of both; floating point ones require grad."""
    left, right = [ours(a) for a in arrays], [theirs(a) for a in arrays]
    for x, y in zip(left, right, strict=True):
        if y.is_floating_point():
            x.requires_grad_()
            y.requires_grad_()
    return left, right


def assert_equal(mine: Any, reference: torch.Tensor, what: str, rtol: float, atol: float) -> None:
    found, expected = mine.detach().numpy(), reference.detach().numpy()
    assert found.dtype == expected.dtype, f"{what}: {found.dtype} for {expected.dtype}"
    assert found.shape == expected.shape, f"{what}: {found.shape} for {expected.shape}"
    np.testing.assert_allclose(found, expected, rtol=rtol, atol=atol, err_msg=what)


def check(
    function: Callable[..., Any],
    reference: Callable[..., Any],
    *arrays: Any,
    parameters: tuple[Sequence[Any], Sequence[Any]] = ((), ()),
    chains: bool = True,
    rtol: float = 1e-5,
    atol: float = 1e-6,
) -> None:
    """Compare value, grad_fn chain, and the gradients for every floating point array and parameter."""
    left, right = pair_of_leaves(arrays)
    mine, expected = function(*left), reference(*right)
    weights = (
        np.random.default_rng(7)
        .standard_normal(tuple(expected.shape))
        .astype(expected.detach().numpy().dtype)
    )
    if chains:
        assert chain(mine.grad_fn) == chain(expected.grad_fn)
    assert_equal(mine, expected, "value", rtol, atol)
    if not expected.requires_grad:
        assert not mine.requires_grad
        return
    mine.backward(ours(weights))
    expected.backward(theirs(weights))
    for i, (x, y) in enumerate(zip([*left, *parameters[0]], [*right, *parameters[1]], strict=True)):
        if y.grad is None:
            assert x.grad is None, f"gradient {i} should be None"
        else:
            assert_equal(x.grad, y.grad, f"gradient {i}", rtol, atol)


def copy_state(module: Any, reference: Any) -> None:
    """Give a lenetc module the parameters and buffers of a PyTorch module."""
    module.load_state_dict({name: value.detach().numpy() for name, value in reference.state_dict().items()})


def check_modules(module: Any, reference: Any, *arrays: Any, **how: Any) -> None:
    """`check` of two modules with the same state, which must print and name their state alike."""
    assert repr(module) == repr(reference)
    mine = {name: tuple(value.shape) for name, value in module.state_dict().items()}
    assert mine == {name: tuple(value.shape) for name, value in reference.state_dict().items()}
    assert list(mine) == list(reference.state_dict())
    copy_state(module, reference)
    parameters = (list(module.parameters()), list(reference.parameters()))
    check(module, reference, *arrays, parameters=parameters, **how)
    for (name, buffer), expected in zip(module.named_buffers(), reference.buffers(), strict=True):
        assert_equal(buffer, expected, name, 1e-5, 1e-6)
