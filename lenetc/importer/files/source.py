"""What somebody gives for a model (a path, a file's content, a model) as a protobuf message; nothing is copied that
need not be."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TypeAlias

import onnx
from google.protobuf.message import DecodeError

from lenetc.importer.errors import OnnxError

Source: TypeAlias = "str | os.PathLike[str] | bytes | onnx.ModelProto"

_MOST = 2**31 - 1  # bytes of a protobuf message

# How the files begin that are given by mistake.
_OTHERS = (
    (b"PK\x03\x04", "a ZIP archive, as torch.save and Keras write them; export the network to ONNX first"),
    (b"\x80\x02", "a pickle, as torch.save wrote them; export the network to ONNX first"),
    (b"\x89HDF", "an HDF5 file, as Keras wrote them; tf2onnx makes ONNX of it"),
    (b"\x1f\x8b", "a gzip archive; unpack it first"),
)


def read_model(source: Source) -> tuple[onnx.ModelProto, Path | None]:
    """The model, and the folder that its external data stand in, None for a model in memory.

    Raises OnnxError for anything that is no model, FileNotFoundError where there is no file.
    """
    if isinstance(source, onnx.ModelProto):
        return _complete(source, "the model"), None
    if isinstance(source, (bytes, bytearray, memoryview)):
        return _parsed(bytes(source), "the content"), None
    if not isinstance(source, (str, os.PathLike)):
        raise OnnxError(f"a model is a path, bytes or an onnx.ModelProto, not {type(source).__name__}")
    path = Path(source)
    if path.is_dir():
        inside = ", ".join(sorted(p.name for p in path.glob("*.onnx"))[:6])
        raise OnnxError(f"{path} is a folder; give the file" + (f": in it are {inside}" if inside else ""))
    if path.exists() and path.stat().st_size > _MOST:
        raise OnnxError(
            f"{path} has {path.stat().st_size} bytes, more than a protobuf message can have; weights that large stand "
            "in external data (onnx.save(..., save_as_external_data=True))"
        )
    return _parsed(path.read_bytes(), str(path)), path.parent


def _parsed(content: bytes, what: str) -> onnx.ModelProto:
    if not content:
        raise OnnxError(f"{what} is empty")
    for start, kind in _OTHERS:
        if content.startswith(start):
            raise OnnxError(f"{what} is no ONNX model but {kind}")
    if content[4:8] == b"ORTM":
        raise OnnxError(f"{what} is of ONNX Runtime's own format (.ort); give the ONNX file that it is of")
    if content[8:9] == b"{" and int.from_bytes(content[:8], "little") < len(content):
        raise OnnxError(f"{what} is no ONNX model but a safetensors file: weights, without the network")
    model = onnx.ModelProto()
    try:
        model.ParseFromString(content)
    except DecodeError as error:
        raise OnnxError(f"{what} is no ONNX model, or a damaged one: {error}") from None
    return _complete(model, what)


def _complete(model: onnx.ModelProto, what: str) -> onnx.ModelProto:
    if not model.HasField("graph"):
        raise OnnxError(f"{what} is no ONNX model: it has no graph")
    if not model.opset_import:
        raise OnnxError(f"{what} is no ONNX model: it says of no opset that it is of")
    return model
