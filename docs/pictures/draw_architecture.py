"""Draw architecture.svg: the rooms of the house in the order that pyproject.toml holds them to, and the way of a call
of a compiled step through them."""

from __future__ import annotations

import textwrap
import tomllib
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape

HERE = Path(__file__).parent
WHAT = {
    "cli": "the command lenetc: train, export, examine, check, bake, tune, bench",
    "training": "the main job: LeNet on digits",
    "migration": "from onnxruntime-training",
    "artifact": "exported folders, checkpoints",
    "pictures": "graphs and trainings drawn",
    "profiling": "where the time of a call goes",
    "tuning": "what strategies cost here",
    "importer": "ONNX files become modules",
    "compiler": "a function becomes a program: trace, guards, program, calls",
    "distributions": "samples, densities, divergences",
    "lenet": "the tutorial's network",
    "nn": "modules, functional, init",
    "linalg": "matrices taken apart, equations",
    "fft": "frequencies",
    "signal": "windows",
    "testing": "assert_close",
    "special": "special functions by their names",
    "optim": "optimizers, schedules of rates",
    "data": "digits, batches ahead",
    "utils": "datasets, loaders, event files",
    "func": "derivatives as functions",
    "operations": "PyTorch's functions and methods of a tensor",
    "autograd": "backward from tensors, autograd.Function",
    "tensors": "the Tensor: its parts, its text, grad_fn",
    "evaluation": "cells that hold values, traces, lazy evaluation",
    "runtime": "ONNX Runtime: devices, memory, sessions, threads",
    "emit": "IR → ONNX",
    "pipeline": "the passes in order",
    "kernels": "fuse, pack, lanes, order",
    "tiling": "tiles, parts, hoist",
    "strategies": "ways to compute convolutions and pools, costs, the choice",
    "layouts": "values batch-first or batch-last",
    "rewrite": "match, driver, rules right on any graph",
    "autodiff": "the driver, the table of gradients",
    "target": "what is compiled for",
    "ir": "the language: types, dims, nodes, ops, text, verifier, interpreter",
}
FACES = {
    "__main__",
    "accepted",
    "amp",
    "cuda",
    "paths",
}  # names that users know, each a few lines over another room
BLUE, ORANGE, GREEN, GREY = (
    ("#deebfc", "#3b78c8"),
    ("#fde3d8", "#d0643a"),
    ("#dff2e1", "#3f9450"),
    ("#eceff3", "#66758a"),
)
LEFT, RIGHT, TOP, GAP = 24, 724, 92, 10
CALLER = 132.0  # lower side of the box that calls
STYLE = """
text{font-family:"Helvetica Neue",Helvetica,Arial,"Liberation Sans","DejaVu Sans",sans-serif;fill:#1d2733}
.title{font-size:20px;font-weight:700}
.lane{font-size:13px;font-weight:600;fill:#66758a}
.name{font-size:13px;font-weight:600}
.detail,.stop{font-size:11px;fill:#4d5b6b}
.stop{paint-order:stroke;stroke:#fff;stroke-width:4px}
.way{fill:none;stroke-width:2;stroke-linejoin:round}
.guide{stroke:#e3e8ee;stroke-width:1;stroke-dasharray:2 4}
"""


@dataclass(frozen=True)
class Row:
    """A floor of the house: its rooms side by side."""

    rooms: list[str]
    top: float
    height: float
    colours: tuple[str, str]  # fill, outline

    @property
    def middle(self) -> float:
        return self.top + self.height / 2


# A stop on a way: the room, how far from the middle of its row, and what happens there.
Stop = tuple[str, float, str]
TRACE_DOWN: list[Stop] = [
    ("compiler", -22, "no program fits the call: the function is traced"),
    ("nn", 0, "its Python runs once: forward, loss.backward(), optimizer.step()"),
    ("operations", 0, "each operation adds a node: the type is known, no value is"),
    ("autograd", 0, "backward adds the nodes of the gradients"),
    ("evaluation", 0, "the trace notes which cells were read, and which replaced"),
    ("pipeline", 0, "a pure function: (batch, state) → (results, state)"),
]
TRACE_UP: list[Stop] = [
    ("emit", 0, "an ONNX model"),
    ("runtime", 0, "a session has the model"),
    ("compiler", 26, "program, cells and guards are kept; on as at every call"),
]
RUN_DOWN: list[Stop] = [
    ("compiler", -22, "signature known, guards hold"),
    ("evaluation", 0, "cells give memory to read and to write"),
]
RUN_UP: list[Stop] = [
    ("runtime", 0, "the batch is fed; one run"),
    ("compiler", 26, "results become tensors"),
]


def layers(package: str) -> list[list[str]]:
    """The rooms of a package from top to bottom, as the linter's contract has them."""
    contracts = tomllib.loads((HERE.parents[1] / "pyproject.toml").read_text())["tool"]["importlinter"][
        "contracts"
    ]
    found = next(c["layers"] for c in contracts if c.get("containers") == [package])
    return [[room for room in layer.split(" | ") if room not in FACES] for layer in found]


def width_of(floor: list[str]) -> float:
    return (RIGHT - LEFT + GAP) / len(floor) - GAP


def said(room: str, floor: list[str]) -> list[str]:
    """What a room is for, in lines as wide as its box."""
    return textwrap.wrap(WHAT[room], int(width_of(floor) / 6.2), break_on_hyphens=False)


def rows() -> list[Row]:
    *upper, tools = layers("lenetc")
    passes = layers("passes")
    floors = [*filter(None, upper), tools, *passes, ["ir"]]
    drawn = {room for floor in floors if floor is not tools for room in floor}
    assert drawn == set(WHAT), f"say what these rooms are for: {drawn ^ set(WHAT)}"
    found, top = [], float(TOP)
    for floor in floors:
        height = (
            28 if floor is tools or floor in passes else 31 + 15 * max(len(said(r, floor)) for r in floor)
        )
        if floor == ["compiler"]:
            height = 96  # the ways have two stops there
        if floor in (passes[0], ["ir"]):
            top += 14
        colours = ORANGE if floor in passes else GREEN if floor == ["ir"] else BLUE
        found.append(Row(floor, top, height, colours))
        top += height + (6 if floor in passes else GAP)
    return found


def text(x: float, y: float, kind: str, content: str, anchor: str = "start") -> str:
    return f'<text x="{x:g}" y="{y:g}" class="{kind}" text-anchor="{anchor}">{escape(content)}</text>'


def box(left: float, right: float, row: Row, name: str) -> list[str]:
    fill, outline = row.colours
    frame = (
        f'<rect x="{left:g}" y="{row.top:g}" width="{right - left:g}" height="{row.height:g}" rx="6" fill="{fill}" '
        f'stroke="{outline}" stroke-width="1.3"/>'
    )
    if row.height < 40:
        return [
            frame,
            text(left + 12, row.middle + 4.5, "name", name),
            text(left + 100, row.middle + 4, "detail", WHAT[name]),
        ]
    lines = said(name, row.rooms)
    middle, first = (left + right) / 2, row.middle + 5 - 7.5 * len(lines)
    details = (text(middle, first + 15 * (i + 1), "detail", line, "middle") for i, line in enumerate(lines))
    return [frame, text(middle, first, "name", name, "middle"), *details]


def house(floors: list[Row]) -> list[str]:
    parts = []
    for row in floors:
        if row.rooms[0] not in WHAT:  # single files, which all may use
            parts.append(text((LEFT + RIGHT) / 2, row.middle + 4, "detail", " · ".join(row.rooms), "middle"))
        else:
            width = width_of(row.rooms)
            for i, room in enumerate(row.rooms):
                left = LEFT + i * (width + GAP)
                parts += box(left, left + width, row, room)
    return parts


def way(
    down: list[Stop], up: list[Stop], left: float, right: float, end: float, at: dict[str, float], colour: str
) -> list[str]:
    """A line from the caller down through some rooms and up again through others to `end`, with a word at each."""
    lowest = max(at[room] + by for room, by, _ in (*down, *up)) + 22
    parts = [
        f'<path class="way" stroke="{colour}" marker-end="url(#arrow-{colour[1:]})" '
        f'd="M{left:g} {CALLER:g} V{lowest:g} H{right:g} V{end:g}"/>'
    ]
    for stops, x, side, anchor in ((down, left, 12, "start"), (up, right, -12, "end")):
        for room, by, what in stops:
            y = at[room] + by
            parts.append(f'<circle cx="{x:g}" cy="{y:g}" r="4.5" fill="{colour}"/>')
            parts.append(text(x + side, y + 4, "stop", what, anchor))
    return parts


def draw() -> str:
    floors = rows()
    at = {room: row.middle for row in floors for room in row.rooms}
    width, height = 1532, floors[-1].top + floors[-1].height + 36
    traced, run = BLUE[1], GREEN[1]
    arrows = "".join(
        f'<marker id="arrow-{c[1:]}" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="9" markerHeight="9" '
        f'markerUnits="userSpaceOnUse" orient="auto"><path d="M0 0.8 8 4 0 7.2Z" fill="{c}"/></marker>'
        for c in (traced, run)
    )
    guides = [
        f'<path class="guide" d="M{RIGHT + 8} {row.middle:g} H{width - 24}"/>'
        for row in floors
        if {"nn", "operations", "autograd", "evaluation", "runtime", "pipeline"} & set(row.rooms)
    ]
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height:g}" width="{width}" '
        f'height="{height:g}" role="img">',
        "<title>The rooms of lenetc, and the way of a call through them</title>",
        f"<style>{STYLE}</style><defs>{arrows}</defs>",
        f'<rect width="{width}" height="{height:g}" fill="#fff"/>',
        text(LEFT, 40, "title", "The rooms of lenetc, and the way of a call through them"),
        text(LEFT, 72, "lane", "rooms: each may import those below it"),
        text(776, 72, "lane", "where nothing fits yet: trace and compile"),
        text(1252, 72, "lane", "every call: one run"),
        *guides,
        *house(floors),
        *way(TRACE_DOWN, TRACE_UP, 764, 1194, at["compiler"] + 35, at, traced),
        *way(RUN_DOWN, RUN_UP, 1240, 1504, CALLER, at, run),
        text(
            776,
            at["kernels"] + 12,
            "stop",
            "simplify, tile, strategies, hoist, fuse, order: after each a graph",
        ),
        text(776, at["kernels"] + 28, "stop", "that can be printed, verified, interpreted, drawn"),
        f'<rect x="744" y="{TOP}" width="{width - 24 - 744}" height="{CALLER - TOP:g}" rx="6" fill="{GREY[0]}" '
        f'stroke="{GREY[1]}" stroke-width="1.3"/>',
        text((744 + width - 24) / 2, (TOP + CALLER) / 2 + 4, "name", "loss = step(images, labels)", "middle"),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


if __name__ == "__main__":
    (HERE / "architecture.svg").write_text(draw())
