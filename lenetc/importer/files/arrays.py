"""The values of tensors in a file, and beside it."""

from __future__ import annotations

from pathlib import Path

import ml_dtypes  # noqa: F401 - importing it teaches NumPy the name bfloat16
import numpy as np
from onnx import TensorProto, helper, numpy_helper

from ir.dims import product
from ir.types import Array
from lenetc.importer.errors import OnnxError

# Two or four of their numbers stand in a byte.
_PACKED = {
    getattr(TensorProto, name): bits
    for name, bits in (("INT4", 4), ("UINT4", 4), ("FLOAT4E2M1", 4), ("INT2", 2), ("UINT2", 2))
    if hasattr(TensorProto, name)
}


def array(tensor: TensorProto, folder: Path | None) -> Array:
    """The values of `tensor`; bf16 as ml_dtypes has it. folder: where external data stand. Raises OnnxError where they
    do not fit its shape, or cannot be read."""
    of = f"the tensor {tensor.name!r}"
    if any(dim < 0 for dim in tensor.dims):
        raise OnnxError(f"{of} has the shape {list(tensor.dims)}")
    try:
        if tensor.data_location == TensorProto.EXTERNAL:
            return _external(tensor, of, folder)
        _need_data(tensor, of)
        return numpy_helper.to_array(tensor)
    except OnnxError:
        raise
    except (ValueError, TypeError, KeyError, OverflowError, MemoryError) as error:
        raise OnnxError(f"{of} {list(tensor.dims)} cannot be read: {error}") from None


def _bytes(tensor: TensorProto) -> int:
    bits = _PACKED.get(tensor.data_type) or 8 * helper.tensor_dtype_to_np_dtype(tensor.data_type).itemsize
    return -(-int(product(tensor.dims)) * bits // 8)


def _need_data(tensor: TensorProto, of: str) -> None:
    """Raises OnnxError where the file claims more numbers than it holds."""
    if tensor.data_type == TensorProto.STRING:
        raise OnnxError(f"{of} is of strings, which no tensor here is")
    if tensor.HasField("raw_data") and len(tensor.raw_data) != _bytes(tensor):
        raise OnnxError(
            f"{of} of shape {list(tensor.dims)} has {len(tensor.raw_data)} bytes of data, not {_bytes(tensor)}"
        )


def _external(tensor: TensorProto, of: str, folder: Path | None) -> Array:
    entries = {entry.key: entry.value for entry in tensor.external_data}
    place = entries.get("location", "")
    if folder is None:
        raise OnnxError(f"{of} stands in the file {place!r}: give the path of the model, not its content")
    path = (folder / place).resolve()
    if not place or not path.is_relative_to(folder.resolve()):
        raise OnnxError(f"{of} stands in {place!r}, outside of the folder of the model")
    if not path.is_file():
        raise OnnxError(f"{of} stands in {place!r}, which is not beside the model")
    offset, size, there = int(entries.get("offset", 0)), _bytes(tensor), path.stat().st_size
    if offset < 0 or int(entries.get("length", size)) != size or offset + size > there:
        raise OnnxError(
            f"{of} of shape {list(tensor.dims)} does not fit {place!r}: {size} bytes from {offset} of {there}"
        )
    dtype = helper.tensor_dtype_to_np_dtype(tensor.data_type)
    if not size:
        return np.zeros(tuple(tensor.dims), dtype)
    if tensor.data_type in _PACKED:
        content = np.memmap(path, np.uint8, "r", offset, size).tobytes()
        return numpy_helper.to_array(
            TensorProto(data_type=tensor.data_type, dims=tensor.dims, raw_data=content)
        )
    return np.memmap(path, dtype, "r", offset, tuple(tensor.dims))
