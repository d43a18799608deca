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
        """Add parts at the end."""
        for part in list(parts):
            self.append(part)
        return self

    def __iadd__(self, parts: Iterable[T]) -> Self:
        return self.extend(parts)

    def insert(self, index: int, part: T) -> Self:
        """Put a part before `index`."""
        parts = list(self)
        parts.insert(index, part)
        self._replace(parts)
        return self

    def pop(self, index: int = -1) -> T:
        """Take a part out."""
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

    def __add__(self, other: Sequential) -> Sequential:
        return Sequential(*self, *other)

    def forward(self, input: Any) -> Any:
        for module in self:
            input = module(input)
        return input


class ModuleList(_List[Module]):
    """A list of modules that are registered; it is not called itself (torch.nn.ModuleList)."""

    def __init__(self, modules: Iterable[Module] | None = None) -> None:
        super().__init__()
        self.extend(() if modules is None else modules)

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


class ModuleDict(Module):
    """Modules by key, registered; it is not called itself (torch.nn.ModuleDict)."""

    def __init__(self, modules: Mapping[str, Module] | Iterable[tuple[str, Module]] | None = None) -> None:
        super().__init__()
        self.update(modules or ())

    def update(self, modules: Mapping[str, Module] | Iterable[tuple[str, Module]]) -> None:
        """Add modules, in place of those with the same keys."""
        for name, module in dict(modules).items():
            self[name] = module

    def __setitem__(self, key: str, module: Module) -> None:
        self._modules.pop(key, None)
        self.add_module(key, module)

    def __getitem__(self, key: str) -> Module:
        if key not in self._modules:
            raise KeyError(
                f"there is no module {key!r}; there are {', '.join(map(repr, self._modules)) or 'none'}"
            )
        module: Module = self._modules[key]
        return module

    def __delitem__(self, key: str) -> None:
        del self._modules[key]
        Counts.epoch += 1

    def pop(self, key: str) -> Module:
        """Take a module out."""
        module = self[key]
        del self[key]
        return module

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[str]:
        return iter(self._modules)

    def __contains__(self, key: str) -> bool:
        return key in self._modules

    def keys(self) -> KeysView[str]:
        modules: dict[str, Module] = self._modules
        return modules.keys()

    def values(self) -> ValuesView[Module]:
        modules: dict[str, Module] = self._modules
        return modules.values()

    def items(self) -> ItemsView[str, Module]:
        modules: dict[str, Module] = self._modules
        return modules.items()


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

    def extra_repr(self) -> str:
        lines = []
        for i, parameter in enumerate(self):
            size = "x".join(map(str, parameter.shape))
            lines.append(f"  ({i}): Parameter containing: [{parameter.dtype!r} of size {size}]")
        return "\n".join(lines)
