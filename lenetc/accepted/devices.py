"""Libraries that compute, and devices (torch.backends, torch.accelerator): most are not there."""

from __future__ import annotations

import sys
from functools import partial

from lenetc import cuda as _cuda
from lenetc.accepted.made import always, module_at, nothing
from lenetc.operations.autocast import autocast
from lenetc.runtime.device import device
from lenetc.runtime.precision import get_float32_matmul_precision, set_float32_matmul_precision


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
    version=always(None),
    flags=nothing,
)
module_at(
    "backends.cuda",
    "CUDA's products and attention.",
    matmul=_Products(),
    is_built=always(True),
    enable_flash_sdp=always(None),
    enable_mem_efficient_sdp=always(None),
    enable_math_sdp=always(None),
    sdp_kernel=nothing,
)
for _name in ("mps", "mkl", "mkldnn", "openmp", "quantized", "xnnpack"):
    module_at(
        f"backends.{_name}",
        f"{_name}, which does not compute here.",
        enabled=False,
        is_available=always(False),
        is_built=always(False),
    )

for _name in ("mps", "xpu", "mtia"):
    module_at(
        _name,
        "A device that is not here.",
        is_available=always(False),
        device_count=always(0),
        synchronize=always(None),
        empty_cache=always(None),
        manual_seed=always(None),
    )
module_at(
    "cuda.nvtx", "Marks for a profiler.", range_push=always(None), range_pop=always(None), range=nothing
)
cpu = module_at(
    "cpu",
    "The processor (torch.cpu).",
    is_available=always(True),
    device_count=always(1),
    synchronize=always(None),
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
    current_device_index=always(0),
    set_device_index=always(None),
    synchronize=always(None),
    empty_cache=always(None),
)
