"""Mixed precision: matrix products and convolutions in half precision, what would lose by it in f32 (torch.amp)."""

from __future__ import annotations

import functools
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any, TypeAlias, TypeVar

from ir.errors import DTypeError
from ir.types import DType, bf16, f16, f32
from lenetc.tensors.tensor import Tensor

F = TypeVar("F", bound=Callable[..., Any])
# Which devices are in mixed precision, the one of the innermost block last, and in which dtype each is when it is.
Modes: TypeAlias = "tuple[tuple[str, DType], ...]"

_HALVES = (f16, bf16)
_DEFAULTS = (("cpu", bf16), ("cuda", f16))


def _names(*lists: str) -> frozenset[str]:
    return frozenset(" ".join(lists).split())


_PRODUCTS = """
    addbmm addmm baddbmm bmm conv1d conv2d conv3d conv_transpose1d conv_transpose2d conv_transpose3d linear matmul
    lstm mm prelu rnn_relu rnn_relu_cell rnn_tanh rnn_tanh_cell scaled_dot_product_attention vecdot
"""
_LOSSES = """
    binary_cross_entropy_with_logits cdist cosine_embedding_loss hinge_embedding_loss huber_loss kl_div l1_loss
    margin_ranking_loss mse_loss multi_margin_loss multilabel_margin_loss nll_loss poisson_nll_loss prod
    smooth_l1_loss soft_margin_loss triplet_margin_loss
"""
# PyTorch's lists: of the functions that compute in the lower dtype, in f32, and in the wider one of their operands'.
# All others take their operands as they come.
LOWER = {
    "cpu": _names(_PRODUCTS),
    "cuda": _names(_PRODUCTS, "addmv addr chain_matmul einsum gru gru_cell lstm_cell multi_dot mv"),
}
FULL = {
    "cpu": _names(
        _LOSSES,
        """
    adaptive_avg_pool3d adaptive_max_pool3d avg_pool3d binary_cross_entropy cholesky cholesky_ex cholesky_inverse
    cholesky_solve cond cross_entropy ctc_loss fractional_max_pool2d fractional_max_pool3d grid_sample grid_sampler
    inv inv_ex inverse max_pool3d max_unpool2d max_unpool3d nanquantile qr quantile reflection_pad1d
    reflection_pad2d replication_pad1d replication_pad2d replication_pad3d solve tensorinv tensorsolve trace
    triangular_solve
""",
    ),
    "cuda": _names(
        _LOSSES,
        """
    acos asin cosh cosine_similarity cumprod cumsum dist erfinv exp expm1 group_norm interpolate layer_norm log log10
    log1p log2 log_softmax logsumexp matrix_norm norm pdist pow reciprocal renorm rms_norm rsqrt sinh softmax softplus
    sum tan vector_norm
""",
    ),
}
WIDEST = {
    "cpu": _names("cat index_copy stack"),
    "cuda": _names(
        "addcdiv addcmul atan2 bilinear cross dot grid_sample grid_sampler index_put scatter_add tensordot vdot"
    ),
}

# What is composed of those here, but not there.
_AS_THEY_ARE = {"cpu": _names("addmv dot mv vdot"), "cuda": _names()}


class _Active(threading.local):
    """What this thread is set to."""

    def __init__(self) -> None:
        self.enabled: Modes = ()
        self.dtypes: Modes = _DEFAULTS
        self.caches = True


_active = _Active()


def _with(modes: Modes, device_type: str, dtype: DType | None) -> Modes:
    rest = tuple(mode for mode in modes if mode[0] != device_type)
    return rest if dtype is None else (*rest, (device_type, dtype))


class autocast:
    """A context, or a decorator, in which matrix products, convolutions and attention compute in `dtype`
    (torch.autocast).

    Their f32 operands are rounded to `dtype`, of which the results are; what is handed on stays in it. Losses and, on
    the CPU, decompositions, on CUDA softmax, norms, sums, exponentials and logarithms, go back to f32: the lists of
    both are PyTorch's. Parameters stay f32, and so do their gradients and the optimizer's arithmetic.

    device_type: "cuda" or "cpu", the device that the program is for. dtype: `float16` or `bfloat16`, which the CPU
    computes in f32 and rounds; None is that of the block around this one, else bfloat16 on the CPU and float16 on
    CUDA. Small gradients underflow in f16: multiply the loss, and divide the gradients. CUDA computes bf16
    convolutions in f32, as ONNX Runtime has no kernel for them; products are in bf16.

    cache_enabled: PyTorch's choice whether to keep rounded parameters; one program rounds each once.

    Raises ValueError for another device, DTypeError for another dtype on CUDA; on the CPU that is f32, and is warned
    of, as in PyTorch.
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
        self.device, self.enabled = device_type, bool(enabled)
        self.dtype = get_autocast_dtype(device_type) if dtype is None else dtype
        if self.enabled and self.dtype not in _HALVES:
            if device_type == "cuda" and self.dtype is not f32:
                raise DTypeError(
                    f"autocast: dtype {self.dtype!r} is not half precision; use float16 or bfloat16"
                )
            if device_type == "cpu":
                warnings.warn(
                    "In CPU autocast, but the target dtype is not supported. Disabling autocast.\n"
                    "CPU Autocast only supports dtypes of bfloat16, float16 currently.",
                    stacklevel=2,
                )
                self.enabled = False
        self._before: list[tuple[Modes, Modes]] = []

    def __enter__(self) -> autocast:
        self._before.append((_active.enabled, _active.dtypes))
        set_autocast_dtype(self.device, self.dtype)
        set_autocast_enabled(self.device, self.enabled)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _active.enabled, _active.dtypes = self._before.pop()

    def __call__(self, function: F) -> F:
        @functools.wraps(function)
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            with self:
                return function(*args, **kwargs)

        return wrapped  # type: ignore[return-value]


@contextmanager
def autocast_as(modes: Modes) -> Iterator[None]:
    """Be in the mixed precision that `autocast_modes()` has given before, in the block."""
    before, _active.enabled = _active.enabled, modes
    try:
        yield
    finally:
        _active.enabled = before


def autocast_modes() -> Modes:
    """The mixed precision that holds now."""
    return _active.enabled


def is_autocast_available(device_type: str) -> bool:
    """Whether `autocast` knows the device (torch.amp.is_autocast_available)."""
    return device_type in ("cpu", "cuda")


def is_autocast_enabled(device_type: str = "cuda") -> bool:
    """Whether the device is in mixed precision now (torch.is_autocast_enabled)."""
    return device_type in dict(_active.enabled)


def set_autocast_enabled(device_type: Any, enabled: bool | None = None) -> None:
    """Set whether the device, "cuda" where none is named, is in mixed precision (torch.set_autocast_enabled)."""
    if enabled is None:
        device_type, enabled = "cuda", device_type
    dtype = get_autocast_dtype(device_type) if enabled else None
    _active.enabled = _with(_active.enabled, device_type, dtype)


def get_autocast_dtype(device_type: str) -> DType:
    """The dtype of the device's mixed precision (torch.get_autocast_dtype). Raises ValueError for other devices."""
    found = dict(_active.dtypes).get(device_type)
    if found is None:
        raise ValueError(f"autocast: unknown device_type {device_type!r}; use 'cpu' or 'cuda'")
    return found


def set_autocast_dtype(device_type: str, dtype: DType) -> None:
    """Set the dtype of the device's mixed precision (torch.set_autocast_dtype)."""
    _active.dtypes = _with(_active.dtypes, device_type, dtype)
    if is_autocast_enabled(device_type):
        _active.enabled = _with(_active.enabled, device_type, dtype)


def is_autocast_cache_enabled() -> bool:
    """What was said last: a program rounds each parameter once whatever it is (torch.is_autocast_cache_enabled)."""
    return _active.caches


def set_autocast_cache_enabled(enabled: bool) -> None:
    """Asks for nothing (torch.set_autocast_cache_enabled)."""
    _active.caches = bool(enabled)


def clear_autocast_cache() -> None:
    """Asks for nothing (torch.clear_autocast_cache)."""


def autocasts(function: F) -> F:
    """A decorator of the functions in the lists above: within `autocast` their operands have the dtype that the lists
    give them, and what they are composed of takes them as they are."""
    name = function.__name__

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        if not _active.enabled:
            return function(*args, **kwargs)
        dtype = _dtype_of(name, (args, kwargs))
        if dtype is not None:
            with autocast_as(()):
                return function(*_cast(args, dtype), **_cast(kwargs, dtype))
        if name in _AS_THEY_ARE[_active.enabled[-1][0]]:
            with autocast_as(()):
                return function(*args, **kwargs)
        return function(*args, **kwargs)

    return call  # type: ignore[return-value]


def operand(name: str, x: Tensor) -> Tensor:
    """`x` as an operand of the function `name` of PyTorch's, for one that is a part of a function here."""
    dtype = _dtype_of(name, x)
    return x if dtype is None else _cast(x, dtype)


def alike(name: str, first: Tensor, *others: Tensor | None) -> list[Any]:
    """The operands of a function whose operands have one dtype: within `autocast` that of the first one, as the lists
    have it."""
    first = operand(name, first)
    if not _active.enabled or first.dtype not in (f32, *_HALVES):
        return [first, *others]
    return [first, *(_cast(x, first.dtype) for x in others)]


def _dtype_of(name: str, operands: Any) -> DType | None:
    """What the function's operands are cast to within `autocast`; None where they are not."""
    if not _active.enabled:
        return None
    device, lower = _active.enabled[-1]
    if name in LOWER[device]:
        return lower
    if name in FULL[device]:
        return f32
    if name in WIDEST[device]:
        return f32 if f32 in _dtypes(operands) else lower
    return None


def _dtypes(value: Any) -> set[DType]:
    if isinstance(value, Tensor):
        return {value.dtype}
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, (list, tuple)) else ()
    return set().union(*map(_dtypes, parts))


def _cast(value: Any, dtype: DType) -> Any:
    """`value` with its f32 and half tensors, in tuples, lists and dicts too, in `dtype`."""
    if isinstance(value, Tensor):
        return value.to(dtype) if value.dtype in (f32, *_HALVES) else value
    if isinstance(value, dict):
        return {key: _cast(part, dtype) for key, part in value.items()}
    if type(value) in (list, tuple):
        return type(value)(_cast(part, dtype) for part in value)
    return value
