"""What a model of an artifact is fed: values that fit the manifest, or an error that says what does not."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from typing import Any

import ml_dtypes  # noqa: F401 - importing it teaches NumPy the name bfloat16
import numpy as np

from ir.dims import evaluate, linear, symbols
from ir.errors import DTypeError, LenetcError, ShapeError
from ir.types import Array
from lenetc.artifact.manifest import Hyperparameter, Port, dim_of, holds
from lenetc.evaluation.ranges import Range
from lenetc.evaluation.tracing import here
from lenetc.tensors.tensor import Tensor


def fitting(ports: Sequence[Port], given: Mapping[str, Any]) -> dict[str, Array]:
    """`given`, of the names of `ports`, as the arrays that a model takes.

    Values are converted within a kind of dtype, where that changes no number beyond rounding; a name of a size is one
    number over all inputs. Raises DTypeError and ShapeError for what does not fit, LabelError for a value out of the
    range that the manifest has for it.
    """
    arrays = {port["name"]: as_array(port, given[port["name"]]) for port in ports}
    _require_sizes(ports, arrays)
    for port in ports:
        for allowed in port.get("ranges", ()):
            values = arrays[port["name"]]
            if values.size and (values.min() < allowed["low"] or values.max() >= allowed["high"]):
                asked = Range(port["name"], "label", **allowed, reason="as the manifest says", where=here())
                asked.check(values, port["name"])
    return arrays


def as_array(port: Port, value: Any) -> Array:
    """`value` as an array of the dtype and the rank of an input."""
    value = value.detach() if isinstance(value, Tensor) else value
    try:
        array = np.asarray(value)
    except (ValueError, TypeError) as error:
        raise DTypeError(f"the input {port['name']} was given what is no array: {error}").at(here()) from None
    if array.dtype != port["dtype"]:
        array = _converted(port, array)
    if array.ndim != len(port["shape"]):
        raise ShapeError(_takes(port, array)).at(here())
    return array


def _converted(port: Port, array: Array) -> Array:
    if not np.can_cast(array.dtype, port["dtype"], "same_kind"):
        advice = f"convert it with .astype({_numpy(port['dtype'])})"
        raise DTypeError(f"{_takes(port, array)}; {advice}").at(here())
    with np.errstate(over="ignore"):
        converted = array.astype(port["dtype"])
    if not _same(array, converted):
        raise DTypeError(f"{_takes(port, array)}, with values that {port['dtype']} does not hold").at(here())
    return converted


def _same(array: Array, converted: Array) -> bool:
    """Whether a conversion has lost no integer and no magnitude."""
    if array.dtype.kind in "iu" and converted.dtype.kind in "iu":
        return bool((array == converted).all())
    return bool((np.isfinite(converted) | ~np.isfinite(array)).all())


def _require_sizes(ports: Sequence[Port], arrays: Mapping[str, Array]) -> None:
    """Raise ShapeError unless there is a number for each symbol that gives the arrays' sizes."""
    dims = [
        (port, dim_of(dim), size)
        for port in ports
        for dim, size in zip(port["shape"], arrays[port["name"]].shape, strict=True)
    ]
    sizes: dict[str, int] = {}
    for _, dim, size in dims:
        if (solved := linear(dim)) is not None and (size - solved[2]) % solved[1] == 0:
            sizes.setdefault(solved[0], (size - solved[2]) // solved[1])
    for port, dim, size in dims:
        is_known = symbols(dim) <= sizes.keys()
        empty = [name for name in symbols(dim) & sizes.keys() if sizes[name] < 1]
        if empty or (is_known and evaluate(dim, sizes) != size):
            names = sorted(set().union(*(symbols(other) for _, other, _ in dims)) & sizes.keys())
            known = f", where {' and '.join(f'{name} is {sizes[name]}' for name in names)}" if names else ""
            advice = f"; {empty[0]} is at least 1" if empty else ""
            raise ShapeError(f"{_takes(port, arrays[port['name']])}{known}{advice}").at(here())


def _takes(port: Port, array: Array) -> str:
    wanted = f"{port['dtype']} {port['shape']}"
    return f"the input {port['name']} is {wanted}, but was given {array.dtype} {list(array.shape)}"


def _numpy(dtype: str) -> str:
    return "ml_dtypes.bfloat16" if dtype == "bfloat16" else f"np.{dtype}"


class Hyperparameters(MutableMapping[str, float]):
    """The numbers that steps are fed besides the batch, by name; a number that is set holds from the next step on.

    Setting raises LenetcError for a name that there is not, DTypeError for what is no finite number (None, NaN, a bool,
    a string, an array), or none that the dtype holds.
    """

    def __init__(self, entries: Sequence[Hyperparameter]) -> None:
        self._entries = {entry["name"]: entry for entry in entries}
        self._values = {entry["name"]: entry["default"] for entry in entries}

    def __getitem__(self, name: str) -> float:
        return self._values[name]

    def __setitem__(self, name: str, value: float) -> None:
        self._values[name] = self._number(name, value)

    def __delitem__(self, name: str) -> None:
        raise LenetcError(f"the hyperparameter {name} cannot be left out; set it to a number").at(here())

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return repr(self._values)

    def arrays(self, names: Sequence[str], given: Mapping[str, Any]) -> dict[str, Array]:
        """Those of `names` as arrays: as `given`, or else as set."""
        return {
            name: np.asarray(number).astype(self._entries[name]["dtype"])
            for name in names
            for number in [self._number(name, given[name]) if name in given else self._values[name]]
        }

    def _number(self, name: str, value: Any) -> float:
        if name not in self._entries:
            known = ", ".join(self._entries) or "none"
            raise LenetcError(f"this artifact has no hyperparameter {name!r}; it has: {known}").at(here())
        dtype = self._entries[name]["dtype"]
        is_number = isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)
        if not is_number or (isinstance(value, float | np.floating) and not math.isfinite(value)):
            text = "an array" if hasattr(value, "shape") and not is_number else repr(value)
            raise DTypeError(f"the hyperparameter {name} is one finite number ({dtype}), not {text}").at(
                here()
            )
        number = int(value) if isinstance(value, int | np.integer) else float(value)
        if not holds(dtype, number):
            raise DTypeError(f"the hyperparameter {name} is {dtype}, which does not hold {number}").at(here())
        return number
