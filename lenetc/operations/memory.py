"""What scripts ask of a tensor's memory. There is one owner of values here, and nothing to pin or to share."""

from __future__ import annotations

from typing import Any

import lenetc.tensors.tensor as t
from ir.dims import Dim
from ir.errors import UnsupportedError
from lenetc.evaluation.tracing import here
from lenetc.tensors.tensor import Tensor

# Those that PyTorch has as functions of the package too.
__all__ = ["get_device", "is_inference", "is_nonzero", "is_same_size"]


def data_ptr(input: Tensor) -> int:
    """A number that tensors of one storage share: a parameter and its .data, a tensor and a view of all of it.

    Raises UnsupportedError for a view of a part, whose place in the storage is not known.
    """
    base = input._view.base() if input._view is not None else None
    if base is not None and base.numel() != input.numel():
        raise UnsupportedError(
            f"data_ptr: {input.type_text()} is a view of a part of a tensor and has no place of its own"
        ).at(here())
    return id(input._cell if base is None else base._cell)


def itemsize(input: Tensor) -> int:
    """Bytes of an element."""
    return input.dtype.itemsize


def nbytes(input: Tensor) -> Dim:
    """Bytes of all elements."""
    return input.numel() * input.dtype.itemsize


def get_device(input: Tensor) -> int:
    """-1 on the CPU, else the number of the device (torch.get_device)."""
    t.require_tensors("get_device", input)
    return -1 if input.device.type == "cpu" else input.device.index or 0


def is_nonzero(input: Tensor) -> bool:
    """Whether the only element is not 0 (torch.is_nonzero). Raises as bool(input) does for several, or for none."""
    t.require_tensors("is_nonzero", input)
    return bool(input)


def is_same_size(input: Tensor, other: Tensor) -> bool:
    """Whether both have one shape (torch.is_same_size)."""
    t.require_tensors("is_same_size", input, other)
    return input.shape == other.shape


def is_inference(input: Tensor) -> bool:
    """False: what inference_mode makes is an ordinary tensor without history (torch.is_inference)."""
    t.require_tensors("is_inference", input)
    return False


def is_pinned(input: Tensor, device: Any = None) -> bool:
    """False: the runtime copies to a device by itself."""
    return False


def pin_memory(input: Tensor, device: Any = None) -> Tensor:
    """input itself: the runtime copies to a device by itself."""
    return input


def is_shared(input: Tensor) -> bool:
    """False on the CPU: processes do not share tensors."""
    return input.device.type != "cpu"


def share_memory_(input: Tensor) -> Tensor:
    """input itself, which threads share as it is. Other processes get copies; lenetc.multiprocessing refuses them."""
    return input
