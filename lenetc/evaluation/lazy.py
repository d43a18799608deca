"""Lazy evaluation: compute every pending cell in one run, with programs cached by structure.

Two graphs of the same structure over different leaves share a program, so a training loop compiles in its
first iteration only. Python numbers in the code are constants of the program at first; one that is seen to
change becomes an input, so a number that changes every iteration costs one more compilation and no further
ones.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any
from weakref import ref

import numpy as np

from ir import ops
from ir.dims import Case, within
from ir.errors import LenetcError
from ir.node import Graph, Node, topological
from ir.op import leaf
from ir.types import Array, Type
from lenetc import runtime
from lenetc.evaluation import anomaly
from lenetc.evaluation.anomaly import AnomalyError
from lenetc.evaluation.cell import Cell, Counts, evaluated, lock, pending, unavailable
from lenetc.evaluation.sizes import Family, outline
from lenetc.evaluation.tracing import here, traced_leaves
from lenetc.runtime import Session, Value, measured_costs
from lenetc.runtime.parts import SplitSession
from passes.kernels.constants import folded
from passes.kernels.threads import threads
from passes.pipeline import run_pipeline, run_split
from passes.rewrite.driver import replaced, substitute
from passes.target import Target

log = logging.getLogger("lenetc.lazy")
# What only differentiation looks at; a value passes through.
_TRANSPARENT = frozenset((ops.stop_gradient, ops.alias, ops.custom, ops.with_gradient, ops.with_slope))

_TWICE = frozenset((ops.with_gradient, ops.with_slope))


@dataclass
class Structure:
    """A graph up to the identity of its leaves and the values of its scalar constants."""

    key: tuple[Any, ...]
    inputs: list[Node]  # leaves and known nodes, in order of first use
    scalars: list[Node]  # scalar constants, in order of first use
    nodes: list[Node]  # all of them, operands first


@dataclass
class Programs:
    """The programs of one structure: `promoted` scalars (by position) are inputs, the rest are built in.

    shared: the structure with symbolic sizes, where several share it; else it is compiled as it comes. case: sizes that
    decide comparisons there. tables: places of the nodes that are inputs there, behind all others, and constants here.
    """

    promoted: frozenset[int] = frozenset()
    by_values: dict[tuple[Any, ...], Session | SplitSession] = field(default_factory=dict)
    shared: Structure | None = None
    case: Case | None = None
    tables: list[int] = field(default_factory=list)
    roots: list[Node] = field(default_factory=list)


kept_programs: dict[tuple[Any, ...], Programs] = {}
families: dict[tuple[Any, ...], Family] = {}
_device = ["cpu"]


def set_default_device(device: str) -> None:
    """Where lazy computations run: "cpu" or "cuda". Raises DeviceError where CUDA cannot be used."""
    try:
        _device[0] = runtime.resolve_device(device)
    except runtime.DeviceError as error:
        raise error.at(here()) from None


def default_device() -> str:
    """Where lazy programs run: "cpu" or "cuda"."""
    return _device[0]


def through(node: Node) -> Node:
    """`node` without the marks that only differentiation looks at."""
    while node.op in _TRANSPARENT:
        node = node.inputs[0]
    return node


class CompilerError(LenetcError):
    """Compiling or running failed with an error that the compiler does not expect; it is this error's cause."""


def evaluate_pending() -> None:
    """Compute every pending cell. One that cannot be computed raises when its own value is looked at, and
    does not keep the others from theirs, whatever was raised; only detect_anomaly raises at once, with everything as
    it was."""
    with lock:
        _evaluate()


def _evaluate() -> None:
    # In the order in which they came to wait: a loop's second iteration then has the structure of its first.
    cells = list(pending.values())
    if not cells:
        return
    try:
        _settle(cells)
    except AnomalyError:
        raise
    except Exception as error:
        if len(cells) == 1:
            _fail(cells[0], error)
            return
        for cell in cells:
            try:
                _settle([cell])
            except AnomalyError:
                raise
            except Exception as own:
                _fail(cell, own)


def _fail(cell: Cell, error: Exception) -> None:
    if not isinstance(error, LenetcError):
        failure = CompilerError(f"{type(error).__name__} while computing {cell.type}: {error}")
        failure.__cause__ = error
        error = failure
    cell.fail(error.at(str(cell.own_node().where)))


def _settle(cells: Sequence[Cell]) -> None:
    roots = [through(cell.own_node()) for cell in cells]
    wanted = list(dict.fromkeys(roots))
    values = dict(zip(wanted, compute(wanted), strict=True))
    for cell, root in zip(cells, roots, strict=True):
        cell.settle(values[root])


Counts.evaluate_pending = staticmethod(evaluate_pending)


def check_computed(cells: Iterable[Cell]) -> None:
    """Raise the error of the first of `cells` that could not be computed."""
    for cell in cells:
        if cell.failure is not None:
            raise cell.failure


def compute(nodes: Sequence[Node]) -> list[Value | Array]:
    """Values of `nodes`, in memory of their own."""
    fresh = [node for node in nodes if node not in evaluated]
    results: dict[Node, Value | Array] = {}
    for node in nodes:
        if node in evaluated:  # a copy: the memory of a parameter is written again by later steps
            value = evaluated[node]
            results[node] = value if isinstance(value, np.ndarray) else runtime.to_numpy(value)
    if fresh:
        structure = _structure(fresh)
        _check_available(structure.inputs)
        values = _run(structure, fresh)
        if anomaly.is_enabled():
            _check_finite(structure, fresh, values)
        results.update(zip(fresh, values, strict=True))
    return [results[node] for node in nodes]


def _run(structure: Structure, roots: Sequence[Node]) -> list[Value]:
    programs, family = _programs(structure, roots)
    outputs = [f"y{i}" for i in range(len(roots))]
    try:
        session, feeds = _program(programs, structure, roots)
        return session.run(feeds, outputs)
    except Exception as error:
        if family is None or programs.shared is None:
            raise
        log.info("sizes of a lazy computation stay fixed: %s", error)
        family.ended = True
        programs = kept_programs.setdefault(structure.key, Programs())
        session, feeds = _program(programs, structure, roots)
        return session.run(feeds, outputs)


def _programs(structure: Structure, roots: Sequence[Node]) -> tuple[Programs, Family | None]:
    """The programs of a structure: its own, or those of one with symbolic sizes that it is a case of."""
    programs = kept_programs.get(structure.key)
    if programs is not None:
        return programs, None
    leaves = set(structure.inputs)
    found = outline(structure.nodes, leaves, through, any_scalars=True)
    if found is not None:
        place = {node: i for i, node in enumerate(structure.nodes)}
        ends = tuple(place[root] for root in roots)
        family = families.setdefault((_device[0], found.key, ends), Family())
        shared = family.find(found, structure.nodes, leaves, through)
        if shared is not None:
            if shared.programs is None:
                new = dict(zip(structure.nodes, shared.nodes, strict=True))
                inputs = [*structure.inputs, *(structure.nodes[i] for i in shared.inputs)]
                whole = Structure(
                    (), [new[x] for x in inputs], [new[x] for x in structure.scalars], shared.nodes
                )
                shared.programs = Programs(
                    shared=whole, case=shared.case, tables=shared.inputs, roots=[new[root] for root in roots]
                )
            return shared.programs, family
    return kept_programs.setdefault(structure.key, Programs()), None


def _check_available(inputs: Sequence[Node]) -> None:
    for node in inputs:
        if node not in evaluated:
            if node in traced_leaves:
                raise unavailable(node)
            raise LenetcError(
                "a value needed for this computation has been modified by an in-place operation or "
                "freed: compute "
                "the loss again before calling backward(), or clone() what you want to keep"
            ).at(str(node.where))


def _check_finite(structure: Structure, roots: Sequence[Node], values: Sequence[Value]) -> None:
    """With detect_anomaly: raise AnomalyError naming the op that made the first NaN or infinity among
    `values`."""
    if anomaly.all_finite(map(runtime.to_numpy, values)):
        return
    graph = graph_of(roots, structure.inputs)
    known = (evaluated[node] for node in structure.inputs)
    arrays = (value if isinstance(value, np.ndarray) else runtime.to_numpy(value) for value in known)
    anomaly.explain(graph, {f"x{i}": array for i, array in enumerate(arrays)})


def _structure(roots: Sequence[Node]) -> Structure:
    number: dict[Node, int] = {}
    key: list[Any] = [_device[0]]  # flat: a tuple for each node would keep the garbage collector busy
    inputs: list[Node] = []
    scalars: list[Node] = []
    # As `in evaluated`, which is a call of Python's for each node.
    known = evaluated.data  # type: ignore[attr-defined]
    for root in roots:
        stack = [root]
        while stack:
            node = stack[-1]
            if node in number:
                stack.pop()
                continue
            op = node.op
            if op is ops.input or ref(node) in known:
                key += ("known", node.type)
                inputs.append(node)
            elif op is ops.const and not node.shape:
                key += ("scalar", node.type)
                scalars.append(node)
            else:
                operands = node.inputs
                for x in operands:
                    if x.op in _TRANSPARENT:
                        operands = tuple([through(x) for x in operands])
                        break
                numbers = [number.get(x, -1) for x in operands]
                if -1 in numbers:
                    stack += [
                        x for x, at in zip(reversed(operands), reversed(numbers), strict=True) if at < 0
                    ]
                    continue
                key += (op, len(operands))
                key += numbers
                if node.attrs:
                    key += node.attrs.values()
            stack.pop()
            number[node] = len(number)
    key += [number[root] for root in roots]
    return Structure(tuple(key), inputs, scalars, list(number))


def _program(
    programs: Programs, structure: Structure, roots: Sequence[Node]
) -> tuple[Session | SplitSession, dict[str, Value]]:
    device = _device[0]
    values = [node.attrs["value"].array for node in structure.scalars]

    def baked(values: Sequence[Array]) -> tuple[Any, ...]:
        return tuple(v.tobytes() for i, v in enumerate(values) if i not in programs.promoted)

    session = programs.by_values.get(baked(values))
    if session is None:
        # The scalars of a shared structure are those of the case that it was made of, as are all values that are
        # built in; this case may be another one.
        source = programs.shared or structure
        own = baked([node.attrs["value"].array for node in source.scalars])
        before = next(iter(programs.by_values), own)
        fixed = [i for i in range(len(values)) if i not in programs.promoted]
        changed = {i for i, old in zip(fixed, before, strict=True) if values[i].tobytes() != old}
        if changed:  # the same structure with other numbers: make those that differ inputs
            programs.promoted |= changed
            programs.by_values.clear()
        promoted = [source.scalars[i] for i in sorted(programs.promoted)]
        ends = roots if programs.shared is None else programs.roots
        with within(programs.case):
            session = programs.by_values[baked(values)] = load_program(
                ends, [*source.inputs, *promoted], device
            )
    feeds: dict[str, Value] = {}
    for i, node in enumerate(structure.inputs):
        value = evaluated[node]
        if isinstance(value, np.ndarray) or value.device_name() != device:
            host = value if isinstance(value, np.ndarray) else runtime.to_numpy(value)
            value = evaluated[node] = runtime.to_device(host, device)
        feeds[f"x{i}"] = value
    more = [structure.nodes[i].attrs["value"].array for i in programs.tables]
    more += [values[position] for position in sorted(programs.promoted)]
    for i, array in enumerate(more, len(structure.inputs)):
        feeds[f"x{i}"] = runtime.to_device(array, device)
    return session, feeds


def load_program(roots: Sequence[Node], inputs: Sequence[Node], device: str) -> Session | SplitSession:
    """`roots` as a function of `inputs`, compiled and in a session, in parts where that is faster."""
    from passes.emit.model import to_onnx  # brings onnx in, which importing lenetc should not

    available = runtime.get_num_threads()
    graph, target = (
        graph_of(roots, inputs),
        Target(device=device, threads=available, costs=measured_costs.load(device), operators="ort"),
    )
    split = run_split(graph, target)
    if split is not None:
        return SplitSession(split)
    lowered = run_pipeline(graph, target)[-1].graph
    emitted = to_onnx(folded(lowered))
    file, is_fused = emitted.to_file(device)
    return Session(file, device, emitted.places, threads(lowered, available), is_fused)


def graph_of(roots: Sequence[Node], inputs: Sequence[Node]) -> Graph:
    """`roots` as a function of `inputs`, which become x0, x1, ...; results y0, y1, ..."""
    leaves = {node: leaf(f"x{i}", Type(node.dtype, node.shape)) for i, node in enumerate(inputs)}
    nodes = list(topological(inputs, roots))
    if any(node.op is ops.input and node not in leaves for node in nodes):
        # Of two formulas for one value the second, which only differentiation looks at, may be of values that are gone.
        known = dict(leaves)
        for node in nodes:
            if node.op in _TWICE and node not in leaves:
                known[node] = replaced([node.inputs[0]], known)[node.inputs[0]]
        new = replaced(roots, known)
        return Graph.make("lazy", leaves.values(), [(f"y{i}", new[root]) for i, root in enumerate(roots)], ())
    return substitute("lazy", [(f"y{i}", root) for i, root in enumerate(roots)], leaves)
