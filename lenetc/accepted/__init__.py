"""Names of PyTorch that scripts use and that ask for nothing here: settings of backends, `jit`, `distributed` and
their like. Each module can be imported under PyTorch's path.

A setting is kept as it is set and changes nothing, except those that say so. What would have to do something and
cannot raises UnsupportedError, with what to use instead.

It may import `nn`, `cuda`, `runtime` and what stands below.
"""

from lenetc.accepted.devices import accelerator, backends, cpu, mps, xpu
from lenetc.accepted.others import (
    profiler,
    serialization,
    sparse,
    sparse_coo_tensor,
    sparse_csr_tensor,
    types,
)
from lenetc.accepted.processes import distributed, multiprocessing
from lenetc.accepted.settings import (
    _assert,
    are_deterministic_algorithms_enabled,
    get_default_device,
    get_deterministic_debug_mode,
    get_num_interop_threads,
    is_deterministic_algorithms_warn_only_enabled,
    is_storage,
    is_warn_always_enabled,
    set_default_device,
    set_deterministic_debug_mode,
    set_flush_denormal,
    set_num_interop_threads,
    set_warn_always,
    typename,
    use_deterministic_algorithms,
)
from lenetc.accepted.tracers import _C, _dynamo, fx, hub, jit, onnx
