"""The runtimes that tables are made of, and how each is asked what it has."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runtimes import browser
from runtimes.environments import FOLDER, python_of
from tests import fake_cuda

_INSIDE = Path(__file__).parent / "inside"


@dataclass(frozen=True)
class Installed:
    """A runtime for Python. environment: of runtimes.environments; "" for what this Python has. standing: on libraries
    that stand in for CUDA's, so that its provider can be asked without a GPU."""

    package: str
    providers: tuple[tuple[str, str], ...]  # device, execution provider
    environment: str = ""
    standing: bool = False

    @property
    def devices(self) -> tuple[str, ...]:
        return tuple(device for device, _ in self.providers)

    def answers(self, device: str, models: Sequence[bytes]) -> tuple[str, list[str]]:
        with tempfile.TemporaryDirectory() as folder:
            asked = Path(folder) / "models.json"
            asked.write_text(json.dumps([base64.b64encode(model).decode() for model in models]))
            done = self._run("load_models.py", dict(self.providers)[device], str(asked))
        return done["version"], done["said"]

    def listed(self) -> dict[str, Any]:
        """Its registered kernels and the schemas of its own domain, as inside/list_kernels.py has them."""
        return self._run("list_kernels.py")

    def _run(self, script: str, *arguments: str) -> dict[str, Any]:
        python, environment = sys.executable, dict(os.environ)
        if self.environment:
            python = str(python_of(self.environment))
            environment.pop("PYTHONPATH", None)
        if self.standing:
            environment["LD_LIBRARY_PATH"] = str(fake_cuda.build())
        with tempfile.TemporaryDirectory() as folder:
            answer = Path(folder) / "answer.json"
            command = [python, str(_INSIDE / script), *arguments, str(answer)]
            subprocess.run(command, check=True, env=environment, stderr=subprocess.DEVNULL)
            return dict(json.loads(answer.read_text()))


@dataclass(frozen=True)
class Web:
    """onnxruntime-web in a browser. bundle: a file of its distribution. devices: providers, WebAssembly as "cpu"."""

    bundle: str
    devices: tuple[str, ...]
    package: str = browser.PACKAGE

    def answers(self, device: str, models: Sequence[bytes]) -> tuple[str, list[str]]:
        provider = "wasm" if device == "cpu" else device
        dist = browser.installed(FOLDER / "web")
        return browser.answers(dist, self.bundle, provider, models, strict=device != "cpu")


_CPU = ("cpu", "CPUExecutionProvider")

SOURCES: dict[str, Installed | Web] = {
    "ort-1.17": Installed("onnxruntime", (_CPU,), "onnxruntime-1.17"),
    "ort-cpu": Installed("onnxruntime", (_CPU,), "onnxruntime"),
    "ort-cuda": Installed("onnxruntime-gpu", (("cuda", "CUDAExecutionProvider"), _CPU), standing=True),
    "ort-web-wasm": Web("ort.wasm.min.mjs", ("cpu",)),
    "ort-web-webgpu": Web("ort.webgpu.min.mjs", ("webgpu", "cpu")),
    "openvino": Installed("openvino", (("openvino", "openvino"),), "openvino"),
}
