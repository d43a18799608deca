"""Checkpoints: safetensors files that survive a kill and a full disk, for tensors and for nested state.

A file is plain safetensors. Two keys of its metadata are ours: `lenetc.crc32`, a checksum of the tensors (the
format has none), and `lenetc.state`, the structure around them when `save` wrote the file.
"""

from __future__ import annotations

import json
import math
import struct
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, BinaryIO

import ml_dtypes  # noqa: F401 - importing it teaches NumPy, and so safetensors, the name bfloat16
import numpy as np
import safetensors
import safetensors.numpy
from numpy.typing import NDArray

from ir.errors import LenetcError
from lenetc.evaluation.tracing import asked
from lenetc.files import atomic_write
from lenetc.nn.parameter import Parameter
from lenetc.tensors.tensor import Tensor

__all__ = [
    "CheckpointError",
    "decode_state",
    "encode_state",
    "load",
    "load_tensors",
    "save",
    "save_tensors",
]

_CHECKSUM_KEY = "lenetc.crc32"
_STATE_KEY = "lenetc.state"
_STATE_FORMAT = 1
_RESERVED_NAME = "__metadata__"
_DTYPES = (
    *("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"),
    *("float16", "bfloat16", "float32", "float64", "complex64"),
)
_ZIP_MAGIC = b"PK\x03\x04"
_PICKLE_MAGIC = b"\x80"


class CheckpointError(LenetcError):
    """A checkpoint could not be written, or what is on disk is not a whole checkpoint."""


def save_tensors(
    path: str | Path | BinaryIO,
    tensors: Mapping[str, NDArray[Any]],
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Write named arrays as a safetensors file, atomically. Equal arguments give equal files, bit for bit.

    Args:
        path: the file; a previous one is replaced only once the new one is whole. Or an open binary file.
        tensors: any shape, 0-d included; bool, 8 to 64 bit integers, float16, float32, float64, complex64,
            ml_dtypes.bfloat16.
        metadata: strings to store beside them.

    Raises:
        TypeError: safetensors has no such dtype.
        ValueError: a name that the format reserves.
        CheckpointError: the file could not be written (disk full, folder missing); the previous one is as it
            was.
    """
    dense: dict[str, NDArray[Any]] = {}
    for name, array in tensors.items():
        if name == _RESERVED_NAME:
            raise ValueError(f"a tensor cannot be named {name!r}: safetensors keeps that name for itself")
        if array.dtype.name not in _DTYPES:
            raise TypeError(
                f"tensor {name!r} has dtype {array.dtype}, which safetensors cannot hold; convert it to one"
                f" of {', '.join(_DTYPES)}"
            )
        # safetensors reads raw memory, which must be dense and row-major. (ascontiguousarray makes 0-d 1-d.)
        native = array.dtype.newbyteorder("=")
        dense[name] = np.asarray(array, dtype=native, order="C")
    entries = {**(metadata or {}), _CHECKSUM_KEY: _checksum(dense)}
    content = _with_metadata(safetensors.numpy.save(dense), entries)
    if not isinstance(path, (str, Path)):
        path.write(content)
        return
    try:
        atomic_write(path, content)
    except OSError as error:
        raise CheckpointError(
            f"could not write the checkpoint {path} ({len(content)} bytes): {error.strerror or error}."
            " A previous file of that name is as it was; make room, or choose another folder, and save again"
        ) from error


def load_tensors(path: str | Path | BinaryIO) -> tuple[dict[str, NDArray[Any]], dict[str, str]]:
    """Read a safetensors file: the arrays by name, and the metadata stored beside them.

    Raises:
        FileNotFoundError: there is no such file.
        CheckpointError: the file is truncated, corrupt or no safetensors file.
    """
    if not isinstance(path, (str, Path)):
        with TemporaryDirectory() as folder:  # safetensors tells of metadata in files alone
            copied = Path(folder, "checkpoint")
            copied.write_bytes(path.read())
            return load_tensors(copied)
    path = Path(path)
    if not path.is_file():
        kind = "is a folder, not a checkpoint file" if path.is_dir() else "does not exist"
        raise FileNotFoundError(f"cannot load the checkpoint {path}: it {kind}")
    try:
        with safetensors.safe_open(path, framework="numpy") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping
            metadata = dict(file.metadata() or {})
    except (safetensors.SafetensorError, ValueError) as error:
        raise CheckpointError(_unreadable(path, str(error))) from error
    except (AttributeError, KeyError, TypeError) as error:  # what safetensors raises for a dtype NumPy lacks
        raise CheckpointError(
            f"the checkpoint {path} holds a tensor of a dtype that NumPy lacks ({error}); save it in another"
        ) from error
    except OSError as error:
        raise CheckpointError(f"cannot read the checkpoint {path}: {error.strerror or error}") from error
    expected = metadata.pop(_CHECKSUM_KEY, None)
    if expected is not None and expected != (actual := _checksum(tensors)):
        raise CheckpointError(
            f"the checkpoint {path} is corrupt: the checksum of its tensors is {actual}, not {expected}."
            " Use another copy; if a tool changed the tensors on purpose, have it remove"
            f" {_CHECKSUM_KEY!r} from the metadata"
        )
    return tensors, metadata


def save(obj: Any, path: str | Path | BinaryIO) -> None:
    """Write a state_dict or any nested state as one safetensors file, atomically (torch.save's place).

    Args:
        obj: what `encode_state` takes. A flat dict of arrays gives a file with exactly its names.
        path: the file, or one that is open in binary mode, which is written where it stands.

    Raises:
        TypeError: what `encode_state` raises, or a dtype that safetensors lacks.
        CheckpointError: the file could not be written; the previous one is as it was.
    """
    save_tensors(path, *encode_state(obj))


def _same(array: NDArray[Any]) -> Any:
    return array


def load(path: str | Path | BinaryIO, tensor: Callable[[NDArray[Any]], Any] = _same) -> Any:
    """Read what `save` wrote; of any other safetensors file the dict of its tensors (torch.load's place).

    tensor: makes of an array what it stands for where a tensor was saved; the array itself, if it is not given.

    Raises:
        FileNotFoundError: there is no such file.
        CheckpointError: the file is truncated, corrupt or no safetensors file.
    """
    asked("a file")
    tensors, metadata = load_tensors(path)
    try:
        return decode_state(tensors, metadata, tensor)
    except CheckpointError as error:
        raise CheckpointError(f"cannot load the checkpoint {path}: {error}") from error


def encode_state(obj: Any) -> tuple[dict[str, NDArray[Any]], dict[str, str]]:
    """Take nested state apart: arrays by dotted name, and metadata that tells how to put them together again.

    Args:
        obj: dict (keys str, int, float, bool or None), list, tuple, str, int, float, bool, None, and arrays;
            arrays come back as such, a NumPy scalar as a number; anything else with `__array__` is a tensor, which
            comes back as one, without its history; a Parameter comes back as a Parameter.

    Returns:
        The arrays, `{"model": {"fc.bias": a}, 3: [b]}` giving "model.fc.bias" and "3.0", and the metadata.

    Raises:
        TypeError: anything else; the message says where it is.
    """
    tensors: dict[str, NDArray[Any]] = {}

    def encode(node: Any, path: tuple[str, ...]) -> Any:
        if isinstance(node, np.generic):
            node = node.item()
        if node is None or isinstance(node, bool | int | str):
            return node
        if isinstance(node, float):
            return node if math.isfinite(node) else {"float": str(node)}
        if isinstance(node, Mapping):
            return {
                "dict": [
                    [encode_key(key, path), encode(value, (*path, str(key)))] for key, value in node.items()
                ]
            }
        # Not isinstance: a named tuple would come back without its names.
        if type(node) is list or type(node) is tuple:
            items = [encode(item, (*path, str(index))) for index, item in enumerate(node)]
            return items if type(node) is list else {"tuple": items}
        if hasattr(node, "__array__"):
            name = unused(".".join(path))
            if isinstance(node, np.ndarray):
                tensors[name] = node
                return {"array": name}
            needs_grad = bool(getattr(node, "requires_grad", False))
            tensors[name] = np.asarray(node.detach() if needs_grad else node)
            if isinstance(node, Parameter):
                return {"parameter" if needs_grad else "frozen": name}
            return {"leaf" if needs_grad else "tensor": name}
        advice = (
            "; save its state_dict(), and make it anew to load that" if hasattr(node, "state_dict") else ""
        )
        raise TypeError(
            f"cannot save {where(path)}: a {type(node).__name__} is neither dict, list, tuple, str, int,"
            f" float, bool, None nor an array{advice}"
        )

    def encode_key(key: Any, path: tuple[str, ...]) -> Any:
        if key is None or isinstance(key, bool | int | float | str):
            return encode(key, path)
        raise TypeError(
            f"cannot save {where(path)}: its key {key!r} is a {type(key).__name__}, not str, int, float, bool"
            " or None"
        )

    def unused(name: str) -> str:
        """{"a": {"b": x}, "a.b": y} asks twice for one name; the structure keeps the two apart."""
        candidate, count = name, 1
        while candidate in tensors or candidate == _RESERVED_NAME:
            count += 1
            candidate = f"{name}~{count}"
        return candidate

    def where(path: tuple[str, ...]) -> str:
        return f"the entry {'.'.join(path)!r}" if path else "the object"

    structure = encode(obj, ())
    return tensors, {_STATE_KEY: json.dumps({"format": _STATE_FORMAT, "state": structure}, allow_nan=False)}


def decode_state(
    tensors: Mapping[str, NDArray[Any]],
    metadata: Mapping[str, str],
    tensor: Callable[[NDArray[Any]], Any] = _same,
) -> Any:
    """Put together what `encode_state` took apart; without its metadata, the dict of the tensors.

    tensor: makes of an array what it stands for where it was no array before.

    Raises:
        CheckpointError: the metadata do not fit the tensors, or a newer version wrote them.
    """
    if _STATE_KEY not in metadata:
        return {name: tensor(array) for name, array in tensors.items()}

    def decode(node: Any) -> Any:
        if isinstance(node, list):
            return [decode(item) for item in node]
        if not isinstance(node, dict):
            return node
        [(kind, content)] = node.items()
        match kind:
            case "dict":
                return {decode(key): decode(value) for key, value in content}
            case "tuple":
                return tuple(decode(item) for item in content)
            case "float":
                return float(content)
            case "tensor":
                return tensor(tensors[content])
            case "leaf" | "parameter" | "frozen":
                made = tensor(tensors[content])
                if not isinstance(made, Tensor):
                    return made
                return made.requires_grad_() if kind == "leaf" else Parameter(made, kind == "parameter")
            case "array":
                return tensors[content]
        raise ValueError(kind)

    try:
        document = json.loads(metadata[_STATE_KEY])
        written = document["format"]
        if written != _STATE_FORMAT:
            raise CheckpointError(
                f"its state has format {written}, this version of lenetc reads {_STATE_FORMAT}: update lenetc"
            )
        return decode(document["state"])
    except (KeyError, ValueError, TypeError, RecursionError) as error:
        raise CheckpointError(
            f"its metadata {_STATE_KEY!r} do not describe its tensors ({type(error).__name__}: {error})."
            " Use another copy, or read the bare tensors with load_tensors"
        ) from error


def _with_metadata(content: bytes, metadata: Mapping[str, str]) -> bytes:
    """Put metadata into the header, sorted: safetensors itself orders them anew in every process.

    The format: u64 header length, JSON header padded by spaces to a multiple of 8, data.
    https://github.com/huggingface/safetensors#format
    """
    (length,) = struct.unpack("<Q", content[:8])
    entries = json.loads(content[8 : 8 + length])
    header = json.dumps(
        {_RESERVED_NAME: dict(sorted(metadata.items())), **entries}, ensure_ascii=False, separators=(",", ":")
    ).encode()
    header += b" " * (-len(header) % 8)
    return struct.pack("<Q", len(header)) + header + content[8 + length :]


def _checksum(tensors: Mapping[str, NDArray[Any]]) -> str:
    """CRC-32 over names, dtypes, shapes and data, whatever the order of the dict."""
    total = 0
    for name, array in sorted(tensors.items()):
        total = zlib.crc32(f"{name} {array.dtype.name} {array.shape}".encode(), total)
        total = zlib.crc32(array.tobytes(), total)
    return f"{total:08x}"


def _unreadable(path: Path, reason: str) -> str:
    with path.open("rb") as file:
        start = file.read(9)
    # A safetensors header's length may begin with the same byte; its JSON follows after 8 bytes.
    if start[:4] == _ZIP_MAGIC or (start[:1] == _PICKLE_MAGIC and start[8:] != b"{"):
        return (
            f"{path} is a pickle, as torch.save writes it, not a safetensors file. Pickles run code when they"
            " are loaded, so lenetc never reads them; convert it with safetensors where PyTorch is:"
            " safetensors.torch.save_file(torch.load(path, weights_only=True), 'weights.safetensors'), where it holds a"
            " whole module with weights_only=False and of its state_dict(); then load that file"
        )
    return (
        f"{path} ({path.stat().st_size} bytes) is no readable checkpoint: {reason}. It is truncated, corrupt"
        " or not a safetensors file; use another copy, or save it again"
    )
