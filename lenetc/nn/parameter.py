"""Parameter: a tensor that a module registers when it is assigned to an attribute; and those without a shape yet."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ir.errors import LenetcError
from ir.node import Node
from ir.types import DType, Type
from lenetc.evaluation.cell import Context
from lenetc.evaluation.tracing import here
from lenetc.operations.creation import empty
from lenetc.tensors.size import Size
from lenetc.tensors.tensor import Tensor


class Parameter(Tensor):
    """A leaf tensor that training changes (torch.nn.Parameter). It shares the storage of `data`.

    Raises LenetcError for `requires_grad` with a dtype that is not floating point.
    """

    __slots__ = ()

    def __init__(self, data: Any = None, requires_grad: bool = True) -> None:
        source = empty(0) if data is None else data
        self._init((source if isinstance(source, Tensor) else Tensor(source))._cell)
        self.requires_grad_(requires_grad)

    def __repr__(self) -> str:
        return f"Parameter containing:\n{super().__repr__()}"


class Buffer(Tensor):
    """A tensor that a module registers as a buffer when it is assigned to an attribute (torch.nn.Buffer).

    It shares the storage of `data`. persistent: whether it belongs to the state_dict.
    """

    __slots__ = ("persistent",)

    def __init__(self, data: Any = None, *, persistent: bool = True) -> None:
        source = empty(0) if data is None else data
        self._init((source if isinstance(source, Tensor) else Tensor(source))._cell)
        self.persistent = persistent


class Uninitialized(Tensor):
    """A tensor whose shape is not known yet."""

    __slots__ = ()
    becomes: type[Tensor]

    def materialize(self, shape: Sequence[int], device: Any = None, dtype: DType | None = None) -> None:
        """Become what it stands for, zeros of `shape`. Raises LenetcError inside a compiled function."""
        if Context.trace is not None:
            raise Context.trace.refused(
                LenetcError(
                    "a lazy module gets its parameters from its first input, which must not be inside a compiled "
                    "function: call it once before, under no_grad()"
                )
            )
        sizes = tuple(int(size) for size in shape)
        kind = dtype or self._cell.type.dtype
        self.__class__ = self.becomes  # type: ignore[assignment]
        made = empty(*sizes, dtype=kind, device=device)
        self._cell.become(Type(kind, sizes), made.detach().numpy())

    def _refuse(self, what: str) -> LenetcError:
        return LenetcError(
            f"{what} of an uninitialized parameter or buffer; call the module once with an input, which tells its shape"
        ).at(here())

    @property
    def shape(self) -> Size:
        raise self._refuse("no shape")

    @property
    def node(self) -> Node:
        raise self._refuse("no value")

    def detach(self) -> Tensor:
        return self

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"


class UninitializedParameter(Uninitialized, Parameter):
    """A Parameter whose shape is not known yet (torch.nn.parameter.UninitializedParameter)."""

    __slots__ = ()
    becomes = Parameter

    def __init__(self, requires_grad: bool = True, device: Any = None, dtype: DType | None = None) -> None:
        self._init(empty(0, dtype=dtype, device=device)._cell)
        self._requires_grad = requires_grad


class UninitializedBuffer(Uninitialized):
    """A buffer whose shape is not known yet (torch.nn.parameter.UninitializedBuffer)."""

    __slots__ = ()
    becomes = Tensor

    def __init__(self, requires_grad: bool = False, device: Any = None, dtype: DType | None = None) -> None:
        self._init(empty(0, dtype=dtype, device=device)._cell)
        self._requires_grad = requires_grad
