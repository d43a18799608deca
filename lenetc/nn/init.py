"""Filling parameters with first values, in place (torch.nn.init). Random ones obey lenetc.manual_seed.

All functions change their argument without recording it for backward, and return it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ir.errors import LenetcError
from ir.node import Node
from ir.types import Array
from lenetc import runtime
from lenetc.evaluation import random
from lenetc.evaluation.cell import Context
from lenetc.evaluation.tracing import here
from lenetc.nn.fan import calculate_gain, fan_in_and_fan_out
from lenetc.tensors.arrays import need_number
from lenetc.tensors.tensor import Tensor, require_tensors

__all__ = [
    "calculate_gain",
    "constant_",
    "dirac_",
    "eye_",
    "kaiming_normal_",
    "kaiming_uniform_",
    "normal_",
    "ones_",
    "orthogonal_",
    "trunc_normal_",
    "uniform_",
    "xavier_normal_",
    "xavier_uniform_",
    "zeros_",
]


def _shape(tensor: Tensor) -> tuple[int, ...]:
    require_tensors("init", tensor)
    return tuple(int(size) for size in tensor.shape)


def _filled(tensor: Tensor, values: Array) -> Tensor:
    require_tensors("init", tensor)
    cell, trace = tensor._cell, Context.trace
    if trace is not None:
        if cell.trace is not trace:
            raise trace.refused(
                LenetcError(
                    "parameters from outside cannot be initialized inside a compiled function; do it before"
                )
            )
        cell.trace = None  # a part of a network that is made inside: from now on as if it were from outside
    if tensor._shares:
        raise LenetcError(
            f"cannot initialize {tensor._shares}; initialize the tensor that it was taken from"
        ).at(here())
    tensor._cell.set_value(np.broadcast_to(values, _shape(tensor)).astype(runtime.stored(tensor.dtype)))
    return tensor


def _need_numbers(what: str, **given: Any) -> None:
    for name, value in given.items():
        need_number(what, name, value)


def _drawn(tensor: Tensor, kind: Callable[..., Node]) -> Array:
    # A draw in f32 whatever the dtype, so that a net in f64 starts from the same numbers.
    return random.values(kind, _shape(tensor)).astype(np.float64)


def uniform_(tensor: Tensor, a: float = 0.0, b: float = 1.0) -> Tensor:
    """Uniform numbers from [a, b)."""
    _need_numbers("uniform_", a=a, b=b)
    return _filled(tensor, a + (b - a) * _drawn(tensor, random.uniform))


def normal_(tensor: Tensor, mean: float = 0.0, std: float = 1.0) -> Tensor:
    """Normal numbers."""
    _need_numbers("normal_", mean=mean, std=std)
    return _filled(tensor, mean + std * _drawn(tensor, random.normal))


def trunc_normal_(
    tensor: Tensor, mean: float = 0.0, std: float = 1.0, a: float = -2.0, b: float = 2.0
) -> Tensor:
    """Normal numbers, those outside [a, b] drawn again."""
    _need_numbers("trunc_normal_", mean=mean, std=std, a=a, b=b)
    values = mean + std * _drawn(tensor, random.normal)
    while (outside := (values < a) | (values > b)).any():
        fresh = random.values(random.normal, (int(outside.sum()),)).astype(np.float64)
        values[outside] = mean + std * fresh
    return _filled(tensor, values)


def constant_(tensor: Tensor, val: float) -> Tensor:
    """Every element `val`."""
    _need_numbers("constant_", val=val)
    return _filled(tensor, np.asarray(val))


def ones_(tensor: Tensor) -> Tensor:
    return constant_(tensor, 1.0)


def zeros_(tensor: Tensor) -> Tensor:
    return constant_(tensor, 0.0)


def eye_(tensor: Tensor) -> Tensor:
    """The identity matrix [rows, columns]. Raises ValueError for a tensor of another rank."""
    if tensor.ndim != 2:
        raise ValueError(f"eye_ needs a tensor with 2 dimensions, but it is {tensor.type_text()}")
    return _filled(tensor, np.eye(int(tensor.shape[0]), int(tensor.shape[1])))


def dirac_(tensor: Tensor, groups: int = 1) -> Tensor:
    """A convolution weight [out, in, *kernel] that passes its input on, channel by channel in each group.

    Raises ValueError for a rank other than 3 to 5, or output channels that `groups` does not divide.
    """
    shape = _shape(tensor)
    if not 3 <= len(shape) <= 5:
        raise ValueError(f"dirac_ needs a tensor with 3, 4 or 5 dimensions, but it is {tensor.type_text()}")
    if shape[0] % groups:
        raise ValueError(f"dirac_: groups={groups} must divide the {shape[0]} output channels")
    values = np.zeros(shape)
    centre = [size // 2 for size in shape[2:]]
    per_group = shape[0] // groups
    for channel in range(min(per_group, shape[1])):
        for group in range(groups):
            values[(group * per_group + channel, channel, *centre)] = 1
    return _filled(tensor, values)


def xavier_uniform_(tensor: Tensor, gain: float = 1.0) -> Tensor:
    """Uniform within gain * sqrt(6 / (fan_in + fan_out)) (Glorot and Bengio 2010)."""
    _need_numbers("xavier_uniform_", gain=gain)
    bound = gain * math.sqrt(6.0 / sum(fan_in_and_fan_out(_shape(tensor))))
    return uniform_(tensor, -bound, bound)


def xavier_normal_(tensor: Tensor, gain: float = 1.0) -> Tensor:
    """Normal with deviation gain * sqrt(2 / (fan_in + fan_out)) (Glorot and Bengio 2010)."""
    _need_numbers("xavier_normal_", gain=gain)
    return normal_(tensor, 0.0, gain * math.sqrt(2.0 / sum(fan_in_and_fan_out(_shape(tensor)))))


def _kaiming_deviation(tensor: Tensor, a: float, mode: str, nonlinearity: str) -> float:
    modes = ("fan_in", "fan_out")
    if mode.lower() not in modes:
        raise ValueError(f"Mode {mode} not supported, please use one of {list(modes)}")
    fan = fan_in_and_fan_out(_shape(tensor))[modes.index(mode.lower())]
    return calculate_gain(nonlinearity, a) / math.sqrt(fan)


def kaiming_uniform_(
    tensor: Tensor, a: float = 0, mode: str = "fan_in", nonlinearity: str = "leaky_relu"
) -> Tensor:
    """Uniform within gain * sqrt(3 / fan) (He et al. 2015); `a` is the negative slope of leaky_relu."""
    bound = math.sqrt(3.0) * _kaiming_deviation(tensor, a, mode, nonlinearity)
    return uniform_(tensor, -bound, bound)


def kaiming_normal_(
    tensor: Tensor, a: float = 0, mode: str = "fan_in", nonlinearity: str = "leaky_relu"
) -> Tensor:
    """Normal with deviation gain / sqrt(fan) (He et al. 2015); `a` is the negative slope of leaky_relu."""
    return normal_(tensor, 0.0, _kaiming_deviation(tensor, a, mode, nonlinearity))


def orthogonal_(tensor: Tensor, gain: float = 1) -> Tensor:
    """`gain` times a random matrix [rows, rest] with orthonormal rows or columns (Saxe et al. 2013).

    Raises ValueError for a tensor of fewer than 2 dimensions.
    """
    require_tensors("init", tensor)
    _need_numbers("orthogonal_", gain=gain)
    if tensor.ndim < 2:
        raise ValueError(
            f"orthogonal_ needs a tensor with 2 or more dimensions, but it is {tensor.type_text()}"
        )
    shape = _shape(tensor)
    matrix = _drawn(tensor, random.normal).reshape(shape[0], -1)
    wide = matrix.shape[0] < matrix.shape[1]
    q, r = np.linalg.qr(matrix.T if wide else matrix)
    # The signs of r's diagonal make q uniformly distributed.
    q = q * np.sign(np.diag(r))
    return _filled(tensor, gain * (q.T if wide else q).reshape(shape))


def affine_defaults(weight: Tensor, bias: Tensor | None) -> None:
    """What PyTorch fills the weight [out, in, *kernel] and the bias of Linear and Conv2d with."""
    kaiming_uniform_(weight, a=math.sqrt(5))
    if bias is not None:
        fan_in, _ = fan_in_and_fan_out(_shape(weight))
        bound = 1 / math.sqrt(fan_in) if fan_in > 0 else 0.0
        uniform_(bias, -bound, bound)
