"""`lenetc.printing` against stored texts that PyTorch 2.13 printed (with `lenetc` for `torch`)."""

from pathlib import Path

import numpy as np
import pytest

from lenetc.tensors.printing import format_array

GOLDENS = Path(__file__).parents[1] / "goldens" / "printing.txt"


def golden_cases() -> list[tuple[str, str]]:
    """Pairs of an expression (an array, or an array and its suffixes) and its text; >>> begins a block."""
    blocks = GOLDENS.read_text().removeprefix(">>> ").split("\n>>> ")
    return [tuple(block.rstrip("\n").split("\n", 1)) for block in blocks]


@pytest.mark.parametrize(("expression", "text"), golden_cases(), ids=lambda part: part[:40].split("\n")[0])
def test_text_is_pytorchs(expression, text):
    case = eval(expression, {"np": np})
    array, *suffixes = case if isinstance(case, tuple) else (case,)
    assert format_array(array, suffixes=suffixes) == text


def test_device_goes_before_size_and_dtype():
    array = np.zeros((0, 2), np.float64)
    assert format_array(array, suffixes=["device='cuda:0'", "requires_grad=True"]) == (
        "tensor([], device='cuda:0', size=(0, 2), dtype=lenetc.float64,\n       requires_grad=True)"
    )


def test_continued_lines_are_indented_by_the_prefix():
    assert format_array(np.eye(2, dtype=np.float32), prefix="x(", suffixes=["note=" + "n" * 75]) == (
        "x([[1., 0.],\n   [0., 1.]],\n  note=" + "n" * 75 + ")"
    )


def test_strided_views_print_as_what_they_show():
    array = np.arange(6).reshape(2, 3)
    assert format_array(array.T[::-1]) == "tensor([[2, 5],\n        [1, 4],\n        [0, 3]])"


def test_unknown_dtype_is_named():
    with pytest.raises(TypeError, match=r"complex64.*float32"):
        format_array(np.zeros(2, np.complex64))
