"""`lenetc.compile`: a function that trains (forward, loss, backward, update) becomes one program, run in one call."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from types import MethodType, NoneType
from typing import Any, overload

from ir.errors import LenetcError
from lenetc.compiler.function import CompiledFunction
from lenetc.compiler.modules import compiled_module
from lenetc.compiler.structure import ArgumentError
from lenetc.compiler.wrapper import BoundFunction
from lenetc.evaluation.tracing import here
from lenetc.nn.modules.module import Module


@overload
def compile(
    function: Callable[..., Any],
    *,
    device: str = "auto",
    strategies: Mapping[str, str] | None = None,
    tuned: bool = True,
    cuda_graphs: bool = True,
    dynamic: bool | None = None,
    fullgraph: bool = False,
    mode: str | None = None,
    options: Mapping[str, Any] | None = None,
    backend: Any = None,
    disable: bool = False,
) -> CompiledFunction: ...
@overload
def compile(
    function: None = None,
    *,
    device: str = "auto",
    strategies: Mapping[str, str] | None = None,
    tuned: bool = True,
    cuda_graphs: bool = True,
    dynamic: bool | None = None,
    fullgraph: bool = False,
    mode: str | None = None,
    options: Mapping[str, Any] | None = None,
    backend: Any = None,
    disable: bool = False,
) -> Callable[[Callable[..., Any]], CompiledFunction]: ...
def compile(
    function: Callable[..., Any] | None = None,
    *,
    device: str = "auto",
    strategies: Mapping[str, str] | None = None,
    tuned: bool = True,
    cuda_graphs: bool = True,
    dynamic: bool | None = None,
    fullgraph: bool = False,
    mode: str | None = None,
    options: Mapping[str, Any] | None = None,
    backend: Any = None,
    disable: bool = False,
) -> Any:
    """Compile `function` into one program for each signature it is called with; as a decorator or as a call.

    device: "auto" (CUDA where it works, else the CPU), "cpu" or "cuda". strategies: for experiments, how to compute
    some operations: a strategy's name for an op ("conv2d"), a module path ("net.conv1") or both ("conv1/conv2d"); the
    stage "strategies" of a program's dump lists what there is. tuned: whether to choose strategies by costs that
    `lenetc.tune` measured on this machine, if there are any. cuda_graphs: whether CUDA may capture a run and replay it
    as a whole; a program that does not allow it says why (`program.obstacles`). dynamic: whether calls of ever new
    sizes get one program with symbolic sizes after a few. disable: give the function back as it is. The remaining
    options are torch.compile's and ask for nothing.

    Raises DeviceError for "cuda" without CUDA. The first call raises StrategyError where `strategies` names none.
    """
    if function is None:
        return lambda f: compile(
            f,
            device=device,
            strategies=strategies,
            tuned=tuned,
            cuda_graphs=cuda_graphs,
            dynamic=dynamic,
            disable=disable,
        )
    if not isinstance(dynamic, (bool, NoneType)):
        raise ArgumentError(f"compile: dynamic is a bool or None, not {dynamic!r}").at(here())
    if disable:
        return function
    how = (device, strategies, tuned, cuda_graphs, bool(dynamic))
    if isinstance(function, (staticmethod, classmethod)):
        return type(function)(CompiledFunction(function.__func__, *how))
    if isinstance(function, BoundFunction):  # of a compiled method
        function = MethodType(function.function.function, function.owner)
    if isinstance(function, CompiledFunction):
        function = function.function
    if isinstance(function, Module):
        return compiled_module(function, *how)
    if not callable(function):
        raise ArgumentError(
            f"{function!r} is not a callable object: compile takes a function or a module"
        ).at(here())
    late = {
        "a generator": inspect.isgeneratorfunction,
        "an async function": inspect.iscoroutinefunction,
        "an async generator": inspect.isasyncgenfunction,
    }
    for what, is_such in late.items():
        if is_such(function):
            raise LenetcError(
                f"{getattr(function, '__name__', 'the function')} is {what}, whose body runs after the call has "
                "returned: compile the function that does one step, and call it in there"
            ).at(here())
    return CompiledFunction(function, *how)
