"""`lenetc.compile(module)`: a module whose calls are compiled, and which is the given one in everything else."""

from __future__ import annotations

import abc
import copy
import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any, cast

from lenetc.compiler.function import CompiledFunction
from lenetc.nn.modules.module import Module


class CompiledModule:
    """Mixed into the class of a module that is compiled. It has the attributes of the original itself, so that
    parameters, buffers, modes and state_dict are the same objects, whichever of the two changes them."""

    _original: Module
    _compiled: CompiledFunction

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Nothing: the module's own class has been told of its subclasses."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._compiled(*args, **kwargs)

    def __copy__(self) -> Any:
        return compiled_module(copy.copy(self._original), *self._options())

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        return compiled_module(copy.deepcopy(self._original, memo), *self._options())

    def __reduce_ex__(self, protocol: Any) -> Any:
        """What pickles it: the original, compiled anew where it is loaded."""
        return compiled_module, (self._original, *self._options())

    def _options(self) -> tuple[Any, ...]:
        made = self._compiled
        return made.device, made.strategies, made.tuned, made.cuda_graphs, made.dynamic

    def __getattr__(self, name: str) -> Any:
        """What the module has; else what a compiled function has."""
        try:
            return super().__getattr__(name)  # type: ignore[misc]
        except AttributeError:
            if name in _OF_FUNCTIONS:
                return getattr(self._compiled, name)
            raise


_OF_FUNCTIONS = ("lower", "scan", "profile", "explain", "programs", "forget", "device")


@functools.cache
def _class_for(kind: type) -> type:
    def new(cls: type, *args: Any, **kwargs: Any) -> Any:
        return kind(*args, **kwargs)  # what a method makes of its own class is not compiled

    fields = {
        "__slots__": ("_compiled", "_original"),
        "__module__": getattr(kind, "__module__", ""),
        "__doc__": kind.__doc__,
        "__new__": new,
    }
    meta = next(base for base in type.mro(type(kind)) if base in (type, abc.ABCMeta))  # not one of the user's
    made: type = meta.__new__(type(kind), kind.__name__, (CompiledModule, kind), fields)
    return made


def compiled_module(
    module: Module,
    device: str,
    strategies: Mapping[str, str] | None,
    tuned: bool,
    cuda_graphs: bool,
    dynamic: bool = False,
) -> Module:
    """`module` compiled: an instance of its class, with the same attributes."""
    if isinstance(module, CompiledModule):
        return module
    made: Module = object.__new__(_class_for(cast(type, type(module))))
    object.__setattr__(made, "__dict__", module.__dict__)
    object.__setattr__(made, "_original", module)
    compiled = CompiledFunction(
        _call_of(module), device, strategies, tuned, cuda_graphs, dynamic, follows=module
    )
    object.__setattr__(made, "_compiled", compiled)
    return made


def _call_of(module: Module) -> Callable[..., Any]:
    """The call of `module`, with the name and the parameters of its forward."""

    @functools.wraps(module.forward)
    def call(*args: Any, **kwargs: Any) -> Any:
        return module(*args, **kwargs)

    call.__name__ = type(module).__name__
    call.__signature__ = inspect.signature(module.forward)  # type: ignore[attr-defined]
    return call
