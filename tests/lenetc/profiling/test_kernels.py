"""The runtime's profile of a run: what is taken off it, and how operations are counted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ir.node import Where
from lenetc.profiling.kernels import Overhead, flops_of, read_profile
from passes.emit.origins import Origin


@pytest.mark.parametrize(
    ("operator", "operands", "result", "flops"),
    [
        ("MatMul", [[2, 3], [3, 5]], [2, 5], 2 * 2 * 3 * 5),
        ("MatMul", [[7, 2, 3], [7, 3, 5]], [7, 2, 5], 2 * 7 * 2 * 3 * 5),
        ("MatMul", [[3], [3, 5]], [5], 2 * 3 * 5),
        ("MatMul", [[2, 3], [3]], [2], 2 * 2 * 3),
        ("MatMul", [[3], [3]], [], 2 * 3),
        ("FusedMatMul", [[3, 2], [3, 5]], [2, 5], 2 * 2 * 3 * 5),
        ("Gemm", [[3, 2], [5, 3], [5]], [2, 5], 2 * 2 * 3 * 5),
        ("Gemm", [[0, 3], [3, 5]], [0, 5], 0),
        ("FusedConv", [[4, 6, 9, 9], [8, 3, 5, 5], [8]], [4, 8, 5, 5], 2 * 4 * 8 * 25 * 3 * 25),
        ("ConvTranspose", [[4, 8, 5, 5], [8, 3, 5, 5]], [4, 6, 9, 9], 2 * 4 * 8 * 25 * 3 * 25),
        ("Mul", [[2, 3], [2, 3]], [2, 3], 0),
    ],
)
def test_operations_are_counted_from_shapes(
    operator: str, operands: list[list[int]], result: list[int], flops: int
) -> None:
    args = {
        "op_name": operator,
        "input_type_shape": [{"float": shape} for shape in operands],
        "output_type_shape": [{"float": result}],
    }
    assert flops_of(args) == flops


def event(name: str, start: int, duration: int, operator: str = "", **args: str) -> dict[str, Any]:
    if not operator:
        return {"cat": "Session", "name": name, "ts": start, "dur": duration, "args": {}}
    args |= {"op_name": operator, "provider": "CPUExecutionProvider"}
    return {"cat": "Node", "name": f"{name}_kernel_time", "ts": start, "dur": duration, "args": args}


def written(folder: Path, *events: dict[str, Any]) -> Path:
    path = folder / "profile.json"
    path.write_text(json.dumps(events))
    return path


def test_warm_up_and_the_slower_half_do_not_count(tmp_path: Path) -> None:
    events = []
    for start, whole, part in (
        (0, 900, 800),
        (1000, 100, 60),
        (2000, 500, 400),
        (3000, 120, 80),
        (4000, 600, 90),
    ):
        events += [event("a", start + 5, part, "Neg"), event("model_run", start, whole)]
    found = read_profile(written(tmp_path, *events), {}, warm_up=1)
    (kernel,) = found.kernels
    assert kernel.seconds == pytest.approx(70e-6) and kernel.calls == 1
    assert found.seconds == pytest.approx(110e-6) and found.profiling == 0
    assert kernel.module == kernel.phase == "(runtime)" and kernel.line == "" and found.arena is None


def test_profiling_and_bodies_are_taken_off(tmp_path: Path) -> None:
    events = [
        event("model_run", 0, 200),
        event("b", 12, 20, "Neg", mem_arena_held="64"),
        event("b", 40, 30, "Neg", mem_arena_held="256"),
        event("loop", 10, 100, "Scan", mem_arena_held="128"),
    ]
    where = Where("fc", "forward", "net.py", 1)
    origins = {"loop": Origin(("loop",), where), "b": Origin(("b",), where, inside="loop")}
    found = read_profile(written(tmp_path, *events), origins, 0, Overhead(inside=4e-6, outside=3e-6))
    loop, inner = found.kernels
    assert (loop.name, loop.seconds, loop.module) == (
        "loop",
        pytest.approx(100e-6 - 4e-6 - 50e-6 - 6e-6),
        "(loop)",
    )
    assert (inner.name, inner.seconds, inner.module) == ("b", pytest.approx(42e-6), "fc")
    assert inner.calls == 2 and found.arena == 256
    assert found.seconds == pytest.approx(200e-6 - 3 * 7e-6) and found.profiling == pytest.approx(21e-6)
