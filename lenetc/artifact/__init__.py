"""What is kept in files: exported folders, which run without this package, and checkpoints.

It may import `compiler` and what that may.
"""

from pathlib import Path
from typing import Any

from lenetc.compiler.program import Program


def _export(program: Program, directory: str | Path, **options: Any) -> list[Path]:
    from lenetc.artifact.export import Options, export  # brings onnx in, which importing lenetc should not

    return export(program, directory, Options(**options))


Program.exporter = _export
