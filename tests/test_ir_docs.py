"""docs/ir.md and docs/add_an_op.md say what the code does."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ir import ops, parse, to_text, verify
from ir.op import OPS, Op
from ir.types import f32, f64
from passes.autodiff.registry import RULES, vjp
from passes.emit.builder import EMISSIONS, emit
from tests import samples
from tests.support import check_gradients, check_runtime

DOCS = Path(__file__).parent.parent / "docs"
BEGIN, END = "--update-goldens -->\n", "<!-- end of operations -->"
GROUPS = {
    "elementwise": "Elementwise",
    "reduce": "Reductions",
    "shape": "Movement of elements, and sizes as values",
    "nn": "Matrices, images, softmax",
    "dense": "Equations and factors of small dense matrices",
    "control": "Control",
    "fused": "After lowering only",
    "lanes": "Images with their channels in lanes, after lowering only",
}


def blocks(name: str) -> list[str]:
    """The Python blocks of a document."""
    return re.findall(r"```python\n(.*?)```", (DOCS / name).read_text(), re.DOTALL)


def signature(op: Op) -> str:
    """`name(operands, *, attributes)` without types."""
    parameters = inspect.signature(op.reference).parameters.values()
    plain = [p.replace(annotation=p.empty) for p in parameters]
    return f"{op.name}{inspect.Signature(plain)}"


def listed() -> str:
    lines: list[str] = []
    for module, title in GROUPS.items():
        found = [op for op in OPS.values() if op.reference.__module__ == f"ir.ops.{module}"]
        lines += [f"\n### {title}\n\n", *(f"- `{signature(op)}`: {op.doc.splitlines()[0]}\n" for op in found)]
    return "".join(lines) + "\n"


def test_every_op_is_listed(request: pytest.FixtureRequest) -> None:
    path = DOCS / "ir.md"
    head, rest = path.read_text().split(BEGIN)
    stored, tail = rest.split(END)
    if request.config.getoption("--update-goldens"):
        path.write_text(head + BEGIN + listed() + END + tail)
        stored = listed()
    assert stored == listed(), "run pytest tests/test_ir_docs.py --update-goldens"
    assert all(f"`{name}(" in stored for name in OPS)


@pytest.mark.parametrize("text", blocks("ir.md"))
def test_examples_are_in_the_printed_form(text: str) -> None:
    graph = parse(text)
    verify(graph)
    assert to_text(graph) == text
    assert parse(to_text(graph)) is graph


def test_the_steps_of_adding_an_op_work(monkeypatch: pytest.MonkeyPatch) -> None:
    known = len(samples.SAMPLES)
    scope: dict[str, Any] = {"np": np, "ops": ops, "__name__": "ir.ops.elementwise"}
    scope |= {"vjp": vjp, "emit": emit, "sample": samples.sample, "F": samples.F, "N": samples.N}
    try:
        for number, block in enumerate(blocks("add_an_op.md")):
            exec(block, scope)
            if number == 0:
                monkeypatch.setattr(ops, "leaky_relu", scope["leaky_relu"], raising=False)
        made = samples.SAMPLES[known:]
        assert [sample.op.name for sample in made] == ["leaky_relu"] * 2
        for sample in made:
            check_gradients(sample.graph(f64, 2), sample.values(f64, 2), order=2)
            check_runtime(sample.graph(f32), sample.values(f32, 3))
    finally:
        del samples.SAMPLES[known:]
        op = OPS.pop("leaky_relu")
        RULES.pop(op, None)
        EMISSIONS.pop(op, None)


def test_the_op_that_was_added_stands_as_the_docs_show_it() -> None:
    shown = re.findall(r"In `([^`]+)`:\n\n```diff\n(.*?)```", (DOCS / "add_an_op.md").read_text(), re.DOTALL)
    assert len(shown) == 4
    for file, lines in shown:
        text = "\n".join(line.removeprefix("+") for line in lines.splitlines())
        assert text in (DOCS.parent / file).read_text(), file
