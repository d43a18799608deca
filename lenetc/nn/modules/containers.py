"""Modules that hold modules or parameters in order or by key."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import ItemsView, Iterable, Iterator, KeysView, Mapping, ValuesView
from typing import Any, Generic, Self, TypeVar, cast

from lenetc.evaluation.cell import Counts
from lenetc.evaluation.watched import Watched
from lenetc.nn.modules.module import Module, indented
from lenetc.nn.parameter import Parameter
from lenetc.tensors.arrays import index_of
from lenetc.tensors.tensor import Tensor

T = TypeVar("T")


class _List(Module, Generic[T]):
    """A list of parts, named by their positions: modules, unless a subclass holds others."""

    def _parts(self) -> dict[str, T]:
        parts: dict[str, T] = self.__dict__["_modules"]
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
        self.add_module(str(len(self)), cast(Any, part))
        return self

    def extend(self, parts: Any) -> Self:
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
    """Parts by key, registered: modules, unless a subclass holds others."""

    def _parts(self) -> dict[str, V]:
        parts: dict[str, V] = self.__dict__["_modules"]
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
        self.add_module(key, part)


class _Parameters(Module):
    """Parts by name: parameters, which tensors become, and modules are registered, anything else is kept aside."""

    def __init__(self) -> None:
        super().__init__()
        self._values: dict[str, Any] = Watched()

    def _get(self, name: str) -> Any:
        return self._values[name] if name in self._values else getattr(self, name)

    def _put(self, name: str, part: Any) -> None:
        part = Parameter(part) if isinstance(part, Tensor) and not isinstance(part, Parameter) else part
        if isinstance(part, (Parameter, Module)):
            self._values.pop(name, None)
            setattr(self, name, part)
            return
        for table in (self._parameters, self._modules):
            table.pop(name, None)
        self._values[name] = part

    def _drop(self, name: str) -> None:
        if name in self._values:
            del self._values[name]
        else:
            delattr(self, name)


def _line(part: Any) -> str:
    if not isinstance(part, Tensor):
        return f"Object of type: {type(part).__name__}"
    kind = "Parameter" if isinstance(part, Parameter) else "Tensor"
    return f"{kind} containing: [{part.dtype!r} of size {'x'.join(map(str, part.shape))}]"


class ParameterList(_Parameters, _List[Any]):
    """A list of parameters that are registered; tensors become parameters, anything else is held as it is
    (torch.nn.ParameterList)."""

    def __init__(self, values: Iterable[Any] | None = None) -> None:
        super().__init__()
        self._size = 0
        self.extend(() if values is None else values)

    def _parts(self) -> dict[str, Any]:
        return {str(i): self._get(str(i)) for i in range(self._size)}

    def _replace(self, parts: Iterable[Any]) -> None:
        for name in self._parts():
            self._drop(name)
        self._size = 0
        for part in parts:
            self.append(part)

    def append(self, part: Any) -> Self:
        """Add a parameter at the end."""
        self._put(str(self._size), part)
        self._size += 1
        return self

    def extend(self, parts: Any) -> Self:
        """Add parameters at the end. Raises TypeError for what holds none."""
        if isinstance(parts, Tensor):
            raise TypeError("ParameterList.extend should be called with an iterable, but got Tensor")
        return super().extend(parts)

    def __setitem__(self, index: int, part: Any) -> None:
        self._put(self._key(index), part)

    def extra_repr(self) -> str:
        return "\n".join(f"  ({i}): {_line(part)}" for i, part in enumerate(self))


class ParameterDict(_Parameters, _Dict[Any]):
    """Parameters by key, registered; tensors become parameters, anything else is held as it is
    (torch.nn.ParameterDict)."""

    def __init__(self, parameters: Any = None) -> None:
        super().__init__()
        self._keys: dict[str, None] = Watched()
        self.update(() if parameters is None else parameters)

    def _parts(self) -> dict[str, Any]:
        return {key: self._get(key) for key in self._keys}

    def update(self, parts: Any) -> None:
        """Add parameters, in place of those with the same keys; those of a plain mapping in the order of their keys, as
        in PyTorch. Raises TypeError for what holds no pairs."""
        if isinstance(parts, Mapping) and not isinstance(parts, OrderedDict):
            parts = sorted(parts.items())
        super().update(parts)

    def __setitem__(self, key: str, part: Any) -> None:
        if not isinstance(key, str):
            raise TypeError(
                f"Index given to ParameterDict cannot be used as a key as it is not a string (type is "
                f"{type(key).__name__!r}): use str(key)"
            )
        self._put(key, part)
        self._keys[key] = None

    def __delitem__(self, key: str) -> None:
        self[key]
        self._drop(key)
        del self._keys[key]

    def clear(self) -> None:
        """Take all out."""
        for key in list(self._keys):
            del self[key]

    def setdefault(self, key: str, default: Any = None) -> Any:
        """The parameter of that key, which is `default` if there was none."""
        if key not in self:
            self[key] = default
        return self[key]

    def get(self, key: str, default: Any = None) -> Any:
        """The parameter of that key, or `default`."""
        return self._parts().get(key, default)

    def popitem(self) -> tuple[str, Any]:
        """Take the last out, with its key."""
        key = list(self)[-1]
        return key, self.pop(key)

    def copy(self) -> ParameterDict:
        """Another one of the same parameters."""
        return ParameterDict(OrderedDict(self._parts()))

    def fromkeys(self, keys: Iterable[str], default: Any = None) -> ParameterDict:
        """Another one with `default` for each of `keys`."""
        return ParameterDict((key, default) for key in keys)

    def __reversed__(self) -> Iterator[str]:
        return reversed(list(self))

    def __or__(self, other: ParameterDict) -> ParameterDict:
        made = self.copy()
        made.update(other)
        return made

    def __ior__(self, other: ParameterDict) -> Self:
        self.update(other)
        return self

    def extra_repr(self) -> str:
        return "\n".join(f"  ({key}): {_line(part)}" for key, part in self.items())
