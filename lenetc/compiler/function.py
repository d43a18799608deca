"""A compiled function: which of its calls have to be traced, and which are a run of a program that there is."""

from __future__ import annotations

import copy
import functools
import inspect
from collections.abc import Callable, Mapping
from types import CodeType
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from ir.types import Type
from lenetc import runtime
from lenetc.compiler.guard import Guard, has_found
from lenetc.compiler.kept import Kept
from lenetc.compiler.program import Compilation, Program, Sizes, compilation
from lenetc.compiler.reads.entries import is_plain
from lenetc.compiler.reads.follow import Followed
from lenetc.compiler.reads.kinds import tells_numbers
from lenetc.compiler.reads.observed import Observed
from lenetc.compiler.retrace import Attempt, Reason, lasting, reasons_of
from lenetc.compiler.scans import is_one_run, scanned, stacked, step_of, steps_of
from lenetc.compiler.specialization import Specialization
from lenetc.compiler.story import Story
from lenetc.compiler.structure import (
    ArgumentError,
    Arguments,
    is_array,
    modes,
    objects_as_keys,
    quick_key,
    shape_of,
    signature_key,
    type_of,
)
from lenetc.compiler.traces.capture import capture
from lenetc.compiler.traces.identity import met_elsewhere
from lenetc.compiler.traces.records import Capture
from lenetc.compiler.wrapper import Wrapper
from lenetc.evaluation.cell import Context, lock
from lenetc.evaluation.scalars import is_float
from lenetc.evaluation.tracing import Exporting, here
from lenetc.runtime import measured_costs
from lenetc.tensors.tensor import Tensor
from passes.target import Target

if TYPE_CHECKING:
    from lenetc.profiling.profile import Profile


class CompiledFunction(Wrapper):
    """A function compiled by `lenetc.compile`. Calling it behaves as calling the function, by a compiled program.

    A call is traced, which runs its Python, whenever something that it reads is not what it was; a program is compiled
    only for a graph that there was not before. Otherwise a call is one run of a program. State (parameters, buffers,
    optimizer state, random counters) is found by itself, stays on the device, and is seen by Python whenever somebody
    looks. docs/compile_contract.md says what holds.
    """

    # Put in by the room that measures, which stands on this one.
    profiler: ClassVar[
        Callable[[CompiledFunction, tuple[Any, ...], dict[str, Any], bool, int | None], Profile]
    ]

    def __init__(
        self,
        function: Callable[..., Any],
        device: str,
        strategies: Mapping[str, str] | None = None,
        tuned: bool = True,
        cuda_graphs: bool = True,
        dynamic: bool = False,
        follows: Any = None,
    ) -> None:
        self.function = self.__wrapped__ = function
        self.__doc__, self.__module__ = function.__doc__, getattr(function, "__module__", "")
        if strategies is not None and not isinstance(strategies, Mapping):
            raise ArgumentError(f"compile: strategies is a dict of names, not {strategies!r}").at(here())
        self.follows = (
            function if follows is None else follows
        )  # what is looked into for what the function reads
        self.strategies = dict(strategies or {})
        self.tuned = tuned
        self.cuda_graphs = cuda_graphs
        self.dynamic = dynamic
        try:
            self.device = runtime.resolve_device(device)
        except runtime.DeviceError as error:
            raise error.at(here()) from None
        self.arguments = Arguments(function)
        self.forget()

    def forget(self) -> None:
        """Drop what is compiled: the next call compiles anew. State is not touched."""
        # That of the last call with plain arguments, which the next call is likely to want.
        self._last: tuple[Any, Specialization | None] = (None, None)
        self._codes: dict[int, CodeType] = {}  # that ran in any trace
        self._returns_gradients = False
        self._ran = Followed(())  # what their code asks
        self._misses = 0  # traces since a run last stood for a call
        self._story = Story()
        self._kept = Kept(self._story)
        self._sizes = Sizes()

    def __deepcopy__(self, memo: dict[int, Any]) -> CompiledFunction:
        """Compiles the copy of the function, which of a plain function is itself."""
        function = copy.deepcopy(self.function, memo)
        return CompiledFunction(
            function, self.device, self.strategies, self.tuned, self.cuda_graphs, self.dynamic
        )

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        if Context.trace is not None:  # compiled functions compose: the outer program takes this one in
            return self.function(*args, **kwargs)
        with lock:
            key, last = self._last
            if last is not None and not kwargs and quick_key(args) == key:
                guard = last.guard
                if guard is not None and (guard.fits_all or guard.fits(args, args)) and guard.look(guard):
                    if self._misses:
                        self._misses = 0
                    return last.run(args)
            return self._call(args, kwargs)

    def lower(self, /, *args: Any, **kwargs: Any) -> Program:
        """The compiled program for arguments of these types, without running it. Only shapes and dtypes count.

        Where nothing is known of such a call, the function is traced: what its Python does beyond tensors is done.
        """
        with lock:
            values = self.arguments.bind(args, kwargs)
            specialization = self._without_call(values, ())
            return Program(specialization.program.compiled, (self, values), specialization.capture)

    def scan(self, /, *args: Any, **kwargs: Any) -> Any:
        """K calls in one: every array argument has a leading axis of K, and so has every result.

        The same as stacking the results of K calls, in order. It is one run of the runtime, but for steps that are
        divided among threads or have to be traced at every call, which are run one by one. Results have no history.
        Of a tensor the steps get copies of its parts: what they change in place stays in these.
        Raises ShapeError where the leading axes differ.
        """
        with lock:
            values = self.arguments.bind(args, kwargs)
            leaves = [leaf for _, leaf in self.arguments.leaves(values)]
            steps = steps_of(self.arguments.leaves(values))
            found = self._kept.fitting(self._key(values, leaves, (steps,)), leaves, values)
            if found is not None:
                return found.run(leaves)
            first = step_of(self.arguments, values, 0)
            whole = self._scan_of(first, values, leaves, steps)
            if isinstance(whole, Specialization):
                return whole.run(leaves)
            inner = [leaf for _, leaf in self.arguments.leaves(first)]
            if whole.specialization is not None:
                results = [whole.specialization.run(inner)]
            else:
                alone = self._bound(whole.captured)
                results = [alone.first(whole.captured, inner)]
                guard = self._guard(whole, first)
                if guard is not None:
                    self._kept.add(alone, guard, first, self._key(first, inner))
            return stacked(
                [*results, *(self._call_bound(step_of(self.arguments, values, k)) for k in range(1, steps))]
            )

    def profile(self, /, *args: Any, steps: int | None = None, scan: bool = False, **kwargs: Any) -> Profile:
        """How long a call with these arguments takes, and where that time goes: by module, phase, operator, line and
        kernel. Print it, or see `Profile`. State, gradients and random numbers are as before afterwards; what the
        function's Python does beyond tensors is done as often as it is called.

        steps: calls to time, a second of them by default. scan: profile `scan` with these arguments instead.
        """
        return CompiledFunction.profiler(self, args, kwargs, scan, steps)

    def specialization(self, args: tuple[Any, ...], kwargs: dict[str, Any], scan: bool) -> Specialization:
        """The compiled program for a call, or a scan, with these arguments; traces as `lower` does."""
        with lock:
            values = self.arguments.bind(args, kwargs)
            return self._without_call(values, (steps_of(self.arguments.leaves(values)),) if scan else ())

    def capture(
        self, values: dict[str, Any], types: dict[str, Type], exporting: Exporting | None = None
    ) -> Capture:
        """Trace the function once more, with its arrays as inputs of `types`."""
        with lock:
            captured = capture(
                self.function, self.arguments, values, types, observes=False, keeps=True, exporting=exporting
            )
            captured.undo()
            if captured.error is not None:
                raise captured.error
            return captured

    def reasons(self, values: dict[str, Any]) -> list[Reason]:
        """Why a call with `values` has to be traced at every call: what else than tensors it reads and changes."""
        with lock:
            misses, self._misses = self._misses, 0
            try:
                attempt = self._trace(values)
                attempt.captured.undo()
            finally:
                self._misses = misses
            return attempt.reasons

    def explain(self) -> str:
        """How many calls were traced and how many programs there are, and why the last traces were needed."""
        return self._story.text(self.arguments.name)

    def target(self) -> Target:
        """What programs are compiled for now."""
        costs = measured_costs.load(self.device) if self.tuned else None
        return Target(
            device=self.device,
            threads=runtime.get_num_threads(),
            overrides=tuple(self.strategies.items()),
            costs=costs,
            lanes=runtime.lanes(self.device),
            operators="ort",
        )

    def programs(self) -> list[Program]:
        """The programs of the calls so far, those that are kept."""
        return [found.program for found in self._kept.every()]

    # A call.

    def _call(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        values = self.arguments.bind(args, kwargs)
        return self._call_bound(values, args)

    def _call_bound(self, values: dict[str, Any], args: tuple[Any, ...] = ()) -> Any:
        leaves = [leaf for _, leaf in self.arguments.leaves(values)]
        key = self._key(values, leaves)
        found = self._kept.fitting(key, leaves, values)
        if found is None:
            return self._by_trace(values, leaves, key)
        self._misses = 0
        if len(leaves) == len(args) and all(a is b for a, b in zip(leaves, args, strict=True)):
            is_told = all(is_array(arg) for arg in args if isinstance(arg, np.ndarray))
            quick = quick_key(args) if is_told else None
            self._last = quick, None if quick is None else found
        return found.run(leaves)

    def _key(self, values: dict[str, Any], leaves: list[Any], steps: tuple[Any, ...] = ()) -> tuple[Any, ...]:
        seen: dict[int, int] = {}
        shapes = tuple([shape_of(value, seen) for value in values.values()])
        return (steps, modes(), shapes, signature_key(leaves))

    def _by_trace(self, values: dict[str, Any], leaves: list[Any], key: tuple[Any, ...]) -> Any:
        """The call by a trace; from then on by runs, if they stand for calls."""
        traced = self._trace(values)
        specialization = self._bound(traced.captured)
        result = specialization.first(traced.captured, leaves)
        guard = self._guard(traced, values)
        traced.captured.let_go()
        if guard is not None:
            self._kept.add(specialization, guard, values, key)
        return result

    def _trace(self, values: dict[str, Any]) -> Attempt:
        """Trace a call. Every trace costs milliseconds and every look at what it reads some more, so that a function
        that is traced again and again is looked at only now and then."""
        named = self.arguments.leaves(values)
        observes = self._misses < 3 or self._misses & (self._misses - 1) == 0
        if self._ran.compares:  # which of the numbers are met elsewhere
            observes |= any(is_float(item) for _, item in named)
        self._misses += 1
        self._story.traces += 1
        before = self._followed(values, assumes=not self._codes) if observes else None
        types = {name: type_of(item, f"the argument {name}") for name, item in named if is_array(item)}
        ran = before or self._ran
        fixed = met_elsewhere(values.values(), ran.known) if ran.compares else frozenset()
        captured = capture(
            self.function,
            self.arguments,
            values,
            types,
            observes,
            is_input=lambda number: not ran.asks_kind and id(number) not in fixed,
            again=self._misses > 2,
            returns_gradients=self._returns_gradients,
        )
        traced = Attempt(captured)
        observed = captured.observed
        if before is None or observed is None:
            return traced
        changed = [entry for entry in before.every() if not entry.holds()]
        home = getattr(inspect.unwrap(self.function), "__code__", None)
        before.reach(observed.ran)
        found = functools.partial(
            reasons_of, observed=observed, followed=before, effects=captured.effects, home=home
        )
        traced.reasons = traced.sure = found(changed, before.opaque)
        new = [code for code, _ in observed.ran if id(code) not in before.codes]
        traced.is_followed = not new
        self._codes.update((id(code), code) for code, _ in observed.ran)
        self._ran = Followed(self._codes.values())
        if traced.reasons and (before.assumes or new):
            after = self._followed(values, observed=observed)
            after.reach(observed.ran)
            traced.sure = found(*lasting(changed, before.opaque, after))
        if captured.floats and not traced.sure and any(map(tells_numbers, new)):
            captured.undo()  # code that nobody foresaw may have told a number from what stood for it
            return self._trace(values)
        if (observed.looked or before.looks or before.formats) and captured.floats:
            captured.fixed.update(captured.floats)
        return traced

    def _return_gradients(self) -> None:
        """From the next call on, give back the gradients that optimizers use up: people look at them."""
        self._returns_gradients = True
        self._last, self._kept = (None, None), Kept(self._story)

    def _followed(
        self, values: dict[str, Any], assumes: bool = False, observed: Observed | None = None
    ) -> Followed:
        followed = Followed(self._codes.values(), assumes, observed)
        followed.add(self.follows, self.arguments.name)
        followed.add(Tensor, "Tensor")  # into which the user may have put methods
        for name, leaf in self.arguments.leaves(values):
            if not is_array(leaf) and not is_plain(leaf):
                followed.add(leaf, name)
        for name, value in values.items():
            for key in objects_as_keys(value):
                followed.add(key, name)
        return followed

    def _bound(self, captured: Capture, compiled: Compilation | None = None) -> Specialization:
        """The program of a trace, bound to its state: that of an earlier trace if that is the same."""
        if compiled is None:
            find = self._sizes.compilation if self.dynamic else compilation
            compiled = find(captured.graph, self.target())
        self._story.compiled(compiled.general or compiled)
        found = self._kept.take_traced(compiled)
        if found is None or not found.take(captured):
            try:
                found = Specialization(
                    captured, compiled, cuda_graphs=self.cuda_graphs, looked=self._return_gradients
                )
            except Exception:
                if compiled.general is None:
                    raise
                self._sizes.end(compiled.general)  # not for symbolic sizes
                return self._bound(captured)
        self._kept.add_traced(found)
        self._story.warn_of_programs(self.arguments.name, self.function)
        return found

    def _guard(self, attempt: Attempt, values: dict[str, Any]) -> Guard | None:
        """What must hold for runs of the traced program to stand for calls; None where they never do."""
        captured, observed = attempt.captured, attempt.captured.observed
        self._story.reasons, self._story.is_kept = attempt.sure, not captured.is_repeatable
        self._story.warn_of_reasons(self.arguments.name, is_first=self._misses < 2)
        is_proven = attempt.is_followed and captured.is_repeatable and captured.error is None
        if attempt.reasons or not is_proven or observed is None:
            return None
        after = self._followed(values, observed=observed)
        after.reach(observed.ran)
        if after.opaque or not has_found(after, captured):
            return None
        return Guard(after, captured, values.values())

    # Without a call, and many calls in one.

    def _without_call(self, values: dict[str, Any], steps: tuple[Any, ...]) -> Specialization:
        named = self.arguments.leaves(values)
        leaves = [leaf for _, leaf in named]
        found = self._kept.fitting(self._key(values, leaves, steps), leaves, values)
        if found is not None:
            return found
        if steps:
            whole = self._scan_of(step_of(self.arguments, values, 0), values, leaves, steps[0])
            if isinstance(whole, Specialization):
                return whole
            captured = whole.captured
        else:
            types = {name: type_of(item, f"the argument {name}") for name, item in named if is_array(item)}
            captured = self.capture(values, types)
        captured.made = []
        return self._bound(captured)

    def _scan_of(
        self, first: dict[str, Any], values: dict[str, Any], leaves: list[Any], steps: int
    ) -> Specialization | Attempt:
        """The program of a scan; or, where its steps have to run one by one, what there is of the first: a trace that
        is not run yet."""
        inner = [leaf for _, leaf in self.arguments.leaves(first)]
        known = self._kept.fitting(self._key(first, inner), inner, first)
        guard: Guard | None
        if known is not None:
            attempt, guard = Attempt(known.capture), known.guard
        else:
            attempt = self._trace(first)
            guard = self._guard(attempt, first)
        captured = attempt.captured
        if guard is None or not is_one_run(captured, self.target()):
            attempt.specialization = known
            return attempt
        if known is None:
            captured.undo_gradients()  # state that it made stays
            captured.made = []
        compiled = compilation(scanned(captured.graph, steps), self.target())
        self._story.compiled(compiled)
        found = Specialization(captured, compiled, steps, self.cuda_graphs)
        self._kept.add(found, guard, values, self._key(values, leaves, (steps,)))
        return found
