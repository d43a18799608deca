"""IR -> ONNX: whole models."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import onnx
from onnx import ModelProto as ModelProto
from onnx import TensorProto, helper

from ir.node import Graph, Where, next_name
from ir.types import Array, Type
from passes.emit import table as table  # fills EMISSIONS
from passes.emit.builder import Builder, EmitError
from passes.emit.external import HELD, fill, named
from passes.emit.fusions import fused
from passes.emit.order import to_file
from passes.target import Target

# The version of ONNX's file format for each opset that models are written in. ONNX Runtime 1.27 loads no later one.
IR_VERSIONS = {17: 8, 18: 8, 19: 9, 20: 9, 21: 10, 22: 10, 23: 11, 24: 12, 25: 13, 26: 13}
# The first ONNX Runtime that trains right in each of them, found by running convolutions, normalization, attention,
# dropout and embeddings with SGD and Adam on 1.12 to 1.32.
_LOWEST = {
    **{
        17: "1.12",
        18: "1.14",
        19: "1.16",
        20: "1.17",
        21: "1.18",
        22: "1.21",
        23: "1.23",
        24: "1.24",
        25: "1.24",
    },
    26: "1.25",
}


@dataclass(frozen=True)
class Emitted:
    """An ONNX model, for each of its nodes (by name) where in the user's code it came from, and the types of values."""

    model: onnx.ModelProto
    places: dict[str, Where]
    types: dict[str, Type]

    def to_file(self, device: str) -> tuple[bytes, bool]:
        """The model as a session here loads it, in another order perhaps; and whether what the runtime would fuse in it
        is fused."""
        found = fused(self.model, self.types) if device == "cpu" else None
        return to_file(found or self.model), found is not None


def to_onnx(graph: Graph, inside: Mapping[str, Array] | None = None, target: Target | None = None) -> Emitted:
    """`graph` as an ONNX model: inputs as in the graph, outputs results then `<state>.next`.

    Only ai.onnx operators of the opset of `target`, which the graph was compiled for, unless that has lanes. inside:
    values of inputs that the model holds as initializers of their names, and does not take. Raises EmitError for an
    opset that models are not written in, for an op that has no emission, or none in this opset, and where an output
    would have the name of an input or of another output.
    """
    target = target or Target()
    check_opset(target.opset)
    inputs = {node: str(node.attrs["name"]) for node in graph.inputs}
    outputs = [*(key for key, _ in graph.results), *(next_name(key) for key, _ in graph.updates)]
    names = Counter([*inputs.values(), *outputs])
    if twice := sorted(name for name, count in names.items() if count > 1):
        raise EmitError(
            f"two inputs or outputs of the model would be called {', '.join(twice)}; rename one of them"
        )
    builder = Builder(graph, set(names), target)
    inside = inside or {}
    taken = [node for node in graph.inputs if node.attrs["name"] not in inside]
    proto = builder.finish(graph.name, taken, inputs, graph.outputs, outputs)
    arrays = {name: np.asarray(value) for name, value in inside.items()}
    proto.initializer.extend(named(array, name) for name, array in arrays.items())
    model = helper.make_model(
        proto,
        opset_imports=[
            helper.make_opsetid("", target.opset),
            *(helper.make_opsetid(domain, 1) for domain in sorted(builder.domains)),
        ],
        ir_version=IR_VERSIONS[target.opset],
        producer_name="lenetc",
        producer_version=_version(),
    )
    arrays |= builder.held
    for tensor in model.graph.initializer:
        if arrays[tensor.name].nbytes >= HELD:
            fill(tensor, arrays[tensor.name])
    return Emitted(model, builder.places, builder.types)


def check_opset(opset: int) -> None:
    """Raises EmitError for an opset that models are not written in."""
    if opset not in IR_VERSIONS:
        raise EmitError(
            f"models are written in the opsets {min(IR_VERSIONS)} to {max(IR_VERSIONS)} of ONNX, not in {opset!r}"
        )


def lowest_runtime(opset: int) -> str:
    """The first version of ONNX Runtime that trains models of this opset right, such as "1.14".

    It may lack single kernels that later ones have, and says so when it loads a model: ArgMax of i64 comes with 1.20,
    TopK of u8 later than 1.22, and IsNaN of f64 with 1.14.
    """
    return _LOWEST[opset]


@functools.cache
def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version  # slow to import

    try:
        return version("lenetc")
    except PackageNotFoundError:
        return "0"


def lanes_model() -> ModelProto:
    """Four channels `x` put into lanes `y`, which shows how many lanes the runtime's kernels have: see Target."""
    domain = "com.microsoft.nchwc"
    given, found = (helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in "xy")
    node = helper.make_node("ReorderInput", ["x"], ["y"], domain=domain)
    opsets = [helper.make_opsetid("", Target.opset), helper.make_opsetid(domain, 1)]
    graph = helper.make_graph([node], "lanes", [given], [found])
    return helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSIONS[Target.opset])
