"""Work on a part of the batch at a time: the same sums, in pieces that fit the caches or run side by side.

Forward and backward go through the samples; what comes out are sums over them (gradients, the loss) and values
of single samples (scores). `Cut` takes a graph apart at these, `instance` builds the inside for a part of any
size, `tiled` loops over parts with a Scan.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ir import ops
from ir.dims import Dim, Poly, symbol, symbols
from ir.node import Graph, Node, building_at
from ir.op import leaf, scalar
from ir.types import Type
from passes.rewrite.driver import rebuilt
from passes.tiling.batch_axes import AFTER, SUM, Places, find, resized

Slice = tuple[Node, int]  # a value that the parts read slice by slice, and the axis that is cut


@dataclass
class Cut:
    """A graph taken apart. batch: the batch's size.

    inside: nodes computed for each part, operands first. sums, stacked: those whose whole value is read outside, as
    the sum over parts and side by side. slices: what is cut into parts; shared: what every part reads whole.
    """

    graph: Graph
    batch: Dim
    places: Places
    inside: list[Node]
    sums: list[Node]
    stacked: list[Node]
    slices: list[Slice]
    shared: list[Node]

    def axis(self, node: Node) -> int:
        """The batch's axis of a node inside."""
        place = self.places.of[node]
        assert isinstance(place, int)
        return place


def batch_inputs(graph: Graph) -> dict[Node, int]:
    """The inputs that hold samples along their first axis: those as long as the first one."""
    given = [node for node in graph.inputs if node.attrs["kind"] == "input" and node.rank]
    return {node: 0 for node in given if node.shape[0] == given[0].shape[0]}


def cut(graph: Graph) -> Cut | None:
    """`graph` taken apart along its batch; None where it has none. Raises Inseparable where samples are mixed."""
    batch = batch_inputs(graph)
    if not batch:
        return None
    places = find(graph, batch)
    # In the order of the graph: in that of a set, which is that of addresses, programs would differ from run to run.
    wanted = {node: None for node in graph.outputs if _is_made_inside(node, places)}
    for node in graph.nodes():
        if places.of[node] == AFTER:
            wanted.update((x, None) for x in node.inputs if _is_made_inside(x, places))
    inside: set[Node] = set()
    slices: dict[Slice, None] = {}
    shared: dict[Node, None] = {}
    stack = list(wanted)
    while stack:
        node = stack.pop()
        if node in inside:
            continue
        inside.add(node)
        cuts = places.cuts.get(node, {})
        for i, x in enumerate(node.inputs):
            if i in cuts:
                source = _repeated(x, cuts[i])
                if source is None:
                    slices[x, cuts[i]] = None
                else:
                    shared[source] = None
            elif _is_made_inside(x, places):
                stack.append(x)
            elif places.is_within(x):
                slices[x, batch[x]] = None
            else:
                shared[x] = None
    ordered = [node for node in graph.nodes() if node in inside]
    return Cut(
        graph=graph,
        batch=next(iter(batch)).shape[0],
        places=places,
        inside=ordered,
        sums=[node for node in ordered if node in wanted and places.of[node] == SUM],
        stacked=[node for node in ordered if node in wanted and places.of[node] != SUM],
        slices=list(slices),
        shared=[node for node in shared if node.op is not ops.const],
    )


def _is_made_inside(node: Node, places: Places) -> bool:
    return places.is_within(node) and node.op is not ops.input


def _repeated(node: Node, axis: int) -> Node | None:
    """What `node` repeats along `axis`, if that is all that it does there."""
    if node.op is not ops.broadcast_to:
        return None
    (source,) = node.inputs
    own = axis - (node.rank - source.rank)
    return source if own < 0 or source.shape[own] == 1 else None


def instance(
    whole: Cut, size: Dim, slices: Mapping[Slice, Node], shared: Callable[[Node], Node]
) -> dict[Node, Node]:
    """The inside for a part of `size` samples: for each node inside, its value for that part.

    slices: that part of what is cut; shared: what stands for a value that parts read whole.
    """
    new: dict[Node, Node] = {}

    def operand(x: Node, axis: int | None) -> Node:
        if axis is None and x in new:
            return new[x]
        if axis is None and whole.places.is_within(x):
            return slices[x, whole.axis(x)]
        if axis is None:
            return shared(x)
        source = _repeated(x, axis)
        if source is None:
            return slices[x, axis]
        return ops.broadcast_to(shared(source), shape=(*x.shape[:axis], size, *x.shape[axis + 1 :]))

    for node in whole.inside:
        cuts = whole.places.cuts.get(node, {})
        place = whole.places.of[node]
        with building_at(node.where):
            operands = tuple([operand(x, cuts.get(i)) for i, x in enumerate(node.inputs)])
        attrs = resized(node, place, size) if isinstance(place, int) else node.attrs
        new[node] = node.op.over(operands, attrs, node.where)
    return new


def replaced(graph: Graph, new: dict[Node, Node]) -> list[Node]:
    """The outputs of `graph`, over the values that `new` has for some of its nodes."""
    new = dict(new)
    for node in graph.nodes():
        if node not in new:
            new[node] = rebuilt(node, tuple([new.get(x, x) for x in node.inputs]), node.attrs)
    return [new[node] for node in graph.outputs]


def part(x: Node, axis: int, start: int, stop: int) -> Node:
    """x from `start` to `stop` along `axis`."""
    starts = tuple(start if i == axis else 0 for i in range(x.rank))
    stops = tuple(stop if i == axis else dim for i, dim in enumerate(x.shape))
    return ops.slice(x, starts=starts, stops=stops, steps=(1,) * x.rank)


def tiled(whole: Cut, size: int) -> Graph:
    """The graph with its samples gone through in tiles of `size`, by a Scan; what is left over comes after, or where
    the batch is symbolic last."""
    if isinstance(whole.batch, Poly):
        return _tiled_of_any_size(whole, size)
    batch = int(whole.batch)
    length, rest = divmod(batch, size)
    done = length * size
    sequences = [_tiles(part(x, axis, 0, done) if rest else x, axis, length) for x, axis in whole.slices]
    results = _run(whole, _body(whole, size), sequences, length=length)
    new = dict(zip(whole.sums, results, strict=False))
    for node, tiles in zip(whole.stacked, results[len(whole.sums) :], strict=True):
        new[node] = _joined(tiles, whole.axis(node))
    if rest:
        left = {(x, axis): part(x, axis, done, batch) for x, axis in whole.slices}
        made = instance(whole, rest, left, lambda x: x)
        for node in whole.sums:
            new[node] = new[node] + made[node]
        for node in whole.stacked:
            new[node] = ops.concat(new[node], made[node], axis=whole.axis(node))
    return whole.graph.with_outputs(replaced(whole.graph, new))


def _tiled_of_any_size(whole: Cut, size: int) -> Graph:
    sequences = [_moved(x, axis, 0) for x, axis in whole.slices]
    taken = {name for x in whole.graph.inputs for dim in x.shape for name in symbols(dim)}
    own = "tile"
    while own in taken:
        own += "_"
    body = _body(whole, symbol(own), in_front=True)
    results = _run(whole, body, sequences, length=whole.batch, tile=size)
    new = dict(zip(whole.sums, results, strict=False))
    for node, samples in zip(whole.stacked, results[len(whole.sums) :], strict=True):
        new[node] = _moved(samples, 0, whole.axis(node))
    return whole.graph.with_outputs(replaced(whole.graph, new))


def _run(whole: Cut, body: Graph, sequences: Sequence[Node], **how: Any) -> list[Node]:
    """The results of a Scan with `body`."""
    zeros = [_zeros(node.ty) for node in whole.sums]
    counts = {"carries": len(zeros), "sequences": len(sequences)}
    run = ops.scan(*zeros, *sequences, *whole.shared, body=body, **counts, **how)
    return [ops.get(run, index=i) for i in range(len(body.outputs))]


def _moved(x: Node, axis: int, to: int) -> Node:
    """x with one of its axes at another place."""
    if axis == to:
        return x
    order = [i for i in range(x.rank) if i != axis]
    order.insert(to, axis)
    return ops.transpose(x, perm=tuple(order))


def _body(whole: Cut, size: Dim, in_front: bool = False) -> Graph:
    """(sums so far, a tile of each slice, what all tiles share) -> (sums, values of the tile's samples).

    in_front: the samples of tiles and values are along their first axis, wherever they are in the graph.
    """
    totals = [leaf(f"sum{i}", node.ty) for i, node in enumerate(whole.sums)]
    tiles: dict[Slice, Node] = {}
    for i, (x, axis) in enumerate(whole.slices):
        before, after = x.shape[:axis], x.shape[axis + 1 :]
        shape = (size, *before, *after) if in_front else (*before, size, *after)
        tiles[x, axis] = leaf(f"tile{i}", x.ty.with_shape(shape))
    shared = {x: leaf(f"shared{i}", x.ty) for i, x in enumerate(whole.shared)}
    parts = {(x, axis): _moved(tile, 0, axis) for (x, axis), tile in tiles.items()} if in_front else tiles
    made = instance(whole, size, parts, lambda x: shared.get(x, x))
    sums = []
    for total, node in zip(totals, whole.sums, strict=True):
        with building_at(node.where):
            sums.append(total + made[node])
    stacked = [_moved(made[node], whole.axis(node), 0) if in_front else made[node] for node in whole.stacked]
    results = [(f"y{i}", x) for i, x in enumerate([*sums, *stacked])]
    return Graph.make(f"{whole.graph.name}_tile", (*totals, *tiles.values(), *shared.values()), results)


def _zeros(type: Type) -> Node:
    zero = scalar(0, type.dtype)
    return ops.broadcast_to(zero, shape=type.shape) if type.shape else zero


def _tiles(x: Node, axis: int, length: int) -> Node:
    """x cut into `length` tiles along `axis`, stacked in front."""
    size = int(x.shape[axis]) // length
    apart = ops.reshape(x, shape=(*x.shape[:axis], length, size, *x.shape[axis + 1 :]))
    if axis == 0:
        return apart
    return ops.transpose(apart, perm=(axis, *(i for i in range(apart.rank) if i != axis)))


def _joined(tiles: Node, axis: int) -> Node:
    """The opposite of `_tiles`."""
    if axis:
        order = [*range(1, tiles.rank)]
        order.insert(axis, 0)
        tiles = ops.transpose(tiles, perm=tuple(order))
    shape = tiles.shape
    return ops.reshape(tiles, shape=(*shape[:axis], shape[axis] * shape[axis + 1], *shape[axis + 2 :]))
