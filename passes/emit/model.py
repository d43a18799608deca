"""IR -> ONNX: whole models."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import onnx
from onnx import ModelProto as ModelProto
from onnx import TensorProto, helper, numpy_helper

from ir.node import Graph, Where, next_name
from ir.types import Array
from passes.emit import table as table  # fills EMISSIONS
from passes.emit.builder import Builder, EmitError
from passes.emit.order import to_file
from passes.target import Target

# The version of ONNX's file format for each opset that models are written in. ONNX Runtime 1.27 loads no later one.
IR_VERSIONS = {17: 8, 18: 8, 19: 9, 20: 9, 21: 10, 22: 10, 23: 11, 24: 12, 25: 13, 26: 13}
OPSET = Target.opset  # where none is asked for
IR_VERSION = IR_VERSIONS[OPSET]


@dataclass(frozen=True)
class Emitted:
    """An ONNX model, and for each of its nodes (by name) where in the user's code it came from."""

    model: onnx.ModelProto
    places: dict[str, Where]

    def to_file(self) -> bytes:
        """The model as a session here loads it: with the same nodes, in another order perhaps."""
        return to_file(self.model)


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
    proto.initializer.extend(
        numpy_helper.from_array(np.asarray(value), name) for name, value in inside.items()
    )
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
    return Emitted(model, builder.places)


def check_opset(opset: int) -> None:
    """Raises EmitError for an opset that models are not written in."""
    if opset not in IR_VERSIONS:
        raise EmitError(
            f"models are written in the opsets {min(IR_VERSIONS)} to {max(IR_VERSIONS)} of ONNX, not in {opset!r}"
        )


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
    opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(domain, 1)]
    graph = helper.make_graph([node], "lanes", [given], [found])
    return helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION)


def constants_model(name: str, values: Mapping[str, Array], opset: int = OPSET) -> ModelProto:
    """A model without inputs whose outputs are `values`: initial state, for hosts that read nothing but ONNX."""
    check_opset(opset)
    nodes, outputs = [], []
    for key, value in values.items():
        array = np.asarray(value)
        nodes.append(helper.make_node("Constant", [], [key], name=key, value=numpy_helper.from_array(array)))
        outputs.append(
            helper.make_tensor_value_info(key, helper.np_dtype_to_tensor_dtype(array.dtype), array.shape)
        )
    return helper.make_model(
        helper.make_graph(nodes, name, [], outputs),
        opset_imports=[helper.make_opsetid("", opset)],
        ir_version=IR_VERSIONS[opset],
        producer_name="lenetc",
        producer_version=_version(),
    )
