"""The compiler's table of contents: the passes in order, each IR -> IR, verified and timed one by one."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

from ir.node import Graph
from ir.verify import verify
from passes.kernels.fuse import fuse
from passes.kernels.order import ordered
from passes.rewrite.simplify import simplify
from passes.strategies.choice import choose_strategies
from passes.target import Stage, Target
from passes.tiling.division import Division, divide, tile
from passes.tiling.hoist import hoist


@contextmanager
def undisturbed() -> Iterator[None]:
    """Without Python's search for cycles, which would go through all nodes of a large graph again and again, a fifth
    of the time: what passes leave behind has none.

    Many new objects are put among the old ones, where the search would have put them after a look at each; not where
    some are frozen, which the way there would thaw.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            if gc.get_count()[0] > _MANY and not gc.get_freeze_count():
                gc.freeze()
                gc.unfreeze()
            gc.enable()


_MANY = 10_000
Pass = Callable[[Graph, Target], tuple[Graph, list[str]]]

PASSES: tuple[tuple[str, Pass], ...] = (
    ("simplify", simplify),
    ("tile", tile),
    ("strategies", choose_strategies),
    ("hoist", hoist),
    ("fuse", fuse),
    ("order", ordered),
)


@undisturbed()
def run_pipeline(
    graph: Graph, target: Target, done: dict[tuple[str, Graph], Stage] | None = None
) -> list[Stage]:
    """The stages of compiling `graph`: "traced" as given, then one for each pass.

    done: stages for the same target, by pass and by the graph before it, which are taken from there and put in there.
    Raises VerifyError, naming the passes that ran, where a pass breaks the IR.
    """
    verify(graph, "tracing")
    stages = [Stage("traced", graph)]
    done = {} if done is None else done
    for name, run in PASSES:
        before = stages[-1].graph
        if (name, before) not in done:
            start = time.perf_counter()
            result, notes = run(before, target)
            seconds = time.perf_counter() - start
            if result is not before:
                verify(result, " -> ".join([*(stage.name for stage in stages), name]))
            done[name, before] = Stage(name, result, seconds, notes)
        stages.append(done[name, before])
    return stages


def before_strategies(stages: Sequence[Stage]) -> Graph:
    """The graph for whose operations strategies were chosen."""
    names = [stage.name for stage in stages]
    return stages[names.index("strategies") - 1].graph


def finish(graph: Graph, target: Target) -> Graph:
    """`graph` through the passes that come after the choice of strategies."""
    names = [name for name, _ in PASSES]
    for _, run in PASSES[names.index("strategies") + 1 :]:
        graph, _ = run(graph, target)
    return graph


@dataclass
class Split:
    """A division, each graph of it compiled for one thread."""

    division: Division
    parts: list[list[Stage]]
    results: list[Stage]
    update: list[Stage]

    def programs(self) -> dict[str, Graph]:
        """What runs, by name: "part0", "part1", ..., then "results" and "update" where there are any."""
        named = {f"part{k}": stages[-1].graph for k, stages in enumerate(self.parts)}
        named |= {"results": self.results[-1].graph, "update": self.update[-1].graph}
        return {name: graph for name, graph in named.items() if graph.outputs}

    def notes(self, name: str) -> list[str]:
        """What was noted when strategies were chosen for a part; [] for what joins."""
        found = {f"part{k}": stages for k, stages in enumerate(self.parts)}.get(name, [])
        return [note for stage in found if stage.name == "strategies" for note in stage.notes]


@undisturbed()
def run_split(graph: Graph, target: Target) -> Split | None:
    """`graph` compiled in parts that run side by side; None where one program is faster."""
    simplified, _ = simplify(graph, target)
    division = divide(simplified, target)
    if division is None:
        return None
    alone = replace(target, threads=1)
    done: dict[tuple[str, Graph], Stage] = {}  # ranges of one length become one graph, sooner or later
    return Split(
        division,
        [run_pipeline(part, alone, done) for part in division.parts],
        run_pipeline(division.results, alone, done),
        run_pipeline(division.update, alone, done),
    )
