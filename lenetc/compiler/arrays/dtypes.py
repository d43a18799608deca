"""What NumPy itself says of a call: the dtype of its result, how many axes, and what it raises. It is asked with arrays
of ones that have a single element, or, where shapes matter, with ones that take no memory."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from ir.dims import Poly
from ir.errors import LenetcError
from ir.types import Array, DType, dtype_of
from lenetc.compiler.arrays.traced import (
    TracedArray,
    derived,
    is_traced,
    parts_of,
    refuse,
    refused,
    sharing,
    tensor_in,
    traced,
)
from lenetc.evaluation.scalars import Scalar, look
from lenetc.operations.autocast import autocast_as
from lenetc.tensors.convert import as_tensor, operand_of
from lenetc.tensors.tensor import Tensor


def small(value: Any) -> Any:
    """What stands for `value` where only dtypes and numbers of axes count."""
    if is_traced(value):
        parts = parts_of(value)
        return parts.dtype.type(1) if parts.is_scalar else np.ones((1,) * parts.tensor.ndim, parts.dtype)
    if isinstance(value, Scalar):
        return type(value.value)(1)
    if isinstance(value, Poly):
        return 1
    if isinstance(value, np.ndarray):
        return np.ones((1,) * value.ndim, value.dtype)
    return type(value)(map(small, value)) if type(value) in (list, tuple) else value


def shaped(value: Any) -> Any:
    """The same where shapes count too."""
    if is_traced(value) and not parts_of(value).is_scalar:
        parts = parts_of(value)
        return np.broadcast_to(np.ones((), parts.dtype), parts.tensor.shape)
    if isinstance(value, np.ndarray):
        return value
    return type(value)(map(shaped, value)) if type(value) in (list, tuple) else small(value)


def is_symbolic(values: Any) -> bool:
    """Whether a size among arrays is not known."""
    if isinstance(values, (tuple, list)):
        return any(map(is_symbolic, values))
    return is_traced(values) and any(isinstance(size, Poly) for size in parts_of(values).tensor.shape)


def asked(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """What NumPy gives for stand-ins, quietly; what it raises is raised."""
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return function(*args, **kwargs)


def first_traced(values: Any) -> TracedArray | None:
    """The first array among nested lists and tuples."""
    for value in values:
        found = first_traced(value) if type(value) in (list, tuple) else value if is_traced(value) else None
        if found is not None:
            return found
    return None


def dtype_here(what: str, array: TracedArray, dtype: np.dtype[Any]) -> DType:
    """The dtype of programs for one of NumPy's. Raises LenetcError for one that they lack."""
    try:
        return dtype_of(np.empty(0, dtype))
    except TypeError as error:
        refuse(array, what, f"it gives {dtype}, and {error}")


class Refused(Exception):
    """What NumPy raises for a call."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error


def given(
    what: str,
    function: Callable[..., Any],
    build: Callable[..., Tensor],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    has_shape: bool = False,
    shares: str = "",
) -> TracedArray:
    """The result of a call of NumPy's `function`: build(dtype, *args) of tensors, which has NumPy's dtype and axes.

    has_shape: whether NumPy is to be asked for the shape too. shares: "surely" or "maybe" the memory of the first
    array. Raises Refused for what NumPy refuses, and LenetcError for arguments that `build` does not take.
    """
    if kwargs.get("out", 0) is None:
        del kwargs["out"]
    array = first_traced((*args, *kwargs.values()))
    assert array is not None
    names = [*kwargs]
    stand = partial(map, shaped if has_shape else small)
    found: Any = None
    is_open = has_shape and is_symbolic((*args, *kwargs.values()))
    try:
        if not is_open:
            found = asked(function, *stand(args), **dict(zip(names, stand(kwargs.values()), strict=True)))
    except Exception as error:
        raise Refused(error) from None
    dtype = (
        parts_of(array).tensor.dtype if found is None else dtype_here(what, array, np.asarray(found).dtype)
    )
    plain = [*map(plain_of, args)]
    named = {key: plain_of(value) for key, value in kwargs.items()}
    try:
        inspect.signature(build).bind(dtype, *plain, **named)
    except TypeError as error:
        if is_open:
            raise Refused(error) from None
        refuse(array, f"{what} with these arguments ({error})")
    try:
        with autocast_as(()):  # which is for tensors
            result = build(dtype, *plain, **named)
    except (TypeError, ValueError) as error:
        if is_open and not isinstance(error, LenetcError):  # what NumPy was not asked
            raise Refused(error) from None
        raise
    is_scalar = found is not None and not isinstance(found, np.ndarray)
    if found is not None and (
        result.dtype is not dtype
        or (tuple(result.shape) != np.shape(found) if has_shape else result.ndim != np.ndim(found))
    ):
        raise refused(
            f"{what} of {parts_of(array).source} is {result.type_text()} as a tensor's, and "
            f"{np.asarray(found).dtype}{list(np.shape(found))} as NumPy's; do it outside the compiled function"
        )
    return arrayed(result, array, is_scalar, shares)


def plain_of(value: Any) -> Any:
    """`value` with tensors for arrays, in lists and tuples too."""
    if type(value) in (list, tuple):
        return type(value)(map(plain_of, value))
    return tensor_in(value)


def arrayed(result: Tensor, base: TracedArray, is_scalar: bool = False, shares: str = "") -> TracedArray:
    """`result`, computed from `base`, as an array."""
    if not shares or is_scalar:  # in memory of its own, whatever the tensor is a view of
        result = Tensor._from_node(result.node)
    made = traced(result, derived(parts_of(base).source), is_scalar)
    return sharing(made, base, shares == "surely") if shares and not is_scalar else made


def operand(value: Any, dtype: DType) -> Tensor:
    """An operand of NumPy's, whatever it is, as a tensor of `dtype`."""
    value = tensor_in(value)
    if isinstance(value, Poly):
        value = operand_of("a size", value)
    if isinstance(value, Tensor):
        return value.to(dtype)
    if isinstance(value, Scalar):
        if dtype.is_float:
            return as_tensor(value, dtype)
        value = value.look()
    if isinstance(value, (bool, int, float, np.generic)):
        return as_tensor(np.asarray(value).astype(dtype.numpy).item(), dtype)
    return Tensor._from_array(array_in(value).astype(dtype.numpy)).to(dtype)


def array_in(value: Any) -> Array:
    """Lists and arrays of numbers as an array. Raises LenetcError for what is none."""
    look(value)
    found = np.asarray(value)
    if found.dtype.kind not in "biuf":
        raise LenetcError(f"an array of {found.dtype} beside a NumPy array of a compiled function")
    return found
