"""The report of a training run: how well, how fast, and what the compiler did, as Markdown."""

from __future__ import annotations

from collections.abc import Sequence

from lenetc.compiler.program import Program

_STAGES = {
    "forward": "what loss and accuracy need, as traced",
    "traced": "the whole step: forward, backward, update",
    "simplify": "identities, constants, transposes; reorderings that save work",
    "tile": "large batches in tiles that fit the caches",
    "strategies": "each heavy operation expanded as is cheapest over the whole graph",
    "hoist": "out of loops what is to be done once",
    "fuse": "towards what the runtime has kernels for",
    "order": "the order of execution",
}
_NOTES = {
    "simplify": "Simplified: rules, and how often each fired",
    "tile": "Tiles",
    "strategies": "Strategies chosen",
    "hoist": "Moved out of loops",
    "fuse": "Fused: rules, and how often each fired",
    "order": "Order",
}


def write_report(program: Program, heading: str, summary: Sequence[str]) -> str:
    """The Markdown text: `heading`, the `summary` as a list, then the stages of `program` with their
    notes."""
    lines = [f"# {heading}", "", *(f"- {line}" for line in summary), ""]
    lines += [
        "## The training step, stage by stage",
        "",
        "| stage | nodes | compile time | what it is |",
        "|---|---:|---:|---|",
    ]
    for name in program.stages():
        stage = program.stage(name)
        nodes = len(stage.graph.operations())
        lines.append(f"| {name} | {nodes} | {stage.seconds * 1e3:.1f} ms | {_STAGES.get(name, '')} |")
    lines.append(f"| onnx | {len(program.emitted.model.graph.node)} | | operators of the model that runs |")
    for name in program.stages():
        notes = program.stage(name).notes
        if notes:
            lines += ["", f"## {_NOTES.get(name, name)}", "", *(f"- {note}" for note in notes)]
    return "\n".join(lines) + "\n"
