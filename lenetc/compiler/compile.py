"""`lenetc.compile`: a function that trains (forward, loss, backward, update) becomes one program, run in one call."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, overload

import numpy as np

from ir.types import Type
from lenetc import runtime
from lenetc.compiler.capture import Capture, capture
from lenetc.compiler.program import Program
from lenetc.compiler.scans import scanned, stacked, steps_of
from lenetc.compiler.specialization import Specialization
from lenetc.compiler.structure import Arguments, check_static, is_array, signature_key, type_of
from lenetc.evaluation.cell import Context
from lenetc.evaluation.tracing import here
from lenetc.operations.autocast import autocast_dtype
from lenetc.runtime import measured_costs
from lenetc.tensors.tensor import Tensor
from passes.target import Target

if TYPE_CHECKING:
    from lenetc.profiling.profile import Profile

log = logging.getLogger("lenetc.compile")
_SPECIALIZATIONS = 8  # programs kept for one signature: train and eval mode, a few phases of a run


class CompiledFunction:
    """A function compiled by `lenetc.compile`. Calling it runs the whole function as a compiled program.

    It specializes to the types of its array arguments (one program for each, cached); floats are inputs, other
    arguments constants. State (parameters, buffers, optimizer state, random counters) is found by itself, stays on
    the device, and is seen by Python whenever somebody looks.
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
    ) -> None:
        functools.update_wrapper(self, function)
        self.function = function
        self.strategies = dict(strategies or {})
        self.tuned = tuned
        self.cuda_graphs = cuda_graphs
        try:
            self.device = runtime.resolve_device(device)
        except runtime.DeviceError as error:
            raise error.at(here()) from None
        self.arguments = Arguments(function)
        self._specializations: dict[tuple[Any, ...], list[Specialization]] = {}
        # That of the last call with nothing but arrays, which the next call is likely to want.
        self._last: tuple[tuple[Any, ...], Specialization | None] = ((), None)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if Context.trace is not None:  # compiled functions compose: the outer program takes this one in
            return self.function(*args, **kwargs)
        key, last = self._last
        if (
            last is not None
            and not kwargs
            and signature_key(args) == key
            and autocast_dtype() is None
            and last.capture.guard.holds()
        ):
            return last.run(args, ())
        values = self.arguments.bind(args, kwargs)
        leaves = self.arguments.leaves(values)
        specialization = self._find(values, leaves, ())
        arrays = [leaf for _, leaf in leaves if is_array(leaf)]
        plain = len(arrays) == len(args) == len(leaves) and all(map(is_array, args))
        if plain and autocast_dtype() is None:
            self._last = (signature_key(args), specialization)
        return specialization.run(arrays, [leaf for _, leaf in leaves if isinstance(leaf, float)])

    def lower(self, *args: Any, **kwargs: Any) -> Program:
        """The compiled program for arguments of these types, without running it. Only shapes and dtypes count."""
        values = self.arguments.bind(args, kwargs)
        specialization = self._find(values, self.arguments.leaves(values), ())
        specialization.program.source = (self, values)
        return specialization.program

    def scan(self, *args: Any, **kwargs: Any) -> Any:
        """K calls in one: every array argument has a leading axis of K, and so has every result.

        The same as stacking the results of K calls, in order. It is one run of the runtime, but for steps that are
        divided among threads, which are run one by one. Raises ShapeError where the leading axes differ.
        """
        values = self.arguments.bind(args, kwargs)
        leaves = self.arguments.leaves(values)
        steps = steps_of(leaves)
        specialization = self._find(values, leaves, (steps,))
        arrays = [leaf for _, leaf in leaves if is_array(leaf)]
        scalars = [leaf for _, leaf in leaves if isinstance(leaf, float)]
        if specialization.steps is not None:
            return specialization.run(arrays, scalars)
        whole = [x._cell.numpy() if isinstance(x, Tensor) else np.asarray(x) for x in arrays]
        return stacked([specialization.run([array[k] for array in whole], scalars) for k in range(steps)])

    def profile(self, *args: Any, steps: int | None = None, scan: bool = False, **kwargs: Any) -> Profile:
        """How long a call with these arguments takes, and where that time goes: by module, phase, operator, line and
        kernel. Print it, or see `Profile`. State, gradients and random numbers are as before afterwards.

        steps: calls to time, a second of them by default. scan: profile `scan` with these arguments instead.
        """
        return CompiledFunction.profiler(self, args, kwargs, scan, steps)

    def specialization(self, args: tuple[Any, ...], kwargs: dict[str, Any], scan: bool) -> Specialization:
        """The compiled program for a call, or a scan, with these arguments."""
        values = self.arguments.bind(args, kwargs)
        leaves = self.arguments.leaves(values)
        return self._find(values, leaves, (steps_of(leaves),) if scan else ())

    def capture(self, values: dict[str, Any], types: dict[str, Type]) -> Capture:
        """Trace the function once more, with its arrays as inputs of `types`."""
        return capture(self.function, self.arguments, values, types)

    def target(self) -> Target:
        """What programs are compiled for now."""
        costs = measured_costs.load(self.device) if self.tuned else None
        return Target(
            device=self.device,
            threads=runtime.get_num_threads(),
            overrides=tuple(self.strategies.items()),
            costs=costs,
            lanes=runtime.lanes(self.device),
        )

    def programs(self) -> list[Program]:
        """The programs of the calls so far, those that are kept."""
        return [
            specialization.program for known in self._specializations.values() for specialization in known
        ]

    def forget(self) -> None:
        """Drop what is compiled: the next call compiles anew. State is not touched."""
        self._specializations.clear()
        self._last = ((), None)

    def _find(
        self, values: dict[str, Any], leaves: list[tuple[str, Any]], steps: tuple[Any, ...]
    ) -> Specialization:
        flat = [leaf for _, leaf in leaves]
        for name, item in leaves:
            if not is_array(item):
                check_static(name, item)
        key = (*signature_key(flat), steps, autocast_dtype())
        known = self._specializations.setdefault(key, [])
        for specialization in known:
            if specialization.capture.guard.holds():
                return specialization
        for specialization in known:
            specialization.capture.guard.promote()
        types = {name: type_of(item, f"the argument {name}") for name, item in leaves if is_array(item)}
        if steps:
            types = {name: type.with_shape(type.shape[1:]) for name, type in types.items()}
        captured = self.capture(values, types)
        target = self.target()
        # Steps that are divided among threads are so one by one: a scan runs as a whole, on all of them.
        if steps and Program(captured.graph, target, captured).split is None:
            specialization = Specialization(
                captured, scanned(captured, *steps), target, steps[0], self.cuda_graphs
            )
        else:
            specialization = Specialization(captured, captured.graph, target, cuda_graphs=self.cuda_graphs)
        known.append(specialization)
        if len(known) == _SPECIALIZATIONS:
            log.warning(
                "%s has been compiled %d times for arguments of the same types, as something else that it reads keeps "
                "changing; pass that as an argument (a float is an input and compiles once), or keep it in a tensor",
                getattr(self.function, "__name__", "a function"),
                len(known),
            )
        del known[:-_SPECIALIZATIONS]
        return specialization


@overload
def compile(
    function: Callable[..., Any],
    *,
    device: str = "auto",
    strategies: Mapping[str, str] | None = None,
    tuned: bool = True,
    cuda_graphs: bool = True,
) -> CompiledFunction: ...
@overload
def compile(
    function: None = None,
    *,
    device: str = "auto",
    strategies: Mapping[str, str] | None = None,
    tuned: bool = True,
    cuda_graphs: bool = True,
) -> Callable[[Callable[..., Any]], CompiledFunction]: ...
def compile(
    function: Callable[..., Any] | None = None,
    *,
    device: str = "auto",
    strategies: Mapping[str, str] | None = None,
    tuned: bool = True,
    cuda_graphs: bool = True,
) -> Any:
    """Compile `function` into one program for each signature it is called with; as a decorator or as a call.

    device: "auto" (CUDA where it works, else the CPU), "cpu" or "cuda". strategies: for experiments, how to compute
    some operations: a strategy's name for an op ("conv2d"), a module path ("net.conv1") or both ("conv1/conv2d"); the
    stage "strategies" of a program's dump lists what there is. tuned: whether to choose strategies by costs that
    `lenetc.tune` measured on this machine, if there are any. cuda_graphs: whether CUDA may capture a run and replay it
    as a whole; a program that does not allow it says why (`program.obstacles`).

    Raises DeviceError for "cuda" without CUDA. The first call raises StrategyError where `strategies` names none.
    """
    if function is None:
        return lambda f: CompiledFunction(f, device, strategies, tuned, cuda_graphs)
    return CompiledFunction(function, device, strategies, tuned, cuda_graphs)
