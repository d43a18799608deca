"""The text of a tensor: what `repr(tensor)` gives in PyTorch 2.13, character by character.

The format is PyTorch's default one, unless `set_printoptions` asks for another: 4 digits, lines of 80 columns, and
above 1000 elements only the first and last 3 of every long dimension.
"""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from lenetc.evaluation.tracing import setting
from lenetc.tensors.dtypes import get_default_dtype


@dataclass
class _Options:
    """What set_printoptions says."""

    precision: int = 4
    threshold: float = 1000
    edgeitems: int = 3
    linewidth: int = 80
    sci_mode: bool | None = None


_options = _Options()
_PROFILES = {
    "default": _Options(),
    "short": _Options(precision=2, edgeitems=2),
    "full": _Options(threshold=math.inf),
}

_DTYPES = ("float32", "float64", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8", "bool")


def set_printoptions(
    precision: int | None = None,
    threshold: float | None = None,
    edgeitems: int | None = None,
    linewidth: int | None = None,
    profile: str | None = None,
    sci_mode: bool | None = None,
) -> None:
    """How tensors print from now on (torch.set_printoptions); what is not given stays, but sci_mode.

    precision: digits behind the point. threshold: how many elements print in full; of more, `edgeitems` at either end
    of a dimension. linewidth: columns of a line. profile: "default", "short" or "full" for all of these. sci_mode:
    whether floats print with an exponent; None lets the numbers decide.
    """
    setting("how tensors print")
    if profile in _PROFILES:
        vars(_options).update(asdict(_PROFILES[profile]))
    given = {"precision": precision, "threshold": threshold, "edgeitems": edgeitems, "linewidth": linewidth}
    vars(_options).update({name: value for name, value in given.items() if value is not None})
    _options.sci_mode = sci_mode


def get_printoptions() -> dict[str, Any]:
    """What set_printoptions takes to be as it is now (torch._tensor_str.get_printoptions)."""
    return asdict(_options)


@contextmanager
def printoptions(**options: Any) -> Iterator[None]:
    """set_printoptions for a block (torch._tensor_str.printoptions)."""
    before = get_printoptions()
    set_printoptions(**options)
    try:
        yield
    finally:
        set_printoptions(**before)


def format_array(array: np.ndarray, *, prefix: str = "tensor(", suffixes: Sequence[str] = ()) -> str:
    """Text of an array of any shape, as PyTorch's `repr` of a tensor gives it, with `lenetc` for `torch`.

    `prefix` is the text up to the first bracket; continued lines are indented by its length. `suffixes` are
    notes such as `grad_fn=<AddmmBackward0>` or `requires_grad=True`, written behind `size=` and `dtype=`,
    which this function adds by itself where PyTorch prints them; a suffix `device='cuda:0'` goes before both,
    as in PyTorch. A note that does not fit on its line goes to the next one.

    Raises TypeError for a dtype that tensors cannot have.
    Source: `torch.Tensor.__repr__`.
    """
    if array.dtype.name not in _DTYPES:
        raise TypeError(
            f"cannot print an array of dtype {array.dtype.name}; printed dtypes are {', '.join(_DTYPES)}"
        )
    devices = [note for note in suffixes if note.startswith("device=")]
    others = [note for note in suffixes if not note.startswith("device=")]
    notes = [*devices, *_size_and_dtype(array), *others]
    values = array.astype(np.float32) if array.dtype.name == "bfloat16" else array
    return _append_notes(prefix + _body(values, column=len(prefix)), notes, indent=len(prefix)) + ")"


def _size_and_dtype(array: np.ndarray) -> list[str]:
    """The notes that follow from the array: an empty one shows neither its shape nor its dtype otherwise."""
    notes = []
    if array.ndim != 1 if array.size == 0 else not _options.edgeitems:
        notes.append(f"size={array.shape}")
    # Where there are elements to look at, integers and bools are recognized by them and are not named.
    implied = (get_default_dtype().long_name, *(("int64", "bool") if array.size else ()))
    if array.dtype.name not in implied:
        notes.append(f"dtype=lenetc.{array.dtype.name}")
    return notes


def _append_notes(text: str, notes: Sequence[str], indent: int) -> str:
    # PyTorch counts the line that ends the values as two columns longer than it is, later lines as they are.
    used = len(text) - (text.rfind("\n") + 1) + 2
    for note in notes:
        # Lines break where PyTorch breaks them, whose name is shorter than ours.
        length = len(note.replace("lenetc.", "torch."))
        if used + len(", ") + length > _options.linewidth:
            text += ",\n" + " " * indent + note
            used = indent + length
        else:
            text += ", " + note
            used += len(", ") + length
    return text


def _body(array: np.ndarray, column: int) -> str:
    """The bracketed values, where `column` is the place of the first bracket."""
    if array.size == 0:
        return "[]"
    summarized = array.size > _options.threshold
    elided = [summarized and length > 2 * _options.edgeitems for length in array.shape]
    for axis, cut in enumerate(elided):
        if cut:
            edges = [*range(_options.edgeitems), *range(-_options.edgeitems, 0)]
            array = np.take(array, edges, axis=axis)
    texts, width = _float_texts(array) if array.dtype.kind == "f" else _exact_texts(array)
    cells = np.array([text.rjust(width) for text in texts], dtype=object).reshape(array.shape)
    return _bracket(cells.tolist(), elided, column, width)


def _exact_texts(array: np.ndarray) -> tuple[list[str], int]:
    """Texts of integers or bools in row-major order, and the width of a column of them."""
    texts = [str(value) for value in array.ravel().tolist()]
    return texts, max(map(len, texts), default=1)


def _float_texts(array: np.ndarray) -> tuple[list[str], int]:
    """Texts of floats in row-major order, and the width of a column of them.

    Zeros and non-finite values have no say in the format or in the width.
    """
    values: list[float] = array.ravel().tolist()
    decisive = [value for value in values if math.isfinite(value) and value != 0]
    if not decisive:
        return [_whole_text(value) for value in values], 1
    smallest, largest = min(map(abs, decisive)), max(map(abs, decisive))
    spread = largest / smallest > 1000 or largest > 1e8 or smallest < 1e-4
    if spread if _options.sci_mode is None else _options.sci_mode:
        text = _scientific_text
    elif all(value.is_integer() for value in decisive):
        text = _whole_text
    else:
        text = _fixed_text
    return [text(value) for value in values], max(len(text(value)) for value in decisive)


def _scientific_text(value: float) -> str:
    return f"{value:.{_options.precision}e}"


def _fixed_text(value: float) -> str:
    return f"{value:.{_options.precision}f}"


def _whole_text(value: float) -> str:
    return f"{value:.0f}." if math.isfinite(value) else f"{value}"


def _bracket(cells: Any, elided: Sequence[bool], column: int, width: int) -> str:
    """Text of nested lists of cell texts; `elided` says for each level whether its middle was left out."""
    if not elided:
        return str(cells)
    margin = " " * (column + 1)
    if len(elided) > 1:
        rows = [_bracket(row, elided[1:], column + 1, width) for row in cells]
        if elided[0]:
            rows.insert(_options.edgeitems, "...")
        # Matrices are set apart by one blank line, stacks of matrices by two, and so on.
        return "[" + ("," + "\n" * (len(elided) - 1) + margin).join(rows) + "]"
    if elided[0]:
        edge = _options.edgeitems
        cells = [*cells[:edge], " ...", *cells[edge:]] if edge else ["..."]
    per_line = max(1, (_options.linewidth - column) // (width + len(", ")))
    lines = [", ".join(cells[start : start + per_line]) for start in range(0, len(cells), per_line)]
    return "[" + (",\n" + margin).join(lines) + "]"
