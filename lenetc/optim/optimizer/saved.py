"""Optimizer state as PyTorch lays it out in a state_dict: parameters by number, groups beside them."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ir.types import Array, DType, f32
from lenetc.evaluation.cell import Context
from lenetc.evaluation.watched import State
from lenetc.optim.optimizer.groups import FLAGS, IMPLEMENTATION, Group
from lenetc.tensors.tensor import Tensor


def state_dict(state: Mapping[Tensor, dict[str, Any]], groups: list[Group]) -> dict[str, Any]:
    """{"state": {number: {name: tensor}}, "param_groups": [{option: value, "params": [number]}]}."""
    numbers = {param: i for i, param in enumerate(param for group in groups for param in group["params"])}
    packed = []
    for group in groups:
        options = {key: value for key, value in group.items() if key != "params"}
        packed.append({**options, "params": [numbers[param] for param in group["params"]]})
    entries = {numbers[param]: dict(entry) for param, entry in state.items() if param in numbers}
    return {"state": entries, "param_groups": packed}


def loaded(
    optimizer: str,
    saved: Mapping[str, Any],
    groups: list[Group],
    defaults: Mapping[str, Any],
    shapes: Callable[[Group, Tensor], Mapping[str, tuple[int, ...]]],
    common: tuple[str, ...],
) -> tuple[list[Group], State]:
    """Groups and state from `saved`, a state_dict, for the parameters of `groups`. Raises ValueError.

    shapes: what is known of the state tensors of a parameter in a group. common: names of the numbers that
    parameters share which always step together.
    """
    if not isinstance(saved, Mapping) or not {"state", "param_groups"} <= saved.keys():
        raise ValueError(
            f"{optimizer}: this is not the state of an optimizer, which is a dict of 'state' and "
            "'param_groups'"
            + (f", but one of {', '.join(map(repr, list(saved)[:4]))}" if isinstance(saved, Mapping) else "")
        )
    given = saved["param_groups"]
    if len(given) != len(groups):
        raise ValueError(
            f"{optimizer}: the loaded state has {len(given)} param groups, the optimizer {len(groups)}"
        )
    params: dict[int, tuple[Tensor, Mapping[str, tuple[int, ...]]]] = {}
    new_groups = []
    for index, (group, other) in enumerate(zip(groups, given, strict=True)):
        if not isinstance(other, Mapping) or "params" not in other:
            raise ValueError(f"{optimizer}: param group {index} of the loaded state has no entry 'params'")
        if len(group["params"]) != len(other["params"]):
            raise ValueError(
                f"{optimizer}: param group {index} has {len(other['params'])} parameters in the loaded state "
                f"and {len(group['params'])} in the optimizer"
            )
        # Flags may be younger than the file; numbers and betas are what tells optimizers apart.
        missing = [key for key in defaults if key not in other and key not in (*FLAGS, *IMPLEMENTATION)]
        if missing:
            raise ValueError(
                f"{optimizer}: param group {index} of the loaded state lacks {', '.join(missing)}: it is the "
                "state of another optimizer"
            )
        options = {key: _copied(value) for key, value in other.items()}
        new = {**group, **options, "params": group["params"]}
        new_groups.append(new)
        params.update((n, (p, shapes(new, p))) for n, p in zip(other["params"], group["params"], strict=True))
    state: State = State()
    for number, entry in saved["state"].items():
        if number not in params:
            raise ValueError(
                f"{optimizer}: the loaded state is of a parameter {number!r} that is in none of its groups"
            )
        param, known = params[number]
        state[param] = {
            name: _value(
                f"{optimizer}: {name} of parameter {number} in the loaded state",
                value,
                () if name in common else known.get(name),
                f32 if name in common or name == "step" else param.dtype,
            )
            for name, value in entry.items()
            if value is not None
        }
    for group in new_groups:
        _share([state[param] for param in group["params"] if param in state], common)
    return new_groups, state


def _is_array(value: Any) -> bool:
    """Whether `value` is a tensor, here or in another library, or an array."""
    return hasattr(value, "__array__") and hasattr(value, "shape")


def _array(value: Any) -> Array:
    if isinstance(value, Tensor):
        return value._cell.numpy()
    return np.asarray(value.detach() if hasattr(value, "detach") else value)


def _value(what: str, value: Any, shape: tuple[int, ...] | None, dtype: DType) -> Any:
    """`value`, an entry of a parameter's state; floats have `dtype`. A tensor of this library's is taken over, as in
    PyTorch: who loads one state twice finds what the first optimizer made of it. shape: what it has to be, if known."""
    if shape is not None and not _is_array(value):
        value = np.asarray(value, np.float32)
    if not _is_array(value):
        if isinstance(value, (list, tuple)):
            return type(value)(_value(what, part, None, dtype) for part in value)
        return copy.deepcopy(value)
    array = _array(value)
    if shape is not None and array.shape != shape:
        raise ValueError(f"{what} has shape {list(array.shape)}, it should be {list(shape)}")
    is_own = type(value) is Tensor and not value.requires_grad and Context.trace is None
    made = value if is_own else Tensor._from_array(array)
    return made.to(dtype) if made.dtype.kind == "float" else made


def _copied(value: Any) -> Any:
    """An option as the group may keep it: tensors of this library's own."""
    return (
        Tensor._from_array(_array(value))
        if _is_array(value) and not np.isscalar(value)
        else copy.deepcopy(value)
    )


def _share(states: list[dict[str, Any]], common: tuple[str, ...]) -> None:
    """Let states that are equal in all their `common` numbers, which count steps, have the same tensors there."""
    shared: dict[tuple[float, ...], dict[str, Tensor]] = {}
    for state in states:
        if common and all(name in state for name in common):
            numbers = {name: state[name] for name in common}
            state.update(shared.setdefault(tuple(float(x.item()) for x in numbers.values()), numbers))
