"""Trained state put into infer.onnx."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ir.errors import LenetcError
from ir.types import Array
from lenetc.artifact.checkpoint import CheckpointError, load_tensors
from lenetc.artifact.on_disk.folder import Folder, fitting_state
from lenetc.files import atomic_write


def bake(folder: Folder, state: Mapping[str, Array] | str | Path, path: str | Path) -> list[Path]:
    """Write the folder's infer.onnx to `path` with the weights of `state` in the place of those at export; over 2 GB,
    the tensors go to a file beside it. Returns the paths written.

    state: arrays under the names of the manifest, or a safetensors file of them. What is not inside of infer.onnx (the
    optimizer's state) and what no step changes may be missing. Raises CheckpointError for other names, dtypes or
    shapes, and a file that cannot be read or written; LenetcError for a folder without infer.onnx, and where `path` is
    one of the folder's own files.
    """
    from passes.emit.builder import EmitError  # these bring onnx in
    from passes.emit.external import to_files
    from passes.emit.weights import initializers, with_weights

    path, manifest = Path(path), folder.manifest
    if "infer" not in manifest["models"]:
        raise LenetcError(f"{folder.path} has no infer model; export(folder, infer=module) writes one")
    if path.resolve().parent == folder.path.resolve() and path.name in {*manifest["files"], "manifest.json"}:
        raise LenetcError(
            f"{path} is a file of the exported folder, which would not be whole then; write another"
        )
    file = manifest["models"]["infer"]["file"]
    content = folder.read(file)
    try:
        inside = initializers(content)
        weights = [entry["name"] for entry in manifest["state"] if entry["name"] in inside]
        if isinstance(state, Mapping):
            source, tensors = "the state", state
        else:
            source, (tensors, _) = str(state), load_tensors(state)
        found = fitting_state(manifest, tensors, source, needed=weights)
        model = with_weights(content, {name: found[name] for name in weights if name in found}, folder.path)
    except EmitError as error:
        raise CheckpointError(
            f"{folder.path / file}: {error}; export the step again with program.export"
        ) from error
    written = []
    for name, data in to_files(model, path.name).items():
        try:
            atomic_write(path.parent / name, data)
        except OSError as error:
            raise CheckpointError(
                f"could not write {path.parent / name}: {error.strerror or error}"
            ) from error
        written.append(path.parent / name)
    return written
