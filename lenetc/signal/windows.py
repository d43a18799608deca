"""Windows: weights that fall towards both ends of M samples (torch.signal.windows), and the older functions of the
package (torch.hann_window and its like)."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from ir.errors import LenetcError
from ir.types import Array, DType, f32, f64
from lenetc.evaluation.tracing import here
from lenetc.missing import names_of
from lenetc.operations.creation.arguments import finished, float_dtype
from lenetc.tensors.arrays import index_of
from lenetc.tensors.dtypes import get_default_dtype
from lenetc.tensors.tensor import Tensor

__all__ = [
    "bartlett",
    "blackman",
    "cosine",
    "exponential",
    "gaussian",
    "general_cosine",
    "general_hamming",
    "hamming",
    "hann",
    "kaiser",
    "nuttall",
]


def _window(
    what: str,
    M: int,
    sym: bool,
    weights: Callable[[Array, float], Array],
    dtype: DType | None = None,
    requires_grad: bool = False,
    device: Any = None,
    **idle: Any,
) -> Tensor:
    """weights(0 ... M-1, the distance from the first to the last sample, which is one more unless `sym`), computed in
    f64. Raises ValueError for a negative length and for a dtype that is neither f32 nor f64."""
    count, kind = index_of(f"{what}: M", M), dtype or get_default_dtype()
    if count < 0:
        raise ValueError(f"{what} requires non-negative window length, got M={count}")
    if kind not in (f32, f64):
        raise ValueError(f"{what} expects float32 or float64 dtypes, got: {kind!r}")
    found = weights(np.arange(count, dtype=np.float64), float(count if not sym else count - 1))
    return finished(what, Tensor._from_array(found.astype(kind.numpy)), requires_grad, device, None, idle)


def _cosines(factors: Iterable[float]) -> Callable[[Array, float], Array]:
    """factors[0] - factors[1] cos(z) + factors[2] cos(2z) - ..., where z goes around once."""

    def weights(k: Array, width: float) -> Array:
        if len(k) < 2:
            return np.ones(len(k))
        terms = ((-1) ** i * a * np.cos(i * k * (2 * math.pi / width)) for i, a in enumerate(factors))
        return np.asarray(np.sum(list(terms), axis=0))

    return weights


def general_cosine(M: int, *, a: Iterable[float], sym: bool = True, **options: Any) -> Tensor:
    """A sum of cosines with the factors `a`, of alternating signs, float[M].

    sym: whether the last weight is the first; else the window is one period. options: dtype (float32 or float64),
    device, requires_grad. Raises ValueError for a negative M and for no factors. Source: torch.signal.windows.
    """
    if not isinstance(a, Iterable):
        raise TypeError("Coefficients must be a list/tuple")
    factors = list(a)
    if not factors:
        raise ValueError("Coefficients cannot be empty")
    return _window("general_cosine", M, sym, _cosines(factors), **options)


def general_hamming(M: int, *, alpha: float = 0.54, sym: bool = True, **options: Any) -> Tensor:
    """alpha - (1 - alpha) cos(z)."""
    return _window("general_hamming", M, sym, _cosines([alpha, 1.0 - alpha]), **options)


def hamming(M: int, *, sym: bool = True, **options: Any) -> Tensor:
    """0.54 - 0.46 cos(z)."""
    return _window("hamming", M, sym, _cosines([0.54, 0.46]), **options)


def hann(M: int, *, sym: bool = True, **options: Any) -> Tensor:
    """0.5 - 0.5 cos(z)."""
    return _window("hann", M, sym, _cosines([0.5, 0.5]), **options)


def blackman(M: int, *, sym: bool = True, **options: Any) -> Tensor:
    """0.42 - 0.5 cos(z) + 0.08 cos(2z)."""
    return _window("blackman", M, sym, _cosines([0.42, 0.5, 0.08]), **options)


def nuttall(M: int, *, sym: bool = True, **options: Any) -> Tensor:
    """Four cosines (Nuttall 1981)."""
    return _window("nuttall", M, sym, _cosines([0.3635819, 0.4891775, 0.1365995, 0.0106411]), **options)


def _triangle(k: Array, width: float) -> Array:
    return np.ones(len(k)) if len(k) < 2 else 1 - np.abs(2 * k / width - 1)


def bartlett(M: int, *, sym: bool = True, **options: Any) -> Tensor:
    """A triangle, 0 at the ends."""
    return _window("bartlett", M, sym, _triangle, **options)


def _kaiser(beta: float) -> Callable[[Array, float], Array]:
    def weights(k: Array, width: float) -> Array:
        if len(k) < 2:
            return np.ones(len(k))
        inside = np.clip(1 - (2 * k / width - 1) ** 2, 0, None)
        return np.asarray(np.i0(beta * np.sqrt(inside)) / np.i0(beta))

    return weights


def kaiser(M: int, *, beta: float = 12.0, sym: bool = True, **options: Any) -> Tensor:
    """I0 of beta times half a circle, over I0(beta). Raises ValueError for a negative beta."""
    if beta < 0:
        raise ValueError(f"beta must be non-negative, got: {beta} instead.")
    return _window("kaiser", M, sym, _kaiser(beta), **options)


def _middle(k: Array, width: float) -> float:
    return (width if len(k) > 1 else 0.0) / 2


def cosine(M: int, *, sym: bool = True, **options: Any) -> Tensor:
    """Half a sine."""

    def weights(k: Array, width: float) -> Array:
        return np.sin((k + 0.5) * (math.pi / (2 * _middle(k, width) + 1)))

    return _window("cosine", M, sym, weights, **options)


def gaussian(M: int, *, std: float = 1.0, sym: bool = True, **options: Any) -> Tensor:
    """exp of minus half the square of the distance from the middle over `std`. Raises ValueError unless std > 0."""
    if std <= 0:
        raise ValueError(f"Standard deviation must be positive, got: {std} instead.")

    def weights(k: Array, width: float) -> Array:
        return np.exp(-(((k - _middle(k, width)) / std) ** 2) / 2)

    return _window("gaussian", M, sym, weights, **options)


def exponential(
    M: int, *, center: float | None = None, tau: float = 1.0, sym: bool = True, **options: Any
) -> Tensor:
    """exp of minus the distance from the center over `tau`. Raises ValueError unless tau > 0, and for a center of a
    symmetric window."""
    if tau <= 0:
        raise ValueError(f"Tau must be positive, got: {tau} instead.")
    if sym and center is not None:
        raise ValueError("Center must be None for symmetric windows")

    def weights(k: Array, width: float) -> Array:
        return np.exp(-np.abs(k - (_middle(k, width) if center is None else center)) / tau)

    return _window("exponential", M, sym, weights, **options)


def _older(
    what: str,
    length: int,
    periodic: bool,
    weights: Callable[[Array, float], Array],
    dtype: DType | None = None,
    **options: Any,
) -> Tensor:
    """The same for functions that take any floating point dtype."""
    kind = float_dtype(what, dtype or get_default_dtype())
    count = index_of(f"{what}: window_length", length)
    if count < 0:
        raise LenetcError(f"{what} requires non-negative window_length, got window_length={count}").at(here())
    requires_grad = options.pop("requires_grad", False)
    made = _window(what, count, not periodic, weights, f64 if kind is f64 else f32, **options).to(kind)
    return made.requires_grad_() if requires_grad else made


def hann_window(window_length: int, periodic: bool = True, **options: Any) -> Tensor:
    """`hann`, one period unless `periodic` is False (torch.hann_window).

    options: dtype (any floating point one), device, requires_grad. Raises LenetcError for a negative length.
    """
    return _older("hann_window", window_length, periodic, _cosines([0.5, 0.5]), **options)


def hamming_window(
    window_length: int, periodic: bool = True, alpha: float = 0.54, beta: float = 0.46, **options: Any
) -> Tensor:
    """alpha - beta cos(z) (torch.hamming_window)."""
    return _older("hamming_window", window_length, periodic, _cosines([alpha, beta]), **options)


def blackman_window(window_length: int, periodic: bool = True, **options: Any) -> Tensor:
    """`blackman` (torch.blackman_window)."""
    return _older("blackman_window", window_length, periodic, _cosines([0.42, 0.5, 0.08]), **options)


def bartlett_window(window_length: int, periodic: bool = True, **options: Any) -> Tensor:
    """`bartlett` (torch.bartlett_window)."""
    return _older("bartlett_window", window_length, periodic, _triangle, **options)


def kaiser_window(window_length: int, periodic: bool = True, beta: float = 12.0, **options: Any) -> Tensor:
    """`kaiser` (torch.kaiser_window)."""
    return _older("kaiser_window", window_length, periodic, _kaiser(beta), **options)


__getattr__ = names_of(__name__)
