"""A function of single elements, over arrays of numbers and dims."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ir.dims import Poly
from ir.errors import SymbolicDimError
from lenetc.importer.values import Host, as_host, dtype_of, is_symbolic, numbers

Function = Callable[..., Any]


def each(of_numbers: Function, of_dims: Function, *xs: Host, dtype: Any = None) -> Host:
    """of_numbers of arrays, as NumPy has it; of elements among which there is a dim of_dims.

    dtype: the result's, the first operand's if not given. Raises SymbolicDimError where a dim gives no dim.
    """
    dtypes = [dtype_of(x) for x in xs]
    result = np.dtype(dtype or dtypes[0])
    with np.errstate(all="ignore"):
        if not any(map(is_symbolic, xs)):
            return np.asarray(of_numbers(*xs)).astype(result)

        def one(*items: Any) -> Any:
            if any(isinstance(item, Poly) for item in items):
                return of_dims(*items)
            arrays = [np.asarray(item, of) for item, of in zip(items, dtypes, strict=True)]
            return np.asarray(of_numbers(*arrays)).astype(result).item()

        return as_host(np.frompyfunc(one, len(xs), 1)(*(x.astype(object) for x in xs)), result)


def whole(item: Any) -> Any:
    """`item` as a number that dims can be computed with. Raises SymbolicDimError for a fraction."""
    if isinstance(item, float):
        if not item.is_integer():
            raise SymbolicDimError(f"a symbolic size and {item} together give no size")
        return int(item)
    return item


def on_whole(function: Function) -> Function:
    """`function` of operands that are whole."""
    return lambda *items: function(*map(whole, items))


def same(a: Any, b: Any) -> bool:
    """Whether sizes are equal, for all sizes. Raises SymbolicDimError where that is not known; no size is said to be
    1, as elsewhere."""
    difference = a - b
    if isinstance(difference, int):
        return difference == 0
    for number, dim in ((a, b), (b, a)):
        if number == 1 and isinstance(dim, Poly) and dim >= 1:
            return False
    if difference <= 0 and difference >= 0:
        raise AssertionError("a polynomial that is no number")
    return False


def concrete(array: Host | list[Any]) -> list[Any]:
    """The numbers in `array`. Raises SymbolicDimError for dims: arrays of the host have shapes of numbers."""
    found = numbers(array) if isinstance(array, np.ndarray) else array
    if dims := [item for item in found if isinstance(item, Poly)]:
        raise SymbolicDimError(f"an array of {dims[0]} elements is none of the host's")
    return found
