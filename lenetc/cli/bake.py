"""The command `lenetc bake`: trained state put into the infer.onnx of an exported folder."""

from __future__ import annotations

import argparse

from lenetc.artifact.on_disk.bake import bake
from lenetc.artifact.on_disk.folder import Folder


def run(options: argparse.Namespace) -> int:
    """Do what the options of `lenetc bake` say. Returns the exit status."""
    written = bake(Folder(options.folder), options.state, options.out)
    print(f"written: {', '.join(map(str, written))}")
    return 0
