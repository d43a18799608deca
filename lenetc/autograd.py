"""Backward from tensors: which leaves a loss reaches, what `.grad` becomes, and PyTorch's view of the graph.

The gradients themselves are IR nodes from `passes.autodiff`; here is only the bookkeeping that PyTorch users see:
`grad_fn`, accumulation, `retain_graph`, `no_grad`, `autograd.Function`.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import weakref
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from ir import ops
from ir.errors import DTypeError, LenetcError, ShapeError
from ir.node import Node, Where, building_at
from lenetc.anomaly import AnomalyError as AnomalyError
from lenetc.anomaly import detect_anomaly as detect_anomaly
from lenetc.anomaly import set_detect_anomaly as set_detect_anomaly
from lenetc.tracing import here, phase, where_now
from passes.autodiff import CUSTOM, gradients

if TYPE_CHECKING:
    from lenetc.tensor import Tensor

_enabled = [True]


def is_grad_enabled() -> bool:
    return _enabled[-1]


class set_grad_enabled(contextlib.ContextDecorator):
    """Context manager or decorator: whether operations are recorded for backward."""

    def __init__(self, mode: bool) -> None:
        self.mode = mode

    def __enter__(self) -> None:
        _enabled.append(self.mode)

    def __exit__(self, *_: object) -> None:
        _enabled.pop()


class no_grad(set_grad_enabled):
    """Operations in the block are not recorded (torch.no_grad). Works as a decorator, with or without ()."""

    def __new__(cls, function: Callable[..., Any] | None = None) -> Any:
        return super().__new__(cls) if function is None else cls()(function)

    def __init__(self, function: Callable[..., Any] | None = None) -> None:
        super().__init__(False)


class enable_grad(set_grad_enabled):
    """Operations in the block are recorded again, inside of no_grad (torch.enable_grad)."""

    def __init__(self) -> None:
        super().__init__(True)


class GradFn:
    """One recorded operation, as PyTorch shows it: a view of the IR node that it made.

    next_functions: for each operand that could have a gradient, (its GradFn or None, which of its results).
    """

    __slots__ = ("__weakref__", "_leaves", "freed", "next_functions", "node", "retained", "saves", "variable")

    def __init__(
        self,
        node: Node,
        operands: Sequence[GradFn | None],
        leaves: Sequence[tuple[Tensor, Node]],
        saves: bool,
    ) -> None:
        self.node = node
        self.next_functions = tuple((fn, 0) for fn in operands)
        self._leaves = tuple(leaves)  # leaf tensors among the operands, each with the node it had then
        self.saves = saves
        self.freed = False
        self.retained: weakref.ref[Tensor] | None = None
        self.variable: Tensor | None = None

    def name(self) -> str:
        """PyTorch's name of the node, e.g. "AddmmBackward0"."""
        return type(self).__name__

    def __repr__(self) -> str:
        return f"<{self.name()} object at {id(self):#x}>"


@functools.cache
def grad_fn_class(name: str) -> type[GradFn]:
    """The class that PyTorch names `name`, so that type(loss.grad_fn).__name__ reads as there."""
    return type(name, (GradFn,), {"__slots__": (), "__module__": "lenetc.autograd"})


class AccumulateGrad(GradFn):
    """The end of a path: adds what arrives to `variable.grad`."""

    __slots__ = ()

    def __init__(self, variable: Tensor) -> None:
        super().__init__(variable.node, (), (), saves=False)
        self.variable = variable

    def name(self) -> str:
        return "torch::autograd::AccumulateGrad"

    def __repr__(self) -> str:
        return f"<AccumulateGrad object at {id(self):#x}>"


def record(name: str, node: Node, operands: Sequence[Tensor | GradFn | None], saves: bool = True) -> GradFn:
    """A GradFn called `name` for `node` computed from `operands` (None for operands without gradient)."""
    edges: list[GradFn | None] = []
    leaves: list[tuple[Tensor, Node]] = []
    for operand in operands:
        if operand is None or isinstance(operand, GradFn):
            edges.append(operand)
        elif not operand.requires_grad:
            edges.append(None)
        else:
            fn = operand.grad_fn
            if fn is None:
                fn = operand._accumulator()
                leaves.append((operand, operand.node))
            edges.append(fn)
    return grad_fn_class(name)(node, edges, leaves, saves)


def _reachable(roots: Sequence[GradFn]) -> list[GradFn]:
    seen: dict[GradFn, None] = {}
    stack = list(reversed(roots))
    while stack:
        fn = stack.pop()
        if fn not in seen:
            seen[fn] = None
            stack.extend(child for child, _ in reversed(fn.next_functions) if child is not None)
    return list(seen)


def _cotangents(outputs: Sequence[Tensor], given: Sequence[Tensor | None]) -> list[tuple[Node, Node]]:
    pairs = []
    for output, gradient in zip(outputs, given, strict=True):
        if not output.requires_grad:
            raise LenetcError(
                "element 0 of tensors does not require grad and does not have a grad_fn: nothing that it was computed "
                "from has requires_grad=True"
            ).at(here())
        if gradient is None:
            if output.numel() != 1:
                raise LenetcError(
                    f"grad can be implicitly created only for scalar outputs, but the output is {output.type_text()}; "
                    "call backward(gradient) with a gradient of the same shape"
                ).at(here())
            with phase("backward"), building_at(where_now()):
                one = ops.broadcast_to(ops.scalar(1, output.dtype), shape=output.node.shape)
            pairs.append((output.node, one))
        else:
            if gradient.shape != output.shape:
                raise ShapeError(
                    f"backward: the gradient has shape {list(gradient.shape)}, the output "
                    f"{list(output.shape)}; they must be equal"
                ).at(here())
            pairs.append((output.node, gradient.node))
    return pairs


def _check_not_freed(functions: Sequence[GradFn]) -> None:
    for fn in functions:
        if fn.freed:
            raise LenetcError(
                "Trying to backward through the graph a second time: what it had saved was freed by the first "
                f"backward() (first met at {fn.name()}). Call the first one with retain_graph=True"
            ).at(here())


def backward(
    tensors: Sequence[Tensor], grads: Sequence[Tensor | None], retain_graph: bool | None, create_graph: bool
) -> None:
    """Add the gradients of sum(tensor * grad) to `.grad` of every leaf that was reached (torch.autograd.backward)."""
    pairs = _cotangents(tensors, grads)
    roots = [
        fn
        for t in tensors
        if (fn := t.grad_fn or (t._accumulator() if t.requires_grad else None)) is not None
    ]
    functions = _reachable(roots)
    _check_not_freed(functions)
    targets: dict[Node, dict[Tensor, None]] = {}
    for fn in functions:
        for tensor, node in fn._leaves:
            targets.setdefault(node, {})[tensor] = None
        if fn.retained is not None and (kept := fn.retained()) is not None:
            targets.setdefault(fn.node, {})[kept] = None
    for tensor in tensors:
        if tensor.grad_fn is None:
            targets.setdefault(tensor.node, {})[tensor] = None
    with phase("backward"), building_at(where_now()):
        found = gradients(pairs, list(targets))
        for node, gradient in zip(list(targets), found, strict=True):
            for tensor in targets[node] if gradient is not None else ():
                assert gradient is not None
                _accumulate(tensor, gradient, create_graph, functions)
    if not (create_graph if retain_graph is None else retain_graph):
        for fn in functions:
            fn.freed = fn.saves


def _accumulate(tensor: Tensor, gradient: Node, create_graph: bool, functions: Sequence[GradFn]) -> None:
    with set_grad_enabled(False):
        if tensor.grad is None:
            tensor.grad = wrap_gradient(gradient, create_graph, functions)
        elif create_graph:
            tensor.grad = wrap_gradient(tensor.grad.node + gradient, True, functions)
        else:
            tensor.grad._cell.node = tensor.grad.node + gradient


def wrap_gradient(node: Node, create_graph: bool, functions: Sequence[GradFn]) -> Tensor:
    """A gradient as a tensor; with `create_graph` one that depends on the leaves as the graph does."""
    from lenetc.tensor import Tensor

    result = Tensor._from_node(node)
    if create_graph:
        leaves = list(dict.fromkeys(leaf for fn in functions for leaf in fn._leaves))
        edges = [tensor._accumulator() for tensor, _ in leaves]
        result._set_grad_fn(grad_fn_class("GradBackward0")(node, edges, leaves, saves=True))
    return result


def grad(
    outputs: Tensor | Sequence[Tensor],
    inputs: Tensor | Sequence[Tensor],
    grad_outputs: Tensor | Sequence[Tensor | None] | None = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    allow_unused: bool = False,
) -> tuple[Tensor | None, ...]:
    """Gradients of outputs with respect to inputs, without touching `.grad` (torch.autograd.grad).

    Raises LenetcError where an input is not used, unless allow_unused.
    """
    from lenetc.tensor import Tensor

    outputs = [outputs] if isinstance(outputs, Tensor) else list(outputs)
    inputs = [inputs] if isinstance(inputs, Tensor) else list(inputs)
    given = (
        [grad_outputs] if isinstance(grad_outputs, Tensor) else list(grad_outputs or [None] * len(outputs))
    )
    pairs = _cotangents(outputs, given)
    functions = _reachable([fn for t in outputs if (fn := t.grad_fn) is not None])
    _check_not_freed(functions)
    with phase("backward"), building_at(where_now()):
        found = gradients(pairs, [t.node for t in inputs])
    if not (create_graph if retain_graph is None else retain_graph):
        for fn in functions:
            fn.freed = fn.saves
    for i, gradient in enumerate(found):
        if gradient is None and not allow_unused:
            raise LenetcError(
                f"input {i} ({inputs[i].type_text()}) was not used to compute the outputs; pass allow_unused=True "
                "to get None"
            ).at(here())
    return tuple(None if g is None else wrap_gradient(g, create_graph, functions) for g in found)


# User-written operations.


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
        from lenetc.tensor import Tensor

        for part in ("forward", "backward"):
            if getattr(cls, part) is getattr(Function, part):
                raise LenetcError(f"{cls.__name__} lacks a static method {part}(ctx, ...)").at(here())
        ctx = FunctionContext()
        tensors = [arg for arg in args if isinstance(arg, Tensor)]
        ctx.needs_input_grad = tuple(isinstance(arg, Tensor) and arg.requires_grad for arg in args)
        with set_grad_enabled(False):
            returned = cls.forward(ctx, *args)
        outputs = returned if isinstance(returned, tuple) else (returned,)
        if not (is_grad_enabled() and any(ctx.needs_input_grad)):
            return returned
        results = []
        for index, output in enumerate(outputs):
            if (
                not isinstance(output, Tensor)
                or any(output is t for t in ctx.not_differentiable)
                or not output.dtype.is_float
            ):
                results.append(output)
                continue
            key = f"{cls.__name__}_{next(_calls)}"
            where = where_now()
            CUSTOM[key] = functools.partial(_custom_backward, cls, ctx, args, outputs, index, where)
            with building_at(where):
                node = ops.custom(output.node, *(t.node for t in tensors), backward=key)
            weakref.finalize(node, CUSTOM.pop, key, None)
            result = Tensor._from_node(node)
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
    from lenetc.tensor import Tensor

    received = [
        Tensor._from_node(g)
        if i == index
        else Tensor._from_node(ops.broadcast_to(ops.scalar(0, o.dtype), shape=o.node.shape))
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
        if not isinstance(arg, Tensor):
            continue
        if gradient is not None and not isinstance(gradient, Tensor):
            raise DTypeError(
                f"{cls.__name__}.backward returned a {type(gradient).__name__} for an argument {arg.type_text()}; "
                "gradients are tensors, or None"
            ).at(str(where))
        if gradient is not None and gradient.shape != arg.shape:
            raise ShapeError(
                f"{cls.__name__}.backward returned a gradient of shape {list(gradient.shape)} for an "
                f"argument of shape {list(arg.shape)}"
            ).at(str(where))
        result.append(None if gradient is None or not arg.requires_grad else gradient.node)
    return result
