"""The command line: `lenetc train`, `export`, `examine`, `check`, `bake`, `tune`, `bench`; a file a command.

It may import all rooms.
"""

from lenetc.cli.parser import main

__all__ = ["main"]
