"""Libraries that stand in for CUDA, cuDNN and TensorRT, so that ONNX Runtime's own CUDA provider runs without a GPU.

What it decides is then seen for real: which nodes it takes, what it copies, what it captures. What its kernels compute
is not. Needs a C compiler and the GPU build of ONNX Runtime on Linux; `missing()` says what is not there.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent


def _provider() -> Path | None:
    found = importlib.util.find_spec("onnxruntime")
    if found is None or not found.submodule_search_locations:
        return None
    path = Path(found.submodule_search_locations[0]) / "capi" / "libonnxruntime_providers_cuda.so"
    return path if path.is_file() else None


def missing() -> str:
    """What is not there to build the libraries with, or ""."""
    if _provider() is None:
        return "no ONNX Runtime with a CUDA provider for Linux"
    absent = [tool for tool in ("cc", "readelf") if shutil.which(tool) is None]
    return f"no {' and no '.join(absent)}" if absent else ""


def build() -> Path:
    """The folder of the libraries, built once for each version of the provider and of the C source."""
    provider = _provider()
    assert provider is not None
    source = HERE / "fake_cuda.c"
    key = hashlib.sha256(source.read_bytes() + str((provider, provider.stat().st_mtime_ns)).encode())
    folder = Path(tempfile.gettempdir()) / f"fake_cuda_{os.getuid()}_{key.hexdigest()[:16]}"
    if folder.exists():
        return folder
    with tempfile.TemporaryDirectory(dir=folder.parent) as work:
        for library, (symbols, version) in _libraries(provider).items():
            _compile(Path(work), source, library, symbols, version)
        with contextlib.suppress(FileExistsError):  # another process was quicker
            shutil.copytree(work, folder)
    return folder


def _libraries(provider: Path) -> dict[str, tuple[set[str], str]]:
    """For each library its functions, and the version that the provider wants them in ("" for none)."""
    listed = subprocess.run(
        ["readelf", "--dyn-syms", "-W", str(provider)], capture_output=True, text=True, check=True
    ).stdout
    libraries: dict[str, tuple[set[str], str]] = {}
    for line in listed.splitlines():
        found = re.search(r" UND ((?:__cuda|cu)\w+)(?:@(lib\w+\.so\.\d+))?", line)
        if found:
            version = found[2] or ""
            libraries.setdefault(version or "libcuda.so.1", (set(), version))[0].add(found[1])
    for version in ("libcurand.so.10", "libcufft.so.12"):
        libraries.setdefault(version, (set(), version))
    names = set(re.findall(rb"\0(cudnn[A-Z]\w+)(?=\0)", provider.read_bytes()))  # it looks these up by name
    libraries["libcudnn.so.9"] = ({name.decode() for name in names}, "libcudnn.so.9")
    for name in ("libnvinfer.so.10", "libnvonnxparser.so.10"):
        libraries[name] = (set(), "")
    return libraries


def _compile(work: Path, source: Path, library: str, symbols: set[str], version: str) -> None:
    text = source.read_text()
    rest = sorted(symbols - set(re.findall(r"\b(\w+)\(", text)))
    (work / "all.c").write_text(text + "".join(f"status {name}(void) {{ return 0; }}\n" for name in rest))
    (work / "versions").write_text(f"{version} {{ global: *; }};")
    command = ["cc", "-w", "-shared", "-fPIC", "-o", str(work / library), str(work / "all.c")]
    subprocess.run(
        [*command, f"-Wl,-soname,{library}", f"-Wl,--version-script={work / 'versions'}"], check=True
    )


def run(function: str, *arguments: Any, timeout: float = 300) -> Any:
    """What `tests.fake_cuda.cases.<function>(*arguments)` returns in a process that finds the libraries.

    Arguments and result are JSON.
    """
    environment = {**os.environ, "LD_LIBRARY_PATH": str(build()), "PYTHONPATH": str(HERE.parent.parent)}
    code = f"from tests.fake_cuda import cases; cases.main({function!r}, {json.dumps(arguments)!r})"
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=timeout
    )
    lines = done.stdout.splitlines()
    assert done.returncode == 0 and lines, (
        f"{function} failed ({done.returncode}):\n{done.stdout}\n{done.stderr}"
    )
    return json.loads(lines[-1])
