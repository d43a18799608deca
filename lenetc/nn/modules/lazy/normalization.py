"""Normalization layers that learn the number of channels from their first input."""

from __future__ import annotations

from typing import Any

from ir.types import i64
from lenetc.nn.modules.lazy.mixin import LazyModuleMixin
from lenetc.nn.modules.normalization import (
    BatchNorm1d,
    BatchNorm2d,
    BatchNorm3d,
    InstanceNorm1d,
    InstanceNorm2d,
    InstanceNorm3d,
    _InstanceNorm,
    _Normalization,
)
from lenetc.nn.parameter import UninitializedBuffer, UninitializedParameter
from lenetc.operations.creation import full
from lenetc.tensors.tensor import Tensor


class _LazyNormalization(LazyModuleMixin, _Normalization):
    """A normalization whose `num_features` are the channels of its first input."""

    def __init__(
        self,
        eps: float = 1e-05,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        _Normalization.__init__(self, 0, eps, momentum, False, False, device, dtype, False)
        self.affine, self.track_running_stats = affine, track_running_stats
        how = {"device": device, "dtype": dtype}
        if affine:
            self.weight = UninitializedParameter(**how)
            if bias:
                self.bias = UninitializedParameter(**how)
        if track_running_stats:
            self.running_mean, self.running_var = UninitializedBuffer(**how), UninitializedBuffer(**how)
            self.num_batches_tracked = full((), 0, dtype=i64, device=device)

    def reset_parameters(self) -> None:
        """Go back to the first values, once there are parameters."""
        if self.num_features and not self.has_uninitialized_params():
            super().reset_parameters()

    def initialize_parameters(self, input: Tensor, *args: Any, **kwargs: Any) -> None:
        self._check_input_dim(input)
        if not self.num_features:
            is_single = isinstance(self, _InstanceNorm) and input.ndim == self.dimensions[0]
            self.num_features = int(input.shape[0 if is_single else 1])
        tensors = (self.weight, self.bias, self.running_mean, self.running_var)
        self._materialize(*((tensor, (self.num_features,)) for tensor in tensors))


class LazyBatchNorm1d(_LazyNormalization, BatchNorm1d):
    __doc__ = f"{_LazyNormalization.__doc__} See BatchNorm1d (torch.nn.LazyBatchNorm1d)."
    cls_to_become = BatchNorm1d


class LazyBatchNorm2d(_LazyNormalization, BatchNorm2d):
    __doc__ = f"{_LazyNormalization.__doc__} See BatchNorm2d (torch.nn.LazyBatchNorm2d)."
    cls_to_become = BatchNorm2d


class LazyBatchNorm3d(_LazyNormalization, BatchNorm3d):
    __doc__ = f"{_LazyNormalization.__doc__} See BatchNorm3d (torch.nn.LazyBatchNorm3d)."
    cls_to_become = BatchNorm3d


class LazyInstanceNorm1d(_LazyNormalization, InstanceNorm1d):
    __doc__ = f"{_LazyNormalization.__doc__} See InstanceNorm1d (torch.nn.LazyInstanceNorm1d)."
    cls_to_become = InstanceNorm1d


class LazyInstanceNorm2d(_LazyNormalization, InstanceNorm2d):
    __doc__ = f"{_LazyNormalization.__doc__} See InstanceNorm2d (torch.nn.LazyInstanceNorm2d)."
    cls_to_become = InstanceNorm2d


class LazyInstanceNorm3d(_LazyNormalization, InstanceNorm3d):
    __doc__ = f"{_LazyNormalization.__doc__} See InstanceNorm3d (torch.nn.LazyInstanceNorm3d)."
    cls_to_become = InstanceNorm3d
