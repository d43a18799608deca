"""Gradients against differences (torch.autograd.gradcheck)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ir.errors import LenetcError
from ir.types import Array, f64
from lenetc.autograd import engine
from lenetc.evaluation.tracing import here
from lenetc.operations import creation
from lenetc.tensors.grad_fn import enable_grad
from lenetc.tensors.tensor import Tensor


class GradcheckError(LenetcError):
    """A gradient differs from the differences of its function."""


def gradcheck(
    func: Callable[..., Any],
    inputs: Any,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
    check_undefined_grad: bool = True,
    check_grad_dtypes: bool = False,
    check_batched_grad: bool = False,
    check_batched_forward_grad: bool = False,
    check_forward_ad: bool = False,
    check_backward_ad: bool = True,
    fast_mode: bool = False,
    masked: bool | None = None,
) -> bool:
    """Whether the gradients of func are its central differences over 2 eps (torch.autograd.gradcheck).

    inputs: a tensor or a tuple; those that require grad are checked, and should be f64. Each element of each output is
    compared by each element of each input, to atol + rtol * |difference|. The remaining options change nothing. Raises
    GradcheckError where they differ (False instead with raise_exception=False), LenetcError where nothing requires
    grad.
    """
    given = inputs if isinstance(inputs, tuple) else (inputs,)
    checked = [i for i, x in enumerate(given) if isinstance(x, Tensor) and x.requires_grad]
    if not checked:
        raise LenetcError(
            "gradcheck expects at least one input tensor to require gradient, but none of them have requires_grad=True"
        ).at(here())
    with enable_grad():
        outputs = [y for y in _tuple(func(*given)) if isinstance(y, Tensor) and y.requires_grad]
    for k, y in enumerate(outputs):
        for i in checked:
            slopes = _symbolic(y, given[i])
            differences = _numerical(func, given, i, k, eps)
            wrong = ~np.isclose(slopes, differences, rtol=rtol, atol=atol, equal_nan=True)
            if wrong.any():
                if not raise_exception:
                    return False
                at = tuple(int(n) for n in np.argwhere(wrong)[0])
                raise GradcheckError(
                    f"Jacobian mismatch for output {k} with respect to input {i}, at input element {at[0]} and output "
                    f"element {at[1]}: numerical {differences[at]}, analytical {slopes[at]}"
                ).at(here())
    return True


def gradgradcheck(
    func: Callable[..., Any],
    inputs: Any,
    grad_outputs: Any = None,
    *,
    gen_non_contig_grad_outputs: bool = False,
    **how: Any,
) -> bool:
    """gradcheck of the gradients of func, and of what flows into them (torch.autograd.gradgradcheck)."""
    given = inputs if isinstance(inputs, tuple) else (inputs,)
    by = [i for i, x in enumerate(given) if isinstance(x, Tensor) and x.requires_grad]
    if grad_outputs is None:
        drawn = np.random.default_rng(0)
        ys = [y for y in _tuple(func(*given)) if isinstance(y, Tensor) and y.requires_grad]
        grad_outputs = tuple(
            creation.from_numpy(drawn.standard_normal(tuple(y.shape)).astype(y.dtype.numpy)).requires_grad_()
            for y in ys
        )
    flowing = _tuple(grad_outputs)

    def slopes(*args: Any) -> Any:
        xs, gs = args[: len(given)], args[len(given) :]
        ys = [y for y in _tuple(func(*xs)) if isinstance(y, Tensor) and y.requires_grad]
        found = engine.grad(ys, [xs[i] for i in by], list(gs), create_graph=True, allow_unused=True)
        return tuple(g for g in found if g is not None and g.requires_grad)

    return gradcheck(slopes, (*given, *flowing), **how)


def _tuple(value: Any) -> tuple[Any, ...]:
    return tuple(value) if isinstance(value, (tuple, list)) else (value,)


def _symbolic(y: Tensor, x: Tensor) -> Array:
    """[elements of x, elements of y]"""
    columns = []
    for j in range(int(y.numel())):
        unit = np.zeros(int(y.numel()), y.dtype.numpy)
        unit[j] = 1
        flowing = creation.from_numpy(unit.reshape(tuple(y.shape)))
        (g,) = engine.grad([y], [x], [flowing], retain_graph=True, allow_unused=True)
        columns.append(np.zeros(int(x.numel())) if g is None else g.detach().numpy().reshape(-1))
    return np.stack(columns, 1) if columns else np.zeros((int(x.numel()), 0))


def _numerical(func: Callable[..., Any], given: Sequence[Any], i: int, k: int, eps: float) -> Array:
    start = given[i].detach().numpy()

    def output(values: Array) -> Array:
        moved = [*given]
        moved[i] = creation.from_numpy(values).requires_grad_()
        with enable_grad():
            found = [y for y in _tuple(func(*moved)) if isinstance(y, Tensor) and y.requires_grad][k]
        return np.asarray(found.detach().numpy(), f64.numpy).reshape(-1)

    rows = []
    for position in np.ndindex(start.shape):
        sides = []
        for step in (eps, -eps):
            values = start.copy()
            values[position] += step
            sides.append(output(values))
        rows.append((sides[0] - sides[1]) / (2 * eps))
    return np.stack(rows) if rows else np.zeros((0, 0))
