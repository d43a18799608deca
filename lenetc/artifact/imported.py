"""infer.onnx of a network that was imported and trained as it is: its own file, with the weights that it has now."""

from __future__ import annotations

from collections.abc import Mapping

from ir.types import Type
from lenetc.artifact.manifest import Model, Port
from lenetc.compiler.traces.records import INVALID, Capture
from lenetc.evaluation.cell import Cell
from lenetc.importer.back import original, own_weights, ports
from lenetc.importer.module import OnnxModule
from lenetc.importer.records import Port as FilePort
from passes.emit.external import to_files


def of_its_file(
    net: OnnxModule, captured: Capture, names: Mapping[Cell, str]
) -> tuple[dict[str, bytes], Model] | None:
    """(contents by file, the manifest's entry) of the file that `net` was imported from. names: those of the state.

    None where that cannot be: the network is not the whole of its file, it is a part of another one, so that its state
    has other names, or the file is one for training.
    """
    weights = own_weights(net)
    if weights is None or any(names.get(tensor._cell) != name for name, tensor in weights.items()):
        return None
    model = original(net, {name: tensor._cell.numpy() for name, tensor in weights.items()})
    if model is None:
        return None
    inputs, outputs = ports(net)
    given = {node.attrs["name"]: node.ty for node in captured.graph.inputs if node.attrs["kind"] == "input"}
    results = {key: node.ty for key, node in captured.graph.results if key != INVALID}
    if len(given) != len(inputs) or len(results) != len(outputs):
        return None
    entry: Model = {
        "file": "infer.onnx",
        "inputs": [_port(port, type) for port, type in zip(inputs, given.values(), strict=True)],
        "hyperparameters": [],
        "state": [],
        "results": [_port(port, type) for port, type in zip(outputs, results.values(), strict=True)],
        "updates": {},
    }
    return to_files(model, "infer.onnx"), entry


def _port(port: FilePort, type: Type) -> Port:
    """The entry of an input or an output, with the sizes that the file has."""
    shape = port.shape if port.shape is not None else (None,) * type.rank
    return {
        "name": port.name,
        "dtype": type.dtype.long_name,
        "shape": [
            size if isinstance(size, int) else size or f"{port.name}_{axis}"
            for axis, size in enumerate(shape)
        ],
    }
