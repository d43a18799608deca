"""Convolution layers."""

from __future__ import annotations

from lenetc.nn import functional as F
from lenetc.nn import init
from lenetc.nn.functional.spatial.sizes import Sizes as Size2, spread
from lenetc.nn.modules.module import Module
from lenetc.nn.parameter import Parameter
from lenetc.operations.creation import empty
from lenetc.tensors.arrays import index_of


def pair(v, w):
    return spread(v, 2, w)


from lenetc.tensors.tensor import Tensor


class Conv2d(Module):
    """input[N,C,H,W], or [C,H,W] -> [N,O,OH,OW] (torch.nn.Conv2d); see functional.conv2d.

    weight[O,C/groups,KH,KW] and bias[O] start uniform within 1/sqrt(C/groups*KH*KW). Raises ValueError for
    channels that `groups` does not divide, and for a padding mode other than "zeros".
    """

    weight: Parameter
    bias: Parameter | None

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Size2,
        stride: Size2 = 1,
        padding: Size2 | str = 0,
        dilation: Size2 = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
    ) -> None:
        super().__init__()
        in_channels, out_channels = (
            index_of("in_channels", in_channels),
            index_of("out_channels", out_channels),
        )
        groups = index_of("groups", groups)
        if groups < 1:
            raise ValueError(f"groups must be a positive integer, not {groups}")
        for name, channels in (("in_channels", in_channels), ("out_channels", out_channels)):
            if channels % groups:
                raise ValueError(
                    f"{name} must be divisible by groups, but {channels} is not divisible by {groups}"
                )
        if padding_mode != "zeros":
            raise ValueError(
                f"padding_mode {padding_mode!r} is not supported; use 'zeros', or pad the input yourself"
            )
        self.in_channels, self.out_channels, self.groups = in_channels, out_channels, groups
        self.kernel_size, self.stride = pair(kernel_size, "kernel_size"), pair(stride, "stride")
        self.dilation = pair(dilation, "dilation")
        if isinstance(padding, str):
            if padding not in ("same", "valid"):
                raise ValueError(f"Invalid padding string {padding!r}, should be 'same' or 'valid'")
            if padding == "same" and self.stride != (1, 1):
                raise ValueError("padding='same' is not supported for strided convolutions")
            self.padding: Size2 | str = padding
        else:
            self.padding = pair(padding, "padding")
        self.weight = Parameter(empty(out_channels, in_channels // groups, *self.kernel_size))
        if bias:
            self.bias = Parameter(empty(out_channels))
        else:
            self.register_parameter("bias", None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw new first values."""
        init.affine_defaults(self.weight, self.bias)

    def forward(self, input: Tensor) -> Tensor:
        return F.conv2d(input, self.weight, self.bias, self.stride, self.padding, self.dilation, self.groups)

    def extra_repr(self) -> str:
        parts = [
            f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}"
        ]
        if self.padding != (0, 0):
            parts.append(f"padding={self.padding}")
        if self.dilation != (1, 1):
            parts.append(f"dilation={self.dilation}")
        if self.groups != 1:
            parts.append(f"groups={self.groups}")
        if self.bias is None:
            parts.append("bias=False")
        return ", ".join(parts)
