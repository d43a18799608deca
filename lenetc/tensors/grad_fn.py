"""What is recorded for backward, and whether: the gradient modes, and PyTorch's view of the graph, `grad_fn`."""

from __future__ import annotations

import contextlib
import functools
import threading
import weakref
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from ir.errors import LenetcError
from ir.node import Node, topological
from lenetc.evaluation.cell import Context
from lenetc.evaluation.tracing import here

if TYPE_CHECKING:
    from lenetc.tensors.tensor import Tensor


class _Modes(threading.local):
    """Whether operations are recorded in this thread, and what its blocks of inference_mode said."""

    enabled = True

    def __init__(self) -> None:
        self.inference: list[bool] = []


_modes = _Modes()


def is_grad_enabled() -> bool:
    """Whether this thread records history now (torch.is_grad_enabled)."""
    return _modes.enabled


class set_grad_enabled(contextlib.ContextDecorator):
    """Set whether operations are recorded for backward: from now on, within a `with` block, or as a decorator."""

    def __init__(self, mode: bool) -> None:
        self.mode = mode
        self._before = is_grad_enabled()
        _modes.enabled = mode

    def __call__(self, function: Any) -> Any:
        _modes.enabled = self._before  # a decorator sets nothing by itself
        return super().__call__(function)

    def _recreate_cm(self) -> set_grad_enabled:  # one for each call of a decorated function
        return set_grad_enabled(self.mode)

    def __enter__(self) -> None:
        _modes.enabled = self.mode

    def __exit__(self, *_: object) -> None:
        _modes.enabled = self._before


class _GradMode(contextlib.ContextDecorator):
    """A block in which operations are recorded, or not."""

    mode: bool

    def __init__(self) -> None:
        self._before: list[bool] = []

    def __enter__(self) -> None:
        self._before.append(is_grad_enabled())
        _modes.enabled = self.mode

    def __exit__(self, *_: object) -> None:
        _modes.enabled = self._before.pop()


class no_grad(_GradMode):
    """Operations in the block are not recorded (torch.no_grad). Works as a decorator, with or without ()."""

    mode = False

    def __new__(cls, function: Callable[..., Any] | None = None) -> Any:
        return super().__new__(cls) if function is None else cls()(function)

    def __init__(self, function: Callable[..., Any] | None = None) -> None:
        super().__init__()


class enable_grad(_GradMode):
    """Operations in the block are recorded again, inside of no_grad (torch.enable_grad)."""

    mode = True


class inference_mode(_GradMode):
    """Operations in the block are not recorded (torch.inference_mode); with mode=False they are as outside. What is
    made in it is an ordinary tensor."""

    def __new__(cls, mode: Any = True) -> Any:
        return cls()(mode) if callable(mode) else super().__new__(cls)

    def __init__(self, mode: bool = True) -> None:
        super().__init__()
        self.is_inference = mode

    def _recreate_cm(self) -> inference_mode:
        return inference_mode(self.is_inference)

    def __enter__(self) -> None:
        self._before.append(is_grad_enabled())
        _modes.inference.append(self.is_inference)
        _modes.enabled = is_grad_enabled() and not self.is_inference

    def __exit__(self, *_: object) -> None:
        super().__exit__()
        _modes.inference.pop()


def is_inference_mode_enabled() -> bool:
    """Whether this is a block of inference_mode (torch.is_inference_mode_enabled)."""
    return any(_modes.inference[-1:])


# By the node of what was computed: the operation that was recorded last.
_recorded: weakref.WeakKeyDictionary[Node, weakref.ref[GradFn]] = weakref.WeakKeyDictionary()


def is_recorded(node: Node) -> bool:
    """Whether there is an operation with this node, which the history of some tensor may hold."""
    found = _recorded.get(node)
    return found is not None and found() is not None


class GradFn:
    """One recorded operation, as PyTorch shows it: a view of the IR node that it made.

    next_functions: for each operand that could have a gradient, (its GradFn or None, which of its results).
    """

    __slots__ = (
        *(
            "__weakref__",
            "_leaves",
            "freed",
            "hooks",
            "next_functions",
            "node",
            "retained",
            "saves",
            "together",
            "trace",
            "variable",
        ),
    )

    def __init__(
        self,
        node: Node,
        operands: Sequence[GradFn | None],
        leaves: Sequence[tuple[Tensor, Node]],
        saves: bool,
    ) -> None:
        self.node = node
        self.trace = Context.trace  # that recorded it, if one did
        self.next_functions = tuple((fn, 0) for fn in operands)
        self._leaves = tuple(leaves)  # leaf tensors among the operands, each with the node it had then
        self.saves = saves
        self.freed = False
        self.retained: weakref.ref[Tensor] | None = None
        self.variable: Tensor | None = None
        self.hooks: dict[int, Callable[[Tensor], Any]] | None = None
        # Of what came out of a compiled function: its formula inside, and those of all that came out of that call.
        self.together: tuple[Node, list[Node]] | None = None

    def require_last(self, what: str) -> None:
        """Raise LenetcError where others that came out of the same call of a compiled function are computed from this
        result inside: outside they are not, so that their gradients would not pass it."""
        if self.together is None:
            return
        own, every = self.together
        if own in topological((), [node for node in every if node is not own]):
            raise LenetcError(
                f"{what}: this tensor came out of a compiled function together with others that are computed from it "
                "there; outside they are not, and their gradients do not pass it. Do it inside of the function, or "
                "compile what comes after this tensor by itself"
            ).at(here())

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
            # For a trace, what came with a history from outside is a leaf as well.
            trace = Context.trace
            if fn is None or (
                trace is not None and operand._cell.trace is not trace and fn.trace is not trace
            ):
                # Gradients go on outside to what it was, whatever it has become by a change in place.
                was = trace is not None and fn is not None and operand._cell in trace.current
                leaves.append((operand, trace.captured[operand._cell] if trace and was else operand.node))
            edges.append(operand._accumulator() if fn is None else fn)
    made = grad_fn_class(name)(node, edges, leaves, saves)
    _recorded[node] = weakref.ref(made)
    return made
