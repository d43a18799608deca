"""Functions that are called beside a module's forward and backward (torch.nn.Module.register_*_hook)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from ir.errors import LenetcError, UnsupportedError
from lenetc.autograd.function import Function
from lenetc.autograd.hooks import RemovableHandle
from lenetc.evaluation.tracing import here
from lenetc.evaluation.watched import Watched
from lenetc.operations import shaping
from lenetc.tensors.grad_fn import is_grad_enabled
from lenetc.tensors.tensor import Tensor

if TYPE_CHECKING:
    from lenetc.nn.modules.module import Module


class Hook(NamedTuple):
    """A function and how it is called: with keyword arguments too, and even where forward raises."""

    function: Callable[..., Any]
    with_kwargs: bool = False
    always_call: bool = False


def hook_table(kind: str) -> property:
    """A module's hooks of one kind by number, as an attribute with PyTorch's name: to be counted, cleared, replaced."""

    def get(module: Module) -> dict[int, Hook]:
        held: dict[int, Hook] = module.__dict__["_hooks"].setdefault(kind, Watched())
        return held

    def put(module: Module, hooks: Mapping[int, Any]) -> None:
        held = get(module)
        held.clear()
        held.update((i, hook if isinstance(hook, Hook) else Hook(hook)) for i, hook in hooks.items())

    return property(get, put)


Hooks = Mapping[str, Mapping[int, Hook]]
# Hooks of all modules, which run before a module's own.
everywhere: dict[str, Watched[int, Hook]] = {
    kind: Watched() for kind in ("forward_pre", "forward", "backward_pre", "backward")
}


def hooks_of(own: Hooks) -> Hooks:
    """A module's own hooks with those of all modules."""
    if not any(everywhere.values()):
        return own
    return {kind: {**everywhere.get(kind, {}), **own.get(kind, {})} for kind in {*everywhere, *own}}


def register_module_forward_pre_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """Call hook(module, args) before the forward of every module."""
    return RemovableHandle(everywhere["forward_pre"], Hook(hook))


def register_module_forward_hook(
    hook: Callable[..., Any], *, with_kwargs: bool = False, always_call: bool = False
) -> RemovableHandle:
    """Call hook(module, args, output) behind the forward of every module; see Module.register_forward_hook."""
    return RemovableHandle(everywhere["forward"], Hook(hook, with_kwargs, always_call))


def register_module_full_backward_pre_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """Call hook(module, grad_output) for every module; see Module.register_full_backward_pre_hook."""
    return RemovableHandle(everywhere["backward_pre"], Hook(hook))


def register_module_full_backward_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """Call hook(module, grad_input, grad_output) for every module; see Module.register_full_backward_hook."""
    return RemovableHandle(everywhere["backward"], Hook(hook))


def called(module: Module, hooks: Hooks, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """module.forward(*args, **kwargs) with the hooks before, behind and of backward."""
    waiting = dict(hooks.get("forward", {}))
    result = None
    try:
        for hook in tuple(hooks.get("forward_pre", {}).values()):
            args, kwargs = _before(module, hook, args, kwargs)
        backward = _Backward.of(module, hooks)
        if backward is not None:
            args = backward.through_inputs(args)
        result = module.forward(*args, **kwargs)
        for number, hook in hooks.get("forward", {}).items():
            del waiting[number]
            returned = _behind(module, hook, args, kwargs, result)
            result = result if returned is None else returned
        return result if backward is None else backward.through_outputs(result)
    except Exception:
        for hook in waiting.values():
            if hook.always_call:
                _behind(module, hook, args, kwargs, result)
        raise


def _before(
    module: Module, hook: Hook, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The arguments after a hook before forward."""
    if not hook.with_kwargs:
        returned = hook.function(module, args)
        if returned is None:
            return args, kwargs
        return returned if isinstance(returned, tuple) else (returned,), kwargs
    returned = hook.function(module, args, kwargs)
    if returned is None:
        return args, kwargs
    if not isinstance(returned, tuple) or len(returned) != 2:
        raise LenetcError(
            f"forward pre-hook must return None or a tuple of (new_args, new_kwargs), but got {returned}."
        ).at(here())
    return returned


def _behind(module: Module, hook: Hook, args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> Any:
    given = (args, kwargs, result) if hook.with_kwargs else (args, result)
    return hook.function(module, *given)


class _Backward:
    """The hooks of one call's backward. PyTorch's: they get the gradients of all inputs and of all outputs."""

    def __init__(self, module: Module, before: Sequence[Hook], behind: Sequence[Hook]) -> None:
        self.module, self.before, self.behind = module, before, behind
        self.inputs: tuple[Any, ...] = ()
        self.has_inputs = False
        self.received: tuple[Tensor | None, ...] | None = None

    @classmethod
    def of(cls, module: Module, hooks: Hooks) -> _Backward | None:
        before = tuple(hooks.get("backward_pre", {}).values())
        behind = tuple(hooks.get("backward", {}).values())
        return cls(module, before, behind) if (before or behind) and is_grad_enabled() else None

    def through_inputs(self, args: tuple[Any, ...]) -> tuple[Any, ...]:
        """The arguments, whose gradients the hooks see."""
        self.inputs = args
        places = [i for i, x in enumerate(args) if isinstance(x, Tensor) and x.requires_grad]
        self.has_inputs = bool(places) and bool(self.behind)
        if not self.has_inputs:
            return args
        return _with(
            args, places, _joined([args[i] for i in places], lambda found: self._behind(places, found))
        )

    def through_outputs(self, result: Any) -> Any:
        """The results, whose gradients the hooks see."""
        listed = result if isinstance(result, tuple) else (result,)
        places = [i for i, x in enumerate(listed) if isinstance(x, Tensor) and x.requires_grad]
        if not places:
            return result

        def pass_on(found: list[Tensor]) -> list[Tensor]:
            received: tuple[Any, ...] = _with((None,) * len(listed), places, found)
            for hook in self.before:
                received = _replaced("grad_output", received, hook.function(self.module, received))
            self.received = received
            if not self.has_inputs:
                for hook in self.behind:
                    hook.function(self.module, (None,) * len(self.inputs), received)
            return [received[i] for i in places]

        passed = _with(listed, places, _joined([listed[i] for i in places], pass_on))
        return passed if isinstance(result, tuple) else passed[0]

    def _behind(self, places: Sequence[int], found: list[Tensor]) -> list[Tensor]:
        if self.received is None:  # none of the results is a tensor, or in a tuple of them
            return found
        gradients: tuple[Any, ...] = _with((None,) * len(self.inputs), places, found)
        for hook in self.behind:
            returned = hook.function(self.module, gradients, self.received)
            gradients = _replaced("grad_input", gradients, returned)
        return [gradients[i] for i in places]


def _replaced(what: str, gradients: tuple[Any, ...], returned: Any) -> tuple[Any, ...]:
    """The gradients after a hook that has returned others, or None. Raises LenetcError for another number of them."""
    if returned is None:
        return gradients
    given = returned if isinstance(returned, tuple) else (returned,)
    if len(given) != len(gradients):
        raise LenetcError(
            f"Backward hook returned an invalid number of {what}, got {len(given)}, but expected {len(gradients)}"
        ).at(here())
    return given


def _with(values: Sequence[Any], places: Sequence[int], found: Sequence[Any]) -> tuple[Any, ...]:
    """`values` with those at `places` replaced."""
    replaced = dict(zip(places, found, strict=True))
    return tuple(replaced.get(i, value) for i, value in enumerate(values))


class _Passing(Function):
    """A tensor whose gradient is what `call` makes of it."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, call: Callable[[Tensor], Tensor]) -> Tensor:
        ctx.call = call
        return x

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Any:
        return ctx.call(gradient), None


def _joined(tensors: list[Tensor], call: Callable[[list[Tensor]], list[Tensor]]) -> list[Tensor]:
    """The tensors, whose gradients `call` gets and gives together: those of several are joined in one vector."""
    if len(tensors) == 1:
        return [_Passing.apply(tensors[0], lambda gradient: call([gradient])[0])]
    if len({x.dtype for x in tensors}) > 1:
        raise UnsupportedError(
            "a full backward hook of a module whose tensors have several dtypes is not supported: "
            f"{', '.join(x.type_text() for x in tensors)}; use hooks of the tensors"
        ).at(here())
    sizes = [int(x.numel()) for x in tensors]

    def parts(joined: Tensor) -> list[Tensor]:
        pieces = shaping.split(joined, sizes)
        return [piece.reshape(*x.shape) for piece, x in zip(pieces, tensors, strict=True)]

    def flat(given: Sequence[Tensor]) -> Tensor:
        return shaping.cat([x.reshape(-1) for x in given])

    return parts(_Passing.apply(flat(tensors), lambda gradient: flat(call(parts(gradient)))))
