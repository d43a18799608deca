"""The command line: `lenetc train`, `lenetc bench`, `lenetc tune`, `lenetc check`; a file a command. It may import all rooms."""

from lenetc.cli.parser import main

__all__ = ["main"]
