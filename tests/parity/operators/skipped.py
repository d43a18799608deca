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


def _draws(sample: Any) -> bool:
    return bool(sample.kwargs.get("dropout_p") or sample.kwargs.get("training"))


def _ties(sample: Any) -> bool:
    return not sample.input.is_floating_point()


_EQUALS = Skip("which of equal elements is found PyTorch does not say; here it is the first", _ties)
_RANDOM = Skip("random numbers of another generator; their statistics are tested", _draws)
SKIPPED: dict[str, list[Skip]] = {
    "topk": [_EQUALS],
    "kthvalue": [_EQUALS],
    "nn.functional.multi_head_attention_forward": [
        Skip("dropout: random numbers of another generator", lambda sample: bool(sample.args[9]))
    ],
    "nn.functional.rrelu": [_RANDOM],
    "nn.functional.scaled_dot_product_attention": [_RANDOM],
}

# Of these a compiled function refuses samples in which the shape of the result depends on values.
REFUSED_COMPILED = frozenset(
    "__getitem__ argwhere index_put masked_select nonzero repeat_interleave unique unique_consecutive".split()
)

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
