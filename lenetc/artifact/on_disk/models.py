"""The models of an exported folder as sessions: loaded when they are first run, and as the manifest says."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ir.errors import LenetcError
from lenetc import runtime
from lenetc.artifact.checkpoint import CheckpointError
from lenetc.artifact.manifest import Model
from lenetc.artifact.on_disk.folder import Folder
from lenetc.evaluation.tracing import here
from lenetc.runtime.threads import threads_set

_WRITTEN_BY = {
    "eval": "export(folder, evaluate=function), or infer=module,",
    "infer": "export(folder, infer=module)",
}
_TYPES = {  # as ONNX Runtime writes them
    **{
        name: f"tensor({name})"
        for name in ("bool", "int8", "int16", "int32", "int64", "uint8", "float16", "bfloat16")
    },
    **{"float32": "tensor(float)", "float64": "tensor(double)"},
}


class Models:
    """Sessions of a folder's models by what they are for: "train", "eval", ...

    Raises LenetcError where they are for another machine (lanes), or need a newer ONNX Runtime.
    """

    def __init__(self, folder: Folder, device: str) -> None:
        self._folder = folder
        self._device = device
        self._sessions: dict[str, tuple[runtime.Session, list[str]]] = {}
        manifest = folder.manifest
        if (lanes := manifest["lanes"]) and (here_ := runtime.lanes(device)) != lanes:
            raise LenetcError(
                f"{folder.path} was exported with lanes={lanes}, and ONNX Runtime takes {here_ or 'none'} on this "
                f"{device}; export it without lanes for any machine"
            )
        if _version(runtime.version()) < _version(manifest["lowest_runtime"]):
            raise LenetcError(
                f"{folder.path} needs ONNX Runtime {manifest['lowest_runtime']}, and this one is {runtime.version()}; "
                "install a newer one, or export it with a lower opset"
            )

    def entry(self, kind: str) -> Model:
        """What the manifest says of a model. Raises LenetcError where the folder has none of this kind."""
        found = self._folder.manifest["models"].get(kind)
        if found is None:
            there = ", ".join(self._folder.manifest["models"])
            advice = f"; {_WRITTEN_BY[kind]} writes one" if kind in _WRITTEN_BY else ""
            raise LenetcError(f"{self._folder.path} has no {kind} model, but {there}{advice}").at(here())
        return found

    def session(self, kind: str) -> tuple[runtime.Session, list[str]]:
        """The session of a model, and the names of the state that it reads."""
        if kind not in self._sessions:
            self._sessions[kind] = self._loaded(kind)
        return self._sessions[kind]

    def _loaded(self, kind: str) -> tuple[runtime.Session, list[str]]:
        from passes.emit.builder import EmitError  # these bring onnx in
        from passes.emit.weights import external_files, initializers, weights_as_inputs

        model, manifest = self.entry(kind), self._folder.manifest
        path, state = self._folder.path / model["file"], model["state"]
        content = self._folder.read(model["file"])
        options = manifest["session_options"]
        threads = threads_set() or options["intra_op_num_threads"]
        try:
            elsewhere = external_files(content)
            if strange := elsewhere - manifest["files"].keys():
                raise CheckpointError(
                    f"has tensors in {min(strange)!r}, which is not among the files of the folder"
                )
            if kind == "infer":  # its weights are those at export: the present ones are fed
                inside = initializers(content)
                state = [entry["name"] for entry in manifest["state"] if entry["name"] in inside]
                content = weights_as_inputs(content, state, self._folder.path)
            source = str(path) if elsewhere and kind != "infer" else content
            session = runtime.Session(source, self._device, {}, threads, host_options=options)
            self._require_signature(kind, session, state)
        except (CheckpointError, EmitError, runtime.RunError) as error:
            raise CheckpointError(f"{path}: {error}; export the step again with program.export") from error
        return session, state

    def _require_signature(self, kind: str, session: runtime.Session, state: list[str]) -> None:
        """Raise CheckpointError where a model has not the inputs and outputs that the manifest says."""
        model, manifest = self.entry(kind), self._folder.manifest
        types: dict[str, tuple[str, list[int | str]]] = {
            entry["name"]: (entry["dtype"], [*entry["shape"]])
            for entry in (*manifest["hyperparameters"], *manifest["state"])
        }
        inputs = {port["name"]: (port["dtype"], port["shape"]) for port in model["inputs"]}
        inputs.update((name, types[name]) for name in (*model["hyperparameters"], *state))
        outputs = {port["name"]: (port["dtype"], port["shape"]) for port in model["results"]}
        outputs.update((output, types[name]) for name, output in model["updates"].items())
        gradients = {output: types[name] for name, output in model.get("gradients", {}).items()}
        (inputs if kind == "apply" else outputs).update(gradients)
        for what, said, found in zip(
            ("input", "output"), (inputs, outputs), session.signature(), strict=True
        ):
            for name in sorted(said.keys() | found.keys()):
                if name not in said or name not in found or not _agree(said[name], found[name]):
                    raise CheckpointError(
                        f"the {what} {name} is {found.get(name, 'missing')} there and {said.get(name, 'unknown')} in "
                        "the manifest"
                    )


def _agree(said: tuple[str, list[int | str]], found: runtime.Port) -> bool:
    """Whether a dtype and a shape are those of the model; sizes that are no numbers may have other names."""

    def numbers(shape: Sequence[int | str | None]) -> list[int | None]:
        return [dim if isinstance(dim, int) else None for dim in shape]

    return (_TYPES[said[0]], numbers(said[1])) == (found[0], numbers(found[1]))


def _version(text: str) -> tuple[int, ...]:
    """(1, 17) of "1.17.3"."""
    return tuple(int(part) for part in re.findall(r"\d+", text)[:2])
