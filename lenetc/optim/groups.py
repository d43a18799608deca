"""Param groups: made from what the user gives an optimizer, and refused by name where they are wrong."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

from lenetc.optim.schedule import is_number
from lenetc.tensors.tensor import Tensor

Group: TypeAlias = dict[str, Any]
Params: TypeAlias = Iterable[Tensor] | Iterable[Group] | Iterable[tuple[str, Tensor]]

# PyTorch's choices among implementations, of which there is one here.
IMPLEMENTATION = ("foreach", "fused", "capturable", "differentiable")
FLAGS = ("nesterov", "maximize", "amsgrad", "centered", "decoupled_weight_decay")
_NUMBERS = ("lr", "momentum", "weight_decay", "alpha", "eps", "lr_decay", "initial_accumulator_value")
# What groups hold besides options: the parameters, and what schedules note down.
_NOTES = ("params", "param_names", "initial_lr", "max_lr", "min_lr", "max_momentum", "base_momentum")


def refuse_options(optimizer: str, unknown: Iterable[str], allowed: Iterable[str]) -> None:
    """Raise TypeError for the first of the `unknown` options, naming those that are allowed."""
    allowed = list(allowed)
    for name in unknown:
        if name in IMPLEMENTATION:
            raise TypeError(
                f"{optimizer}: the option {name!r} means nothing here, as every step runs as one program of "
                "operations; leave it out"
            )
        close = difflib.get_close_matches(name, allowed, 1)
        hint = f" (did you mean {close[0]!r}?)" if close else ""
        raise TypeError(f"{optimizer} has no option {name!r}{hint}; its options are {', '.join(allowed)}")


def listed(optimizer: str, params: Any) -> list[Group]:
    """The groups that a constructor's `params` stand for. Raises TypeError, ValueError."""
    if isinstance(params, Tensor):
        raise TypeError(
            f"{optimizer}: params must be an iterable of tensors or dicts, but it is one tensor; "
            "put it in a list"
        )
    if not isinstance(params, Iterable):
        hint = ": give its .parameters()" if hasattr(params, "parameters") else ""
        raise TypeError(
            f"{optimizer}: params must be an iterable of tensors or dicts, but it is a "
            f"{type(params).__name__}{hint}"
        )
    items = list(params)
    if not items:
        raise ValueError(
            f"{optimizer} got an empty parameter list: the model it was made for has no parameters"
        )
    return items if isinstance(items[0], dict) else [{"params": items}]


def made(optimizer: str, given: Any, defaults: Mapping[str, Any], groups: list[Group]) -> Group:
    """The group `given`, completed by `defaults`, to be added to `groups`.

    Raises TypeError for what is no group, no tensor or no option; ValueError for a tensor that is not a leaf,
    was given before, or lacks a name where others have one, and for an option's wrong value.
    """
    number = len(groups)
    if not isinstance(given, dict):
        raise TypeError(f"{optimizer}: a param group must be a dict, but it is a {type(given).__name__}")
    if "params" not in given:
        raise ValueError(f"{optimizer}: param group {number} has no entry 'params'")
    refuse_options(optimizer, (key for key in given if key not in defaults and key not in _NOTES), defaults)
    items = given["params"]
    if isinstance(items, (set, frozenset)):
        raise TypeError(f"{optimizer}: parameters need an order, and sets have none; give a list")
    if not isinstance(items, Iterable):
        raise TypeError(f"{optimizer}: param group {number} has a {type(items).__name__} for its parameters")
    items = [items] if isinstance(items, Tensor) else list(items)
    names = [item[0] for item in items if isinstance(item, tuple)]
    params = [item[1] if isinstance(item, tuple) else item for item in items]
    if names and len(names) != len(params):
        raise ValueError(
            f"{optimizer}: param group {number} has names for {len(names)} of {len(params)} tensors"
        )
    _check_tensors(optimizer, params, groups)
    group = {**given, "params": params}
    if names:
        group["param_names"] = names
    if any(("param_names" in group) != ("param_names" in other) for other in groups):
        raise ValueError(f"{optimizer}: all param groups must be with names, or all without")
    for key, default in defaults.items():
        value = group.setdefault(key, default)
        _check_option(f"{optimizer}: {key} of param group {number}", key, value)
    return group


def _check_tensors(optimizer: str, params: list[Any], groups: list[Group]) -> None:
    number = len(groups)
    seen = {param: (i, j) for i, group in enumerate(groups) for j, param in enumerate(group["params"])}
    for place, param in enumerate(params):
        if not isinstance(param, Tensor):
            raise TypeError(f"{optimizer} can only optimize tensors, but got a {type(param).__name__}")
        if not param.is_leaf:
            raise ValueError(
                f"{optimizer} can't optimize a non-leaf tensor: the {param.type_text()} in param group "
                f"{number} is the result of an operation; give what it was computed from, or detach() it"
            )
        if param in seen:
            first, before = seen[param]
            raise ValueError(
                f"{optimizer}: a parameter {param.type_text()} is given twice, as number {before} of "
                "param group "
                f"{first} and again as number {place} of param group {number}; leave it out of one of them"
            )
        seen[param] = (number, place)


def _check_option(what: str, key: str, value: Any) -> None:
    if key in FLAGS and not isinstance(value, bool):
        raise ValueError(f"{what} must be True or False, got {value!r}")
    if key == "betas":
        if not (isinstance(value, (tuple, list)) and len(value) == 2):
            raise ValueError(f"{what} must be 2 numbers, got {value!r}")
        if not all(is_number(part) and 0 <= part < 1 for part in value):
            raise ValueError(f"{what} must be at least 0 and less than 1 each, got {value!r}")
    if key in _NUMBERS and not (is_number(value) and value >= 0):
        raise ValueError(f"{what} must be a number of at least 0, got {value!r}")
    if key == "dampening" and not is_number(value):
        raise ValueError(f"{what} must be a number, got {value!r}")
