"""Checks of what `import lenetc` finds, before anything else is imported: the Python, and our own two
packages.

`ir` and `passes` are top-level packages with short names: a file or folder of that name elsewhere on the
path, most often in the current folder, would be imported instead. This file must stay readable for any
Python 3.
"""

from __future__ import annotations

import importlib.util
import os
import sys

PYTHON = (3, 11)


def check() -> None:
    """Raise ImportError where lenetc cannot work; the message says what to do."""
    if sys.version_info < PYTHON:
        wanted, this = (".".join(map(str, version)) for version in (PYTHON, sys.version_info[:3]))
        raise ImportError(f"lenetc needs Python {wanted} or newer, this is Python {this} ({sys.executable})")
    home = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
    for name in ("ir", "passes"):
        found = _location(name)
        if found is None:
            raise ImportError(f"the package {name!r}, a part of lenetc, is missing; install lenetc again")
        if os.path.dirname(os.path.dirname(os.path.realpath(found))) != home:
            raise ImportError(
                f"{found} hides lenetc's package {name!r}, which is in {home}: Python finds it first. "
                "Rename it, or run "
                "Python from another folder"
            )


def was_interrupted(error: BaseException) -> bool:
    """Whether Ctrl-C is behind a failed import: a module written in C makes an ImportError of it while it loads."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, KeyboardInterrupt):
        cause = cause.__cause__ or cause.__context__
    return cause is not None


def _location(name: str) -> str | None:
    """The file that `import name` gives, or None."""
    if name in sys.modules:
        return getattr(sys.modules[name], "__file__", None) or f"a module {name!r} without a file"
    spec = importlib.util.find_spec(name)
    if spec is None:
        return None
    return spec.origin or next(iter(spec.submodule_search_locations or ()), None)


check()
