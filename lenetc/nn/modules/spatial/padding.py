"""Padding layers."""

from __future__ import annotations

from typing import Any

from lenetc.nn import functional as F
from lenetc.nn.modules.module import Module
from lenetc.tensors.arrays import index_of
from lenetc.tensors.tensor import Tensor


class _Pad(Module):
    """functional.pad of the last `dimensions` axes, by one amount for all sides or by one for each."""

    dimensions: int
    mode: str

    def __init__(self, padding: Any) -> None:
        super().__init__()
        sides = 2 * self.dimensions
        given = list(padding) if isinstance(padding, (tuple, list)) else [padding] * sides
        if len(given) != sides:
            raise ValueError(
                f"{type(self).__name__}: padding must be an int or {sides} of them, not {padding!r}"
            )
        self.padding = tuple(index_of("padding", amount) for amount in given)

    def forward(self, input: Tensor) -> Tensor:
        return F.pad(input, self.padding, self.mode)

    def extra_repr(self) -> str:
        return f"{self.padding}"


class _ConstantPad(_Pad):
    mode = "constant"

    def __init__(self, padding: Any, value: float) -> None:
        super().__init__(padding)
        self.value = value

    def forward(self, input: Tensor) -> Tensor:
        return F.pad(input, self.padding, self.mode, self.value)

    def extra_repr(self) -> str:
        return f"padding={self.padding}, value={self.value}"


class ConstantPad1d(_ConstantPad):
    """A number around the last axis (torch.nn.ConstantPad1d)."""

    dimensions = 1


class ConstantPad2d(_ConstantPad):
    """A number around the last two axes (torch.nn.ConstantPad2d)."""

    dimensions = 2


class ConstantPad3d(_ConstantPad):
    """A number around the last three axes (torch.nn.ConstantPad3d)."""

    dimensions = 3


class _ZeroPad(_ConstantPad):
    def __init__(self, padding: Any) -> None:
        super().__init__(padding, 0.0)

    def extra_repr(self) -> str:
        return f"{self.padding}"


class ZeroPad1d(_ZeroPad, ConstantPad1d):
    """Zeros around the last axis (torch.nn.ZeroPad1d)."""


class ZeroPad2d(_ZeroPad, ConstantPad2d):
    """Zeros around the last two axes (torch.nn.ZeroPad2d)."""


class ZeroPad3d(_ZeroPad, ConstantPad3d):
    """Zeros around the last three axes (torch.nn.ZeroPad3d)."""


class ReflectionPad1d(_Pad):
    """What a mirror shows of [N,C,L], or [C,L] (torch.nn.ReflectionPad1d)."""

    dimensions, mode = 1, "reflect"


class ReflectionPad2d(_Pad):
    """What a mirror shows of [N,C,H,W], or [C,H,W] (torch.nn.ReflectionPad2d)."""

    dimensions, mode = 2, "reflect"


class ReflectionPad3d(_Pad):
    """What a mirror shows of [N,C,D,H,W], or [C,D,H,W] (torch.nn.ReflectionPad3d)."""

    dimensions, mode = 3, "reflect"


class ReplicationPad1d(_Pad):
    """The first and last elements of [N,C,L], or [C,L], repeated (torch.nn.ReplicationPad1d)."""

    dimensions, mode = 1, "replicate"


class ReplicationPad2d(_Pad):
    """The border of [N,C,H,W], or [C,H,W], repeated (torch.nn.ReplicationPad2d)."""

    dimensions, mode = 2, "replicate"


class ReplicationPad3d(_Pad):
    """The border of [N,C,D,H,W], or [C,D,H,W], repeated (torch.nn.ReplicationPad3d)."""

    dimensions, mode = 3, "replicate"


class CircularPad1d(_Pad):
    """The other end of [N,C,L], or [C,L] (torch.nn.CircularPad1d)."""

    dimensions, mode = 1, "circular"


class CircularPad2d(_Pad):
    """The other ends of [N,C,H,W], or [C,H,W] (torch.nn.CircularPad2d)."""

    dimensions, mode = 2, "circular"


class CircularPad3d(_Pad):
    """The other ends of [N,C,D,H,W], or [C,D,H,W] (torch.nn.CircularPad3d)."""

    dimensions, mode = 3, "circular"
