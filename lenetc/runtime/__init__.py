"""What stands between a program and the machine: devices, values in their memory, sessions of ONNX Runtime, threads.

It knows programs as ONNX models and lowered graphs, and nothing of tensors or of tracing. It may import none of the
other rooms. Only here is `onnxruntime` imported.
"""

from lenetc.runtime.binding import Binding
from lenetc.runtime.device import DeviceError, cuda_missing, lanes, resolve_device, version
from lenetc.runtime.memory import Slot, Value, empty, item, moved, overwrite, stored, to_device, to_numpy
from lenetc.runtime.session import NOT_ON_CUDA, Port, RunError, Session
from lenetc.runtime.threads import get_num_threads, set_num_threads

__all__ = [
    "NOT_ON_CUDA",
    "Binding",
    "DeviceError",
    "Port",
    "RunError",
    "Session",
    "Slot",
    "Value",
    "cuda_missing",
    "empty",
    "get_num_threads",
    "item",
    "lanes",
    "moved",
    "overwrite",
    "resolve_device",
    "set_num_threads",
    "stored",
    "to_device",
    "to_numpy",
    "version",
]
