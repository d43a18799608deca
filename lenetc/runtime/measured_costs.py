"""Measured costs on disk: a file for each machine, device, version of the runtime and of this package.

`lenetc tune` writes them; compiling reads them. A file that cannot be used is ignored, with a warning that says
what to do.
"""

from __future__ import annotations

import functools
import hashlib
import json
import logging
import math
import os
import platform
import sys
from collections.abc import Mapping
from pathlib import Path
from statistics import median
from typing import Any

from lenetc.files import atomic_write
from lenetc.runtime.device import version
from lenetc.version import __version__
from passes.target import Measured

log = logging.getLogger("lenetc.tuned")
FORMAT = 1
# By key: µs, and what the built-in model estimated.
Costs = Mapping[str, tuple[float, float]]


def folder() -> Path:
    """Where the files are: $LENETC_CACHE, or `lenetc` in the user's folder for caches."""
    if given := os.environ.get("LENETC_CACHE"):
        return Path(given)
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local"
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "lenetc"


@functools.cache
def machine(device: str) -> dict[str, Any]:
    """What costs are measured on. They hold for no other."""
    gpu = {"gpu": _gpu()} if device == "cuda" else {}
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        "device": device,
        **gpu,
        "processor": _processor(),
        "cores": cores,
        "system": f"{platform.system()} {platform.machine()}",
        "onnxruntime": version(),
        "lenetc": __version__,
    }


def _processor() -> str:
    return _named(Path("/proc/cpuinfo"), "model name") or platform.processor() or "unknown"


def _gpu() -> str:
    found = sorted(Path("/proc/driver/nvidia/gpus").glob("*/information"))
    return _named(found[0], "Model") if found else "unknown"


def _named(info: Path, key: str) -> str:
    """What a file of lines "key: value" says of a key."""
    lines = info.read_text().splitlines() if info.exists() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(key)), "")


def path(device: str) -> Path:
    """The file for this machine and `device`."""
    digest = hashlib.sha256(json.dumps(machine(device), sort_keys=True).encode()).hexdigest()
    return folder() / f"costs-{device}-{digest[:12]}.json"


def load(device: str) -> Measured | None:
    """The costs measured on this machine; None where there are none that can be used. One object while they are the
    same."""
    found = measured(read(device))
    if found is None or _loaded.get(device) != found:
        _loaded[device] = found
    return _loaded[device]


_loaded: dict[str, Measured | None] = {}


def measured(costs: Costs) -> Measured | None:
    """Costs as the choice of strategies wants them; None for none."""
    if not costs:
        return None
    scale = median(cost / estimate for cost, estimate in costs.values())
    return Measured({key: cost for key, (cost, _) in costs.items()}, scale)


def read(device: str) -> Costs:
    """Costs as they are on disk, {} where there are none that can be used."""
    file = path(device)
    try:
        state = file.stat()
    except OSError:
        return {}
    return _read(file, device, state.st_mtime_ns, state.st_size)


@functools.lru_cache(maxsize=4)
def _read(file: Path, device: str, modified: int, size: int) -> Costs:
    """Once for each state of the file, so that a bad one is told once."""
    try:
        made, costs = parse(file.read_bytes())
        ours = machine(device)
        if made != ours:
            differing = ", ".join(key for key in {**made, **ours} if made.get(key) != ours.get(key))
            raise ValueError(f"they were not measured on this machine ({differing})")
        return costs
    except (OSError, ValueError) as error:
        log.warning(
            "measured costs in %s are ignored: %s; `lenetc tune --clear` deletes them, `lenetc tune` measures anew",
            file,
            error,
        )
        return {}


def parse(content: bytes) -> tuple[dict[str, Any], dict[str, tuple[float, float]]]:
    """The machine and the costs in a file's content. Raises ValueError where it is damaged."""
    try:
        known = json.loads(content)
        costs = {key: (float(cost), float(estimate)) for key, (cost, estimate) in known["costs"].items()}
        made, version = dict(known["machine"]), known["format"]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"the file is damaged ({type(error).__name__}: {error})") from None
    if version != FORMAT:
        raise ValueError(f"it is in format {version!r}, not {FORMAT}")
    if not all(math.isfinite(x) and x > 0 for pair in costs.values() for x in pair):
        raise ValueError("the file is damaged (a cost is not a positive number)")
    return made, costs


def save(device: str, costs: Costs) -> Path:
    """Add `costs` to those on disk, newer ones in place of older. Returns the file. Raises OSError."""
    file = path(device)
    file.parent.mkdir(parents=True, exist_ok=True)
    merged = {**read(device), **costs}
    content = {
        "format": FORMAT,
        "machine": machine(device),
        "costs": {key: [round(x, 3) for x in merged[key]] for key in sorted(merged)},
    }
    atomic_write(file, json.dumps(content, indent=1).encode())
    return file


def files() -> list[Path]:
    """All files of measured costs, of this machine and of others."""
    return sorted(folder().glob("costs-*.json"))


def clear() -> list[Path]:
    """Delete all files of measured costs; returns them. Raises OSError."""
    found = files()
    for file in found:
        file.unlink(missing_ok=True)
    return found
