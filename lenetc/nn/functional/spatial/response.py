"""Normalization by what neighbouring channels answer."""

from __future__ import annotations

from ir.dims import product
from lenetc.nn.functional.spatial.avg_pool import avg_pool2d
from lenetc.nn.functional.spatial.padding import pad
from lenetc.operations import elementwise, shaping
from lenetc.tensors.arrays import index_of
from lenetc.tensors.tensor import Tensor, require_tensors


def local_response_norm(
    input: Tensor, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0
) -> Tensor:
    """input[N,C,...] over (k + alpha * the mean square of `size` neighbouring channels) ** beta
    (Krizhevsky et al. 2012). Raises ValueError for fewer than 3 dimensions.
    Source: torch.nn.functional.local_response_norm.
    """
    require_tensors("local_response_norm", input)
    if input.ndim < 3:
        raise ValueError(f"Expected 3D or higher dimensionality input (got {input.type_text()})")
    if input.numel() == 0:
        return input
    size = index_of("local_response_norm: size", size)
    n, channels, *rest = input.shape
    squares = shaping.reshape(input * input, n, 1, channels, product(tuple(rest)))
    around = pad(squares, (0, 0, size // 2, (size - 1) // 2))
    mean = shaping.reshape(avg_pool2d(around, (size, 1), stride=1), *input.shape)
    return input / elementwise.pow(mean * alpha + k, beta)
