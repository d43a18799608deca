"""The numbers behind weight initialization: gains of nonlinearities, fan-in and fan-out of weights."""

import math
from collections.abc import Sequence

_GAINS = {
    "linear": 1.0,
    "conv1d": 1.0,
    "conv2d": 1.0,
    "conv3d": 1.0,
    "conv_transpose1d": 1.0,
    "conv_transpose2d": 1.0,
    "conv_transpose3d": 1.0,
    "sigmoid": 1.0,
    "tanh": 5.0 / 3.0,
    "relu": math.sqrt(2.0),
    "selu": 3.0 / 4.0,
}
_LEAKY_RELU_SLOPE = 0.01


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """The factor by which weights before `nonlinearity` are scaled to keep the variance of activations.

    `param` is the negative slope of `leaky_relu` (0.01 if not given); the other nonlinearities ignore it.

    Raises ValueError for an unknown nonlinearity or a slope that is not an int or a float.
    Source: `torch.nn.init.calculate_gain`; for `leaky_relu` He et al. 2015, https://arxiv.org/abs/1502.01852.
    """
    if nonlinearity == "leaky_relu":
        slope = _LEAKY_RELU_SLOPE if param is None else param
        if isinstance(slope, bool) or not isinstance(slope, int | float):
            raise ValueError(
                f"param is the negative slope of leaky_relu and must be an int or a float, got {param!r}"
            )
        return math.sqrt(2.0 / (1 + slope**2))
    if nonlinearity not in _GAINS:
        known = ", ".join([*_GAINS, "leaky_relu"])
        raise ValueError(f"unsupported nonlinearity {nonlinearity!r}; a gain is known for {known}")
    return _GAINS[nonlinearity]


def fan_in_and_fan_out(shape: Sequence[int]) -> tuple[int, int]:
    """How many inputs feed one output of a weight of this shape, and how many outputs one input feeds.

    `shape` is [out, in] for a linear weight, [out, in, *kernel] for a convolution's (`in` per group); both
    fans count the kernel's positions.

    Raises ValueError for a shape of fewer than 2 dimensions.
    Source: `torch.nn.init._calculate_fan_in_and_fan_out`.
    """
    if len(shape) < 2:
        raise ValueError(
            f"fan in and fan out need a weight of at least 2 dimensions, [out, in, *kernel], "
            f"got shape {tuple(shape)}; initialize a bias with bounds of its own"
        )
    out_features, in_features, *kernel = shape
    positions = math.prod(kernel)
    return in_features * positions, out_features * positions
