"""The artifact: a folder that trains, evaluates and infers without this package, from any language with ONNX Runtime.

    train.onnx         (batch, hyperparameters, state) -> (results, new state)
    train_scan.onnx    K of these steps in one run
    grad.onnx          (batch, state) -> (results, gradients, new buffers)         train.onnx in two parts
    apply.onnx         (gradients, hyperparameters, state) -> the rest of the new state
    eval.onnx          (inputs, state) -> outputs
    infer.onnx         inputs -> outputs, the weights inside
    init.onnx          seed -> state
    state.safetensors  the state as it was exported, under PyTorch's names
    manifest.json      what is in the files: manifest.schema.json describes it

A host loop: feed the batch, hyperparameters and state, copy each `<name>.next` to `<name>`.
"""

from __future__ import annotations

import hashlib
import inspect
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ir import ops
from ir.dims import symbol
from ir.errors import LenetcError
from ir.node import Graph
from ir.op import leaf
from ir.types import Array
from lenetc.artifact import describe
from lenetc.artifact.axes import Axes, Symbolic, told, traced
from lenetc.artifact.checkpoint import CheckpointError, save_tensors
from lenetc.artifact.cut import CutError, cut, without
from lenetc.artifact.forward import forward
from lenetc.artifact.imported import of_its_file
from lenetc.artifact.initial import initial
from lenetc.artifact.manifest import (
    FORMAT,
    MANIFEST,
    STATE,
    Hyperparameter,
    Manifest,
    Model,
    StateEntry,
    read_manifest,
    write_manifest,
)
from lenetc.artifact.results import returned
from lenetc.artifact.valid import with_valid
from lenetc.compiler.program import Program
from lenetc.compiler.scans import scanned
from lenetc.compiler.structure import ArgumentError
from lenetc.compiler.traces.naming import free_name
from lenetc.compiler.traces.records import INVALID, Capture
from lenetc.evaluation.cell import Cell
from lenetc.evaluation.ranges import Range
from lenetc.files import atomic_write
from lenetc.importer.module import OnnxModule
from lenetc.nn.modules.module import Module
from lenetc.version import __version__
from passes.emit.external import to_files
from passes.emit.model import IR_VERSIONS, check_opset, lowest_runtime, to_onnx
from passes.kernels.order import ordered
from passes.pipeline import run_pipeline
from passes.rewrite.driver import substitute
from passes.strategies.overrides import heavy_nodes
from passes.target import Target
from passes.tiling.hoist import hoist

THREADS = 2  # that exported files are compiled for: the files are the same wherever they are written
STEPS = "K"
SESSION_OPTIONS = {
    "intra_op_num_threads": 0,
    "graph_optimization_level": "all",
    "cpu_memory_arena": True,
    "denormals_as_zero": True,
}


@dataclass(frozen=True)
class Options:
    """What `Program.export` takes besides the folder."""

    infer: Module | Callable[..., Any] | None = None
    evaluate: Module | Callable[..., Any] | None = None
    init: Callable[[], Any] | None = None
    axes: Axes | None = None
    static: bool = False
    opset: int = 18
    operators: str = "portable"
    lanes: int = 0
    batch: int | None = None
    device: str | None = None

    def __post_init__(self) -> None:
        if type(self.opset) is not int:
            raise ArgumentError(f"export: opset is an integer, not {self.opset!r}")
        check_opset(self.opset)
        if self.operators not in ("portable", "web", "ort"):
            raise ArgumentError(f"export: operators is 'portable', 'web' or 'ort', not {self.operators!r}")
        if self.lanes not in (0, 8, 16) or (self.lanes and self.operators != "ort"):
            raise ArgumentError(
                f"export: lanes={self.lanes!r}: 8 or 16, of the machine that will run the files, with "
                "operators='ort'; else 0"
            )
        if self.batch is not None and not (type(self.batch) is int and self.batch > 0):
            raise ArgumentError(f"export: batch is a number of samples, not {self.batch!r}")
        if self.device not in (None, "cpu", "cuda"):
            raise ArgumentError(f"export: device is 'cpu' or 'cuda', not {self.device!r}")
        if self.static and self.axes:
            raise ArgumentError("export: static=True leaves no axes to name")
        for name in ("infer", "evaluate", "init"):
            if not (getattr(self, name) is None or callable(getattr(self, name))):
                raise ArgumentError(
                    f"export: {name} takes a function{'' if name == 'init' else ' or a module'}, "
                    f"not {getattr(self, name)!r}"
                )
        wanted = inspect.signature(self.init).parameters.values() if self.init is not None else ()
        given = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
        if lacking := [p.name for p in wanted if p.default is p.empty and p.kind not in given]:
            raise ArgumentError(
                f"export: init takes {', '.join(lacking)}, and is called without arguments: the seed is that of the "
                "random numbers that it draws"
            )


def export(program: Program, directory: str | Path, options: Options) -> list[Path]:
    """Write the artifact of `program` into `directory`, which is made if need be. Returns the paths written."""
    if program.source is None:
        raise LenetcError("only a program from CompiledFunction.lower() can be exported")
    function, values = program.source
    if Path(directory).exists() and not Path(directory).is_dir():
        raise ArgumentError(f"export: {directory} is a file; give a folder, which is made if need be")
    step = traced(function, values, options.axes, options.static)
    if step.notes:
        warnings.warn(
            f"the exported step takes no other sizes: {'; '.join(step.notes)}. export(..., axes=) says which sizes are "
            "symbolic, static=True that none is",
            stacklevel=4,
        )
    reasons = [str(reason) for reason in function.reasons(values)]
    if reasons:
        step.notes += [
            f"what is not in tensors is as it was when it was exported: {reason}" for reason in reasons
        ]
        warnings.warn(
            f"the exported step does for ever what it did when it was traced, but {'; '.join(reasons)}",
            stacklevel=4,
        )
    files = _Folder(program, step, values, options)
    return files.write(Path(directory))


@dataclass
class _Folder:
    """What goes into one folder."""

    program: Program
    step: Symbolic
    values: dict[str, Any]
    options: Options
    cells: dict[str, Cell] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    models: dict[str, Model] = field(default_factory=dict)
    contents: dict[str, bytes] = field(default_factory=dict)

    def write(self, folder: Path) -> list[Path]:
        captured = self.step.captured
        assert captured.exported is not None
        self.cells.update(captured.cells)
        self.notes += self.step.notes
        captures = [captured]
        self.add_step()
        for name, function in (("eval", self.options.evaluate), ("infer", self.options.infer)):
            if function is not None:
                captures.append(self.add_forward(name, function))
        if self.options.evaluate is None and self.options.infer is not None:
            captures.append(self.add_forward("eval", self.options.infer))
        kinds = describe.kinds(self.cells, captures)
        modules = dict.fromkeys(m for c in captures if c.exported for m in c.exported.modules)
        graph, drawn, notes = initial(
            self.cells, modules, captured.exported.started, self.options.init, captured.updated
        )
        self.notes += notes
        self.add("init", _lowered(graph, self.target))
        self.models["init"]["updates"] = {name: name for name in self.cells}
        self.models["init"]["results"] = []
        folder.mkdir(parents=True, exist_ok=True)
        before = _files_of(folder)
        for file, content in self.contents.items():
            atomic_write(folder / file, content)
        save_tensors(folder / STATE, {name: cell.numpy() for name, cell in self.cells.items()})
        entries = [
            describe.state_entry(
                name, cell, kinds[name], trained=name in captured.updated, initialized=name in drawn
            )
            for name, cell in self.cells.items()
        ]
        paths = self.write_manifest(folder, entries, captures)
        for file in before - {path.name for path in paths}:  # of an earlier export, whose weights are others
            (folder / file).unlink(missing_ok=True)
        return paths

    def write_manifest(
        self, folder: Path, state: list[StateEntry], captures: Sequence[Capture]
    ) -> list[Path]:
        target, captured = self.target, self.step.captured
        hypers: dict[str, Hyperparameter] = {}
        for found in captures:
            for entry in describe.hyperparameters(found):
                hypers.setdefault(entry["name"], entry)
        written = [*self.contents, STATE]
        manifest: Manifest = {
            "format": FORMAT,
            "producer": {"name": "lenetc", "version": __version__},
            "name": captured.graph.name,
            "opset": target.opset,
            "ir_version": IR_VERSIONS[target.opset],
            "operators": target.operators,
            "lanes": target.lanes,
            "device": target.device,
            "compiled_for": {"batch": target.batch, "threads": target.threads},
            "lowest_runtime": lowest_runtime(target.opset),
            "session_options": dict(SESSION_OPTIONS),
            "notes": self.notes,
            "hyperparameters": list(hypers.values()),
            "state": state,
            "models": self.models,
            "files": {
                file: {
                    "sha256": hashlib.sha256(content := (folder / file).read_bytes()).hexdigest(),
                    "bytes": len(content),
                }
                for file in written
            },
        }
        write_manifest(folder, manifest)
        return [folder / file for file in (*written, MANIFEST)]

    @property
    def target(self) -> Target:
        """What the files are compiled for: not by costs measured here, for they are the same wherever they are
        written."""
        sizes = self.step.sizes
        batch = next(iter(sizes.values()), 64) if self.options.batch is None else self.options.batch
        if sizes:
            sizes = {**sizes, next(iter(sizes)): batch}
        return Target(
            device=self.options.device or self.program.target.device,
            threads=THREADS,
            batch=batch,
            sizes=tuple(sizes.items()),
            overrides=self.program.target.overrides,
            lanes=self.options.lanes,
            opset=self.options.opset,
            operators=self.options.operators,
        )

    def add_step(self) -> None:
        """train, train_scan, grad and apply."""
        captured, target = self.step.captured, self.target
        assert captured.exported is not None
        gradients = captured.exported.gradients
        assert self.program.source is not None
        captured.graph = returned(captured, self.program.source[0].function)
        graph = with_valid(captured)
        try:
            parts = cut(graph, gradients, captured.exported.started)
        except CutError as error:
            self.notes.append(f"there is no grad.onnx and no apply.onnx: {told(error)}")
            whole = _lowered(without(graph, [label for _, label in gradients]), target)
        else:
            grad, apply = _lowered(parts.grad, target), _lowered(parts.apply, target)
            self.add("grad", grad, parts.gradients)
            self.add("apply", apply, parts.gradients)
            whole, _ = ordered(parts.joined(grad, apply), target)
        self.add("train", whole)
        if any(node.attrs["kind"] == "input" for node in whole.inputs):
            many, _ = hoist(scanned(whole, symbol(free_name(STEPS, {*self.step.sizes}))), target)
            self.add("train_scan", ordered(many, target)[0])

    def add_forward(self, name: str, function: Module | Callable[..., Any]) -> Capture:
        """eval or infer, over the state's own names; state that training does not know joins it."""
        captured = forward(function, self.step, self.values, numbers=name == "eval")
        rates = {hyper.input for hyper in self.step.captured.hypers}
        if both := sorted(rates & captured.scalars.keys()):
            raise ArgumentError(
                f"export: {both[0]} is a number of the step's optimizer, which the function of {name}.onnx would be "
                "given in the place of its own; call its parameter otherwise"
            )
        names = {cell: label for label, cell in self.cells.items()}
        own: dict[str, str] = {}
        for label, cell in captured.cells.items():
            if cell not in names:
                names[cell] = free_name(label, {*self.cells})
                self.cells[names[cell]] = cell
            own[label] = names[cell]
        if captured.updated:
            changed = ", ".join(own[label] for label in captured.updated)
            raise ArgumentError(
                f"export: the function of {name}.onnx changes {changed}, and what is evaluated changes no state: give "
                "it random numbers as an argument, and change buffers in the step alone"
            )
        if name == "infer" and isinstance(function, OnnxModule):
            found = of_its_file(function, captured, names)
            if found is not None:
                contents, self.models[name] = found
                self.contents.update(contents)
                return captured
        counts = name == "eval" or any(key == INVALID for key, _ in captured.graph.results)
        graph = _with_state_named(with_valid(captured) if counts else captured.graph, own)
        target = self.target
        inside: dict[str, Array] | None = None
        if name == "infer":
            inside = {own[label]: cell.numpy() for label, cell in captured.cells.items()}
            heavy = [node for node in heavy_nodes(graph) if node.op is ops.conv2d]
            if heavy and all(node.dtype.name == "f32" for node in heavy):
                # Which the runtime does fastest where weights are constants.
                target = replace(target, overrides=(("conv2d", "conv"), *target.overrides))
        lowered = _lowered(graph, target)
        self.add(name, lowered, inside=inside, ranges=captured.ranges)
        if inside is not None:
            self.models[name]["state"] = []
        return captured

    def add(
        self,
        name: str,
        graph: Graph,
        gradients: Mapping[str, str] | None = None,
        inside: Mapping[str, Array] | None = None,
        ranges: list[tuple[str, Range]] | None = None,
    ) -> None:
        file = f"{name}.onnx"
        ranges = self.step.captured.ranges if ranges is None else ranges
        self.contents.update(to_files(to_onnx(graph, inside, self.target).model, file))
        self.models[name] = describe.model(file, graph, ranges, gradients)


def _lowered(graph: Graph, target: Target) -> Graph:
    return run_pipeline(graph, target)[-1].graph


def _with_state_named(graph: Graph, names: Mapping[str, str]) -> Graph:
    """`graph` with other names of state."""
    leaves = {
        node: leaf(names[node.attrs["name"]], node.ty, "state") if node.attrs["kind"] == "state" else node
        for node in graph.inputs
    }
    updates = [(names[name], node) for name, node in graph.updates]
    return substitute(graph.name, graph.results, leaves, updates)


def _files_of(folder: Path) -> set[str]:
    """The files that an earlier export has written into `folder`, as far as can be told."""
    try:
        return set(read_manifest(folder)["files"])
    except CheckpointError:
        return set()
