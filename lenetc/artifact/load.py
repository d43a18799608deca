"""An exported folder, run without the Python code that made it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from ir.errors import DTypeError, LenetcError, ShapeError
from ir.types import Array
from lenetc import runtime
from lenetc.artifact import checkpoint
from lenetc.artifact.checkpoint import CheckpointError, load_tensors, save_tensors
from lenetc.artifact.manifest import VALID, Model, Port
from lenetc.artifact.on_disk.bake import bake
from lenetc.artifact.on_disk.folder import Folder, fitting_state
from lenetc.artifact.on_disk.inputs import Hyperparameters, as_array, fitting
from lenetc.artifact.on_disk.models import Models
from lenetc.evaluation.ranges import LabelError
from lenetc.evaluation.tracing import here
from lenetc.runtime import Value
from lenetc.tensors.tensor import Tensor


class Artifact:
    """An exported folder, run without the Python code that made it. State is kept on the device, and can be saved.

    device: "cpu" or "cuda". Models are loaded when they are first run. Raises CheckpointError where a file of the
    folder is not as it was exported, DeviceError for a device that cannot be used, LenetcError for a folder that is for
    another machine or a newer ONNX Runtime.

    In what follows, N is the batch and K a number of steps; inputs are arrays, tensors or numbers by name, results
    NumPy arrays by name. Whatever raises leaves the state as it was. Inputs that are missing or unknown raise
    LenetcError, those of another dtype or shape DTypeError and ShapeError, labels out of range LabelError, and a model
    that the folder does not have LenetcError.
    """

    def __init__(self, directory: str | Path, device: str = "cpu") -> None:
        self.device = runtime.resolve_device(device)
        self._folder = Folder(directory)
        self.manifest = self._folder.manifest
        self._models = Models(self._folder, self.device)
        self._state = self._on_device(self._folder.state())
        self._hyperparameters = Hyperparameters(self.manifest["hyperparameters"])

    @property
    def folder(self) -> Path:
        """Where the artifact was loaded from."""
        return self._folder.path

    @property
    def state(self) -> dict[str, Array]:
        """The present state by name, copied to the host."""
        return {name: runtime.to_numpy(value) for name, value in self._state.items()}

    @property
    def hyperparameters(self) -> Hyperparameters:
        """The numbers that every step is fed, a dict: what is set holds from the next step on."""
        return self._hyperparameters

    def __call__(self, /, *unnamed: Any, **inputs: Any) -> dict[str, Array]:
        """One training step: [N, ...] -> results. Hyperparameters may be given too, for this step alone."""
        return self._step("train", unnamed, inputs)

    def scan(self, /, *unnamed: Any, **inputs: Any) -> dict[str, Array]:
        """K training steps in one run: [K, N, ...] -> results [K, ...]."""
        return self._step("train_scan", unnamed, inputs)

    def evaluate(self, /, *unnamed: Any, **inputs: Any) -> dict[str, Array]:
        """The evaluation that was exported (`export(evaluate=)`), with the present state, which stays."""
        return self._step("eval", unnamed, inputs)

    def predict(self, /, *unnamed: Any, **inputs: Any) -> dict[str, Array]:
        """The outputs of the model in eval mode (`export(infer=)`), with the present state."""
        return self._step("infer", unnamed, inputs)

    def gradients(self, /, *unnamed: Any, **inputs: Any) -> tuple[dict[str, Array], dict[str, Array]]:
        """The first part of a step: [N, ...] -> (results, gradients by the names of parameters).

        Buffers and random counters are those after the step, parameters those before: `apply` is the second part.
        """
        gradients = self._models.entry("grad").get("gradients", {})
        results = self._step("grad", unnamed, inputs)
        found = {name: results.pop(output) for name, output in gradients.items()}
        return results, found

    def apply(self, gradients: Mapping[str, Any], /, **hyperparameters: float) -> None:
        """The second part of a step: what the optimizer makes of `gradients`, as from `gradients()`, or a mean of
        several. Each has the dtype and the shape of its parameter."""
        model = self._models.entry("apply")
        names = model.get("gradients", {})
        if not isinstance(gradients, Mapping) or gradients.keys() != names.keys():
            wrong = sorted(names.keys() ^ gradients.keys()) if isinstance(gradients, Mapping) else list(names)
            raise LenetcError(
                f"apply takes a dict of the gradients of {', '.join(names)}; missing or unknown: {', '.join(wrong)}"
            ).at(here())
        state = {entry["name"]: entry for entry in self.manifest["state"]}
        feeds = {}
        for name, input in names.items():
            port: Port = {
                "name": f"{name} (its gradient)",
                "dtype": state[name]["dtype"],
                "shape": [*state[name]["shape"]],
            }
            array = as_array(port, gradients[name])
            if list(array.shape) != port["shape"]:
                raise ShapeError(
                    f"the gradient of {name} is {list(array.shape)}, and the parameter {port['shape']}"
                ).at(here())
            feeds[input] = array
        self._run("apply", model, feeds, hyperparameters)

    def initialize(self, seed: int) -> None:
        """Start anew: all state as from the modules' `reset_parameters` with `seed`; what has none is as exported."""
        if not isinstance(seed, int | np.integer) or isinstance(seed, bool) or not -(2**63) <= seed < 2**63:
            raise LenetcError(f"a seed is an integer of 64 bits, not {seed!r}").at(here())
        model = self._models.entry("init")
        self._run("init", model, {port["name"]: np.asarray(seed, np.int64) for port in model["inputs"]}, {})

    def save(self, path: str | Path, *, trained_only: bool = False) -> None:
        """Write the present state as safetensors, under the names of PyTorch's `state_dict`. trained_only: without what
        no step changes, frozen weights say, and is as it was exported."""
        state = self.state
        if trained_only:
            for name, exported in self._untrained().items():
                if state[name].tobytes() == exported.tobytes():
                    del state[name]
        save_tensors(Path(path), state)

    def load_state(
        self, state: str | Path | Mapping[str, Any], strict: bool = True
    ) -> tuple[list[str], list[str]]:
        """Go on from a file that `save` or PyTorch wrote, or from a dict of arrays (Module.load_state_dict).

        strict: the names are those of the artifact, but that what no step changes may be missing, and is then as it was
        exported. Else what is missing stays and what is unknown is left out. Returns both, (missing, unknown). Raises
        CheckpointError for a file that cannot be read, and a state of other names, dtypes or shapes.
        """
        if isinstance(state, Mapping):
            source, found = "the dict", {name: as_state(name, value) for name, value in state.items()}
        elif isinstance(state, str | Path):
            source, (found, _) = str(state), load_tensors(Path(state))
        else:
            raise CheckpointError(f"load_state takes a file's path or a dict of arrays, not {state!r}")
        fitting = fitting_state(self.manifest, found, source, strict)
        missing = [name for name in self._state if name not in fitting]
        kept = self._untrained() if strict and missing else {}
        self._state.update(self._on_device({**kept, **fitting}))
        return missing, [name for name in found if name not in fitting]

    def bake(self, path: str | Path) -> list[Path]:
        """Write infer.onnx with the present state inside. Returns the paths written: more than one over 2 GB."""
        return bake(self._folder, self.state, path)

    def _step(self, kind: str, unnamed: tuple[Any, ...], inputs: Mapping[str, Any]) -> dict[str, Array]:
        model = self._models.entry(kind)
        expected = [port["name"] for port in model["inputs"]]
        missing = sorted(set(expected) - inputs.keys())
        unknown = sorted(inputs.keys() - set(expected) - set(model["hyperparameters"]))
        if unnamed or missing or unknown:
            more = (
                f" and may be given {', '.join(model['hyperparameters'])}" if model["hyperparameters"] else ""
            )
            positional = f", without a name: {len(unnamed)}" if unnamed else ""
            raise LenetcError(
                f"{model['file']} takes {', '.join(expected) or 'no inputs'}; missing: {missing}, unknown: {unknown}"
                f"{positional}. It takes inputs by name{more}"
            ).at(here())
        arrays = fitting(model["inputs"], inputs)
        return self._run(kind, model, arrays, {name: v for name, v in inputs.items() if name not in expected})

    def _run(
        self, kind: str, model: Model, arrays: Mapping[str, Array], given: Mapping[str, Any]
    ) -> dict[str, Array]:
        """Run a model and take its updates. Returns the other outputs."""
        hyper = self._hyperparameters.arrays([*model["hyperparameters"], *given], given)
        session, state = self._models.session(kind)
        feeds = {name: runtime.to_device(array, self.device) for name, array in {**hyper, **arrays}.items()}
        feeds.update((name, self._state[name]) for name in state)
        results = [port["name"] for port in model["results"]]
        if kind == "grad":
            results += model.get("gradients", {}).values()
        values = session.run(feeds, [*results, *model["updates"].values()])
        found = {name: runtime.to_numpy(value) for name, value in zip(results, values, strict=False)}
        valid = found.pop(VALID) if kind != "infer" and VALID in found else np.asarray(True)
        if not valid.all():
            raise LabelError(
                f"{model['file']}: a label or an index that it computes is out of its range"
                + ("" if valid.ndim == 0 else f", in step {int(np.argmin(valid))} of {len(valid)}")
                + "; the state is as it was before the call"
            ).at(here())
        self._state.update(zip(model["updates"], values[len(results) :], strict=True))
        return found

    def _untrained(self) -> dict[str, Array]:
        """What no step changes, as it was exported."""
        exported = self._folder.state()
        return {
            entry["name"]: exported[entry["name"]] for entry in self.manifest["state"] if not entry["trained"]
        }

    def _on_device(self, arrays: Mapping[str, Array]) -> dict[str, Value]:
        return {name: runtime.to_device(array, self.device) for name, array in arrays.items()}

    def __repr__(self) -> str:
        models = "".join(
            f"\n  {kind}: {', '.join(_text(port) for port in model['inputs'])}"
            f" -> {', '.join(_text(port) for port in model['results'])}"
            for kind, model in self.manifest["models"].items()
        )
        return f"Artifact({str(self.folder)!r}, device={self.device!r}){models}"


def as_state(name: str, value: Any) -> Array:
    """A value of a state that was given as a dict, as an array."""
    array = np.asarray(value.detach() if isinstance(value, Tensor) else value)
    if array.dtype.kind not in "biufV":
        raise DTypeError(f"the state {name!r} is no array, but {type(value).__name__}").at(here())
    return array


def _text(port: Port) -> str:
    return f"{port['name']} {port['dtype']}[{','.join(map(str, port['shape']))}]"


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
