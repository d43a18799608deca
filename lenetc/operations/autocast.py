"""Mixed precision: matrix products and convolutions in half precision, the rest in f32 (torch.amp)."""

from __future__ import annotations

import contextlib
import functools
import threading
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

from ir.errors import DTypeError
from ir.types import DType, bf16, f16, f32

if TYPE_CHECKING:
    from lenetc.tensors.tensor import Tensor

F = TypeVar("F", bound=Callable[..., Any])
_HALVES = (f16, bf16)


class _Active(threading.local):
    """The dtypes that this thread computes products in, innermost block last, and for which device each block is."""

    def __init__(self) -> None:
        self.dtypes: list[DType | None] = []
        self.devices: list[str] = []


_active = _Active()


class autocast:
    """A context, or a decorator, in which `linear`, `conv2d` and `matmul` compute in `dtype` (torch.autocast).

    f32 operands are rounded to `dtype`, of which the results are; what is handed on stays in it. Softmax, losses,
    normalizations, sums, means, exponentials and logarithms go back to f32. Parameters stay f32, and so do their
    gradients and the optimizer's arithmetic.

    device_type: "cuda" or "cpu", the device that the program is for. dtype: `float16` (the default) or
    `bfloat16`, which the CPU computes in f32 and rounds. Small gradients underflow in f16: multiply the loss, and
    divide the gradients. CUDA computes bf16 convolutions in f32, as ONNX Runtime has no kernel for them; products are
    in bf16.

    cache_enabled: PyTorch's choice whether to keep rounded parameters; one program rounds each once.

    Raises ValueError for another device, DTypeError for another dtype.
    """

    def __init__(
        self,
        device_type: str,
        dtype: DType | None = None,
        enabled: bool = True,
        cache_enabled: bool | None = None,
    ) -> None:
        if device_type not in ("cpu", "cuda"):
            raise ValueError(f"autocast: unknown device_type {device_type!r}; use 'cpu' or 'cuda'")
        self.dtype = dtype or f16
        if self.dtype not in _HALVES:
            raise DTypeError(f"autocast: dtype {self.dtype!r} is not half precision; use float16 or bfloat16")
        self.enabled = enabled
        self.device = device_type

    def __enter__(self) -> autocast:
        _active.dtypes.append(self.dtype if self.enabled else None)
        _active.devices.append(self.device)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _active.dtypes.pop()
        _active.devices.pop()

    def __call__(self, function: F) -> F:
        @functools.wraps(function)
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            with self:
                return function(*args, **kwargs)

        return wrapped  # type: ignore[return-value]


@contextlib.contextmanager
def autocast_as(dtype: DType | None) -> Iterator[None]:
    """Compute products in `dtype`, which `autocast_dtype()` has given before, in the block."""
    _active.dtypes.append(dtype)
    try:
        yield
    finally:
        _active.dtypes.pop()


def is_autocast_available(device_type: str) -> bool:
    """Whether `autocast` knows the device (torch.amp.is_autocast_available)."""
    return device_type in ("cpu", "cuda")


def is_autocast_enabled(device_type: str = "cuda") -> bool:
    """Whether this is within an `autocast` for the device (torch.is_autocast_enabled)."""
    return autocast_dtype() is not None and _active.devices[-1:] == [device_type]


def get_autocast_dtype(device_type: str) -> DType:
    """The dtype that `autocast` for the device has or would have (torch.get_autocast_dtype)."""
    return (autocast_dtype() if is_autocast_enabled(device_type) else None) or f16


def autocast_dtype() -> DType | None:
    """The dtype that products are computed in now; None outside of `autocast`."""
    return _active.dtypes[-1] if _active.dtypes else None


def narrowed(*tensors: Tensor | None) -> tuple[Any, ...]:
    """The operands of a product: within `autocast` those of f32 in its dtype."""
    dtype = autocast_dtype()
    if dtype is None:
        return tensors
    known = (f32, *_HALVES)
    return tuple(x if x is None or x.dtype not in known else x.to(dtype) for x in tensors)


def widened(tensor: Tensor) -> Tensor:
    """An operand of what wants f32: within `autocast` a half of any kind as f32."""
    return tensor.to(f32) if autocast_dtype() is not None and tensor.dtype in _HALVES else tensor
