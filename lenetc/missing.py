"""What a name that PyTorch has and lenetc lacks gets: an AttributeError that says so, and what is close to
it."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Callable, Iterable
from typing import NoReturn


def missing(owner: str, name: str, known: Iterable[str]) -> AttributeError:
    """The error for `owner.name`. known: the names that there are."""
    if name.startswith("_"):  # asked for by Python and NumPy, which expect to be told no
        return AttributeError(f"{owner} has no attribute {name!r}")
    close = difflib.get_close_matches(name, [k for k in known if not k.startswith("_")], 3)
    hint = f" Did you mean {' or '.join(close)}?" if close else ""
    return AttributeError(
        f"{owner} has no {name!r}: not all of PyTorch is here.{hint} Compose it of operations that "
        "there are, or write "
        "it as an autograd.Function of them"
    )


def names_of(module: str) -> Callable[[str], NoReturn]:
    """The module-level __getattr__ of `module`."""

    def absent(name: str) -> NoReturn:
        raise missing(module, name, vars(sys.modules[module]))

    return absent
