"""Module: the base of all network parts, which knows its parameters, buffers and children by name."""

from __future__ import annotations

import inspect
import threading
from collections.abc import Callable, Iterator
from typing import Any, Self

from ir.errors import UnsupportedError
from ir.types import DType, bf16, f16, f32, f64
from lenetc.autograd.hooks import RemovableHandle
from lenetc.evaluation import lazy
from lenetc.evaluation.cell import Context, Counts
from lenetc.evaluation.tracing import current_scope, here, scope
from lenetc.evaluation.watched import Watched
from lenetc.nn.modules.hooks import Hook, called, hook_table, hooks_of
from lenetc.nn.modules.hooks import register_module_forward_hook as register_module_forward_hook
from lenetc.nn.modules.hooks import register_module_forward_pre_hook as register_module_forward_pre_hook
from lenetc.nn.modules.hooks import register_module_full_backward_hook as register_module_full_backward_hook
from lenetc.nn.modules.hooks import (
    register_module_full_backward_pre_hook as register_module_full_backward_pre_hook,
)
from lenetc.nn.modules.parts import Parts
from lenetc.nn.parameter import Parameter, Uninitialized
from lenetc.nn.state import Stateful
from lenetc.operations.creation import zeros_like
from lenetc.tensors.dtypes import need_dtype
from lenetc.tensors.tensor import Tensor, Unreturned


class _Calling(threading.local):
    """Modules whose forward is running in this thread, outermost first."""

    def __init__(self) -> None:
        self.modules: list[Module] = []


_calling = _Calling()


def _noted(value: Any) -> Any:
    """`value` with its tensors' nodes: a tensor that is noted would count as kept."""
    if isinstance(value, Tensor):
        return value._cell.node
    if type(value) in (tuple, list):
        return type(value)(map(_noted, value))
    return {key: _noted(item) for key, item in value.items()} if type(value) is dict else value


class Module(Stateful, Parts):
    """A part of a network: parameters, buffers and child modules, registered on assignment (torch.nn.Module).

    Subclasses call `super().__init__()` first, assign their parts to attributes and define `forward`;
    calling the module runs it. Operations in a child's forward carry its dotted name, which errors show.
    """

    training: bool

    def __init__(self) -> None:
        fields = self.__dict__
        fields["training"] = True
        for kind in ("_parameters", "_buffers", "_modules"):
            fields[kind] = Watched()
        fields["_non_persistent_buffers_set"] = set()
        fields["_hooks"] = {}
        fields["_names"] = (-1, {})

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError(
            f'Module [{type(self).__name__}] is missing the required "forward" function'
        )

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if Context.trace is not None:
            Context.trace.modules[self] = None
            if Context.trace.exporting is not None:
                self._note_call(Context.trace.exporting.calls, args, kwargs)
        calling = _calling.modules
        path = calling[-1]._path_of(self) if calling else ""
        calling.append(self)
        try:
            hooks = hooks_of(self.__dict__["_hooks"])
            with scope(path):
                return called(self, hooks, args, kwargs) if hooks else self.forward(*args, **kwargs)
        finally:
            calling.pop()

    def _note_call(
        self, calls: dict[Module, dict[str, Any]], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> None:
        """Note the arguments of the first call, by parameter of `forward`; tensors as their nodes."""
        if self not in calls:
            try:
                bound = inspect.signature(self.forward).bind(*args, **kwargs).arguments
            except TypeError:  # which the call itself will tell
                return
            calls[self] = {name: _noted(value) for name, value in bound.items()}

    def _path_of(self, part: Module) -> str:
        """The module path of `part`, called from this module's forward."""
        epoch, names = self.__dict__["_names"]
        if epoch != Counts.epoch:
            names = {module: name for name, module in self.named_modules()}
            self.__dict__["_names"] = (Counts.epoch, names)
        name, path = names.get(part, ""), current_scope()
        return f"{path}.{name}" if path and name else path or name

    # Hooks.

    _forward_pre_hooks, _forward_hooks = hook_table("forward_pre"), hook_table("forward")
    _backward_pre_hooks, _backward_hooks = hook_table("backward_pre"), hook_table("backward")

    def _register_hook(
        self,
        kind: str,
        function: Callable[..., Any],
        prepend: bool = False,
        with_kwargs: bool = False,
        always_call: bool = False,
    ) -> RemovableHandle:
        table = self.__dict__["_hooks"].setdefault(kind, Watched())
        return RemovableHandle(table, Hook(function, with_kwargs, always_call), prepend)

    def register_forward_pre_hook(
        self, hook: Callable[..., Any], *, prepend: bool = False, with_kwargs: bool = False
    ) -> RemovableHandle:
        """Call hook(module, args) before forward, or hook(module, args, kwargs); what it returns replaces them."""
        return self._register_hook("forward_pre", hook, prepend, with_kwargs)

    def register_forward_hook(
        self,
        hook: Callable[..., Any],
        *,
        prepend: bool = False,
        with_kwargs: bool = False,
        always_call: bool = False,
    ) -> RemovableHandle:
        """Call hook(module, args, output) behind forward, or hook(module, args, kwargs, output); what it returns, if
        that is not None, is the output. always_call: also where forward raises."""
        return self._register_hook("forward", hook, prepend, with_kwargs, always_call)

    def register_full_backward_pre_hook(
        self, hook: Callable[..., Any], prepend: bool = False
    ) -> RemovableHandle:
        """Call hook(module, grad_output) with the gradients of the outputs; what it returns replaces them."""
        return self._register_hook("backward_pre", hook, prepend)

    def register_full_backward_hook(self, hook: Callable[..., Any], prepend: bool = False) -> RemovableHandle:
        """Call hook(module, grad_input, grad_output) with the gradients of the arguments; what it returns replaces
        those. Arguments that need no gradient have None."""
        return self._register_hook("backward", hook, prepend)

    def register_backward_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Raises UnsupportedError: PyTorch has replaced it by register_full_backward_hook."""
        raise UnsupportedError(
            "register_backward_hook sees what the last operation of a module sees, and is deprecated in PyTorch; use "
            "register_full_backward_hook"
        ).at(here())

    # Walking.

    def named_modules(
        self, memo: set[Module] | None = None, prefix: str = "", remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Module]]:
        """This module and all below it, with dotted names, each once or, unless remove_duplicate, under every name;
        its own name is `prefix`."""
        seen = set() if memo is None else memo
        if self not in seen:
            if remove_duplicate:
                seen.add(self)
            yield prefix, self
            for name, module in self._modules.items():
                if module is not None:
                    below = f"{prefix}.{name}" if prefix else name
                    yield from module.named_modules(seen, below, remove_duplicate)

    def modules(self) -> Iterator[Module]:
        return (module for _, module in self.named_modules())

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """The direct children, each once."""
        seen: set[Module] = set()
        for name, module in self._modules.items():
            if module is not None and module not in seen:
                seen.add(module)
                yield name, module

    def children(self) -> Iterator[Module]:
        return (module for _, module in self.named_children())

    def _named(
        self, kind: str, prefix: str, recurse: bool, remove_duplicate: bool
    ) -> Iterator[tuple[str, Any]]:
        seen: set[int] = set()
        walked = self.named_modules(prefix=prefix, remove_duplicate=remove_duplicate)
        for path, module in walked if recurse else [(prefix, self)]:
            for name, value in module.__dict__[kind].items():
                if value is not None and not (remove_duplicate and id(value) in seen):
                    seen.add(id(value))
                    yield f"{path}.{name}" if path else name, value

    def named_parameters(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Parameter]]:
        """Parameters with dotted names, those of children too if `recurse`; a shared one comes once."""
        return self._named("_parameters", prefix, recurse, remove_duplicate)

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        return (parameter for _, parameter in self.named_parameters(recurse=recurse))

    def named_buffers(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Tensor]]:
        return self._named("_buffers", prefix, recurse, remove_duplicate)

    def buffers(self, recurse: bool = True) -> Iterator[Tensor]:
        return (buffer for _, buffer in self.named_buffers(recurse=recurse))

    def get_submodule(self, target: str) -> Module:
        """The module below this one named `target`, with dots. Raises AttributeError where there is none."""
        module = self
        for name in target.split(".") if target else ():
            found = module._modules.get(name)
            if found is None:
                raise AttributeError(
                    f"{type(module).__name__} has no module named {name!r} (looking for {target!r})"
                )
            module = found
        return module

    def get_parameter(self, target: str) -> Parameter:
        """The parameter with the dotted name `target`. Raises AttributeError where there is none."""
        path, _, name = target.rpartition(".")
        found: Parameter | None = self.get_submodule(path)._parameters.get(name)
        if found is None:
            raise AttributeError(f"{type(self).__name__} has no parameter named {target!r}")
        return found

    def get_buffer(self, target: str) -> Tensor:
        """The buffer with the dotted name `target`. Raises AttributeError where there is none."""
        path, _, name = target.rpartition(".")
        found: Tensor | None = self.get_submodule(path)._buffers.get(name)
        if found is None:
            raise AttributeError(f"{type(self).__name__} has no buffer named {target!r}")
        return found

    def set_submodule(self, target: str, module: Module, strict: bool = False) -> None:
        """Put `module` where `target`, with dots, says; with `strict` in the place of one that there is."""
        path, _, name = target.rpartition(".")
        if not target:
            raise ValueError("Cannot set the submodule without a target name!")
        if not isinstance(module, Module):
            raise ValueError(f"{type(module).__name__} is not a Module")
        owner = self.get_submodule(path)
        if strict and not isinstance(getattr(owner, name, None), Module):
            raise AttributeError(f"{type(owner).__name__} has no module named {name!r}")
        setattr(owner, name, module)

    # Changing all at once.

    def apply(self, fn: Callable[[Module], Any]) -> Self:
        """Call fn(module) for every module, children first."""
        for module in self.children():
            module.apply(fn)
        fn(self)
        return self

    def train(self, mode: bool = True) -> Self:
        """Set training mode, which Dropout and BatchNorm look at, here and below. Raises ValueError for no bool."""
        if not isinstance(mode, bool):
            raise ValueError("training mode is expected to be boolean")
        for module in self.modules():
            if module.training != mode:
                module.training = mode
                Counts.epoch += 1
        return self

    def eval(self) -> Self:
        return self.train(False)

    def requires_grad_(self, requires_grad: bool = True) -> Self:
        """Set whether the parameters are trained."""
        for parameter in self.parameters():
            parameter.requires_grad_(requires_grad)
        return self

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients, or make them zeros."""
        for parameter in self.parameters():
            if set_to_none:
                parameter.grad = None
            elif parameter._known_grad() is not None:
                parameter.grad = zeros_like(parameter)

    def to(
        self,
        *args: Any,
        dtype: DType | None = None,
        device: Any = None,
        non_blocking: bool = False,
        memory_format: Any = None,
    ) -> Self:
        """Floating point parameters and buffers with another dtype, and / or a device name, as Tensor.to.
        non_blocking and memory_format ask for nothing here.

        Raises TypeError for a dtype that is not floating point, DeviceError where a device cannot be used.
        """
        for item in (*args, device):
            if isinstance(item, (DType, type)):
                dtype = need_dtype("to", item)
            elif isinstance(item, Tensor):
                dtype = item.dtype
            elif item is not None and not isinstance(item, bool):
                lazy.set_default_device(str(item))
        if dtype is not None:
            if not dtype.is_float:
                raise TypeError(
                    f"nn.Module.to only accepts floating point dtypes, but got desired dtype={dtype!r}"
                )
            for tensor in (*self.parameters(), *self.buffers()):
                _convert(tensor, dtype)
        return self

    def cpu(self) -> Self:
        return self.to("cpu")

    def cuda(self, device: Any = None) -> Self:
        return self.to("cuda")

    def to_empty(self, *, device: Any, recurse: bool = True) -> Self:
        """The parameters and buffers on a device, with values that do not matter (they stay)."""
        return self.to(device)

    def type(self, dst_type: DType) -> Self:
        """All parameters and buffers as `dst_type`, a floating point dtype."""
        return self.to(dst_type)

    def bfloat16(self) -> Self:
        return self.to(bf16)

    def share_memory(self) -> Self:
        """The module itself: threads share its memory as it is."""
        return self

    def float(self) -> Self:
        return self.to(f32)

    def double(self) -> Self:
        return self.to(f64)

    def half(self) -> Self:
        return self.to(f16)

    # Text.

    def extra_repr(self) -> str:
        """What stands between the brackets of this module's own line in print(net)."""
        return ""

    def _get_name(self) -> str:
        return type(self).__name__

    def _child_lines(self) -> list[str]:
        return [f"({name}): {indented(repr(module))}" for name, module in self._modules.items()]

    def __repr__(self) -> str:
        extra, children = self.extra_repr(), self._child_lines()
        if not children and "\n" not in extra:
            return f"{self._get_name()}({extra})"
        lines = [*extra.split("\n"), *children] if extra else children
        return "\n  ".join([f"{self._get_name()}(", *lines]) + "\n)"


def indented(text: str) -> str:
    """`text` with its second and later lines moved right by two columns."""
    return text.replace("\n", "\n  ")


def _convert(tensor: Tensor, dtype: DType) -> None:
    """Give `tensor`, and its gradient, another dtype in place, where it is floating point."""
    if tensor.dtype is dtype or not tensor.dtype.is_float:
        return
    if isinstance(tensor, Uninitialized):
        tensor.convert(dtype)
        return
    tensor.data = tensor.detach().to(dtype)
    if tensor.is_leaf and tensor._grad is not None and not isinstance(tensor._grad, Unreturned):
        _convert(tensor._grad, dtype)
