"""Names of what a program keeps: PyTorch's for parameters and buffers, the variables' for other tensors."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from lenetc.evaluation import random
from lenetc.evaluation.cell import Cell
from lenetc.evaluation.tracing import Trace
from lenetc.tensors.tensor import Tensor

if TYPE_CHECKING:
    from lenetc.nn.modules.module import Module


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
    roots: list[Module] = [module for module in trace.modules if module not in inner]
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
    for key, value in variables.items():
        if isinstance(value, Tensor):
            names.setdefault(value._cell, key)
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


def _variables(function: Callable[..., Any]) -> dict[str, Any]:
    """The function's closure and the globals that it names."""
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
