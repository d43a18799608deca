"""Devices: their names as PyTorch writes them, which of them can be used, and what the runtime can do there."""

from __future__ import annotations

import functools
import logging
import os

import numpy as np

from ir.errors import LenetcError
from lenetc.runtime.library import InferenceSession, ort

log = logging.getLogger("lenetc.runtime")
_told: set[str] = set()
DRIVERS = (
    "/dev/nvidiactl",
    "/dev/dxg",
    r"C:\Windows\System32\nvcuda.dll",
)  # one is there where the driver is


class device(str):
    """A device name ("cpu", "cuda", "cuda:0") with its parts (torch.device).

    Raises ValueError for what is not such a name.
    """

    def __new__(cls, name: str, index: int | None = None) -> device:
        kind, _, number = str(name).partition(":")
        if kind not in ("cpu", "cuda") or (number and not number.isdigit()):
            raise ValueError(f"unknown device {name!r}; use 'cpu' or 'cuda'")
        return super().__new__(cls, f"{kind}:{index}" if index is not None else str(name))

    @property
    def type(self) -> str:
        """ "cpu" or "cuda"."""
        return str(self).partition(":")[0]

    @property
    def index(self) -> int | None:  # type: ignore[override]
        """The device's number, None where the name has none."""
        number = str(self).partition(":")[2]
        return int(number) if number else None

    def __repr__(self) -> str:
        number = "" if self.index is None else f", index={self.index}"
        return f"device(type={self.type!r}{number})"


class DeviceError(LenetcError, ValueError):
    """The device asked for cannot be used on this machine; the message says what is missing."""


def version() -> str:
    """The version of ONNX Runtime."""
    return str(ort.__version__)


def resolve_device(device: str) -> str:
    """ "cpu" or "cuda" for "auto", "cpu", "cuda" or "cuda:0".

    "auto" takes CUDA where it works and the CPU elsewhere, and says so once. Raises DeviceError for "cuda"
    where CUDA cannot be used, and for an unknown name.
    """
    name = str(device).split(":")[0]
    if name == "cpu":
        return "cpu"
    if name not in ("auto", "cuda"):
        raise DeviceError(f"unknown device {device!r}; use 'auto', 'cpu' or 'cuda'")
    why = cuda_missing()
    if not why:
        return "cuda"
    if name == "cuda":
        raise DeviceError(
            f"device='cuda' cannot be used: {why}. CUDA needs an NVIDIA GPU with its driver and the libraries of "
            "`pip install 'lenetc[cuda]'`; device='auto' and device='cpu' do without"
        )
    if "auto" not in _told:
        _told.add("auto")
        log.warning("no usable CUDA (%s): running on the CPU", why)
    return "cpu"


def cuda_missing() -> str:
    """Why CUDA cannot be used, or "" where it can. Looks for the driver before loading any library."""
    if "CUDAExecutionProvider" not in ort.get_available_providers():
        return "this build of ONNX Runtime has no CUDA provider"
    if not hasattr(InferenceSession, "release_captured_graph"):
        return f"ONNX Runtime {version()} is too old for it: 1.31 or newer is needed"
    if not any(map(os.path.exists, DRIVERS)):
        return "there is no NVIDIA driver on this machine"
    if "preloaded" not in _told:
        _told.add("preloaded")
        ort.preload_dlls()
        ort.set_default_logger_severity(
            3
        )  # its warnings go to the terminal; what matters comes as an exception
    try:
        ort.OrtValue.ortvalue_from_numpy(np.zeros(1, np.float32), "cuda", 0)
    except Exception as error:  # the runtime raises its own exception types for a missing library
        return f"its libraries do not load ({str(error).splitlines()[0]})"
    return ""


@functools.cache
def lanes(device: str) -> int:
    """How many channels the runtime's direct convolutions take at once on `device`, by its own kernel; 0 where this
    build has none, as on CUDA."""
    if device != "cpu":
        return 0
    from passes.emit.model import lanes_model  # brings onnx in, which importing lenetc should not

    options = ort.SessionOptions()
    options.log_severity_level = 4
    try:
        session = InferenceSession(
            lanes_model().SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        (found,) = session.run(None, {"x": np.ones((1, 4, 1, 1), np.float32)})
    except Exception as error:  # the runtime raises its own exception types for a kernel that is not there
        log.debug("no convolutions in lanes: %s", error)
        return 0
    return int(found.shape[1]) if found.shape[1] in (8, 16) else 0
