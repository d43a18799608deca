"""Models of any size as files: protobuf holds two gigabytes, so that of a larger one the tensors stand beside it."""

from __future__ import annotations

from collections.abc import Iterator

import onnx
from google.protobuf.message import Message
from onnx import TensorProto, helper, numpy_helper

from ir.types import Array

LIMIT = (1 << 31) - (1 << 20)  # bytes of one message, with room to spare
_SMALL = 1024  # bytes of a tensor that stays inside
HELD = (
    1 << 24
)  # bytes of a tensor that gets its values last: messages are copied while a model is put together
_KINDS = (
    "float",
    "int32",
    "string",
    "int64",
    "double",
    "uint64",
)  # of values that other programs may have put in
_ALIGNED = 4096  # bytes that offsets are a multiple of, so that runtimes can map tensors into memory


def named(array: Array, name: str) -> TensorProto:
    """`array` as a tensor; a large one without its values, which `fill` puts in."""
    if array.nbytes < HELD:
        return numpy_helper.from_array(array, name)
    return TensorProto(name=name, dims=array.shape, data_type=helper.np_dtype_to_tensor_dtype(array.dtype))


def fill(tensor: TensorProto, array: Array) -> None:
    """Let `tensor`, of the type and shape of `array`, have its values, in place."""
    for field in ("external_data", "data_location", *(f"{kind}_data" for kind in _KINDS)):
        tensor.ClearField(field)
    tensor.raw_data = numpy_helper.from_array(array).raw_data


def to_files(model: onnx.ModelProto, file: str, limit: int = LIMIT) -> dict[str, bytes]:
    """The content of `file`, and of `file`.data where the model would take more than `limit` bytes.

    Where it does, `model` is changed: its larger tensors say where they are (ONNX's external data).
    """
    inside = list(tensors(model))
    if sum(len(tensor.raw_data) for tensor in inside) < limit:
        return {file: model.SerializeToString()}
    data = bytearray()
    for tensor in inside:
        if len(tensor.raw_data) < _SMALL:
            continue
        data += bytes(-len(data) % _ALIGNED)
        place = {"location": f"{file}.data", "offset": len(data), "length": len(tensor.raw_data)}
        data += tensor.raw_data
        tensor.ClearField("raw_data")
        tensor.data_location = TensorProto.EXTERNAL
        for key, value in place.items():
            tensor.external_data.add(key=key, value=str(value))
    return {file: model.SerializeToString(), f"{file}.data": bytes(data)}


def tensors(message: Message) -> Iterator[TensorProto]:
    """All tensors of a model or a graph: initializers, and those of attributes, bodies and functions."""
    for field, value in message.ListFields():
        if field.message_type is None:
            continue
        for part in (value,) if isinstance(value, Message) else value:
            if isinstance(part, TensorProto):
                yield part
            else:
                yield from tensors(part)
