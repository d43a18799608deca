"""Samples of PyTorch's database as arguments for lenetc: tensors, dtypes, sizes and callables."""

from __future__ import annotations

import functools
import types
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch.testing._internal import common_utils
from torch.testing._internal.common_methods_invocations import op_db
from torch.testing._internal.opinfo import core

import lenetc

DTYPES = {"f32": torch.float32, "f64": torch.float64, "i64": torch.int64}


class Foreign(Exception):
    """A sample holds what lenetc refuses as a kind: complex, sparse, quantized."""


@functools.cache
def infos() -> dict[str, list[Any]]:
    """The entries of the database by name; some names have several, for variants."""
    found: dict[str, list[Any]] = {}
    for info in op_db:
        found.setdefault(info.name, []).append(info)
    return found


for _device in (torch.cuda, torch.xpu, torch.mtia):
    # There is none, and every sample is drawn with a seed for all devices, which these take a millisecond to note.
    _device.manual_seed_all = lambda seed: None  # type: ignore[attr-defined]
for _module in (common_utils, core):
    # It goes through the stack for a unittest.TestCase, with the source of each line on it, at every look for samples.
    _module.extract_test_fn = lambda: None


def samples(info: Any, dtype: str, requires_grad: bool) -> Iterator[Any]:
    """Sample inputs, the same at each run; none where PyTorch has no such dtype for the operator."""
    if DTYPES[dtype] not in info.supported_dtypes("cpu"):
        return
    torch.manual_seed(0)
    np.random.seed(0)
    yield from info.sample_inputs("cpu", DTYPES[dtype], requires_grad=requires_grad)


def differentiable(info: Any, dtype: str) -> bool:
    return bool(info.supports_autograd and DTYPES[dtype] in info.supported_backward_dtypes("cpu"))


class Translation:
    """PyTorch's values as lenetc's; the same tensor is the same tensor afterwards too."""

    def __init__(self) -> None:
        self.made: dict[int, lenetc.Tensor] = {}
        self.kept: list[Any] = []  # so that no id is used twice

    def __call__(self, value: Any) -> Any:
        if isinstance(value, torch.Tensor):
            return self.tensor(value)
        if isinstance(value, torch.dtype):
            return dtype_of(value)
        if isinstance(value, torch.Size):
            return lenetc.Size(value)
        if isinstance(value, torch.device):
            return "cpu"
        if isinstance(value, (torch.layout, torch.memory_format)):
            return getattr(lenetc, str(value).removeprefix("torch."))
        if isinstance(value, torch.Generator):
            return lenetc.Generator().manual_seed(value.initial_seed())
        if isinstance(value, (list, tuple)) and not hasattr(value, "_fields"):
            return type(value)(map(self, value))
        if isinstance(value, dict):
            return {key: self(item) for key, item in value.items()}
        if isinstance(value, slice):
            return slice(self(value.start), self(value.stop), self(value.step))
        if isinstance(value, complex):
            raise Foreign("complex")
        if isinstance(value, torch.nn.Module):  # a distance, of no options
            return getattr(lenetc.nn, type(value).__name__)()
        if isinstance(value, types.FunctionType):
            return translated(value)
        return value

    def tensor(self, value: torch.Tensor) -> lenetc.Tensor:
        if id(value) not in self.made:
            if value.is_complex() or value.is_quantized or value.layout is not torch.strided:
                raise Foreign("complex, sparse or quantized")
            if value.dim() > 64:
                raise Foreign("more dimensions than NumPy has")
            made = lenetc.from_numpy(array(value)).to(dtype_of(value.dtype))
            self.made[id(value)] = made.requires_grad_() if value.requires_grad else made
            self.kept.append(value)
        return self.made[id(value)]


def array(value: torch.Tensor) -> np.ndarray[Any, Any]:
    """The values, those of bfloat16 as f32."""
    plain = value.detach().resolve_conj().resolve_neg()
    return np.array(
        (plain.float() if plain.dtype is torch.bfloat16 else plain).contiguous().numpy(force=True)
    )


def dtype_of(dtype: torch.dtype) -> Any:
    if dtype.is_complex:
        raise Foreign("complex")
    return getattr(lenetc, str(dtype).removeprefix("torch."))


def translated(function: types.FunctionType) -> Callable[..., Any]:
    """`function` of the database's own with lenetc for torch in what it reads."""
    scope = {**function.__globals__, "torch": lenetc, "F": lenetc.nn.functional}
    cells = function.__closure__
    if cells is not None:
        cells = tuple(types.CellType(_replaced(cell.cell_contents)) for cell in cells)
    made = types.FunctionType(function.__code__, scope, function.__name__, function.__defaults__, cells)
    made.__kwdefaults__ = function.__kwdefaults__
    return made


def _replaced(value: Any) -> Any:
    if value is torch:
        return lenetc
    if isinstance(value, types.FunctionType) and "common_methods" in value.__module__:
        return translated(value)
    name = getattr(value, "__name__", "")
    if callable(value) and (getattr(value, "__module__", "") or "").startswith("torch") and name:
        return named(name) or value
    return value


def named(path: str) -> Any:
    """What lenetc has under PyTorch's name `path`, None where it has nothing."""
    value: Any = lenetc
    try:
        for part in path.split("."):
            value = getattr(value, part)
    except (AttributeError, ImportError):
        return None
    return value


def function_of(info: Any) -> Callable[..., Any] | None:
    """The operator in lenetc, None where the name is missing."""
    if info.name in ("__rdiv__",):
        return getattr(lenetc.Tensor, "__rtruediv__", None)
    if info.name == "einsum":  # whose operands come first in the database
        return translated(info.op)
    if info.name.startswith("__") or info.name in ("H", "T", "mH", "mT"):
        if not hasattr(lenetc.Tensor, info.name):
            return None
        own = info.op
        of_database = isinstance(own, types.FunctionType) and own.__module__.startswith("torch.testing")
        return translated(own) if of_database else getattr(lenetc.Tensor, info.name)
    found = named(info.name)
    if info.name.startswith("nn.functional.embedding") and found is not None:
        return translated(info.op)  # its samples begin with the weight
    if found is not None and callable(found) and not isinstance(found, type):
        # The database's own order of arguments, where it has one.
        own = isinstance(info.op, types.FunctionType) and info.op.__name__ == "<lambda>"
        return translated(info.op) if own else found
    method = getattr(lenetc.Tensor, info.name, None)
    if isinstance(info.op, types.FunctionType) and info.op.__module__.startswith("torch.testing"):
        if info.name in vars(lenetc.Tensor) or info.name + "_" in vars(lenetc.Tensor) or found is not None:
            return translated(info.op)
        return None
    return method if callable(method) else None
