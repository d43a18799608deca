"""eval.onnx and infer.onnx: functions that are not trained, in evaluation mode, over the state of the step."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

from ir.dims import evaluate, is_name, symbol
from ir.node import Node
from ir.op import leaf
from ir.types import Type
from lenetc.artifact.axes import Symbolic
from lenetc.artifact.results import returned
from lenetc.compiler.function import CompiledFunction
from lenetc.compiler.structure import ArgumentError, flatten, is_array, type_of
from lenetc.compiler.traces.records import INVALID, Capture, Passed
from lenetc.evaluation.tracing import Exporting
from lenetc.importer.module import OnnxModule
from lenetc.nn.modules.module import Module
from lenetc.operations import creation
from lenetc.tensors.grad_fn import set_grad_enabled
from passes.rewrite.driver import substitute


def forward(
    function: Module | Callable[..., Any], step: Symbolic, values: dict[str, Any], numbers: bool
) -> Capture:
    """`function` traced without gradients and in evaluation mode. numbers: whether its numbers are inputs too.

    Its parameters take what they are called after: the inputs of the step. A module takes what the step calls it with,
    inputs of the step under their names. Others have to have a default, an example of what they take. Raises
    ArgumentError for a parameter that nothing tells about.
    """
    if isinstance(function, type):
        raise ArgumentError(f"export: {function.__name__} is a class; give a module or a function")
    call = called(function, differentiates=False)
    compiled = CompiledFunction(call, "cpu")
    given, types, names = _arguments(function, compiled, step, values)
    if not numbers or isinstance(function, Module):
        compiled, given = _without_numbers(compiled, given)
    captured = _in_evaluation(compiled, given, types)
    captured.graph = returned(captured, compiled.function)
    if not captured.graph.results:
        raise ArgumentError(
            f"export: {compiled.arguments.name} returns no tensor, so that its file would give nothing"
        )
    names |= lone_output(function, captured)
    if _imported(function) is not None:
        names |= {name: name for name in compiled.arguments.names}
    _rename(captured, names)
    return captured


def lone_output(function: Any, captured: Capture) -> dict[str, str]:
    """Names of results that the user has not named: {the name of the only one: "output"} of a module's, and of an
    expression; those of its file are an imported network's."""
    results = [key for key, _ in captured.graph.results if key != INVALID]
    if (network := _imported(function)) is not None and len(results) == len(network.output_names):
        return dict(zip(results, network.output_names, strict=True))
    is_named = isinstance(captured.result, dict) or not (
        isinstance(function, Module) or results == ["result"]
    )
    return {} if is_named or len(results) != 1 else {results[0]: "output"}


def _imported(function: Any) -> OnnxModule | None:
    """The imported network that `function` is, or is the average of."""
    inner = _inner(function) if isinstance(function, Module) else None
    found = inner or function
    return found if isinstance(found, OnnxModule) else None


def _inner(function: Module) -> Module | None:
    """The module that `function` hands on what it is given to, as an averaged model does."""
    inner = getattr(function, "module", None)
    return inner if isinstance(inner, Module) and _takes_anything(function.forward) else None


def _takes_anything(function: Callable[..., Any]) -> bool:
    kinds = {parameter.kind for parameter in inspect.signature(function).parameters.values()}
    return kinds <= {inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD}


def called(function: Module | Callable[..., Any], differentiates: bool = True) -> Callable[..., Any]:
    """`function` with the parameters that it has, of a module those of its forward; without gradients if need be."""
    signed = (_inner(function) or function).forward if isinstance(function, Module) else function

    @functools.wraps(signed)
    def call(*args: Any, **kwargs: Any) -> Any:
        with nullcontext() if differentiates else set_grad_enabled(False):
            return function(*args, **kwargs)

    # What is wrapped may have a signature of its own, that of a function with self where it is a method.
    call.__signature__ = inspect.signature(signed)  # type: ignore[attr-defined]
    return call


def _arguments(
    function: Module | Callable[..., Any], compiled: CompiledFunction, step: Symbolic, values: dict[str, Any]
) -> tuple[dict[str, Any], dict[str, Type], dict[str, str]]:
    """Values for the parameters of `function`, the types of its arrays, and new names of its inputs."""
    exported = step.captured.exported
    seen = exported.calls.get(function, {}) if exported and isinstance(function, Module) else {}
    kwargs: dict[str, Any] = {}
    types: dict[str, Type] = {}
    names: dict[str, str] = {}
    lacking = []
    for name, parameter in compiled.arguments.signature.parameters.items():
        if isinstance(passed := seen.get(name), Passed):
            types[name] = _plain(name, passed.type)
            kwargs[name] = _example(passed.type, step.sizes)
            if passed.input is not None:
                names[name] = passed.input
        elif name in seen and not any(isinstance(item, Node) for _, item in flatten(seen[name], name)):
            kwargs[name] = seen[name]
        elif name in values:
            kwargs[name] = values[name]
        elif parameter.default is parameter.empty and parameter.kind not in (
            parameter.VAR_POSITIONAL,
            parameter.VAR_KEYWORD,
        ):
            lacking.append(name)
    if lacking and isinstance(function, Module) and len(compiled.arguments.names) == 1 and not seen:
        # A module that the step does not call itself takes what the step takes first.
        first = next((name for name, value in values.items() if is_array(value)), None)
        if first is not None:
            kwargs[lacking.pop()] = values[first]
            names[compiled.arguments.names[0]] = first
    if lacking:
        raise ArgumentError(
            f"{compiled.arguments.name} takes {', '.join(lacking)}, of which the step knows nothing: call it after one "
            f"of the step's inputs ({', '.join(values)}), or give it an example as its default value"
        )
    bound = compiled.arguments.bind((), kwargs)
    for name, item in compiled.arguments.leaves(bound):
        if is_array(item):
            types.setdefault(name, step.types.get(names.get(name, name), type_of(item)))
    return bound, types, names


def _without_numbers(
    function: CompiledFunction, values: dict[str, Any]
) -> tuple[CompiledFunction, dict[str, Any]]:
    """`function` of its arrays alone, with the other arguments as they are."""
    given = {name: v for name, v in values.items() if any(is_array(item) for _, item in flatten(v, name))}
    rest = {name: value for name, value in values.items() if name not in given}

    @functools.wraps(function.function)
    def call(**arrays: Any) -> Any:
        return function.arguments.call(function.function, {**rest, **arrays})

    parameters = [inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY) for name in given]
    call.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return CompiledFunction(call, "cpu"), given


def _plain(name: str, type: Type) -> Type:
    """`type` with a symbol for each size that is computed of others, as of two batches in a row."""
    shape = [
        dim if isinstance(dim, int) or is_name(str(dim)) else symbol(f"{name}_{axis}")
        for axis, dim in enumerate(type.shape)
    ]
    return type.with_shape(tuple(shape))


def _example(type: Type, sizes: dict[str, int]) -> Any:
    return creation.zeros([int(evaluate(dim, sizes)) for dim in type.shape], dtype=type.dtype)


def _in_evaluation(function: CompiledFunction, values: dict[str, Any], types: dict[str, Type]) -> Capture:
    """Traced with every module that it calls in evaluation mode; modes are as they were afterwards."""
    captured = function.capture(values, types, exporting=Exporting())
    assert captured.exported is not None
    parts = dict.fromkeys(part for module in captured.exported.modules for part in module.modules())
    modes = {part: part.training for part in parts}
    if not any(modes.values()):
        return captured
    for part in parts:
        part.training = False
    try:
        return function.capture(values, types, exporting=Exporting())
    finally:
        for part, mode in modes.items():
            part.training = mode


def _rename(captured: Capture, names: dict[str, str]) -> None:
    """Give inputs and results other names, where these are not taken by what keeps its own: a step's `b` and `a` may
    be the `a` and `b` of a forward."""
    graph = captured.graph
    present = {node.attrs["name"] for node in graph.inputs} | {key for key, _ in graph.results}
    new = {name: names[name] for name in present & names.keys()}
    while taken := [name for name in new if new[name] in present - new.keys()]:
        for name in taken:
            del new[name]

    def renamed(name: str) -> str:
        return new.get(name, name)

    leaves: dict[Node, Node] = {
        node: leaf(renamed(node.attrs["name"]), node.ty, node.attrs["kind"]) for node in graph.inputs
    }
    results = [(renamed(key), node) for key, node in graph.results]
    captured.graph = substitute(graph.name, results, leaves, graph.updates)
    captured.ranges = [(renamed(name), wanted) for name, wanted in captured.ranges]
