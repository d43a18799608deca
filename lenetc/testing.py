"""Comparing tensors in tests, and making them (torch.testing)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from ir.types import Array, DType, bf16, bool_, f16, f32, f64, u8
from lenetc.missing import names_of
from lenetc.operations import creation
from lenetc.operations.creation.arguments import checked, given_sizes
from lenetc.tensors.convert import as_tensor
from lenetc.tensors.tensor import Tensor

__all__ = ["assert_allclose", "assert_close", "make_tensor"]

# (rtol, atol) of PyTorch's; all other dtypes are compared exactly.
_TOLERANCES = {f16: (1e-3, 1e-5), bf16: (1.6e-2, 1e-5), f32: (1.3e-6, 1e-5), f64: (1e-7, 1e-7)}
_NUMBERS = (bool, int, float, np.bool_, np.number)


def assert_close(
    actual: Any,
    expected: Any,
    *,
    allow_subclasses: bool = True,
    rtol: float | None = None,
    atol: float | None = None,
    equal_nan: bool = False,
    check_device: bool = True,
    check_dtype: bool = True,
    check_layout: bool = True,
    check_stride: bool = False,
    msg: str | Callable[[str], str] | None = None,
) -> None:
    """Raise AssertionError unless |actual - expected| <= atol + rtol * |expected| everywhere, of tensors, arrays or
    numbers, in sequences and mappings too (torch.testing.assert_close).

    rtol, atol: both, or those of the dtypes. check_dtype: whether dtypes count; all tensors here have the same device
    and layout. msg: the message, or what makes one of the usual message. Raises TypeError for what cannot be compared,
    ValueError for one tolerance without the other.
    """
    if (rtol is None) != (atol is None):
        missing = "rtol" if rtol is None else "atol"
        raise ValueError(f"Both 'rtol' and 'atol' must be either specified or omitted, but got no {missing}.")
    for place, one, other in _pairs("", actual, expected, allow_subclasses):
        text = _difference(one, other, rtol, atol, equal_nan, check_dtype)
        if text is not None:
            where = f"\n\nThe failure occurred for item {place}" if place else ""
            usual = text + where
            raise AssertionError(usual if msg is None else msg(usual) if callable(msg) else msg)


def assert_allclose(
    actual: Any,
    expected: Any,
    rtol: float | None = None,
    atol: float | None = None,
    equal_nan: bool = True,
    msg: str = "",
) -> None:
    """assert_close of what are made tensors, whatever their dtypes (torch.testing.assert_allclose)."""
    one, other = (x if isinstance(x, Tensor) else as_tensor(x) for x in (actual, expected))
    if rtol is None and atol is None:
        rtol, atol = _tolerances(one.dtype, other.dtype)
    assert_close(one, other, rtol=rtol, atol=atol, equal_nan=equal_nan, check_dtype=False, msg=msg or None)


def _pairs(place: str, one: Any, other: Any, subclasses: bool) -> Iterator[tuple[str, Any, Any]]:
    """What is compared with what, and where it stands. Raises AssertionError where structures differ."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        if one.keys() != other.keys():
            missing, more = other.keys() - one.keys(), one.keys() - other.keys()
            raise AssertionError(
                "The keys of the mappings do not match:\n"
                f"Missing keys in the actual mapping: {sorted(missing)}\n"
                f"Additional keys in the actual mapping: {sorted(more)}"
            )
        for key in other:
            yield from _pairs(f"{place}[{key!r}]", one[key], other[key], subclasses)
        return
    if _is_sequence(one) and _is_sequence(other):
        if len(one) != len(other):
            raise AssertionError(f"The length of the sequences mismatch: {len(one)} != {len(other)}")
        for i, (a, b) in enumerate(zip(one, other, strict=True)):
            yield from _pairs(f"{place}[{i}]", a, b, subclasses)
        return
    related = isinstance(one, type(other)) or isinstance(other, type(one))
    numbers = isinstance(one, _NUMBERS) and isinstance(other, _NUMBERS)
    known = isinstance(one, (Tensor, np.ndarray, type(None)))
    if not (numbers or (related and known)) or not (subclasses or numbers or type(one) is type(other)):
        raise TypeError(
            f"No comparison pair was able to handle inputs of type {type(one)} and {type(other)}."
        )
    yield place, one, other


def _is_sequence(x: Any) -> bool:
    return isinstance(x, Sequence) and not isinstance(x, (str, bytes))


def _tolerances(*dtypes: DType) -> tuple[float, float]:
    found = [_TOLERANCES.get(dtype, (0.0, 0.0)) for dtype in dtypes]
    return max(r for r, _ in found), max(a for _, a in found)


def _difference(
    one: Any, other: Any, rtol: float | None, atol: float | None, equal_nan: bool, check_dtype: bool
) -> str | None:
    """What is different; None if nothing is that counts."""
    if one is None:
        return None
    scalars = isinstance(other, _NUMBERS)
    if scalars and check_dtype and type(one) is not type(other):
        return f"The (d)types do not match: {type(one)} != {type(other)}."
    a, b = (x if isinstance(x, Tensor) else as_tensor(x) for x in (one, other))
    if a.shape != b.shape:
        return f"The values for attribute 'shape' do not match: {a.shape} != {b.shape}."
    if check_dtype and a.dtype is not b.dtype:
        return f"The values for attribute 'dtype' do not match: {a.dtype!r} != {b.dtype!r}."
    # Python's floats are compared as f64, whatever the default dtype is.
    dtypes = (f64, f64) if scalars and (a.dtype.is_float or b.dtype.is_float) else (a.dtype, b.dtype)
    r, absolute = _tolerances(*dtypes) if rtol is None or atol is None else (rtol, atol)
    x, y = (np.asarray(one), np.asarray(other)) if scalars else (a.detach()._held(), b.detach()._held())
    return _of_arrays(x, y, r, absolute, equal_nan, scalars)


def _of_arrays(x: Array, y: Array, rtol: float, atol: float, equal_nan: bool, scalars: bool) -> str | None:
    kind = (
        np.float64 if "f" in (x.dtype.kind, y.dtype.kind) or "V" in (x.dtype.kind, y.dtype.kind) else np.int64
    )
    x, y = x.astype(kind), y.astype(kind)
    with np.errstate(invalid="ignore", divide="ignore"):
        gap = np.abs(x - y)
        close = (x == y) | ((gap <= atol + rtol * np.abs(y)) & np.isfinite(y) & np.isfinite(x))
        if equal_nan and kind is np.float64:
            close |= np.isnan(x) & np.isnan(y)
        if close.all():
            return None
        relative = gap / np.abs(y)
    exact = rtol == atol == 0
    if scalars:
        rest = ("", "") if exact else (f" (up to {atol} allowed)", f" (up to {rtol} allowed)")
        return (
            f"Scalars are not {'equal' if exact else 'close'}!\n\nExpected {y.item()} but got {x.item()}.\n"
            f"Absolute difference: {gap.item()}{rest[0]}\nRelative difference: {relative.item()}{rest[1]}"
        )
    wrong, total = int(np.sum(~close)), close.size
    lines = [
        f"Tensor-likes are not {'equal' if exact else 'close'}!\n",
        f"Mismatched elements: {wrong} / {total} ({100 * wrong / total:.1f}%)",
    ]
    for name, found, allowed in (("absolute", gap, atol), ("relative", relative, rtol)):
        worst = np.where(close, 0, np.where(np.isnan(found), np.inf, found))
        place = tuple(int(i) for i in np.unravel_index(int(np.argmax(worst)), worst.shape))
        up_to = "" if exact else f" (up to {allowed} allowed)"
        lines.append(f"Greatest {name} difference: {found[place].item()} at index {place}{up_to}")
    return "\n".join(lines)


def make_tensor(
    *shape: Any,
    dtype: DType,
    device: Any = None,
    low: float | None = None,
    high: float | None = None,
    requires_grad: bool = False,
    noncontiguous: bool = False,
    exclude_zero: bool = False,
    memory_format: Any = None,
) -> Tensor:
    """Numbers drawn uniformly from [low, high), by default between -9 and 9, and not negative ones for uint8 and bool
    (torch.testing.make_tensor).

    exclude_zero: what would be 0 is the smallest number above instead. Raises ValueError unless low <= high.
    """
    kind, sizes = checked("make_tensor", dtype), given_sizes("make_tensor", shape, None)
    first, last = (
        (0, 2) if kind is bool_ else (0, 10) if kind is u8 else (-9, 10 if kind.kind == "int" else 9)
    )
    first, last = (first if low is None else low), (last if high is None else high)  # type: ignore[assignment]
    if first > last:
        raise ValueError(f"make_tensor: low must not be above high, but got low={first} and high={last}")
    if kind.is_float:
        made = creation.rand(sizes, dtype=f64 if kind is f64 else f32) * (last - first) + first
        smallest = float(np.finfo(np.float32).tiny) if kind is bf16 else float(np.finfo(kind.numpy).tiny)
    else:
        lowest = int(np.ceil(first))
        made = creation.randint(lowest, max(int(np.ceil(last)), lowest + 1), sizes)
        smallest = 1
    made = made.to(kind)
    if exclude_zero:
        made = made.masked_fill(made == 0, smallest)
    return made.requires_grad_() if requires_grad else made


__getattr__ = names_of(__name__)
