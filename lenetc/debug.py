"""LENETC_DEBUG, the one debug switch: set to anything but 0, the compiler logs to stderr what it does (the
rewrite rules that fire, the device that is taken), and the command line shows tracebacks instead of one
line."""

from __future__ import annotations

import logging
import os


def is_on() -> bool:
    return os.environ.get("LENETC_DEBUG", "0") not in ("", "0")


def configure() -> None:
    """Send what `lenetc` logs to stderr, if the switch is on."""
    logger = logging.getLogger("lenetc")
    if is_on() and not logger.handlers:
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter("%(name)s: %(message)s"))
        logger.addHandler(handler)
        logger.setLevel(logging.DEBUG)
