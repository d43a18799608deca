"""Where the nodes of a training graph go: lanes, rows, order in a row, and x.

The general way of layers (Sugiyama, Tagawa and Toda 1981) sends forward and backward down the same page and
buries the symmetry between them. Here the graph is cut into three lanes first: *forward* flows down on the
left, *backward* flows up beside it and shares its rows, so that a gradient stands beside the operation it
differentiates, and *update* lies below both. Inside a lane the usual steps follow: longest-path rows, dummies
for edges that skip rows, barycenter ordering, and least-squares x coordinates. Everything is iterative and
near linear.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import networkx as nx

Node = Hashable
FORWARD, BACKWARD, UPDATE = 0, 1, 2

REACH = 12  # an edge that skips more rows than this runs in a gutter instead of between the nodes
NODE_GAP, DUMMY_GAP, CHIP_GAP, CHIP_STEP = 20.0, 9.0, 26.0, 3.0
ALIGN_SWEEPS, ORDER_SWEEPS, X_SWEEPS = 4, 4, 6
LANE_OF_PHASE = {"forward": FORWARD, "backward": BACKWARD, "update": UPDATE}


@dataclass(frozen=True)
class Dummy:
    """The place an edge keeps free for itself in a row that it passes through."""

    source: Node
    target: Node
    row: int


@dataclass
class Placement:
    """Lanes, rows, order and lane-local x of every node; widths and heights in SVG user units.

    `host` says beside which node a chip (a state or a hyperparameter, drawn small) stands; chips take part in
    no row of their own. `rows[lane][r]` lists the nodes and dummies of row r from left to right; `x` is the
    centre of each, relative to its lane. `dummies[u, v]` are the places edge u -> v passes through, in its
    own direction.
    """

    order: list[Node]
    lane: dict[Node, int]
    row: dict[Node, int]
    host: dict[Node, Node]
    chips: dict[Node, list[Node]]
    main_rows: int
    row_count: int
    rows: list[list[list[Node]]] = field(default_factory=list)
    x: dict[Node, float] = field(default_factory=dict)
    dummies: dict[tuple[Node, Node], list[Dummy]] = field(default_factory=dict)


def place(graph: nx.DiGraph[Any], sizes: Mapping[Node, tuple[float, float]]) -> Placement:
    """Place every node of an acyclic graph; `sizes` gives each node's width and height.

    Raises ValueError if the graph has a cycle (a training step is a pure function, so its graph has none).
    """
    try:
        order: list[Node] = list(nx.topological_sort(graph))
    except nx.NetworkXUnfeasible:
        cycle = " -> ".join(str(u) for u, _ in nx.find_cycle(graph))
        raise ValueError(f"a graph with a cycle cannot be drawn as a training step: {cycle}") from None
    lane, chips = _lanes(graph, order)
    row, main_rows, row_count = _rows(graph, order, lane, chips)
    column = _update_columns(graph, order, lane, chips, row)
    host: dict[Node, Node] = {}
    for chip in chips:
        users = [v for v in graph.succ[chip] if lane[v] == lane[chip] and v not in chips]
        if lane[chip] == BACKWARD:
            host[chip] = max(users, key=lambda v: row[v])
        else:
            host[chip] = min(users, key=lambda v: (row[v], column.get(v, 0.0)))
        row[chip] = row[host[chip]]
    beside: dict[Node, list[Node]] = {}
    for chip, node in host.items():
        beside.setdefault(node, []).append(chip)
    placement = Placement(order, lane, row, host, beside, main_rows, row_count)
    for which in (FORWARD, BACKWARD, UPDATE):
        _fill_lane(graph, placement, which, column, sizes)
    return placement


def chip_stack(chips: Iterable[Node], sizes: Mapping[Node, tuple[float, float]]) -> tuple[float, float]:
    """Width and height of the stack of chips beside one node."""
    boxes = [sizes[chip] for chip in chips]
    if not boxes:
        return 0.0, 0.0
    return max(w for w, _ in boxes), sum(h for _, h in boxes) + CHIP_STEP * (len(boxes) - 1)


def _lanes(graph: nx.DiGraph[Any], order: Sequence[Node]) -> tuple[dict[Node, int], dict[Node, None]]:
    """The lane of each node, and which nodes are chips (an ordered set)."""
    phase = {v: graph.nodes[v].get("phase", "forward") for v in order}
    lane = {v: LANE_OF_PHASE[p] for v, p in phase.items() if p in LANE_OF_PHASE}
    for v in order:
        if phase[v] == "result":
            preds = list(graph.pred[v])
            lane[v] = FORWARD if preds and all(phase[u] == "forward" for u in preds) else UPDATE
    chips: dict[Node, None] = {}
    for v in order:
        if phase[v] not in ("input", "state"):
            continue
        used_in = [lane[s] for s in graph.succ[v] if s in lane and phase[s] != "result"]
        passed_on = UPDATE if graph.succ[v] else FORWARD
        lane[v] = min(used_in, default=passed_on)
        small = (lane[v] == UPDATE) == (phase[v] == "input")  # weights above, the learning rate below
        if used_in and small and not graph.pred[v]:
            chips[v] = None
    return lane, chips


def _rows(
    graph: nx.DiGraph[Any], order: Sequence[Node], lane: Mapping[Node, int], chips: Mapping[Node, None]
) -> tuple[dict[Node, int], int, int]:
    """Row of every node that is no chip; how many rows the two upper lanes have; how many there are."""
    free = [v for v in order if v not in chips]
    preds = {v: [u for u in graph.pred[v] if u not in chips and lane[u] == lane[v]] for v in free}
    succs = {v: [s for s in graph.succ[v] if s not in chips and lane[s] == lane[v]] for v in free}
    forward = [v for v in free if lane[v] == FORWARD]
    backward = [v for v in reversed(free) if lane[v] == BACKWARD]
    anchor = _anchors(graph, forward, backward)
    mirror: dict[Node, list[Node]] = {}
    for b, f in anchor.items():
        if graph.nodes[b].get("group", "") == graph.nodes[f].get("group", ""):
            mirror.setdefault(f, []).append(b)
    row = dict.fromkeys(free, 0)
    # Rows only grow, and each sweep lets one lane make room for the other, so that mirrored nodes meet.
    for _ in range(ALIGN_SWEEPS):
        for v in forward:
            beside = min((row[b] for b in mirror.get(v, ())), default=0)
            row[v] = max([row[v], beside, *(row[u] + 1 for u in preds[v])])
        for v in backward:
            beside = row[anchor[v]] if v in anchor else 0
            row[v] = max([row[v], beside, *(row[s] + 1 for s in succs[v])])
    # Labels, constants and whatever is computed from them alone move down to where they are needed.
    movable: dict[Node, None] = {}
    for v in forward:
        if v not in mirror and all(u in movable for u in preds[v]):
            movable[v] = None
    for v in reversed(movable):
        if succs[v]:
            row[v] = min(row[s] for s in succs[v]) - 1
    upper = sorted({row[v] for v in (*forward, *backward)})
    dense = {r: i for i, r in enumerate(upper)}
    for v in (*forward, *backward):
        row[v] = dense[row[v]]
    main_rows = len(upper)
    for v in free:
        if lane[v] == UPDATE:
            row[v] = max([main_rows, *(row[u] + 1 for u in preds[v])])
    for v in free:
        if lane[v] == UPDATE and not graph.pred[v] and succs[v]:
            row[v] = min(row[s] for s in succs[v]) - 1
    return row, main_rows, max((row[v] + 1 for v in free), default=0)


def _anchors(graph: nx.DiGraph[Any], forward: Sequence[Node], backward: Sequence[Node]) -> dict[Node, Node]:
    """The forward node each backward node should stand beside: of its module, else the last it reads."""
    position = {v: i for i, v in enumerate(forward)}
    first_of_group: dict[str, Node] = {}
    for v in forward:
        group = graph.nodes[v].get("group", "")
        if group and graph.nodes[v].get("phase", "forward") == "forward":
            first_of_group.setdefault(group, v)
    anchor: dict[Node, Node] = {}
    for b in backward:
        group = graph.nodes[b].get("group", "")
        reads = [u for u in graph.pred[b] if u in position]
        same = [u for u in reads if group and graph.nodes[u].get("group", "") == group]
        if same:
            anchor[b] = max(same, key=position.__getitem__)
        elif group in first_of_group:
            anchor[b] = first_of_group[group]
        elif reads:
            anchor[b] = max(reads, key=position.__getitem__)
    return anchor


def _update_columns(
    graph: nx.DiGraph[Any],
    order: Sequence[Node],
    lane: Mapping[Node, int],
    chips: Mapping[Node, None],
    row: Mapping[Node, int],
) -> dict[Node, float]:
    """A key that sorts update nodes from left to right.

    Gradients come down at the right of the backward lane, the lowest on the innermost wire; with the lowest
    row leftmost their wires nest and do not cross.
    """
    column: dict[Node, float] = {}
    for v in order:
        if lane[v] == UPDATE and v not in chips:
            keys = [column[u] for u in graph.pred[v] if u in column]
            keys += [-float(row[u]) for u in graph.pred[v] if u not in chips and lane[u] != UPDATE]
            column[v] = min(keys, default=0.0)
    return column


def _fill_lane(
    graph: nx.DiGraph[Any],
    placement: Placement,
    which: int,
    column: Mapping[Node, float],
    sizes: Mapping[Node, tuple[float, float]],
) -> None:
    """Add the lane's dummies to the placement, order its rows and give x coordinates."""
    lane, row, host = placement.lane, placement.row, placement.host
    nodes = [v for v in placement.order if lane[v] == which and v not in host]
    rows: list[list[Node]] = [[] for _ in range(placement.row_count)]
    above: dict[Node, list[Node]] = {v: [] for v in nodes}
    below: dict[Node, list[Node]] = {v: [] for v in nodes}

    def link(u: Node, v: Node) -> None:
        upper, lower = (u, v) if row[u] < row[v] else (v, u)
        below[upper].append(lower)
        above[lower].append(upper)

    key: dict[Node, float] = {}
    for i, v in enumerate(nodes):
        if which == UPDATE:
            key[v] = column[v]
        else:  # what leaves the backward lane (weight gradients) goes right, towards the gutter it leaves by
            leaves = which == BACKWARD and not any(lane[s] == which for s in graph.succ[v])
            key[v] = float(i + leaves * len(nodes))
        rows[row[v]].append(v)
    for v in nodes:
        for u in graph.pred[v]:
            inside = lane[u] == which and u not in host
            if not inside and (which != UPDATE or lane[u] == UPDATE):
                continue
            step = -1 if which == BACKWARD else 1
            start = row[u] + step if inside else placement.main_rows
            between = range(start, row[v], step)
            if len(between) > REACH:
                continue
            path = [Dummy(u, v, r) for r in between]
            placement.dummies[u, v] = path
            for dummy in path:
                above[dummy], below[dummy] = [], []
                row[dummy] = dummy.row
                key[dummy] = key[v]
                rows[dummy.row].append(dummy)
            chain: list[Node] = [u, *path, v] if inside else [*path, v]
            for a, b in pairwise(chain):
                link(a, b)
    for r in rows:
        r.sort(key=key.__getitem__)
    _order_rows(rows, above, below)
    extents = {v: _extent(v, placement, sizes) for r in rows for v in r}
    placement.x.update(_coordinates(rows, above, below, extents, which == BACKWARD))
    placement.rows.append(rows)


def _extent(v: Node, placement: Placement, sizes: Mapping[Node, tuple[float, float]]) -> tuple[float, float]:
    """How far a node with its chips reaches left and right of its centre."""
    if isinstance(v, Dummy):
        return 0.0, 0.0
    half = sizes[v][0] / 2
    width, _ = chip_stack(placement.chips.get(v, ()), sizes)
    return half + (width + CHIP_GAP if width else 0.0), half


def _order_rows(
    rows: list[list[Node]], above: Mapping[Node, list[Node]], below: Mapping[Node, list[Node]]
) -> None:
    """Barycenter sweeps: sort each row by the mean position of its neighbours in the row before."""
    at = {v: (i + 0.5) / len(r) for r in rows for i, v in enumerate(r)}
    for sweep in range(ORDER_SWEEPS):
        ahead, behind = (below, above) if sweep % 2 == 0 else (above, below)
        for r in reversed(rows) if sweep % 2 == 0 else rows:
            if len(r) < 2:
                continue
            mean: dict[Node, float] = {}
            for v in r:
                near = ahead[v] or behind[v]
                mean[v] = sum(at[u] for u in near) / len(near) if near else at[v]
            r.sort(key=mean.__getitem__)
            for i, v in enumerate(r):
                at[v] = (i + 0.5) / len(r)


def _coordinates(
    rows: Sequence[Sequence[Node]],
    above: Mapping[Node, list[Node]],
    below: Mapping[Node, list[Node]],
    extents: Mapping[Node, tuple[float, float]],
    upward: bool,
) -> dict[Node, float]:
    """x of each node: near its neighbours, in row order, without overlap. Main chains come out straight."""
    x: dict[Node, float] = {}
    gaps: list[list[float]] = []
    for r in rows:
        cursor = 0.0
        offsets: list[float] = []
        for i, v in enumerate(r):
            if i:
                narrow = isinstance(v, Dummy) and isinstance(r[i - 1], Dummy)
                cursor += extents[r[i - 1]][1] + extents[v][0] + (DUMMY_GAP if narrow else NODE_GAP)
            offsets.append(cursor)
            x[v] = cursor
        gaps.append(offsets)
    weight = _weights(rows, above, below, upward)
    for sweep in range(2 * X_SWEEPS):
        from_below = (sweep % 2 == 1) == upward  # the last sweep follows the flow
        neighbours = below if from_below else above
        for i in reversed(range(len(rows))) if from_below else range(len(rows)):
            wanted = [
                _pull(x, weight, v, neighbours[v]) - off for v, off in zip(rows[i], gaps[i], strict=True)
            ]
            fitted = _isotonic(wanted, [weight[v] for v in rows[i]])
            for v, value, off in zip(rows[i], fitted, gaps[i], strict=True):
                x[v] = value + off
    return x


def _weights(
    rows: Sequence[Sequence[Node]],
    above: Mapping[Node, list[Node]],
    below: Mapping[Node, list[Node]],
    upward: bool,
) -> dict[Node, float]:
    """How firmly each node stands: 1 on the longest chain, less on side chains, leaves and dummies."""
    rise: dict[Node, int] = {}
    fall: dict[Node, int] = {}
    for r in rows:
        for v in r:
            rise[v] = 1 + max((rise[u] for u in above[v]), default=0)
    for r in reversed(rows):
        for v in r:
            fall[v] = 1 + max((fall[u] for u in below[v]), default=0)
    longest = max((rise[v] + fall[v] for v in rise), default=1)
    weight: dict[Node, float] = {}
    for v in rise:
        weight[v] = max(((rise[v] + fall[v]) / longest) ** 8, 1e-3)
        if isinstance(v, Dummy):
            weight[v] *= 1e-4
        elif not (above if upward else below)[v]:
            weight[v] *= 1e-5
    return weight


def _pull(
    x: Mapping[Node, float], weight: Mapping[Node, float], v: Node, neighbours: Sequence[Node]
) -> float:
    """Where the heaviest neighbours want a node to be."""
    if not neighbours:
        return x[v]
    top = max(weight[u] for u in neighbours)
    heavy = [x[u] for u in neighbours if weight[u] == top]
    return sum(heavy) / len(heavy)


def _isotonic(wanted: Sequence[float], weight: Sequence[float]) -> list[float]:
    """The non-decreasing sequence nearest to `wanted` in weighted least squares (pool adjacent violators)."""
    blocks: list[tuple[float, float, int]] = []
    for value, w in zip(wanted, weight, strict=True):
        count = 1
        while blocks and blocks[-1][0] > value:
            previous, previous_weight, previous_count = blocks.pop()
            value = (value * w + previous * previous_weight) / (w + previous_weight)
            w += previous_weight
            count += previous_count
        blocks.append((value, w, count))
    return [value for value, _, count in blocks for _ in range(count)]
