"""Parameters, buffers and child modules as attributes: how a module registers them, and gives them."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from lenetc.evaluation.cell import Context, Counts
from lenetc.evaluation.watched import Watched
from lenetc.nn.parameter import Buffer, Parameter
from lenetc.tensors.tensor import Tensor

if TYPE_CHECKING:
    from lenetc.nn.modules.module import Module


_TABLES = ("_parameters", "_buffers", "_modules")


class Parts:
    """What Module, its one subclass, does with attributes that are parts of it."""

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
        scratch = self._non_persistent_buffers_set
        (scratch.discard if persistent else scratch.add)(name)

    def add_module(self, name: str, module: Module | None) -> None:
        """Add a child module. Raises KeyError for a name that is taken."""
        if module is not None and not isinstance(module, Parts):
            raise TypeError(f"{type(module).__name__} is not a Module subclass")
        self._register("_modules", name, module)

    register_module = add_module

    def __setattr__(self, name: str, value: Any) -> None:
        fields = self.__dict__
        if isinstance(value, Parameter):
            self._registered("_parameters")
            self._forget(name, "_parameters")
            self._register("_parameters", name, value)
            return
        if name not in fields.get("_parameters", ()):
            if isinstance(value, Parts):
                self._registered("_modules")
                self._forget(name, "_modules")
                self._modules[name] = value
                return
            if isinstance(value, Buffer) and name not in fields.get("_modules", ()):
                fields.pop(name, None)
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
        if name in _TABLES and not isinstance(value, Watched):
            value = Watched(value)
        if self.__dict__.get(name, self) is not value:
            Counts.epoch += 1  # an option such as a rate, which programs take for a constant
        object.__setattr__(self, name, value)

    def _forget(self, name: str, kind: str) -> None:
        """Take away what else there is of that name, for a part of this kind."""
        for table in (self.__dict__, self._parameters, self._buffers, self._modules):
            if table is not self.__dict__[kind]:
                table.pop(name, None)
        self._non_persistent_buffers_set.discard(name)

    def __getattr__(self, name: str) -> Any:
        fields = self.__dict__
        for kind in _TABLES:
            if name in fields.get(kind, ()):
                return fields[kind][name]
        hint = (
            "" if "_modules" in fields else f"; begin {type(self).__name__}.__init__ with super().__init__()"
        )
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}{hint}")

    def __delattr__(self, name: str) -> None:
        for kind in _TABLES:
            if name in self.__dict__.get(kind, ()):
                del self.__dict__[kind][name]
                self._non_persistent_buffers_set.discard(name)
                Counts.epoch += 1
                return
        object.__delattr__(self, name)
        Counts.epoch += 1

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)

    def __dir__(self) -> list[str]:
        names = {*super().__dir__(), *self._parameters, *self._buffers, *self._modules}
        return sorted(name for name in names if not name[0].isdigit())
