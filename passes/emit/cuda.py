"""What ONNX Runtime's CUDA provider has kernels for, and whether a model can be captured as a CUDA graph.

A node without a kernel runs on the CPU: its operands are copied to the host and its results back, at every step, and
a CUDA graph cannot be captured. The table is that of the provider's registrations (onnxruntime 1.31,
docs/OperatorKernels.md and cuda_execution_provider.cc), for opset 18.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import onnx

from passes.emit.builder import ELEMENT_TYPES
from passes.kernels.cuda import PIECES

_NAMES = {number: name for name, number in ELEMENT_TYPES.items()}
_FLOATS = "f16 f32 f64"
_ALL_FLOATS = "bf16 f16 f32 f64"
_NUMBERS = "bf16 f16 f32 f64 i32 i64 u8"
_ALL = "bf16 f16 f32 f64 i8 i16 i32 i64 u8 bool"

# Operators by the dtypes that they have kernels for. The dtype is that of the operand in DECIDING, else of the first.
_GROUPS: dict[str, str] = {
    "ArgMax AveragePool BatchNormalization Ceil Conv ConvTranspose Cos DepthToSpace Einsum Elu Floor GlobalAveragePool "
    "GlobalMaxPool HardSigmoid HardSwish InstanceNormalization LeakyRelu Log LogSoftmax Reciprocal "
    "ReduceLogSumExp ReduceSumSquare Round Selu Sin Softplus Softsign SpaceToDepth": _FLOATS,
    "Erf Exp Gemm LayerNormalization MatMul Relu Sigmoid Softmax Sqrt Sum Tanh": _ALL_FLOATS,
    "Add Abs Div Mul Sign Sub": f"{_NUMBERS} i8 i16",
    "Max Min Mod": "bf16 f16 f32 f64 i32 i64",
    "Neg": "bf16 f16 f32 f64 i8 i16 i32 i64",
    "Pow ReduceSum Tile": "bf16 f16 f32 f64 i32 i64",
    "ReduceMean": "bf16 f16 f32 f64 i32",
    "ReduceL2 ReduceProd": "f16 f32 f64 i32",
    "ConstantOfShape": "i64",
    "ReduceMax ReduceMin": "f16 f32 f64 i8 i32 i64 u8",
    "MaxPool": "f16 f32 f64 i8 u8",
    "CumSum": "f16 f32 f64 i32 i64",
    "Clip": "f16 f32 f64 i8 i64 u8",
    "TopK": "f16 f32 f64 i8 i16 i32 i64 u8",
    "Equal": "bool f16 f32 f64 i32 i64",
    "Greater GreaterOrEqual Less LessOrEqual": "f16 f32 f64 i32 i64",
    "And Not Or Xor": "bool",
    "IsNaN": _ALL_FLOATS,
    "IsInf": "f32 f64",
    "Pad": "bool f16 f32 f64",
    "Range": "f32 f64 i16 i32 i64",
    "Where": _NUMBERS,
    "Cast Concat Expand Flatten Gather GatherElements Identity If Loop Reshape Scan ScatterElements "
    "ScatterND Shape Slice Split Squeeze Transpose Trilu Unsqueeze": _ALL,
}
KERNELS: dict[str, frozenset[str]] = {
    operator: frozenset(dtypes.split()) for names, dtypes in _GROUPS.items() for operator in names.split()
}
DECIDING = {"Where": 1}
CONTROL_FLOW = ("If", "Loop", "Scan")
# Arithmetic on sizes, which the runtime keeps on the CPU on purpose: sizes are needed there.
_SHAPES = ("Add", "Cast", "Concat", "Div", "Gather", "Mul", "Squeeze", "Sub", "Unsqueeze")


@dataclass(frozen=True)
class Misfit:
    """A node that would run on the CPU: its name, its operator, and why."""

    node: str
    operator: str
    reason: str

    def __str__(self) -> str:
        return f"{self.node} ({self.operator}): {self.reason}"


def misfits(model: onnx.ModelProto) -> list[Misfit]:
    """The nodes of `model` that the CUDA provider leaves to the CPU, bodies of loops included."""
    return list(_misfits(onnx.shape_inference.infer_shapes(model).graph, {}))


def _misfits(graph: onnx.GraphProto, outer: dict[str, str]) -> Iterator[Misfit]:
    dtypes = dict(outer)
    for value in (*graph.input, *graph.value_info, *graph.output):
        dtypes[value.name] = _NAMES.get(value.type.tensor_type.elem_type, "")
    dtypes.update((tensor.name, _NAMES.get(tensor.data_type, "")) for tensor in graph.initializer)
    sizes: set[str] = set()
    fixed = {tensor.name for tensor in graph.initializer}
    for node in graph.node:
        known = [name for name in node.input if name]
        if node.op_type == "Shape":
            sizes.update(node.output)
        elif node.op_type in _SHAPES and sizes.intersection(known) and fixed.union(sizes).issuperset(known):
            sizes.update(node.output)
            yield Misfit(node.name, node.op_type, "it computes with sizes, which the runtime does on the CPU")
            continue
        decides = node.input[DECIDING.get(node.op_type, 0)] if node.input else node.output[0]
        reason = _unfit(node, dtypes.get(decides, ""))
        if reason:
            yield Misfit(node.name, node.op_type, reason)
        for attribute in node.attribute:
            if attribute.HasField("g"):
                yield from _misfits(attribute.g, dtypes)


def _unfit(node: onnx.NodeProto, dtype: str) -> str:
    """Why the provider has no kernel for `node` on operands of `dtype`, or ""."""
    if node.domain not in ("", "ai.onnx") or node.op_type not in KERNELS:
        return "the CUDA provider has no kernel for it"
    if dtype not in KERNELS[node.op_type]:
        has = ", ".join(sorted(KERNELS[node.op_type]))
        return f"the CUDA provider has no kernel for {dtype or 'this dtype'}, only for {has}"
    if node.op_type == "ConvTranspose":
        given = {attribute.name: attribute for attribute in node.attribute}
        pads = list(given["pads"].ints) if "pads" in given else []
        if "auto_pad" in given and given["auto_pad"].s not in (b"NOTSET", b"VALID"):
            return "the CUDA provider does not take auto_pad"
        if pads[: len(pads) // 2] != pads[len(pads) // 2 :]:
            return f"the CUDA provider does not take pads that differ, {pads}"
    return ""


def _copies(node: onnx.NodeProto, shapes: Mapping[str, Sequence[int]]) -> bool:
    """Whether a kernel copies pointers or sizes to the device. The copy would be part of a captured graph, and the
    host memory that it reads is given away after the run."""
    if node.op_type == "Concat":
        return len(node.input) > PIECES
    if node.op_type == "Split":
        return len(node.output) > PIECES or len({tuple(shapes.get(name, ())) for name in node.output}) > 1
    if node.op_type == "MatMul":
        left, right = (shapes.get(name, ()) for name in node.input)
        return any(size != 1 for size in right[:-2]) and list(left[:-2]) != list(right[:-2])
    return False


def obstacles(model: onnx.ModelProto) -> list[str]:
    """Why `model` cannot be captured as a CUDA graph, a reason a line; [] where it can.

    Capture wants every node on CUDA, no control flow, no copies from the host, and the same memory at every run, so no
    symbolic sizes.
    """
    found = [f"{misfit} and runs on the CPU" for misfit in misfits(model)]
    shapes = {
        value.name: [dim.dim_value for dim in value.type.tensor_type.shape.dim]
        for part in (onnx.shape_inference.infer_shapes(model).graph,)
        for value in (*part.input, *part.value_info, *part.output)
    }
    shapes.update((tensor.name, list(tensor.dims)) for tensor in model.graph.initializer)
    for node in model.graph.node:
        if _copies(node, shapes):
            found.append(
                f"{node.name} ({node.op_type}): its kernel copies pointers from the host in every run"
            )
        if node.op_type in CONTROL_FLOW:
            found.append(f"{node.name} ({node.op_type}): control flow is decided on the CPU")
    for value in (*model.graph.input, *model.graph.output):
        for dim in value.type.tensor_type.shape.dim:
            if dim.dim_param:
                found.append(f"{value.name}: its size {dim.dim_param} differs from run to run")
                break
    return found
