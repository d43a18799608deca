"""`examine`: what a file holds and what would become of it."""

from __future__ import annotations

import warnings

import numpy as np
import onnx
from onnx import helper

import lenetc
from tests.lenetc.importer.models import made, mlp, node, normal, port


def test_what_a_file_holds() -> None:
    nodes = [
        node("Floor", ["x"], ["whole"], name="down"),
        node("Add", ["whole", "shift"], ["moved"]),
        node("Floor", ["moved"], ["f"], name="down again"),
        node("MatMul", ["x", "w"], ["h"]),
        node("Add", ["h", "f"], ["y"]),
        node("Relu", ["h"], ["dead"]),
    ]
    weights = {"w": normal(4, 4), "shift": normal(4), "unread": normal(9), "n": np.array([3])}
    model = made(nodes, [port("x", "N", 4)], [port("y", "N", 4)], weights, opset=18)
    model.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    found = lenetc.examine(model)
    assert found.operators == {"Floor": 2, "Add": 2, "MatMul": 1}
    assert [n.name for n in found.not_differentiable] == ["down", "down again"]
    assert (found.frozen, found.unused) == (("shift",), ("unread", "n"))
    assert (found.parameters, found.weights["w"].role) == (16, "parameter")
    assert (found.problems, found.failure, found.is_importable) == ((), "", True)
    assert (found.file.opsets, found.file.ir_version, found.file.producer) == (
        {"": 18, "com.microsoft": 1},
        8,
        "test",
    )
    for part in (
        "opset ai.onnx 18, com.microsoft 1; IR version 8; by test",
        "input   x: f32[N,4]",
        "output  y: f32[N,4]",
        "trained 1 (16 numbers), constant 1 (4 numbers)",
        "not differentiable",
        "no gradient reaches these weights:\n  shift",
        "nothing reads these weights:\n  unread",
    ):
        assert part in str(found)


def test_a_constant_that_cannot_be_computed_is_told() -> None:
    nodes = [
        node("Reshape", ["w", "n"], ["r"]),
        node("Gather", ["v", "r"], ["g"]),
        node("Add", ["x", "g"], ["y"]),
    ]
    weights = {"w": np.arange(4), "n": np.array([3]), "v": normal(4)}
    found = lenetc.examine(made(nodes, [port("x", 3)], [port("y", 3)], weights))
    assert "in Reshape 'r' (opset 17)" in found.failure
    assert not found.is_importable
    assert "cannot be computed in advance" in str(found)


def test_it_stands_beside_what_is_imported() -> None:
    """The weights are the same as those of the module."""
    model: onnx.ModelProto = mlp()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        net, found = lenetc.from_onnx(model, outputs="feature"), lenetc.examine(model, outputs="feature")
    assert {name: (row.shape, row.role, row.readers) for name, row in found.weights.items()} == {
        name: (row.shape, row.role, row.readers) for name, row in net.table().items()
    }
    assert found.parameters == sum(p.numel() for p in net.parameters())
    assert "enc.fc.MatMul" in str(net.table())
