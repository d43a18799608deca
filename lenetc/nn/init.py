"""Filling parameters with first values, in place (torch.nn.init). Random ones obey lenetc.manual_seed, or a generator.

All functions change their argument without recording it for backward, and return it.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from ir import ops
from ir.errors import DTypeError, LenetcError, UnsupportedError
from ir.node import Node
from ir.op import literal, scalar
from ir.types import Array
from lenetc import runtime
from lenetc.autograd import no_grad
from lenetc.evaluation import bits, random
from lenetc.evaluation.bits import Kind
from lenetc.evaluation.cell import Context
from lenetc.evaluation.random import Generator
from lenetc.evaluation.tracing import here, user_frame
from lenetc.nn.fan import calculate_gain, fan_in_and_fan_out
from lenetc.operations.elementwise.special import erfinv
from lenetc.tensors.arrays import need_number
from lenetc.tensors.tensor import Tensor, require_tensors

__all__ = [
    "calculate_gain",
    "constant",
    "constant_",
    "dirac",
    "dirac_",
    "eye",
    "eye_",
    "kaiming_normal",
    "kaiming_normal_",
    "kaiming_uniform",
    "kaiming_uniform_",
    "normal",
    "normal_",
    "ones_",
    "orthogonal",
    "orthogonal_",
    "sparse",
    "sparse_",
    "trunc_normal_",
    "uniform",
    "uniform_",
    "xavier_normal",
    "xavier_normal_",
    "xavier_uniform",
    "xavier_uniform_",
    "zeros_",
]


def _shape(tensor: Tensor) -> tuple[int, ...]:
    require_tensors("init", tensor)
    return tuple(map(int, tensor._cell.type.shape))


def _is_drawn_by_program(tensor: Tensor) -> bool:
    """Whether a program is being made that draws parameters anew, of which `tensor` is one."""
    trace = Context.trace
    if trace is None or trace.exporting is None or tensor._cell.trace is trace:
        return False
    return trace.exporting.initializes and not tensor._shares


def _written(tensor: Tensor, node: Node) -> Tensor:
    """`tensor` with the values of `node`, computed by the program."""
    tensor._cell.node = ops.cast(node, dtype=tensor.dtype) if node.dtype is not tensor.dtype else node
    return tensor


def _filled(tensor: Tensor, values: Array) -> Tensor:
    """`tensor` with `values` of its shape, an array that nobody else has."""
    if _is_drawn_by_program(tensor):
        return _written(tensor, literal(values.astype(tensor.dtype.numpy)))
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
        if trace is not None:
            raise LenetcError(
                f"cannot initialize {tensor._shares}; initialize the tensor that it was taken from"
            ).at(here())
        with no_grad():  # a part of a weight, as one of several kernels that are kept in one tensor
            return tensor.copy_(Tensor._from_array(values))
    cell.set_value(values.astype(runtime.stored(tensor.dtype), copy=False))
    return tensor


def _calculate_fan_in_and_fan_out(tensor: Tensor) -> tuple[int, int]:
    """(fan in, fan out) of a weight. Raises ValueError for fewer than 2 dimensions. Scripts use PyTorch's private
    name."""
    return fan_in_and_fan_out(_shape(tensor))


def _need_numbers(what: str, **given: Any) -> None:
    for name, value in given.items():
        need_number(what, name, value)


def _drawn(what: str, tensor: Tensor, kind: Kind, generator: Generator | None) -> Array:
    """Numbers in f32 whatever the dtype, so that a net in f64 starts from the same ones."""
    shape = _shape(tensor)
    _need_float(what, tensor)
    if _is_drawn_by_program(tensor):
        raise UnsupportedError(f"{what} is not a formula that a program can draw by").at(here())
    return random.values(kind, shape, generator)


def _need_float(what: str, tensor: Tensor) -> None:
    if not tensor.dtype.is_float:
        raise DTypeError(
            f"{what} is not implemented for {tensor.type_text()}; fill a floating point tensor"
        ).at(here())


def _fill_drawn(what: str, tensor: Tensor, kind: Kind, generator: Generator | None) -> Tensor:
    """`tensor` with numbers of `kind`."""
    if _is_drawn_by_program(tensor):
        _need_float(what, tensor)
        return _written(tensor, random.node(kind, _shape(tensor), generator))
    return _filled(tensor, _drawn(what, tensor, kind, generator))


def uniform_(tensor: Tensor, a: float = 0.0, b: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Uniform numbers from [a, b). Raises LenetcError where a is above b."""
    _need_numbers("uniform_", a=a, b=b)
    if a > b:
        raise LenetcError(f"uniform_ expects to return a [from, to) range, but found from={a} > to={b}").at(
            here()
        )
    return _fill_drawn("uniform_", tensor, bits.uniform.scaled(b - a, a), generator)


def normal_(
    tensor: Tensor, mean: float = 0.0, std: float = 1.0, generator: Generator | None = None
) -> Tensor:
    """Normal numbers. Raises LenetcError for a negative deviation."""
    _need_numbers("normal_", mean=mean, std=std)
    if std < 0:
        raise LenetcError(f"normal expects std >= 0.0, but found std {std}").at(here())
    return _fill_drawn("normal_", tensor, bits.normal.scaled(std, mean), generator)


_LIKELY = 0.2  # of normal numbers that lie in the limits: where it is less, another way draws fewer in vain
_TAIL = 10.0  # deviations from the likeliest number, beyond which nothing is ever drawn


def trunc_normal_(
    tensor: Tensor,
    mean: float = 0.0,
    std: float = 1.0,
    a: float = -2.0,
    b: float = 2.0,
    generator: Generator | None = None,
) -> Tensor:
    """Normal numbers, those outside [a, b] drawn again. Raises LenetcError where a is above b."""
    _need_numbers("trunc_normal_", mean=mean, std=std, a=a, b=b)
    if a > b or std <= 0:
        raise LenetcError(f"trunc_normal_: from {a} to {b} there is no number of deviation {std}").at(here())
    low, high = (a - mean) / std, (b - mean) / std
    if _is_drawn_by_program(tensor):
        return _truncated(tensor, mean, std, low, high, generator)
    likely = (math.erf(high / math.sqrt(2)) - math.erf(low / math.sqrt(2))) / 2 > _LIKELY
    values = _drawn("trunc_normal_", tensor, bits.normal, generator).astype(np.float64)
    wrong = (values < low) | (values > high)
    best = min(max(low, 0.0), high)
    low, high = max(low, best - _TAIL), min(high, best + _TAIL)
    while wrong.any():
        shape = (int(wrong.sum()),)
        if likely:
            fresh = random.values(bits.normal, shape, generator).astype(np.float64)
            fits = (low <= fresh) & (fresh <= high)
        else:
            fresh = low + (high - low) * random.values(bits.uniform, shape, generator).astype(np.float64)
            fits = random.values(bits.uniform, shape, generator) < np.exp((best**2 - fresh**2) / 2)
        places = np.flatnonzero(wrong)[fits]
        values.reshape(-1)[places] = fresh[fits]
        wrong.reshape(-1)[places] = False
    return _filled(tensor, np.clip(mean + std * values, a, b))


def _truncated(
    tensor: Tensor, mean: float, std: float, low: float, high: float, generator: Generator | None
) -> Tensor:
    """The same by one draw: the normal distribution's inverse of uniform numbers between its values at the limits."""
    below, above = math.erf(low / math.sqrt(2)), math.erf(high / math.sqrt(2))
    if above - below < 1e-3:
        raise UnsupportedError("trunc_normal_: a program draws no numbers from so far outside").at(here())
    drawn = random.node(bits.uniform.scaled(above - below, below), _shape(tensor), generator)
    values = erfinv(Tensor._from_node(drawn)).clamp(low / math.sqrt(2), high / math.sqrt(2))
    return _written(tensor, (values * (std * math.sqrt(2)) + mean).node)


def constant_(tensor: Tensor, val: float) -> Tensor:
    """Every element `val`."""
    _need_numbers("constant_", val=val)
    if _is_drawn_by_program(tensor):
        return _written(tensor, ops.broadcast_to(scalar(val, tensor.dtype), shape=_shape(tensor)))
    return _filled(tensor, np.full(_shape(tensor), val))


def ones_(tensor: Tensor) -> Tensor:
    """Fill with 1 (torch.nn.init.ones_)."""
    return constant_(tensor, 1.0)


def zeros_(tensor: Tensor) -> Tensor:
    """Fill with 0 (torch.nn.init.zeros_)."""
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


def xavier_uniform_(tensor: Tensor, gain: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Uniform within gain * sqrt(6 / (fan_in + fan_out)) (Glorot and Bengio 2010)."""
    _need_numbers("xavier_uniform_", gain=gain)
    bound = gain * math.sqrt(6.0 / max(1, sum(fan_in_and_fan_out(_shape(tensor)))))
    return uniform_(tensor, -bound, bound, generator)


def xavier_normal_(tensor: Tensor, gain: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Normal with deviation gain * sqrt(2 / (fan_in + fan_out)) (Glorot and Bengio 2010)."""
    _need_numbers("xavier_normal_", gain=gain)
    deviation = gain * math.sqrt(2.0 / max(1, sum(fan_in_and_fan_out(_shape(tensor)))))
    return normal_(tensor, 0.0, deviation, generator)


def _kaiming_deviation(tensor: Tensor, a: float, mode: str, nonlinearity: str) -> float:
    modes = ("fan_in", "fan_out")
    if mode.lower() not in modes:
        raise ValueError(f"Mode {mode} not supported, please use one of {list(modes)}")
    fan = fan_in_and_fan_out(_shape(tensor))[modes.index(mode.lower())]
    return calculate_gain(nonlinearity, a) / math.sqrt(fan)


def kaiming_uniform_(
    tensor: Tensor,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Generator | None = None,
) -> Tensor:
    """Uniform within gain * sqrt(3 / fan) (He et al. 2015); `a` is the negative slope of leaky_relu."""
    if 0 in _shape(tensor):
        return _of_nothing(tensor)
    bound = math.sqrt(3.0) * _kaiming_deviation(tensor, a, mode, nonlinearity)
    return uniform_(tensor, -bound, bound, generator)


def kaiming_normal_(
    tensor: Tensor,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Generator | None = None,
) -> Tensor:
    """Normal with deviation gain / sqrt(fan) (He et al. 2015); `a` is the negative slope of leaky_relu."""
    if 0 in _shape(tensor):
        return _of_nothing(tensor)
    return normal_(tensor, 0.0, _kaiming_deviation(tensor, a, mode, nonlinearity), generator)


def _of_nothing(tensor: Tensor) -> Tensor:
    _warn("Initializing zero-element tensors is a no-op", UserWarning)
    return tensor


def _warn(message: str, category: type[Warning]) -> None:
    """A warning at the user's line."""
    frame = user_frame()
    if frame is not None:
        warnings.warn_explicit(message, category, frame.f_code.co_filename, frame.f_lineno)


def orthogonal_(tensor: Tensor, gain: float = 1, generator: Generator | None = None) -> Tensor:
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
    if 0 in shape:
        return tensor
    matrix = _drawn("orthogonal_", tensor, bits.normal, generator).reshape(shape[0], -1).astype(np.float64)
    wide = matrix.shape[0] < matrix.shape[1]
    q, r = np.linalg.qr(matrix.T if wide else matrix)
    # The signs of r's diagonal make q uniformly distributed.
    q = q * np.sign(np.diag(r))
    return _filled(tensor, gain * (q.T if wide else q).reshape(shape))


def sparse_(tensor: Tensor, sparsity: float, std: float = 0.01, generator: Generator | None = None) -> Tensor:
    """Normal numbers, of which in each column [rows, columns] a share of `sparsity`, rounded up, is 0 (Martens 2010).

    Raises ValueError for a tensor of another rank.
    """
    require_tensors("init", tensor)
    _need_numbers("sparse_", sparsity=sparsity, std=std)
    if tensor.ndim != 2:
        raise ValueError(f"sparse_ needs a tensor with 2 dimensions, but it is {tensor.type_text()}")
    rows, columns = _shape(tensor)
    values = _drawn("sparse_", tensor, bits.normal.scaled(std, 0.0), generator)
    order = np.argsort(random.values(bits.plain, (columns, rows), generator), axis=1)
    dropped = order[:, : math.ceil(sparsity * rows)].T
    np.put_along_axis(values, dropped, 0, axis=0)
    return _filled(tensor, values)


def _deprecated(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """`function` under the name it had before it ended with an underscore."""
    old = function.__name__[:-1]

    def renamed(*args: Any, **kwargs: Any) -> Tensor:
        _warn(f"`nn.init.{old}` is now deprecated in favor of `nn.init.{old}_`.", FutureWarning)
        return function(*args, **kwargs)

    renamed.__name__ = old
    renamed.__doc__ = f"{old}_, under a name that PyTorch will drop."
    return renamed


uniform = _deprecated(uniform_)
normal = _deprecated(normal_)
constant = _deprecated(constant_)
eye = _deprecated(eye_)
dirac = _deprecated(dirac_)
xavier_uniform = _deprecated(xavier_uniform_)
xavier_normal = _deprecated(xavier_normal_)
kaiming_uniform = _deprecated(kaiming_uniform_)
kaiming_normal = _deprecated(kaiming_normal_)
orthogonal = _deprecated(orthogonal_)
sparse = _deprecated(sparse_)


def affine_defaults(weight: Tensor, bias: Tensor | None) -> None:
    """What PyTorch fills the weight [out, in, *kernel] and the bias of Linear and Conv2d with."""
    kaiming_uniform_(weight, a=math.sqrt(5))
    if bias is not None:
        fan_in, _ = fan_in_and_fan_out(_shape(weight))
        bound = 1 / math.sqrt(fan_in) if fan_in > 0 else 0.0
        uniform_(bias, -bound, bound)
