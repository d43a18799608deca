"""The artifact: a folder that trains and infers without this package, from any language with ONNX Runtime.

    train.onnx         (batch, hyperparameters, state) -> (results, new state), with a symbolic batch
    infer.onnx         (inputs) -> outputs, in eval mode; the weights are inputs with default values
    init.onnx          () -> the state as it was exported
    state.safetensors  the same state, under PyTorch's names
    manifest.json      names, types, defaults, which output is which state's new value, hashes

A host loop: feed the batch, hyperparameters and state, copy each `<name>.next` to `<name>`.
"""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ir.dims import symbol
from ir.errors import LenetcError
from ir.node import Graph, next_name
from ir.op import leaf
from ir.types import Array, Type
from lenetc.artifact.checkpoint import save_tensors
from lenetc.compiler.function import CompiledFunction
from lenetc.compiler.program import Program
from lenetc.compiler.structure import is_array, type_of
from lenetc.files import atomic_write
from lenetc.tensors.grad_fn import set_grad_enabled
from lenetc.tensors.tensor import Tensor
from passes.emit.model import IR_VERSION, OPSET, ModelProto, constants_model, to_onnx
from passes.pipeline import run_pipeline
from passes.rewrite.driver import substitute
from passes.target import Target

FORMAT = 1  # of the folder

if TYPE_CHECKING:
    from lenetc.nn.modules.module import Module


def export(
    program: Program, directory: str | Path, model: Module | None = None, dynamic: bool | None = None
) -> list[Path]:
    """Write the artifact of `program` into `directory`, which is made if need be. Returns the paths written.

    model: the module to export for inference; it takes what the compiled function takes first.
    dynamic: whether the batch is symbolic; None: where the function can be traced so, else a warning tells that its
    sizes are those of `program`. Raises LenetcError for True where it cannot.
    """
    if program.source is None:
        raise LenetcError("only a program from CompiledFunction.lower() can be exported")
    function, values = program.source
    leaves = function.arguments.leaves(values)
    fixed = {name: type_of(leaf) for name, leaf in leaves if is_array(leaf)}
    types = fixed if dynamic is False else symbolic_types(fixed)
    # Not by costs measured here: the files are for any machine, and the same wherever they are written.
    target = Target(device="cpu", overrides=program.target.overrides)
    try:
        captured = function.capture(values, types)
        graph = run_pipeline(captured.graph, target)[-1].graph
    except Exception as error:  # an assertion of the function's own about its sizes, too
        if dynamic is not None:
            raise
        types, why = fixed, (str(error) or type(error).__name__).splitlines()[0]
        captured = function.capture(values, types)
        graph = run_pipeline(captured.graph, target)[-1].graph
        warnings.warn(
            "the exported step takes batches of the sizes it was lowered for and no others: with a symbolic batch it "
            f"cannot be traced ({why}). export(..., dynamic=False) asks for that",
            stacklevel=3,
        )
    state = {name: cell.numpy() for name, cell in captured.cells.items()}
    models = {"train.onnx": to_onnx(graph).model, "init.onnx": constants_model("init", state)}
    defaults = {h.input: float(h.optimizer.option(h.group, h.key)) for h in captured.hypers}
    defaults.update({name: float(leaves[position][1]) for name, position in captured.scalars.items()})
    if model is not None:
        name, sample = next((name, leaf) for name, leaf in leaves if is_array(leaf))
        models["infer.onnx"] = inference_model(model, name, sample, types[name])
    folder = Path(directory)
    folder.mkdir(parents=True, exist_ok=True)
    for file, proto in models.items():
        atomic_write(folder / file, proto.SerializeToString())
    save_tensors(folder / "state.safetensors", state)
    files = [*models, "state.safetensors"]
    manifest = describe(graph, defaults, captured.updated)
    for entry in manifest["inputs"]:
        allowed = [wanted for name, wanted in captured.ranges if name == entry["name"]]
        if allowed:
            entry["ranges"] = [{"low": r.low, "high": r.high, "ignore": r.ignore} for r in allowed]
    manifest["files"] = {file: hashlib.sha256((folder / file).read_bytes()).hexdigest() for file in files}
    atomic_write(folder / "manifest.json", json.dumps(manifest, indent=2).encode())
    return [folder / file for file in (*files, "manifest.json")]


def symbolic_types(types: Mapping[str, Type]) -> dict[str, Type]:
    """`types` with the leading dim that the first array has called N, wherever it leads."""
    batch = next((type.shape[0] for type in types.values() if type.rank), None)
    return {
        name: type.with_shape((symbol("N"), *type.shape[1:]))
        if type.rank and type.shape[0] == batch
        else type
        for name, type in types.items()
    }


def inference_model(model: Module, name: str, sample: Tensor | Array, type: Type) -> ModelProto:
    """`model` in eval mode as an ONNX model of one input; parameters and buffers are inputs with defaults."""

    def infer(inputs: Tensor) -> Any:
        with set_grad_enabled(False):
            return model(inputs)

    modes = {module: module.training for module in model.modules()}  # parts may differ: a frozen one, say
    model.eval()
    try:
        forward = CompiledFunction(infer, "cpu")
        captured = forward.capture({"inputs": sample}, {"inputs": type})
    finally:
        for module, training in modes.items():
            if module.training != training:
                module.train(training)
    graph = run_pipeline(
        _renamed(captured.graph, {"inputs": name, "result": "output"}), Target(device="cpu")
    )[-1].graph
    return to_onnx(graph, {key: cell.numpy() for key, cell in captured.cells.items()}).model


def _renamed(graph: Graph, names: Mapping[str, str]) -> Graph:
    def renamed(name: str) -> str:
        return names.get(name, name)

    leaves = {node: leaf(renamed(node.attrs["name"]), node.ty, node.attrs["kind"]) for node in graph.inputs}
    return substitute(
        graph.name, [(renamed(key), node) for key, node in graph.results], leaves, graph.updates
    )


def describe(graph: Graph, defaults: Mapping[str, float], updated: list[str]) -> dict[str, Any]:
    """The manifest of a training graph, without the files' hashes."""

    def entry(name: str, type: Type, **more: Any) -> dict[str, Any]:
        shape = [dim if isinstance(dim, int) else str(dim) for dim in type.shape]
        return {"name": name, "dtype": type.dtype.long_name, "shape": shape, **more}

    kinds: dict[str, list[dict[str, Any]]] = {"input": [], "hyper": [], "state": []}
    for node in graph.inputs:
        name, kind = node.attrs["name"], node.attrs["kind"]
        more: dict[str, Any] = {}
        if kind == "hyper":
            more["default"] = defaults[name]
        elif kind == "state":
            more["next"] = next_name(name) if name in updated else None
        kinds[kind].append(entry(name, node.ty, **more))
    return {
        "format": FORMAT,
        "producer": "lenetc",
        "name": graph.name,
        "opset": OPSET,
        "ir_version": IR_VERSION,
        "inputs": kinds["input"],
        "hyperparameters": kinds["hyper"],
        "state": kinds["state"],
        "results": [entry(name, node.ty) for name, node in graph.results],
    }
