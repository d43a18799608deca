"""An exported folder, run without the Python code that made it."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np

from ir.errors import LenetcError
from ir.types import Array
from lenetc import checkpoint, runtime
from lenetc.checkpoint import CheckpointError, load_tensors, save_tensors

FORMAT = 1  # of the folder; lenetc.export writes it


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
        if self.manifest.get("format") != FORMAT:
            raise CheckpointError(
                f"{self.folder} has format {self.manifest.get('format')}, this version reads format {FORMAT}"
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
        """One step. Raises LenetcError for missing or unknown inputs; hyperparameters may be given too."""
        expected = {i["name"]: i for i in self.manifest["inputs"]}
        unknown = set(inputs) - set(expected) - set(self.hyperparameters)
        missing = set(expected) - set(inputs)
        if unknown or missing:
            raise LenetcError(
                f"this artifact takes {', '.join(expected)}; missing: {sorted(missing)}, unknown: {sorted(unknown)}"
            )
        feeds = dict(self._state)
        for name, value in {**self.hyperparameters, **inputs}.items():
            dtype = expected[name]["dtype"] if name in expected else "float32"
            feeds[name] = runtime.to_device(np.asarray(value, dtype), self.device)
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
                f"{path} does not hold the state of this artifact: {name} is {found.get(name, 'missing')} there and "
                f"{expected.get(name, 'unknown')} here ({len(wrong)} differ); take a file that this artifact saved"
            )
        self._state = {name: runtime.to_device(array, self.device) for name, array in tensors.items()}


def load(path: str | Path, device: str = "cpu") -> Any:
    """What `lenetc.save` wrote to the file `path`; or, for a folder, the exported artifact in it.

    Raises CheckpointError for what is neither, and never unpickles.
    """
    return Artifact(path, device) if Path(path).is_dir() else checkpoint.load(path)
