"""Functions of NumPy's that are given arrays of a function that is traced."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from lenetc.compiler.arrays import reductions, shaping
from lenetc.compiler.arrays.dtypes import Refused, asked, given, shaped
from lenetc.compiler.arrays.members import REDUCTIONS, SHAPING, read_only
from lenetc.compiler.arrays.traced import FUNCTIONS, METHODS


def _function(function: Any, build: Callable[..., Any], has_shape: bool = False, shares: str = "") -> None:
    def called(*args: Any, **kwargs: Any) -> Any:
        try:
            return given(f"numpy.{function.__name__}", function, build, args, kwargs, has_shape, shares)
        except Refused as refusal:
            raise refusal.error from None

    FUNCTIONS[function] = called


# Those that call the method of the same name.
for _name in (*REDUCTIONS, *SHAPING, "take", "copy"):
    FUNCTIONS[getattr(np, _name)] = METHODS[_name]
_function(np.clip, reductions.bounded)
FUNCTIONS.update({np.amax: FUNCTIONS[np.max], np.amin: FUNCTIONS[np.min], np.around: FUNCTIONS[np.round]})
for _name in "ptp sort".split():
    _function(getattr(np, _name), getattr(reductions, _name))
_function(np.linalg.norm, reductions.norm)
for _name in "concatenate stack vstack hstack where tile triu tril zeros_like ones_like full_like".split():
    _function(getattr(np, _name), getattr(shaping, _name), has_shape=True)
_function(np.roll, shaping.roll, True)
_function(np.flip, shaping.flip, True, "maybe")
for _name in "expand_dims moveaxis".split():
    _function(getattr(np, _name), getattr(shaping, _name), True, "surely")
_function(np.reshape, shaping.reshape_to, True, "maybe")
_function(np.broadcast_to, shaping.broadcast_to, True, "surely")
_broadcast_to = FUNCTIONS[np.broadcast_to]
FUNCTIONS[np.broadcast_to] = lambda *args, **kwargs: read_only(_broadcast_to(*args, **kwargs))


def _asked(function: Any) -> Callable[..., Any]:
    """A function that looks at shapes and dtypes alone."""
    return lambda *args, **kwargs: asked(
        function, *map(shaped, args), **{key: shaped(value) for key, value in kwargs.items()}
    )


for _of_shape in (
    np.shape,
    np.ndim,
    np.size,
    np.result_type,
    np.can_cast,
    np.iscomplexobj,
    np.isrealobj,
    np.common_type,
):
    FUNCTIONS[_of_shape] = _asked(_of_shape)
