"""Pictures of graphs and of training runs, and formats in which other programs read a graph.

It may import `compiler` and what that may.
"""

from pathlib import Path

from lenetc.compiler.program import Program


def _dump(program: Program, directory: str | Path) -> list[Path]:
    from lenetc.pictures.dump import dump  # brings onnx in, which importing lenetc should not

    return dump(program, directory)


Program.dumper = _dump
