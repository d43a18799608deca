"""The one place that talks to ONNX Runtime: devices, values, sessions, runs."""

from __future__ import annotations

import functools
import itertools
import logging
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

try:
    import onnxruntime as ort
    from onnxruntime import InferenceSession  # an empty folder of that name imports as well
except ImportError as error:
    raise ImportError(
        f"lenetc needs ONNX Runtime, which cannot be imported ({error}): install it with `pip install onnxruntime-gpu` "
        "(Linux and Windows on x86-64, with or without CUDA) or `pip install onnxruntime` (elsewhere), never both"
    ) from error

from ir.errors import LenetcError
from ir.node import Where
from ir.types import Array
from lenetc.runtime.denormals import flushed
from lenetc.runtime.precision import allows_tf32

log = logging.getLogger("lenetc.runtime")
_told: set[str] = set()
DRIVERS = (
    "/dev/nvidiactl",
    "/dev/dxg",
    r"C:\Windows\System32\nvcuda.dll",
)  # one is there where the driver is
# Optimizations that make a Split of unequal parts, whose kernel copies sizes from the host in every run.
NOT_ON_CUDA = ["GatherSliceToSplitFusion"]
_threads: list[int] = []  # what set_num_threads said, if it was called


class DeviceError(LenetcError, ValueError):
    """The device asked for cannot be used on this machine; the message says what is missing."""


class RunError(LenetcError):
    """ONNX Runtime failed while running a program; the message names the module and the user's line."""


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
    from passes.emit import lanes_model  # brings onnx in, which importing lenetc should not

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


def get_num_threads() -> int:
    """Threads that one run may take (torch.get_num_threads): what `set_num_threads` said, or else one for each
    processor that the process may use."""
    if _threads:
        return _threads[0]
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


def set_num_threads(threads: int) -> None:
    """Let programs that are compiled from now on take this many threads (torch.set_num_threads).

    Raises ValueError for fewer than one.
    """
    if threads < 1:
        raise ValueError(f"set_num_threads({threads}): a run takes at least one thread")
    _threads[:] = [threads]


Value: TypeAlias = ort.OrtValue


def to_device(array: Array, device: str) -> Value:
    """A copy of `array` on `device`. The copy is ours: the caller may change his array."""
    # On the CPU the runtime would share the caller's memory. Not np.ascontiguousarray, which gives scalars an axis.
    source = np.array(array, order="C", copy=True if device == "cpu" else None)
    return ort.OrtValue.ortvalue_from_numpy(source, device, 0)


def moved(value: Value | Array, device: str) -> Value:
    """A copy of `value` on `device`, by way of the host only where it is elsewhere."""
    if isinstance(value, np.ndarray):
        return to_device(value, device)
    if value.device_name() != device or device == "cpu":
        return to_device(value.numpy(), device)
    copy = ort.OrtValue.ortvalue_from_shape_and_type(value.shape(), value.element_type(), device, 0)
    overwrite(copy, value)
    return copy


def empty(shape: Sequence[int], dtype: np.dtype[Any], device: str) -> Value:
    """Uninitialized memory on `device`."""
    return ort.OrtValue.ortvalue_from_shape_and_type(list(shape), dtype.type, device, 0)


def to_numpy(value: Value) -> Array:
    """The contents of `value` as an array of the caller's own."""
    return np.array(value.numpy())  # the runtime gives a view of its memory, which it may free or write again


def item(value: Value) -> int | float | bool:
    """The contents of a `value` of one element as a Python number."""
    number: int | float | bool = value.numpy().item()
    return number


def overwrite(value: Value, source: Value | Array) -> None:
    """Copy `source`, an array on the host or a value on any device, into the memory of `value`."""
    value.update_inplace(np.asarray(source, order="C") if isinstance(source, np.ndarray) else source)


def cuda_options(captures: bool) -> dict[str, str]:
    """Options of the CUDA provider, under its names."""
    return {
        "device_id": "0",
        # PyTorch's default for products is f32 as well.
        "use_tf32": str(int(allows_tf32())),
        "enable_cuda_graph": str(int(captures)),
        # DEFAULT is one slow algorithm for all; with cuDNN 9 EXHAUSTIVE is a heuristic too.
        "cudnn_conv_algo_search": "HEURISTIC",
    }


class Slot:
    """Memory for an input of one type, which a prepared run reads and the host writes before each run."""

    def __init__(self, shape: Sequence[int], dtype: np.dtype[Any], device: str) -> None:
        self._array = np.zeros(shape, dtype)
        self._is_shared = device == "cpu"  # there the value is the array's memory
        self.value: Value = ort.OrtValue.ortvalue_from_numpy(self._array, device, 0)

    def write(self, values: Array | float) -> None:
        """Copy `values`, of the same shape, into it."""
        if self._is_shared or not isinstance(values, np.ndarray) or values.dtype != self._array.dtype:
            np.copyto(self._array, values)
            values = self._array
        if not self._is_shared:
            overwrite(self.value, values)


class Session:
    """A loaded program. `places` says where in the user's code each ONNX node came from.

    profile: a new folder for a profile of the runs, and for the model as the runtime rewrote it. large: whether
    intermediate values take many megabytes. captures: whether runs may be captured as CUDA graphs; False afterwards
    where the runtime would not have it. on_cpu: names of the nodes that run on the CPU though the device is CUDA, at
    the price of copies in every run.
    """

    def __init__(
        self,
        model: bytes,
        device: str,
        places: Mapping[str, Where],
        threads: int = 0,
        profile: Path | None = None,
        large: bool = False,
        captures: bool = False,
    ) -> None:
        self.device = device
        self.places = places
        self.threads = threads
        self.profile = profile
        self.captures = captures and device == "cuda"
        self.on_cpu: list[str] = []
        self._graphs = itertools.count(1)
        self._run_options: dict[int, Any] = {}
        options = ort.SessionOptions()
        if profile is not None:
            profile.mkdir()
            options.enable_profiling = True
            options.profile_file_prefix = str(profile / "profile")
            options.optimized_model_filepath = str(profile / "optimized.onnx")
        options.intra_op_num_threads = threads
        options.log_severity_level = 4  # errors come back as exceptions
        # Planning all memory beforehand saves a small program 6 % of its time and a large one nothing, but takes
        # up to twice the memory.
        options.enable_mem_pattern = not large
        if flushed.works:  # for the runtime's own threads; `execute` sees to the thread that calls
            options.add_session_config_entry("session.set_denormal_as_zero", "1")
        if device == "cuda":
            options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
        try:
            with flushed:
                self._session = self._load(model, options)
        except Exception as error:
            raise self._explained(error, places, "loading") from error
        if device == "cuda":
            self._check_placement()

    def _load(self, model: bytes, options: Any) -> Any:
        if self.device != "cuda":
            return InferenceSession(model, options, providers=["CPUExecutionProvider"])

        def load() -> Any:
            chosen = [("CUDAExecutionProvider", cuda_options(self.captures))]
            # Without its fallback, which would run the program on the CPU and say so on the terminal only.
            return InferenceSession(
                model, options, providers=chosen, enable_fallback=0, disabled_optimizers=NOT_ON_CUDA
            )

        try:
            return load()
        except Exception as error:
            if not self.captures or "graph capture" not in str(error):
                raise
            log.warning("runs are not captured as CUDA graphs: %s", str(error).splitlines()[0])
            self.captures = False
            return load()

    def _check_placement(self) -> None:
        """Raise DeviceError where the CUDA provider is not there; tell which nodes it did not take."""
        if "CUDAExecutionProvider" not in self._session.get_providers():
            raise DeviceError(
                "device='cuda' was asked for, but ONNX Runtime could not load its CUDA provider for this program"
            )
        for part in self._session.get_provider_graph_assignment_info():
            if part.ep_name != "CUDAExecutionProvider":
                self.on_cpu += [node.name for node in part.get_nodes()]
        if self.on_cpu:
            listed = "; ".join(f"{name} {self.places.get(name, '')}".strip() for name in self.on_cpu)
            log.warning("these operators have no CUDA kernel and run on the CPU, with copies: %s", listed)

    def end_profiling(self) -> tuple[Path, bytes]:
        """The file of the profile (Chrome's trace events, as JSON), and the model as the runtime rewrote it."""
        assert self.profile is not None
        return Path(self._session.end_profiling()), (self.profile / "optimized.onnx").read_bytes()

    def bind(
        self, inputs: Mapping[str, Value], outputs: Mapping[str, Value], replay: bool = False
    ) -> Binding:
        """A prepared run that reads `inputs` and writes `outputs`; the rest is bound at each call.

        replay: whether all inputs are given and stay where they are, so that the run may be captured.
        """
        if replay and self.captures:
            from lenetc.runtime.replay import Replay

            return Replay(self, inputs, outputs, next(self._graphs))
        return Binding(self, inputs, outputs)

    def run(self, feeds: Mapping[str, Value], outputs: Sequence[str]) -> list[Value]:
        """One run with named inputs; values of the named outputs, on the device."""
        binding = self._session.io_binding()
        for name, value in feeds.items():
            binding.bind_ortvalue_input(name, value)
        for name in outputs:
            binding.bind_output(name, self.device)
        self.execute(binding)
        return list(binding.get_outputs())

    def settle(self) -> None:
        """Wait for what a run leaves to be done after it: nothing, where one program does all."""

    def is_read_late(self, name: str) -> bool:
        """Whether the memory of an input is read after a run has returned."""
        return False

    def io_binding(self) -> Any:
        return self._session.io_binding()

    def execute(self, binding: Any, graph: int = -1) -> None:
        """Run once. graph: the number of the CUDA graph to capture or replay, -1 for none."""
        try:
            with flushed:
                self._session.run_with_iobinding(binding, self._options(graph) if self.captures else None)
        except Exception as error:
            raise self._explained(error, self.places, "running") from error

    def _options(self, graph: int) -> Any:
        found = self._run_options.get(graph)
        if found is None:
            found = self._run_options[graph] = ort.RunOptions()
            found.add_run_config_entry("gpu_graph_id", str(graph))
        return found

    def release(self, graph: int) -> None:
        """Drop a captured CUDA graph."""
        self._run_options.pop(graph, None)
        self._session.release_captured_graph(graph)

    def _explained(self, error: Exception, places: Mapping[str, Where], doing: str) -> RunError:
        """The runtime's error with the module path and the user's line of the node that it names."""
        text = str(error)
        named = [
            name for name in places if f"'{name}'" in text or f"Name:{name}" in text or f"({name})" in text
        ]
        explained = RunError(f"ONNX Runtime failed {doing} the program: {text}")
        return explained.at(str(places[max(named, key=len)])) if named else explained  # type: ignore[return-value]


class Binding:
    """Inputs and outputs bound once, for a run that costs a feed and nothing else."""

    def __init__(self, session: Session, inputs: Mapping[str, Value], outputs: Mapping[str, Value]) -> None:
        self._session = session
        self._io = session.io_binding()
        # The runtime does not keep bound values alive.
        self._inputs: dict[str, Value | Array] = {}
        self._outputs: dict[str, Value] = {}
        self._holders = 0  # references to a result that are our own and the runtime's
        for name, value in inputs.items():
            self.feed(name, value)
        for name, value in outputs.items():
            self.receive(name, value)

    def feed(self, name: str, value: Value | Array) -> None:
        """Bind an input: an array on the host, or a value on the device. What is bound already costs nothing."""
        if self._inputs.get(name) is value:
            return
        if isinstance(value, np.ndarray):
            self._io.bind_cpu_input(name, value)
        else:
            self._io.bind_ortvalue_input(name, value)
        self._inputs[name] = value

    def receive(self, name: str, value: Value) -> None:
        """Bind an output."""
        self._io.bind_ortvalue_output(name, value)
        self._outputs[name] = value

    def received(self, shapes: Mapping[str, tuple[Sequence[int], np.dtype[Any]]]) -> list[Value]:
        """Memory bound to outputs of these shapes and dtypes: that of the last run of this binding, unless
        somebody still holds it."""
        values = []
        for name, (shape, dtype) in shapes.items():
            value = self._outputs.get(name)
            if value is None or sys.getrefcount(value) > self._holders:
                value = empty(shape, dtype, self._session.device)
                self.receive(name, value)
                self._holders = sys.getrefcount(value)
            values.append(value)
        return values

    def start(self) -> None:
        """What can begin before `run`: nothing here, where there is one program and it runs on the caller's thread."""

    def run(self) -> None:
        self._session.execute(self._io)

    def release(self) -> None:
        """Give up what the runtime keeps for this binding beyond its memory: nothing."""
