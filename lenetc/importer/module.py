"""The module that an ONNX file becomes."""

from __future__ import annotations

import inspect
import re
from collections import namedtuple
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lenetc.evaluation.cell import known
from lenetc.importer.interpreter import Context, run
from lenetc.importer.records import Fixed, OnnxGraph
from lenetc.importer.values import Value, to_tensor
from lenetc.importer.weights import Weight
from lenetc.nn.modules.module import Module
from lenetc.nn.parameter import Parameter
from lenetc.tensors.tensor import Tensor


@dataclass(frozen=True, eq=False)
class Imported(Fixed):
    """What a module has of its file. constants: values that are not trained; places: the path in the module of each
    value that is a parameter or a buffer; result: the named tuple of several outputs."""

    graph: OnnxGraph
    constants: Mapping[str, Value]
    places: Mapping[str, tuple[str, ...]]
    result: type | None


class OnnxModule(Module):
    """A network that was imported; `lenetc.from_onnx` makes it.

    Its parameters and buffers are the file's, under its names. forward takes the file's inputs, in order or by name,
    and gives its outputs: one tensor, or a named tuple.
    """

    def __init__(self, graph: OnnxGraph, weights: Sequence[Weight], folded: Mapping[str, Value]) -> None:
        super().__init__()
        constants: dict[str, Value] = dict(folded)
        places: dict[str, tuple[str, ...]] = {}
        for weight in weights:
            if weight.role == "constant":
                constants[weight.name] = weight.array
                continue
            tensor = Tensor._from_cell(known(weight.array))
            place = places[weight.name] = self._place(weight.name)
            owner = self._owner(place)
            if weight.role == "parameter":
                owner.register_parameter(place[-1], Parameter(tensor))
            else:
                owner.register_buffer(place[-1], tensor)
        names = [identifier(port.name) for port in graph.outputs]
        result = namedtuple("Outputs", names, rename=True) if len(names) != 1 else None
        self._imported = Imported(graph, constants, places, result)

    def _place(self, name: str) -> tuple[str, ...]:
        """Where the weight of this name stands: modules, one in the other, and its own name last."""
        parts = [part or "_" for part in name.split(".")] or ["_"]
        module: Module = self
        for depth, part in enumerate(parts):
            inner = module._modules.get(part)
            taken = inner is None and hasattr(module, part)
            if taken or (depth == len(parts) - 1 and inner is not None):
                parts[depth] += "_"
                return self._place(".".join(parts))
            if inner is None:
                break
            module = inner
        return tuple(parts)

    def _owner(self, place: tuple[str, ...]) -> Module:
        module: Module = self
        for part in place[:-1]:
            if part not in module._modules:
                module.add_module(part, Part())
            module = module._modules[part]
        return module

    def _weight(self, place: tuple[str, ...]) -> Tensor:
        found: Any = self
        for part in place:
            found = getattr(found, part)
        assert isinstance(found, Tensor)
        return found

    def _run(self, inputs: Mapping[str, Any]) -> Any:
        of = self._imported
        given: dict[str, Value] = dict(of.constants)
        given.update((name, self._weight(place)) for name, place in of.places.items())
        given.update((port.name, _tensor(inputs[identifier(port.name)])) for port in of.graph.inputs)
        context = Context(self.training, buffers=tuple(self.buffers()))
        outputs = [to_tensor(value) for value in run(of.graph, given, context)]
        return outputs[0] if of.result is None else of.result(*outputs)


class Part(Module):
    """Weights whose names have a prefix in common."""


def _tensor(value: Any) -> Tensor:
    return value if isinstance(value, Tensor) else Tensor._from_array(value)


def identifier(name: str) -> str:
    """`name` as Python and named tuples allow it."""
    plain = re.sub(r"\W", "_", name).lstrip("_") or "value"
    return f"v{plain}" if plain[0].isdigit() else plain


def module_of(graph: OnnxGraph, weights: Sequence[Weight], folded: Mapping[str, Value]) -> OnnxModule:
    """The module of a class of its own, whose forward has the graph's inputs as its parameters."""
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    names = [
        inspect.Parameter("self", kind),
        *(inspect.Parameter(identifier(p.name), kind) for p in graph.inputs),
    ]
    signature = inspect.Signature(names)

    def forward(self: OnnxModule, *args: Any, **kwargs: Any) -> Any:
        bound = signature.bind(self, *args, **kwargs)
        return self._run(bound.arguments)

    forward.__signature__ = signature  # type: ignore[attr-defined]
    made: type[OnnxModule] = type("OnnxModule", (OnnxModule,), {"forward": forward, "__module__": __name__})
    return made(graph, weights, folded)
