"""What tests do with the stand-in for CUDA, each in a process of its own. See `tests.fake_cuda.run`."""

from __future__ import annotations

import json
import os
from pathlib import Path

import onnxruntime

SHORT = {
    "float": "f32",
    "double": "f64",
    "float16": "f16",
    "bfloat16": "bf16",
    "int64": "i64",
    "int32": "i32",
    "uint8": "u8",
    "bool": "bool",
}


def main(function: str, arguments: str) -> None:
    """Print the result of a case as JSON, and leave without the provider's clean-up of a device that is not there."""
    print(json.dumps(globals()[function](*json.loads(arguments))), flush=True)
    os._exit(0)


def kernels(opset: int) -> dict[str, list[str]]:
    """The operators of ai.onnx that the CUDA provider registers, with the dtypes of the operand that decides."""
    from onnxruntime.capi.onnxruntime_pybind11_state import get_all_opkernel_def

    found: dict[str, set[str]] = {}
    for kernel in get_all_opkernel_def():
        first, last = kernel.version_range
        if kernel.provider != "CUDAExecutionProvider" or kernel.domain or not first <= opset <= last:
            continue
        constraints = kernel.type_constraints
        key = next((key for key in ("T", "T1", "V") if key in constraints), None)
        names = (SHORT.get(name[7:-1], "") for name in constraints.get(key, ()))
        found.setdefault(kernel.op_name, set()).update(name for name in names if name)
    return {operator: sorted(dtypes) for operator, dtypes in found.items()}


def placement(folder: str) -> dict[str, list[str]]:
    """For each model file of `folder` the nodes that the provider leaves to the CPU, or what it says loading it."""
    left: dict[str, list[str]] = {}
    for path in sorted(Path(folder).glob("*.onnx")):
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
        try:
            session = onnxruntime.InferenceSession(
                str(path), options, providers=["CUDAExecutionProvider"], enable_fallback=0
            )
        except Exception as error:
            left[path.stem] = [str(error)]
            continue
        assert session.get_providers()[0] == "CUDAExecutionProvider"
        left[path.stem] = [
            f"{node.name} ({node.op_type})"
            for part in session.get_provider_graph_assignment_info()
            if part.ep_name != "CUDAExecutionProvider"
            for node in part.get_nodes()
        ]
    return left
