"""Operators of ai.onnx.ml that differentiable pipelines of scikit-learn are exported with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

import lenetc.nn.functional as F
from ir.errors import UnsupportedError
from lenetc.importer.registry import operator
from lenetc.importer.values import Value, to_tensor
from lenetc.operations import elementwise as E
from lenetc.operations import products
from lenetc.operations.creation import tensor
from lenetc.tensors.tensor import Tensor

_ML = "ai.onnx.ml"


@operator(domain=_ML)
def Scaler(x: Tensor, /, *, offset: Sequence[float], scale: Sequence[float]) -> Tensor:
    """(x - offset) * scale, which are the data's and not trained."""
    return (x.float() - tensor(np.asarray(offset, np.float32))) * tensor(np.asarray(scale, np.float32))


@operator(domain=_ML)
def Normalizer(x: Tensor, /, *, norm: str = "MAX") -> Tensor:
    """Rows over their largest absolute value, sum of absolute values or length; rows of zeros stay."""
    size = {"MAX": x.abs().amax(1, True), "L1": x.abs().sum(1, True), "L2": (x * x).sum(1, True).sqrt()}[norm]
    return x / E.where(size == 0, 1.0, size)


@operator(domain=_ML, differentiable=False)
def ArrayFeatureExtractor(x: Value, places: Tensor, /) -> Tensor:
    """Elements of the last axis."""
    found = to_tensor(x)
    found = found.unsqueeze(0) if found.ndim == 1 else found
    return found.index_select(found.ndim - 1, places.reshape(-1))


@operator(domain=_ML)
def LinearRegressor(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    /,
    *,
    post_transform: str = "NONE",
    targets: int = 1,
) -> Tensor:
    """x weight^T + bias: the file's attributes, as an input each."""
    return _transformed(_scores(x, weight, bias), post_transform)


@operator(domain=_ML)
def LinearClassifier(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    /,
    *,
    classlabels_ints: Sequence[int] | None = None,
    classlabels_strings: Sequence[str] | None = None,
    multi_class: int = 0,
    post_transform: str = "NONE",
) -> tuple[Any, Tensor]:
    """Classes, and scores as in LinearRegressor. Classes that are text are no tensors: then only scores come out."""
    scores = _scores(x, weight, bias)
    if scores.shape[1] < 2:
        raise UnsupportedError(
            "a classifier of two classes with one row of coefficients is not here; export both rows"
        )
    labels = scores.detach().argmax(1)
    if classlabels_strings is not None:
        return None, _transformed(scores, post_transform)
    classes = tensor(np.asarray(classlabels_ints or range(int(scores.shape[1])), np.int64))
    return classes.index_select(0, labels), _transformed(scores, post_transform)


def _scores(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    scores = products.matmul(x.float(), weight.t())
    return scores if bias is None else scores + bias


def _transformed(scores: Tensor, by: str) -> Tensor:
    if by == "NONE":
        return scores
    if by == "SOFTMAX":
        return F.softmax(scores, dim=1)
    if by == "LOGISTIC":
        return F.sigmoid(scores)
    raise UnsupportedError(f"post_transform {by} is not here; NONE, SOFTMAX and LOGISTIC are")
