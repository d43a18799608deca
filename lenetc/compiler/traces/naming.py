"""Names of what a program keeps: PyTorch's for parameters and buffers, the variables' for other tensors."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from types import FunctionType, MethodType, ModuleType
from typing import Any

from lenetc.evaluation import random
from lenetc.evaluation.cell import Cell
from lenetc.evaluation.tracing import Trace
from lenetc.nn.modules.module import Module
from lenetc.optim.optimizer import Optimizer
from lenetc.tensors.tensor import Tensor


def free_name(name: str, taken: set[str]) -> str:
    candidate, n = name, 1
    while candidate in taken:
        candidate, n = f"{name}_{n}", n + 1
    return candidate


def state_names(function: Callable[..., Any], trace: Trace) -> dict[Cell, str]:
    """Names of the state a trace may have met: PyTorch's dotted names for parameters and buffers, the name of
    the parameter and of the quantity for optimizer state, variable names for other tensors."""
    names: dict[Cell, str] = {}
    variables = _variables(function)
    inner = {child for module in trace.modules for child in module.modules() if child is not module}
    roots: list[Module] = [  # a loss that is a module has nothing to tell apart
        module
        for module in trace.modules
        if module not in inner and any(True for part in (module.parameters(), module.buffers()) for _ in part)
    ]
    for root in roots:
        prefix = ""
        if len(roots) > 1:
            prefix = (
                next((key for key, value in variables.items() if value is root), type(root).__name__.lower())
                + "."
            )
        for path, module in root.named_modules():
            for table, name, before in trace.rebound:  # the module has another tensor by now
                if table is module._buffers and before is not None:
                    names.setdefault(before._cell, f"{prefix}{path}.{name}" if path else prefix + name)
        for label, tensor in (*root.named_parameters(), *root.named_buffers()):
            names.setdefault(tensor._cell, prefix + label)
            if isinstance(tensor._grad, Tensor):
                names.setdefault(tensor._grad._cell, f"{prefix}{label}.grad")
    for tensor, grad in trace.grads.items():
        if isinstance(grad, Tensor) and tensor._cell in names:
            names.setdefault(grad._cell, f"{names[tensor._cell]}.grad")
    for key, tensor in _tensors(variables, levels=2):
        names.setdefault(tensor._cell, key)
    for optimizer in trace.optimizers:
        for group in optimizer.param_groups:
            for key, option in group.items():
                if isinstance(option, Tensor):
                    names.setdefault(option._cell, f"optimizer.{key}")
        for parameter, state in optimizer.state.items():
            owner = names.get(parameter._cell, "parameter")
            for key, value in state.items():
                if isinstance(value, Tensor):
                    names.setdefault(
                        value._cell, f"{'optimizer' if key in optimizer._common else owner}.{key}"
                    )
    if trace.exporting is not None:
        names.update((cell, label) for cell, (label, _) in trace.exporting.state.items())
    names.update(random.state_names((*trace.captured, *trace.current)))
    return names


_ITEMS = 1000  # of a container that names are looked for in


def _tensors(named: Mapping[Any, Any], levels: int, path: str = "") -> Iterator[tuple[str, Tensor]]:
    """The tensors among `named`, and in modules, dicts, lists and other objects that stand there, with their paths."""
    for key, value in list(named.items())[:_ITEMS]:
        if not isinstance(key, str | int):
            continue
        label = f"{path}{key}"
        if isinstance(value, Tensor):
            yield label, value
        elif isinstance(value, Module):
            for name, tensor in (*value.named_parameters(), *value.named_buffers()):
                yield f"{label}.{name}", tensor
        elif not levels or isinstance(value, (Optimizer, type, FunctionType, ModuleType)):
            continue
        elif type(value) is dict:
            yield from _tensors(value, levels - 1, f"{label}.")
        elif type(value) in (list, tuple):
            yield from _tensors(dict(enumerate(value)), levels - 1, f"{label}.")
        elif not _is_own(value) and hasattr(value, "__dict__"):
            yield from _tensors(vars(value), levels - 1, f"{label}.")


def _is_own(value: Any) -> bool:
    """Whether looking an attribute up runs code of the object's."""
    return any("__getattribute__" in kind.__dict__ for kind in type(value).__mro__[:-1])


def _variables(function: Callable[..., Any]) -> dict[str, Any]:
    """The function's closure and the globals that it names; of a method, the attributes of its object."""
    if isinstance(function, MethodType):
        return {**_variables(function.__func__), **getattr(function.__self__, "__dict__", {})}
    code = getattr(function, "__code__", None)
    if code is None:
        return {}
    found = {name: function.__globals__[name] for name in code.co_names if name in function.__globals__}
    for name, cell in zip(code.co_freevars, function.__closure__ or (), strict=True):
        try:
            found[name] = cell.cell_contents
        except ValueError:  # a variable that is assigned later
            continue
    return found
