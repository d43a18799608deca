"""The artifact: a folder that trains and infers without this package, from any language with ONNX Runtime.

    train.onnx         (batch, hyperparameters, state) -> (results, new state), ai.onnx operators, symbolic batch
    infer.onnx         (inputs) -> outputs, in eval mode; the weights are inputs with default values
    init.onnx          () -> the state as it was exported
    state.safetensors  the same state, under PyTorch's names
    manifest.json      names, types, defaults, which output is which state's new value, hashes

A host loop: feed the batch, hyperparameters and state, copy each `<name>.next` to `<name>`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ir.dims import symbol
from ir.errors import LenetcError
from ir.node import Graph
from ir.types import Array, Type
from lenetc import checkpoint, runtime
from lenetc.checkpoint import atomic_write, save_tensors
from lenetc.compile import CompiledFunction
from lenetc.program import Program
from lenetc.structure import is_array, type_of
from lenetc.tensor import Tensor
from passes.emit import IR_VERSION, OPSET, ModelProto, constants_model, next_name, to_onnx
from passes.pipeline import Target, run_pipeline

if TYPE_CHECKING:
    from lenetc.nn.module import Module

FORMAT = 1


def export(program: Program, directory: str | Path, model: Module | None = None) -> list[Path]:
    """Write the artifact of `program` into `directory`, which is made if need be. Returns the paths written.

    model: the module to export for inference; it takes what the compiled function takes as its first argument.
    Raises LenetcError where the function cannot be traced with a symbolic batch.
    """
    if program.source is None:
        raise LenetcError("only a program from CompiledFunction.lower() can be exported")
    function, values = program.source
    leaves = function.arguments.leaves(values)
    types = symbolic_types({name: type_of(leaf) for name, leaf in leaves if is_array(leaf)})
    captured = function.capture(values, types)
    graph = run_pipeline(captured.graph, Target(device="cpu"))[-1].graph
    state = {name: cell.numpy() for name, cell in captured.cells.items()}
    models = {"train.onnx": to_onnx(graph).model, "init.onnx": constants_model("init", state)}
    defaults = {h.input: float(h.optimizer.option(h.group, h.key)) for h in captured.hypers}
    defaults.update({name: float(leaf) for name, leaf in leaves if name in captured.scalars})
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
    manifest["files"] = {file: hashlib.sha256((folder / file).read_bytes()).hexdigest() for file in files}
    atomic_write(folder / "manifest.json", json.dumps(manifest, indent=2).encode())
    return [folder / file for file in (*files, "manifest.json")]


def symbolic_types(types: Mapping[str, Type]) -> dict[str, Type]:
    """`types` with the leading dim that the first array has called N, wherever it leads."""
    batch = next((type.shape[0] for type in types.values() if type.rank), None)
    return {
        name: type.with_shape((symbol("N"), *type.shape[1:])) if type.rank and type.shape[0] == batch else type
        for name, type in types.items()
    }


def inference_model(model: Module, name: str, sample: Tensor | Array, type: Type) -> ModelProto:
    """`model` in eval mode as an ONNX model of one input; its parameters and buffers are inputs with defaults."""
    from lenetc.autograd import set_grad_enabled

    def infer(inputs: Tensor) -> Any:
        with set_grad_enabled(False):
            return model(inputs)

    training = model.training
    model.eval()
    try:
        forward = CompiledFunction(infer, "cpu")
        captured = forward.capture({"inputs": sample}, {"inputs": type})
    finally:
        model.train(training)
    graph = run_pipeline(_renamed(captured.graph, {"inputs": name, "result": "output"}), Target(device="cpu"))[-1].graph
    return to_onnx(graph, {key: cell.numpy() for key, cell in captured.cells.items()}).model


def _renamed(graph: Graph, names: Mapping[str, str]) -> Graph:
    from ir.op import leaf
    from passes.rewrite import substitute

    def renamed(name: str) -> str:
        return names.get(name, name)

    leaves = {node: leaf(renamed(node.attrs["name"]), node.ty, node.attrs["kind"]) for node in graph.inputs}
    return substitute(graph.name, [(renamed(key), node) for key, node in graph.results], leaves, graph.updates)


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


class Artifact:
    """An exported folder, run without the Python code that made it. State is kept here and can be saved.

    Calling it with the inputs by name runs one training step and returns the results by name, as arrays.
    """

    def __init__(self, directory: str | Path, device: str = "cpu") -> None:
        from lenetc.checkpoint import CheckpointError, load_tensors

        self.folder = Path(directory)
        try:
            self.manifest = json.loads((self.folder / "manifest.json").read_text())
        except (OSError, ValueError) as error:
            raise CheckpointError(f"{self.folder} is not an exported artifact: manifest.json cannot be read ({error})") from None
        if self.manifest.get("format") != FORMAT:
            raise CheckpointError(f"{self.folder} has format {self.manifest.get('format')}, this version reads format {FORMAT}")
        for file, expected in self.manifest["files"].items():
            path = self.folder / file
            if not path.exists() or hashlib.sha256(path.read_bytes()).hexdigest() != expected:
                raise CheckpointError(f"{path} is missing or is not the file that was exported; export the artifact again")
        self.device = runtime.resolve_device(device)
        tensors, _ = load_tensors(self.folder / "state.safetensors")
        self._state = {name: runtime.to_device(array, self.device) for name, array in tensors.items()}
        self.hyperparameters = {h["name"]: h["default"] for h in self.manifest["hyperparameters"]}
        self._session = runtime.Session((self.folder / "train.onnx").read_bytes(), self.device, {})

    @property
    def state(self) -> dict[str, Array]:
        """The present state by name, copied to the host."""
        return {name: runtime.to_numpy(value) for name, value in self._state.items()}

    def __call__(self, **inputs: Any) -> dict[str, Array]:
        """One step. Raises LenetcError for missing or unknown inputs; hyperparameters may be given too."""
        import numpy as np

        expected = {i["name"]: i for i in self.manifest["inputs"]}
        unknown = set(inputs) - set(expected) - set(self.hyperparameters)
        missing = set(expected) - set(inputs)
        if unknown or missing:
            raise LenetcError(f"this artifact takes {', '.join(expected)}; missing: {sorted(missing)}, unknown: {sorted(unknown)}")
        feeds = dict(self._state)
        for name, value in {**self.hyperparameters, **inputs}.items():
            dtype = expected[name]["dtype"] if name in expected else "float32"
            feeds[name] = runtime.to_device(np.asarray(value, dtype), self.device)
        nexts = {s["name"]: s["next"] for s in self.manifest["state"] if s["next"]}
        results = [r["name"] for r in self.manifest["results"]]
        values = self._session.run(feeds, [*results, *nexts.values()])
        self._state.update(zip(nexts, values[len(results) :], strict=True))
        return {name: runtime.to_numpy(value) for name, value in zip(results, values, strict=False)}

    def save(self, path: str | Path) -> None:
        """Write the present state as safetensors."""
        save_tensors(Path(path), self.state)


def load(path: str | Path, device: str = "cpu") -> Any:
    """What `lenetc.save` wrote to the file `path`; or, for a folder, the exported artifact in it.

    Raises CheckpointError for what is neither, and never unpickles.
    """
    return Artifact(path, device) if Path(path).is_dir() else checkpoint.load(path)
