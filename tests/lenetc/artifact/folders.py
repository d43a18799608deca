"""A small exported folder that is written by hand: what loads it cannot rely on how lenetc exports.

Linear regression by gradient descent: loss = mean((x * scale @ w - y)²), `scale` frozen; `seen` counts samples as a
buffer does, `optimizer.step` steps; `valid` is false where an element of x is 1000 or more.
"""

from __future__ import annotations

import copy
import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import onnx.parser

from ir.types import Array
from lenetc.artifact.checkpoint import save_tensors
from lenetc.artifact.manifest import Manifest, Model, Port, StateEntry, write_manifest

X: Port = {"name": "x", "dtype": "float32", "shape": ["N", 3]}
Y: Port = {"name": "y", "dtype": "int64", "shape": ["N"], "ranges": [{"low": 0, "high": 9, "ignore": None}]}
RESULTS: list[Port] = [
    {"name": "loss", "dtype": "float32", "shape": []},
    {"name": "valid", "dtype": "bool", "shape": []},
]
STATE: dict[str, Array] = {
    "w": np.array([1, -1, 0.5], np.float32),
    "scale": np.array([1, 2, 3], np.float32),
    "seen": np.array(0, np.int64),
    "optimizer.step": np.array(0, np.int64),
}
KINDS = {"w": "parameter", "scale": "parameter", "seen": "buffer", "optimizer.step": "optimizer"}
TYPES = {"w": "float[3]", "scale": "float[3]", "seen": "int64", "optimizer.step": "int64"}
BATCH = {"x": np.arange(12, dtype=np.float32).reshape(4, 3) / 10, "y": np.array([0, 1, 2, 8])}

LOSS = """
    {p}xs = Mul({x}, scale)
    {p}output = MatMul({p}xs, {w})
    {p}target = Cast<to = 1>({y})
    {p}error = Sub({p}output, {p}target)
    {p}squares = Mul({p}error, {p}error)
    {loss} = ReduceMean<keepdims = 0>({p}squares)
    {p}size = Size({y})
    {seen_next} = Add({seen}, {p}size)
    {p}abs = Abs({x})
    {p}highest = ReduceMax<keepdims = 0>({p}abs)
    {p}limit = Constant<value = float {{1000.0}}>()
    {valid} = Less({p}highest, {p}limit)
"""
GRADIENT = """
    {p}sums = MatMul({p}error, {p}xs)
    {p}samples = Cast<to = 1>({p}size)
    {p}two = Constant<value = float {{2.0}}>()
    {p}sums2 = Mul({p}sums, {p}two)
    {grad} = Div({p}sums2, {p}samples)
"""
UPDATE = """
    {p}change = Mul(lr, {grad})
    {w_next} = Sub({w}, {p}change)
    {p}one = Constant<value = int64 {{1}}>()
    {step_next} = Add({step}, {p}one)
"""
NAMES = {
    **{"p": "", "x": "x", "y": "y", "loss": "loss", "valid": "valid", "grad": '"w.grad"'},
    **{"w": "w", "w_next": '"w.next"', "seen": "seen", "seen_next": '"seen.next"'},
    **{"step": '"optimizer.step"', "step_next": '"optimizer.step.next"'},
}
INNER = {key: f"b_{key}" for key in NAMES}


def _model(inputs: str, outputs: str, nodes: str, inside: str = "") -> bytes:
    """ONNX's text form: inputs, outputs and initializers with their types, and nodes."""
    head = '<ir_version: 8, opset_import: ["" : 18]>'
    graph = f"{head} graph ({inputs}) => ({outputs}) {f'<{inside}>' if inside else ''} {{ {nodes} }}"
    model = onnx.parser.parse_model(graph)
    onnx.checker.check_model(model, full_check=True)
    return bytes(model.SerializeToString())


def contents() -> dict[str, bytes]:
    """The files but the manifest and the state."""
    x, y, lr, w, scale = "float[N, 3] x", "int64[N] y", "float lr", "float[3] w", "float[3] scale"
    seen, step = "int64 seen", 'int64 "optimizer.step"'
    results, seen_next = "float loss, bool valid", 'int64 "seen.next"'
    updated = 'float[3] "w.next", int64 "optimizer.step.next"'
    loss, gradient, update = (text.format(**NAMES) for text in (LOSS, GRADIENT, UPDATE))
    body = "".join(text.format(**INNER) for text in (LOSS, GRADIENT, UPDATE))
    scan = f"""
        "w.next", "seen.next", "optimizer.step.next", loss, valid = Scan<num_scan_inputs = 2, body = step
            (float[3] b_w, int64 b_seen, int64 b_step, float[N, 3] b_x, int64[N] b_y)
            => (float[3] b_w_next, int64 b_seen_next, int64 b_step_next, float b_loss, bool b_valid)
            {{ {body} }}>(w, seen, "optimizer.step", x, y)"""
    weights = "float[3] w = {1.0, -1.0, 0.5}, float[3] scale = {1.0, 2.0, 3.0}"
    init = """
        f = Cast<to = 1>(seed)
        three = Constant<value = int64[1] {3}>()
        w = Expand(f, three)
        scale = Constant<value = float[3] {1.0, 2.0, 3.0}>()
        seen = Constant<value = int64 {0}>()
        "optimizer.step" = Constant<value = int64 {0}>()
    """
    return {
        "train.onnx": _model(
            f"{x}, {y}, {lr}, {w}, {scale}, {seen}, {step}",
            f"{results}, {updated}, {seen_next}",
            loss + gradient + update,
        ),
        "train_scan.onnx": _model(
            f"float[K, N, 3] x, int64[K, N] y, {lr}, {w}, {scale}, {seen}, {step}",
            f"float[K] loss, bool[K] valid, {updated}, {seen_next}",
            scan,
        ),
        "grad.onnx": _model(
            f"{x}, {y}, {w}, {scale}, {seen}", f'{results}, {seen_next}, float[3] "w.grad"', loss + gradient
        ),
        "apply.onnx": _model(f'float[3] "w.grad", {lr}, {w}, {step}', updated, update),
        "eval.onnx": _model(f"{x}, {y}, {w}, {scale}", "float loss", loss.partition("size")[0]),
        "infer.onnx": _model(x, "float[N] output", "xs = Mul(x, scale) output = MatMul(xs, w)", weights),
        "init.onnx": _model(
            "int64 seed", 'float[3] w, float[3] scale, int64 seen, int64 "optimizer.step"', init
        ),
    }


def models() -> dict[str, Model]:
    """What the manifest says of them."""

    def model(file: str, **more: Any) -> Any:
        empty = {
            "inputs": [X, Y],
            "hyperparameters": ["lr"],
            "state": list(STATE),
            "results": RESULTS,
            "updates": {},
        }
        return copy.deepcopy({"file": f"{file}.onnx", **empty, **more})

    def stacked(port: Port) -> Any:
        return {**port, "shape": ["K", *port["shape"]]}

    updates = {name: f"{name}.next" for name in ("w", "optimizer.step", "seen")}
    gradients = {"w": "w.grad"}
    part = {"seen": "seen.next"}
    rest = {name: output for name, output in updates.items() if name not in part}
    return {
        "train": model("train", updates=updates),
        "train_scan": model(
            "train_scan", inputs=[stacked(X), stacked(Y)], results=[*map(stacked, RESULTS)], updates=updates
        ),
        "grad": model(
            "grad", hyperparameters=[], state=["w", "scale", "seen"], gradients=gradients, updates=part
        ),
        "apply": model(
            "apply", inputs=[], state=["w", "optimizer.step"], gradients=gradients, results=[], updates=rest
        ),
        "eval": model("eval", hyperparameters=[], state=["w", "scale"], results=RESULTS[:1]),
        "infer": model(
            "infer",
            inputs=[X],
            hyperparameters=[],
            state=[],
            results=[{"name": "output", "dtype": "float32", "shape": ["N"]}],
        ),
        "init": model(
            "init",
            inputs=[{"name": "seed", "dtype": "int64", "shape": []}],
            hyperparameters=[],
            state=[],
            results=[],
            updates={name: name for name in STATE},
        ),
    }


def write(folder: Path) -> Manifest:
    """Write the folder. Returns its manifest."""
    folder.mkdir(exist_ok=True)
    for name, content in contents().items():
        (folder / name).write_bytes(content)
    save_tensors(folder / "state.safetensors", STATE)
    state: list[StateEntry] = [
        {
            "name": name,
            "dtype": array.dtype.name,
            "shape": list(array.shape),
            "kind": KINDS[name],
            "trained": name != "scale",
            "initialized": name != "scale",
        }
        for name, array in STATE.items()
    ]
    files = {path.name: path.read_bytes() for path in folder.iterdir() if path.name != "manifest.json"}
    manifest: Manifest = {
        "format": 2,
        "producer": {"name": "by hand", "version": "1"},
        "name": "regression",
        "opset": 18,
        "ir_version": 8,
        "operators": "portable",
        "lanes": 0,
        "device": "cpu",
        "compiled_for": {"batch": 4, "threads": 1},
        "lowest_runtime": "1.17",
        "session_options": {
            "intra_op_num_threads": 1,
            "graph_optimization_level": "all",
            "cpu_memory_arena": True,
        },
        "notes": ["by hand"],
        "hyperparameters": [{"name": "lr", "dtype": "float32", "shape": [], "default": 0.05}],
        "state": state,
        "models": models(),
        "files": {
            name: {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
            for name, data in sorted(files.items())
        },
    }
    write_manifest(folder, manifest)
    return manifest
