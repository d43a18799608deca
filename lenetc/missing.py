"""What a name that PyTorch has and lenetc lacks gets: an AttributeError that says so, and what is close to
it."""

from __future__ import annotations

import difflib
import re
import sys
from collections.abc import Callable, Iterable
from typing import NoReturn

from ir.errors import UnsupportedError

# Kinds of tensors that are not here: what their names look like, and what to use instead.
_KINDS = {
    r"complex\d*|cfloat|cdouble|chalf|polar|view_as_complex|view_as_real|Complex\w*Tensor": (
        "complex numbers are not here; compute with two real tensors, the real and the imaginary parts"
    ),
    r"sparse_\w+|to_sparse\w*|coalesce|is_coalesced|_?indices_copy": (
        "sparse tensors are not here; use dense ones, with gather, index_add or scatter_add for what is rare"
    ),
    r"quantize_\w+|quantized_\w+|dequantize|q_scale|q_zero_point|int_repr|q(u?int\d+)|quint\d\w+|fake_quantize_\w+": (
        "quantized tensors are not here; use float16 or bfloat16, or int8 with a scale of your own"
    ),
    r"uint16|uint32|uint64|float8_\w+": "this dtype is not here; use uint8, int16, int32 or int64, or float16",
}


class MissingKind(UnsupportedError, AttributeError):
    """A name of a kind of tensors that is not here."""


def missing(owner: str, name: str, known: Iterable[str]) -> AttributeError:
    """The error for `owner.name`. known: the names that there are."""
    if name.startswith("_"):  # asked for by Python and NumPy, which expect to be told no
        return AttributeError(f"{owner} has no attribute {name!r}")
    for pattern, instead in _KINDS.items():
        if re.fullmatch(pattern, name):
            return MissingKind(f"{owner} has no {name!r}: {instead}")
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
