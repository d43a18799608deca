"""Param groups: made from what the user gives an optimizer, and refused by name where they are wrong."""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Iterable, Mapping
from numbers import Real
from typing import Any, TypeAlias

from ir.errors import UnsupportedError
from lenetc.tensors.tensor import Tensor

Group: TypeAlias = dict[str, Any]
Params: TypeAlias = Iterable[Tensor] | Iterable[Group] | Iterable[tuple[str, Tensor]]

# The default of an option that every group has to give (torch.optim.optimizer.required).
REQUIRED = object()
# PyTorch's choices among implementations, of which there is one here.
IMPLEMENTATION = ("foreach", "fused", "capturable", "differentiable")
FLAGS = ("nesterov", "maximize", "amsgrad", "centered", "decoupled_weight_decay")
# Options with bounds: what they must be, and whether they are. Numbers are checked to be numbers before.
_BOUNDS: dict[str, tuple[str, Callable[[Any], bool]]] = {
    **dict.fromkeys(
        (
            *("lr", "momentum", "weight_decay", "alpha", "lr_decay", "initial_accumulator_value"),
            *("momentum_decay", "eps"),
        ),
        ("a number of at least 0", lambda x: x >= 0),
    ),
    **dict.fromkeys(("dampening", "lambd", "t0"), ("a number", lambda x: True)),
    "rho": ("between 0 and 1", lambda x: 0 <= x <= 1),
    "beta2_decay": ("at most 0", lambda x: x <= 0),
    "d": ("at least 1", lambda x: x >= 1),
}
# Options of two numbers, likewise.
_PAIRS: dict[str, tuple[str, Callable[[Any, Any], bool]]] = {
    "betas": ("at least 0 and less than 1 each", lambda a, b: 0 <= a < 1 and 0 <= b < 1),
    "etas": ("one between 0 and 1 and one above 1", lambda a, b: 0 < a < 1 < b),
    "step_sizes": ("2 numbers", lambda a, b: True),
}


def is_number(value: object) -> bool:
    return not isinstance(value, bool) and isinstance(value, Real) and math.isfinite(value)


def refuse_options(optimizer: str, unknown: Iterable[str], allowed: Iterable[str]) -> None:
    """Raise TypeError for the first of the `unknown` options, naming those that are allowed."""
    allowed = list(allowed)
    for name in unknown:
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


def made(
    optimizer: str, given: Any, defaults: Mapping[str, Any], groups: list[Group], *, checked: bool
) -> Group:
    """The group `given`, completed by `defaults`, to be added to `groups`. checked: whether the options are those
    of PyTorch's optimizers, whose values are known.

    Entries that are no options are kept, for schedules and for whoever wrote them. Raises TypeError for what is
    no group or no tensor; ValueError for a tensor that is not a leaf, was given before, or lacks a name where
    others have one, and for an option's wrong value.
    """
    number = len(groups)
    if not isinstance(given, dict):
        raise TypeError(f"{optimizer}: a param group must be a dict, but it is a {type(given).__name__}")
    if "params" not in given:
        raise ValueError(f"{optimizer}: param group {number} has no entry 'params'")
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
        if default is REQUIRED and key not in group:
            raise ValueError(f"{optimizer}: param group {number} has no {key!r}, which has no default")
        value = group.setdefault(key, default)
        if checked:
            _check_option(f"{optimizer}: {key} of param group {number}", key, value)
    if checked:
        _check_implementation(optimizer, group)
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
    if isinstance(value, Tensor):
        if key not in _BOUNDS and key not in IMPLEMENTATION:
            raise ValueError(f"{what} cannot be a tensor, but it is {value.type_text()}")
        if value.numel() != 1:
            raise ValueError(f"{what}: a tensor must have 1 element, but it is {value.type_text()}")
        return
    if key in FLAGS and not isinstance(value, bool):
        raise ValueError(f"{what} must be True or False, got {value!r}")
    if key == "eps" and isinstance(value, (tuple, list)):
        if not (
            len(value) == 2 and (value[0] is None or _is_at_least_0(value[0])) and _is_at_least_0(value[1])
        ):
            raise ValueError(
                f"{what} must be 2 numbers of at least 0, the first of them or None, got {value!r}"
            )
    elif key in _BOUNDS:
        allowed, holds = _BOUNDS[key]
        if not (is_number(value) and holds(value)):
            raise ValueError(f"{what} must be {allowed}, got {value!r}")
    elif key in _PAIRS:
        allowed, fits = _PAIRS[key]
        if not (isinstance(value, (tuple, list)) and len(value) == 2):
            raise ValueError(f"{what} must be 2 numbers, got {value!r}")
        tensors = [isinstance(part, Tensor) for part in value]
        if any(tensors):
            if not all(tensors):
                raise ValueError(f"{what} must be 2 numbers or 2 tensors, got one of each")
            if any(part.numel() != 1 for part in value):
                raise ValueError(f"{what}: tensors must have 1 element each")
        elif not all(map(is_number, value)) or not fits(*value):
            raise ValueError(f"{what} must be {allowed}, got {value!r}")


def _is_at_least_0(value: Any) -> bool:
    return is_number(value) and value >= 0


def _check_implementation(optimizer: str, group: Group) -> None:
    """Raise for choices among PyTorch's implementations that it refuses too, or that there is no choice of."""
    if group.get("fused") and group.get("differentiable"):
        raise RuntimeError(f"{optimizer}: `fused` does not support `differentiable`")
    if group.get("fused") and group.get("foreach"):
        raise RuntimeError(f"{optimizer}: `fused` and `foreach` cannot be `True` together")
    if group.get("differentiable"):
        raise UnsupportedError(
            f"{optimizer}: differentiable=True is not supported, as parameters become leaves again after a step; "
            "write the update as operations on tensors, p = p - lr * grad, to differentiate through it"
        )
    if group.get("foreach") and not group.get("capturable"):
        for name in ("lr", "betas"):
            value = group.get(name)
            parts = value if isinstance(value, (tuple, list)) else (value,)
            if any(isinstance(part, Tensor) for part in parts) and "amsgrad" in group:
                raise ValueError(
                    f"{optimizer}: {name} as a tensor is not supported with foreach=True and capturable=False; "
                    "leave foreach out"
                )
