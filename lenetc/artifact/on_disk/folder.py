"""An exported folder on disk: every file is what the manifest says, and none is elsewhere."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from pathlib import Path

from ir.types import Array
from lenetc.artifact.checkpoint import CheckpointError, load_tensors
from lenetc.artifact.manifest import STATE, File, Manifest, read_manifest

_INSTEAD = "Take another copy of the folder, or export the step again with program.export"


class Folder:
    """A folder that `program.export` wrote, with all its files as they were written.

    Raises CheckpointError, naming the file and what to do, where the manifest is not one (`read_manifest`), and where a
    file is missing, no regular file, a link that leads out of the folder, or of another size or content.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.manifest: Manifest = read_manifest(self.path)
        for name in self.manifest["files"]:
            self._check(name)

    def read(self, name: str) -> bytes:
        """The content of a file, which is still the one that was exported."""
        entry = self._found(name)
        content = (self.path / name).read_bytes()
        if hashlib.sha256(content).hexdigest() != entry["sha256"]:
            raise self._changed(name)
        return content

    def state(self) -> dict[str, Array]:
        """The state as it was exported, in the order of the manifest."""
        self._check(STATE)
        tensors, _ = load_tensors(self.path / STATE)
        return fitting_state(self.manifest, tensors, str(self.path / STATE))

    def _check(self, name: str) -> None:
        entry = self._found(name)
        with (self.path / name).open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != entry["sha256"]:
                raise self._changed(name)

    def _found(self, name: str) -> File:
        """The entry of a file that is there, in its size."""
        path, entry = self.path / name, self.manifest["files"][name]
        if not path.is_file() or path.resolve().parent != self.path.resolve():
            if path.is_symlink():
                what = "is a link that leads out of the folder or nowhere"
            else:
                what = "is no regular file" if path.exists() else "is missing"
            raise CheckpointError(f"{path} {what}. {_INSTEAD}")
        if (size := path.stat().st_size) != entry["bytes"]:
            raise CheckpointError(
                f"{path} has {size} bytes, and was exported with {entry['bytes']}. {_INSTEAD}"
            )
        return entry

    def _changed(self, name: str) -> CheckpointError:
        return CheckpointError(
            f"{self.path / name} is not the file that was exported: its SHA-256 differs. {_INSTEAD}"
        )


def fitting_state(
    manifest: Manifest,
    tensors: Mapping[str, Array],
    source: str,
    strict: bool = True,
    needed: Collection[str] = (),
) -> dict[str, Array]:
    """Those of `tensors` that are state of the artifact, in the order of the manifest.

    strict: refuse other names, and the lack of any that is `needed`, or of any at all where no names are given; but
    what training never changes may always be missing. Raises CheckpointError, which names `source`, for another dtype
    or shape, and where `strict` refuses.
    """
    found = {name: (array.dtype.name, list(array.shape)) for name, array in tensors.items()}
    entries = {entry["name"]: entry for entry in manifest["state"]}
    wrong = [
        f"{name} is {entry['dtype']} {entry['shape']} here and {' '.join(map(str, found[name]))} there"
        for name, entry in entries.items()
        if name in found and found[name] != (entry["dtype"], entry["shape"])
    ]
    if strict:
        trained = [name for name in needed or entries if entries[name]["trained"]]
        wrong += [f"{name} is missing" for name in trained if name not in found]
        wrong += [f"{name} is unknown" for name in found if name not in entries]
    if wrong:
        more = f" ({len(wrong) - 1} more)" if len(wrong) > 1 else ""
        raise CheckpointError(
            f"{source} does not hold the state of this artifact: {wrong[0]}{more}; take a file that this artifact saved"
        )
    return {name: tensors[name] for name in entries if name in found}
