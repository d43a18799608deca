"""An exported folder, run without the Python code that made it."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from ir.errors import DTypeError, LenetcError, ShapeError
from ir.types import Array
from lenetc import runtime
from lenetc.artifact import checkpoint
from lenetc.artifact.checkpoint import CheckpointError, load_tensors, save_tensors
from lenetc.evaluation.ranges import Range
from lenetc.evaluation.tracing import here
from lenetc.tensors.tensor import Tensor

FORMAT = 1  # of the folder; `export` writes it


_ENTRIES = {
    "files": dict,
    "inputs": list,
    "hyperparameters": list,
    "state": list,
    "results": list,
}  # what is read


class Artifact:
    """An exported folder, run without the Python code that made it. State is kept here and can be saved.

    Calling it with the inputs by name runs one training step and returns the results by name, as arrays.
    """

    def __init__(self, directory: str | Path, device: str = "cpu") -> None:
        self.folder = Path(directory)
        try:
            self.manifest = json.loads((self.folder / "manifest.json").read_text())
        except (OSError, ValueError) as error:
            raise CheckpointError(
                f"{self.folder} is not an exported artifact: manifest.json cannot be read ({error})"
            ) from None
        if not isinstance(self.manifest, dict):
            raise CheckpointError(
                f"{self.folder}: manifest.json holds no manifest; export the artifact again"
            )
        if self.manifest.get("format") != FORMAT:
            raise CheckpointError(
                f"{self.folder} has format {self.manifest.get('format')}, this version reads format {FORMAT}"
            )
        lacking = [key for key, kind in _ENTRIES.items() if not isinstance(self.manifest.get(key), kind)]
        if lacking:
            raise CheckpointError(
                f"{self.folder}: manifest.json lacks {', '.join(lacking)}; export the artifact again"
            )
        for file, expected in self.manifest["files"].items():
            path = self.folder / file
            if not path.exists() or hashlib.sha256(path.read_bytes()).hexdigest() != expected:
                raise CheckpointError(
                    f"{path} is missing or is not the file that was exported; export the artifact again"
                )
        self.device = runtime.resolve_device(device)
        tensors, _ = load_tensors(self.folder / "state.safetensors")
        self._state = {name: runtime.to_device(array, self.device) for name, array in tensors.items()}
        self.hyperparameters = {h["name"]: h["default"] for h in self.manifest["hyperparameters"]}
        self._session = runtime.Session((self.folder / "train.onnx").read_bytes(), self.device, {})

    @property
    def state(self) -> dict[str, Array]:
        """The present state by name, copied to the host."""
        return {name: runtime.to_numpy(value) for name, value in self._state.items()}

    def __call__(self, **inputs: Any) -> dict[str, Array]:
        """One step; hyperparameters may be given too.

        Raises, and keeps the state: LenetcError for missing or unknown inputs, DTypeError and ShapeError for
        what does not fit the manifest, LabelError for labels out of range.
        """
        expected = {i["name"]: i for i in self.manifest["inputs"]}
        unknown = set(inputs) - set(expected) - set(self.hyperparameters)
        missing = set(expected) - set(inputs)
        if unknown or missing:
            raise LenetcError(
                f"this artifact takes {', '.join(expected)}; missing: {sorted(missing)}, "
                f"unknown: {sorted(unknown)}"
            )
        arrays = {name: np.asarray(value, np.float32) for name, value in self.hyperparameters.items()}
        arrays.update({name: np.asarray(v, np.float32) for name, v in inputs.items() if name not in expected})
        sizes: dict[str, int] = {}
        arrays.update({name: _fitting(entry, inputs[name], sizes) for name, entry in expected.items()})
        feeds = dict(self._state)
        feeds.update({name: runtime.to_device(array, self.device) for name, array in arrays.items()})
        nexts = {s["name"]: s["next"] for s in self.manifest["state"] if s["next"]}
        results = [r["name"] for r in self.manifest["results"]]
        values = self._session.run(feeds, [*results, *nexts.values()])
        self._state.update(zip(nexts, values[len(results) :], strict=True))
        return {name: runtime.to_numpy(value) for name, value in zip(results, values, strict=False)}

    def save(self, path: str | Path) -> None:
        """Write the present state as safetensors."""
        save_tensors(Path(path), self.state)

    def load_state(self, path: str | Path) -> None:
        """Go on from what `save` wrote. Raises CheckpointError where it is no state of this artifact."""
        tensors, _ = load_tensors(Path(path))
        expected = {s["name"]: (s["dtype"], s["shape"]) for s in self.manifest["state"]}
        found = {name: (str(array.dtype), list(array.shape)) for name, array in tensors.items()}
        wrong = sorted(name for name in expected.keys() | found if expected.get(name) != found.get(name))
        if wrong:
            name = wrong[0]
            raise CheckpointError(
                f"{path} does not hold the state of this artifact: {name} is "
                f"{found.get(name, 'missing')} there "
                f"and {expected.get(name, 'unknown')} here ({len(wrong)} differ); take a file that it saved"
            )
        self._state = {name: runtime.to_device(array, self.device) for name, array in tensors.items()}


def _fitting(entry: dict[str, Any], value: Any, sizes: dict[str, int]) -> Array:
    """`value` as the array that an input of the manifest takes. sizes: of the symbols met so far."""
    array = np.asarray(value)
    name, shape = entry["name"], entry["shape"]
    takes = f"the input {name} is {entry['dtype']} {shape}, but was given {array.dtype} {list(array.shape)}"
    if not np.can_cast(array.dtype, entry["dtype"], "same_kind"):
        raise DTypeError(f"{takes}; convert it with .astype(np.{entry['dtype']})").at(here())

    def fits(dim: int | str, size: int) -> bool:
        if isinstance(dim, int):
            return dim == size
        return not dim.isidentifier() or sizes.setdefault(dim, size) == size

    if len(shape) != array.ndim or not all(map(fits, shape, array.shape)):
        known = "".join(f", where {symbol} is {size}" for symbol, size in sizes.items())
        raise ShapeError(f"{takes}{known}").at(here())
    for allowed in entry.get("ranges", ()):
        Range(name, "label", **allowed, reason="as the manifest says", where=here()).check(array, name)
    return array.astype(entry["dtype"], copy=False)


def load(
    path: str | Path | BinaryIO,
    map_location: Any = None,
    *,
    device: str = "cpu",
    weights_only: bool | None = None,
    mmap: bool | None = None,
) -> Any:
    """What `lenetc.save` wrote to the file `path`, or to one that is open in binary mode, tensors as tensors
    (torch.load); of another safetensors file, such as PyTorch's and Hugging Face's weights, the dict of its tensors;
    for a folder, the exported artifact in it.

    map_location, weights_only and mmap are accepted: tensors are where programs run, and nothing is unpickled. device:
    for an artifact, where it runs. Raises CheckpointError for what is neither.
    """
    if hasattr(path, "read"):
        return checkpoint.load(path, Tensor._from_array)
    if not isinstance(path, (str, Path)):
        raise CheckpointError(f"load takes a file or the path of one, not a {type(path).__name__}")
    return Artifact(path, device) if Path(path).is_dir() else checkpoint.load(path, Tensor._from_array)
