"""Schedules that an exported program steps by itself: their counts are its state, and rates are formulas of these.

The schedule's own Python is the formula: it is run with Numbers in the place of its counts.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from ir.errors import LenetcError
from ir.node import Node
from ir.op import scalar
from ir.types import f32, f64
from lenetc.evaluation.tracing import Exporting, Trace, tracing
from lenetc.optim.lr_scheduler.numbers import Number, every_way, node_of
from lenetc.optim.optimizer.rule import RuleOptimizer
from lenetc.tensors.tensor import Tensor

if TYPE_CHECKING:
    from lenetc.optim.lr_scheduler.base import LRScheduler

Option: TypeAlias = tuple[
    int, str
]  # the number of a param group, and what the optimizer calls a number of its
OUTSIDE = "step it outside of the exported function: lr is then an input of the program"


def take_inside(schedule: LRScheduler, step: Callable[[], None], trace: Trace, has_arguments: bool) -> bool:
    """Let the program that is traced for export take `schedule.step()`, as whose Python `step` is given.

    Returns whether it does: one that is not for export does not.
    Raises LenetcError for what is no formula of counts.
    """
    optimizer, exporting = schedule.optimizer, trace.exporting
    if exporting is None or schedule._is_initial or getattr(optimizer, "_trace", None) is trace:
        return False  # what the function itself makes is the same at every call
    name = type(schedule).__name__
    if has_arguments:
        raise trace.refused(
            LenetcError(
                f"an exported program cannot call {name}.step with an argument, which Python has to know; {OUTSIDE}"
            )
        )
    if not isinstance(optimizer, RuleOptimizer):
        raise trace.refused(
            LenetcError(
                f"an exported program cannot call {name}.step(): {type(optimizer).__name__} reads its rate as a number "
                "of Python's, which would stay what it is; use an optimizer of lenetc.optim"
            )
        )
    try:
        inside = exporting.schedules.get(schedule)
        if inside is None:
            inside = exporting.schedules[schedule] = _Inside(schedule, optimizer, trace, exporting)
        inside.step(step)
    except LenetcError as error:
        raise trace.refused(error) from error
    return True


class _Inside:
    """One schedule in one trace.

    counts: what its steps count, as tensors. is_closed: whether the rates are a formula of the counts, in f32; else
    they are state too, in f64, as each is computed from the one before: after n steps f32 would be off by n roundings.
    """

    def __init__(
        self, schedule: LRScheduler, optimizer: RuleOptimizer, trace: Trace, exporting: Exporting
    ) -> None:
        self.schedule, self.optimizer, self.trace, self.exporting = schedule, optimizer, trace, exporting
        self.parts = list(_parts(schedule, "scheduler"))
        self.options = self._options()
        keys = [(id(optimizer), *option) for option in self.options]
        others = [key for key in keys if key in exporting.rates]
        if any(key not in exporting.rate_state for key in others):
            raise LenetcError(
                f"two schedules of one {type(optimizer).__name__} step in an exported function: put them into a "
                f"ChainedScheduler, which steps both, or {OUTSIDE}"
            )
        self.is_closed = not others and schedule._has_closed_form() and self._is_on_curve()
        self.dtype = f32 if self.is_closed else f64
        is_new = all(getattr(part, "last_epoch", 0) <= 0 for _, part in self.parts)
        self.counts: dict[tuple[LRScheduler, str], Tensor] = {}
        for path, part in self.parts:
            for name in part._counts:
                now = np.float32(getattr(part, name))
                start = _start(path, part, name) if self.is_closed else now if is_new else None
                self.counts[part, name] = self._state(f"{path}.{name}", now, start)
        for key, (index, option) in zip(keys, self.options, strict=True):
            if key not in others and self._held(index, option) is None and not self.is_closed:
                value = np.float64(optimizer.option(index, option))
                exporting.rate_state[key] = self._state(
                    f"scheduler.{option}", value, value if is_new else None
                )
        self._publish(self._present())
        for (of, index, option, *_), (_, _, _, node) in trace.hypers.items():
            rate = exporting.rates.get((of, index, option))
            if of == id(optimizer) and rate is not None and (of, index, option) not in others:
                exporting.moved[node] = node_of(Number(rate), node.dtype)

    def _state(self, label: str, value: Any, start: Any) -> Tensor:
        with tracing(None):
            made = Tensor._from_array(value)
        self.exporting.state[made._cell] = (label, None if start is None else np.asarray(start))
        return made

    def _options(self) -> list[Option]:
        cycles = any(getattr(part, "cycle_momentum", False) for _, part in self.parts)
        found = []
        for index, group in enumerate(self.optimizer.param_groups):
            found.append((index, "lr"))
            if cycles:
                found.append((index, "beta1" if "betas" in group else "momentum"))
        return found

    def _held(self, index: int, option: str) -> Tensor | None:
        """The tensor that an option is, if it is one."""
        value = self.optimizer.option(index, option)
        return value if isinstance(value, Tensor) else None

    def _tensor(self, option: Option) -> Tensor | None:
        """The state that an option is: its own tensor, or one for this program; None where it is a formula."""
        held = self._held(*option)
        return self.exporting.rate_state.get((id(self.optimizer), *option)) if held is None else held

    # The schedule's Python.

    def step(self, step: Callable[[], None]) -> None:
        counts = {key: Number(node_of(Number(t.node), self.dtype)) for key, t in self.counts.items()}
        found = self._ran(step, counts)
        for tensor, node in zip(self.counts.values(), found, strict=False):
            tensor._cell.node = node
        rates = self._present() if self.is_closed else found[len(counts) :]
        for option, node in zip(self.options, rates, strict=True):
            state = self._tensor(option)
            if state is not None:
                state._cell.node = node_of(Number(node), state.dtype)
        self._publish(rates)

    def _publish(self, rates: list[Node]) -> None:
        """Let the optimizer read `rates` from now on."""
        for (index, option), node in zip(self.options, rates, strict=True):
            self.exporting.rates[id(self.optimizer), index, option] = node

    def _present(self) -> list[Node]:
        """The rates that there are now."""
        if not self.is_closed:
            return [self._rate(option) for option in self.options]
        counts = {key: Number(tensor.node) for key, tensor in self.counts.items()}
        return self._ran(self.schedule._put_closed_form, counts)[len(counts) :]

    def _rate(self, option: Option) -> Node:
        tensor = self._tensor(option)
        assert tensor is not None
        return node_of(Number(tensor.node), self.dtype)

    def _ran(self, run: Callable[[], None], counts: dict[tuple[LRScheduler, str], Number]) -> list[Node]:
        """The counts, f32, and the rates after `run()`, from `counts` and, where they are no formula, present rates."""
        rates = [Number(scalar(0.0, f32) if self.is_closed else self._rate(o)) for o in self.options]

        def one_way() -> list[Node]:
            with self._standing_in(counts, rates):
                run()
                now = [node_of(getattr(part, name), f32) for part, name in counts]
                return now + [node_of(self.optimizer.option(*option), self.dtype) for option in self.options]

        return every_way(one_way)

    @contextmanager
    def _standing_in(self, counts: dict[tuple[LRScheduler, str], Any], rates: list[Any]) -> Iterator[None]:
        """Within the block the schedule counts by `counts` and finds `rates`; afterwards it is as before."""
        undo = self.schedule._saved()
        try:
            with warnings.catch_warnings(), tracing(None):
                warnings.simplefilter("ignore")
                for holder in (
                    *(part.__dict__ for _, part in self.parts),
                    *self.optimizer.param_groups,
                ):
                    for key, value in holder.items():
                        if key not in ("params", "optimizer"):
                            holder[key] = _plain(value)
                for (part, name), value in counts.items():
                    setattr(part, name, value)
                for (index, option), rate in zip(self.options, rates, strict=True):
                    _put(self.optimizer, index, option, rate)
                yield
        finally:
            undo()

    def _is_on_curve(self) -> bool:
        """Whether the rates are what the closed form says: nobody else has changed them."""
        with tracing(None):
            before = [float(self.optimizer.option(*option)) for option in self.options]
        try:
            with self._standing_in({}, before):
                self.schedule._put_closed_form()
                after = [float(self.optimizer.option(*option)) for option in self.options]
        except ValueError:
            return False
        return all(
            math.isclose(a, b, rel_tol=1e-6, abs_tol=1e-12) for a, b in zip(before, after, strict=True)
        )


def _parts(schedule: LRScheduler, path: str) -> Iterator[tuple[str, LRScheduler]]:
    yield path, schedule
    for i, part in enumerate(getattr(schedule, "_schedulers", ())):
        yield from _parts(part, f"{path}.{i}")


def _start(path: str, part: LRScheduler, name: str) -> Any:
    """What a new schedule counts from: those that come later in turn have not begun."""
    if name == "T_i":
        return np.float32(vars(part)["T_0"])
    return np.float32(0 if path == "scheduler" or path.endswith(".0") else -1)


def _plain(value: Any) -> Any:
    """An option, or a list of options, with numbers in the place of tensors of one."""
    if isinstance(value, list):
        return [_plain(part) for part in value]
    return float(value) if isinstance(value, Tensor) else value


def _put(optimizer: RuleOptimizer, index: int, option: str, value: Any) -> None:
    group = optimizer.param_groups[index]
    name, place = optimizer._parts.get(option, (option, None))
    if place is None:
        group[name] = value
    else:
        group[name] = (*group[name][:place], value, *group[name][place + 1 :])
