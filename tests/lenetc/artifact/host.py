"""A host of exported folders that knows nothing but the manifest, NumPy and ONNX Runtime."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from safetensors.numpy import load_file

from ir.types import Array

State = dict[str, Array]


class Host:
    """The models of a folder, one session each."""

    def __init__(self, folder: Path, threads: int = 2) -> None:
        self.folder = folder
        self.manifest: dict[str, Any] = json.loads((folder / "manifest.json").read_text())
        self.models = self.manifest["models"]
        self.state: State = load_file(folder / "state.safetensors")
        self.numbers = {h["name"]: h["default"] for h in self.manifest["hyperparameters"]}
        self.dtypes = {h["name"]: h["dtype"] for h in self.manifest["hyperparameters"]}
        self._sessions: dict[str, onnxruntime.InferenceSession] = {}
        self._threads = threads

    def session(self, kind: str) -> onnxruntime.InferenceSession:
        if kind not in self._sessions:
            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads = self._threads
            options.log_severity_level = 3
            self._sessions[kind] = onnxruntime.InferenceSession(
                self.folder / self.models[kind]["file"], options, providers=["CPUExecutionProvider"]
            )
        return self._sessions[kind]

    def run(self, kind: str, state: State, **inputs: Any) -> tuple[State, State]:
        """(results and gradients, new state) of one run; gradients go in and come out under the state's names, with
        ".grad" behind."""
        model = self.models[kind]
        given = {name: np.asarray(self.numbers[name], self.dtypes[name]) for name in model["hyperparameters"]}
        given |= {name: np.asarray(value) for name, value in inputs.items()}
        feeds = {entry["name"]: given[entry["name"]] for entry in model["inputs"]}
        feeds |= {name: given[name] for name in model["hyperparameters"]}
        feeds |= {name: state[name] for name in model["state"]}
        outputs = [entry["name"] for entry in model["results"]]
        gradients = list(model.get("gradients", {}).values())
        if kind == "apply":
            feeds |= {name: given[name] for name in gradients}
        else:
            outputs += gradients
        updates = list(model["updates"].values())
        found = dict(zip(outputs + updates, self.session(kind).run(outputs + updates, feeds), strict=True))
        new = {name: found.pop(output) for name, output in model["updates"].items()}
        return found, {**state, **new}
