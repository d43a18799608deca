"""What is kept in files: exported folders, which run without this package, and checkpoints.

It may import `compiler` and what that may.
"""

from pathlib import Path

from lenetc.compiler.program import Program
from lenetc.nn import Module


def _export(
    program: Program, directory: str | Path, model: Module | None, dynamic: bool | None
) -> list[Path]:
    from lenetc.artifact.export import export  # brings onnx in, which importing lenetc should not

    return export(program, directory, model, dynamic)


Program.exporter = _export
