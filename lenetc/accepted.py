"""Names of PyTorch that scripts use and that ask for nothing here: settings of backends, `jit`, `distributed` and
their like. All of them are in this file; each module can be imported under PyTorch's path.

A setting is kept as it is set and changes nothing, except those that say so. What would have to do something and
cannot raises UnsupportedError, with what to use instead.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import Enum
from functools import partial
from os import cpu_count
from types import ModuleType, SimpleNamespace
from typing import Any, NoReturn, Optional

from ir.errors import UnsupportedError
from lenetc import cuda as _cuda
from lenetc.evaluation.cell import Context
from lenetc.evaluation.lazy import default_device
from lenetc.evaluation.tracing import asked
from lenetc.missing import names_of
from lenetc.nn.modules.module import Module
from lenetc.operations.autocast import autocast
from lenetc.runtime.device import device, resolve_device
from lenetc.runtime.device import version as _version
from lenetc.runtime.precision import get_float32_matmul_precision, set_float32_matmul_precision

_EXPORT = "lenetc.compile(step).lower(*batch).export(folder) writes a program that any ONNX Runtime runs"


def module_at(path: str, doc: str, **members: Any) -> ModuleType:
    """A module `lenetc.path` with these members, which can be imported."""
    made = ModuleType(f"lenetc.{path}", doc)
    made.__dict__.update(members)
    made.__dict__["__getattr__"] = names_of(made.__name__)
    sys.modules[made.__name__] = made
    parent, _, name = path.rpartition(".")
    owner = sys.modules.get(f"lenetc.{parent}")
    if owner is not None and not callable(
        vars(owner).get(name)
    ):  # a function of the module's name stays, as there
        setattr(owner, name, made)
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
    asked("a setting")
    return _deterministic[0]


def set_flush_denormal(mode: bool) -> bool:
    """Denormals count as 0 always: whether that is what was asked for (torch.set_flush_denormal)."""
    return bool(mode)


def set_num_interop_threads(threads: int) -> None:
    """Asks for nothing: a program's parts have their threads by set_num_threads."""


def get_num_interop_threads() -> int:
    return 1


def set_default_device(device: Any) -> None:
    """Nothing: programs run where they can. Raises DeviceError for a device that is not there
    (torch.set_default_device)."""
    if device is not None:
        resolve_device(str(device))


_warn_always = [False]


def set_warn_always(b: bool, /) -> None:
    """Asks for nothing (torch.set_warn_always)."""
    _warn_always[0] = bool(b)


def is_warn_always_enabled() -> bool:
    """What was said last (torch.is_warn_always_enabled)."""
    asked("a setting")
    return _warn_always[0]


def is_deterministic_algorithms_warn_only_enabled() -> bool:
    """No: nothing is warned of (torch.is_deterministic_algorithms_warn_only_enabled)."""
    return False


def set_deterministic_debug_mode(debug_mode: int | str) -> None:
    """use_deterministic_algorithms by number, 0 to 2, or name. Raises ValueError for others
    (torch.set_deterministic_debug_mode)."""
    modes = {"default": 0, "warn": 1, "error": 2}
    mode = modes.get(debug_mode, debug_mode) if isinstance(debug_mode, str) else debug_mode
    if mode not in (0, 1, 2):
        raise ValueError(
            f"invalid value of debug_mode, expected 0, 1, 2, default, warn or error, but got {debug_mode}"
        )
    use_deterministic_algorithms(bool(mode))


def get_deterministic_debug_mode() -> int:
    """2 where determinism was asked for, else 0 (torch.get_deterministic_debug_mode)."""
    return 2 if are_deterministic_algorithms_enabled() else 0


def get_default_device() -> device:
    """Where lazy programs run (torch.get_default_device)."""
    return device(default_device())


def is_storage(obj: Any) -> bool:
    """No: storages of their own are not here (torch.is_storage)."""
    return False


def typename(obj: Any, /) -> str:
    """The name of a type, or of that of an object, with its module (torch.typename)."""
    kind = obj if isinstance(obj, type) else type(obj)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def _assert(condition: Any, message: str) -> None:
    """assert, which tracers of PyTorch's can follow (torch._assert)."""
    assert condition, message


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


backends = module_at("backends", "Settings of libraries that compute (torch.backends).")
module_at(
    "backends.cudnn",
    "cuDNN, whose algorithms ONNX Runtime chooses.",
    **{"enabled": True, "benchmark": False, "deterministic": False, "allow_tf32": True},
    is_available=_cuda.is_available,
    version=_always(None),
    flags=_nothing,
)
module_at(
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
    module_at(
        f"backends.{_name}",
        f"{_name}, which does not compute here.",
        enabled=False,
        is_available=_always(False),
        is_built=_always(False),
    )

# Devices that are not there.

for _name in ("mps", "xpu", "mtia"):
    module_at(
        _name,
        "A device that is not here.",
        is_available=_always(False),
        device_count=_always(0),
        synchronize=_always(None),
        empty_cache=_always(None),
        manual_seed=_always(None),
    )
module_at(
    "cuda.nvtx", "Marks for a profiler.", range_push=_always(None), range_pop=_always(None), range=_nothing
)
cpu = module_at(
    "cpu",
    "The processor (torch.cpu).",
    is_available=_always(True),
    device_count=_always(1),
    synchronize=_always(None),
)
module_at("cpu.amp", "Mixed precision on the processor.", autocast=partial(autocast, "cpu"))
mps, xpu = sys.modules["lenetc.mps"], sys.modules["lenetc.xpu"]


def _current_accelerator(check_available: bool = False) -> device | None:
    return device("cuda") if _cuda.is_available() else None


accelerator = module_at(
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

jit = module_at(
    "jit",
    "TorchScript's decorators, which give back what they are given (torch.jit).",
    script=_same,
    ignore=_same,
    export=_same,
    unused=_same,
    script_method=_same,
    script_if_tracing=_same,
    _overload_method=_same,
    _overload=_same,
    _script_if_tracing=_same,
    annotate=lambda the_type, the_value: the_value,
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
    ScriptModule=Module,
)
onnx = module_at(
    "onnx",
    "Files for inference (torch.onnx).",
    export=_refused("onnx.export", _EXPORT),
    is_in_onnx_export=_always(False),
)
hub = module_at(
    "hub",
    "Models from the net (torch.hub).",
    load=_refused(
        "hub.load", "build the network and load its weights from a safetensors file with lenetc.load"
    ),
    load_state_dict_from_url=_refused(
        "hub.load_state_dict_from_url", "fetch a safetensors file and lenetc.load it"
    ),
)

fx = module_at(
    "fx",
    "Graphs of modules (torch.fx).",
    wrap=_same,
    symbolic_trace=_refused(
        "fx.symbolic_trace", "lenetc.compile(step).lower(*batch).text() shows the program"
    ),
)

# One process.


class ReduceOp(Enum):
    SUM = 0
    AVG = 1
    PRODUCT = 2
    MIN = 3
    MAX = 4


distributed = module_at(
    "distributed",
    "One process trains (torch.distributed).",
    ReduceOp=ReduceOp,
    is_available=_always(False),
    is_initialized=_always(False),
    get_rank=_always(0),
    get_world_size=_always(1),
    barrier=_always(None),
    destroy_process_group=_always(None),
    init_process_group=_refused("distributed.init_process_group", "train in one process"),
)
multiprocessing = module_at(
    "multiprocessing",
    "Processes that share tensors (torch.multiprocessing).",
    cpu_count=cpu_count,
    set_start_method=_always(None),
    get_start_method=_always("spawn"),
    set_sharing_strategy=_always(None),
    **{
        name: _refused(f"multiprocessing.{name}", "tensors are not shared among processes; train in one")
        for name in ("Process", "Pool", "Queue", "SimpleQueue", "spawn", "get_context")
    },
)
for _path in ("nn.parallel", "nn.parallel.distributed"):
    module_at(
        _path,
        "Training by several devices or processes.",
        DistributedDataParallel=_refused("nn.parallel.DistributedDataParallel", "train in one process"),
    )

# Profilers, choices of kernels, and files.


class ProfilerActivity(Enum):
    CPU = "cpu"
    CUDA = "cuda"


class SDPBackend(Enum):
    MATH = "math"
    FLASH_ATTENTION = "flash_attention"
    EFFICIENT_ATTENTION = "efficient_attention"
    CUDNN_ATTENTION = "cudnn_attention"


for _path in ("profiler", "autograd.profiler"):
    module_at(
        _path,
        "Where time goes (torch.profiler).",
        ProfilerActivity=ProfilerActivity,
        record_function=_nothing,
        profile=_refused(
            f"{_path}.profile", "step.profile(*batch) of a compiled step tells where its time goes"
        ),
    )
profiler = sys.modules["lenetc.profiler"]
module_at("nn.attention", "How attention is computed.", SDPBackend=SDPBackend, sdpa_kernel=_nothing)
serialization = module_at(
    "serialization",
    "What files may hold (torch.serialization): never pickles.",
    add_safe_globals=_always(None),
)
types = module_at(
    "types",
    "Names for annotations (torch.types).",
    Number=int | float | bool,
    Device=device | str | int | None,
)
module_at(
    "jit.annotations",
    "Names for annotations.",
    List=list,
    Optional=Optional,
    Tuple=tuple,
    Dict=dict,
    BroadcastingList1=list,
    BroadcastingList2=list,
    BroadcastingList3=list,
)
module_at(
    "utils.model_zoo",
    "Weights from the net.",
    load_url=_refused("utils.model_zoo.load_url", "fetch a safetensors file and lenetc.load it"),
)

# Sparse tensors.

_DENSE = "use a dense tensor, with zeros or -inf where nothing is"
sparse = module_at("sparse", "Sparse tensors (torch.sparse).", mm=_refused("sparse.mm", _DENSE))
sparse_coo_tensor = _refused("sparse_coo_tensor", _DENSE)
sparse_csr_tensor = _refused("sparse_csr_tensor", _DENSE)

# PyTorch's compiler: here lenetc.compile.


def _is_compiling() -> bool:
    """Whether a function is being traced (torch.compiler.is_compiling)."""
    return Context.trace is not None


class _Stance:
    """torch.compiler.set_stance: as a call, a context or a decorator, which all ask for nothing."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        pass

    def __enter__(self) -> None:
        pass

    def __exit__(self, *error: Any) -> None:
        pass

    def __call__(self, function: Any) -> Any:
        return function


COMPILER = {
    **dict.fromkeys(("allow_in_graph", "assume_constant_result", "disable", "nested_compile_region"), _same),
    **dict.fromkeys(("is_compiling", "is_dynamo_compiling"), _is_compiling),
    "is_exporting": _always(False),
    "list_backends": _always(["onnxruntime"]),
    **dict.fromkeys(("cudagraph_mark_step_begin", "reset"), _always(None)),
    "set_stance": _Stance,
}
_dynamo = module_at(
    "_dynamo",
    "Settings of torch.compile.",
    config=SimpleNamespace(
        suppress_errors=False,
        cache_size_limit=8,
        recompile_limit=8,
        verbose=False,
        capture_scalar_outputs=False,
    ),
    **dict.fromkeys(
        ("graph_break", "mark_dynamic", "mark_static", "maybe_mark_dynamic", "reset"), _always(None)
    ),
    **dict.fromkeys(("allow_in_graph", "disable"), _same),
    optimize=_always(_same),
    is_compiling=_is_compiling,
)

_C = module_at(
    "_C",
    "PyTorch's compiled half, of which packages call these.",
    _log_api_usage_once=_always(None),
    _get_tracing_state=_always(None),
)

__config__ = module_at("__config__", "How it was built.", show=lambda: f"lenetc on ONNX Runtime {_version()}")
