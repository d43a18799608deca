"""The command `lenetc examine`: what an ONNX file holds, and what would be trained of it."""

from __future__ import annotations

import argparse

from rich.console import Console

from lenetc.importer.examine import examine


def run(options: argparse.Namespace) -> int:
    """Do what the options of `lenetc examine` say; the status is 1 where the file cannot be imported."""
    found = examine(options.model, outputs=options.outputs)
    console = Console(highlight=False, soft_wrap=True)
    console.print(str(found), markup=False)
    console.print(str(found.weights), markup=False)
    return 0 if found.is_importable else 1
