"""Convolutions, pools, reductions, products and normalization in forms that PyTorch has not, beside ONNX Runtime."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnxruntime as ort
import pytest
from onnx import ValueInfoProto, helper, numpy_helper

import lenetc
from ir.types import Array

Shape = tuple[int, ...]


def _attention(**attributes: Any) -> tuple[str, list[Any], dict[str, Any], int]:
    heads = {"q_num_heads": 4, "kv_num_heads": 2}
    return (
        "Attention",
        [(2, 3, 16), (2, 5, 8), (2, 5, 8), *attributes.pop("more", [])],
        {**heads, **attributes},
        24,
    )


BOXES = np.array([[0, 0, 4.5, 3], [2.5, 1, 9, 9], [-1, 3, 3, 4]], np.float32)
WHICH = np.array([1, 0, 1], np.int64)
# An operator, its inputs as shapes or values, its attributes, the opset.
CASES: list[tuple[str, list[Any], dict[str, Any], int]] = [
    ("Conv", [(2, 4, 7, 6), (6, 2, 3, 2), (6,)], {"group": 2, "pads": [0, 1, 2, 0], "strides": [2, 1]}, 7),
    ("Conv", [(2, 2, 9), (3, 2, 2), None], {"auto_pad": "SAME_LOWER", "strides": [2]}, 11),
    ("Conv", [(1, 2, 5, 6, 7), (3, 2, 2, 3, 2)], {"pads": [1, 0, 0, 0, 2, 1], "dilations": [2, 1, 1]}, 22),
    ("ConvTranspose", [(2, 4, 4, 5), (4, 3, 3, 2), (6,)], {"group": 2, "strides": [2, 3], "pads": [1, 0, 0, 1]}, 11),
    ("ConvTranspose", [(1, 2, 4, 4), (2, 3, 3, 3), (3,)], {"strides": [2, 2], "output_shape": [8, 10]}, 11),
    ("ConvTranspose", [(1, 2, 4), (2, 3, 4)], {"strides": [3], "auto_pad": "SAME_UPPER"}, 11),
    ("ConvTranspose", [(1, 2, 3), (2, 3, 2)], {"strides": [2], "dilations": [3], "output_padding": [1]}, 22),
    (
        "DeformConv",
        [(2, 4, 6, 7), (6, 2, 3, 2), (2, 24, 4, 8), (6,), (2, 12, 4, 8)],
        {"group": 2, "offset_group": 2, "pads": [0, 1, 0, 1]},
        19,
    ),
    ("MaxPool", [(2, 3, 7, 8)], {"kernel_shape": [3, 2], "strides": [2, 3], "pads": [0, 1, 2, 0], "ceil_mode": 1}, 12),
    ("MaxPool", [(1, 2, 8, 5, 6)], {"kernel_shape": [2, 3, 2], "dilations": [2, 1, 2], "storage_order": 1}, 12),
    ("MaxPool", [(1, 2, 9)], {"kernel_shape": [3], "strides": [2], "auto_pad": "SAME_UPPER"}, 8),
    ("MaxPool", [(1, 2, 7)], {"kernel_shape": [2], "strides": [3], "auto_pad": "VALID", "ceil_mode": 1}, 10),
    ("AveragePool", [(2, 3, 7, 8)], {"kernel_shape": [3, 2], "strides": [2, 3], "pads": [0, 1, 2, 0]}, 7),
    (
        "AveragePool",
        [(1, 1, 8, 9)],
        {"kernel_shape": [3, 3], "strides": [3, 2], "pads": [1, 0, 1, 1], "ceil_mode": 1, "count_include_pad": 1},
        11,
    ),
    ("AveragePool", [(1, 2, 9, 8)], {"kernel_shape": [2, 3], "dilations": [3, 2], "pads": [1, 1, 0, 1]}, 19),
    ("LpPool", [(1, 2, 9, 8)], {"kernel_shape": [2, 3], "p": 3, "pads": [1, 1, 0, 1], "strides": [2, 1]}, 18),
    ("GlobalLpPool", [(2, 3, 4, 5)], {"p": 3}, 7),
    ("RoiAlign", [(2, 3, 8, 9), BOXES, WHICH], {"output_height": 2, "output_width": 3, "spatial_scale": 0.8}, 16),
    ("RoiAlign", [(2, 3, 8, 9), BOXES, WHICH], {"output_width": 2, "sampling_ratio": 2, "mode": "max"}, 10),
    ("MaxRoiPool", [(2, 3, 8, 9), np.c_[WHICH, BOXES].astype(np.float32)], {"pooled_shape": [3, 2]}, 7),
    ("ReduceMean", [np.array([[-3, 4], [-4, 0]], np.int32)], {"axes": [1], "keepdims": 0}, 13),
    ("ReduceSumSquare", [(2, 3), np.zeros(0, np.int64)], {"noop_with_empty_axes": 1}, 18),
    ("ReduceProd", [(2, 3, 4), np.array([0, -1], np.int64)], {"keepdims": 0}, 18),
    ("Gemm", [(4, 3), (5, 4), (3, 1)], {"transA": 1, "transB": 1, "alpha": 0.5, "beta": 2.0}, 7),
    ("Einsum", [(2, 3, 4), (4, 3)], {"equation": " bij , jk"}, 12),
    _attention(is_causal=1, softcap=2.0, more=[(3, 5)]),
    _attention(scale=0.3, more=[np.tri(3, 5, -1).astype(bool)]),
    (
        "RotaryEmbedding",
        [(2, 3, 16), (6, 2), (6, 2), np.array([[0, 2, 4], [1, 5, 3]])],
        {"num_heads": 2, "rotary_embedding_dim": 4, "interleaved": 1},
        23,
    ),
    ("LayerNormalization", [(2, 3, 4), (3, 1), (4,)], {"axis": 1}, 17),
    ("GroupNormalization", [(2, 6, 4), (3,), (3,)], {"num_groups": 3}, 18),
    ("GroupNormalization", [(2, 6, 4), (6,), (6,)], {"num_groups": 3, "epsilon": 0.1}, 21),
    ("LRN", [(2, 6, 3, 3)], {"size": 5, "alpha": 0.3, "bias": 2.0}, 13),
]  # fmt: skip


def _values(inputs: list[Any]) -> list[Array | None]:
    rng = np.random.default_rng(0)
    return [rng.standard_normal(i).astype(np.float32) if isinstance(i, tuple) else i for i in inputs]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case[0]}-{case[3]}")
def test_as_onnx_runtime(case: tuple[str, list[Any], dict[str, Any], int]) -> None:
    operator, inputs, attributes, opset = case
    values = _values(inputs)
    names = [f"i{k}" if value is not None else "" for k, value in enumerate(values)]
    given = {name: value for name, value in zip(names, values, strict=True) if value is not None}
    ports = [
        helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(value.dtype), value.shape)
        for name, value in given.items()
        if value.dtype != np.int64
    ]
    held = [numpy_helper.from_array(v, name) for name, v in given.items() if v.dtype == np.int64]
    outputs = ["y", "places"] if operator == "MaxPool" else ["y"]
    node = helper.make_node(operator, names, outputs, **attributes)
    graph = helper.make_graph([node], "g", ports, [ValueInfoProto(name=name) for name in outputs], held)
    file = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10)
    feeds = {port.name: given[port.name] for port in ports}
    session = ort.InferenceSession(file.SerializeToString(), providers=["CPUExecutionProvider"])
    found = lenetc.from_onnx(file)(*feeds.values())
    for mine, wanted in zip(
        found if isinstance(found, tuple) else (found,), session.run(None, feeds), strict=True
    ):
        assert mine.detach().numpy().dtype == wanted.dtype
        np.testing.assert_allclose(mine.detach().numpy(), wanted, rtol=2e-4, atol=1e-5)
