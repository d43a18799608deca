"""Operators of com.microsoft: as ONNX Runtime computes them, and their gradients as finite differences have them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

import lenetc
import tests.lenetc.importer.suite as suite
from ir.types import Array
from lenetc.importer.errors import OnnxOperatorError
from tests.lenetc.importer.operators.single import assert_same, here, node_model, runtimes

RNG = np.random.default_rng(0)
B, S, L, N, H = 2, 5, 7, 2, 4
D = N * H


def floats(*shape: int) -> Array:
    return RNG.standard_normal(shape).astype(np.float32)


def whole(*shape: int, high: int) -> Array:
    return RNG.integers(0, high, shape).astype(np.int32)


def mask(*shape: int) -> Array:
    kept = whole(*shape, high=2)
    kept[..., 0] = 1
    return kept


QKV = [floats(B, S, 6), floats(6, 3 * D), floats(3 * D)]
SEPARATE = [floats(B, S, D), floats(B, L, D), floats(B, L, 6)]
SAME = [floats(B, S, D) for _ in range(3)]
IMAGE = [floats(2, 3, 6, 6), floats(4, 3, 3, 3), floats(4)]
MATRICES = [floats(3, 4), floats(4, 5), floats(5)]
X, GAMMA = floats(2, 3, D), floats(D)
IDS, TABLES = whole(B, S, high=9), [floats(9, D), floats(6, D)]
PAST = [floats(B, N, 3, H)] * 2
PLACES, ANGLES = whole(B, S, high=9).astype(np.int64), [floats(9, 2)] * 2
PART = {"interleaved": 1, "num_heads": N, "rotary_embedding_dim": H}
TURNS = {"transA": 1, "transB": 1}
PADS = {"pads": [1, 1, 1, 1], "strides": [2, 2]}

# Two heads of keys for four of queries, of 16 elements, as what turns them asks for.
GROUPED = {"num_heads": 4, "kv_num_heads": 2}
GROUPS = [floats(B, S, 64), floats(B, S, 32), floats(B, S, 32), None, None]
LENGTHS, TURNED = [np.array([4, 2], np.int32), np.asarray(S, np.int32)], [floats(9, 8)] * 2

# operator, inputs, attributes, outputs
ROWS: list[tuple[str, Sequence[Array | None], dict[str, Any], str]] = [
    ("Gelu", [floats(3, 9)], {}, "y"),
    ("BiasGelu", [floats(3, 4), floats(4)], {}, "y"),
    ("FastGelu", [floats(3, 4), floats(4)], {}, "y"),
    ("FastGelu", [floats(3, 4)], {}, "y"),
    ("QuickGelu", [floats(3, 4)], {"alpha": 0.7}, "y"),
    ("FusedMatMul", [floats(3, 4), floats(5, 4)], {"transB": 1, "alpha": 0.5}, "y"),
    ("FusedMatMul", [floats(2, 4, 3), floats(2, 4, 5)], {"transA": 1}, "y"),
    ("FusedMatMul", [floats(3, 2, 5, 4), floats(2, 5, 4, 6)], {"transBatchA": 1}, "y"),
    ("FusedMatMul", [floats(4, 2, 5, 3), floats(6, 2, 5, 4)], {**TURNS, "transBatchA": 1, "transBatchB": 1}, "y"),
    ("TransposeMatMul", [floats(4, 3), floats(5, 4)], TURNS, "y"),
    ("FusedGemm", MATRICES, {"activation": "Elu", "activation_alpha": 0.2, "alpha": 0.5, "beta": 2.0}, "y"),
    ("FusedGemm", MATRICES, {"activation": "Tanh"}, "y"),
    ("FusedConv", IMAGE, {"activation": "Relu", **PADS}, "y"),
    ("FusedConv", [*IMAGE, floats(2, 4, 4, 4)], {"activation": "LeakyRelu", "activation_params": [0.2]}, "y"),
    ("FusedConv", IMAGE, {"activation": "Clip", "activation_params": [-0.5, 0.5], **PADS}, "y"),
    ("SkipLayerNormalization", [X, floats(3, D), GAMMA, GAMMA, GAMMA], {"epsilon": 1e-5}, "y--y"),
    ("SkipLayerNormalization", [X, X, GAMMA], {}, "y"),
    ("SkipSimplifiedLayerNormalization", [X, X, GAMMA, GAMMA], {}, "y--y"),
    ("EmbedLayerNormalization", [IDS, IDS % 2, *TABLES, floats(2, D), GAMMA, GAMMA, mask(B, S)], {}, "yyy"),
    ("EmbedLayerNormalization", [IDS, None, *TABLES, None, GAMMA, GAMMA, None, IDS % 6], {}, "yy"),
    ("Attention", QKV, {"num_heads": N}, "y"),
    ("Attention", [*QKV, mask(B, S)], {"num_heads": N, "scale": 0.3}, "y"),
    ("Attention", [*QKV, np.array([5, 3], np.int32), None, floats(1, N, S, S)], {"num_heads": N}, "y"),
    ("Attention", [*QKV, np.array([5, 4, 0, 1], np.int32)], {"num_heads": N}, "y"),
    ("Attention", [*QKV, mask(B, S, S)], {"num_heads": N, "unidirectional": 1}, "y"),
    ("Attention", [*QKV, mask(B, S + 3), floats(2, B, N, 3, H)], {"num_heads": N, "unidirectional": 1}, "yy"),
    ("Attention", [floats(B, S, 6), floats(6, 22), floats(22)], {"num_heads": N, "qkv_hidden_sizes": [8, 8, 6]}, "y"),
    ("MultiHeadAttention", [*SEPARATE, floats(22), mask(B, L)], {"num_heads": N}, "y"),
    ("MultiHeadAttention", [*SEPARATE, None, np.array([7, 3], np.int32), floats(B, 1, S, L)], {"num_heads": N}, "y"),
    ("MultiHeadAttention", [SAME[0], *PAST, floats(3 * D)], {"num_heads": N}, "y"),
    ("MultiHeadAttention", [*SAME, floats(3 * D), None, None, *PAST], {"num_heads": N, "unidirectional": 1}, "yyy"),
    ("RotaryEmbedding", [floats(B, S, D), PLACES, *ANGLES], {}, "y"),
    ("RotaryEmbedding", [floats(B, N, S, 6), np.array([2]), *ANGLES], PART, "y"),
    ("GroupQueryAttention", [*GROUPS, *LENGTHS], GROUPED, "yyy"),
    ("GroupQueryAttention", [*GROUPS, *LENGTHS, *TURNED], {"do_rotary": 1, "local_window_size": 3, **GROUPED}, "yyy"),
    ("GroupQueryAttention", [floats(B, S, 128), None, None, None, None, *LENGTHS], {"scale": 0.2, **GROUPED}, "y"),
    ("GridSample", [floats(2, 3, 4, 4), floats(2, 3, 3, 2) / 4], {"mode": "bicubic", "align_corners": 1}, "y"),
    ("Trilu", [floats(4, 5), np.asarray(-1)], {"upper": 0}, "y"),
    ("Inverse", [floats(2, 3, 3)], {}, "y"),
    ("QuantizeLinear", [floats(3, 4), abs(floats(4)) / 9 + 0.01, whole(4, high=9).astype(np.int8)], {"axis": 1}, "y"),
    ("DequantizeLinear", [whole(3, 4, high=99).astype(np.int16), np.asarray(0.3, np.float32)], {}, "y"),
]  # fmt: skip


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row[0]}-{row[2]}")
def test_as_the_runtime_has_them_with_gradients(row: Any) -> None:
    operator, inputs, attributes, outputs = row
    model = node_model(operator, inputs, attributes, domain="com.microsoft", outputs=outputs)
    assert_same(here(model, inputs), runtimes(model, inputs))
    if operator == "QuantizeLinear":
        return
    _check_gradient(model, [x for x in inputs if x is not None])


def _check_gradient(model: onnx.ModelProto, inputs: list[Array]) -> None:
    assert not suite.gradient_error(suite.Case("", model, [], 0, 0), inputs)


def test_simplified_layer_normalization_is_of_onnx_own_domain() -> None:
    inputs = [floats(2, 3, 8), floats(8)]
    model = node_model(
        "SimplifiedLayerNormalization", inputs, {"epsilon": 1e-6, "stash_type": 1}, outputs="yy"
    )
    assert_same(here(model, inputs), runtimes(model, inputs))
    _check_gradient(model, inputs)


def test_what_the_runtime_has_on_other_devices_only() -> None:
    """No kernel of the CPU has these forms."""
    x, bias, gamma = floats(2, 4, 4, 8), floats(8), floats(8)
    attributes = {"groups": 4, "activation": 1}
    last = here(
        node_model("GroupNorm", [x, gamma, bias], attributes, domain="com.microsoft"), [x, gamma, bias]
    )[0]
    grouped = x.reshape(2, 16, 4, 2)
    mean, var = grouped.mean((1, 3), keepdims=True), grouped.var((1, 3), keepdims=True)
    y = ((grouped - mean) / np.sqrt(var + 1e-5)).reshape(x.shape) * gamma + bias
    np.testing.assert_allclose(last, y / (1 + np.exp(-y)), rtol=1e-4, atol=1e-5)

    same = [x, bias, x]
    assert_same(here(node_model("BiasAdd", same, {}, domain="com.microsoft"), same), [x + bias + x])

    scores, hidden = floats(2, 3, 4, 5), floats(2, 1, 1, 5)
    attributes = {"axis": 3, "is_inner_broadcast": 1}
    found = here(
        node_model("BiasSoftmax", [scores, hidden], attributes, domain="com.microsoft"), [scores, hidden]
    )[0]
    np.testing.assert_allclose(
        found, np.exp(scores + hidden) / np.exp(scores + hidden).sum(-1, keepdims=True), 1e-4
    )

    q, k, v = (floats(B, S, N, H) for _ in range(3))
    wanted = here(_heads(D), [part.reshape(B, S, D) for part in (q, k, v)])
    packed = np.stack([q, k, v], 3)
    assert_same(
        here(node_model("MultiHeadAttention", [packed], {"num_heads": N}, domain="com.microsoft"), [packed]),
        wanted,
    )


def _heads(width: int) -> onnx.ModelProto:
    return node_model(
        "MultiHeadAttention",
        [np.zeros((B, S, width), np.float32)] * 3,
        {"num_heads": N},
        domain="com.microsoft",
    )


def test_what_is_not_here_is_told() -> None:
    for operator, inputs, attributes in (
        ("Attention", QKV, {"num_heads": N, "do_rotary": 1}),
        ("MultiHeadAttention", SEPARATE, {"num_heads": N, "unidirectional": 1}),
        ("FusedGemm", MATRICES, {"activation": "Affine"}),
        ("GroupQueryAttention", [*GROUPS[:3], *PAST, *LENGTHS], GROUPED),
    ):
        with pytest.raises(OnnxOperatorError, match=operator):
            here(node_model(operator, inputs, attributes, domain="com.microsoft"), inputs)


def test_a_fused_transformer_trains_for_sequences_of_any_length(tmp_path: Path) -> None:
    """Its rows and their length are symbolic in what is exported."""
    shapes = {
        "words": (9, D),
        "places": (12, D),
        "gamma": (D,),
        "gamma2": (D,),
        "beta2": (D,),
        "beta": (D,),
        "qkv": (D, 3 * D),
        "b": (3 * D,),
        "w1": (D, 16),
        "b1": (16,),
        "w2": (16, D),
    }
    weights = {name: (floats(*shape) * 0.3) for name, shape in shapes.items()}
    fused = {"domain": "com.microsoft"}
    nodes = [
        helper.make_node(
            "EmbedLayerNormalization",
            ["ids", "", "words", "places", "", "gamma", "beta", "mask"],
            ["e", "count"],
            **fused,
        ),
        helper.make_node("Attention", ["e", "qkv", "b", "mask"], ["a"], num_heads=N, **fused),
        helper.make_node("SkipLayerNormalization", ["a", "e", "gamma2", "beta2"], ["s"], **fused),
        helper.make_node("MatMul", ["s", "w1"], ["h"]),
        helper.make_node("BiasGelu", ["h", "b1"], ["g"], **fused),
        helper.make_node("FusedMatMul", ["g", "w2"], ["y"], alpha=0.5, **fused),
    ]
    ports = [
        helper.make_tensor_value_info(name, onnx.TensorProto.INT32, ["N", "S"]) for name in ("ids", "mask")
    ]
    graph = helper.make_graph(
        nodes,
        "net",
        ports,
        [helper.make_empty_tensor_value_info("y")],
        [numpy_helper.from_array(w, n) for n, w in weights.items()],
    )
    model = helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)],
        ir_version=8,
    )
    net = lenetc.from_onnx(model)
    assert set(net.state_dict()) == set(weights)
    optimizer = lenetc.optim.SGD(net.parameters(), lr=0.1)

    @lenetc.compile
    def step(ids: lenetc.Tensor, mask: lenetc.Tensor) -> lenetc.Tensor:
        optimizer.zero_grad()
        loss = (net(ids, mask) ** 2).mean()
        loss.backward()
        optimizer.step()
        return loss

    ids, kept = whole(3, 6, high=9), mask(3, 6)
    axes = {name: {0: "N", 1: "T"} for name in ("ids", "mask")}
    step.lower(ids, kept).export(tmp_path, axes=axes)
    exported = lenetc.load(tmp_path)
    losses = []
    for rows, length in ((3, 6), (2, 4), (1, 5), (3, 6)):
        given = [value[:rows, :length].copy() for value in (ids, kept)]
        losses.append(step(*given).item())
        theirs = exported(**dict(zip(("ids", "mask"), given, strict=True)))["loss"]
        np.testing.assert_allclose(theirs, losses[-1], rtol=1e-4)
    assert losses[-1] < losses[0]
