"""User-written operations: PyTorch's `autograd.Function`, traced like any other operation."""

from __future__ import annotations

import functools
import itertools
import weakref
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import lenetc.tensors.tensor as t
from ir import ops
from ir.errors import DTypeError, LenetcError, ShapeError
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

    def save_for_backward(self, *tensors: Tensor) -> None:
        self.saved_tensors = tensors

    def mark_non_differentiable(self, *tensors: Tensor) -> None:
        """Outputs that get no gradient."""
        self.not_differentiable = tensors


_calls = itertools.count()


class Function:
    """Base of user-written operations: static `forward(ctx, *args)` and `backward(ctx, *grads)` over tensors.

    `MyFunction.apply(*args)` runs forward and records backward; both are traced like any other operation, so
    they compile and export (torch.autograd.Function).
    """

    @staticmethod
    def forward(ctx: Any, *args: Any, **kwargs: Any) -> Any:
        raise LenetcError("an autograd.Function needs a static method forward(ctx, *args)")

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
            returned = cls.forward(ctx, *args)
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
