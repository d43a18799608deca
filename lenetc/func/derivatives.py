"""Derivatives of functions as functions (torch.func): they go into one another to any depth.

All are made of the gradient of a traced function, which is symbolic: `jvp` is the gradient of a vjp, and `vmap` runs
the function for each element, so that its program grows with their number.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from ir import ops
from ir.errors import DTypeError, LenetcError, ShapeError
from lenetc.autograd import engine
from lenetc.evaluation.cell import fresh_uid
from lenetc.evaluation.tracing import here
from lenetc.func.trees import filled, leaves, mapped, tensors
from lenetc.operations import creation, shaping
from lenetc.tensors.grad_fn import enable_grad, record
from lenetc.tensors.tensor import Tensor


def fresh(x: Any) -> Any:
    """x as a tensor to differentiate by, which gradients pass on to x if it requires them."""
    if not isinstance(x, Tensor):
        return x
    if not x.dtype.is_float:
        raise DTypeError(
            f"only tensors of floating point dtype can be differentiated by, not {x.type_text()}"
        ).at(here())
    made = Tensor._from_node(ops.alias(x.node, uid=fresh_uid()))
    if x.requires_grad:
        made._set_grad_fn(record("AliasBackward0", made.node, [x]))
        return made
    return made.requires_grad_()


def _numbers(argnums: int | Sequence[int], count: int) -> tuple[int, ...]:
    chosen = (argnums,) if isinstance(argnums, int) else tuple(argnums)
    for number in chosen:
        if not -count <= number < count:
            raise LenetcError(f"argnums={argnums!r}, but the function got {count} arguments").at(here())
    return tuple(number % count for number in chosen)


def _called(
    function: Callable[..., Any],
    argnums: int | Sequence[int],
    has_aux: bool,
    args: Sequence[Any],
    kwargs: dict[str, Any],
) -> tuple[Any, Any, tuple[int, ...], list[Tensor], bool]:
    """What the function gives, and beside it; the numbers of the arguments to differentiate by, their tensors as the
    function got them, and whether gradients go on to the caller's."""
    numbers = _numbers(argnums, len(args))
    nested = _is_nested((args, kwargs))
    with enable_grad():
        given = [mapped(fresh, arg) if i in numbers else arg for i, arg in enumerate(args)]
        result = function(*given, **kwargs)
    result, aux = result if has_aux else (result, None)
    return result, aux, numbers, tensors([given[i] for i in numbers]), nested


def _gradients(
    outputs: Sequence[Tensor], by: Sequence[Tensor], given: Sequence[Tensor | None], keeps: bool
) -> list[Tensor]:
    """Gradients, zeros where there is none. keeps: whether they are differentiated again."""
    of = [(y, g) for y, g in zip(outputs, given, strict=True) if y.requires_grad]
    if not of:
        return [creation.zeros_like(x) for x in by]
    found = engine.grad(
        [y for y, _ in of],
        list(by),
        [g for _, g in of],
        retain_graph=True,
        create_graph=keeps,
        allow_unused=True,
    )
    return [creation.zeros_like(x) if g is None else g for x, g in zip(by, found, strict=True)]


def _is_nested(args: Any) -> bool:
    return any(x.requires_grad for x in tensors(args))


def _plain(tree: Any) -> Any:
    return mapped(lambda x: x.detach() if isinstance(x, Tensor) else x, tree)


def grad_and_value(
    function: Callable[..., Any], argnums: int | Sequence[int] = 0, has_aux: bool = False
) -> Callable[..., Any]:
    """A function that gives (gradient, value) of a scalar `function` (torch.func.grad_and_value).

    argnums: by which arguments, each a tensor or a structure of tensors; several give a tuple. has_aux: the function
    gives (value, anything), and then so does this for the value. Raises LenetcError where the value is no scalar.
    """

    def differentiated(*args: Any, **kwargs: Any) -> Any:
        value, aux, numbers, by, nested = _called(function, argnums, has_aux, args, kwargs)
        if not isinstance(value, Tensor) or value.numel() != 1 or value.ndim:
            shown = value.type_text() if isinstance(value, Tensor) else type(value).__name__
            raise LenetcError(f"grad: the function must return a scalar tensor, not {shown}").at(here())
        found = iter(_gradients([value], by, [None], nested))
        slopes = tuple(filled(args[i], found) for i in numbers)
        gradient = slopes[0] if isinstance(argnums, int) else slopes
        if not nested:
            value, aux = _plain(value), _plain(aux)
        return (gradient, (value, aux)) if has_aux else (gradient, value)

    return differentiated


def grad(
    function: Callable[..., Any], argnums: int | Sequence[int] = 0, has_aux: bool = False
) -> Callable[..., Any]:
    """A function that gives the gradient of a scalar `function` (torch.func.grad); see grad_and_value."""
    both = grad_and_value(function, argnums, has_aux)

    def differentiated(*args: Any, **kwargs: Any) -> Any:
        gradient, value = both(*args, **kwargs)
        return (gradient, value[1]) if has_aux else gradient

    return differentiated


def vjp(function: Callable[..., Any], *primals: Any, has_aux: bool = False) -> Any:
    """(function(*primals), a function from cotangents of the result to those of the primals) (torch.func.vjp)."""
    nested = _is_nested(primals)
    with enable_grad():
        given = [mapped(fresh, primal) for primal in primals]
        result = function(*given)
    result, aux = result if has_aux else (result, None)
    by, outputs = tensors(given), tensors(result)

    def back(cotangents: Any, retain_graph: bool = True, create_graph: bool | None = None) -> Any:
        ys = tensors(cotangents)
        if len(ys) != len(outputs):
            raise LenetcError(f"vjp: {len(ys)} cotangents for {len(outputs)} results").at(here())
        found = iter(_gradients(outputs, by, ys, nested or _is_nested(cotangents)))
        slopes = tuple(filled(primal, found) for primal in primals)
        return slopes

    shown = result if nested else _plain(result)
    return (shown, back, aux) if has_aux else (shown, back)


def jvp(
    function: Callable[..., Any], primals: Any, tangents: Any, *, strict: bool = False, has_aux: bool = False
) -> Any:
    """(function(*primals), its derivative along the tangents) (torch.func.jvp).

    primals, tangents: tuples of equal structure. Raises ShapeError where a tangent has another shape.
    """
    for x, v in zip(tensors(primals), tensors(tangents), strict=True):
        if x.shape != v.shape:
            raise ShapeError(f"jvp: a primal is {x.type_text()}, its tangent {v.type_text()}").at(here())
    nested = _is_nested((primals, tangents))
    with enable_grad():
        given = [mapped(fresh, primal) for primal in primals]
        result = function(*given)
        result, aux = result if has_aux else (result, None)
        outputs, by = tensors(result), tensors(given)
        cotangents = [fresh(creation.zeros_like(y.detach())) for y in outputs]
        # The vjp is linear in its cotangents: its gradient by them is the derivative forward.
        slopes = _gradients(outputs, by, cotangents, True)
        found = iter(_gradients(slopes, cotangents, tensors(tangents), nested))
    derivative = filled(result, found)
    shown = result if nested else _plain(result)
    return (shown, derivative, aux) if has_aux else (shown, derivative)


def jacrev(
    function: Callable[..., Any],
    argnums: int | Sequence[int] = 0,
    *,
    has_aux: bool = False,
    chunk_size: Any = None,
) -> Callable[..., Any]:
    """A function that gives the Jacobian of `function` (torch.func.jacrev): for a result [*Y] and an argument [*X] a
    tensor [*Y, *X], in the structure of the result and in that of the argument."""

    def differentiated(*args: Any, **kwargs: Any) -> Any:
        result, aux, numbers, by, nested = _called(function, argnums, has_aux, args, kwargs)

        def rows(y: Tensor) -> Any:
            blocks = iter(jacobian_blocks(y, by, nested))
            parts = tuple(filled(args[i], blocks) for i in numbers)
            return parts[0] if isinstance(argnums, int) else parts

        jacobian = mapped(rows, result)
        return (jacobian, aux if nested else _plain(aux)) if has_aux else jacobian

    return differentiated


def jacobian_blocks(y: Tensor, by: Sequence[Tensor], keeps: bool) -> list[Tensor]:
    """For each x of `by` the Jacobian [*y.shape, *x.shape], a gradient for each element of y."""
    flat = shaping.reshape(y, (-1,))
    rows = [_gradients([flat[i]], by, [None], keeps) for i in range(int(flat.numel()))]
    return [
        shaping.reshape(shaping.stack([row[k] for row in rows]), (*y.shape, *x.shape))
        if rows
        else creation.zeros((*y.shape, *x.shape), dtype=x.dtype)
        for k, x in enumerate(by)
    ]


jacfwd = jacrev


def hessian(function: Callable[..., Any], argnums: int | Sequence[int] = 0) -> Callable[..., Any]:
    """A function that gives the matrix of second derivatives (torch.func.hessian)."""
    return jacfwd(jacrev(function, argnums), argnums)


def vmap(
    function: Callable[..., Any],
    in_dims: Any = 0,
    out_dims: Any = 0,
    randomness: str = "error",
    *,
    chunk_size: int | None = None,
) -> Callable[..., Any]:
    """`function` for each element along an axis of its arguments, the results stacked (torch.func.vmap).

    in_dims: the axis of each argument, None for one that is the same for all; for a structure of tensors one number
    or a structure. out_dims: where the axis stands in the results. The function is run for each element, so that a
    size must be known. Raises ShapeError where sizes differ.
    """

    def mapped_over(*args: Any, **kwargs: Any) -> Any:
        axes = in_dims if isinstance(in_dims, (tuple, list)) else (in_dims,) * len(args)
        if len(axes) != len(args):
            raise LenetcError(
                f"vmap: in_dims has {len(axes)} entries, but there are {len(args)} arguments"
            ).at(here())
        spread = [_spread(arg, axis) for arg, axis in zip(args, axes, strict=True)]
        sizes = {len(parts) for parts in spread if parts is not None} | {
            int(x.shape[0]) for x in tensors(kwargs) if x.ndim
        }
        if len(sizes) != 1:
            raise ShapeError(f"vmap: the mapped axes have the sizes {sorted(sizes)}; they must be one").at(
                here()
            )
        results = [
            function(
                *(arg if parts is None else parts[i] for arg, parts in zip(args, spread, strict=True)),
                **mapped(functools.partial(_element, i), kwargs),
            )
            for i in range(sizes.pop())
        ]
        stacked = [
            shaping.stack([leaves(result)[k] for result in results], axis)
            for k, axis in enumerate(_axes_of(out_dims, results[0]))
        ]
        return filled(results[0], iter(stacked))

    return mapped_over


def _element(i: int, x: Any) -> Any:
    return x[i] if isinstance(x, Tensor) and x.ndim else x


def _spread(arg: Any, axis: Any) -> list[Any] | None:
    """The argument for each element, None where it is the same for all."""
    if isinstance(arg, Tensor) and isinstance(axis, int):
        before = (slice(None),) * (axis % arg.ndim)
        return [arg[(*before, i)] for i in range(int(arg.shape[axis]))]
    if axis is None or not tensors(arg):
        return None
    axes = leaves(axis) if not isinstance(axis, int) else [axis] * len(leaves(arg))
    parts = [_spread(leaf, a) for leaf, a in zip(leaves(arg), axes, strict=True)]
    sizes = {len(part) for part in parts if part is not None}
    if len(sizes) > 1:
        raise ShapeError(f"vmap: the mapped axes have the sizes {sorted(sizes)}; they must be one").at(here())
    whole = leaves(arg)
    return [
        _rebuilt(arg, [leaf if part is None else part[i] for leaf, part in zip(whole, parts, strict=True)])
        for i in range(sizes.pop())
    ]


def _rebuilt(tree: Any, values: list[Any]) -> Any:
    left = iter(values)
    return mapped(lambda _: next(left), tree)


def _axes_of(out_dims: Any, result: Any) -> list[int]:
    count = len(leaves(result))
    return [out_dims] * count if isinstance(out_dims, int) else leaves(out_dims)
