"""Frequencies and their order (torch.fft). Transforms give complex numbers, which are not here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import numpy as np

from ir.errors import UnsupportedError
from ir.types import DType
from lenetc.evaluation.tracing import here
from lenetc.missing import names_of
from lenetc.operations import shaping
from lenetc.operations.creation.arguments import finished, float_dtype, of_out
from lenetc.tensors.dtypes import get_default_dtype
from lenetc.tensors.tensor import Tensor, require_tensors

__all__ = ["fftfreq", "fftshift", "ifftshift", "rfftfreq"]


def _shifted(what: str, x: Tensor, dim: int | Sequence[int] | None, sign: int) -> Tensor:
    require_tensors(what, x)
    dims = tuple(range(x.ndim)) if dim is None else (dim,) if isinstance(dim, int) else tuple(dim)
    halves = [x.size(axis) // 2 if sign > 0 else (x.size(axis) + 1) // 2 for axis in dims]
    return shaping.roll(x, halves, dims) if dims else x.clone()


def fftshift(input: Tensor, dim: int | Sequence[int] | None = None) -> Tensor:
    """`input` with the middle of the dimensions `dim`, all if None, in the place of their first element
    (torch.fft.fftshift)."""
    return _shifted("fftshift", input, dim, 1)


def ifftshift(input: Tensor, dim: int | Sequence[int] | None = None) -> Tensor:
    """What fftshift has made of it back (torch.fft.ifftshift)."""
    return _shifted("ifftshift", input, dim, -1)


def _frequencies(
    what: str,
    order: Callable[[int], Any],
    n: int,
    d: float,
    out: Tensor | None,
    dtype: DType | None,
    requires_grad: bool,
    device: Any,
    idle: dict[str, Any],
) -> Tensor:
    kind = float_dtype(what, of_out(dtype, out, get_default_dtype()))
    made = Tensor._from_array((order(n) * (1.0 / (n * d))).astype(kind.numpy)).to(kind)
    return finished(what, made, requires_grad, device, out, idle)


def fftfreq(
    n: int,
    d: float = 1.0,
    *,
    out: Tensor | None = None,
    dtype: DType | None = None,
    requires_grad: bool = False,
    device: Any = None,
    **idle: Any,
) -> Tensor:
    """The frequencies of a transform of n samples at distances `d`: 0 and up, then the negative ones
    (torch.fft.fftfreq)."""

    def order(n: int) -> Any:
        return np.fft.ifftshift(np.arange(-(n // 2), (n + 1) // 2))

    return _frequencies("fftfreq", order, n, d, out, dtype, requires_grad, device, idle)


def rfftfreq(
    n: int,
    d: float = 1.0,
    *,
    out: Tensor | None = None,
    dtype: DType | None = None,
    requires_grad: bool = False,
    device: Any = None,
    **idle: Any,
) -> Tensor:
    """The frequencies of a transform of n real samples (torch.fft.rfftfreq)."""
    return _frequencies(
        "rfftfreq", lambda n: np.arange(n // 2 + 1), n, d, out, dtype, requires_grad, device, idle
    )


def _refused(name: str) -> Callable[..., NoReturn]:
    def function(*args: Any, **kwargs: Any) -> NoReturn:
        raise UnsupportedError(
            f"fft.{name} takes or gives complex numbers, which are not here: transform data with numpy.fft before, or "
            "multiply by matrices of cosines and sines for the real and the imaginary part"
        ).at(here())

    function.__name__ = function.__qualname__ = name
    function.__doc__ = "Raises UnsupportedError: there are no complex numbers."
    return function


for _name in ("fft", "hfft", "rfft", "ifft", "ihfft", "irfft"):
    for _suffix in ("", "2", "n"):
        globals()[_name + _suffix] = _refused(_name + _suffix)

__getattr__ = names_of(__name__)
