"""Samples that are left out, each with its reason: a name of the database, and what tells the samples."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch


@dataclass(frozen=True)
class Skip:
    """reason: why a user would accept it. applies: which samples, all where None. dtypes: of which samples, all where
    empty: "f32", "f64", "i64", "compiled", "wrong" for wrong inputs, or a variant: "method", "in place" ..."""

    reason: str
    applies: Callable[[Any], bool] | None = None
    dtypes: tuple[str, ...] = ()


def _draws(sample: Any) -> bool:
    return bool(sample.kwargs.get("dropout_p") or sample.kwargs.get("training"))


def _ties(sample: Any) -> bool:
    return not sample.input.is_floating_point()


_EQUALS = Skip("which of equal elements is found PyTorch does not say; here it is the first", _ties)
_RANDOM = Skip("random numbers of another generator; their statistics are tested", _draws)


def _of_singular_values(sample: Any) -> bool:
    """Whether it is a norm by singular values: "nuc", or 2 or -2 of a matrix."""
    given = {"ord": (*sample.args, None)[0], "dim": (*sample.args, None, None)[1], **sample.kwargs}
    dim = given["dim"]
    matrix = len(dim) == 2 if isinstance(dim, (tuple, list)) else dim is None and sample.input.ndim == 2
    return given["ord"] == "nuc" or (matrix and given["ord"] in (2, -2))


_SINGULAR_VALUES = Skip(
    "norms by singular values are refused, with a word on what to use instead", _of_singular_values
)

_STRIDES = Skip("tensors have no strides of their own, which is refused")
_BY_VALUES = (
    "compiled, where the shape of the result would depend on the values of a tensor, which is refused"
)


def _has_mask(sample: Any) -> bool:
    places = sample.args[0] if isinstance(sample.args[0], (tuple, list)) else sample.args
    return any(isinstance(x, torch.Tensor) and x.dtype is torch.bool for x in places)


_UNBOUND = Skip(
    "an operator's method given a number for its tensor",
    lambda sample: not isinstance(sample.input, torch.Tensor),
    ("wrong",),
)
_DRAWN = """
    bernoulli cauchy exponential geometric log_normal multinomial normal rand_like randint
    randint_like randn randn_like uniform nn.functional.dropout nn.functional.dropout2d
    nn.functional.dropout3d nn.functional.alpha_dropout nn.functional.feature_alpha_dropout
    nn.functional.fractional_max_pool2d nn.functional.fractional_max_pool3d
""".split()
# Of these shapes and dtypes are compared, and values are not: why.
NO_VALUES: dict[str, str] = {
    **dict.fromkeys(_DRAWN, "random numbers of another generator; their statistics are tested"),
    **dict.fromkeys(("empty", "empty_like", "empty_permuted", "new_empty"), "values that nobody promises"),
}
SKIPPED: dict[str, list[Skip]] = {
    "__getitem__": [Skip(_BY_VALUES, _has_mask, ("compiled",))],
    **{f"__r{name}__": [_UNBOUND] for name in "add and div matmul mod mul or pow sub xor".split()},
    "addbmm": [
        Skip(
            "a tensor of another shape than the result's takes that in place, which PyTorch itself warns of",
            lambda sample: sample.input.shape != (sample.args[0] @ sample.args[1]).shape[1:],
            ("in place",),
        )
    ],
    "cov": [
        Skip(
            "the gradient of two observations' weights is the rounding of what cancels out",
            lambda sample: sample.kwargs.get("aweights") is not None and sample.input.shape[-1:] == (2,),
        )
    ],
    "index_put": [Skip(_BY_VALUES, _has_mask, ("compiled",))],
    "linalg.cond": [
        Skip("by singular values, as above", lambda sample: (*sample.args, None)[0] in (None, 2, -2, "nuc"))
    ],
    "linalg.matrix_norm": [_SINGULAR_VALUES],
    "linalg.norm": [_SINGULAR_VALUES],
    "logcumsumexp": [
        Skip(
            "PyTorch's own f32 gradient beside 10000 is the rounding of the logarithm; here it is nearer to f64's",
            lambda sample: sample.input.numel() > 0 and float(sample.input.abs().max()) > 1e3,
            ("f32",),
        )
    ],
    "mode": [
        Skip(
            "which of many equal elements is named depends on PyTorch's sort",
            lambda sample: sample.input.numel() > 1000,
        )
    ],
    "topk": [_EQUALS],
    "kthvalue": [_EQUALS],
    "nn.functional.multi_head_attention_forward": [
        Skip("dropout: random numbers of another generator", lambda sample: bool(sample.args[9]))
    ],
    "nn.functional.rrelu": [_RANDOM],
    **{name: [_STRIDES] for name in ("empty_strided", "new_empty_strided")},
    "nn.functional.scaled_dot_product_attention": [_RANDOM],
    "norm": [Skip("the nuclear norm is refused", lambda sample: "nuc" in sample.args)],
    "repeat_interleave": [
        Skip(
            _BY_VALUES,
            lambda sample: (
                isinstance(sample.kwargs.get("repeats"), torch.Tensor) and "output_size" not in sample.kwargs
            ),
            ("compiled",),
        )
    ],
    "tensor_split": [
        Skip(_BY_VALUES, lambda sample: isinstance(sample.args[0], torch.Tensor), ("compiled",))
    ],
}

# Of these a compiled function refuses all samples: the shape of the result depends on values.
REFUSED_COMPILED = frozenset("argwhere masked_select nonzero unique unique_consecutive".split())

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


def reason_for(info: Any, sample: Any, dtype: str) -> str | None:
    """Why `sample` is left out; None where it is not."""
    for skip in (*SKIPPED.get(info.name, ()), _KINDS):
        if (not skip.dtypes or dtype in skip.dtypes) and (skip.applies is None or skip.applies(sample)):
            return skip.reason
    return None
