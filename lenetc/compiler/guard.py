"""What a trace took for granted, so that a run of its program stands for a call as long as it holds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from operator import is_, itemgetter
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeAlias

from lenetc.compiler.reads.entries import ABSENT, Bare, Entry, Is, Items, Named, Several, Which, same
from lenetc.compiler.reads.follow import Followed
from lenetc.compiler.traces.identity import pin, told
from lenetc.compiler.traces.records import Capture, kind_of
from lenetc.evaluation.cell import Counts
from lenetc.evaluation.random import default_generator
from lenetc.tensors.layouts import strides_out_of_order
from lenetc.tensors.storage import others

if TYPE_CHECKING:
    from lenetc.optim.optimizer import Optimizer
    from lenetc.tensors.tensor import Tensor

_OFTEN = 8  # times that a guard has held when it is written out
_LOOK = """
def made({names}):
    def look(guard):
        try:
            if {tests}:
                return True
        except LookupError:  # a name, or a param group, is gone
            pass
        return guard.holds()
    return look
"""

# An option that a trace took for a constant: the optimizer, the number of its param group, the name, the value.
Baked: TypeAlias = "tuple[Optimizer, int, str, Any]"


class Guard:
    """`holds` is cheap while nothing has changed; `changed` tells what has, for people."""

    def __init__(self, followed: Followed, captured: Capture, values: Iterable[Any]) -> None:
        # By kind, the frequent ones as what a look at them takes.
        entries = list({(type(e), e.key()): e for e in followed.entries}.values())
        self.named = [(e.space.get, e.name, e.value, e) for e in entries if type(e) is Named]
        self.spaces = [(e.space, e) for e in entries if type(e) is Which and e.is_small]
        self.lists = [
            (e.container, len(e.values), e.values, e)
            for e in entries
            if type(e) is Items and type(e.container) is list
        ]
        self.same = [(e.get, e.owner, e.value, e) for e in entries if type(e) is Is]
        self.several = [(e.get, e.space, e.size, e.value, e) for e in entries if type(e) is Several]
        listed = {id(e) for e in self._quick()}
        self.entries = [e for e in entries if id(e) not in listed]
        self.settled = [*followed.settled, *followed.managed]
        self.baked = captured.baked
        self.options = _options(self.baked)
        self.parts = [entry for entry in self.baked if entry[2] in entry[0]._parts]
        position_of = {number: position for position, number in captured.argument_numbers.items()}
        # Whether an argument has a gradient, which is another's where another tensor is given.
        self.given_grads = [
            (position_of[id(t)], kind) for t, kind, _ in captured.grads_read if id(t) in position_of
        ]
        self.grads = [(t, kind) for t, kind, _ in captured.grads_read if id(t) not in position_of]
        # Which argument is a `.grad` that was read; none, which matters where arguments are changed in place.
        self.twice = [
            (t, position_of.get(id(t)), place)
            for t, _, place in captured.grads_read
            if place is not None or captured.changed
        ]
        self.given_data = [(t, position_of.get(id(t))) for t in captured.given_data]
        self.laid = [
            (position_of[id(t)], strides_out_of_order(t)) for t in captured.laid if id(t) in position_of
        ]
        self.fixed = tuple(captured.fixed.items())
        # An argument that is also read in another way fits only while it is the very same.
        self.elsewhere = frozenset((*followed.tensors, *captured.cells.values()))
        self.bound = {
            position: cell if cell in self.elsewhere else None
            for position, cell in captured.argument_cells.items()
        }
        for tensor in captured.grad_inputs.values():  # whose gradient is state
            if id(tensor) in position_of:
                self.bound[position_of[id(tensor)]] = tensor._cell
        # For code that compares with `is`: what it may compare arguments with, and what they are of that.
        self.known, self.told = followed.known, told(values, followed.known) if followed.compares else ()
        if followed.compares:
            pin(followed.every(), followed.known, every=bool(self.told))
        # Without tensors among the arguments there is none whose gradient could matter.
        self.fits_all = not (self.fixed or self.bound or self.given_data or self.told)
        self.changes_tensors = bool(captured.changed or captured.updated)
        self.epoch = Counts.epoch
        # `holds`, and after a while something quicker; with the guard as its argument, so that there is no circle.
        self.look: Callable[[Guard], bool] = Guard.holds
        self.held = 0

    def fits(self, leaves: Sequence[Any], values: Iterable[Any]) -> bool:
        """Whether arguments of the same signature are ones that the trace stands for; leaves: what `values` hold."""
        for position, value in self.fixed:
            if not same(leaves[position], value):
                return False
        if self.told and told(values, self.known) != self.told:
            return False
        for position, kind in self.given_grads:
            if kind_of(leaves[position]._grad) is not kind:
                return False
        for tensor, owner, place in self.twice:
            grad = (tensor if owner is None else leaves[owner])._grad
            if grad is not None and _position(grad, self.bound, leaves) != place:
                return False
        for position, strides in self.laid:
            leaf = leaves[position]
            if (leaf._view is not None or strides) and strides_out_of_order(leaf) != strides:
                return False
        for tensor, place in self.given_data:
            if others(tensor if place is None else leaves[place]):
                return False
        for position, cell in self.bound.items():
            leaf = leaves[position]
            now = leaf._cell
            if now is not cell if cell is not None else now in self.elsewhere:
                return False
            if self.changes_tensors and leaf._view is not None and leaf._root()._cell in self.elsewhere:
                return False
        return True

    def holds(self) -> bool:
        """Whether everything that was read is what it was."""
        if not self._holds():
            return False
        self.held += 1
        if self.held == _OFTEN:
            self.look = self._written()
        return True

    def _holds(self) -> bool:
        if self.epoch != Counts.epoch:
            if not all(entry.holds() for entry in self.settled):
                return False
            self.epoch = Counts.epoch
        for get, name, value, named in self.named:
            if get(name, ABSENT) is not value and not named.holds():
                return False
        for get_, owner, value, _ in self.same:
            if get_(owner) is not value:
                return False
        for *_, several in self.several:
            if not several.holds():
                return False
        for space, which in self.spaces:
            if [*space] != which.shown and not which.holds():
                return False
        for container, length, values, items in self.lists:
            if (len(container) != length or not all(map(is_, container, values))) and not items.holds():
                return False
        for entry in self.entries:
            if not entry.holds():
                return False
        for tensor, kind in self.grads:
            if kind_of(tensor._grad) is not kind:
                return False
        for optimizer, index, get_, values in self.options:
            if get_(optimizer.param_groups[index]) != values:
                return False
        return not self.parts or not _changed(self.parts)

    def _written(self) -> Callable[[Guard], bool]:
        """`holds` as one expression over the very objects; where one of them is another, be it alike, `holds` itself.

        After a run of a program what Python touches has to come from memory again, ten times as slow: a loop over
        entries touches its own code, and for each entry three objects more.
        """
        objects: list[Any] = []

        def given(value: Any) -> str:
            objects.append(value)
            return f"x{len(objects) - 1}"

        tests = ["Counts.epoch == guard.epoch"]
        for _, key, value, entry in self.named:
            space = given(entry.space)
            if type(entry.space) not in (dict, MappingProxyType):  # which may answer in its own way
                tests.append(f"{space}.get({key!r}, {given(ABSENT)}) is {given(value)}")
            elif value is ABSENT:
                tests.append(f"{key!r} not in {space}")
            else:
                tests.append(f"{space}[{key!r}] is {given(value)}")
        tests += [f"{given(get)}({given(owner)}) is {given(value)}" for get, owner, value, _ in self.same]
        for get, several, size, value, _ in self.several:
            space = given(several)
            tests.append(f"len({space}) == {size} and {given(get)}({space}) == {given(value)}")
        for shown, which in self.spaces:
            space = given(shown)
            tests.append(f"[*{space}] == {given(which)}.shown")
            if not which.shown:
                tests[-1] = f"(not {space} or {tests[-1]})"
        for container, length, values, _ in self.lists:
            items = given(container)
            tests.append(f"len({items}) == {length} and all(map(is_, {items}, {given(values)}))")
        tests += [
            f"not any({given(entry.spaces)})" if type(entry) is Bare else f"{given(entry)}.holds()"
            for entry in self.entries
        ]
        tests += [f"kind_of({given(tensor)}._grad) is {given(kind)}" for tensor, kind in self.grads]
        tests += [
            f"{given(get)}({given(optimizer)}.param_groups[{index}]) == {given(values)}"
            for optimizer, index, get, values in self.options
        ]
        if self.parts:
            tests.append(f"not _changed({given(self.parts)})")
        names = ", ".join(f"x{i}" for i in range(len(objects)))
        known: dict[str, Any] = {"Counts": Counts, "is_": is_, "kind_of": kind_of, "_changed": _changed}
        exec(_LOOK.format(names=names, tests=" and ".join(tests)), known)
        found: Callable[[Guard], bool] = known["made"](*objects)
        return found

    def changed(self) -> list[str]:
        """The paths of what is no longer what it was."""
        found = [entry.change()[0] for entry in self._every() if not entry.holds()]
        found += [f"an option {key!r} of {type(o).__name__}" for o, _, key, _ in _changed(self.baked)]
        found += [
            f"whether a {t.type_text()} has a .grad" for t, kind in self.grads if kind_of(t._grad) is not kind
        ]
        return list(dict.fromkeys(found))

    def _quick(self) -> list[Entry]:
        """The entries that are looked at all in one go."""
        kinds = self.named, self.spaces, self.lists, self.same, self.several
        return [e for kind in kinds for *_, e in kind]

    def _every(self) -> list[Entry]:
        return [*self.settled, *self._quick(), *self.entries]

    def promote(self) -> None:
        """Make hyperparameters that have changed since the trace inputs of the next one."""
        for optimizer, group, key, value in _changed(self.baked):
            if isinstance(value, float):
                optimizer._dynamic.add((group, key))


def _position(grad: Tensor, places: Iterable[int], leaves: Sequence[Any]) -> int | None:
    """The position of the first of the tensors among the arguments that has the storage of `grad`."""
    return next((place for place in places if leaves[place]._cell is grad._cell), None)


def has_found(followed: Followed, captured: Capture) -> bool:
    """Whether all state that was used stands where it was looked for: neither made and dropped by the call, nor
    reached in a way that cannot be followed."""
    random = default_generator.cells()
    return all(
        cell in followed.tensors or name in captured.grad_inputs or cell in random
        for name, cell in captured.cells.items()
    )


def _changed(baked: Sequence[Baked]) -> list[Baked]:
    """Those of the options whose values are others now."""
    return [entry for entry in baked if not _is_still(entry)]


def _is_still(entry: Baked) -> bool:
    optimizer, index, key, value = entry
    return index < len(optimizer.param_groups) and optimizer.option(index, key) == value


def _options(baked: Sequence[Baked]) -> list[tuple[Optimizer, int, Callable[[Any], Any], Any]]:
    """For each optimizer and param group: what reads the options that are built in, all in one go, and what it
    gave. Without numbers inside of options (betas)."""
    wanted: dict[tuple[Optimizer, int], dict[str, Any]] = {}
    for optimizer, index, key, value in baked:
        if key not in optimizer._parts:
            wanted.setdefault((optimizer, index), {})[key] = value
    return [
        (
            optimizer,
            index,
            itemgetter(*values),
            (*values.values(),) if len(values) > 1 else next(iter(values.values())),
        )
        for (optimizer, index), values in wanted.items()
    ]
