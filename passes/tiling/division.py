"""Choices about parts of the batch: tiles that fit the caches, and ranges that run side by side on cores of their own.

tile(graph)    samples gone through tile by tile, in a Scan of the graph
divide(graph)  one graph for each of several cores, and a graph that joins what they give
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from ir import ops
from ir.dims import Dim, Poly, evaluate, symbols
from ir.node import Graph, Node, building_at, topological
from ir.op import leaf
from passes.rewrite.driver import substitute
from passes.strategies.choice import choose_strategies
from passes.target import Target
from passes.tiling.batch_axes import SUM, Inseparable
from passes.tiling.cut import Cut, Slice, batch_inputs, cut, instance, part, replaced, tiled

WHOLE = "_whole"  # of the name under which a part reads all of a batch input

_TILE_BYTES = 16e6  # memory that a tile's samples go through, where time per sample of LeNet was least
_SHARED_TILE_BYTES = (
    32e6  # the same, for each of several threads, which the runtime gives large operators only
)
_SMALLEST = 16  # samples of a tile; fewer leave operators too little to do
# µs of one thread, fitted to steps of LeNet and of an MLP on two cores.
_MAC, _BYTE, _NODE = 1 / 60e3, 5e-5, 1.5
_MEET = 200.0  # to wake another thread, to wait for it, and to fetch what it has computed
_SHARED_NODE = 4.0  # an operator that several threads share
_ADDED = 2e-4  # an element of a sum, for each part


@dataclass(frozen=True)
class Load:
    """What the inside of a cut takes. macs, bytes: of one sample; nodes: operators; sums: elements of the sums."""

    macs: float
    bytes: float
    nodes: int
    sums: int
    has_windows: bool

    def alone(self, batch: int) -> float:
        """µs for `batch` samples on one thread."""
        return batch * (self.macs * _MAC + self.bytes * _BYTE) + self.nodes * _NODE

    def shared(self, batch: int, threads: int) -> float:
        """µs where threads share every operator: products scale, the rest hardly does."""
        return (
            batch * (self.macs * _MAC / (0.9 * threads) + self.bytes * _BYTE / 1.3)
            + self.nodes * _SHARED_NODE
        )

    def divided(self, batch: int, threads: int) -> float:
        """µs where threads have samples of their own."""
        joined = self.sums * (threads + 1) * _ADDED
        return self.alone(-(-batch // threads)) + _MEET + joined


def load(whole: Cut) -> Load:
    """The load of a cut: for the batch that there is, or where that is symbolic for one sample."""
    env = dict.fromkeys(symbols(whole.batch), 1)

    def number(size: Dim) -> int:
        return int(evaluate(size, env))

    batch = number(whole.batch)
    macs = columns = 0
    for node in whole.inside:
        if node.op is ops.matmul:
            macs += number(node.ty.size) * number(node.inputs[0].shape[-1])
        elif node.op in (ops.conv2d, ops.conv2d_input_grad, ops.conv2d_weight_grad):
            pixels, kernel = _windowed(node)
            depth = number(kernel.ty.size) // number(kernel.shape[0])
            macs += number(pixels.ty.size) * depth
            columns += number(pixels.ty.size) // number(pixels.shape[1]) * depth * _width(node)
    kept = sum(number(x.ty.size) * _width(x) for x in whole.inside if whole.places.of[x] != SUM)
    sums = sum(int(node.ty.size) for node in whole.sums)
    return Load(macs / batch, (kept + columns) / batch, len(whole.inside), sums, columns > 0)


def _windowed(node: Node) -> tuple[Node, Node]:
    """Of a convolution or a gradient of one: the side that has a pixel for each window, and the kernel's side."""
    if node.op is ops.conv2d:
        return node, node.inputs[1]
    return (node.inputs[0], node.inputs[1]) if node.op is ops.conv2d_input_grad else (node.inputs[1], node)


def _width(node: Node) -> int:
    return 2 if node.dtype.name == "bf16" else int(node.dtype.numpy.itemsize)


def tile(graph: Graph, target: Target) -> tuple[Graph, list[str]]:
    """`graph` with its samples gone through in tiles that fit the caches, where convolutions make columns that do not.

    A note says the tile's size. Tiles for several threads are larger. A symbolic batch counts as the target's; it is
    left whole for browsers, which have no loops on WebGPU, and where tiles would be the kernels of convolutions: there
    are runtimes (OpenVINO) that take none of a size that they do not know before.
    """
    whole = _separable(graph) if target.device == "cpu" else None
    if whole is None or (isinstance(whole.batch, Poly) and target.operators == "web"):
        return graph, []
    found = load(whole)
    if not found.has_windows:
        return graph, []
    fitting = _TILE_BYTES if target.threads == 1 else _SHARED_TILE_BYTES * target.threads
    size = _SMALLEST
    while size * 2 * found.bytes <= fitting:
        size *= 2
    sizes = {name: target.size(name) for name in symbols(whole.batch)}
    if evaluate(whole.batch, sizes) < 2 * size:
        return graph, []
    in_tiles = tiled(whole, size)
    if isinstance(whole.batch, Poly) and _has_kernels_of_any_size(choose_strategies(in_tiles, target)[0]):
        return graph, []
    return in_tiles, [f"tiles of {size} samples, {found.bytes / 1e3:.0f} kB each"]


def _has_kernels_of_any_size(graph: Graph) -> bool:
    bodies = [node.attrs["body"] for node in graph.nodes() if node.op is ops.scan and node.attrs["tile"]]
    convolutions = (ops.conv2d, ops.conv2d_input_grad)
    return any(
        node.op in convolutions and not node.inputs[1].ty.is_static
        for body in bodies
        for node in body.nodes()
    )


def _separable(graph: Graph) -> Cut | None:
    """The cut of a graph whose load is known: no size of what is inside is symbolic, but for the batch."""
    try:
        whole = cut(graph)
    except Inseparable:
        return None
    if whole is None or not whole.batch or not whole.sums:
        return None
    return whole if all(_is_known(whole, x) for x in whole.inside) else None


def _is_known(whole: Cut, node: Node) -> bool:
    place = whole.places.of[node]
    others = [dim for axis, dim in enumerate(node.shape) if axis != place or dim != whole.batch]
    return not any(isinstance(dim, Poly) for dim in others)


@dataclass(frozen=True)
class Division:
    """A graph for each range of samples, and two that join what these give: to the results, and to the new state.

    cut: batch inputs of which a part is given its own samples only.
    """

    ranges: tuple[tuple[int, int], ...]
    parts: tuple[Graph, ...]
    results: Graph
    update: Graph
    cut: frozenset[str]


def divide(graph: Graph, target: Target) -> Division | None:
    """`graph` in parts for some of the target's threads, or all, where that is faster than sharing every operator."""
    whole = _separable(graph) if target.device == "cpu" and target.threads > 1 else None
    if whole is None or isinstance(whole.batch, Poly):
        return None
    batch, found = int(whole.batch), load(whole)
    counts = range(2, min(batch, target.threads) + 1)
    threads = min(counts, key=lambda count: found.divided(batch, count), default=0)
    if not threads or found.divided(batch, threads) > found.shared(batch, target.threads):
        return None
    bounds = [batch * i // threads for i in range(threads + 1)]
    return divided(whole, list(itertools.pairwise(bounds)))


def divided(whole: Cut, ranges: Sequence[tuple[int, int]]) -> Division:
    """The parts of a cut for given ranges of samples, and their join.

    A part reads its range of each batch input `x` as `x`, and all of one that it needs whole as `x_whole`. It gives
    the results `d0`, `d1`, ..., which the join reads as `d0_0` (of the first part), `d0_1`, ...
    """
    delivered = [*whole.sums, *whole.stacked]
    batch = batch_inputs(whole.graph)
    graphs = [_part(whole, delivered, start, stop) for start, stop in ranges]
    new = {}
    given = []
    for i, node in enumerate(delivered):
        pieces = [leaf(f"d{i}_{k}", graph.results[i][1].ty) for k, graph in enumerate(graphs)]
        given += pieces
        with building_at(node.where):
            if i >= len(whole.sums):
                new[node] = ops.concat(*pieces, axis=whole.axis(node))
                continue
            new[node] = pieces[0]
            for piece in pieces[1:]:
                new[node] = new[node] + piece
    graph = whole.graph.with_outputs(replaced(whole.graph, new))
    named = frozenset(x.attrs["name"] for x, _ in whole.slices if x in batch)
    leaves = [*given, *graph.inputs]
    return Division(
        ranges=tuple(ranges),
        parts=tuple(graphs),
        results=_over(leaves, f"{graph.name}_results", graph.results, ()),
        update=_over(leaves, f"{graph.name}_update", (), graph.updates),
        cut=named,
    )


Named = tuple[tuple[str, Node], ...]


def _over(leaves: Sequence[Node], name: str, results: Named, updates: Named) -> Graph:
    """The graph with those of `leaves` for inputs that it reads or replaces."""
    read = set(topological((), [node for _, node in (*results, *updates)]))
    replaced_names = {key for key, _ in updates}
    inputs = [node for node in leaves if node in read or node.attrs["name"] in replaced_names]
    return Graph.make(name, inputs, results, updates)


def _part(whole: Cut, delivered: Sequence[Node], start: int, stop: int) -> Graph:
    batch = batch_inputs(whole.graph)
    mine: dict[Slice, Node] = {}
    leaves: dict[Node, Node] = {}
    for x, axis in whole.slices:
        if x in batch:
            own = leaf(x.attrs["name"], x.ty.with_shape((stop - start, *x.shape[1:])))
            mine[x, axis] = leaves[own] = own
        else:
            mine[x, axis] = part(x, axis, start, stop)
    made = instance(whole, stop - start, mine, lambda x: x)
    results = [(f"d{i}", made[node]) for i, node in enumerate(delivered)]
    for node in topological((), [node for _, node in results]):
        if node.op is ops.input and node not in leaves:
            name = node.attrs["name"]
            leaves[node] = leaf(name + WHOLE, node.ty) if node in batch else node
    return substitute(f"{whole.graph.name}_part", results, leaves)
