"""Convolution layers that learn the number of channels from their first input."""

from __future__ import annotations

from typing import Any

from ir.types import DType
from lenetc.nn.functional.spatial.sizes import Sizes, is_batch
from lenetc.nn.modules.lazy.mixin import LazyModuleMixin
from lenetc.nn.modules.spatial.conv import (
    Conv1d,
    Conv2d,
    Conv3d,
    ConvTranspose1d,
    ConvTranspose2d,
    ConvTranspose3d,
    _Conv,
    _ConvNd,
    _ConvTransposeNd,
)
from lenetc.nn.parameter import UninitializedParameter
from lenetc.tensors.tensor import Tensor


class _Lazy(LazyModuleMixin, _Conv):
    def _leave_open(self, out_channels: int, bias: bool, device: Any, dtype: DType | None) -> None:
        self.weight = UninitializedParameter(device=device, dtype=dtype)
        self.out_channels = out_channels
        if bias:
            self.bias = UninitializedParameter(device=device, dtype=dtype)

    def initialize_parameters(self, input: Tensor, *args: Any, **kwargs: Any) -> None:
        if not self.in_channels:
            channels = input.shape[1 if is_batch(type(self).__name__, input, self.dimensions) else 0]
            if channels % self.groups:
                raise ValueError(
                    f"in_channels must be divisible by groups, but {channels} is not by {self.groups}"
                )
            self.in_channels = int(channels)
        self._materialize((self.weight, self.weight_shape()), (self.bias, (self.out_channels,)))


class _LazyConv(_Lazy, _ConvNd):
    """A convolution whose `in_channels` are those of its first input."""

    def __init__(
        self,
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
        _ConvNd.__init__(
            self, 0, 0, kernel_size, stride, padding, dilation, groups, False, padding_mode, device, dtype
        )
        self._leave_open(out_channels, bias, device, dtype)


class LazyConv1d(_LazyConv, Conv1d):
    __doc__ = f"{_LazyConv.__doc__} See Conv1d (torch.nn.LazyConv1d)."
    cls_to_become = Conv1d


class LazyConv2d(_LazyConv, Conv2d):
    __doc__ = f"{_LazyConv.__doc__} See Conv2d (torch.nn.LazyConv2d)."
    cls_to_become = Conv2d


class LazyConv3d(_LazyConv, Conv3d):
    __doc__ = f"{_LazyConv.__doc__} See Conv3d (torch.nn.LazyConv3d)."
    cls_to_become = Conv3d


class _LazyConvTranspose(_Lazy, _ConvTransposeNd):
    """The transpose of a convolution whose `in_channels` are those of its first input."""

    def __init__(
        self,
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
        _ConvTransposeNd.__init__(
            self,
            0,
            0,
            kernel_size,
            stride,
            padding,
            output_padding,
            groups,
            False,
            dilation,
            padding_mode,
            device,
            dtype,
        )
        self._leave_open(out_channels, bias, device, dtype)


class LazyConvTranspose1d(_LazyConvTranspose, ConvTranspose1d):
    __doc__ = f"{_LazyConvTranspose.__doc__} See ConvTranspose1d (torch.nn.LazyConvTranspose1d)."
    cls_to_become = ConvTranspose1d


class LazyConvTranspose2d(_LazyConvTranspose, ConvTranspose2d):
    __doc__ = f"{_LazyConvTranspose.__doc__} See ConvTranspose2d (torch.nn.LazyConvTranspose2d)."
    cls_to_become = ConvTranspose2d


class LazyConvTranspose3d(_LazyConvTranspose, ConvTranspose3d):
    __doc__ = f"{_LazyConvTranspose.__doc__} See ConvTranspose3d (torch.nn.LazyConvTranspose3d)."
    cls_to_become = ConvTranspose3d
