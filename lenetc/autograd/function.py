"""User-written operations: PyTorch's `autograd.Function`, traced like any other operation."""

from __future__ import annotations

import functools
import itertools
import weakref
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import lenetc.tensors.tensor as t
from ir import ops
from ir.errors import DTypeError, LenetcError, ShapeError, UnsupportedError
from ir.node import Node, Where, building_at
from lenetc.evaluation.tracing import here, where_now
from lenetc.tensors.grad_fn import is_grad_enabled, record, set_grad_enabled
from passes.autodiff.registry import CUSTOM

if TYPE_CHECKING:
    from lenetc.tensors.tensor import Tensor


class FunctionContext:
    """What forward leaves for backward (`ctx` in torch.autograd.Function)."""

    def __init__(self) -> None:
        self.saved_tensors: tuple[Tensor, ...] = ()
        self.needs_input_grad: tuple[bool, ...] = ()
        self.not_differentiable: tuple[Tensor, ...] = ()
        self.materialize_grads = True

    def save_for_backward(self, *tensors: Tensor) -> None:
        self.saved_tensors = tensors

    def save_for_forward(self, *tensors: Tensor) -> None:
        """Asks for nothing: derivatives in forward mode are made of those in reverse mode."""

    def mark_non_differentiable(self, *tensors: Tensor) -> None:
        """Outputs that get no gradient."""
        self.not_differentiable = tensors

    def set_materialize_grads(self, value: bool) -> None:
        """Whether backward gets zeros, rather than None, for outputs without a gradient."""
        self.materialize_grads = bool(value)

    def mark_dirty(self, *tensors: Tensor) -> None:
        """Raises UnsupportedError: forward cannot change its arguments and be differentiated."""
        raise UnsupportedError(
            "mark_dirty: an autograd.Function that changes its arguments in place is not supported; return a new tensor"
        ).at(here())


FunctionCtx = FunctionContext


_calls = itertools.count()


class Function:
    """Base of user-written operations: static `forward(ctx, *args)` and `backward(ctx, *grads)` over tensors.

    `MyFunction.apply(*args)` runs forward and records backward; both are traced like any other operation, so
    they compile and export (torch.autograd.Function). Where there is `setup_context(ctx, inputs, output)`, forward has
    no ctx, and that is called after it.
    """

    @staticmethod
    def forward(ctx: Any, *args: Any, **kwargs: Any) -> Any:
        raise LenetcError("an autograd.Function needs a static method forward(ctx, *args)")

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> Any:
        raise LenetcError("an autograd.Function whose forward has no ctx needs setup_context")

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any) -> Any:
        raise LenetcError("an autograd.Function needs a static method backward(ctx, *grad_outputs)")

    @classmethod
    def apply(cls, *args: Any) -> Any:
        """Run the operation. Returns what forward returns: a tensor or a tuple of tensors."""
        for part in ("forward", "backward"):
            if getattr(cls, part) is getattr(Function, part):
                raise LenetcError(f"{cls.__name__} lacks a static method {part}(ctx, ...)").at(here())
        ctx = FunctionContext()
        tensors = [arg for arg in args if isinstance(arg, t.Tensor)]
        ctx.needs_input_grad = tuple(isinstance(arg, t.Tensor) and arg.requires_grad for arg in args)
        with set_grad_enabled(False):
            if cls.setup_context is Function.setup_context:
                returned = cls.forward(ctx, *args)
            else:
                returned = cls.forward(*args)
                cls.setup_context(ctx, args, returned)
        outputs = returned if isinstance(returned, tuple) else (returned,)
        if not (is_grad_enabled() and any(ctx.needs_input_grad)):
            return returned
        results = []
        for index, output in enumerate(outputs):
            if (
                not isinstance(output, t.Tensor)
                or any(output is other for other in ctx.not_differentiable)
                or not output.dtype.is_float
            ):
                results.append(output)
                continue
            key = f"{cls.__name__}_{next(_calls)}"
            where = where_now()
            CUSTOM[key] = functools.partial(_custom_backward, cls, ctx, args, outputs, index, where)
            with building_at(where):
                node = ops.custom(output.node, *(tensor.node for tensor in tensors), backward=key)
            weakref.finalize(node, CUSTOM.pop, key, None)
            result = t.Tensor._from_node(node)
            result._set_grad_fn(record(f"{cls.__name__}Backward", node, tensors))
            results.append(result)
        return tuple(results) if isinstance(returned, tuple) else results[0]


def _custom_backward(
    cls: type[Function],
    ctx: FunctionContext,
    args: Sequence[Any],
    outputs: Sequence[Any],
    index: int,
    where: Where,
    g: Node,
) -> list[Node | None]:
    """Gradients for the tensors among `args`, given that of output number `index` (the others get zeros)."""
    received = [
        t.Tensor._from_node(g)
        if i == index
        else t.Tensor._from_node(ops.broadcast_to(ops.scalar(0, o.dtype), shape=o.node.shape))
        if ctx.materialize_grads and isinstance(o, t.Tensor)
        else None
        for i, o in enumerate(outputs)
    ]
    returned = cls.backward(ctx, *received)
    returned = returned if isinstance(returned, tuple) else (returned,)
    if len(returned) != len(args):
        raise LenetcError(
            f"{cls.__name__}.backward returned {len(returned)} gradients, but forward took {len(args)} arguments; "
            "return one for each (None for those without)"
        ).at(str(where))
    result: list[Node | None] = []
    for arg, gradient in zip(args, returned, strict=True):
        if not isinstance(arg, t.Tensor):
            continue
        if gradient is not None and not isinstance(gradient, t.Tensor):
            raise DTypeError(
                f"{cls.__name__}.backward returned a {type(gradient).__name__} for an argument {arg.type_text()}; "
                "gradients are tensors, or None"
            ).at(str(where))
        if gradient is not None and gradient.shape != arg.shape:
            raise ShapeError(
                f"{cls.__name__}.backward returned a gradient of shape {list(gradient.shape)} for an "
                f"argument of shape {list(arg.shape)}"
            ).at(str(where))
        # As in PyTorch, a gradient of another dtype is cast: that of an argument that forward has cast.
        result.append(None if gradient is None or not arg.requires_grad else gradient.to(arg.dtype).node)
    return result


def once_differentiable(fn: Callable[..., Any]) -> Callable[..., Any]:
    """A decorator of a `backward` that cannot be differentiated itself: who tries gets LenetcError
    (torch.autograd.function.once_differentiable)."""

    @functools.wraps(fn)
    def backward(ctx: Any, *grads: Any) -> Any:
        with set_grad_enabled(False):
            returned = fn(ctx, *grads)
        origins = [x.node for x in (*grads, *ctx.saved_tensors) if isinstance(x, t.Tensor)]
        if isinstance(returned, tuple):
            return tuple(_ended(x, origins) for x in returned)
        return _ended(returned, origins)

    return backward


def _ended(gradient: Any, origins: Sequence[Node]) -> Any:
    """`gradient`, a function of `origins` that raises where it is differentiated."""
    if not isinstance(gradient, t.Tensor):
        return gradient
    key = f"once_differentiable_{next(_calls)}"
    place = here()

    def refuse(g: Node) -> list[Node | None]:
        raise LenetcError(
            "trying to differentiate twice a function that was marked with @once_differentiable"
        ).at(place)

    CUSTOM[key] = refuse
    node = ops.custom(gradient.node, *origins, backward=key)
    weakref.finalize(node, CUSTOM.pop, key, None)
    return t.Tensor._from_node(node)
