"""Profilers, choices of kernels, files, names for annotations, sparse tensors."""

from __future__ import annotations

import sys
from enum import Enum

from lenetc.accepted.made import always, module_at, nothing, refused
from lenetc.runtime.device import device


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
        record_function=nothing,
        profile=refused(
            f"{_path}.profile", "step.profile(*batch) of a compiled step tells where its time goes"
        ),
    )
profiler = sys.modules["lenetc.profiler"]
module_at("nn.attention", "How attention is computed.", SDPBackend=SDPBackend, sdpa_kernel=nothing)
serialization = module_at(
    "serialization",
    "What files may hold (torch.serialization): never pickles.",
    add_safe_globals=always(None),
)
types = module_at(
    "types",
    "Names for annotations (torch.types).",
    Number=int | float | bool,
    Device=device | str | int | None,
)
module_at(
    "utils.model_zoo",
    "Weights from the net.",
    load_url=refused("utils.model_zoo.load_url", "fetch a safetensors file and lenetc.load it"),
)

_DENSE = "use a dense tensor, with zeros or -inf where nothing is"
sparse = module_at("sparse", "Sparse tensors (torch.sparse).", mm=refused("sparse.mm", _DENSE))
sparse_coo_tensor = refused("sparse_coo_tensor", _DENSE)
sparse_csr_tensor = refused("sparse_csr_tensor", _DENSE)
