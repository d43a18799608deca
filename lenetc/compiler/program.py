"""A compiled program: its stages as text and graphs, its ONNX model, its pictures, its export."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar
from weakref import WeakValueDictionary

from ir import to_text
from ir.dims import Case, within
from ir.node import Graph
from ir.types import Array
from lenetc.evaluation.sizes import Family, outline
from passes.kernels.constants import folded
from passes.pipeline import Split, before_strategies, run_pipeline, run_split
from passes.strategies.overrides import check_overrides
from passes.target import Stage, Target

if TYPE_CHECKING:
    from lenetc.compiler.function import CompiledFunction
    from lenetc.compiler.traces.records import Capture
    from lenetc.nn.modules.module import Module
    from lenetc.runtime import Session
    from lenetc.runtime.parts import SplitSession
    from passes.emit.model import Emitted, ModelProto


class Compilation:
    """What compiling one graph for one target gives, each part made when it is first asked for. Functions whose graphs
    are the same share it, whatever state theirs is.

    sessions: it loaded, with and without captured CUDA graphs. general: what stands for it in runs, the same with
    symbolic sizes. tables: what that reads besides, by name. case: sizes that decide comparisons, where some are
    symbolic.
    """

    def __init__(
        self,
        graph: Graph,
        target: Target,
        general: Compilation | None = None,
        tables: Mapping[str, Array] | None = None,
    ) -> None:
        check_overrides(graph, target)
        self.graph, self.target, self.general = graph, target, general
        self.tables = tables or {}
        self.case: Case | None = None
        self.sessions: dict[bool, Session | SplitSession] = {}

    @cached_property
    def split(self) -> Split | None:
        with within(self.case):
            return run_split(self.graph, self.target)

    @cached_property
    def stages(self) -> list[Stage]:
        with within(self.case):
            return run_pipeline(self.graph, self.target)

    @cached_property
    def by_name(self) -> dict[str, Stage]:
        traced = self.stages[0].graph
        forward = Stage("forward", Graph.make(traced.name, traced.inputs, traced.results))
        return {stage.name: stage for stage in (forward, *self.stages)}

    @cached_property
    def emitted(self) -> Emitted:
        from passes.emit.model import to_onnx  # brings onnx in, which importing lenetc should not

        return to_onnx(folded(self.stages[-1].graph), target=self.target)


_compilations: WeakValueDictionary[tuple[Any, ...], Compilation] = WeakValueDictionary()


def compilation(graph: Graph, target: Target) -> Compilation:
    """What there is of `graph` compiled for `target`, while anybody uses it; else a new one.

    Raises StrategyError where the target's overrides name no strategy.
    """
    # Measured costs are one object for as long as they are the same.
    key = (graph, replace(target, costs=None), id(target.costs))
    found = _compilations.get(key)
    if found is None or found.target.costs is not target.costs:
        found = _compilations[key] = Compilation(graph, target)
    return found


class Sizes:
    """Graphs of one function that differ in sizes: after a few of them one with symbolic sizes runs for all."""

    def __init__(self) -> None:
        self._families: dict[Any, Family] = {}

    def compilation(self, graph: Graph, target: Target) -> Compilation:
        """`graph` compiled for `target`: by itself, or by what it shares with earlier ones."""
        alone = compilation(graph, target)
        nodes, leaves = graph.nodes(), set(graph.inputs)
        found = outline(nodes, leaves, lambda node: node, any_scalars=False)
        if alone.sessions or found is None:
            return alone
        place = {node: i for i, node in enumerate(nodes)}
        ends = tuple((label, place[node]) for part in (graph.results, graph.updates) for label, node in part)
        names = tuple((node.attrs["name"], node.attrs["kind"]) for node in graph.inputs)
        key = (found.key, names, ends, replace(target, costs=None), id(target.costs))
        family = self._families.setdefault(key, Family())
        shared = family.find(found, nodes, leaves, lambda node: node)
        if shared is None:
            return alone
        if shared.programs is None:
            new = dict(zip(nodes, shared.nodes, strict=True))
            results, updates = (
                [(label, new[node]) for label, node in part] for part in (graph.results, graph.updates)
            )
            inputs = [new[node] for node in graph.inputs] + [shared.nodes[i] for i in shared.inputs]
            general = Graph.make(graph.name, inputs, results, updates)
            shared.programs = compilation(general, target)
            shared.programs.case = shared.case
        tables = {shared.nodes[i].attrs["name"]: nodes[i].attrs["value"].array for i in shared.inputs}
        return Compilation(graph, target, shared.programs, tables)

    def end(self, general: Compilation) -> None:
        """Compile graphs that `general` stood for by themselves from now on."""
        for family in self._families.values():
            if any(shared.programs is general for shared in family.shared):
                family.ended = True


class Program:
    """One specialization of a compiled function, stage by stage.

    `graph(stage)` is the IR, `text(stage)` its text form, `onnx` the ModelProto: (batch, hyperparameters, state) ->
    (results, new state). source: the function and the arguments that it was lowered for.
    """

    # Files are made by rooms that stand on this one, which put in what makes them.
    exporter: ClassVar[Callable[..., list[Path]]]
    dumper: ClassVar[Callable[[Program, str | Path], list[Path]]]

    def __init__(
        self,
        compiled: Compilation,
        source: tuple[CompiledFunction, dict[str, Any]] | None = None,
        captured: Capture | None = None,
    ) -> None:
        self.compiled = compiled
        self.target = compiled.target
        self.source = source
        self.capture = captured

    @property
    def split(self) -> Split | None:
        """The program in parts that run side by side on cores of their own, where that is faster than in one."""
        return self.compiled.split

    @property
    def _stages(self) -> list[Stage]:
        return self.compiled.stages

    @property
    def _by_name(self) -> dict[str, Stage]:
        return self.compiled.by_name

    def stages(self) -> list[str]:
        """Names of the stages in order: "forward" (what the results alone need), "traced" (with backward and
        update), then one for each pass."""
        return list(self._by_name)

    def stage(self, name: str | None = None) -> Stage:
        """A stage with its notes and time; the last one by default. Raises KeyError naming the stages there are."""
        key = self._stages[-1].name if name is None else name
        if key not in self._by_name:
            raise KeyError(f"there is no stage {key!r}; the stages are {', '.join(self._by_name)}")
        return self._by_name[key]

    def graph(self, stage: str | None = None) -> Graph:
        """The IR graph after `stage` (the last one by default)."""
        return self.stage(stage).graph

    @property
    def choices(self) -> list[tuple[Graph, Target]]:
        """The graphs of what runs for whose operations strategies were chosen, each with its target."""
        if self.split is None:
            return [(before_strategies(self._stages), self.target)]
        alone = replace(self.target, threads=1)
        return [(before_strategies(stages), alone) for stages in self.split.parts]

    def text(self, stage: str | None = None) -> str:
        """The graph after `stage` in the IR's text form, which `ir.parse` reads back."""
        return to_text(self.graph(stage))

    @property
    def emitted(self) -> Emitted:
        """The model that runs here. On a CPU its convolutions may use operators of the runtime's own."""
        return self.compiled.emitted

    @cached_property
    def obstacles(self) -> list[str]:
        """Why runs cannot be captured as a CUDA graph and replayed as a whole, a line each; [] where they can, and on
        the CPU."""
        if self.target.device != "cuda":
            return []
        from passes.emit.cuda import obstacles

        return obstacles(self.emitted.model)

    @cached_property
    def onnx(self) -> ModelProto:
        """The program as an ONNX model for any machine, of ai.onnx operators only."""
        from passes.emit.model import to_onnx

        if len(self.emitted.model.opset_import) == 1:
            return to_onnx(self.graph(), target=self.target).model
        anywhere = replace(self.target, lanes=0)
        return to_onnx(run_pipeline(self.graph("traced"), anywhere)[-1].graph, target=anywhere).model

    def export(
        self,
        directory: str | Path,
        *,
        infer: Module | Callable[..., Any] | None = None,
        evaluate: Module | Callable[..., Any] | None = None,
        init: Callable[[], Any] | None = None,
        axes: Mapping[str, Mapping[int, str] | Sequence[int]] | None = None,
        static: bool = False,
        opset: int = 18,
        operators: str = "portable",
        lanes: int = 0,
        batch: int | None = None,
        device: str | None = None,
    ) -> list[Path]:
        """Write a folder that trains, evaluates and infers without this package (docs/artifact.md says what is in
        it). Returns the paths written.

        infer: the module, or a function of the step's inputs, of infer.onnx, in evaluation mode. evaluate: that of
        eval.onnx; by default `infer`. A function's parameters are called after inputs of the step; others have an
        example as their default value. init: what init.onnx does to draw parameters from a seed; by default the
        modules' `reset_parameters()`.

        axes: the sizes that are symbolic, {"tokens": {0: "N", 1: "T"}}; by default the leading axis of each input that
        is as long as the first, where the function can be traced so, else none, with a warning that says why. static:
        none. batch: the batch that strategies are chosen for; by default that of this program. opset: the version of
        ai.onnx. operators: "portable", "web" for WebGPU, "ort" for ONNX Runtime alone, with lanes=8 or 16 for a machine
        whose convolutions take as many channels at once. device: "cpu" or "cuda"; by default that of this program.

        Raises ArgumentError for options that there are not, and LenetcError, naming the user's line, where a size of
        `axes` has to be a number.
        """
        options = dict(locals())
        del options["self"], options["directory"]
        return Program.exporter(self, directory, **options)

    def dump(self, directory: str | Path) -> list[Path]:
        """Write every stage as text, DOT, GraphML and SVG, and the ONNX file. Returns the paths written.

        The text starts with what the pass noted, as comments: of "strategies", what was chosen and what else there is.
        A program that runs in parts has those besides, each as text and as an ONNX file: part0, part1, ..., results,
        update.
        """
        return Program.dumper(self, directory)
