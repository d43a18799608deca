"""How exact products of f32 matrices are on CUDA (torch.set_float32_matmul_precision)."""

from __future__ import annotations

_NAMES = ("highest", "high", "medium")
_precision = ["highest"]


def set_float32_matmul_precision(precision: str) -> None:
    """Set the precision of matrix products and convolutions of f32 on CUDA: "highest" is f32 all through, "high" and
    "medium" are TF32, with 10 bits of mantissa in the factors and f32 sums. On the CPU all three are f32.

    Programs compiled before keep theirs. PyTorch has convolutions in TF32 whatever this says; here one setting is for
    both. Raises ValueError for another name.
    """
    if precision not in _NAMES:
        raise ValueError(f"unknown precision {precision!r}; use {', '.join(map(repr, _NAMES))}")
    _precision[0] = precision


def get_float32_matmul_precision() -> str:
    """The precision set, "highest" at first."""
    return _precision[0]


def allows_tf32() -> bool:
    """Whether CUDA may round factors to TF32."""
    return _precision[0] != "highest"
