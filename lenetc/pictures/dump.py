"""A program's stages in a folder: each as text and as pictures, and what runs as ONNX files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ir import to_text
from ir.node import Graph
from lenetc.compiler.program import Program
from lenetc.files import atomic_write
from lenetc.pictures import visualize
from passes.emit.model import to_onnx


def dump(program: Program, directory: str | Path) -> list[Path]:
    """Write the files that `Program.dump` tells of. Returns their paths."""
    folder = Path(directory)
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for number, name in enumerate(program.stages()):
        stem = f"{number}-{name}"
        atomic_write(folder / f"{stem}.txt", _told(program.stage(name).notes, program.graph(name)))
        written.append(folder / f"{stem}.txt")
        written += visualize.write(program.graph(name), folder, stem)
    atomic_write(folder / "program.onnx", program.onnx.SerializeToString())
    written.append(folder / "program.onnx")
    split = program.split
    for name, graph in split.programs().items() if split else ():
        notes = split.notes(name) if split else []
        atomic_write(folder / f"{name}.txt", _told(notes, graph))
        atomic_write(folder / f"{name}.onnx", to_onnx(graph).model.SerializeToString())
        written += [folder / f"{name}.txt", folder / f"{name}.onnx"]
    return written


def _told(notes: Sequence[str], graph: Graph) -> bytes:
    """The text of a graph after notes."""
    return "".join([*(f"# {note}\n" for note in notes), to_text(graph)]).encode()
