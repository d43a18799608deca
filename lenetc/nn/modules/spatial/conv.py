"""Convolution layers, and those of their transposes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ir.types import DType
from lenetc.nn import functional as F
from lenetc.nn import init
from lenetc.nn.functional.spatial.convolution import same_padding
from lenetc.nn.functional.spatial.sizes import Sizes, spread
from lenetc.nn.modules.module import Module
from lenetc.nn.parameter import Parameter
from lenetc.operations.creation import empty
from lenetc.tensors.arrays import index_of
from lenetc.tensors.dtypes import get_default_dtype
from lenetc.tensors.tensor import Tensor, require_tensors

_MODES = ("zeros", "reflect", "replicate", "circular")


class _Conv(Module):
    """What convolutions over `dimensions` axes and their transposes share: attributes, parameters, text."""

    dimensions: int
    transposed = False
    weight: Parameter
    bias: Parameter | None
    padding: tuple[int, ...] | str

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Sizes,
        stride: Sizes,
        padding: Sizes | str,
        dilation: Sizes,
        output_padding: Sizes,
        groups: int,
        bias: bool,
        padding_mode: str,
        device: Any,
        dtype: DType | None,
    ) -> None:
        super().__init__()
        dims = self.dimensions
        in_channels, out_channels, groups = (
            index_of(name, value)
            for name, value in (
                ("in_channels", in_channels),
                ("out_channels", out_channels),
                ("groups", groups),
            )
        )
        if groups < 1:
            raise ValueError(f"groups must be a positive integer, not {groups}")
        for name, channels in (("in_channels", in_channels), ("out_channels", out_channels)):
            if channels % groups:
                raise ValueError(
                    f"{name} must be divisible by groups, but {channels} is not divisible by {groups}"
                )
        if padding_mode not in _MODES:
            raise ValueError(f"padding_mode must be one of {_MODES}, but got padding_mode={padding_mode!r}")
        self.in_channels, self.out_channels, self.groups = in_channels, out_channels, groups
        self.kernel_size, self.stride = (
            spread(kernel_size, dims, "kernel_size"),
            spread(stride, dims, "stride"),
        )
        self.dilation = spread(dilation, dims, "dilation")
        self.output_padding = spread(output_padding, dims, "output_padding")
        self.padding_mode = padding_mode
        if isinstance(padding, str):
            if padding not in ("same", "valid"):
                raise ValueError(f"Invalid padding string {padding!r}, should be 'same' or 'valid'")
            if padding == "same" and max(self.stride) > 1:
                raise ValueError("padding='same' is not supported for strided convolutions")
            self.padding = padding
        else:
            self.padding = spread(padding, dims, "padding")
        kind = dtype or get_default_dtype()
        self.weight = Parameter(empty(*self.weight_shape(), dtype=kind, device=device))
        if bias:
            self.bias = Parameter(empty(out_channels, dtype=kind, device=device))
        else:
            self.register_parameter("bias", None)
        self.reset_parameters()

    def weight_shape(self) -> tuple[int, ...]:
        first, second = self.out_channels, self.in_channels
        if self.transposed:
            first, second = second, first
        return first, second // self.groups, *self.kernel_size

    def reset_parameters(self) -> None:
        """Draw new first values."""
        if self.in_channels:
            init.affine_defaults(self.weight, self.bias)

    def extra_repr(self) -> str:
        none, ones = (0,) * self.dimensions, (1,) * self.dimensions
        parts = [
            f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}"
        ]
        if self.padding != none:
            parts.append(f"padding={self.padding}")
        if self.dilation != ones:
            parts.append(f"dilation={self.dilation}")
        if self.output_padding != none:
            parts.append(f"output_padding={self.output_padding}")
        if self.groups != 1:
            parts.append(f"groups={self.groups}")
        if self.bias is None:
            parts.append("bias=False")
        if self.padding_mode != "zeros":
            parts.append(f"padding_mode={self.padding_mode}")
        return ", ".join(parts)


class _ConvNd(_Conv):
    """A convolution: weight[O,C/groups,...] and bias[O] start uniform within 1/sqrt(C/groups * elements of the kernel).

    padding_mode: "zeros", or "reflect", "replicate", "circular" as functional.pad has them. Raises ValueError for
    channels that `groups` does not divide.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Sizes,
        stride: Sizes = 1,
        padding: Sizes | str = 0,
        dilation: Sizes = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: DType | None = None,
    ) -> None:
        super().__init__(
            in_channels,
            out_channels,
            kernel_size,
            stride,
            padding,
            dilation,
            0,
            groups,
            bias,
            padding_mode,
            device,
            dtype,
        )

    def forward(self, input: Tensor) -> Tensor:
        padding: Sizes | str = self.padding
        if self.padding_mode != "zeros":
            input = F.pad(input, self._sides(), mode=self.padding_mode)
            padding = 0
        function = (F.conv1d, F.conv2d, F.conv3d)[self.dimensions - 1]
        return function(input, self.weight, self.bias, self.stride, padding, self.dilation, self.groups)

    def _sides(self) -> list[int]:
        """What functional.pad is to add, the last axis first."""
        if isinstance(self.padding, str):
            sides = same_padding(self.kernel_size, self.dilation)
            sides = sides if self.padding == "same" else [(0, 0)] * self.dimensions
        else:
            sides = [(amount, amount) for amount in self.padding]
        return [amount for side in reversed(sides) for amount in side]


class Conv1d(_ConvNd):
    __doc__ = f"input[N,C,L], or [C,L] -> [N,O,OL] (torch.nn.Conv1d). {_ConvNd.__doc__}"
    dimensions = 1


class Conv2d(_ConvNd):
    __doc__ = f"input[N,C,H,W], or [C,H,W] -> [N,O,OH,OW] (torch.nn.Conv2d). {_ConvNd.__doc__}"
    dimensions = 2


class Conv3d(_ConvNd):
    __doc__ = f"input[N,C,D,H,W], or [C,D,H,W] -> [N,O,OD,OH,OW] (torch.nn.Conv3d). {_ConvNd.__doc__}"
    dimensions = 3


class _ConvTransposeNd(_Conv):
    """The transpose of a convolution: weight[C,O/groups,...] and bias[O] start uniform within
    1/sqrt(O/groups * elements of the kernel).

    forward takes the size that the output shall have, too. Raises ValueError for channels that `groups` does not
    divide, for a padding mode other than "zeros", and for an output size that is out of reach.
    """

    transposed = True

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Sizes,
        stride: Sizes = 1,
        padding: Sizes = 0,
        output_padding: Sizes = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Sizes = 1,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: DType | None = None,
    ) -> None:
        if padding_mode != "zeros":
            raise ValueError(f'Only "zeros" padding mode is supported for {type(self).__name__}')
        super().__init__(
            in_channels,
            out_channels,
            kernel_size,
            stride,
            padding,
            dilation,
            output_padding,
            groups,
            bias,
            padding_mode,
            device,
            dtype,
        )

    def forward(self, input: Tensor, output_size: Sequence[int] | None = None) -> Tensor:
        function = (F.conv_transpose1d, F.conv_transpose2d, F.conv_transpose3d)[self.dimensions - 1]
        more = self.output_padding if output_size is None else self._reaching(input, output_size)
        padding = spread(self.padding, self.dimensions, "padding")
        return function(input, self.weight, self.bias, self.stride, padding, more, self.groups, self.dilation)

    def _reaching(self, input: Tensor, output_size: Sequence[int]) -> tuple[int, ...]:
        """The output padding that gives `output_size`."""
        require_tensors(type(self).__name__, input)
        dims = self.dimensions
        sizes = [int(size) for size in output_size]
        sizes = sizes[-dims:] if len(sizes) == input.ndim else sizes
        if len(sizes) != dims:
            raise ValueError(
                f"ConvTranspose{dims}D: for {input.ndim}D input, output_size must have {dims} or {input.ndim} elements "
                f"(got {len(sizes)})"
            )
        padding = spread(self.padding, dims, "padding")
        moves = zip(input.shape[-dims:], self.stride, padding, self.dilation, self.kernel_size, strict=True)
        least = [int((n - 1) * s - 2 * p + d * (k - 1) + 1) for n, s, p, d, k in moves]
        most = [low + s - 1 for low, s in zip(least, self.stride, strict=True)]
        if any(not low <= size <= high for low, size, high in zip(least, sizes, most, strict=True)):
            raise ValueError(
                f"requested an output size of {sizes}, but valid sizes range from {least} to {most} (for an input of "
                f"{list(input.shape[-dims:])})"
            )
        return tuple(size - low for size, low in zip(sizes, least, strict=True))


class ConvTranspose1d(_ConvTransposeNd):
    __doc__ = f"input[N,C,L], or [C,L] -> [N,O,OL] (torch.nn.ConvTranspose1d). {_ConvTransposeNd.__doc__}"
    dimensions = 1


class ConvTranspose2d(_ConvTransposeNd):
    __doc__ = (
        f"input[N,C,H,W], or [C,H,W] -> [N,O,OH,OW] (torch.nn.ConvTranspose2d). {_ConvTransposeNd.__doc__}"
    )
    dimensions = 2


class ConvTranspose3d(_ConvTransposeNd):
    __doc__ = f"input[N,C,D,H,W], or [C,D,H,W] -> [N,O,OD,OH,OW] (torch.nn.ConvTranspose3d). {_ConvTransposeNd.__doc__}"
    dimensions = 3
