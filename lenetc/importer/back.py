"""Back out again: the file that a network was imported from, with the weights that it has now."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from ir.types import Array
from lenetc.importer.module import OnnxModule, Part
from lenetc.importer.records import Port
from lenetc.tensors.tensor import Tensor

if TYPE_CHECKING:
    import onnx


def own_weights(net: OnnxModule) -> dict[str, Tensor] | None:
    """The parameters and buffers of `net` by their names in its file; None where it is not the whole file any more:
    cut, with copies of weights, or with parts that were replaced."""
    of = net._imported
    if of.skeleton is None or any(type(part) is not Part for part in net.modules() if part is not net):
        return None
    found: dict[str, Tensor] = {}
    for name, place in of.places.items():
        owner: object = net
        for part in place[:-1]:
            owner = getattr(owner, part, None)
        tensor = getattr(owner, place[-1], None)
        if not isinstance(tensor, Tensor):
            return None
        found[name] = tensor
    return found if len(found) == len(net.state_dict()) else None


def original(net: OnnxModule, weights: Mapping[str, Array]) -> onnx.ModelProto | None:
    """The file that `net` was imported from, with `weights` by its names in the place of those it had: the same
    operators, names and order. None where it cannot hold them, or is made for training."""
    from lenetc.importer.files.original import with_weights  # onnx is slow to import

    of = net._imported
    constants = {name: value for name, value in of.constants.items() if isinstance(value, np.ndarray)}
    return None if of.skeleton is None else with_weights(of.skeleton, weights, constants)


def ports(net: OnnxModule) -> tuple[tuple[Port, ...], tuple[Port, ...]]:
    """The inputs and outputs of the file."""
    graph = net._imported.graph
    return graph.inputs, graph.outputs
