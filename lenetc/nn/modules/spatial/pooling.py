"""Layers that pool windows, and that undo it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ir.errors import UnsupportedError
from lenetc.nn import functional as F
from lenetc.nn.functional.spatial.sizes import Sizes, spread
from lenetc.nn.modules.module import Module
from lenetc.tensors.tensor import Tensor


class _MaxPool(Module):
    dimensions: int

    def __init__(
        self,
        kernel_size: Sizes,
        stride: Sizes | None = None,
        padding: Sizes = 0,
        dilation: Sizes = 1,
        return_indices: bool = False,
        ceil_mode: bool = False,
    ) -> None:
        super().__init__()
        self.kernel_size, self.stride = kernel_size, kernel_size if stride is None else stride
        self.padding, self.dilation = padding, dilation
        self.return_indices, self.ceil_mode = return_indices, ceil_mode

    def forward(self, input: Tensor) -> Any:
        function = (F.max_pool1d, F.max_pool2d, F.max_pool3d)[self.dimensions - 1]
        window = (self.kernel_size, self.stride, self.padding, self.dilation)
        return function(input, *window, ceil_mode=self.ceil_mode, return_indices=self.return_indices)

    def extra_repr(self) -> str:
        return (
            f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}, "
            f"dilation={self.dilation}, ceil_mode={self.ceil_mode}"
        )


class MaxPool1d(_MaxPool):
    """functional.max_pool1d (torch.nn.MaxPool1d)."""

    dimensions = 1


class MaxPool2d(_MaxPool):
    """functional.max_pool2d (torch.nn.MaxPool2d)."""

    dimensions = 2


class MaxPool3d(_MaxPool):
    """functional.max_pool3d (torch.nn.MaxPool3d)."""

    dimensions = 3


class _MaxUnpool(Module):
    dimensions: int

    def __init__(self, kernel_size: Sizes, stride: Sizes | None = None, padding: Sizes = 0) -> None:
        super().__init__()
        self.kernel_size = spread(kernel_size, self.dimensions, "kernel_size")
        self.stride = spread(kernel_size if stride is None else stride, self.dimensions, "stride")
        self.padding = spread(padding, self.dimensions, "padding")

    def forward(self, input: Tensor, indices: Tensor, output_size: Sequence[int] | None = None) -> Tensor:
        function = (F.max_unpool1d, F.max_unpool2d, F.max_unpool3d)[self.dimensions - 1]
        return function(input, indices, self.kernel_size, self.stride, self.padding, output_size)

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class MaxUnpool1d(_MaxUnpool):
    """functional.max_unpool1d (torch.nn.MaxUnpool1d)."""

    dimensions = 1


class MaxUnpool2d(_MaxUnpool):
    """functional.max_unpool2d (torch.nn.MaxUnpool2d)."""

    dimensions = 2


class MaxUnpool3d(_MaxUnpool):
    """functional.max_unpool3d (torch.nn.MaxUnpool3d)."""

    dimensions = 3


class _AvgPool(Module):
    def __init__(
        self,
        kernel_size: Sizes,
        stride: Sizes | None = None,
        padding: Sizes = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
    ) -> None:
        super().__init__()
        self.kernel_size, self.stride = kernel_size, kernel_size if stride is None else stride
        self.padding, self.ceil_mode, self.count_include_pad = padding, ceil_mode, count_include_pad

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class AvgPool1d(_AvgPool):
    """functional.avg_pool1d (torch.nn.AvgPool1d)."""

    def __init__(
        self,
        kernel_size: Sizes,
        stride: Sizes | None = None,
        padding: Sizes = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
    ) -> None:
        size = spread(kernel_size, 1, "kernel_size")
        step = None if stride is None else spread(stride, 1, "stride")
        super().__init__(size, step, spread(padding, 1, "padding"), ceil_mode, count_include_pad)

    def forward(self, input: Tensor) -> Tensor:
        window = (self.kernel_size, self.stride, self.padding)
        return F.avg_pool1d(input, *window, self.ceil_mode, self.count_include_pad)


class _DivisorPool(_AvgPool):
    dimensions: int

    def __init__(
        self,
        kernel_size: Sizes,
        stride: Sizes | None = None,
        padding: Sizes = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> None:
        super().__init__(kernel_size, stride, padding, ceil_mode, count_include_pad)
        self.divisor_override = divisor_override

    def forward(self, input: Tensor) -> Tensor:
        function = (F.avg_pool2d, F.avg_pool3d)[self.dimensions - 2]
        window = (self.kernel_size, self.stride, self.padding)
        found: Tensor = function(
            input, *window, self.ceil_mode, self.count_include_pad, self.divisor_override
        )
        return found


class AvgPool2d(_DivisorPool):
    """functional.avg_pool2d (torch.nn.AvgPool2d)."""

    dimensions = 2


class AvgPool3d(_DivisorPool):
    """functional.avg_pool3d (torch.nn.AvgPool3d)."""

    dimensions = 3


class _LPPool(Module):
    dimensions: int

    def __init__(
        self,
        norm_type: float,
        kernel_size: Sizes,
        stride: Sizes | None = None,
        ceil_mode: bool = False,
    ) -> None:
        super().__init__()
        self.norm_type, self.kernel_size, self.stride, self.ceil_mode = (
            norm_type,
            kernel_size,
            stride,
            ceil_mode,
        )

    def forward(self, input: Tensor) -> Tensor:
        function = (F.lp_pool1d, F.lp_pool2d, F.lp_pool3d)[self.dimensions - 1]
        return function(input, float(self.norm_type), self.kernel_size, self.stride, self.ceil_mode)

    def extra_repr(self) -> str:
        return (
            f"norm_type={self.norm_type}, kernel_size={self.kernel_size}, stride={self.stride}, "
            f"ceil_mode={self.ceil_mode}"
        )


class LPPool1d(_LPPool):
    """functional.lp_pool1d (torch.nn.LPPool1d)."""

    dimensions = 1


class LPPool2d(_LPPool):
    """functional.lp_pool2d (torch.nn.LPPool2d)."""

    dimensions = 2


class LPPool3d(_LPPool):
    """functional.lp_pool3d (torch.nn.LPPool3d)."""

    dimensions = 3


class _AdaptiveAvgPool(Module):
    dimensions: int

    def __init__(self, output_size: Any) -> None:
        super().__init__()
        self.output_size = output_size

    def forward(self, input: Tensor) -> Tensor:
        functions = (F.adaptive_avg_pool1d, F.adaptive_avg_pool2d, F.adaptive_avg_pool3d)
        return functions[self.dimensions - 1](input, self.output_size)

    def extra_repr(self) -> str:
        return f"output_size={self.output_size}"


class AdaptiveAvgPool1d(_AdaptiveAvgPool):
    """functional.adaptive_avg_pool1d (torch.nn.AdaptiveAvgPool1d)."""

    dimensions = 1


class AdaptiveAvgPool2d(_AdaptiveAvgPool):
    """functional.adaptive_avg_pool2d (torch.nn.AdaptiveAvgPool2d)."""

    dimensions = 2


class AdaptiveAvgPool3d(_AdaptiveAvgPool):
    """functional.adaptive_avg_pool3d (torch.nn.AdaptiveAvgPool3d)."""

    dimensions = 3


class _AdaptiveMaxPool(Module):
    dimensions: int

    def __init__(self, output_size: Any, return_indices: bool = False) -> None:
        super().__init__()
        self.output_size, self.return_indices = output_size, return_indices

    def forward(self, input: Tensor) -> Any:
        functions = (F.adaptive_max_pool1d, F.adaptive_max_pool2d, F.adaptive_max_pool3d)
        return functions[self.dimensions - 1](input, self.output_size, self.return_indices)

    def extra_repr(self) -> str:
        return f"output_size={self.output_size}"


class AdaptiveMaxPool1d(_AdaptiveMaxPool):
    """functional.adaptive_max_pool1d (torch.nn.AdaptiveMaxPool1d)."""

    dimensions = 1


class AdaptiveMaxPool2d(_AdaptiveMaxPool):
    """functional.adaptive_max_pool2d (torch.nn.AdaptiveMaxPool2d)."""

    dimensions = 2


class AdaptiveMaxPool3d(_AdaptiveMaxPool):
    """functional.adaptive_max_pool3d (torch.nn.AdaptiveMaxPool3d)."""

    dimensions = 3


class _FractionalMaxPool(Module):
    dimensions: int
    _random_samples: Tensor | None

    def __init__(
        self,
        kernel_size: Sizes,
        output_size: Any = None,
        output_ratio: Any = None,
        return_indices: bool = False,
        _random_samples: Tensor | None = None,
    ) -> None:
        super().__init__()
        dims = self.dimensions
        self.kernel_size = spread(kernel_size, dims, "kernel_size")
        self.return_indices = return_indices
        self.register_buffer("_random_samples", _random_samples)
        self.output_size = None if output_size is None else spread(output_size, dims, "output_size")
        given = output_ratio if isinstance(output_ratio, (tuple, list)) else [output_ratio] * dims
        self.output_ratio = None if output_ratio is None else tuple(given)
        if output_size is None and output_ratio is None:
            raise ValueError(
                f"{type(self).__name__} requires specifying either an output size, or a pooling ratio"
            )
        if output_size is not None and output_ratio is not None:
            raise ValueError("only one of output_size and output_ratio may be specified")
        if self.output_ratio is not None and not all(0 < ratio < 1 for ratio in self.output_ratio):
            raise ValueError(f"output_ratio must be between 0 and 1 (got {output_ratio})")

    def forward(self, input: Tensor) -> Any:
        function = (F.fractional_max_pool2d, F.fractional_max_pool3d)[self.dimensions - 2]
        how = (self.kernel_size, self.output_size, self.output_ratio, self.return_indices)
        return function(input, *how, _random_samples=self._random_samples)


class FractionalMaxPool2d(_FractionalMaxPool):
    """functional.fractional_max_pool2d (torch.nn.FractionalMaxPool2d)."""

    dimensions = 2


class FractionalMaxPool3d(_FractionalMaxPool):
    """functional.fractional_max_pool3d (torch.nn.FractionalMaxPool3d)."""

    dimensions = 3


class CrossMapLRN2d(Module):
    """torch.nn.CrossMapLRN2d, which is not here. Raises UnsupportedError."""

    def __init__(self, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1) -> None:
        raise UnsupportedError(
            f"CrossMapLRN2d is not supported; use LocalResponseNorm({size}, {alpha}, {beta}, {k})"
        )
