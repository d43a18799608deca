"""What ndarray has: its attributes and methods, as far as shape, dtype and operations give them."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np

from lenetc.compiler.arrays import reductions, shaping
from lenetc.compiler.arrays.dtypes import Refused, arrayed, asked, given, operand, plain_of, small
from lenetc.compiler.arrays.indexing import getitem
from lenetc.compiler.arrays.traced import (
    ATTRIBUTES,
    METHODS,
    TracedArray,
    change,
    look,
    operator,
    parts_of,
    refuse,
)
from lenetc.tensors.tensor import Tensor


def _size(array: TracedArray) -> Any:
    return prod(parts_of(array).tensor.shape)


ATTRIBUTES.update(
    {
        "shape": lambda a: tuple(parts_of(a).tensor.shape),
        "dtype": lambda a: parts_of(a).dtype,
        "ndim": lambda a: parts_of(a).tensor.ndim,
        "size": _size,
        "itemsize": lambda a: parts_of(a).dtype.itemsize,
        "nbytes": lambda a: _size(a) * parts_of(a).dtype.itemsize,
        "T": lambda a: METHODS["transpose"](a),
        "mT": lambda a: METHODS["swapaxes"](a, -2, -1) if parts_of(a).tensor.ndim > 1 else np.ones(1).mT,
        "real": lambda a: a,
        "imag": lambda a: read_only(by("copy", shaping.zeros_like)(a)),
        "device": lambda a: "cpu",
        "__array_priority__": lambda a: 0.0,
    }
)


def read_only(array: TracedArray) -> TracedArray:
    """`array`, which NumPy lets nobody change."""
    parts_of(array).is_readonly = True
    return array


def by(name: str, build: Callable[..., Any], has_shape: bool = False, shares: str = "") -> Callable[..., Any]:
    """The method `name` of arrays, built by `build`. In PyTorch's words, which NumPy refuses, it is a tensor's."""

    def function(array: Any, *args: Any, **kwargs: Any) -> Any:
        return getattr(array, name)(*args, **kwargs)

    def method(array: TracedArray, *args: Any, **kwargs: Any) -> Any:
        try:
            return given(f"ndarray.{name}", function, build, (array, *args), kwargs, has_shape, shares)
        except Refused as refusal:
            return in_words_of_tensors(array, name, args, kwargs, refusal.error)

    return method


def in_words_of_tensors(
    array: TracedArray, name: str, args: tuple[Any, ...], kwargs: dict[str, Any], error: Exception
) -> Any:
    """A call that NumPy refuses, for what tensors understand: x.sum(dim=1), x.flatten(1), x.view(-1)."""
    is_wrong = isinstance(error, TypeError) or name == "transpose"
    if is_wrong and hasattr(Tensor, name):
        with contextlib.suppress(TypeError):
            return getattr(parts_of(array).tensor, name)(*map(plain_of, args), **kwargs)
    raise error


REDUCTIONS = (
    "sum mean prod std var max min all any argmax argmin cumsum cumprod round clip dot argsort".split()
)
METHODS.update({name: by(name, getattr(reductions, name)) for name in REDUCTIONS})
# The memory of what they give is that of the array, may be, or is their own.
SHAPING = {
    "transpose": "surely",
    "swapaxes": "surely",
    "squeeze": "surely",
    "diagonal": "surely",
    "reshape": "maybe",
    "ravel": "maybe",
    "trace": "",
    "repeat": "",
}
METHODS.update(
    {name: by(name, getattr(shaping, name), name != "trace", shares) for name, shares in SHAPING.items()}
)
METHODS["flatten"] = by("flatten", shaping.ravel, True)
METHODS["copy"] = by("copy", shaping.copy)
_diagonal = METHODS["diagonal"]
METHODS["diagonal"] = lambda array, *args, **kwargs: read_only(_diagonal(array, *args, **kwargs))


def _method(function: Callable[..., Any]) -> Callable[..., Any]:
    """Let `function` be the method of its name."""
    name = function.__name__

    def method(array: TracedArray, *args: Any, **kwargs: Any) -> Any:
        try:
            inspect.signature(function).bind(array, *args, **kwargs)
        except TypeError as error:
            return in_words_of_tensors(array, name, args, kwargs, error)
        return function(array, *args, **kwargs)

    METHODS[name] = method
    return method


@_method
def astype(array: TracedArray, *args: Any, **kwargs: Any) -> Any:
    made = by("astype", shaping.astype)(array, *args, **kwargs)
    is_kept = kwargs.get("copy", True) is False and parts_of(made).dtype == parts_of(array).dtype
    return array if is_kept else made


@_method
def take(array: TracedArray, indices: Any, axis: int | None = None) -> Any:
    rank = parts_of(array).tensor.ndim
    if axis is None or not rank:
        return getitem(METHODS["flatten"](array), indices)
    return getitem(array, (*(slice(None),) * (axis % rank), indices))


@_method
def fill(array: TracedArray, value: Any) -> None:
    tensor = parts_of(array).tensor
    asked(np.zeros((1,) * tensor.ndim, parts_of(array).dtype).fill, value)
    change(array, "ndarray.fill", operand(value, tensor.dtype).expand(tensor.shape).clone())


@_method
def sort(array: TracedArray, axis: int = -1, kind: Any = None, *, stable: Any = None) -> None:
    asked(small(array).sort, axis, kind, stable=stable)
    ordered = by("copy", lambda want, x: reductions.sort(want, x, axis))(array)
    change(array, "ndarray.sort", parts_of(ordered).tensor)


@_method
def conj(array: TracedArray) -> TracedArray:
    return array


METHODS["conjugate"] = METHODS["conj"]


@_method
def to_device(array: TracedArray, device: str, *, stream: None = None) -> TracedArray:
    asked(np.ones(1).to_device, device)
    return array


@_method
def __array_namespace__(array: TracedArray, *, api_version: Any = None) -> Any:
    return np


@_method
def view(array: TracedArray, *args: Any) -> Any:
    parts = parts_of(array)
    try:
        dtype = np.ones(1).view(args[0] if len(args) == 1 else args).dtype
    except TypeError as error:
        return in_words_of_tensors(array, "view", args, {}, error)
    if dtype == parts.dtype:
        return arrayed(parts.tensor.view(parts.tensor.shape), array, parts.is_scalar, "surely")
    refuse(
        array,
        "ndarray.view",
        "it shows the memory in another dtype; astype converts, reshape gives another shape",
    )


def _looking(name: str) -> Callable[..., Any]:
    return lambda array, *_, **__: look(array, f"ndarray.{name}")


operator("__copy__", Tensor.__copy__, lambda array: METHODS["copy"](array))
operator("__deepcopy__", Tensor.__deepcopy__, lambda array, memo: METHODS["copy"](array))
for _name in "item tolist tobytes tofile dump dumps nonzero searchsorted".split():
    METHODS[_name] = _looking(_name)
