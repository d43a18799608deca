"""Affine and bilinear layers, and the layer that does nothing."""

from __future__ import annotations

import math
from typing import Any

from lenetc.nn import functional as F
from lenetc.nn import init
from lenetc.nn.modules.module import Module
from lenetc.nn.parameter import Parameter
from lenetc.operations.creation import empty
from lenetc.tensors.tensor import Tensor


class Linear(Module):
    """input[*,I] -> [*,O] (torch.nn.Linear). weight[O,I] and bias[O] start uniform within 1/sqrt(I)."""

    weight: Parameter
    bias: Parameter | None

    def __init__(
        self, in_features: int, out_features: int, bias: bool = True, device: Any = None, dtype: Any = None
    ) -> None:
        super().__init__()
        self.in_features, self.out_features = in_features, out_features
        how = {"device": device, "dtype": dtype}
        self.weight = Parameter(empty(out_features, in_features, **how))
        self.register_parameter("bias", Parameter(empty(out_features, **how)) if bias else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw new first values."""
        init.affine_defaults(self.weight, self.bias)

    def forward(self, input: Tensor) -> Tensor:
        return F.linear(input, self.weight, self.bias)

    def extra_repr(self) -> str:
        return (
            f"in_features={self.in_features}, out_features={self.out_features}, bias={self.bias is not None}"
        )


class Bilinear(Module):
    """input1[*,I], input2[*,J] -> [*,O] (torch.nn.Bilinear). weight[O,I,J] and bias[O] start within 1/sqrt(I)."""

    weight: Parameter
    bias: Parameter | None

    def __init__(
        self,
        in1_features: int,
        in2_features: int,
        out_features: int,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        if in1_features <= 0:
            raise ValueError(f"in1_features must be > 0, but got (in1_features={in1_features})")
        self.in1_features, self.in2_features, self.out_features = in1_features, in2_features, out_features
        how = {"device": device, "dtype": dtype}
        self.weight = Parameter(empty(out_features, in1_features, in2_features, **how))
        self.register_parameter("bias", Parameter(empty(out_features, **how)) if bias else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw new first values."""
        bound = 1 / math.sqrt(self.in1_features)
        init.uniform_(self.weight, -bound, bound)
        if self.bias is not None:
            init.uniform_(self.bias, -bound, bound)

    def forward(self, input1: Tensor, input2: Tensor) -> Tensor:
        return F.bilinear(input1, input2, self.weight, self.bias)

    def extra_repr(self) -> str:
        return (
            f"in1_features={self.in1_features}, in2_features={self.in2_features}, "
            f"out_features={self.out_features}, bias={self.bias is not None}"
        )


class Identity(Module):
    """Gives back its input; takes any arguments (torch.nn.Identity)."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__()

    def forward(self, input: Any) -> Any:
        return input
