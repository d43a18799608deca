"""Jacobians, Hessians and their products with vectors (torch.autograd.functional)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ir.errors import LenetcError, UnsupportedError
from lenetc.autograd import engine
from lenetc.evaluation.tracing import here
from lenetc.func.derivatives import fresh, jacobian_blocks
from lenetc.func.derivatives import jvp as _jvp
from lenetc.operations import creation
from lenetc.tensors.grad_fn import enable_grad
from lenetc.tensors.tensor import Tensor

Tensors = Tensor | tuple[Tensor, ...]


def _tuple(what: str, value: Any) -> tuple[Tensor, ...]:
    given = value if isinstance(value, tuple) else (value,)
    for x in given:
        if not isinstance(x, Tensor):
            raise LenetcError(f"{what} must be a tensor or a tuple of tensors, not a {type(x).__name__}").at(
                here()
            )
    return given


def _applied(function: Callable[..., Any], inputs: Any, create_graph: bool) -> tuple[list[Tensor], Any]:
    """Inputs to differentiate by, and the result. create_graph: whether gradients pass on to the given ones."""
    with enable_grad():
        given = [fresh(x if create_graph else x.detach()) for x in _tuple("inputs", inputs)]
        return given, function(*given)


def _shown(result: Any, create_graph: bool) -> Any:
    if create_graph:
        return result
    return tuple(y.detach() for y in result) if isinstance(result, tuple) else result.detach()


def _gradients(
    outputs: Sequence[Tensor], by: Sequence[Tensor], given: Any, keeps: bool, strict: bool
) -> tuple[Tensor, ...]:
    if strict and not all(y.requires_grad for y in outputs):
        raise LenetcError("strict=True: an output does not depend on the inputs").at(here())
    if not any(y.requires_grad for y in outputs):
        return tuple(creation.zeros_like(x) for x in by)
    found = engine.grad(
        list(outputs), list(by), given, retain_graph=True, create_graph=keeps, allow_unused=not strict
    )
    return tuple(creation.zeros_like(x) if g is None else g for x, g in zip(by, found, strict=True))


def jacobian(
    func: Callable[..., Any],
    inputs: Any,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    strategy: str = "reverse-mode",
) -> Any:
    """The Jacobian [*Y, *X] of func at the inputs (torch.autograd.functional.jacobian): for several outputs a tuple,
    for several inputs a tuple in it. vectorize and strategy change nothing of it."""
    given, result = _applied(func, inputs, create_graph)
    rows = []
    for y in _tuple("outputs", result):
        if strict and not y.requires_grad:
            raise LenetcError("strict=True: an output does not depend on the inputs").at(here())
        blocks = tuple(jacobian_blocks(y, given, create_graph))
        rows.append(blocks if isinstance(inputs, tuple) else blocks[0])
    return tuple(rows) if isinstance(result, tuple) else rows[0]


def hessian(
    func: Callable[..., Any],
    inputs: Any,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    outer_jacobian_strategy: str = "reverse-mode",
) -> Any:
    """The second derivatives [*X, *X] of a scalar func (torch.autograd.functional.hessian): for several inputs a tuple
    of tuples."""
    several = isinstance(inputs, tuple)

    def slopes(*xs: Tensor) -> Any:
        by = [fresh(x) for x in xs]
        y = func(*by)
        if not isinstance(y, Tensor) or y.numel() != 1:
            raise LenetcError("hessian: the function must return a scalar tensor").at(here())
        found = _gradients([y], by, None, True, strict)
        return found if several else found[0]

    return jacobian(slopes, inputs, create_graph, strict)


def vjp(
    func: Callable[..., Any], inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple[Any, Any]:
    """(outputs, v times the Jacobian) (torch.autograd.functional.vjp). v may be left out for a scalar output."""
    given, result = _applied(func, inputs, create_graph)
    outputs = _tuple("outputs", result)
    if v is None and (len(outputs) > 1 or outputs[0].numel() != 1):
        raise LenetcError(
            "The vector v can only be None if the user-provided function returns a single Tensor with a "
            "single element."
        ).at(here())
    found = _gradients(outputs, given, None if v is None else list(_tuple("v", v)), create_graph, strict)
    return _shown(result, create_graph), found if isinstance(inputs, tuple) else found[0]


def jvp(
    func: Callable[..., Any], inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple[Any, Any]:
    """(outputs, the Jacobian times v) (torch.autograd.functional.jvp). v may be left out for a scalar input."""
    if strict:
        raise UnsupportedError("jvp: strict=True is not supported; look for zeros in the result")
    given = _tuple("inputs", inputs)
    if v is None:
        if len(given) > 1 or given[0].numel() != 1:
            raise LenetcError(
                "The vector v can only be None if the input to the user-provided function is a single "
                "Tensor with a single element."
            ).at(here())
        v = creation.ones_like(given[0])
    kept = given if create_graph else tuple(x.detach() for x in given)
    result, derivative = _jvp(func, kept, _tuple("v", v))
    return result, derivative


def vhp(
    func: Callable[..., Any], inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple[Any, Any]:
    """(value, v times the Hessian) of a scalar func (torch.autograd.functional.vhp)."""
    several = isinstance(inputs, tuple)
    values: list[Tensor] = []

    def slopes(*xs: Tensor) -> Any:
        by = [fresh(x) for x in xs]
        value = func(*by)
        values.append(value)
        found = _gradients([value], by, None, True, strict)
        return found if several else found[0]

    if v is None:
        v = creation.ones_like(_tuple("inputs", inputs)[0])
    _, product = vjp(slopes, inputs, v, create_graph, strict)
    return _shown(values[0], create_graph), product


hvp = vhp  # second derivatives are symmetric
