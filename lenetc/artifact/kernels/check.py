"""Which nodes of an exported folder a runtime lacks, or runs on another device; by its table."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import onnx
from google.protobuf.message import DecodeError
from onnx import TensorProto, defs, shape_inference

from ir.errors import LenetcError
from lenetc.artifact.kernels.table import Table, Types, table
from lenetc.artifact.on_disk.folder import Folder

_OF_SHAPES = ("Shape", "Size")  # their values are sizes, which ONNX Runtime keeps on the CPU
# What is computed from sizes stays there too, but for these, which make arrays of them.
_OF_ARRAYS = ("ConstantOfShape", "Expand", "Range", "RandomNormal", "RandomUniform", "Tile")


@dataclass(frozen=True)
class Group:
    """Nodes of one operator on the same element types that a runtime lacks, or runs on another device.

    device: where they run instead; "" where nowhere. operator: with its domain where that is not ai.onnx. types: of
    inputs, then of outputs, "?" where ONNX cannot tell. nodes: names, as the module and the operation gave them. after,
    before: for each node, those on the runtime's own device that it waits for and that wait for it.
    """

    device: str
    operator: str
    version: int
    types: tuple[tuple[str, ...], tuple[str, ...]]
    nodes: tuple[str, ...]
    after: tuple[tuple[str, ...], ...]
    before: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Checked:
    """What came out for a model file.

    on_device: nodes that run on the runtime's own device. of_shapes: nodes that compute with sizes alone, which run on
    the CPU by design. folded: nodes that read constants alone, which are computed once when the model is loaded.
    copies: tensors that go from one device to another in each step. unreadable: why the runtime does not read the
    model at all, or "".
    """

    file: str
    on_device: int
    of_shapes: int
    folded: int
    copies: int
    groups: tuple[Group, ...]
    unreadable: str

    @property
    def missing(self) -> tuple[Group, ...]:
        """What the runtime has no kernel for."""
        return tuple(group for group in self.groups if not group.device)

    @property
    def falls_back(self) -> tuple[Group, ...]:
        """What runs on another device."""
        return tuple(group for group in self.groups if group.device)

    @property
    def runs(self) -> bool:
        """Whether the runtime can run the model."""
        return not self.unreadable and not self.missing


def check(path: str | Path, runtime: str) -> list[Checked]:
    """What `runtime` lacks of each model in the exported folder `path`, or of the .onnx file of that name.

    runtime: a name of lenetc.artifact.kernels.table.runtimes(). Nodes are looked at as they are in the files, before
    the runtime fuses any; a provider that refuses a node for its attributes is not foreseen. Raises LenetcError for an
    unknown runtime and for what is no model, CheckpointError for what is no exported folder.
    """
    known = table(runtime)
    path = Path(path)
    if path.is_file():
        return [checked(path, known)]
    folder = Folder(path)
    return [checked(path / model["file"], known) for model in folder.manifest["models"].values()]


def checked(file: Path, known: Table) -> Checked:
    """What a runtime lacks of one model file. Raises LenetcError for what is no model."""
    try:
        model = onnx.load(file, load_external_data=False)
    except DecodeError:
        raise LenetcError(f"{file} is not an ONNX model; export the folder again") from None
    opset = next((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), 0)
    if not opset or not model.graph.node:
        raise LenetcError(f"{file} is not an ONNX model; export the folder again")
    unreadable = ""
    if known.opset is not None and opset > known.opset:
        unreadable = f"it is of opset {opset}, and {known.runtime} reads none above {known.opset}"
    elif known.ir_version is not None and model.ir_version > known.ir_version:
        unreadable = (
            f"it is of IR version {model.ir_version}, and {known.runtime} reads none above {known.ir_version}"
        )
    walk = _Walk(known, opset)
    walk.graph(shape_inference.infer_shapes(model).graph, {}, set(), set(), "")
    return Checked(
        file.name,
        walk.on_device,
        walk.of_shapes,
        walk.folded,
        walk.copies(),
        tuple(walk.groups()),
        unreadable,
    )


@dataclass
class _Walk:
    """One pass over the nodes of a model, in their order."""

    known: Table
    opset: int
    on_device: int = 0
    of_shapes: int = 0
    folded: int = 0
    devices: dict[str, str] = field(default_factory=dict)  # name of a node -> where it runs
    makers: dict[str, str] = field(default_factory=dict)  # tensor -> name of the node that makes it
    readers: dict[str, list[str]] = field(default_factory=dict)  # tensor -> names of the nodes that read it
    reads: dict[str, list[str]] = field(default_factory=dict)  # name of a node -> tensors
    makes: dict[str, list[str]] = field(default_factory=dict)
    others: dict[tuple[str, str, int, tuple[tuple[str, ...], tuple[str, ...]]], list[str]] = field(
        default_factory=dict
    )

    def graph(
        self,
        graph: onnx.GraphProto,
        outer: Mapping[str, str],
        constants: set[str],
        sizes: set[str],
        within: str,
    ) -> None:
        types = {**outer, **_types(graph)}
        given = {value.name for value in graph.input}
        constants = constants | {value.name for value in graph.initializer} - given
        sizes = set(sizes)
        for index, node in enumerate(graph.node):
            read = [name for name in node.input if name]
            bodies = [a.g for a in node.attribute if a.type == onnx.AttributeProto.GRAPH]
            self._infer(node, types)
            if node.op_type == "Constant":
                constants.update(node.output)
                continue
            fixed = bool(read) and not bodies and all(name in constants for name in read)
            measured = node.op_type in _OF_SHAPES or (
                node.op_type not in _OF_ARRAYS
                and any(name in sizes for name in read)
                and all(name in sizes or name in constants for name in read)
            )
            name = within + (node.name or f"{node.op_type}_{index}")
            # An If, Loop or Scan hands on what it is given; what its bodies read is noted there.
            self._note(name, node, [] if bodies else read)
            device = self._place(name, node, types, last=fixed or measured)
            if fixed and device:
                constants.update(node.output)
                self.folded += 1
            elif measured and device:
                sizes.update(node.output)
                self.of_shapes += 1
            elif device == self._first:
                self.on_device += 1
            if device and not fixed and not measured:
                self.devices[name] = device
            for body in bodies:
                self.graph(body, types, constants, sizes, f"{name}/")

    @property
    def _first(self) -> str:
        return next(iter(self.known.devices))

    def _note(self, name: str, node: onnx.NodeProto, read: Sequence[str]) -> None:
        self.reads[name], self.makes[name] = list(read), list(node.output)
        for tensor in read:
            self.readers.setdefault(tensor, []).append(name)
        self.makers.update(dict.fromkeys(node.output, name))

    def _place(self, name: str, node: onnx.NodeProto, types: Mapping[str, str], last: bool) -> str:
        """The device that runs the node; "" for none. last: it belongs on the last device, the CPU."""
        key = f"{node.domain}.{node.op_type}" if node.domain not in ("", "ai.onnx") else node.op_type
        version, bound = self._bound(node, key, types)
        devices = list(self.known.devices)
        for device in reversed(devices) if last else devices:
            rows = self.known.devices[device].get((key, version), ())
            if any(_fits(row, bound) for row in rows):
                break
        else:
            casts = any(types.get(tensor) == "float16" for tensor in node.input)
            device = self._widened(key, version, bound) if casts else ""
        if not device or (device != self._first and not last):
            ins = tuple(types.get(n, "?") for n in node.input if n)
            outs = tuple(types.get(n, "?") for n in node.output if n)
            self.others.setdefault((device, key, version, (ins, outs)), []).append(name)
        return device

    def _widened(self, key: str, version: int, bound: Sequence[tuple[str, str, str]]) -> str:
        """ONNX Runtime computes float16 that its CPU has float32 alone for in that, between two casts."""
        wide = [(name, constraint, "float" if t == "float16" else t) for name, constraint, t in bound]
        rows = self.known.devices.get("cpu", {}).get((key, version), ())
        return "cpu" if any(_fits(row, wide) for row in rows) else ""

    def _bound(
        self, node: onnx.NodeProto, key: str, types: Mapping[str, str]
    ) -> tuple[int, list[tuple[str, str, str]]]:
        """The version of the operator, and (parameter, type constraint, element type) of inputs and outputs."""
        version, (inputs, outputs) = self._signature(node, key)
        bound = []
        for names, parameters in ((node.input, inputs), (node.output, outputs)):
            for position, name in enumerate(names):
                if name in types and parameters:
                    # The last parameter may stand for any number of values.
                    bound.append((*parameters[min(position, len(parameters) - 1)], types[name]))
        return version, bound

    def _signature(
        self, node: onnx.NodeProto, key: str
    ) -> tuple[int, tuple[tuple[tuple[str, str], ...], ...]]:
        if node.domain not in ("", "ai.onnx"):
            return 1, self.known.parameters.get(key, ((), ()))
        try:
            schema = defs.get_schema(node.op_type, self.opset, "")
        except defs.SchemaError:
            return 0, ((), ())
        sides = (schema.inputs, schema.outputs)
        return schema.since_version, tuple(tuple((p.name, p.type_str) for p in side) for side in sides)

    def _infer(self, node: onnx.NodeProto, types: dict[str, str]) -> None:
        """Types behind operators that ONNX knows nothing of: an output has the type of its type constraint."""
        key = f"{node.domain}.{node.op_type}"
        if key not in self.known.parameters or all(name in types for name in node.output):
            return
        inputs, outputs = self.known.parameters[key]
        known = {p[1]: types[name] for p, name in zip(inputs, node.input, strict=False) if name in types}
        for parameter, name in zip(outputs, node.output, strict=False):
            if parameter[1] in known:
                types.setdefault(name, known[parameter[1]])

    def groups(self) -> Iterator[Group]:
        """What is not on the runtime's own device; what runs nowhere first."""
        for (device, operator, version, types), names in sorted(
            self.others.items(), key=lambda item: item[0][0]
        ):
            yield Group(
                device,
                operator,
                version,
                types,
                tuple(names),
                tuple(self._neighbours(name, self.reads, self._before) for name in names),
                tuple(self._neighbours(name, self.makes, self._after) for name in names),
            )

    def _neighbours(
        self, name: str, tensors: Mapping[str, list[str]], of: Callable[[str], list[str]]
    ) -> tuple[str, ...]:
        near = [other for tensor in tensors[name] for other in of(tensor)]
        return tuple(dict.fromkeys(n for n in near if self.devices.get(n) == self._first))

    def _before(self, tensor: str) -> list[str]:
        return [self.makers[tensor]] if tensor in self.makers else []

    def _after(self, tensor: str) -> list[str]:
        return self.readers.get(tensor, [])

    def copies(self) -> int:
        """How many tensors one device makes and another reads."""
        there = {
            (tensor, self.devices[reader])
            for tensor, maker in self.makers.items()
            for reader in self.readers.get(tensor, ())
            if maker in self.devices and self.devices.get(reader, self.devices[maker]) != self.devices[maker]
        }
        return len(there)


def _fits(row: Types, bound: Sequence[tuple[str, str, str]]) -> bool:
    """Whether a kernel takes these element types. A row may name a type constraint or a parameter."""
    return all(type in row.get(name, row.get(constraint, (type,))) for name, constraint, type in bound)


def _types(graph: onnx.GraphProto) -> dict[str, str]:
    """The element type of each tensor that the graph says one of."""
    found = {
        value.name: value.type.tensor_type.elem_type
        for value in (*graph.input, *graph.value_info, *graph.output)
        if value.type.HasField("tensor_type") and value.type.tensor_type.elem_type
    }
    found.update({value.name: value.data_type for value in graph.initializer})
    return {name: TensorProto.DataType.Name(number).lower() for name, number in found.items()}
