"""The architectures that come with the onnx package, whose weights are nodes that give one number: with random ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper

from ir.types import Array

FOLDER = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light"
NAMES = sorted(path.stem.removeprefix("light_") for path in FOLDER.glob("*.onnx"))


def light(name: str, pixels: int = 224, seed: int = 0) -> onnx.ModelProto:
    """The network for images of `pixels` by `pixels`, which not all can be given, with weights such that activations
    keep their size: He et al. 2015, normalizations near to the identity."""
    model = onnx.load(FOLDER / f"light_{name}.onnx")
    graph, rng = model.graph, np.random.default_rng(seed)
    shapes = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    made = [node for node in graph.node if node.op_type == "ConstantOfShape"]
    for node in made:
        value = _weight(graph, node.output[0], [int(n) for n in shapes[node.input[0]]], rng)
        graph.initializer.append(numpy_helper.from_array(value.astype(np.float32), node.output[0]))
    kept = [node for node in graph.node if node.op_type != "ConstantOfShape"]
    del graph.node[:]
    graph.node.extend(kept)
    read = {name for node in kept for name in node.input}
    used = [tensor for tensor in graph.initializer if tensor.name in read]
    del graph.initializer[:]
    graph.initializer.extend(used)
    (image,) = (port for port in graph.input if port.name in read and port.name not in {t.name for t in used})
    for dim in image.type.tensor_type.shape.dim[2:]:
        dim.dim_value = pixels
    del graph.input[:]
    graph.input.append(image)
    return model


def _weight(graph: onnx.GraphProto, name: str, shape: list[int], rng: np.random.Generator) -> Array:
    """Random numbers for the weight of this name, by what reads it."""
    node, position = next((n, list(n.input).index(name)) for n in graph.node if name in n.input)
    if node.op_type in ("Unsqueeze", "Identity"):  # scales of their own beside a normalization
        return _weight(graph, node.output[0], shape, rng)
    noise = rng.standard_normal(shape)
    match node.op_type, position:
        case ("Conv", 1):
            return noise * np.sqrt(2 / np.prod(shape[1:]))
        case ("Gemm", 1):
            return noise * np.sqrt(1 / shape[1])
        case ("BatchNormalization", 4):
            return 1 + 0.2 * np.abs(noise)
        case ("BatchNormalization", 1) | ("Mul", _):
            has_shortcuts = any(node.op_type == "Sum" for node in graph.node)
            return (1 + 0.1 * noise) * (0.5 if has_shortcuts else 1)
        case _:
            return 0.05 * noise
