"""Module: the base of all network parts, which knows its parameters, buffers and children by name."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Self

from ir.errors import UnsupportedError
from ir.types import DType, bf16, f16, f32, f64
from lenetc.autograd.hooks import RemovableHandle
from lenetc.evaluation import lazy
from lenetc.evaluation.cell import Context, Counts
from lenetc.evaluation.tracing import current_scope, here, scope
from lenetc.evaluation.watched import Watched
from lenetc.nn import state
from lenetc.nn.modules.hooks import Hook, called
from lenetc.nn.parameter import Buffer, Parameter
from lenetc.operations.creation import zeros_like
from lenetc.tensors.dtypes import need_dtype
from lenetc.tensors.tensor import Tensor, Unreturned


class _Calling(threading.local):
    """Modules whose forward is running in this thread, outermost first."""

    def __init__(self) -> None:
        self.modules: list[Module] = []


_calling = _Calling()


class Module:
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
        fields["_non_persistent"] = set()
        fields["_hooks"] = {}
        fields["_names"] = (-1, {})

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError(
            f'Module [{type(self).__name__}] is missing the required "forward" function'
        )

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if Context.trace is not None:
            Context.trace.modules[self] = None
        calling = _calling.modules
        path = calling[-1]._path_of(self) if calling else ""
        calling.append(self)
        try:
            hooks = self.__dict__["_hooks"]
            with scope(path):
                return called(self, hooks, args, kwargs) if hooks else self.forward(*args, **kwargs)
        finally:
            calling.pop()

    def _path_of(self, part: Module) -> str:
        """The module path of `part`, called from this module's forward."""
        epoch, names = self.__dict__["_names"]
        if epoch != Counts.epoch:
            names = {module: name for name, module in self.named_modules()}
            self.__dict__["_names"] = (Counts.epoch, names)
        name, path = names.get(part, ""), current_scope()
        return f"{path}.{name}" if path and name else path or name

    # Hooks.

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

    def register_state_dict_pre_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call hook(module, prefix, keep_vars) before state_dict() reads this module's state."""
        return self._register_hook("state_dict_pre", hook)

    def register_state_dict_post_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call hook(module, state_dict, prefix, local_metadata) when state_dict() has read this module's state; it
        changes the dict in place."""
        return self._register_hook("state_dict_post", hook)

    def register_load_state_dict_pre_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call hook(module, state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs)
        before load_state_dict() looks for this module's state; it changes the dict, a copy, in place."""
        return self._register_hook("load_state_dict_pre", hook)

    def register_load_state_dict_post_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call hook(module, incompatible_keys) when load_state_dict() has loaded this module's state."""
        return self._register_hook("load_state_dict_post", hook)

    # Registration.

    def _registered(self, kind: str) -> dict[str, Any]:
        """The dict of parameters, buffers or modules."""
        try:
            found: dict[str, Any] = self.__dict__[kind]
        except KeyError:
            raise AttributeError(
                f"cannot assign {kind[1:]} before Module.__init__() call: "
                f"begin {type(self).__name__}.__init__ with super().__init__()"
            ) from None
        return found

    def _register(self, kind: str, name: str, value: Any) -> None:
        table = self._registered(kind)
        if not isinstance(name, str):
            raise TypeError(f"the name of a part must be a string, not {type(name).__name__}")
        if "." in name or not name:
            raise KeyError(f"{name!r} cannot name a part of a module: a name is not empty and has no dot")
        if name not in table and hasattr(self, name):
            raise KeyError(f"attribute {name!r} already exists in {type(self).__name__}")
        table[name] = value
        Counts.epoch += 1

    def register_parameter(self, name: str, param: Parameter | None) -> None:
        """Add a parameter; None keeps the name for none. Raises KeyError for a name that is taken."""
        if param is not None and not isinstance(param, Parameter):
            raise TypeError(
                f"cannot assign {type(param).__name__!r} object to parameter {name!r} "
                "(nn.Parameter or None required)"
            )
        self._register("_parameters", name, param)

    def register_buffer(self, name: str, tensor: Tensor | None, persistent: bool = True) -> None:
        """Add a tensor that is state but not trained; `persistent` ones belong to the state_dict."""
        if tensor is not None and not isinstance(tensor, Tensor):
            raise TypeError(
                f"cannot assign {type(tensor).__name__!r} object to buffer {name!r} (Tensor or None required)"
            )
        self._register("_buffers", name, tensor)
        (self._non_persistent.discard if persistent else self._non_persistent.add)(name)

    def add_module(self, name: str, module: Module | None) -> None:
        """Add a child module. Raises KeyError for a name that is taken."""
        if module is not None and not isinstance(module, Module):
            raise TypeError(f"{type(module).__name__} is not a Module subclass")
        self._register("_modules", name, module)

    register_module = add_module

    def __setattr__(self, name: str, value: Any) -> None:
        for kind, base in (("_parameters", Parameter), ("_modules", Module)):
            if isinstance(value, base):
                self._registered(kind)
                for table in (self.__dict__, self._parameters, self._buffers, self._modules):
                    if table is not self.__dict__[kind]:
                        table.pop(name, None)
                self._register(kind, name, value)
                return
        if isinstance(value, Buffer):
            for table in (self.__dict__, self._parameters, self._modules):
                table.pop(name, None)
            self.register_buffer(name, value, value.persistent)
            return
        for kind, what in (
            ("_parameters", "parameter"),
            ("_modules", "child module"),
            ("_buffers", "buffer"),
        ):
            table = self.__dict__.get(kind, {})
            if name in table:
                if value is not None and not (kind == "_buffers" and isinstance(value, Tensor)):
                    wanted = {"_parameters": "nn.Parameter", "_modules": "nn.Module", "_buffers": "Tensor"}[
                        kind
                    ]
                    raise TypeError(
                        f"cannot assign {type(value).__name__!r} as {what} {name!r} "
                        f"({wanted} or None expected)"
                    )
                if value is table[name]:  # what `self.count += 1` assigns
                    return
                if Context.trace is not None:
                    Context.trace.before_change(functools.partial(table.__setitem__, name, table[name]))
                    if kind == "_buffers":
                        Context.trace.effect(
                            f"it assigns the buffer {name!r} anew, which copy_() would keep in place"
                        )
                        Context.trace.rebound.append((table, name, table[name]))
                table[name] = value
                Counts.epoch += 1
                return
        if self.__dict__.get(name, self) is not value:
            Counts.epoch += 1  # an option such as a rate, which programs take for a constant
        object.__setattr__(self, name, value)

    def __getattr__(self, name: str) -> Any:
        fields = self.__dict__
        for kind in ("_parameters", "_buffers", "_modules"):
            if name in fields.get(kind, ()):
                return fields[kind][name]
        hint = (
            "" if "_modules" in fields else f"; begin {type(self).__name__}.__init__ with super().__init__()"
        )
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}{hint}")

    def __delattr__(self, name: str) -> None:
        for kind in ("_parameters", "_buffers", "_modules"):
            if name in self.__dict__.get(kind, ()):
                del self.__dict__[kind][name]
                self._non_persistent.discard(name)
                Counts.epoch += 1
                return
        object.__delattr__(self, name)
        Counts.epoch += 1

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *self._parameters, *self._buffers, *self._modules})

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
            elif parameter.grad is not None:
                parameter.grad = zeros_like(parameter.grad)

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

    # State.

    def state_dict(
        self,
        destination: dict[str, Tensor] | None = None,
        prefix: str = "",
        keep_vars: bool = False,
    ) -> dict[str, Tensor]:
        """Parameters and persistent buffers by dotted name, sharing storage; detached unless `keep_vars`.

        They are added to `destination`, if one is given.
        """
        return state.collect(self, {} if destination is None else destination, prefix, keep_vars)

    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False
    ) -> state.IncompatibleKeys:
        """Copy values into parameters and persistent buffers; all or, where something is wrong, nothing.

        Values are tensors, PyTorch's among them, or arrays. assign: tensors, in their dtypes, take the place of those
        that there are. Raises LenetcError for a shape that differs, and with `strict` for names that are missing or
        unexpected.
        """
        return state.load(self, state_dict, strict, assign)

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
    tensor.data = tensor.detach().to(dtype)
    if tensor.is_leaf and tensor._grad is not None and not isinstance(tensor._grad, Unreturned):
        _convert(tensor._grad, dtype)
