"""The command line: `lenetc train`, `bench`, `tune`, `bake`, `check`; a file a command. It may import all rooms."""

from lenetc.cli.parser import main

__all__ = ["main"]
