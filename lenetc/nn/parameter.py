"""Parameter: a tensor that a module registers when it is assigned to an attribute; and those without a shape yet."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ir.errors import LenetcError, ShapeError
from ir.node import Node
from ir.types import DType, Type
from lenetc.evaluation.cell import Context, Counts
from lenetc.evaluation.tracing import here
from lenetc.operations.creation import empty
from lenetc.tensors.convert import is_tensor
from lenetc.tensors.size import Size
from lenetc.tensors.storage import others, share
from lenetc.tensors.tensor import Tensor


class Parameter(Tensor):
    """A leaf tensor that training changes (torch.nn.Parameter). It shares the storage of `data`.

    It may be given attributes of one's own, such as `no_weight_decay`. Raises LenetcError for `requires_grad` with a
    dtype that is not floating point.
    """

    __slots__ = ()

    def __init__(self, data: Any = None, requires_grad: bool = True) -> None:
        source = empty(0) if data is None else data
        source = source if is_tensor(source) else Tensor(source)
        self._init(source._cell)
        share(source._cell, source, self)
        # Of several that show the storage one is its leaf; the others have values of it, or are leaves of their own.
        if source._is_detached or source.requires_grad or any(each._requires_grad for each in others(self)):
            self._is_detached = True
        else:
            source._is_detached = True
        self.requires_grad_(requires_grad)

    def __setattr__(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)
        if name in self.__dict__:
            Counts.epoch += 1  # compiled functions may have read it

    def __reduce_ex__(self, protocol: Any) -> Any:
        return *super().__reduce_ex__(protocol), self.__dict__ or None

    def __repr__(self) -> str:
        return f"Parameter containing:\n{super().__repr__()}"


class Buffer(Tensor):
    """A tensor that a module registers as a buffer when it is assigned to an attribute (torch.nn.Buffer).

    It shares the storage of `data`. persistent: whether it belongs to the state_dict.
    """

    __slots__ = ("persistent",)

    def __init__(self, data: Any = None, *, persistent: bool = True) -> None:
        source = empty(0) if data is None else data
        source = source if is_tensor(source) else Tensor(source)
        self._init(source._cell)
        share(source._cell, source, self)
        self.persistent = persistent

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        copy = super().__deepcopy__(memo)
        copy.persistent = self.persistent  # type: ignore[attr-defined]
        return copy

    def __reduce_ex__(self, protocol: Any) -> Any:
        return *super().__reduce_ex__(protocol), (None, {"persistent": self.persistent})


class Uninitialized(Tensor if TYPE_CHECKING else object):  # type: ignore[misc]  # for one layout with `becomes`
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
        self._cell.become(Type(kind, sizes), made._array())

    def convert(self, dtype: DType) -> None:
        """Have another dtype, which it will be materialized in."""
        self._cell.become(Type(dtype, (0,)), empty(0, dtype=dtype)._array())

    def _refuse(self, what: str) -> LenetcError:
        return ShapeError(
            f"{what} of an uninitialized parameter or buffer; call the module once with an input, which tells its shape"
        ).at(here())

    @property
    def shape(self) -> Size:
        raise self._refuse("no shape")

    def numel(self) -> int:
        raise self._refuse("no number of elements")

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


class UninitializedBuffer(Uninitialized, Tensor):
    """A buffer whose shape is not known yet (torch.nn.parameter.UninitializedBuffer)."""

    __slots__ = ()
    becomes = Tensor

    def __init__(self, requires_grad: bool = False, device: Any = None, dtype: DType | None = None) -> None:
        self._init(empty(0, dtype=dtype, device=device)._cell)
        self._requires_grad = requires_grad


def is_lazy(param: Any) -> bool:
    """Whether it is a parameter or buffer without a shape yet (torch.nn.parameter.is_lazy)."""
    return isinstance(param, Uninitialized)
