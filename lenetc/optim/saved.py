"""Optimizer state as PyTorch lays it out in a state_dict: parameters by number, groups beside them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ir.types import f32
from lenetc.evaluation.watched import State
from lenetc.optim.groups import FLAGS, IMPLEMENTATION, Group
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
    optimizer: str, saved: Mapping[str, Any], groups: list[Group], defaults: Mapping[str, Any]
) -> tuple[list[Group], State]:
    """Groups and state from `saved`, a state_dict, for the parameters of `groups`. Raises ValueError."""
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
    params: dict[int, Tensor] = {}
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
        missing = [key for key in defaults if key not in other and key not in FLAGS]
        if missing:
            raise ValueError(
                f"{optimizer}: param group {index} of the loaded state lacks {', '.join(missing)}: it is the "
                "state of another optimizer"
            )
        params.update(zip(other["params"], group["params"], strict=True))
        options = {key: value for key, value in other.items() if key not in IMPLEMENTATION}
        new_groups.append({**group, **options, "params": group["params"]})
    state: State = State()
    for number, entry in saved["state"].items():
        if number not in params:
            raise ValueError(
                f"{optimizer}: the loaded state is of a parameter {number!r} that is in none of its groups"
            )
        param = params[number]
        state[param] = {
            name: _tensor(
                f"{optimizer}: {name} of parameter {number} in the loaded state", name, value, param
            )
            for name, value in entry.items()
            if value is not None
        }
    for group in new_groups:
        _share_counters([state[param] for param in group["params"] if "step" in state.get(param, ())])
    return new_groups, state


def _tensor(what: str, name: str, value: Any, param: Tensor) -> Tensor:
    """A copy of `value` for `param`: step counters are f32[], the rest has the type of the parameter."""
    array = value._cell.numpy() if isinstance(value, Tensor) else np.asarray(value)
    shape = () if name == "step" else tuple(param.shape)
    if array.shape != shape:
        raise ValueError(f"{what} has shape {list(array.shape)}, it should be {list(shape)}")
    return Tensor._from_array(array).to(f32 if name == "step" else param.dtype)


def _share_counters(states: list[dict[str, Any]]) -> None:
    """Let states that have made equally many steps have one counter."""
    counters: dict[float, Tensor] = {}
    for state in states:
        state["step"] = counters.setdefault(float(state["step"].item()), state["step"])
