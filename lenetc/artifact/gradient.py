"""The gradient of a function as one ONNX file: its vector-Jacobian product, for those who want nothing else."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ir.dims import evaluate
from ir.node import Graph
from ir.op import leaf
from ir.types import Type
from lenetc.artifact.axes import Axes, Symbolic, traced
from lenetc.artifact.forward import called, lone_output
from lenetc.artifact.valid import VALID, with_valid
from lenetc.autograd.engine import grad
from lenetc.compiler.function import CompiledFunction
from lenetc.compiler.structure import ArgumentError, flatten
from lenetc.compiler.traces.naming import free_name
from lenetc.compiler.traces.records import INVALID
from lenetc.evaluation.tracing import Exporting
from lenetc.files import atomic_write
from lenetc.nn.modules.module import Module
from lenetc.operations import creation
from lenetc.tensors.tensor import Tensor
from passes.pipeline import run_pipeline
from passes.rewrite.driver import substitute
from passes.target import Target


def export_gradient(
    function: Callable[..., Any],
    path: str | Path,
    /,
    *args: Any,
    axes: Axes | None = None,
    static: bool = False,
    opset: int = 18,
    operators: str = "portable",
    **kwargs: Any,
) -> list[Path]:
    """Write the gradient of `function`, called with `args` and `kwargs`, as an ONNX file. Returns the paths written.

        (arguments, parameters, <result>.grad) -> (results, <argument>.grad, <parameter>.grad)

    function: a function over tensors, or a module. Its floating-point arguments and the parameters of the modules that
    it calls have gradients; parameters and buffers are inputs under their names in PyTorch's state_dict.
    `<result>.grad` is what the gradients of a floating-point result are multiplied by (the vector of torch.func.vjp);
    where there is but one such result, a number, it is 1 and no input. Where labels or indices are among the arguments,
    the result `valid` is false if one is out of range. axes, static, opset, operators: as of
    `Program.export`.

    Raises ArgumentError where there is nothing to differentiate, and what tracing the function raises.
    """
    from lenetc.artifact.export import Options  # brings onnx in, which importing lenetc should not
    from passes.emit.external import to_files
    from passes.emit.model import to_onnx

    Options(axes=axes, static=static, opset=opset, operators=operators)  # are such as there are
    compiled = CompiledFunction(_plain(function), "cpu")
    values = compiled.arguments.bind(args, kwargs)
    forward = traced(compiled, values, axes, static)
    target = Target(sizes=tuple(forward.sizes.items()), threads=2, opset=opset, operators=operators)
    names = lone_output(function, forward.captured)
    graph = run_pipeline(_gradient(compiled, values, forward, names), target)[-1].graph
    files = to_files(to_onnx(graph, target=target).model, Path(path).name)
    for name, content in files.items():
        atomic_write(Path(path).parent / name, content)
    return [Path(path).parent / name for name in files]


def _plain(function: Callable[..., Any]) -> Callable[..., Any]:
    if isinstance(function, CompiledFunction):
        return function.function
    return called(function) if isinstance(function, Module) else function


def _gradient(
    function: CompiledFunction, values: dict[str, Any], forward: Symbolic, shown: Mapping[str, str]
) -> Graph:
    """The traced graph of results and gradients. shown: other names of results."""
    captured = forward.captured
    assert captured.exported is not None
    # Counts of labels out of range are results of the trace, and none of the function's.
    of_function = {name: node.ty for name, node in captured.graph.results if name != INVALID}
    results = [(name, type) for name, type in of_function.items() if type.dtype.is_float]
    parameters = {
        name: tensor
        for module in captured.exported.modules
        for tensor in module.parameters()
        for name, cell in captured.cells.items()
        if tensor.requires_grad and cell is tensor._cell
    }
    given = [name for name, type in forward.types.items() if type.dtype.is_float]
    if not results or not (given or parameters):
        raise ArgumentError(
            "export_gradient: there is nothing to differentiate: the function needs a floating-point result, and a "
            "floating-point argument or a module with parameters"
        )
    is_loss = len(results) == 1 and not results[0][1].shape
    taken = {*forward.types, *values}
    cotangents: dict[str, str] = {}  # the names of parameters, by result
    for name, _ in () if is_loss else results:
        cotangents[name] = free_name(f"{name}_grad", taken)
        taken.add(cotangents[name])

    def vjp(**named: Any) -> dict[str, Any]:
        vectors = [named.pop(name) for name in cotangents.values()]
        leaves = [
            leaf.detach().requires_grad_() if name in given else leaf
            for name, leaf in function.arguments.leaves(named)
        ]
        bound = function.arguments.with_leaves(named, leaves)
        out = function.arguments.call(function.function, bound)
        tensors = [item for _, item in flatten(out, "") if isinstance(item, Tensor)]
        floats = [item for item in tensors if item.dtype.is_float]
        by_name = dict(zip((name for name, _ in function.arguments.leaves(named)), leaves, strict=True))
        wrt = {name: by_name[name] for name in given} | parameters
        found = grad(floats, list(wrt.values()), vectors or None, materialize_grads=True)
        named = dict(zip(of_function, tensors, strict=True))
        return named | {f"gradient_{i}": item for i, item in enumerate(found)}

    vjp.__name__ = f"{captured.graph.name}_gradient"
    vjp.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY) for name in (*values, *cotangents.values())]
    )
    types: dict[str, Type] = {
        **forward.types,
        **{cotangents[name]: type for name, type in results if cotangents},
    }
    examples = {
        cotangents[name]: creation.zeros(
            [int(evaluate(d, forward.sizes)) for d in type.shape], dtype=type.dtype
        )
        for name, type in results
        if cotangents
    }
    whole = CompiledFunction(vjp, "cpu").capture({**values, **examples}, types, Exporting())
    whole.graph = with_valid(whole)
    names = {label: f"{shown.get(name, name)}.grad" for name, label in cotangents.items()}
    leaves = {
        node: leaf(names[node.attrs["name"]], node.ty, "state") if node.attrs["name"] in names else node
        for node in whole.graph.inputs
    }
    found = dict(whole.graph.results)
    ends = zip((*given, *parameters), range(len(given) + len(parameters)), strict=True)
    outputs = [(shown.get(key, key), found[key]) for key in of_function]
    outputs += [(f"{name}.grad", found[f"gradient_{i}"]) for name, i in ends]
    outputs += [(VALID, found[VALID])] if VALID in found else []
    return substitute(whole.graph.name, outputs, leaves, whole.graph.updates)
