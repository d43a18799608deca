"""Flush denormal numbers to zero while a program runs, and only then.

Momentum of weights that no longer get gradients decays into the denormal range and stays there: 0.9 times the
smallest numbers rounds to themselves. Each costs a hundred times an ordinary number, for ever. ONNX Runtime has a
switch for its own threads, but the calling thread's mode is the caller's, NumPy's included; so it is set before
each run and put back after. Where the mode cannot be set (other C libraries, other processors), nothing is flushed
anywhere: threads that differ would make results depend on which of them computed what.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import platform
import sys
import threading

# glibc's fenv_t: the offset of the control word, and the bits that flush results and operands.
_CONTROL = {"x86_64": (28, 0x8040), "aarch64": (0, 1 << 24)}


class _Thread(threading.local):
    """The mode is each thread's own: what it was before (as a buffer's address), and how many blocks the thread is
    in."""

    def __init__(self) -> None:
        self._buffer = ctypes.create_string_buffer(32)
        self.before = ctypes.addressof(self._buffer)
        self.depth = 0


class FlushDenormals:
    """Context manager: in the block the calling thread treats denormals as zero. `works` says whether it can."""

    def __init__(self) -> None:
        self.works = False
        self._thread = _Thread()
        if sys.platform != "linux" or platform.machine() not in _CONTROL or platform.libc_ver()[0] != "glibc":
            return
        # Calls that take no time are made without letting other threads run, in a third less of it.
        libm = ctypes.PyDLL(ctypes.util.find_library("m") or "libm.so.6")
        self._get, self._set = libm.fegetenv, libm.fesetenv
        self._get.argtypes = self._set.argtypes = [ctypes.c_void_p]
        inside = ctypes.create_string_buffer(32)
        self._get(ctypes.addressof(inside))
        offset, bits = _CONTROL[platform.machine()]
        control = int.from_bytes(inside.raw[offset : offset + 4], "little") | bits
        changed = inside.raw[:offset] + control.to_bytes(4, "little") + inside.raw[offset + 4 :]
        self._changed = ctypes.create_string_buffer(changed, 32)
        self._inside = ctypes.addressof(self._changed)
        self.works = True

    def __enter__(self) -> None:
        if not self.works:
            return
        thread = self._thread
        if not thread.depth:
            self._get(thread.before)
            self._set(self._inside)
        thread.depth += 1

    def __exit__(self, *_: object) -> None:
        if not self.works:
            return
        thread = self._thread
        thread.depth -= 1
        if not thread.depth:
            self._set(thread.before)


flushed = FlushDenormals()
