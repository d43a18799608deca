"""The state of modules by name: what `state_dict` holds, and loading it, all or nothing."""

from __future__ import annotations

import functools
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np

from ir import ops
from ir.errors import LenetcError
from ir.types import Array
from lenetc import runtime
from lenetc.autograd.hooks import RemovableHandle
from lenetc.evaluation.cell import Context, fresh_uid
from lenetc.nn.parameter import Parameter, Uninitialized
from lenetc.tensors.size import Size
from lenetc.tensors.tensor import Tensor

if TYPE_CHECKING:
    from lenetc.nn.modules.module import Module

_EXTRA = "_extra_state"
_ASSIGN = "assign_to_params_buffers"  # PyTorch's word in the metadata for assign=True


class IncompatibleKeys(NamedTuple):
    """Names that a load which was not strict passed over."""

    missing_keys: list[str]
    unexpected_keys: list[str]

    def __repr__(self) -> str:
        if not self.missing_keys and not self.unexpected_keys:
            return "<All keys matched successfully>"
        return f"_IncompatibleKeys(missing_keys={self.missing_keys}, unexpected_keys={self.unexpected_keys})"


class Stateful:
    """What modules do with their state; a class may do it otherwise, by the same names as in PyTorch."""

    # Told by state_dict() for each module; a class whose state has changed finds it in what it loads.
    _version: int = 1

    def _register_hook(self, kind: str, function: Callable[..., Any]) -> RemovableHandle:
        raise NotImplementedError

    def state_dict(
        self,
        destination: Any = None,
        prefix: str = "",
        keep_vars: bool = False,
    ) -> Any:
        """Parameters and persistent buffers by dotted name, sharing storage; detached unless `keep_vars`.

        They are added to `destination`, if one is given.
        """
        if destination is None:
            destination = _versioned({}, OrderedDict())
        return _collect(cast("Module", self), destination, prefix, keep_vars)

    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False
    ) -> IncompatibleKeys:
        """Copy values into parameters and persistent buffers; all or, where something is wrong, nothing.

        Values are tensors, PyTorch's among them, or arrays. assign: tensors, in their dtypes, take the place of those
        that there are. Raises LenetcError for a shape that differs, and with `strict` for names that are missing or
        unexpected. The optimizer state in an exported program's file is passed over, strict or not.
        """
        return _load(cast("Module", self), state_dict, strict, assign)

    def _save_to_state_dict(self, destination: dict[str, Any], prefix: str, keep_vars: bool) -> None:
        """Add this module's own state, without its children's."""
        for name, tensor in _own(cast("Module", self)):
            destination[prefix + name] = tensor if keep_vars else tensor.detach()
        if type(self).get_extra_state is not Stateful.get_extra_state:
            destination[prefix + _EXTRA] = self.get_extra_state()

    def _load_from_state_dict(
        self,
        state_dict: dict[str, Any],
        prefix: str,
        local_metadata: dict[str, Any],
        strict: bool,
        missing_keys: list[str],
        unexpected_keys: list[str],
        error_msgs: list[str],
    ) -> None:
        """Load this module's own state, without its children's, and tell what does not fit in the lists."""
        module = cast("Module", self)
        told = (missing_keys, unexpected_keys, error_msgs)
        for hook in _hooks(module, "load_state_dict_pre"):
            hook(module, state_dict, prefix, local_metadata, strict, *told)
        own = dict(_own(module))
        for name, target in own.items():
            key = prefix + name
            if key in state_dict:
                problem = _take(module, name, target, key, state_dict[key], bool(local_metadata.get(_ASSIGN)))
                error_msgs += [problem] if problem else []
            elif strict:
                missing_keys.append(key)
        extra = prefix + _EXTRA
        has_extra = type(self).set_extra_state is not Stateful.set_extra_state
        if has_extra and extra in state_dict:
            self.set_extra_state(state_dict[extra])
        elif has_extra and strict:
            missing_keys.append(extra)
        for key in state_dict if strict else ():
            if str(key).startswith(prefix) and not (has_extra and key == extra):
                first, *below = str(key)[len(prefix) :].split(".", 1)
                if first not in (module._modules if below else own):
                    unexpected_keys.append(key)

    def get_extra_state(self) -> Any:
        """What a class of its own adds to its state; see set_extra_state. Raises LenetcError where it has none."""
        raise LenetcError(
            f"{type(self).__name__} has no extra state: define get_extra_state and set_extra_state"
        )

    def set_extra_state(self, state: Any) -> None:
        """Take back what get_extra_state gave. Raises LenetcError where the class does not define it."""
        raise LenetcError(
            f"{type(self).__name__} has no extra state: define get_extra_state and set_extra_state"
        )

    def register_state_dict_pre_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call hook(module, prefix, keep_vars) before state_dict() reads this module's state."""
        return self._register_hook("state_dict_pre", hook)

    def register_state_dict_post_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call hook(module, state_dict, prefix, local_metadata) when state_dict() has read this module's state; it
        changes the dict in place. LenetcError is raised where it returns something."""
        return self._register_hook("state_dict_post", functools.partial(_in_place, hook))

    def _register_state_dict_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """register_state_dict_post_hook of a hook that may return another dict, as older code has it."""
        return self._register_hook("state_dict_post", hook)

    def register_load_state_dict_pre_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call hook(module, state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs)
        before load_state_dict() looks for this module's state; it changes the dict, a copy, in place."""
        return self._register_hook("load_state_dict_pre", hook)

    def _register_load_state_dict_pre_hook(
        self, hook: Callable[..., Any], with_module: bool = False
    ) -> RemovableHandle:
        """register_load_state_dict_pre_hook of a hook that is not given the module, as older code has it."""
        return self.register_load_state_dict_pre_hook(
            hook if with_module else functools.partial(_without_module, hook)
        )

    def register_load_state_dict_post_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call hook(module, incompatible_keys) when load_state_dict() has loaded this module's state; it may change
        the lists in place, before a strict load raises for what they name."""
        return self._register_hook("load_state_dict_post", hook)


def _versioned(state: Mapping[str, Any], versions: Any) -> Any:
    """A dict of `state` with the versions of modules, {path: {"version": n}}, beside it, as PyTorch has it."""
    made: Any = OrderedDict(state)
    made._metadata = versions
    return made


def _in_place(hook: Callable[..., Any], *args: Any) -> None:
    if hook(*args) is not None:
        raise LenetcError("state_dict post-hook must return None")


def _without_module(hook: Callable[..., Any], module: Module, *args: Any) -> Any:
    return hook(*args)


def _hooks(module: Module, kind: str) -> list[Callable[..., Any]]:
    return [hook.function for hook in module.__dict__["_hooks"].get(kind, {}).values()]


def _own(module: Module) -> Iterator[tuple[str, Tensor]]:
    """Parameters and persistent buffers of the module itself."""
    for name, parameter in module._parameters.items():
        if parameter is not None:
            yield name, parameter
    for name, buffer in module._buffers.items():
        if buffer is not None and name not in module._non_persistent_buffers_set:
            yield name, buffer


def _collect(module: Module, found: Any, prefix: str, keep_vars: bool) -> Any:
    """Add the state of `module` to `found`, calling the hooks of each module before and after its own."""
    metadata = {"version": module._version}
    if hasattr(found, "_metadata"):
        found._metadata[prefix[:-1]] = metadata
    for hook in _hooks(module, "state_dict_pre"):
        hook(module, prefix, keep_vars)
    module._save_to_state_dict(found, prefix, keep_vars)
    for name, child in module._modules.items():
        if child is not None:
            child.state_dict(destination=found, prefix=f"{prefix}{name}.", keep_vars=keep_vars)
    for hook in _hooks(module, "state_dict_post"):
        returned = hook(module, found, prefix, metadata)
        found = found if returned is None else returned
    return found


def _load(module: Module, given: Mapping[str, Any], strict: bool, assign: bool) -> IncompatibleKeys:
    if not isinstance(given, Mapping):
        raise TypeError(
            f"Expected state_dict to be dict-like, got {type(given)}; lenetc.load(path) makes one of a file"
        )
    versions = getattr(given, "_metadata", None) or {}
    values = _versioned(given, versions)
    told = IncompatibleKeys([], [])
    problems: list[str] = []

    def load(part: Module, values: dict[str, Any], prefix: str) -> None:
        metadata = dict(versions.get(prefix[:-1], {}), **({_ASSIGN: True} if assign else {}))
        part._load_from_state_dict(values, prefix, metadata, True, *told, problems)
        for name, child in part._modules.items():
            if child is not None:
                below = f"{prefix}{name}."
                load(child, {k: v for k, v in values.items() if str(k).startswith(below)}, below)
        for hook in _hooks(part, "load_state_dict_post"):
            if hook(part, told) is not None:
                raise LenetcError(
                    "a hook of register_load_state_dict_post_hook is not expected to return new values; it changes "
                    "incompatible_keys in place"
                )

    put_back = _saved(module)
    try:
        load(module, values, "")
        names = {path + name for path, part in _paths(module) for name, _ in _own(part)}
        missing, unexpected = told
        foreign = [name for name in unexpected if not _is_beside(str(name), names)]
        if strict:
            for keys, what in ((foreign, "Unexpected"), (missing, "Missing")):
                if keys:
                    quoted = ", ".join(f'"{key}"' for key in keys)
                    problems.insert(0, f"{what} key(s) in state_dict: {quoted}. ")
        if problems:
            inner = next((name for name in foreign if isinstance(given.get(name), Mapping) and missing), None)
            if inner is not None:
                problems.append(
                    f"It is a dict of dicts: load its entry {inner!r}, if that is the module's state."
                )
            listed = "\n\t".join(problems)
            raise LenetcError(f"Error(s) in loading state_dict for {type(module).__name__}:\n\t{listed}")
    except BaseException:
        put_back()
        raise
    return told


def _paths(module: Module) -> list[tuple[str, Module]]:
    """All modules, under every name, with the prefix of their state."""
    walked = module.named_modules(remove_duplicate=False)
    return [(f"{path}." if path else "", part) for path, part in walked]


def _saved(module: Module) -> Callable[[], None]:
    """What lets the state of all modules be as it is now. A trace that fails is left altogether."""
    if Context.trace is not None:
        return lambda: None
    tables = [table for part in module.modules() for table in (part._parameters, part._buffers)]
    held = [(table, dict(table)) for table in tables]
    tensors = [tensor for _, table in held for tensor in table.values() if tensor is not None]
    values = [(tensor, type(tensor), tensor._cell.saved()) for tensor in tensors]

    def put_back() -> None:
        for table, before in held:
            if [*map(id, table.values())] != [*map(id, before.values())]:
                table.clear()
                table.update(before)
        for tensor, kind, restore in values:
            tensor.__class__ = kind
            restore()

    return put_back


def _take(module: Module, name: str, target: Tensor, key: str, given: Any, assign: bool) -> str:
    """Let the parameter or buffer `name` have the value `given`; what does not fit is returned."""
    found = _value(given)
    if found is None:
        return (
            f'While copying the parameter named "{key}", expected a tensor or an array from checkpoint but '
            f"received {type(given)}"
        )
    if not isinstance(target, Uninitialized):
        if not target.shape and tuple(found.shape) == (1,):  # as very old files have it
            found = found.reshape(())
        if tuple(found.shape) != tuple(target.shape):
            return (
                f"size mismatch for {key}: copying a param with shape {Size(found.shape)} from checkpoint, the "
                f"shape in current model is {target.shape}."
            )
    if assign:
        tensor = given if isinstance(given, Tensor) else Tensor._from_array(found)
        if isinstance(target, Parameter):
            if not isinstance(tensor, Parameter):
                tensor = Parameter(tensor.detach(), requires_grad=target.requires_grad)
            tensor.requires_grad_(target.requires_grad)
        setattr(module, name, tensor)
        return ""
    if isinstance(target, Uninitialized):
        if isinstance(given, Uninitialized):
            return ""
        target.materialize([int(size) for size in found.shape])
    _put(target, found)
    return ""


def _is_beside(name: str, targets: set[str]) -> bool:
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
        target._cell.node = ops.alias(source.to(target.dtype).node, uid=fresh_uid())
    else:
        assert isinstance(value, np.ndarray)
        target._cell.set_value(value.astype(runtime.stored(target.dtype)))
