"""init.onnx: a state to begin from, drawn from a seed."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Any

from ir import ops
from ir.errors import LenetcError
from ir.node import Graph, Node
from ir.op import leaf, literal
from ir.types import Array, Type, i64
from lenetc.artifact.axes import told
from lenetc.compiler.function import CompiledFunction
from lenetc.evaluation import bits, random
from lenetc.evaluation.cell import Cell
from lenetc.evaluation.tracing import Exporting
from lenetc.nn.modules.module import Module
from lenetc.tensors.grad_fn import set_grad_enabled
from passes.rewrite.driver import replaced


def initial(
    cells: Mapping[str, Cell],
    modules: Iterable[Module],
    started: Mapping[str, Array | None],
    init: Callable[[], Any] | None,
    trained: Collection[str],
) -> tuple[Graph, set[str], list[str]]:
    """(graph, names of what it draws or restarts, notes): seed i64[] -> every state in `cells`, by name.

    Parameters and buffers are what `init()` makes of them, by default each module's `reset_parameters()`, that of a
    part before that of the whole; the random numbers are those that follow `manual_seed(seed)`. State of optimizers is
    what `started` says, one number everywhere. What is not `trained`, and what neither changes, has the value that it
    has now.
    """
    notes: list[str] = []
    if init is None:
        # A part of two modules is drawn once.
        resets = dict.fromkeys(reset for module in modules for reset in _resets(module))
        init = _together([reset for reset in resets if _is_traceable(reset, notes)])
    captured = _captured(init)
    seed = leaf("seed", Type(i64, ()))
    key, counter = random.default_generator.cells()
    generator: dict[Cell, Node] = {key: bits.key_of(seed), counter: literal(counter.numpy() * 0)}
    by_name = {node.attrs["name"]: node for node in captured.graph.inputs}
    given = {
        by_name[name]: generator.get(cell, literal(cell.numpy())) for name, cell in captured.cells.items()
    }
    updates = dict(captured.graph.updates)
    new = replaced(updates.values(), {seed: seed, **given})
    values = {captured.cells[name]: new[node] for name, node in updates.items()}
    results = []
    drawn = set()
    for name, cell in cells.items():
        node = generator.get(cell)
        if (
            node is None or cell in values
        ):  # what is frozen, a pretrained part say, is not lost by a new beginning
            node = values.get(cell) if name in trained else node
        if node is None and (start := started.get(name)) is not None and start.size:
            node = ops.broadcast_to(literal(start.ravel()[0]), shape=start.shape)
        if node is not None:
            drawn.add(name)
        results.append((name, literal(cell.numpy()) if node is None else node))
    return Graph.make("init", [seed], results), drawn, notes


def _resets(module: Module) -> Iterator[Callable[[], Any]]:
    """What draws the parameters of `module`: its parts as when it is made, themselves last. PyTorch's attention and
    transformers call it with an underscore."""
    made: dict[Module, None] = {}

    def visit(part: Module) -> None:
        if part not in made:
            for child in part.children():
                visit(child)
            made[part] = None

    visit(module)
    for part in made:
        reset = getattr(part, "reset_parameters", None) or getattr(part, "_reset_parameters", None)
        if callable(reset):
            yield reset


def _together(resets: list[Callable[[], Any]]) -> Callable[[], None]:
    def init() -> None:
        with set_grad_enabled(False):
            for reset in resets:
                reset()

    return init


def _captured(init: Callable[[], Any]) -> Any:
    return CompiledFunction(init, "cpu").capture({}, {}, Exporting(initializes=True))


def _is_traceable(reset: Callable[[], Any], notes: list[str]) -> bool:
    try:
        _captured(_together([reset]))
    except LenetcError as error:
        kind = type(getattr(reset, "__self__", None)).__name__
        notes.append(f"init.onnx keeps the exported values of {kind}, whose reset_parameters {told(error)}")
        return False
    return True
