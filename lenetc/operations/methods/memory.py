"""What is asked of memory as methods of Tensor."""

from __future__ import annotations

from lenetc.operations import memory


class MemoryMethods:
    __slots__ = ()

    data_ptr = memory.data_ptr
    get_device = memory.get_device
    is_inference = memory.is_inference
    is_nonzero = memory.is_nonzero
    is_pinned = memory.is_pinned
    is_same_size = memory.is_same_size
    is_shared = memory.is_shared
    pin_memory = memory.pin_memory
    share_memory_ = memory.share_memory_
    itemsize = property(memory.itemsize)
    nbytes = property(memory.nbytes)
