"""One process trains (torch.distributed, torch.multiprocessing)."""

from __future__ import annotations

from enum import Enum
from os import cpu_count

from lenetc.accepted.made import always, module_at, refused


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
    is_available=always(False),
    is_initialized=always(False),
    get_rank=always(0),
    get_world_size=always(1),
    barrier=always(None),
    destroy_process_group=always(None),
    init_process_group=refused("distributed.init_process_group", "train in one process"),
)
multiprocessing = module_at(
    "multiprocessing",
    "Processes that share tensors (torch.multiprocessing).",
    cpu_count=cpu_count,
    set_start_method=always(None),
    get_start_method=always("spawn"),
    set_sharing_strategy=always(None),
    **{
        name: refused(f"multiprocessing.{name}", "tensors are not shared among processes; train in one")
        for name in ("Process", "Pool", "Queue", "SimpleQueue", "spawn", "get_context")
    },
)
for _path in ("nn.parallel", "nn.parallel.distributed"):
    module_at(
        _path,
        "Training by several devices or processes.",
        DistributedDataParallel=refused("nn.parallel.DistributedDataParallel", "train in one process"),
    )
