"""From a placement to geometry: boxes with coordinates, and for every edge a path that goes round the boxes.

Wires run as on a circuit board: horizontal in the gap between two rows, vertical in a gutter between two
lanes, each on a track of its own. All wires of one value share their tracks, so a value that fans out reads
as one wire with branches.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping
from typing import Any

import networkx as nx

from lenetc.pictures.geometry import Box, Drawing
from lenetc.pictures.placement import (
    BACKWARD,
    CHIP_GAP,
    CHIP_STEP,
    FORWARD,
    UPDATE,
    Dummy,
    Node,
    chip_stack,
    place,
)
from lenetc.pictures.routes import FAR_LEFT, FAR_RIGHT, LEFT, MIDDLE, RIGHT, Side, Wire, plan_routes

TRACK, ROW_GAP, GUTTER, PORT_STEP = 6.5, 30.0, 22.0, 13.0


def arrange(
    graph: nx.DiGraph[Any], sizes: Mapping[Node, tuple[float, float]], margin: float = 0.0
) -> Drawing:
    """Lay out an acyclic graph by its node attribute `phase`; the upper left corner is (0, 0).

    `margin` is kept free at the left of the two upper lanes, for the names of their rows.

    Raises ValueError if the graph has a cycle.
    """
    return _Router(graph, sizes, margin).drawing()


class _Router:
    """One run of the routing; the steps are in the order in which `drawing` calls them."""

    def __init__(
        self, graph: nx.DiGraph[Any], sizes: Mapping[Node, tuple[float, float]], margin: float
    ) -> None:
        self.graph, self.sizes, self.margin = graph, sizes, margin
        self.place = place(graph, sizes)
        self.wires = plan_routes(graph, self.place)

    def drawing(self) -> Drawing:
        self.set_gutters()
        self.set_x()
        self.set_ports()
        self.set_y()
        boxes = {v: Box(self.left(v), self.top[v], *self.sizes[v]) for v in self.place.order}
        paths: dict[tuple[Node, Node], list[tuple[float, float]]] = {}
        curved: dict[tuple[Node, Node], list[bool]] = {}
        for edge, wire in self.wires.items():
            paths[edge], curved[edge] = self.trace(wire, boxes[wire.source], boxes[wire.target])
        return Drawing(
            self.place,
            boxes,
            self.wires,
            paths,
            curved,
            self.row_top,
            self.row_bottom,
            self.span,
            self.main_left,
            self.main_right,
            self.width,
            self.height,
        )

    # Tracks in gutters, and x

    def set_gutters(self) -> None:
        """Give every value a vertical track in each gutter it uses; short ones lie nearest to the nodes."""
        spans: dict[int, dict[Node, tuple[float, float]]] = {g: {} for g in range(5)}
        for wire in self.wires.values():
            if wire.gutter is None:
                continue
            rows = self.place.row
            a = 2.0 * wire.leave if wire.leave is not None else 2.0 * rows[wire.source] + 1
            b = 2.0 * wire.enter if wire.enter is not None else 2.0 * rows[wire.target] + 1
            low, high = spans[wire.gutter].get(wire.source, (a, a))
            spans[wire.gutter][wire.source] = (min(low, a, b), max(high, a, b))
        self.track = {g: _tracks(s, 0.0) for g, s in spans.items()}
        self.gutter_width = {
            g: GUTTER * bool(t) + TRACK * (1 + max(t.values(), default=-1)) for g, t in self.track.items()
        }

    def set_x(self) -> None:
        p = self.place
        reach: dict[int, tuple[float, float]] = {}
        for lane in (FORWARD, BACKWARD, UPDATE):
            ends = [self.reach_of(v) for r in p.rows[lane] for v in r]
            if ends:
                reach[lane] = min(a for a, _ in ends), max(b for _, b in ends)
        width = {lane: b - a for lane, (a, b) in reach.items()}
        w = self.gutter_width
        middle = max(w[MIDDLE], GUTTER * 2) if FORWARD in width and BACKWARD in width else w[MIDDLE]
        upper = self.margin + w[LEFT] + width.get(FORWARD, 0.0) + middle + width.get(BACKWARD, 0.0) + w[RIGHT]
        inner = max(upper, width.get(UPDATE, 0.0))
        self.main_left = w[FAR_LEFT] + (inner - upper) / 2
        start = self.main_left + self.margin
        begin = {
            FORWARD: start + w[LEFT],
            BACKWARD: start + w[LEFT] + width.get(FORWARD, 0.0) + middle,
            UPDATE: w[FAR_LEFT] + (inner - width.get(UPDATE, 0.0)) / 2,
        }
        self.span = {lane: (begin[lane], begin[lane] + width[lane]) for lane in width}
        self.shift = {lane: begin[lane] - reach[lane][0] for lane in reach}
        self.width = w[FAR_LEFT] + inner + w[FAR_RIGHT]
        right = begin[BACKWARD] + width.get(BACKWARD, 0.0)
        self.main_right = right + w[RIGHT] if w[RIGHT] else right + GUTTER / 2
        # Where track 0 lies, and which way further tracks go: away from the nodes the gutter serves.
        self.origin = {
            FAR_LEFT: (w[FAR_LEFT] - GUTTER / 2, -TRACK),
            LEFT: (start + w[LEFT] - GUTTER / 2, -TRACK),
            MIDDLE: (
                begin[BACKWARD] - middle / 2 + TRACK * max(self.track[MIDDLE].values(), default=0) / 2,
                -TRACK,
            ),
            RIGHT: (right + GUTTER / 2, TRACK),
            FAR_RIGHT: (w[FAR_LEFT] + inner + GUTTER / 2, TRACK),
        }

    def reach_of(self, v: Node) -> tuple[float, float]:
        x = self.place.x[v]
        if isinstance(v, Dummy):
            return x, x
        half = self.sizes[v][0] / 2
        stack, _ = chip_stack(self.place.chips.get(v, ()), self.sizes)
        return x - half - (stack + CHIP_GAP if stack else 0.0), x + half

    def centre(self, v: Node) -> float:
        lane = self.place.lane[v.target] if isinstance(v, Dummy) else self.place.lane[v]
        return self.place.x[v] + self.shift[lane]

    def left(self, v: Node) -> float:
        host = self.place.host.get(v)
        if host is None:
            return self.centre(v) - self.sizes[v][0] / 2
        return self.centre(host) - self.sizes[host][0] / 2 - CHIP_GAP - self.sizes[v][0]

    def gutter_x(self, wire: Wire) -> float:
        assert wire.gutter is not None
        origin, step = self.origin[wire.gutter]
        return origin + step * self.track[wire.gutter][wire.source]

    # Ports

    def set_ports(self) -> None:
        """Spread the ends of edges over the side they enter, in the order in which they arrive."""
        arriving: dict[tuple[Node, Side], list[tuple[float, Node]]] = {}
        for (u, v), wire in self.wires.items():
            if self.place.host.get(u) == v:
                continue
            if wire.via:
                key = self.centre(wire.via[-1])
            elif wire.gutter is not None:
                key = float(self.place.row[u]) if wire.into == "left" else self.gutter_x(wire)
            else:
                key = self.out_x(wire)
            arriving.setdefault((v, wire.into), []).append((key, u))
        self.port: dict[tuple[Node, Node], float] = {}
        for (v, side), ends in arriving.items():
            ends.sort(key=lambda end: end[0])
            length = self.sizes[v][1] if side == "left" else self.sizes[v][0]
            step = min(PORT_STEP if side != "left" else PORT_STEP / 1.6, (length - 12) / len(ends))
            middle = (len(ends) - 1) / 2
            for i, (key, u) in enumerate(ends):  # a straight edge stays straight, the others make room
                if self.straight(self.wires[u, v], key):
                    middle = float(i)
                    step = min(step, (length - 12) / (2 * max(i, len(ends) - 1 - i) + 1))
            for i, (_, u) in enumerate(ends):
                self.port[u, v] = (i - middle) * step

    def straight(self, wire: Wire, key: float) -> bool:
        """Whether an edge that ends in the middle of its side has no bend."""
        if wire.into == "left":
            same_row = self.place.row[wire.source] == self.place.row[wire.target]
            return same_row and wire.leave is None and wire.source not in self.place.host
        return wire.curve and abs(key - self.centre(wire.target)) < 0.5

    def out_x(self, wire: Wire) -> float:
        """x at which a wire reaches its first gap."""
        u = wire.source
        host = self.place.host.get(u)
        if host is None:
            return self.centre(u)
        chips = self.place.chips[host]
        between = self.left(u) + self.sizes[u][0]
        return between + CHIP_GAP * (0.25 + 0.4 * chips.index(u) / max(1, len(chips) - 1))

    # Tracks in gaps, and y

    def set_y(self) -> None:
        p = self.place
        spans: list[dict[Node, tuple[float, float]]] = [{} for _ in range(p.row_count + 1)]

        def cover(gap: int, u: Node, *xs: float) -> None:
            low, high = spans[gap].get(u, (xs[0], xs[0]))
            spans[gap][u] = (min(low, *xs), max(high, *xs))

        for wire in self.wires.values():
            if wire.curve:
                continue
            end = self.end_x(wire)
            if wire.gutter is None:
                if wire.leave is not None:
                    cover(wire.leave, wire.source, self.out_x(wire), end)
                continue
            if wire.leave is not None:
                cover(wire.leave, wire.source, self.out_x(wire), self.gutter_x(wire))
            if wire.enter is not None:
                cover(wire.enter, wire.source, self.gutter_x(wire), end)
        self.gap_track = [_tracks(s, 8.0) for s in spans]
        if p.main_rows < p.row_count:  # wires from the right gutter nest with the longest on top
            entry = self.gap_track[p.main_rows]
            top = max(entry.values(), default=0)
            self.gap_track[p.main_rows] = {u: top - t for u, t in entry.items()}
        self.row_top, self.row_bottom, self.gap_y = [], [], []
        y = 0.0
        tall = [0.0] * p.row_count
        for v in p.order:
            if v not in p.host:
                stack = chip_stack(p.chips.get(v, ()), self.sizes)[1]
                tall[p.row[v]] = max(tall[p.row[v]], self.sizes[v][1], stack)
        for r in range(p.row_count + 1):
            count = 1 + max(self.gap_track[r].values(), default=-1)
            outer = r in (0, p.row_count)
            height = TRACK * count + (ROW_GAP if not outer else ROW_GAP * 0.5 * bool(count))
            if r == p.main_rows and 0 < r < p.row_count:
                height += ROW_GAP
            self.gap_y.append(y + (height - TRACK * (count - 1)) / 2)
            y += height
            if r < p.row_count:
                self.row_top.append(y)
                y += tall[r]
                self.row_bottom.append(y)
        self.height = y
        self.top: dict[Node, float] = {}
        for v in p.order:
            if v in p.host:
                continue
            middle = (self.row_top[p.row[v]] + self.row_bottom[p.row[v]]) / 2
            self.top[v] = middle - self.sizes[v][1] / 2
            y = middle - chip_stack(p.chips.get(v, ()), self.sizes)[1] / 2
            for chip in p.chips.get(v, ()):
                self.top[chip] = y
                y += self.sizes[chip][1] + CHIP_STEP

    def end_x(self, wire: Wire) -> float:
        """x at which a wire leaves its last gap or gutter."""
        if wire.via:
            return self.centre(wire.via[0])
        if wire.into == "left":
            return self.left(wire.target)
        return self.centre(wire.target) + self.port[wire.source, wire.target]

    # Paths

    def trace(self, wire: Wire, a: Box, b: Box) -> tuple[list[tuple[float, float]], list[bool]]:
        u, v = wire.source, wire.target
        if self.place.host.get(u) == v:
            y = min(max(a.y, b.top + 6), b.bottom - 6)
            return [(a.right, a.y), (b.left, y)], [False]
        if wire.curve:
            return self.curve([(a.x, a.top if wire.out == "top" else a.bottom)], wire, b)
        start = {
            "top": (a.x, a.top),
            "bottom": (a.x, a.bottom),
            "left": (a.left, a.y),
            "right": (a.right, a.y),
        }
        x, y = start[wire.out]
        points = [(x, y)]

        def across(gap: int, to: float) -> None:
            height = self.gap_y[gap] + TRACK * self.gap_track[gap][u]
            points.extend([(points[-1][0], height), (to, height)])

        if wire.leave is not None:
            x = self.out_x(wire)
            points.append((x, y))
        if wire.gutter is None:
            assert wire.leave is not None
            across(wire.leave, self.end_x(wire))
        else:
            along = self.gutter_x(wire)
            if wire.leave is not None:
                across(wire.leave, along)
            else:
                points.append((along, y))
            if wire.enter is not None:
                across(wire.enter, self.end_x(wire))
        if wire.into == "left":
            y = b.y + self.port[u, v]
            points.extend([(points[-1][0], y), (b.left, y)])
            return _clean(points)
        if wire.via:
            return self.curve(points, wire, b)
        points.append((points[-1][0], b.bottom if wire.into == "bottom" else b.top))
        return _clean(points)

    def curve(
        self, points: list[tuple[float, float]], wire: Wire, b: Box
    ) -> tuple[list[tuple[float, float]], list[bool]]:
        """Go on through the dummies of an edge to its target, with S-curves in the gaps."""
        points, bends = _clean(points)
        up = wire.into == "bottom"
        entry, leaving = (self.row_bottom, self.row_top) if up else (self.row_top, self.row_bottom)

        def to(x: float, y: float, bend: bool) -> None:
            if (x, y) == points[-1]:
                return
            bend = bend and abs(x - points[-1][0]) > 0.05
            points.append((x, y))
            bends.append(bend)

        if wire.curve:
            to(points[-1][0], leaving[self.place.row[wire.source]], False)
        for dummy in wire.via:
            x = self.centre(dummy)
            to(x, entry[dummy.row], True)
            to(x, leaving[dummy.row], False)
        end = b.x + self.port[wire.source, wire.target]
        to(end, entry[self.place.row[wire.target]], True)
        to(end, b.bottom if up else b.top, False)
        return points, bends


def _clean(points: Iterable[tuple[float, float]]) -> tuple[list[tuple[float, float]], list[bool]]:
    """Drop points that repeat or lie inside a straight piece."""
    kept: list[tuple[float, float]] = []
    for point in points:
        if kept and point == kept[-1]:
            continue
        if len(kept) > 1:
            (ax, ay), (bx, by) = kept[-2:]
            if ax == bx == point[0] or ay == by == point[1]:
                kept.pop()
        kept.append(point)
    return kept, [False] * (len(kept) - 1)


def _tracks(spans: Mapping[Node, tuple[float, float]], margin: float) -> dict[Node, int]:
    """Pack intervals on the fewest tracks with none touching on one track; tracks of short ones first."""
    free: list[tuple[float, int]] = []
    members: list[list[Node]] = []
    for u, (low, high) in sorted(spans.items(), key=lambda item: item[1]):
        if free and free[0][0] + margin < low:
            _, track = heapq.heappop(free)
        else:
            track = len(members)
            members.append([])
        members[track].append(u)
        heapq.heappush(free, (high, track))
    members.sort(key=lambda group: max(spans[u][1] - spans[u][0] for u in group))
    return {u: track for track, group in enumerate(members) for u in group}
