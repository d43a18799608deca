"""Which way each edge of a placed training graph goes, before anything has coordinates.

Edges inside a lane are curves through the places the placement kept free for them. All other edges are wires:
they leave a box by one side, run through the gap above or below its row, a gutter between two lanes, and a
second gap, and enter the other box. Where no box stands in between, a wire goes straight from a side into the
gutter.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import networkx as nx

from lenetc.pictures.placement import BACKWARD, FORWARD, UPDATE, Dummy, Node, Placement

FAN = 4  # a value with more readers than this in one lane is drawn as one branching wire
# Gutters from left to right; the outer two also pass beside the update lane.
FAR_LEFT, LEFT, MIDDLE, RIGHT, FAR_RIGHT = range(5)
Side = Literal["top", "bottom", "left", "right"]


@dataclass
class Wire:
    """How one edge runs: out of a side, through gaps and a gutter or as a curve, into a side."""

    source: Node
    target: Node
    out: Side
    into: Side
    leave: int | None = None
    gutter: int | None = None
    enter: int | None = None
    curve: bool = False
    via: list[Dummy] = field(default_factory=list)


def plan_routes(graph: nx.DiGraph[Any], placement: Placement) -> dict[tuple[Node, Node], Wire]:
    """The route of every edge; gaps and gutters by number, without coordinates."""
    planner = _Planner(graph, placement)
    return {(u, v): planner.route(u, v) for u in placement.order for v in graph.succ[u]}


class _Planner:
    def __init__(self, graph: nx.DiGraph[Any], placement: Placement) -> None:
        self.graph, self.place = graph, placement
        rows = [r for lane in placement.rows for r in lane if r]
        self.first = {r[0] for r in rows}
        self.last = {r[-1] for r in rows}

    def route(self, u: Node, v: Node) -> Wire:
        p = self.place
        if p.host.get(u) == v:
            return Wire(u, v, "right", "left")
        from_lane, to_lane = p.lane[u], p.lane[v]
        path = p.dummies.get((u, v))
        near = sum(1 for s in self.graph.succ[u] if p.lane[s] == from_lane) <= FAN
        if path is not None and from_lane == to_lane and (near or path):
            up = to_lane == BACKWARD
            return Wire(u, v, "top" if up else "bottom", "bottom" if up else "top", curve=True, via=path)
        wire = self.ends(u, v)
        if path and to_lane == UPDATE:
            wire.enter, wire.via = p.main_rows, path
        across = {p.lane[u], p.lane[v]} == {FORWARD, BACKWARD}
        if across or wire.leave != wire.enter:
            wire.gutter = self.gutter(u, v, wire)
            self.open_sides(u, v, wire)
        if wire.leave is not None and wire.leave == wire.enter:
            wire.gutter = None
        return wire

    def ends(self, u: Node, v: Node) -> Wire:
        """A wire that leaves and enters through the gaps where values flow: forward down, backward up."""
        p = self.place
        up_source, up_target = p.lane[u] == BACKWARD, p.lane[v] == BACKWARD
        enter = p.row[v] + 1 if up_target else p.row[v]
        leave = p.row[u] if up_source else p.row[u] + 1
        wire = Wire(
            u, v, "top" if up_source else "bottom", "bottom" if up_target else "top", leave, None, enter
        )
        if u in p.host:  # a chip's wire starts between the chip and its host and can take either gap
            wire.out = "right"
            wire.leave = p.row[u] if enter <= p.row[u] else p.row[u] + 1
        return wire

    def gutter(self, u: Node, v: Node, wire: Wire) -> int:
        p = self.place
        source, target = p.lane[u], p.lane[v]
        if UPDATE in (source, target):
            entry = wire.enter == p.main_rows and source != UPDATE
            if BACKWARD in (source, target):
                return RIGHT if entry else FAR_RIGHT
            return LEFT if entry else FAR_LEFT
        if source != target:
            return MIDDLE
        return LEFT if source == FORWARD else RIGHT

    def open_sides(self, u: Node, v: Node, wire: Wire) -> None:
        """Go straight between a node's side and the gutter where no other node stands in between."""
        p = self.place
        left_of_source = {FORWARD: (FAR_LEFT, LEFT), BACKWARD: (MIDDLE,), UPDATE: (FAR_LEFT,)}
        right_of_source = {FORWARD: (MIDDLE,), BACKWARD: (RIGHT, FAR_RIGHT), UPDATE: (FAR_RIGHT,)}
        lane = p.lane[u]
        if u in p.host:
            if p.host[u] in self.first and wire.gutter in left_of_source[lane]:
                wire.out, wire.leave = "left", None
        elif u in self.last and wire.gutter in right_of_source[lane]:
            wire.out, wire.leave = "right", None
        elif u in self.first and wire.gutter in left_of_source[lane] and u not in p.chips:
            wire.out, wire.leave = "left", None
        if p.lane[v] == BACKWARD and wire.gutter == MIDDLE and v in self.first and v not in p.chips:
            wire.into, wire.enter = "left", None
