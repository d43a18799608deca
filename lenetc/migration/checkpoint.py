"""Checkpoints of onnxruntime-training: weights, AdamW's moments, properties.

A checkpoint is a flatbuffer (onnxruntime/core/flatbuffers/schema/ort_training_checkpoint.fbs); large tensors may stand
in a second file beside it.
"""

from __future__ import annotations

import math
import os
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np

from ir.errors import LenetcError
from ir.types import Array
from lenetc.artifact.checkpoint import CheckpointError
from lenetc.importer.module import OnnxModule
from lenetc.migration.flatbuffer import Damaged, Table
from lenetc.nn.modules.module import Module
from lenetc.optim import Adam
from lenetc.optim.optimizer import Optimizer
from lenetc.tensors.tensor import Tensor

_IDENTIFIER, _VERSIONS = b"ODTC", (1, 2)
_DTYPES = {  # by ONNX's numbers
    1: np.dtype(np.float32),
    2: np.dtype(np.uint8),
    3: np.dtype(np.int8),
    4: np.dtype(np.uint16),
    5: np.dtype(np.int16),
    6: np.dtype(np.int32),
    7: np.dtype(np.int64),
    9: np.dtype(np.bool_),
    10: np.dtype(np.float16),
    11: np.dtype(np.float64),
    12: np.dtype(np.uint32),
    13: np.dtype(np.uint64),
    16: np.dtype(ml_dtypes.bfloat16),
}
_MOMENTS = {"momentum0": "exp_avg", "momentum1": "exp_avg_sq"}  # of AdamW, under PyTorch's names


@dataclass(frozen=True)
class OrtOptimizer:
    """A group of the optimizer. learning_rate: the one that it began with, not what `set_learning_rate` set, which is
    not saved; moments: arrays by the parameter's name and theirs ("momentum0", "momentum1")."""

    step: int
    learning_rate: float
    moments: dict[str, dict[str, Array]]


@dataclass(frozen=True)
class OrtCheckpoint:
    """What a checkpoint of onnxruntime-training holds.

    trained, frozen: parameters by name; optimizers: groups by name, empty where none were saved; properties: what the
    program put in.
    """

    trained: dict[str, Array]
    frozen: dict[str, Array]
    optimizers: dict[str, OrtOptimizer]
    properties: dict[str, int | float | str]

    @property
    def parameters(self) -> dict[str, Array]:
        """All weights, trained and frozen."""
        return {**self.trained, **self.frozen}

    def restore(self, module: Module, optimizer: Optimizer | None = None) -> None:
        """Put the weights into `module`, frozen ones without gradients, and AdamW's moments, step and learning rate
        into `optimizer`, an AdamW or Adam, whose training goes on from there. The rate is that which the training began
        with, as it is in onnxruntime-training after loading: where it was set since, set it again.

        Raises LenetcError for weights that the module has not, of another shape, or an optimizer that has no such
        moments.
        """
        state = dict(module.named_parameters()) | dict(module.named_buffers())
        if isinstance(module, OnnxModule):
            state |= {name: state[path] for path, name in module.onnx_names().items() if path in state}
        if unknown := sorted(self.parameters.keys() - state.keys()):
            raise LenetcError(f"the module has no {', '.join(unknown)}, which the checkpoint holds")
        for name, array in self.parameters.items():
            if tuple(state[name].shape) != array.shape:
                raise LenetcError(
                    f"{name} is {list(state[name].shape)}, and {list(array.shape)} in the checkpoint"
                )
        whole = None if optimizer is None else self._state_of(optimizer, state)
        for name, array in self.parameters.items():
            tensor = state[name]
            tensor.data.copy_(Tensor._from_array(array))
            if name in self.frozen and tensor.is_leaf:
                tensor.requires_grad_(False)
        if optimizer is not None and whole is not None:
            optimizer.load_state_dict(whole)

    def _state_of(self, optimizer: Optimizer, state: dict[str, Tensor]) -> dict[str, Any]:
        """The state_dict of `optimizer`, with what the checkpoint holds in it."""
        if not isinstance(optimizer, Adam):
            raise LenetcError(
                f"{type(optimizer).__name__} has no moments such as AdamW's, which the checkpoint holds: "
                "restore(module) takes the weights"
            )
        if not self.optimizers:
            raise LenetcError(
                "the checkpoint was saved without the optimizer's state: restore(module) takes the rest"
            )
        number = {
            id(p): i for i, p in enumerate(p for group in optimizer.param_groups for p in group["params"])
        }
        whole = optimizer.state_dict()
        for group in self.optimizers.values():
            for name, moments in group.moments.items():
                if id(state.get(name)) not in number:
                    raise LenetcError(
                        f"the optimizer does not train {name}, of which the checkpoint has moments"
                    )
                whole["state"][number[id(state[name])]] = {
                    "step": group.step,
                    **{_MOMENTS[key]: Tensor._from_array(array) for key, array in moments.items()},
                }
            for options in whole["param_groups"]:
                options["lr"] = group.learning_rate
        return whole


def load_ort_checkpoint(path: str | os.PathLike[str]) -> OrtCheckpoint:
    """The checkpoint file that `onnxruntime-training` wrote (CheckpointState.save_checkpoint, generate_artifacts).

    Raises FileNotFoundError where there is none; CheckpointError for a file that is none or is damaged, for a nominal
    one, which holds no values, and for a version that is not known (1 and 2 are).
    """
    path = Path(path)
    if path.is_dir():
        raise CheckpointError(
            f"{path} is a folder, as checkpoints of onnxruntime-training were before version 1.16, which "
            "has to load and save it once more"
        )
    content = path.read_bytes()
    try:
        root = Table.root(content, _IDENTIFIER)
        if root is None:
            raise CheckpointError(f"{path} is no checkpoint of onnxruntime-training: it lacks its mark, ODTC")
        if (version := root.integer(0, "<i")) not in _VERSIONS:
            raise CheckpointError(
                f"{path} is of version {version}; {_VERSIONS[0]} and {_VERSIONS[1]} are known"
            )
        return _read(root, path)
    except (Damaged, struct.error, UnicodeDecodeError, IndexError) as error:
        raise CheckpointError(f"{path} is damaged: {error}") from error


def _read(root: Table, path: Path) -> OrtCheckpoint:
    module = root.table(1)
    if module is None:
        raise CheckpointError(f"{path} holds no weights")
    if module.integer(2, "<B"):
        raise CheckpointError(
            f"{path} is a nominal checkpoint, which holds names alone: load the complete one"
        )
    beside = Path(f"{path}.data") if module.integer(3, "<B") else None
    optimizers = {
        group.text(0): OrtOptimizer(
            group.integer(1),
            group.number(2),
            {state.text(0): _arrays(state.tables(1), path, beside) for state in group.tables(3)},
        )
        for group in root.tables(2)
    }
    properties: dict[str, int | float | str] = {}
    if (bag := root.table(3)) is not None:
        properties |= {entry.text(0): entry.integer(1) for entry in bag.tables(0)}
        properties |= {entry.text(0): entry.number(1) for entry in bag.tables(1)}
        properties |= {entry.text(0): entry.text(1) for entry in bag.tables(2)}
    trained, frozen = (_arrays(module.tables(field), path, beside) for field in (0, 1))
    return OrtCheckpoint(trained, frozen, optimizers, properties)


def _arrays(tensors: Iterable[Table], path: Path, beside: Path | None) -> dict[str, Array]:
    return {tensor.text(0): _array(tensor, path, beside) for tensor in tensors}


def _array(tensor: Table, path: Path, beside: Path | None) -> Array:
    name, shape, number = tensor.text(0), tensor.integers(2), tensor.integer(3, "<i")
    dtype = _DTYPES.get(number)
    if dtype is None or any(size < 0 for size in shape):
        raise CheckpointError(
            f"{path}: {name} has the shape {shape} and the element type {number}, which is not read"
        )
    size = math.prod(shape) * dtype.itemsize
    content: memoryview | bytes = tensor.content(4)
    if not len(content) and size and beside is not None:
        offset = tensor.integer(6)
        if not beside.is_file() or not 0 <= offset <= beside.stat().st_size - size:
            raise CheckpointError(
                f"{path}: {name} has {size} bytes at {offset} of {beside}, which has not as many"
            )
        with beside.open("rb") as file:
            file.seek(offset)
            content = file.read(size)
    if len(content) != size:
        raise CheckpointError(f"{path}: {name} {shape} has {len(content)} bytes, not {size}")
    return np.frombuffer(content, dtype).reshape(shape).copy()
