"""Samples that are left out, each with its reason: a name of the database, and what tells the samples."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch


@dataclass(frozen=True)
class Skip:
    """reason: why a user would accept it. applies: which samples, all where None."""

    reason: str
    applies: Callable[[Any], bool] | None = None


_SINGULAR_VALUES = Skip(
    "norms by singular values are refused, with a word on what to use instead",
    lambda sample: bool(
        {"nuc", 2, -2} & {x for x in (*sample.args, *sample.kwargs.values()) if isinstance(x, (str, int))}
    ),
)
SKIPPED: dict[str, list[Skip]] = {
    "norm": [Skip("the nuclear norm is refused", lambda sample: "nuc" in sample.args)],
    "linalg.matrix_norm": [_SINGULAR_VALUES],
    "mode": [
        Skip(
            "which of many equal elements is named depends on PyTorch's sort",
            lambda s: s.input.numel() > 1000,
        )
    ],
}

_KINDS = Skip(
    "complex, sparse and quantized tensors are refused as kinds",
    lambda sample: any(
        isinstance(x, complex)
        or (
            isinstance(x, torch.Tensor)
            and (x.is_complex() or x.is_quantized or x.layout is not torch.strided)
        )
        or (isinstance(x, torch.dtype) and x.is_complex)
        for x in (sample.input, *sample.args, *sample.kwargs.values())
    ),
)


def reason_for(info: Any, sample: Any) -> str | None:
    """Why `sample` is left out; None where it is not."""
    for skip in (*SKIPPED.get(info.name, ()), _KINDS):
        if skip.applies is None or skip.applies(sample):
            return skip.reason
    return None
