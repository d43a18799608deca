"""Modules that hold modules or parameters in order or by key."""

from __future__ import annotations

from collections.abc import ItemsView, Iterable, Iterator, KeysView, Mapping, ValuesView
from typing import Any, Generic, Self, TypeVar

from lenetc.evaluation.cell import Counts
from lenetc.nn.modules.module import Module, indented
from lenetc.nn.parameter import Parameter
from lenetc.tensors.arrays import index_of
from lenetc.tensors.tensor import Tensor

T = TypeVar("T", Module, Parameter)


class _List(Module, Generic[T]):
    """A list of parts, named by their positions. `kind` is where Module keeps them."""

    kind = "_modules"

    def _parts(self) -> dict[str, T]:
        parts: dict[str, T] = self.__dict__[self.kind]
        return parts

    def _replace(self, parts: Iterable[T]) -> None:
        """Hold exactly `parts`, numbered anew."""
        listed = list(parts)
        self._parts().clear()
        Counts.epoch += 1
        for part in listed:
            self.append(part)

    def _key(self, index: int) -> str:
        """The name of the part at `index`. Raises IndexError with the length."""
        position = index_of(f"{type(self).__name__}: an index", index)
        if not -len(self) <= position < len(self):
            raise IndexError(
                f"index {position} is out of range for {type(self).__name__} of length {len(self)}"
            )
        return list(self._parts())[position]

    def append(self, part: T) -> Self:
        """Add a part at the end."""
        self._registered(self.kind)
        register: Any = self.add_module if self.kind == "_modules" else self.register_parameter
        register(str(len(self)), part)
        return self

    def extend(self, parts: Iterable[T]) -> Self:
        """Add parts at the end. Raises TypeError for what holds none."""
        if not isinstance(parts, Iterable):
            kind = type(self).__name__
            raise TypeError(
                f"{kind}.extend should be called with an iterable, but got {type(parts).__name__}"
            )
        for part in list(parts):
            self.append(part)
        return self

    def __iadd__(self, parts: Iterable[T]) -> Self:
        return self.extend(parts)

    def insert(self, index: int, part: T) -> Self:
        """Put a part before `index`."""
        parts = list(self)
        parts.insert(index_of(f"{type(self).__name__}: an index", index), part)
        self._replace(parts)
        return self

    def pop(self, index: int = -1) -> T:
        """Take a part out."""
        self._key(index)
        parts = list(self)
        part = parts.pop(index)
        self._replace(parts)
        return part

    def __len__(self) -> int:
        return len(self._parts())

    def __iter__(self) -> Iterator[T]:
        return iter(self._parts().values())

    def __getitem__(self, index: int | slice) -> Any:
        if isinstance(index, slice):
            return type(self)._of(list(self)[index])
        return self._parts()[self._key(index)]

    @classmethod
    def _of(cls, parts: list[T]) -> Self:
        made = cls()
        return made.extend(parts)

    def __setitem__(self, index: int, part: T) -> None:
        setattr(self, self._key(index), part)

    def __delitem__(self, index: int | slice) -> None:
        if not isinstance(index, slice):
            self._key(index)
        parts = list(self)
        del parts[index]
        self._replace(parts)


class Sequential(_List[Module]):
    """Modules called one after the other, given in order or as a dict with names (torch.nn.Sequential)."""

    def __init__(self, *modules: Any) -> None:
        super().__init__()
        named = modules[0] if len(modules) == 1 and isinstance(modules[0], Mapping) else None
        for name, module in (named or {str(i): module for i, module in enumerate(modules)}).items():
            self.add_module(name, module)

    def __getitem__(self, index: int | slice) -> Any:
        if isinstance(index, slice):
            return type(self)(dict(list(self._modules.items())[index]))
        return super().__getitem__(index)

    def insert(self, index: int, part: Module) -> Self:
        """Put a module before `index`. Raises IndexError with the length."""
        if not isinstance(part, Module):
            raise TypeError(f"module should be of type: {Module}, not {type(part).__name__}")
        if not -len(self) <= index_of("Sequential: an index", index) <= len(self):
            raise IndexError(f"Index out of range: {index} of {len(self)}")
        return super().insert(index, part)

    def __add__(self, other: Sequential) -> Sequential:
        if not isinstance(other, Sequential):
            raise ValueError(
                f"add operator supports only objects of Sequential class, but {type(other).__name__} is given."
            )
        return Sequential(*self, *other)

    def __iadd__(self, other: Iterable[Module]) -> Self:
        if not isinstance(other, Sequential):
            raise ValueError(
                f"add operator supports only objects of Sequential class, but {type(other).__name__} is given."
            )
        return self.extend(other)

    def __mul__(self, other: int) -> Sequential:
        return Sequential(*self).__imul__(other)

    __rmul__ = __mul__

    def __imul__(self, other: int) -> Self:
        """The modules, the same ones, as often as `other` says."""
        if not isinstance(other, int):
            raise TypeError(f"unsupported operand type(s) for *: {type(self)} and {type(other)}")
        if other <= 0:
            raise ValueError(f"Non-positive multiplication factor {other} for {type(self)}")
        modules = list(self)
        for _ in range(other - 1):
            self.extend(modules)
        return self

    def forward(self, input: Any) -> Any:
        for module in self:
            input = module(input)
        return input


class ModuleList(_List[Module]):
    """A list of modules that are registered; it is not called itself (torch.nn.ModuleList)."""

    def __init__(self, modules: Iterable[Module] | None = None) -> None:
        super().__init__()
        self.extend(() if modules is None else modules)

    def __add__(self, other: Iterable[Module]) -> ModuleList:
        return ModuleList([*self, *other])

    def _child_lines(self) -> list[str]:
        runs: list[tuple[int, str, int]] = []  # equal neighbours share a line: first, text, count
        for i, module in enumerate(self):
            text = repr(module)
            if runs and runs[-1][1] == text:
                first, _, count = runs.pop()
                runs.append((first, text, count + 1))
            else:
                runs.append((i, text, 1))
        return [
            f"({first}): {indented(text)}"
            if count == 1
            else f"({first}-{first + count - 1}): {count} x {indented(text)}"
            for first, text, count in runs
        ]


V = TypeVar("V", bound=Any)


class _Dict(Module, Generic[V]):
    """Parts by key, registered. `kind` is where Module keeps them."""

    kind = "_modules"

    def _parts(self) -> dict[str, V]:
        parts: dict[str, V] = self.__dict__[self.kind]
        return parts

    def update(self, parts: Mapping[str, V] | Iterable[tuple[str, V]]) -> None:
        """Add parts, in place of those with the same keys. Raises TypeError for what holds no pairs."""
        if not isinstance(parts, Iterable):
            raise TypeError(
                f"{type(self).__name__}.update should be called with an iterable of key/value pairs, but got "
                f"{type(parts).__name__}"
            )
        for name, part in parts.items() if hasattr(parts, "items") else parts:
            self[name] = part

    def __setitem__(self, key: str, part: V) -> None:
        raise NotImplementedError

    def __getitem__(self, key: str) -> V:
        if key not in self._parts():
            known = ", ".join(map(repr, self._parts())) or "none"
            raise KeyError(f"there is no {key!r} in this {type(self).__name__}; there are {known}")
        return self._parts()[key]

    def __delitem__(self, key: str) -> None:
        self[key]
        del self._parts()[key]
        Counts.epoch += 1

    def clear(self) -> None:
        """Take all out."""
        self._parts().clear()

    def pop(self, key: str) -> V:
        """Take a part out."""
        part = self[key]
        del self[key]
        return part

    def __len__(self) -> int:
        return len(self._parts())

    def __iter__(self) -> Iterator[str]:
        return iter(self._parts())

    def __contains__(self, key: str) -> bool:
        return key in self._parts()

    def keys(self) -> KeysView[str]:
        return self._parts().keys()

    def values(self) -> ValuesView[V]:
        return self._parts().values()

    def items(self) -> ItemsView[str, V]:
        return self._parts().items()


class ModuleDict(_Dict[Module]):
    """Modules by key, registered; it is not called itself (torch.nn.ModuleDict)."""

    def __init__(self, modules: Mapping[str, Module] | Iterable[tuple[str, Module]] | None = None) -> None:
        super().__init__()
        self.update(modules or ())

    def __setitem__(self, key: str, part: Module) -> None:
        self._modules.pop(key, None)
        self.add_module(key, part)


class ParameterList(_List[Parameter]):
    """A list of parameters that are registered; tensors become parameters (torch.nn.ParameterList)."""

    kind = "_parameters"

    def __init__(self, parameters: Iterable[Tensor] | None = None) -> None:
        super().__init__()
        for parameter in () if parameters is None else parameters:
            self.append(parameter)

    def append(self, part: Tensor) -> Self:
        """Add a parameter at the end."""
        return super().append(part if isinstance(part, Parameter) else Parameter(part))

    def __setitem__(self, index: int, part: Tensor) -> None:
        super().__setitem__(index, part if isinstance(part, Parameter) else Parameter(part))

    def extra_repr(self) -> str:
        return "\n".join(f"  ({i}): {_line(parameter)}" for i, parameter in enumerate(self))


class ParameterDict(_Dict[Parameter]):
    """Parameters by key, registered; tensors become parameters (torch.nn.ParameterDict)."""

    kind = "_parameters"

    def __init__(self, parameters: Mapping[str, Tensor] | Iterable[tuple[str, Tensor]] | None = None) -> None:
        super().__init__()
        self.update(parameters or ())  # type: ignore[arg-type]

    def __setitem__(self, key: str, part: Tensor) -> None:
        parameter = part if isinstance(part, Parameter) else Parameter(part)
        if key in self._parameters:
            self._parameters[key] = parameter
        else:
            self.register_parameter(key, parameter)

    def setdefault(self, key: str, default: Any = None) -> Parameter:
        """The parameter of that key, which is `default` if there was none."""
        if key not in self:
            self[key] = default
        return self[key]

    def get(self, key: str, default: Any = None) -> Any:
        """The parameter of that key, or `default`."""
        return self._parts().get(key, default)

    def popitem(self) -> tuple[str, Parameter]:
        """Take the last out, with its key."""
        key = list(self)[-1]
        return key, self.pop(key)

    def copy(self) -> ParameterDict:
        """Another one of the same parameters."""
        return ParameterDict(self._parts())

    def fromkeys(self, keys: Iterable[str], default: Any = None) -> ParameterDict:
        """Another one with `default` for each of `keys`."""
        return ParameterDict((key, default) for key in keys)

    def __reversed__(self) -> Iterator[str]:
        return reversed(list(self))

    def __or__(self, other: ParameterDict) -> ParameterDict:
        made = self.copy()
        made.update(other.items())
        return made

    def __ior__(self, other: ParameterDict) -> Self:
        self.update(other.items())
        return self

    def extra_repr(self) -> str:
        return "\n".join(f"  ({key}): {_line(parameter)}" for key, parameter in self.items())


def _line(parameter: Parameter) -> str:
    size = "x".join(map(str, parameter.shape))
    return f"Parameter containing: [{parameter.dtype!r} of size {size}]"
