"""Cases: what one is, how one is declared, and its result as plain values that two libraries can be compared by."""

from __future__ import annotations

import enum
import math
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

Run = Callable[[Any, Any], Any]


@dataclass(frozen=True)
class Case:
    """One small program that is written for PyTorch and for lenetc alike.

    run: called with the library and with what stands for its `compile`; gives what is compared. refused: words that
    the refusal names, if it is documented to be one. lazily: why lenetc differs uncompiled, where it is documented
    to. about: the sentence that its file begins with. place, change, who: its cell in the tables of the docs, if it
    is generated from those. text: its source, if it is generated.
    """

    name: str
    run: Run
    refused: tuple[str, ...] = ()
    lazily: str = ""
    about: str = ""
    place: str = ""
    change: str = ""
    who: str = ""
    text: str = ""


def case(run: Run) -> Run:
    """Declare a function of a file of cases to be a case."""
    run.is_case = True  # type: ignore[attr-defined]
    return run


def refused(*words: str) -> Callable[[Run], Run]:
    """Declare a documented refusal, whose message names each of `words`."""

    def mark(run: Run) -> Run:
        run.refused = words  # type: ignore[attr-defined]
        return case(run)

    return mark


def differs_lazily(why: str) -> Callable[[Run], Run]:
    """Declare that lenetc differs from PyTorch uncompiled, which the docs say."""

    def mark(run: Run) -> Run:
        run.lazily = why  # type: ignore[attr-defined]
        return case(run)

    return mark


def declared(module: Any) -> list[Case]:
    """The cases of a file: its tables, which are lists of cases in lists, and its functions in order."""
    where, about = module.__name__.rpartition(".")[2], module.__doc__.strip().rstrip(".")
    functions = [run for run in vars(module).values() if getattr(run, "is_case", False)]
    found = [case for value in vars(module).values() if isinstance(value, list) for case in value]
    found += [
        Case(f"{where}/{run.__name__}", run, getattr(run, "refused", ()), getattr(run, "lazily", ""))
        for run in functions
        if run.__module__ == module.__name__
    ]
    return [replace(case, about=about) for case in found]


def fails(call: Callable[[], Any]) -> Any:
    """What `call` gives, or that it raised: for what is an error in PyTorch too."""
    try:
        return call()
    except Exception:
        return "raised"


def plain(value: Any) -> Any:
    """`value` as JSON would have it, with the types that a user would see."""
    if hasattr(value, "detach") and hasattr(value, "requires_grad"):
        value = value.detach()
        dtype = str(value.dtype).rpartition(".")[2]
        dtype = _SHORT.get(dtype, dtype)
        return ["tensor", dtype, (value.float() if dtype == "bf16" else value).numpy().tolist()]
    if isinstance(value, np.ndarray | np.generic):
        return ["array" if isinstance(value, np.ndarray) else "scalar", value.dtype.name, value.tolist()]
    if isinstance(value, enum.Enum):
        return ["enum", value.name]
    if isinstance(value, bool | int | float | str | None):
        return value if type(value) in _PLAIN else [type(value).__name__, str(value)]
    if isinstance(value, Mapping):
        return ["dict", *[[plain(k), plain(v)] for k, v in value.items()]]
    if isinstance(value, set | frozenset):
        return ["set", *sorted(map(plain, value), key=str)]
    if isinstance(value, list | tuple | deque):
        return [type(value).__name__, *map(plain, value)]
    return ["object", type(value).__name__]


_PLAIN = (bool, int, float, str, type(None))
_SHORT = {"float32": "f32", "float64": "f64", "float16": "f16", "bfloat16": "bf16"}
_SHORT |= {"int64": "i64", "int32": "i32", "int16": "i16", "int8": "i8", "uint8": "u8"}


def close(a: Any, b: Any, bound: float = 1e-4) -> bool:
    """Whether two plain values are equal, floats up to rounding: that of f32, or of f64 in tensors of that."""
    if type(a) is not type(b):
        return False
    if isinstance(a, list):
        bound = 1e-9 if a[:2] == ["tensor", "f64"] else bound
        return len(a) == len(b) and all(close(x, y, bound) for x, y in zip(a, b, strict=True))
    if not isinstance(a, float):
        return bool(a == b)
    if not math.isfinite(a) or not math.isfinite(b):
        return a == b or (math.isnan(a) and math.isnan(b))
    return abs(a - b) <= bound * (abs(a) + 0.1)


def shown(value: Any) -> str:
    """A plain value in short: what a tensor holds, and no names of lists and tuples. A text of an error as it is."""
    if isinstance(value, str):
        return value
    if not isinstance(value, list):
        return _numbers(value)
    if value[:1] == ["tensor"]:
        return f"{value[1]} {_numbers(value[2])}"
    name = "" if value[0] in ("list", "tuple") else value[0]
    return f"{name}({', '.join(map(shown, value[1:]))})"


def _numbers(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_numbers, value))}]"
    return f"{value:.6g}" if isinstance(value, float) and not value.is_integer() else repr(value)
