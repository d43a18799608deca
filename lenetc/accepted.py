"""Names of PyTorch that scripts use and that ask for nothing here: settings of backends, `jit`, `distributed` and
their like. All of them are in this file; each module can be imported under PyTorch's path.

A setting is kept as it is set and changes nothing, except those that say so. What would have to do something and
cannot raises UnsupportedError, with what to use instead.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any, NoReturn

from ir.errors import UnsupportedError
from lenetc import cuda as _cuda
from lenetc.missing import names_of
from lenetc.runtime.device import device
from lenetc.runtime.device import version as _version
from lenetc.runtime.precision import get_float32_matmul_precision, set_float32_matmul_precision

_EXPORT = "lenetc.compile(step).lower(*batch).export(folder) writes a program that any ONNX Runtime runs"


def _module(path: str, doc: str, **members: Any) -> ModuleType:
    """A module `lenetc.path` with these members, which can be imported."""
    made = ModuleType(f"lenetc.{path}", doc)
    made.__dict__.update(members)
    made.__dict__["__getattr__"] = names_of(made.__name__)
    sys.modules[made.__name__] = made
    parent, _, name = path.rpartition(".")
    if parent:
        setattr(sys.modules[f"lenetc.{parent}"], name, made)
    return made


def _refused(what: str, instead: str) -> Callable[..., NoReturn]:
    def refuse(*args: Any, **kwargs: Any) -> NoReturn:
        raise UnsupportedError(f"{what} is not supported: {instead}")

    return refuse


def _always(value: Any) -> Callable[..., Any]:
    return lambda *args, **kwargs: value


def _same(function: Any = None, *args: Any, **kwargs: Any) -> Any:
    """`function` itself; as a decorator with options too."""
    return _same if function is None else function


@contextmanager
def _nothing(*args: Any, **kwargs: Any) -> Iterator[None]:
    yield


# Settings of the package itself.

_deterministic = [False]


def use_deterministic_algorithms(mode: bool, *, warn_only: bool = False) -> None:
    """Programs here compute the same numbers at each run, whatever this says
    (torch.use_deterministic_algorithms)."""
    _deterministic[0] = bool(mode)


def are_deterministic_algorithms_enabled() -> bool:
    """What was said last (torch.are_deterministic_algorithms_enabled)."""
    return _deterministic[0]


def set_flush_denormal(mode: bool) -> bool:
    """Denormals count as 0 always: whether that is what was asked for (torch.set_flush_denormal)."""
    return bool(mode)


def set_num_interop_threads(threads: int) -> None:
    """Asks for nothing: a program's parts have their threads by set_num_threads."""


def get_num_interop_threads() -> int:
    return 1


# Backends.


class _Products:
    """torch.backends.cuda.matmul: TF32 in products on CUDA, which set_float32_matmul_precision says as well."""

    @property
    def allow_tf32(self) -> bool:
        return get_float32_matmul_precision() != "highest"

    @allow_tf32.setter
    def allow_tf32(self, allowed: bool) -> None:
        set_float32_matmul_precision("high" if allowed else "highest")

    allow_fp16_reduced_precision_reduction = True
    allow_bf16_reduced_precision_reduction = True


backends = _module("backends", "Settings of libraries that compute (torch.backends).")
_module(
    "backends.cudnn",
    "cuDNN, whose algorithms ONNX Runtime chooses.",
    **{"enabled": True, "benchmark": False, "deterministic": False, "allow_tf32": True},
    is_available=_cuda.is_available,
    version=_always(None),
    flags=_nothing,
)
_module(
    "backends.cuda",
    "CUDA's products and attention.",
    matmul=_Products(),
    is_built=_always(True),
    enable_flash_sdp=_always(None),
    enable_mem_efficient_sdp=_always(None),
    enable_math_sdp=_always(None),
    sdp_kernel=_nothing,
)
for _name in ("mps", "mkl", "mkldnn", "openmp", "quantized", "xnnpack"):
    _module(
        f"backends.{_name}",
        f"{_name}, which does not compute here.",
        enabled=False,
        is_available=_always(False),
        is_built=_always(False),
    )

# Devices that are not there.

for _name in ("mps", "xpu", "mtia"):
    _module(
        _name,
        "A device that is not here.",
        is_available=_always(False),
        device_count=_always(0),
        synchronize=_always(None),
        empty_cache=_always(None),
        manual_seed=_always(None),
    )
mps, xpu = sys.modules["lenetc.mps"], sys.modules["lenetc.xpu"]


def _current_accelerator(check_available: bool = False) -> device | None:
    return device("cuda") if _cuda.is_available() else None


accelerator = _module(
    "accelerator",
    "The device beside the CPU, if there is one (torch.accelerator).",
    is_available=_cuda.is_available,
    device_count=_cuda.device_count,
    current_accelerator=_current_accelerator,
    current_device_index=_always(0),
    set_device_index=_always(None),
    synchronize=_always(None),
    empty_cache=_always(None),
)

# TorchScript and ONNX: here `compile` and `export`.

jit = _module(
    "jit",
    "TorchScript's decorators, which give back what they are given (torch.jit).",
    script=_same,
    ignore=_same,
    export=_same,
    unused=_same,
    script_method=_same,
    script_if_tracing=_same,
    interface=_same,
    trace=_same,
    freeze=_same,
    optimize_for_inference=_same,
    is_scripting=_always(False),
    is_tracing=_always(False),
    fork=lambda function, *args, **kwargs: function(*args, **kwargs),
    wait=_same,
    Final=None,
    save=_refused("jit.save", _EXPORT),
    load=_refused("jit.load", "lenetc.load reads what was exported"),
    ScriptModule=_refused("jit.ScriptModule", "write an nn.Module"),
)
onnx = _module(
    "onnx",
    "Files for inference (torch.onnx).",
    export=_refused("onnx.export", _EXPORT),
    is_in_onnx_export=_always(False),
)
hub = _module(
    "hub",
    "Models from the net (torch.hub).",
    load=_refused(
        "hub.load", "build the network and load its weights from a safetensors file with lenetc.load"
    ),
    load_state_dict_from_url=_refused(
        "hub.load_state_dict_from_url", "fetch a safetensors file and lenetc.load it"
    ),
)

# One process.

distributed = _module(
    "distributed",
    "One process trains (torch.distributed).",
    is_available=_always(False),
    is_initialized=_always(False),
    get_rank=_always(0),
    get_world_size=_always(1),
    barrier=_always(None),
    destroy_process_group=_always(None),
    init_process_group=_refused("distributed.init_process_group", "train in one process"),
)

# PyTorch's compiler: here lenetc.compile.

__config__ = _module("__config__", "How it was built.", show=lambda: f"lenetc on ONNX Runtime {_version()}")
