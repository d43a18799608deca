"""The module that an ONNX file becomes."""

from __future__ import annotations

import inspect
import types
from collections import namedtuple
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from ir.errors import LenetcError, ShapeError
from ir.types import Array
from lenetc.compiler.structure import ArgumentError
from lenetc.evaluation.cell import known
from lenetc.evaluation.tracing import here
from lenetc.importer.errors import OnnxError
from lenetc.importer.graph.batch import may_hold_batch
from lenetc.importer.interpreter import Context, run
from lenetc.importer.names import identifiers, need
from lenetc.importer.ports import described, taken
from lenetc.importer.records import Fixed, OnnxGraph, Port
from lenetc.importer.values import Value, as_tensors
from lenetc.importer.weights.roles import Weight
from lenetc.nn.modules.module import Module
from lenetc.nn.parameter import Parameter
from lenetc.tensors.tensor import Tensor

if TYPE_CHECKING:
    from lenetc.importer.weights.table import WeightTable

# Other names of weights, by their names in the file or as a function of them.
Renames = Mapping[str, str] | Callable[[str], str]


@dataclass(frozen=True, eq=False)
class Imported(Fixed):
    """What a module has of its file. constants: values that are not trained; places: the path in the module of each
    value that is a parameter or a buffer; weights: a record of each value, without its numbers; copies: the name in the
    file of each value that is a copy of one. skeleton: the file without the numbers of its weights, None where the
    module is not the whole of it."""

    graph: OnnxGraph
    constants: Mapping[str, Value]
    places: Mapping[str, tuple[str, ...]]
    weights: tuple[Weight, ...]
    copies: Mapping[str, str]
    skeleton: bytes | None

    def __post_init__(self) -> None:
        self._derive()

    def _derive(self) -> None:
        """What a trace would else make for the first time, and so seem to change."""
        _ = self.inputs, self.signature, self.result, self.forward

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._derive()

    @cached_property
    def inputs(self) -> list[str]:
        """The parameters of forward."""
        return identifiers(port.name for port in self.graph.inputs)

    @cached_property
    def signature(self) -> inspect.Signature:
        kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
        return inspect.Signature([inspect.Parameter(name, kind) for name in self.inputs])

    @cached_property
    def result(self) -> type | None:
        """The named tuple of several outputs."""
        names = identifiers(port.name for port in self.graph.outputs)
        return namedtuple("Outputs", names, rename=True) if len(names) > 1 else None

    @cached_property
    def forward(self) -> Callable[..., Any]:
        def forward(module: OnnxModule, *args: Any, **kwargs: Any) -> Any:
            return module._run(*args, **kwargs)

        own = inspect.Parameter("module", inspect.Parameter.POSITIONAL_ONLY)
        forward.__signature__ = self.signature.replace(  # type: ignore[attr-defined]
            parameters=[own, *self.signature.parameters.values()]
        )
        return forward

    def __getstate__(self) -> dict[str, Any]:
        cached = ("inputs", "signature", "result", "forward")
        return {name: value for name, value in self.__dict__.items() if name not in cached}


class Forward:
    """`forward` of each module with the inputs of its own file as parameters."""

    def __get__(self, module: OnnxModule | None, owner: type) -> Any:
        return self if module is None else types.MethodType(module._imported.forward, module)


class Part(Module):
    """Weights whose names have a prefix in common."""

    def _load_from_state_dict(
        self,
        state_dict: dict[str, Any],
        prefix: str,
        local_metadata: dict[str, Any],
        strict: bool,
        missing_keys: list[str],
        unexpected_keys: list[str],
        error_msgs: list[str],
    ) -> None:
        """PyTorch's BatchNorm counts batches, which files do not."""
        super()._load_from_state_dict(
            state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs
        )
        counter = f"{prefix}num_batches_tracked"
        if counter in unexpected_keys and f"{prefix}running_mean" in state_dict:
            unexpected_keys.remove(counter)


class OnnxModule(Part):
    """A network that was imported; `lenetc.from_onnx` makes it.

    Its parameters and buffers are the file's, under its names. forward takes the file's inputs, in order or by name,
    and gives its outputs: one tensor, or a named tuple.
    """

    _imported: Imported
    forward = Forward()

    def __init__(
        self,
        graph: OnnxGraph,
        weights: Sequence[Weight],
        folded: Mapping[str, Value],
        copies: Mapping[str, str] | None = None,
        names: Renames | None = None,
        skeleton: bytes | None = None,
    ) -> None:
        super().__init__()
        constants: dict[str, Value] = dict(folded)
        places: dict[str, tuple[str, ...]] = {}
        self._imported = Imported(
            replace(graph, initializers={}),
            constants,
            places,
            tuple(replace(weight, array=_without_values(weight.array)) for weight in weights),
            dict(copies or {}),
            skeleton,
        )
        called = _renamed([weight.name for weight in weights if weight.is_state], names)
        for weight in weights:
            if not weight.is_state:
                constants[weight.name] = weight.array
                continue
            tensor = Tensor._from_cell(known(weight.array))
            place = places[weight.name] = self._place(called[weight.name])
            owner = self._owner(place)
            if weight.role == "buffer":
                owner.register_buffer(place[-1], tensor)
            else:
                owner.register_parameter(place[-1], Parameter(tensor, weight.role == "parameter"))

    @property
    def out_ports(self) -> tuple[Port, ...]:
        """The outputs, as the file has them."""
        return self._imported.graph.outputs

    @property
    def ports(self) -> tuple[Port, ...]:
        """The inputs, as the file has them."""
        return self._imported.graph.inputs

    def onnx_names(self) -> dict[str, str]:
        """The file's name of each parameter and buffer, by its path in the module."""
        return {".".join(place): name for name, place in self._imported.places.items()}

    def _place(self, name: str) -> tuple[str, ...]:
        """Where the weight of this name stands: modules, one in the other, and its own name last. A name that is taken
        has a line behind it."""
        parts = [part or "_" for part in name.split(".")]
        module: Module | None = self
        for depth, part in enumerate(parts):
            is_last = depth == len(parts) - 1
            while True:
                inner = None if module is None else module._modules.get(part)
                if not (is_last and inner is not None) and (
                    inner is not None or not hasattr(module or _NOTHING, part)
                ):
                    break
                part += "_"
            parts[depth], module = part, inner
        return tuple(parts)

    def _owner(self, place: tuple[str, ...]) -> Module:
        module: Module = self
        for part in place[:-1]:
            if part not in module._modules:
                module.add_module(part, Part())
            module = module._modules[part]
        return module

    def _weight(self, name: str, place: tuple[str, ...]) -> Tensor:
        found: Any = self
        for part in place:
            found = getattr(found, part, None)
        if not isinstance(found, Tensor):
            raise LenetcError(
                f"the weight {'.'.join(place)!r}, which the file's nodes read, is gone: parts are weights alone. To "
                "put other layers behind it, cut it before its head: from_onnx(..., outputs=[...])"
            ).at(here())
        return found

    def _run(self, *args: Any, **kwargs: Any) -> Any:
        of = self._imported
        try:
            bound = of.signature.bind(*args, **kwargs).arguments
        except TypeError as error:
            wanted = ", ".join(
                f"{name}: {described(port)}" for name, port in zip(of.inputs, of.graph.inputs, strict=True)
            )
            raise ArgumentError(f"the network takes ({wanted}): {error}").at(here()) from None
        given: dict[str, Value] = dict(of.constants)
        given.update((name, self._weight(name, place)) for name, place in of.places.items())
        floats = {value.dtype for value in given.values() if isinstance(value, Parameter)}
        for name, port in zip(of.inputs, of.graph.inputs, strict=True):
            try:
                given[port.name] = taken(bound[name], port, floats)
            except LenetcError as error:
                raise error.at(here()) from None
        parts = [(buffer, part.training) for part in self.modules() for buffer in part._buffers.values()]
        context = Context(
            self.training, buffers=[(buffer, mode) for buffer, mode in parts if buffer is not None]
        )
        try:
            outputs = [as_tensors(value) for value in run(of.graph, given, context)]
        except ShapeError as error:
            raise _with_hint(error, of) from None
        return outputs[0] if of.result is None else of.result(*outputs)

    def table(self) -> WeightTable:
        """What became of each value of the file, to print: name, shape, dtype, role, why, readers, whether it is
        tied."""
        from lenetc.importer.weights.table import WeightTable, row_of  # rich is slow to import

        rows = []
        for weight in self._imported.weights:
            role, place = weight.role, self._imported.places.get(weight.name)
            if place is not None and role != "buffer":
                role = "parameter" if self._weight(weight.name, place).requires_grad else "frozen"
            rows.append(row_of(weight, ".".join(place or (weight.name,)), role))
        return WeightTable(rows)

    @property
    def output_names(self) -> list[str]:
        """The file's names of outputs, as identifiers."""
        return identifiers(port.name for port in self._imported.graph.outputs)

    def extra_repr(self) -> str:
        graph = self._imported.graph
        inputs, outputs = (
            ", ".join(f"{port.name}: {described(port)}" for port in ports)
            for ports in (graph.inputs, graph.outputs)
        )
        count = sum(parameter.numel() for parameter in self.parameters())
        return f"({inputs}) -> ({outputs}), {len(graph.nodes)} nodes, {count} parameters"

    def _child_lines(self) -> list[str]:
        """Of the parts those that are no longer the file's."""
        lines = []
        for path, module in self.named_modules():
            if path and not _is_part(module) and (self._above(path) is self or _is_part(self._above(path))):
                lines.append(f"({path}): {repr(module).replace(chr(10), chr(10) + '  ')}")
        return lines

    def _above(self, path: str) -> Module:
        return self.get_submodule(path.rpartition(".")[0])


_NOTHING = Part()


def _is_part(module: Module) -> bool:
    return type(module) is Part


def _without_values(array: Array) -> Array:
    """Of that shape and dtype, without any memory."""
    return np.broadcast_to(np.zeros((), array.dtype), array.shape)


def _renamed(names: list[str], to: Renames | None) -> dict[str, str]:
    """Names in the module by those in the file. Raises OnnxError for names that the file has not, and for such as two
    would have."""
    if to is None:
        return {name: name for name in names}
    if isinstance(to, Mapping):
        for name in to:
            need(name, names, "names")
    found = {name: to.get(name, name) if isinstance(to, Mapping) else to(name) for name in names}
    for name, new in found.items():
        if not isinstance(new, str) or not new:
            raise OnnxError(f"names: {name!r} is to be called {new!r}, which is no name")
    if twice := next((new for new in found.values() if list(found.values()).count(new) > 1), None):
        raise OnnxError(
            f"names: {', '.join(repr(n) for n in found if found[n] == twice)} would all be {twice!r}"
        )
    return found


def _with_hint(error: ShapeError, of: Imported) -> ShapeError:
    """`error`, which says that the file may be for batches of one size where it may be."""
    node = may_hold_batch(of.graph, dict(of.constants))
    if node is not None:
        text, *where = error.args[0].split("\n", 1)
        text += f' (constants such as the sizes of {node} may hold the batch of the file: from_onnx(..., batch="N"))'
        error.args = ("\n".join([text, *where]), *error.args[1:])
    return error
