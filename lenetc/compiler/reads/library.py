"""What can be read of the library's own objects: tensors, modules, optimizers, schedules of rates."""

from __future__ import annotations

from types import ModuleType
from typing import TYPE_CHECKING, Any, cast

from lenetc.compiler.reads.classes import follow_class
from lenetc.compiler.reads.entries import Bare, Got, Is, Items, Named
from lenetc.compiler.reads.kinds import (
    BOOKKEEPING,
    OF_OPTIMIZERS,
    call_of,
    cells_of,
    hooks_of,
    is_ours_type,
    library_names,
    requires_grad_of,
    step_of,
    storage_of,
)
from lenetc.evaluation.cell import Counts
from lenetc.nn import functional
from lenetc.nn.modules.hooks import everywhere
from lenetc.nn.modules.module import Module
from lenetc.nn.parameter import Parameter
from lenetc.optim.lr_scheduler import LRScheduler
from lenetc.optim.optimizer import Optimizer
from lenetc.tensors.tensor import Tensor

if TYPE_CHECKING:
    from lenetc.compiler.reads.follow import Followed


class Watched(ModuleType):
    """A module of this package's that compiled functions read: whatever is put into it counts up the epoch."""

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, value)
        Counts.epoch += 1

    def __delattr__(self, name: str) -> None:
        super().__delattr__(name)
        Counts.epoch += 1


def watch(module: ModuleType) -> None:
    if type(module) is ModuleType:
        module.__class__ = Watched


def follow_tensor(followed: Followed, value: Tensor, path: str) -> None:
    followed.tensors.setdefault(value._cell, path)
    if id(Tensor) not in followed.seen:
        follow_class(followed, Tensor, "Tensor")
    followed.settled.append(Got(f"{path}.requires_grad", "requires_grad", value, requires_grad_of))
    followed.settled.append(Got(path, "dtype", value, storage_of))
    followed.settled.append(Got(path, "hooks", value, hooks_of))
    if value.__dict__:
        followed.spaced(
            value.__dict__, path, None if followed.has_all_of(value) else followed.names, followed.entries
        )
    else:
        if followed.bare is None:
            followed.bare = Bare(path)
            followed.entries.append(followed.bare)
        followed.bare.spaces.append(value.__dict__)
    for table in (value.hooks, value.after_grad):
        followed.todo += [(hook, f"{path}.hooks") for hook in (table or {}).values()]
    if isinstance(value, Parameter):  # whose own attributes count up the epoch
        followed.spaced(value.__dict__, path, followed.names, followed.settled)


def follow_module(followed: Followed, module: Module, path: str) -> None:
    fields = module.__dict__
    for table in ("_parameters", "_buffers", "_modules"):
        followed.settled.append(Named(f"{path}.{table}", table, fields))
        held = fields.get(table, {})
        if table == "_buffers":  # an assignment under a trace makes a new tensor of the same cell
            followed.settled.append(Got(f"{path}.{table}", table, held, cells_of))
        else:
            followed.settled.append(Items(f"{path}.{table}", held))
        followed.todo += [(part, f"{path}.{key}") for key, part in held.items() if part is not None]
    followed.settled.append(Items(f"{path}.hooks", fields.get("_hooks", {})))
    for name, hooks in (*everywhere.items(), *fields.get("_hooks", {}).items()):
        followed.settled.append(Items(f"{path}.{name}", hooks))
        followed.todo += [(hook.function, f"{path}.{name}") for hook in hooks.values()]
    followed.entries.append(Is("Module.__call__", "__call__", Module, call_of))
    kind = type(module)
    wanted = followed.names | library_names(cast(Any, kind)) | {"training"}
    if not is_ours_type(kind):
        followed.is_made_so(module, path)
        followed.slots(module, path, None if followed.has_all_of(module) else wanted)
    # A change by assignment counts up the epoch; one of the user's own classes may be made otherwise.
    entries = followed.settled if is_ours_type(kind) else followed.entries
    followed.spaced(fields, path, None if followed.has_all_of(module) else wanted, entries, skip=BOOKKEEPING)
    for base in kind.__mro__:
        if base not in followed.forwards and is_ours_type(base) and "forward" in base.__dict__:
            followed.forwards.add(base)  # whose forward somebody may have replaced, or what it calls
            followed.entries.append(Named(f"{path}.forward", "forward", base.__dict__))
            followed.todo.append((base.__dict__["forward"], f"{path}.forward"))
            watch(functional)
            for name in library_names(cast(Any, base)) & vars(functional).keys():
                followed.settled.append(Named(f"functional.{name}", name, vars(functional)))
                followed.todo.append((vars(functional)[name], f"functional.{name}"))
    follow_class(followed, kind, path)


def follow_optimizer(followed: Followed, optimizer: Optimizer, path: str) -> None:
    followed.entries.append(Items(f"{path}.param_groups", optimizer.param_groups))
    for group in optimizer.param_groups:
        followed.entries.append(Items(f"{path}.param_groups", group["params"]))
        followed.todo.append((group["params"], f"{path}.param_groups"))
    followed.managed.append(Items(f"{path}.state", optimizer.state))
    for state in optimizer.state.values():
        followed.managed.append(Items(f"{path}.state", state))
        followed.todo += [(value, f"{path}.state") for value in state.values() if isinstance(value, Tensor)]
    followed.entries.append(Named(f"{path}.param_groups", "param_groups", optimizer.__dict__))
    followed.entries.append(Named(f"{path}.state", "state", optimizer.__dict__))
    for hooks in (optimizer._step_pre_hooks, optimizer._step_post_hooks):
        followed.settled.append(Items(f"{path}.hooks", hooks.hooks))  # a change of which counts up the epoch
        followed.todo += [(hook, f"{path}.hooks") for hook in hooks]
    for group in optimizer.param_groups:
        for key, option in group.items():  # the value of one that is a tensor is state, not an option
            parts = option if isinstance(option, tuple) else (option,)
            if key != "params" and any(isinstance(part, Tensor) for part in parts):
                followed.entries.append(Named(f"{path}.param_groups", key, group))
                followed.todo += [(part, f"{path}.param_groups") for part in parts]
    wanted = followed.names
    own = {key for key in optimizer.__dict__ if key in wanted and key not in OF_OPTIMIZERS}
    followed.spaced(optimizer.__dict__, path, frozenset(own), followed.entries)
    followed.entries.append(
        Is(path, "step", optimizer.__dict__, len)
    )  # few, and one more may be put over a method
    followed.entries.append(Is(f"{path}.step", "step", type(optimizer), step_of))
    if followed.lists_names:  # a computed name is hardly that of what each step changes
        wanted |= {"param_groups", "state"}
    for key in ("param_groups", "state"):
        if key in wanted:
            followed.todo.append((getattr(optimizer, key), f"{path}.{key}"))
    follow_class(followed, type(optimizer), path)


def follow_schedule(followed: Followed, schedule: LRScheduler, path: str) -> None:
    """What a step changes is looked at only where somebody else reads it: each call steps it."""
    fields, wanted = schedule.__dict__, followed.names
    if wanted & {"get_lr", "state_dict"}:
        wanted |= fields.keys()
    elif "get_last_lr" in wanted:
        wanted |= {"_last_lr"}
    parts = ("optimizer", "_schedulers", "lr_lambdas", "_scale_fn_custom")
    followed.todo += [(fields[name], f"{path}.{name}") for name in parts if name in fields]
    read = None if followed.has_all_of(schedule) else wanted - {"optimizer"}
    followed.spaced(fields, path, read, followed.entries)
