"""The drawing layer, on the graph of a LeNet training step and on graphs of every size and shape."""

from __future__ import annotations

import itertools
import random
import re
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import networkx as nx
import pytest

from lenetc.pictures.geometry import Box
from lenetc.pictures.placement import place
from lenetc.pictures.svg import draw_svg, to_dot, to_graphml
from lenetc.pictures.wires import arrange

SVG = "{http://www.w3.org/2000/svg}"
PHASES = ("input", "state", "forward", "backward", "update", "result")


def lenet_step(momentum: bool = False) -> nx.DiGraph[Any]:
    """LeNet on digits: forward, MSE loss, backward, and SGD (with momentum if asked) of ten parameters."""
    g: nx.DiGraph[Any] = nx.DiGraph()

    def node(name: str, label: str, detail: str, phase: str, group: str, *reads: str) -> str:
        line = f"{name}: {detail} = {label}({', '.join(reads)})"
        g.add_node(name, label=label, detail=detail, phase=phase, group=group, tooltip=line)
        for read in dict.fromkeys(reads):
            g.add_edge(read, name, label=g.nodes[read]["detail"])
        return name

    def state(name: str, detail: str) -> str:
        return node(name, name, detail, "state", name.rpartition(".")[0])

    node("images", "images", "f32[N,1,32,32]", "input", "")
    node("labels", "labels", "i64[N]", "input", "")
    node("lr", "lr", "f32[]", "input", "")
    convs = {"conv1": ((6, 1, 5, 5), 28), "conv2": ((16, 6, 5, 5), 10)}
    linears = {"fc1": (120, 400), "fc2": (84, 120), "fc3": (10, 84)}
    shapes: dict[str, str] = {}
    value, tape = "images", []
    for name, (weight, side) in convs.items():
        shapes[f"{name}.weight"] = f"f32[{','.join(map(str, weight))}]"
        shapes[f"{name}.bias"] = f"f32[{weight[0]}]"
        w, b = (state(f"{name}.{p}", shapes[f"{name}.{p}"]) for p in ("weight", "bias"))
        full, half = f"f32[N,{weight[0]},{side},{side}]", f"f32[N,{weight[0]},{side // 2},{side // 2}]"
        conv = node(f"{name}.out", "conv2d", full, "forward", name, value, w, b)
        relu = node(f"{name}.relu", "relu", full, "forward", "", conv)
        pool = node(f"{name}.pool", "max_pool2d", half, "forward", "", relu)
        tape.append((name, value, w, conv, relu, pool, full))
        value = pool
    flat = node("flat", "reshape", "f32[N,400]", "forward", "", value)
    value, dense = flat, []
    for name, (rows, columns) in linears.items():
        shapes[f"{name}.weight"], shapes[f"{name}.bias"] = f"f32[{rows},{columns}]", f"f32[{rows}]"
        w, b = (state(f"{name}.{p}", shapes[f"{name}.{p}"]) for p in ("weight", "bias"))
        out = node(f"{name}.out", "linear", f"f32[N,{rows}]", "forward", name, value, w, b)
        act = node(f"{name}.relu", "relu", f"f32[N,{rows}]", "forward", "", out) if name != "fc3" else out
        dense.append((name, value, w, out, act, f"f32[N,{rows}]", f"f32[N,{columns}]"))
        value = act
    onehot = node("onehot", "one_hot", "f32[N,10]", "forward", "", "labels")
    error = node("error", "sub", "f32[N,10]", "forward", "loss", value, onehot)
    square = node("square", "mul", "f32[N,10]", "forward", "loss", error)
    node("loss", "mean", "f32[]", "forward", "loss", square)
    node("result.loss", "loss", "f32[]", "result", "", "loss")
    grad = node("g.error", "mul", "f32[N,10]", "backward", "loss", error)
    grads: dict[str, str] = {}
    for name, x, w, out, act, type_, in_type in reversed(dense):
        if act != out:
            grad = node(f"g.{name}.relu", "relu_grad", type_, "backward", "", grad, act)
        grads[f"{name}.weight"] = node(
            f"g.{name}.w", "matmul", shapes[f"{name}.weight"], "backward", name, grad, x
        )
        grads[f"{name}.bias"] = node(f"g.{name}.b", "sum", shapes[f"{name}.bias"], "backward", name, grad)
        grad = node(f"g.{name}.x", "matmul", in_type, "backward", name, grad, w)
    grad = node("g.flat", "reshape", "f32[N,16,5,5]", "backward", "", grad)
    for name, x, w, _, relu, pool, full in reversed(tape):
        grad = node(f"g.{name}.pool", "max_pool2d_grad", full, "backward", "", grad, relu, pool)
        grad = node(f"g.{name}.relu", "relu_grad", full, "backward", "", grad, relu)
        weight = node(
            f"g.{name}.w", "conv2d_weight_grad", shapes[f"{name}.weight"], "backward", name, grad, x
        )
        grads[f"{name}.weight"] = weight
        grads[f"{name}.bias"] = node(f"g.{name}.b", "sum", shapes[f"{name}.bias"], "backward", name, grad)
        if name != "conv1":
            grad = node(f"g.{name}.x", "conv2d_input_grad", "f32[N,6,14,14]", "backward", name, grad, w)
    for name, shape in shapes.items():
        group, change = name.rpartition(".")[0], grads[name]
        if momentum:
            buffer = state(f"{name}.buf", shape)
            decayed = node(f"{name}.decay", "mul", shape, "update", group, buffer)
            change = node(f"{name}.buf_new", "add", shape, "update", group, decayed, change)
            node(f"result.{name}.buf", f"{name}.buf", shape, "result", group, change)
        scaled = node(f"{name}.step", "mul", shape, "update", group, "lr", change)
        new = node(f"{name}.new", "sub", shape, "update", group, name, scaled)
        node(f"result.{name}", name, shape, "result", group, new)
    return g


def random_step(seed: int, count: int = 60, reach: int = 15) -> nx.DiGraph[Any]:
    """A random graph with random phases: also edges no training step has, such as update to forward."""
    chance = random.Random(seed)
    g: nx.DiGraph[Any] = nx.DiGraph()
    for i in range(count):
        g.add_node(
            f"v{i}", phase=chance.choice(PHASES), group=chance.choice(["", "a", "b.c"]), detail="f32[N]"
        )
        for _ in range(2 if i else 0):
            g.add_edge(f"v{chance.randrange(max(0, i - reach), i)}", f"v{i}")
    return g


GRAPHS = {
    "lenet": lenet_step(),
    "lenet-momentum": lenet_step(momentum=True),
    "one": nx.DiGraph([]),
    **{f"random-{seed}": random_step(seed) for seed in range(12)},
}
GRAPHS["one"].add_node("alone")


@pytest.fixture(params=GRAPHS)
def graph(request: pytest.FixtureRequest) -> nx.DiGraph[Any]:
    return GRAPHS[request.param]


def boxes(root: ET.Element) -> dict[str, Box]:
    """The rectangle of every drawn node, by name; fails if a name comes twice."""
    found: dict[str, Box] = {}
    for g in root.iter(f"{SVG}g"):
        if "data-node" in g.attrib:
            rect = g.find(f"{SVG}rect")
            assert rect is not None and g.attrib["data-node"] not in found
            found[g.attrib["data-node"]] = Box(
                *(float(rect.attrib[k]) for k in ("x", "y", "width", "height"))
            )
    return found


def numbers(path: ET.Element) -> list[float]:
    return [float(n) for n in re.findall(r"-?[\d.]+", path.attrib["d"])]


def on_outline(box: Box, x: float, y: float) -> bool:
    inside = box.left - 0.11 <= x <= box.right + 0.11 and box.top - 0.11 <= y <= box.bottom + 0.11
    return (
        inside and min(abs(x - box.left), abs(x - box.right), abs(y - box.top), abs(y - box.bottom)) <= 0.11
    )


def test_every_node_and_edge_is_drawn_once(graph: nx.DiGraph[Any]) -> None:
    root = ET.fromstring(draw_svg(graph, title="step"))
    assert root.tag == f"{SVG}svg"
    assert set(boxes(root)) == set(graph)
    edges = [
        (p.attrib["data-from"], p.attrib["data-to"])
        for p in root.iter(f"{SVG}path")
        if "data-from" in p.attrib
    ]
    assert sorted(edges) == sorted(graph.edges)


def test_no_two_boxes_overlap_and_all_lie_on_the_page(graph: nx.DiGraph[Any]) -> None:
    root = ET.fromstring(draw_svg(graph, title="step"))
    _, _, width, height = (float(n) for n in root.attrib["viewBox"].split())
    shift = next(g.attrib["transform"] for g in root.iter(f"{SVG}g") if "transform" in g.attrib)
    dx, dy = (float(n) for n in re.findall(r"[\d.]+", shift))
    drawn = boxes(root)
    for box in drawn.values():
        assert box.left + dx >= 0 and box.right + dx <= width
        assert box.top + dy >= 0 and box.bottom + dy <= height
    for (u, a), (v, b) in itertools.combinations(drawn.items(), 2):
        apart = a.right < b.left or b.right < a.left or a.bottom < b.top or b.bottom < a.top
        assert apart, f"{u} and {v} overlap"


def test_edges_end_on_the_outlines_of_their_boxes(graph: nx.DiGraph[Any]) -> None:
    root = ET.fromstring(draw_svg(graph, title="step"))
    drawn = boxes(root)
    for path in root.iter(f"{SVG}path"):
        if "data-from" in path.attrib:
            at = numbers(path)
            assert on_outline(drawn[path.attrib["data-from"]], *at[:2]), path.attrib
            assert on_outline(drawn[path.attrib["data-to"]], *at[-2:]), path.attrib


def test_edges_run_round_the_boxes(graph: nx.DiGraph[Any]) -> None:
    """No straight piece of an edge passes through a node; curves stay in the gaps, where no node is."""
    drawing = arrange(graph, dict.fromkeys(graph, (100.0, 38.0)))
    for edge, points in drawing.paths.items():
        for (ax, ay), (bx, by) in itertools.pairwise(points):
            for v, box in drawing.boxes.items():
                apart_x = max(ax, bx) <= box.left + 0.01 or min(ax, bx) >= box.right - 0.01
                apart_y = max(ay, by) <= box.top + 0.01 or min(ay, by) >= box.bottom - 0.01
                assert apart_x or apart_y, f"{edge} passes through {v}"


def test_wires_of_two_values_never_lie_on_each_other() -> None:
    """Horizontal pieces of different values are apart, or a reader would take them for one value."""
    drawing = arrange(GRAPHS["lenet"], dict.fromkeys(GRAPHS["lenet"], (100.0, 38.0)))
    pieces = []
    for (u, _), points in drawing.paths.items():
        pieces += [
            (u, ay, min(ax, bx), max(ax, bx)) for (ax, ay), (bx, by) in itertools.pairwise(points) if ay == by
        ]
    for (u, y, low, high), (v, other, a, b) in itertools.combinations(pieces, 2):
        if u != v and abs(y - other) < 0.5:
            assert high <= a or b <= low, f"the wires of {u} and {v} overlap at y={y}"


def test_backward_stands_beside_forward_and_update_below() -> None:
    g = GRAPHS["lenet"]
    placed = place(g, dict.fromkeys(g, (100.0, 38.0)))
    for name in ("conv1", "conv2", "fc1", "fc2", "fc3"):
        assert placed.row[f"g.{name}.w"] == placed.row[f"g.{name}.b"] == placed.row[f"{name}.out"]
    for name in ("conv1", "conv2", "fc1", "fc2"):
        assert placed.row[f"g.{name}.relu"] == placed.row[f"{name}.relu"]
    last = max(placed.row[v] for v in g if g.nodes[v]["phase"] in ("forward", "backward"))
    assert all(placed.row[v] > last for v in g if g.nodes[v]["phase"] == "update")
    drawing = arrange(g, dict.fromkeys(g, (100.0, 38.0)))
    middle = drawing.lane_span[1][0]
    for v in g:
        if g.nodes[v]["phase"] in ("forward", "backward"):
            assert (drawing.boxes[v].left >= middle) == (g.nodes[v]["phase"] == "backward")
    # The chain of the forward pass is one straight line.
    assert {round(drawing.boxes[v].x, 3) for v in g if v.endswith((".out", ".pool")) and v[0] != "g"} == {
        round(drawing.boxes["conv1.out"].x, 3)
    }


def test_forward_makes_room_for_a_longer_backward() -> None:
    """Three backward operations of b push c down, so that c still stands beside its own gradient."""
    g: nx.DiGraph[Any] = nx.DiGraph([("a", "b"), ("b", "c")])
    g.add_edges_from([("g.c", "g.b3"), ("g.b3", "g.b2"), ("g.b2", "g.b1"), ("g.b1", "g.a")])
    for v in g:
        g.nodes[v].update(group=v.removeprefix("g.")[0], phase="backward" if v[:2] == "g." else "forward")
    row = place(g, dict.fromkeys(g, (100.0, 38.0))).row
    assert [row[v] for v in ("a", "b", "c")] == [row["g.a"], row["g.b1"], row["g.c"]] == [0, 1, 4]


def test_states_stand_beside_their_reader() -> None:
    g = GRAPHS["lenet"]
    drawing = arrange(g, dict.fromkeys(g, (100.0, 20.0)))
    for name in ("conv1", "fc3"):
        weight, reader = drawing.boxes[f"{name}.weight"], drawing.boxes[f"{name}.out"]
        assert 0 < reader.left - weight.right < 40
        assert abs(reader.y - weight.y) < 20


def test_special_characters_in_every_text() -> None:
    hard = "a<b> & \"c\" 'd' \\ \n <script>"
    g: nx.DiGraph[Any] = nx.DiGraph()
    g.add_node("in", label=hard, detail=hard, phase="input", group=hard, tooltip=hard)
    g.add_node('x"<&>', label=hard, detail=hard, phase="forward", group=hard, tooltip=hard)
    g.add_edge("in", 'x"<&>', label=hard)
    root = ET.fromstring(draw_svg(g, title=hard))
    assert root.findtext(f"{SVG}title") == hard
    assert set(boxes(root)) == set(g)
    texts = ["".join(t.itertext()) for t in root.iter(f"{SVG}text") if t.attrib["class"] == "label"]
    assert texts == [hard, hard]
    nodes, edges = parse_dot(to_dot(g))
    assert [n["tooltip"] for n in nodes.values()] == [hard, hard]
    assert [label for _, _, label in edges] == [hard]


def test_long_texts_are_cut_and_kept_whole_in_the_tooltip() -> None:
    g: nx.DiGraph[Any] = nx.DiGraph()
    g.add_node("n", label="x" * 300)
    svg = draw_svg(g, title="t")
    assert "x" * 300 in svg.split("<title>")[2]
    assert f">{'x' * 33}…</text>" in svg


def test_the_same_graph_gives_the_same_text() -> None:
    assert draw_svg(lenet_step(), title="t") == draw_svg(lenet_step(), title="t")
    assert to_dot(lenet_step()) == to_dot(lenet_step())


def test_missing_attributes_have_defaults() -> None:
    svg = draw_svg(nx.DiGraph([("a", "b")]), title="t")
    assert ">a</text>" in svg and ">b</text>" in svg


def test_an_empty_graph_is_a_page_with_a_title() -> None:
    assert ET.fromstring(draw_svg(nx.DiGraph(), title="nothing")).findtext(f"{SVG}title") == "nothing"


def test_bad_graphs_are_named() -> None:
    with pytest.raises(ValueError, match=r"cycle.*a -> b"):
        draw_svg(nx.DiGraph([("a", "b"), ("b", "a")]), title="t")
    g: nx.DiGraph[Any] = nx.DiGraph()
    g.add_node("n7", phase="sideways")
    for draw in (lambda: draw_svg(g, title="t"), lambda: to_dot(g)):
        with pytest.raises(ValueError, match=r"n7.*'sideways'.*input, state, forward"):
            draw()


@pytest.mark.parametrize(
    "edges",
    [
        [(i, i + 1) for i in range(1999)],
        [(0, i) for i in range(1, 2000)],
        [(i, 1999) for i in range(1999)],
        [(i, j) for i in range(1900) for j in (i + 1, i + 7, i + 60)],
    ],
    ids=["chain", "fan-out", "fan-in", "skips"],
)
def test_two_thousand_nodes(edges: list[tuple[int, int]]) -> None:
    g = nx.DiGraph(edges)
    assert len(boxes(ET.fromstring(draw_svg(g, title="large")))) == len(g)


def parse_dot(text: str) -> tuple[dict[str, dict[str, str]], list[tuple[str, str, str]]]:
    """Nodes with attributes and edges with labels of DOT text, by the tokens of the DOT grammar."""
    token = re.compile(
        r'\s+|(?P<string>"(?:[^"\\]|\\.)*")|(?P<id>[A-Za-z_][A-Za-z_0-9]*|-?[\d.]+)|(?P<sign>->|[{}\[\];=,])'
    )
    tokens, at = [], 0
    while at < len(text):
        match = token.match(text, at)
        assert match, f"not DOT: {text[at : at + 40]!r}"
        at = match.end()
        if match.lastgroup:
            tokens.append(match[0])
    assert tokens[0] == "digraph" and tokens.count("{") == tokens.count("}") and tokens[-1] == "}"
    unquote = {"\\\\": "\\", '\\"': '"', "\\n": "\n"}
    nodes: dict[str, dict[str, str]] = {}
    edges: list[tuple[str, str, str]] = []
    statement: list[str] = []
    for t in tokens:
        if t not in (";", "{", "}"):
            statement.append(t)
            continue
        if statement and re.fullmatch(r"n\d+", statement[0]):
            pairs = {
                statement[i - 1]: re.sub(r"\\.", lambda m: unquote[m[0]], statement[i + 1][1:-1])
                for i, s in enumerate(statement)
                if s == "="
            }
            if statement[1] == "->":
                edges.append((statement[0], statement[2], pairs.get("label", "")))
            else:
                nodes[statement[0]] = pairs
        statement = []
    return nodes, edges


def test_dot_has_every_node_and_edge(graph: nx.DiGraph[Any]) -> None:
    nodes, edges = parse_dot(to_dot(graph))
    ids = {v: f"n{i}" for i, v in enumerate(graph)}
    assert set(nodes) == set(ids.values())
    assert [(u, v) for u, v, _ in edges] == [(ids[u], ids[v]) for u, v in graph.edges]
    for v, data in graph.nodes(data=True):
        assert nodes[ids[v]]["label"].split("\n")[0] == data.get("label", v)
        assert nodes[ids[v]]["phase"] == data.get("phase", "forward")


def test_graphml_round_trip(tmp_path: Path) -> None:
    g = GRAPHS["lenet"]
    to_graphml(g, tmp_path / "step.graphml")
    back = nx.read_graphml(tmp_path / "step.graphml")
    assert dict(back.nodes(data=True)) == dict(g.nodes(data=True))
    assert list(back.edges(data=True)) == list(g.edges(data=True))
