"""The text of a tensor: what `repr(tensor)` gives in PyTorch 2.13, character by character.

The format is PyTorch's default one (`torch.set_printoptions(profile="default")`): 4 digits, lines of 80
columns, and above 1000 elements only the first and last 3 of every long dimension.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

LINE_WIDTH = 80
SUMMARIZED_ABOVE = 1000
EDGE_ITEMS = 3

_DTYPES = ("float32", "float64", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8", "bool")
# Where there are elements to look at, these three are recognized by them and are not named.
_IMPLIED_DTYPES = ("float32", "int64", "bool")


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
    if array.size == 0 and array.ndim != 1:
        notes.append(f"size={array.shape}")
    if array.dtype.name not in (_IMPLIED_DTYPES if array.size else ("float32",)):
        notes.append(f"dtype=lenetc.{array.dtype.name}")
    return notes


def _append_notes(text: str, notes: Sequence[str], indent: int) -> str:
    # PyTorch counts the line that ends the values as two columns longer than it is, later lines as they are.
    used = len(text) - (text.rfind("\n") + 1) + 2
    for note in notes:
        # Lines break where PyTorch breaks them, whose name is shorter than ours.
        length = len(note.replace("lenetc.", "torch."))
        if used + len(", ") + length > LINE_WIDTH:
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
    summarized = array.size > SUMMARIZED_ABOVE
    elided = [summarized and length > 2 * EDGE_ITEMS for length in array.shape]
    for axis, cut in enumerate(elided):
        if cut:
            edges = [*range(EDGE_ITEMS), *range(-EDGE_ITEMS, 0)]
            array = np.take(array, edges, axis=axis)
    texts, width = _float_texts(array) if array.dtype.kind == "f" else _exact_texts(array)
    cells = np.array([text.rjust(width) for text in texts], dtype=object).reshape(array.shape)
    return _bracket(cells.tolist(), elided, column, width)


def _exact_texts(array: np.ndarray) -> tuple[list[str], int]:
    """Texts of integers or bools in row-major order, and the width of a column of them."""
    texts = [str(value) for value in array.ravel().tolist()]
    return texts, max(map(len, texts))


def _float_texts(array: np.ndarray) -> tuple[list[str], int]:
    """Texts of floats in row-major order, and the width of a column of them.

    Zeros and non-finite values have no say in the format or in the width.
    """
    values: list[float] = array.ravel().tolist()
    decisive = [value for value in values if math.isfinite(value) and value != 0]
    if not decisive:
        return [_whole_text(value) for value in values], 1
    smallest, largest = min(map(abs, decisive)), max(map(abs, decisive))
    if largest / smallest > 1000 or largest > 1e8 or smallest < 1e-4:
        text = _scientific_text
    elif all(value.is_integer() for value in decisive):
        text = _whole_text
    else:
        text = _fixed_text
    return [text(value) for value in values], max(len(text(value)) for value in decisive)


def _scientific_text(value: float) -> str:
    return f"{value:.4e}"


def _fixed_text(value: float) -> str:
    return f"{value:.4f}"


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
            rows.insert(EDGE_ITEMS, "...")
        # Matrices are set apart by one blank line, stacks of matrices by two, and so on.
        return "[" + ("," + "\n" * (len(elided) - 1) + margin).join(rows) + "]"
    if elided[0]:
        cells = [*cells[:EDGE_ITEMS], " ...", *cells[EDGE_ITEMS:]]
    per_line = max(1, (LINE_WIDTH - column) // (width + len(", ")))
    lines = [", ".join(cells[start : start + per_line]) for start in range(0, len(cells), per_line)]
    return "[" + (",\n" + margin).join(lines) + "]"
