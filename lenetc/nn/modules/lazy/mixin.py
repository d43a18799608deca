"""Modules that learn sizes from their first input (torch.nn.modules.lazy).

A lazy module is a subclass `LazyX(LazyModuleMixin, X)` that makes `UninitializedParameter`s, gives them their shapes in
`initialize_parameters`, and names X as `cls_to_become`.
"""

from __future__ import annotations

from typing import Any

from ir.errors import LenetcError
from lenetc.evaluation.tracing import here
from lenetc.nn.modules.module import Module
from lenetc.nn.parameter import Uninitialized


class LazyModuleMixin(Module):
    """A module that initializes its parameters with its first input, and is of the class `cls_to_become` from then on
    (torch.nn.modules.lazy.LazyModuleMixin)."""

    cls_to_become: type[Module] | None = None

    def has_uninitialized_params(self) -> bool:
        """Whether a parameter or buffer of this module has no shape yet."""
        own = (*self._parameters.values(), *self._buffers.values())
        return any(isinstance(tensor, Uninitialized) for tensor in own)

    def initialize_parameters(self, *args: Any, **kwargs: Any) -> None:
        """Give every parameter its shape, told by what forward is called with."""
        raise NotImplementedError(f"initialize_parameters is not implemented for {type(self).__name__}")

    def _materialize(self, *shapes: tuple[Any, tuple[int, ...]]) -> None:
        """Give the tensors among pairs (tensor, shape) that have no shape yet theirs, and draw first values."""
        if self.has_uninitialized_params():
            for tensor, shape in shapes:
                if isinstance(tensor, Uninitialized):
                    tensor.materialize(shape)
            self.reset_parameters()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        self.initialize_parameters(*args, **kwargs)
        if self.has_uninitialized_params():
            raise LenetcError(f"module {self._get_name()} has not been fully initialized").at(here())
        if self.cls_to_become is None:
            return super().__call__(*args, **kwargs)
        self.__class__ = self.cls_to_become  # type: ignore[assignment]
        return self(*args, **kwargs)
