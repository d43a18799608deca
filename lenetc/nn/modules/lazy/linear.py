"""An affine layer that learns the number of features from its first input."""

from __future__ import annotations

from typing import Any

from lenetc.nn.modules.lazy.mixin import LazyModuleMixin
from lenetc.nn.modules.linear import Linear
from lenetc.nn.parameter import UninitializedParameter
from lenetc.tensors.tensor import Tensor, require_tensors


class LazyLinear(LazyModuleMixin, Linear):
    """A Linear whose `in_features` are those of its first input (torch.nn.LazyLinear)."""

    cls_to_become = Linear

    def __init__(self, out_features: int, bias: bool = True, device: Any = None, dtype: Any = None) -> None:
        Linear.__init__(self, 0, 0, False)
        self.weight = UninitializedParameter(device=device, dtype=dtype)
        self.out_features = out_features
        if bias:
            self.bias = UninitializedParameter(device=device, dtype=dtype)

    def reset_parameters(self) -> None:
        """Draw new first values, once there are parameters."""
        if self.in_features and not self.has_uninitialized_params():
            super().reset_parameters()

    def initialize_parameters(self, input: Tensor, *args: Any, **kwargs: Any) -> None:
        require_tensors("LazyLinear", input)
        if not self.in_features:
            self.in_features = int(input.shape[-1])
        self._materialize(
            (self.weight, (self.out_features, self.in_features)), (self.bias, (self.out_features,))
        )
