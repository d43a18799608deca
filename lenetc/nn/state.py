"""The state of modules by name: what `state_dict` holds, and loading it, all or nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ir.errors import LenetcError
from ir.types import Array
from lenetc import runtime
from lenetc.evaluation.cell import Context
from lenetc.nn.parameter import Parameter, Uninitialized
from lenetc.tensors.size import Size
from lenetc.tensors.tensor import Tensor

if TYPE_CHECKING:
    from lenetc.nn.modules.module import Module


class IncompatibleKeys(NamedTuple):
    """Names that a load which was not strict passed over."""

    missing_keys: list[str]
    unexpected_keys: list[str]

    def __repr__(self) -> str:
        if not self.missing_keys and not self.unexpected_keys:
            return "<All keys matched successfully>"
        return f"_IncompatibleKeys(missing_keys={self.missing_keys}, unexpected_keys={self.unexpected_keys})"


def named_state(module: Module, prefix: str = "") -> Iterator[tuple[str, Tensor]]:
    """Parameters, persistent buffers, then those of the children; what is shared comes under every name."""
    for name, tensor in (*module._parameters.items(), *module._buffers.items()):
        if tensor is not None and name not in module._non_persistent:
            yield prefix + name, tensor
    for name, child in module._modules.items():
        if child is not None:
            yield from named_state(child, f"{prefix}{name}.")


def collect(module: Module, found: dict[str, Tensor], prefix: str, keep_vars: bool) -> dict[str, Tensor]:
    """Add the state of `module` to `found`, calling the hooks of each module before and after its own."""
    hooks = module.__dict__["_hooks"]
    for hook in tuple(hooks.get("state_dict_pre", {}).values()):
        hook.function(module, prefix, keep_vars)
    for name, tensor in (*module._parameters.items(), *module._buffers.items()):
        if tensor is not None and name not in module._non_persistent:
            found[prefix + name] = tensor if keep_vars else tensor.detach()
    for name, child in module._modules.items():
        if child is not None:
            child.state_dict(destination=found, prefix=f"{prefix}{name}.", keep_vars=keep_vars)
    for hook in tuple(hooks.get("state_dict_post", {}).values()):
        hook.function(module, found, prefix, {})
    return found


def _hooked(module: Module, kind: str, prefix: str = "") -> Iterator[tuple[Module, str, Any]]:
    """Hooks of that kind, with their module and its prefix, outer modules first."""
    for hook in tuple(module.__dict__["_hooks"].get(kind, {}).values()):
        yield module, prefix, hook.function
    for name, child in module._modules.items():
        if child is not None:
            yield from _hooked(child, kind, f"{prefix}{name}.")


def load(module: Module, values: Mapping[str, Any], strict: bool, assign: bool = False) -> IncompatibleKeys:
    """Copy `values` into the state of `module` (torch.nn.Module.load_state_dict).

    The optimizer state in an exported program's file is passed over, strict or not.
    """
    if not isinstance(values, Mapping):
        raise TypeError(
            f"Expected state_dict to be dict-like, got {type(values)}; lenetc.load(path) makes one of a file"
        )
    values = dict(values)
    told: tuple[list[str], list[str], list[str]] = ([], [], [])
    for owner, prefix, hook in _hooked(module, "load_state_dict_pre"):
        hook(owner, values, prefix, {}, strict, *told)
    targets = dict(named_state(module))
    missing = [name for name in targets if name not in values]
    unexpected = [name for name in values if name not in targets]
    foreign = [name for name in unexpected if not _is_beside(str(name), targets)]
    missing, unexpected, problems = missing + told[0], unexpected + told[1], told[2]
    if strict:
        for names, what in ((missing, "Missing"), (foreign, "Unexpected")):
            if names:
                quoted = ", ".join(f'"{name}"' for name in names)
                problems.append(f"{what} key(s) in state_dict: {quoted}. ")
    found_values: dict[str, Tensor | Array] = {}
    for name, target in targets.items():
        if name not in missing:
            found = _value(values[name])
            if found is None:
                problems.append(
                    f'While copying the parameter named "{name}", expected a tensor or an array from '
                    f"checkpoint but received {type(values[name])}"
                )
            elif isinstance(target, Uninitialized):
                found_values[name] = found
            elif tuple(found.shape) != tuple(target.shape):
                problems.append(
                    f"size mismatch for {name}: copying a param with shape {Size(found.shape)} "
                    f"from checkpoint, the shape in current model is {target.shape}."
                )
            else:
                found_values[name] = found
    if problems:
        inner = next((name for name in foreign if isinstance(values[name], Mapping) and missing), None)
        if inner is not None:
            problems.append(
                f"It is a dict of dicts: load its entry {inner!r}, if that is the module's state."
            )
        listed = "\n\t".join(problems)
        raise LenetcError(f"Error(s) in loading state_dict for {type(module).__name__}:\n\t{listed}")
    for name, found in found_values.items():
        if assign:
            _assign(module, name, values[name], found)
        else:
            target = targets[name]
            if isinstance(target, Uninitialized):
                target.materialize([int(size) for size in found.shape])
            _put(target, found)
    incompatible = IncompatibleKeys(missing, unexpected)
    for owner, _, hook in reversed(list(_hooked(module, "load_state_dict_post"))):
        hook(owner, incompatible)
    return incompatible


def _assign(module: Module, name: str, given: Any, found: Tensor | Array) -> None:
    """Let `given`, or a tensor of the values `found` if it is none of ours, be the parameter or buffer of that name."""
    path, _, last = name.rpartition(".")
    owner = module.get_submodule(path)
    tensor = given if isinstance(given, Tensor) else Tensor._from_array(found)
    before = getattr(owner, last)
    if isinstance(before, Parameter) and not isinstance(tensor, Parameter):
        tensor = Parameter(tensor.detach(), requires_grad=before.requires_grad)
    setattr(owner, last, tensor)


def _is_beside(name: str, targets: Mapping[str, Tensor]) -> bool:
    """Whether `name` is what the state of an exported program holds beside the module's: "conv1.bias.exp_avg" and
    the like, which lie below a tensor, where modules have nothing; step and random counters."""
    owner, _, last = name.rpartition(".")
    return owner in targets or (owner in ("optimizer", "rng") and last in ("step", "key", "counter"))


def _value(value: Any) -> Tensor | Array | None:
    if isinstance(value, Tensor):
        return value.detach() if Context.trace is not None else value.detach()._array()
    if type(value).__module__.partition(".")[0] == "torch" and hasattr(value, "detach"):
        value = value.detach().cpu()
        return np.asarray(value.float() if str(value.dtype) == "torch.bfloat16" else value)
    return np.asarray(value) if isinstance(value, (np.ndarray, np.generic)) else None


def _put(target: Tensor, value: Tensor | Array) -> None:
    """Let `target` have a value of its shape."""
    if Context.trace is not None:  # a part of the program
        source = value if isinstance(value, Tensor) else Tensor(value)
        target._cell.node = source.to(target.dtype).node
    else:
        assert isinstance(value, np.ndarray)
        target._cell.set_value(value.astype(runtime.stored(target.dtype)))
