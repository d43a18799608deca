"""What compiling costs, in counted work: times would depend on the machine and on its load."""

from __future__ import annotations

import cProfile
import gc
import inspect
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from benchmarks.compile_time import FAMILIES, Problem, lenet, of_size
from ir import parse, to_text
from ir.node import Graph
from passes.emit.model import to_onnx
from passes.pipeline import PASSES, run_pipeline, run_split, undisturbed
from passes.target import Target


@pytest.fixture(autouse=True, scope="module")
def nothing_of_others() -> None:
    """What other tests left is not gone through at every collection here."""
    gc.collect()
    gc.freeze()


def calls(work: Callable[[], Any]) -> tuple[Any, int]:
    """What `work` returns, and how many functions it called, those written in C too.

    No garbage is collected meanwhile: what other tests left would call its callbacks here and be counted.
    """
    gc.collect()
    gc.disable()
    profile = cProfile.Profile()
    try:
        result = profile.runcall(work)
    finally:
        gc.enable()
    return result, sum(entry.callcount for entry in profile.getstats())


def costs(problem: Problem) -> tuple[int, dict[str, int]]:
    """Operations of the traced graph, and calls for each part of compiling it."""
    traced, count = calls(problem.trace)
    found = {"trace": count}
    graph: Graph = traced
    for name, run in PASSES:
        (graph, _), found[name] = calls(lambda run=run, graph=graph: run(graph, Target()))  # type: ignore[misc]
    _, found["verify and all passes"] = calls(lambda: run_pipeline(traced, Target()))
    _, found["emit"] = calls(lambda: to_onnx(graph))
    _, found["parts"] = calls(lambda: run_split(traced, Target(threads=2)))
    return len(traced.operations()), found


# Two sizes, and by what factor more the work may grow; what is quadratic grows by 4. Convolutions are deep enough that
# both nets get the same strategies, and their ends count for less in a deep one.
SIZES = {
    **{"chain": (500, 2000, 1.05), "counted": (250, 1000, 1.05), "summed": (300, 1200, 1.05)},
    **{"unrolled": (500, 2000, 1.05), "mlp": (500, 2000, 1.05)},
    **{"conv": (200, 800, 1.1), "normalized": (400, 1600, 1.1)},
}
# Calls for each node of the traced graph, from the trace to the model, in one program and in parts; a quarter as many
# again as there are.
ENOUGH = {
    "chain": 1100,
    "counted": 1250,
    "summed": 660,
    "unrolled": 1400,
    "mlp": 1220,
    "conv": 2400,
    "normalized": 970,
}


def compiled_every_way(graph: Graph) -> None:
    to_onnx(run_pipeline(graph, Target())[-1].graph)
    run_split(graph, Target(threads=2))


@pytest.mark.parametrize("family", FAMILIES)
def test_work_grows_with_the_graph_and_no_faster(family: str) -> None:
    small, large, slack = SIZES[family]
    compiled_every_way(of_size(FAMILIES[family], 50).trace())  # first uses of everything
    few, before = costs(of_size(FAMILIES[family], small))
    many, after = costs(of_size(FAMILIES[family], large))
    assert many > 3.5 * few
    growth = {part: after[part] / before[part] / (many / few) for part in before}
    assert max(growth.values()) < slack, growth
    assert sum(after.values()) / many < ENOUGH[family], {part: after[part] // many for part in after}


def test_a_deep_graph_needs_no_deep_stack() -> None:
    """Traced, differentiated, compiled in one and in parts, printed, read and let go with little more stack than
    that of a small graph."""
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(_depth() + 250)
    try:
        graph = of_size(FAMILIES["chain"], 5_000).trace()
        assert len(graph.nodes()) > 4_900
        compiled_every_way(graph)
        assert parse(to_text(graph)) is graph
        del graph
    finally:
        sys.setrecursionlimit(before)


def _depth() -> int:
    frame, depth = inspect.currentframe(), 0
    while frame is not None:
        frame, depth = frame.f_back, depth + 1
    return depth


@pytest.mark.parametrize("family", ["lenet", "mlp", "normalized"])
def test_a_second_trace_is_cheap(family: str) -> None:
    """It finds the nodes of the first: 15 µs for each of them, which are some 40 calls."""
    problem = lenet() if family == "lenet" else of_size(FAMILIES[family], 400)
    problem.compiled(*problem.arguments)  # which makes the optimizer's state
    graph = problem.trace()
    again, count = calls(problem.trace)
    assert again is graph
    assert count / len(graph.nodes()) < 55


def test_lenet_compiles_with_little_work() -> None:
    compiled_every_way(lenet().trace())
    _, found = costs(lenet())
    assert sum(found.values()) < 500_000, found


def test_compiling_leaves_nothing_to_the_search_for_cycles() -> None:
    graph = of_size(FAMILIES["conv"], 200).trace()
    compiled_every_way(graph)  # first uses of everything
    gc.collect()
    gc.disable()
    try:
        compiled_every_way(graph)
        assert not gc.collect()
    finally:
        gc.enable()


@pytest.fixture
def thawed() -> Iterator[None]:
    """Nothing is frozen, until the end of the test."""
    frozen = gc.get_freeze_count()
    gc.unfreeze()
    yield
    if frozen:
        gc.freeze()


@pytest.mark.skipif(sys.version_info[:2] == (3, 12), reason="what lives for ever is frozen in Python 3.12")
@pytest.mark.usefixtures("thawed")
def test_many_new_objects_are_not_looked_through() -> None:
    def searches() -> int:
        return sum(generation["collections"] for generation in gc.get_stats())

    kept: list[list[int]] = []
    gc.collect()
    before = searches()
    with pytest.raises(KeyError), undisturbed():
        assert not gc.isenabled()
        kept += [[] for _ in range(20_000)]
        raise KeyError
    kept += [[] for _ in range(100)]
    assert gc.isenabled() and searches() == before and gc.get_freeze_count() == 0


@pytest.mark.usefixtures("thawed")
def test_what_the_user_froze_or_turned_off_stays_so() -> None:
    gc.freeze()
    try:
        frozen = gc.get_freeze_count()
        with undisturbed():
            kept = [[] for _ in range(20_000)]  # type: ignore[var-annotated]
        assert gc.get_freeze_count() == frozen and kept
        gc.disable()
        with undisturbed():
            pass
        assert not gc.isenabled()
    finally:
        gc.unfreeze()
        gc.enable()


def test_a_compiled_shape_is_not_compiled_again() -> None:
    problem = lenet()
    problem.compiled(*problem.arguments)
    traced: list[object] = []
    problem.compiled.capture = lambda *_: traced.append(_)  # type: ignore[assignment,method-assign,return-value]
    problem.compiled(*problem.arguments)
    problem.compiled.lower(*problem.arguments)
    assert not traced


def test_importing_brings_in_nothing_slow_that_is_not_needed_yet() -> None:
    code = "import lenetc, lenetc.data, lenetc.nn, lenetc.optim, sys; print(*sys.modules)"
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120
    )
    slow = {
        "onnx",
        "networkx",
        "matplotlib",
        "rich",
        "google.protobuf",
        "importlib.metadata",
        "torch",
        "scipy",
    }
    assert not slow & set(run.stdout.split())
