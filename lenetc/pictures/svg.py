"""Pictures and exchange formats of a training graph: SVG, DOT and GraphML.

All three read the same node attributes of a `networkx.DiGraph` whose edges run from a value to its readers:

- `label`: what the node does (`conv2d`); the node's name when absent
- `detail`: its type (`f32[N,6,28,28]`)
- `group`: the path of the module it came from (`features.0`), or ""
- `phase`: one of `input`, `state`, `forward`, `backward`, `update`, `result`; `forward` when absent
- `tooltip`: a longer text, shown when the pointer rests on the node

and the edge attribute `label`. Every attribute is optional.
"""

from __future__ import annotations

from collections.abc import Hashable
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape, quoteattr

import networkx as nx

from lenetc.pictures.geometry import Box, Drawing
from lenetc.pictures.placement import BACKWARD, FORWARD, UPDATE
from lenetc.pictures.routes import FAN, Wire
from lenetc.pictures.wires import arrange

# Of each phase: fill, outline, edge, faint edge. Text is dark on every fill.
COLOURS = {
    "input": ("#eceff3", "#66758a", "#7d8a9c", "#ccd3db"),
    "state": ("#fdf3d3", "#c29a1b", "#cda93a", "#ecdca8"),
    "forward": ("#deebfc", "#3b78c8", "#4a83cd", "#bcd2ef"),
    "backward": ("#fde3d8", "#d0643a", "#d87449", "#f2c8b5"),
    "update": ("#dff2e1", "#3f9450", "#55a465", "#bfe0c5"),
    "result": ("#ebe3f8", "#7d58b8", "#8f6fc4", "#d5c8ea"),
}
LANE_TITLES = {FORWARD: "forward ↓", BACKWARD: "backward ↑", UPDATE: "update ↓"}
MARGIN, HEADER, LABEL_COLUMN = 24.0, 106.0, 12.0
BOX_HEIGHT, CHIP_HEIGHT, LONGEST_TEXT = 38.0, 20.0, 34
CORNER = 6.0
STYLE = """
text{font-family:"Helvetica Neue",Helvetica,Arial,"Liberation Sans",sans-serif;fill:#1d2733}
.label{font-size:13px;font-weight:600}
.chip .label{font-size:11px;font-weight:500}
.detail{font-family:"DejaVu Sans Mono",Menlo,Consolas,monospace;font-size:10px;fill:#4d5b6b}
.chip .detail{font-size:9px}
.title{font-size:20px;font-weight:700}
.legend,.count{font-size:12px;fill:#4d5b6b}
.lane{font-size:13px;font-weight:600;fill:#66758a;paint-order:stroke;stroke:#fff;stroke-width:4px}
.group{font-size:12px;font-weight:600;fill:#8793a3}
.band{fill:#f5f7fa}
.node rect{stroke-width:1.3}
.edge{fill:none;stroke-width:1.5;stroke-linejoin:round}
.faint{stroke-width:1.1}
.node:hover rect{stroke-width:2.6}
.edge:hover{stroke-width:3.5}
"""


def draw_svg(graph: nx.DiGraph[Any], *, title: str) -> str:
    """A training graph as one standalone SVG document (text).

    Forward runs down on the left, backward up beside it in the same rows, the update below; states stand
    beside their first reader, and a light band joins the rows of one module. Coordinates are CSS pixels; the
    document scales by its `viewBox`. Each node is a `<g class="node" data-node="...">`, each edge a `<path
    class="edge" data-from="..." data-to="...">` whose ends lie on the outlines of the two boxes. The same
    graph gives the same text.

    Raises ValueError for a cycle or an unknown phase.
    """
    _check_phases(graph)
    names = {
        _text(graph, v, "group") for v in graph if _text(graph, v, "phase") in ("forward", "backward")
    } - {""}
    label_width = max((2 * LABEL_COLUMN + 7.0 * len(_short(name)) for name in names), default=0.0)
    drawing = arrange(graph, {v: _size(graph, v) for v in graph}, label_width)
    phases = [p for p in COLOURS if any(_text(graph, v, "phase") == p for v in graph)]
    width = max(
        drawing.width + 2 * MARGIN, 2 * MARGIN + 92.0 * len(phases), 2 * MARGIN + 11.5 * len(title), 260.0
    )
    height = HEADER + drawing.height + MARGIN
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_n(width)} {_n(height)}" '
        f'width="{_n(width)}" height="{_n(height)}" role="img">',
        f"<title>{escape(title)}</title>",
        f"<style>{escape(STYLE)}</style>",
        "<defs>",
        *(_marker(phase) for phase in phases),
        "</defs>",
        '<rect width="100%" height="100%" fill="#ffffff"/>',
        f'<text class="title" x="{_n(MARGIN)}" y="38">{escape(title)}</text>',
        *_legend(phases),
        f'<g transform="translate({_n(MARGIN)} {_n(HEADER)})">',
    ]
    for name, top, bottom in _bands(graph, drawing):
        y, tall = drawing.row_top[top] - 9, drawing.row_bottom[bottom] - drawing.row_top[top] + 18
        right = drawing.main_right
        start = drawing.main_left
        out.append(
            f'<rect class="band" x="{_n(start)}" y="{_n(y)}" width="{_n(right - start)}" '
            f'height="{_n(tall)}" rx="8"/>'
            f'<text class="group" x="{_n(start + LABEL_COLUMN)}" y="{_n(y + tall / 2 + 4)}">'
            f"{escape(_short(name))}</text>"
        )
    wires = sorted(drawing.wires.items(), key=lambda item: not _faint(graph, drawing, item[1]))
    out += [_edge(graph, drawing, wire) for _, wire in wires]
    out += _lane_titles(drawing)
    out += [_node(graph, v, drawing.boxes[v]) for v in graph]
    out += ["</g>", "</svg>"]
    return "\n".join(out) + "\n"


def to_dot(graph: nx.DiGraph[Any]) -> str:
    """The graph in Graphviz's DOT language (text), modules as clusters.

    Graphviz places nodes without lanes; the colours are those of `draw_svg`. Raises ValueError for an
    unknown phase.
    """
    _check_phases(graph)
    ids = {v: f"n{i}" for i, v in enumerate(graph)}
    out = [
        "digraph training_step {",
        '  graph [fontname="sans-serif", rankdir=TB];',
        '  node [shape=box, style="rounded,filled", fontname="sans-serif", fontsize=11];',
        "  edge [arrowsize=0.6];",
    ]
    groups: dict[str, list[Hashable]] = {}
    for v in graph:
        groups.setdefault(_text(graph, v, "group"), []).append(v)
    for i, (group, members) in enumerate(groups.items()):
        if group:
            out.append(f"  subgraph cluster_{i} {{")
            out.append(f'    label={_dot(group)}; color="#b8c2cf"; style=rounded;')
        for v in members:
            fill, line, _, _ = COLOURS[_text(graph, v, "phase")]
            lines = [_text(graph, v, "label"), _text(graph, v, "detail")]
            attributes = {
                "label": "\n".join(line for line in lines if line),
                "tooltip": _text(graph, v, "tooltip") or str(v),
                "fillcolor": fill,
                "color": line,
                "phase": _text(graph, v, "phase"),
                "group": group,
            }
            listed = ", ".join(f"{name}={_dot(value)}" for name, value in attributes.items() if value)
            out.append(f"    {ids[v]} [{listed}];")
        if group:
            out.append("  }")
    for u, v, label in graph.edges(data="label"):
        colour = _dot(COLOURS[_text(graph, u, "phase")][2])
        shown = f", label={_dot(str(label))}" if label else ""
        out.append(f"  {ids[u]} -> {ids[v]} [color={colour}{shown}];")
    out.append("}")
    return "\n".join(out) + "\n"


def to_graphml(graph: nx.DiGraph[Any], path: str | Path) -> None:
    """Write the graph with its attributes as GraphML, which `networkx.read_graphml`, yEd and Gephi read.

    Node names become strings. Raises OSError if the file cannot be written.
    """
    nx.write_graphml_xml(graph, path)


def _check_phases(graph: nx.DiGraph[Any]) -> None:
    for v in graph:
        phase = _text(graph, v, "phase")
        if phase not in COLOURS:
            known = ", ".join(COLOURS)
            raise ValueError(f"node {v!s} has the phase {phase!r}; a phase is one of {known}")


def _text(graph: nx.DiGraph[Any], v: Hashable, attribute: str) -> str:
    default = {"label": str(v), "phase": "forward"}.get(attribute, "")
    return str(graph.nodes[v].get(attribute, default))


def _short(text: str) -> str:
    return text if len(text) <= LONGEST_TEXT else text[: LONGEST_TEXT - 1] + "…"


def _n(value: float) -> str:
    """A coordinate with at most one decimal, so that the text is short and the same on every machine."""
    return f"{round(value, 1) + 0.0:.1f}".removesuffix(".0")


def _is_chip(graph: nx.DiGraph[Any], v: Hashable) -> bool:
    """Whether a node is drawn small, on one line: a state that an operation above the update reads."""
    readers = (_text(graph, s, "phase") for s in graph.succ[v])
    return _text(graph, v, "phase") == "state" and any(p in ("forward", "backward") for p in readers)


def _size(graph: nx.DiGraph[Any], v: Hashable) -> tuple[float, float]:
    """Width and height of a node's box, from generous estimates of the width of its two texts."""
    label, detail = len(_short(_text(graph, v, "label"))), len(_short(_text(graph, v, "detail")))
    if _is_chip(graph, v):
        return round(6.2 * label + 5.6 * detail + (22 if detail else 14), 1), CHIP_HEIGHT
    return round(max(7.9 * label, 6.2 * detail, 34) + 18, 1), BOX_HEIGHT


def _bands(graph: nx.DiGraph[Any], drawing: Drawing) -> list[tuple[str, int, int]]:
    """Name, first and last row of each module whose rows no other module shares."""
    rows: dict[str, list[int]] = {}
    owners: dict[int, set[str]] = {}
    for v in graph:
        group, lane = _text(graph, v, "group"), drawing.placement.lane[v]
        if group and lane != UPDATE:
            rows.setdefault(group, []).append(drawing.placement.row[v])
    spans = {group: (min(r), max(r)) for group, r in rows.items()}
    for group, (top, bottom) in spans.items():
        for r in range(top, bottom + 1):
            owners.setdefault(r, set()).add(group)
    return [
        (group, top, bottom)
        for group, (top, bottom) in spans.items()
        if all(owners[r] == {group} for r in range(top, bottom + 1))
    ]


def _faint(graph: nx.DiGraph[Any], drawing: Drawing, wire: Wire) -> bool:
    """Edges that explain little for their ink: weights on their way to the update, values read widely."""
    lane = drawing.placement.lane
    if drawing.placement.host.get(wire.source) == wire.target:
        return False
    return graph.out_degree(wire.source) > FAN or (
        lane[wire.source] == FORWARD and lane[wire.target] == UPDATE
    )


def _marker(phase: str) -> str:
    strong, pale = COLOURS[phase][2:]
    return "".join(
        f'<marker id="{name}" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="{size}" markerHeight="{size}" '
        f'markerUnits="userSpaceOnUse" orient="auto"><path d="M0 0.8 8 4 0 7.2Z" fill="{colour}"/></marker>'
        for name, colour, size in ((f"to-{phase}", strong, 8), (f"to-{phase}-faint", pale, 7))
    )


def _legend(phases: list[str]) -> list[str]:
    out = []
    x = MARGIN
    for phase in phases:
        fill, line, _, _ = COLOURS[phase]
        out.append(
            f'<rect x="{_n(x)}" y="53" width="14" height="14" rx="3" fill="{fill}" stroke="{line}"/>'
            f'<text class="legend" x="{_n(x + 20)}" y="64.5">{phase}</text>'
        )
        x += 92
    return out


def _lane_titles(drawing: Drawing) -> list[str]:
    out = []
    for lane, (left, _) in drawing.lane_span.items():
        row = drawing.placement.main_rows if lane == UPDATE else 0
        y = drawing.row_bottom[row - 1] + 30 if row else -4.0
        out.append(f'<text class="lane" x="{_n(left)}" y="{_n(y)}">{LANE_TITLES[lane]}</text>')
    return out


def _node(graph: nx.DiGraph[Any], v: Hashable, box: Box) -> str:
    fill, line, _, _ = COLOURS[_text(graph, v, "phase")]
    label, detail = escape(_short(_text(graph, v, "label"))), escape(_short(_text(graph, v, "detail")))
    chip = _is_chip(graph, v)
    shape = (
        f'<rect x="{_n(box.left)}" y="{_n(box.top)}" width="{_n(box.width)}" height="{_n(box.height)}" '
        f'rx="{10 if chip else 6}" fill="{fill}" stroke="{line}"/>'
    )
    if chip and detail:
        text = (
            f'<text class="label" x="{_n(box.left + 9)}" y="{_n(box.y + 4)}">{label}</text>'
            f'<text class="detail" x="{_n(box.right - 9)}" y="{_n(box.y + 3.5)}" text-anchor="end">'
            f"{detail}</text>"
        )
    elif detail:
        text = (
            f'<text class="label" x="{_n(box.x)}" y="{_n(box.y - 2)}" text-anchor="middle">{label}</text>'
            f'<text class="detail" x="{_n(box.x)}" y="{_n(box.y + 12)}" text-anchor="middle">{detail}</text>'
        )
    else:
        text = (
            f'<text class="label" x="{_n(box.x)}" y="{_n(box.y + 4.5)}" text-anchor="middle">{label}</text>'
        )
    lines = [
        _text(graph, v, "tooltip") or _text(graph, v, "label"),
        _text(graph, v, "detail"),
        _text(graph, v, "group"),
    ]
    tooltip = escape("\n".join(line for line in lines if line))
    name = quoteattr(str(v))
    return (
        f'<g class="node{" chip" if chip else ""}" data-node={name}><title>{tooltip}</title>{shape}{text}</g>'
    )


def _edge(graph: nx.DiGraph[Any], drawing: Drawing, wire: Wire) -> str:
    u, v = wire.source, wire.target
    phase = _text(graph, u, "phase")
    faint = _faint(graph, drawing, wire)
    colour = COLOURS[phase][3 if faint else 2]
    path = _path(drawing.paths[u, v], drawing.curved[u, v])
    label = graph.edges[u, v].get("label") or _text(graph, u, "detail")
    tooltip = f"{_text(graph, u, 'label')} → {_text(graph, v, 'label')}" + (f": {label}" if label else "")
    return (
        f'<path class="edge{" faint" if faint else ""}" '
        f"data-from={quoteattr(str(u))} data-to={quoteattr(str(v))} "
        f'd="{path}" stroke="{colour}" marker-end="url(#to-{phase}{"-faint" if faint else ""})">'
        f"<title>{escape(tooltip)}</title></path>"
    )


def _path(points: list[tuple[float, float]], curved: list[bool]) -> str:
    """SVG path data: straight pieces with rounded corners between them, S-curves with vertical ends."""
    out = [f"M{_n(points[0][0])} {_n(points[0][1])}"]
    for i, (x, y) in enumerate(points[1:]):
        px, py = points[i]
        if curved[i]:
            middle = (py + y) / 2
            out.append(f"C{_n(px)} {_n(middle)} {_n(x)} {_n(middle)} {_n(x)} {_n(y)}")
        elif i + 1 < len(curved) and not curved[i + 1] and i + 2 < len(points):
            nx_, ny = points[i + 2]
            before, after = abs(x - px) + abs(y - py), abs(nx_ - x) + abs(ny - y)
            r = min(CORNER, before / 2, after / 2)
            ax, ay = x + (px - x) / before * r, y + (py - y) / before * r
            bx, by = x + (nx_ - x) / after * r, y + (ny - y) / after * r
            out.append(f"L{_n(ax)} {_n(ay)}Q{_n(x)} {_n(y)} {_n(bx)} {_n(by)}")
        else:
            out.append(f"L{_n(x)} {_n(y)}")
    return "".join(out)


def _dot(text: str) -> str:
    """A DOT string: quotes and backslashes escaped, so that no text acts as an escape sequence."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\r", "").replace("\n", "\\n") + '"'
