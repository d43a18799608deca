"""Runtimes for Python, each in an environment of its own in `.runtimes`, which is made when it is first needed."""

from __future__ import annotations

from pathlib import Path

from benchmarks import environments
from benchmarks.peers import Environment

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / ".runtimes"

# By the Pythons that there are wheels for.
ENVIRONMENTS = {
    "onnxruntime-1.13": Environment(("onnxruntime==1.13.*", "numpy<2"), ("3.10",)),
    "onnxruntime-1.14": Environment(("onnxruntime==1.14.*", "numpy<2"), ("3.10",)),
    "onnxruntime-1.17": Environment(("onnxruntime==1.17.*", "numpy<2"), ("3.11", "3.12", "3.10")),
    "onnxruntime-1.20": Environment(("onnxruntime==1.20.*", "numpy"), ("3.11", "3.12", "3.13", "3.10")),
    "onnxruntime": Environment(("onnxruntime", "numpy")),
    "openvino": Environment(("openvino",)),
}


def python_of(name: str) -> Path:
    """The interpreter of an environment. Raises benchmarks.environments.NotInstalled where it cannot be had."""
    return environments.python_of(name, ENVIRONMENTS[name], FOLDER)
