"""The shape of a tensor as users see it."""

import math
from typing import Any, SupportsIndex, overload


class Size(tuple[Any, ...]):
    """A tuple of dims, each an int or a symbolic dim such as `N`; slices and sums are Sizes again.

    Prints as `lenetc.Size([6, 1, 5, 5])`. Equal to, and hashed as, the plain tuple of its dims.
    Source: `torch.Size`, which it differs from in taking dims that are not ints.
    """

    __slots__ = ()

    def numel(self) -> Any:
        """Number of elements: the product of the dims, 1 for a scalar's shape, symbolic where a dim is."""
        return math.prod(self)

    def __repr__(self) -> str:
        return f"lenetc.Size([{', '.join(str(dim) for dim in self)}])"

    @overload
    def __getitem__(self, index: SupportsIndex) -> Any: ...
    @overload
    def __getitem__(self, index: slice) -> "Size": ...
    def __getitem__(self, index: SupportsIndex | slice) -> Any:
        picked = super().__getitem__(index)
        return Size(picked) if isinstance(index, slice) else picked

    def __add__(self, other: tuple[Any, ...]) -> "Size":
        if not isinstance(other, tuple):
            return NotImplemented
        return Size(super().__add__(other))

    def __radd__(self, other: tuple[Any, ...]) -> "Size":
        if not isinstance(other, tuple):
            return NotImplemented
        return Size((*other, *self))

    def __mul__(self, count: SupportsIndex) -> "Size":
        return Size(super().__mul__(count))

    __rmul__ = __mul__
