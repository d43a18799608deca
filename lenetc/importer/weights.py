"""What of a file's values is trained, what is kept as it is, and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from ir.types import Array
from lenetc.importer.gradients import reached
from lenetc.importer.interpreter import entry_of
from lenetc.importer.records import OnnxGraph, OnnxNode

Role = Literal["parameter", "buffer", "constant"]


@dataclass(frozen=True)
class Weight:
    """A value that the file holds. role: what becomes of it; why: in words; readers: the nodes that read it."""

    name: str
    array: Array
    role: Role
    why: str
    readers: tuple[OnnxNode, ...]


def is_float(array: Array) -> bool:
    return array.dtype.kind == "f" or array.dtype.name == "bfloat16"


def weights(graph: OnnxGraph, held: Mapping[str, Array], outputs: list[str]) -> list[Weight]:
    """A record for each of the `held` values, initializers and constants, in order."""
    gradients = reached(graph, outputs)
    readers: dict[str, list[tuple[OnnxNode, int]]] = {}
    for node in graph.nodes:
        for position, name in enumerate(node.inputs):
            readers.setdefault(name, []).append((node, position))
    found = []
    for name, array in held.items():
        of = readers.get(name, [])
        role, why = _role(array, name in gradients, of)
        found.append(Weight(name, array, role, why, tuple(node for node, _ in of)))
    return found


def _role(array: Array, is_reached: bool, readers: list[tuple[OnnxNode, int]]) -> tuple[Role, str]:
    if any(entry_of(node).kind(position) == "Buffer" for node, position in readers):
        return "buffer", "statistics"
    if not is_float(array):
        return "constant", "no floating-point numbers"
    if not array.ndim:
        return "constant", "a single number"
    if not is_reached:
        return "constant", "no gradient reaches it"
    if _is_mask(array):
        return "constant", "a mask"
    return "parameter", ""


def _is_mask(array: Array) -> bool:
    """Whether `array` is there to be added to scores: of zeros and of numbers that exp makes zero of."""
    return bool(
        np.isneginf(array).any() or (((array <= -1e4) | (array == 0)).all() and (array <= -1e4).any())
    )
