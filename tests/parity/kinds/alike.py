"""One line of code in lenetc and in PyTorch: the same value, dtype and shape, or an error in both."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import torch

import lenetc
from ir.errors import LenetcError

DTYPES = {
    "f32": "float32",
    "f64": "float64",
    "f16": "float16",
    "i64": "int64",
    "i32": "int32",
    "u8": "uint8",
    "bool": "bool",
}
Value = tuple[Any, str]  # what to make a tensor of, and its dtype
TOLERANCE = {"float16": (1e-2, 1e-3), "float32": (1e-5, 1e-6), "float64": (1e-5, 1e-6)}


class Refused(Exception):
    """lenetc raised its own error where PyTorch gives a value."""


def tensors(library: Any, values: Mapping[str, Value], grad: bool = False) -> dict[str, Any]:
    """The values as tensors of `library`; floating point ones require grad, if asked for."""
    made = {}
    for name, (data, dtype) in values.items():
        kind = getattr(library, DTYPES[dtype])
        made[name] = library.tensor(np.asarray(data).astype(DTYPES[dtype]), dtype=kind)
        if grad and dtype.startswith("f"):
            made[name].requires_grad_()
    return made


def run(library: Any, code: str, values: Mapping[str, Any]) -> Any:
    """The value of the last expression of `code`; `t` is the library, `F` and `nn` its parts."""
    space = {"t": library, "F": library.nn.functional, "nn": library.nn, "np": np, "inf": np.inf, **values}
    *statements, last = code.split("; ")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        exec("\n".join(statements), space)
        return eval(last, space)


def name_of(dtype: Any) -> str:
    """PyTorch's name of a dtype of either library."""
    return str(dtype).removeprefix("torch.") if isinstance(dtype, torch.dtype) else str(dtype.long_name)


def plain(value: Any) -> Any:
    """A result as (dtype, shape, array), or as it is where it is no tensor."""
    if isinstance(value, (tuple, list)):
        return tuple(map(plain, value))
    if isinstance(value, (torch.Tensor, lenetc.Tensor)):
        dtype = (
            str(value.dtype).removeprefix("torch.")
            if isinstance(value, torch.Tensor)
            else value.dtype.long_name
        )
        return dtype, tuple(value.shape), value.detach().numpy()
    return value


def assert_alike(mine: Any, theirs: Any, code: str) -> None:
    if not isinstance(theirs, tuple):
        assert mine == theirs or (mine != mine and theirs != theirs), f"{code}: {mine!r} for {theirs!r}"
        return
    assert isinstance(mine, tuple) and len(mine) == len(theirs), f"{code}: {mine} for {theirs}"
    if len(theirs) == 3 and isinstance(theirs[0], str):
        assert mine[:2] == theirs[:2], f"{code}: {mine[:2]} for {theirs[:2]}"
        rtol, atol = TOLERANCE.get(theirs[0], (0, 0))
        np.testing.assert_allclose(mine[2], theirs[2], rtol, atol, err_msg=code)
        return
    for a, b in zip(mine, theirs, strict=True):
        assert_alike(a, b, code)


def check(code: str, values: Mapping[str, Value], grad: bool = False) -> None:
    """Fail unless lenetc gives what PyTorch gives, or both raise. Raises Refused where only lenetc raises, and fails
    where it raises something else than errors of its own, which are located."""
    expected: Any = None
    wrong: Exception | None = None
    try:
        expected = plain(run(torch, code, tensors(torch, values, grad)))
    except Exception as error:
        wrong = error
    try:
        found = plain(run(lenetc, code, tensors(lenetc, values, grad)))
    except LenetcError as error:
        if wrong is None:
            raise Refused(f"{code}: {error}") from error
        return
    except Exception as error:
        plain_python = isinstance(error, (TypeError, ValueError, IndexError)) and wrong is not None
        assert plain_python, f"{code}: a raw {error!r}, where PyTorch {wrong or expected!r}"
        return
    assert wrong is None, f"{code}: gives {found}, where PyTorch raises {wrong!r}"
    assert_alike(found, expected, code)


def check_all(
    codes: Iterable[str], values: Mapping[str, Value], refused: Iterable[str] = (), grad: bool = False
) -> None:
    """`check` of each, with every failure told; those of `refused`, and no others, are Refused."""
    failures = []
    for code in codes:
        try:
            check(code, values, grad)
        except Refused as error:
            if code not in refused:
                failures.append(f"refused: {error}")
        except AssertionError as error:
            failures.append(str(error))
        else:
            if code in refused:
                failures.append(f"no longer refused: {code}")
    assert not failures, "\n".join(failures)
