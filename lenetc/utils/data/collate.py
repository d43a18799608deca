"""Samples put together as a batch (torch.utils.data.default_collate)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ir.errors import ShapeError
from lenetc.operations import shaping
from lenetc.tensors.tensor import Tensor


def default_collate(batch: Sequence[Any]) -> Any:
    """Samples of one structure as one: tensors, arrays and numbers stacked to tensors [N, ...], strings in a list,
    mappings, tuples and lists element by element (torch.utils.data.default_collate).

    Python floats become float64, as in PyTorch. Raises ShapeError for rows of different shapes, TypeError for what
    cannot be put together.
    """
    first = batch[0]
    if isinstance(first, Tensor):
        if any(sample.requires_grad for sample in batch):
            return shaping.stack(list(batch))
        return _stacked([sample._held() for sample in batch])
    if isinstance(first, (np.ndarray, np.generic)):
        if first.dtype.kind in "SUO":
            raise TypeError(f"default_collate: batch must contain numbers, not arrays of {first.dtype}")
        return _stacked([np.asarray(sample) for sample in batch])
    if isinstance(first, float):
        return _stacked([np.float64(sample) for sample in batch])
    if isinstance(first, int):
        return _stacked([np.asarray(sample) for sample in batch])
    if isinstance(first, (str, bytes)):
        return batch
    if isinstance(first, Mapping):
        collated = {key: default_collate([sample[key] for sample in batch]) for key in first}
        return collated if type(first) is dict else _like(first, collated)
    if isinstance(first, tuple) and hasattr(first, "_fields"):
        return type(first)(*(default_collate(part) for part in zip(*batch, strict=True)))
    if isinstance(first, Sequence):
        if any(len(sample) != len(first) for sample in batch):
            raise RuntimeError("each element in list of batch should be of equal size")
        parts = [default_collate(part) for part in zip(*batch, strict=True)]
        return parts if isinstance(first, tuple) else _like(first, parts)
    raise TypeError(
        "default_collate: batch must contain tensors, numpy arrays, numbers, dicts or lists; found "
        f"{type(first).__name__}. Give the loader a collate_fn"
    )


def default_convert(data: Any) -> Any:
    """Arrays in a structure as tensors, all else as it is (torch.utils.data.default_convert)."""
    if isinstance(data, (np.ndarray, np.generic)) and data.dtype.kind not in "SUO":
        return Tensor._from_array(np.asarray(data))
    if isinstance(data, Mapping):
        return _like(data, {key: default_convert(value) for key, value in data.items()})
    if isinstance(data, tuple) and hasattr(data, "_fields"):
        return type(data)(*(default_convert(value) for value in data))
    if isinstance(data, Sequence) and not isinstance(data, (str, bytes)):
        parts = [default_convert(value) for value in data]
        return tuple(parts) if isinstance(data, tuple) else _like(data, parts)
    return data


def _stacked(rows: list[Any]) -> Tensor:
    shapes = {row.shape for row in rows}
    if len(shapes) > 1:
        raise ShapeError(
            f"stack expects each tensor to be equal size, but the samples of a batch have the shapes "
            f"{sorted(map(list, shapes))}; give the loader a collate_fn that pads them"
        )
    return Tensor._from_array(np.stack(rows))


def _like(model: Any, parts: Any) -> Any:
    try:
        return type(model)(parts)
    except TypeError:  # a container that is made otherwise
        return parts
