"""Emissions of operations that hold graphs: Scan, Loop, If."""

from __future__ import annotations

from typing import Any

import numpy as np
from onnx import ValueInfoProto, helper

from ir import ops
from ir.dims import symbol
from ir.node import Node
from ir.types import Type, bool_, i64
from passes.emit.builder import Builder, emit, value_info


@emit(ops.scan)
def _(b: Builder, node: Node, *operands: str) -> Any:
    attrs = node.attrs
    if attrs["tile"]:
        return _tiles(b, node, *operands)
    body, carries, sequences = attrs["body"], attrs["carries"], attrs["sequences"]
    stacked = list(operands[carries : carries + sequences])
    inner = b.nested(body)
    stepped = body.inputs[: carries + sequences]
    names = {x: inner.fresh(f"{body.name}/{x.attrs['name']}") for x in stepped}
    names.update(zip(body.inputs[carries + sequences :], operands[carries + sequences :], strict=True))
    outputs = [inner.fresh(f"{body.name}/out") for _ in body.outputs]
    proto = inner.finish(body.name, stepped, names, body.outputs, outputs)
    if not stacked:  # ONNX takes the number of steps from a sequence; nothing reads this one
        proto.input.append(value_info(inner.fresh(f"{body.name}/step"), Type(i64, ())))
        stacked = [b.count(attrs["length"])]
    ways: dict[str, list[int]] = {}
    if attrs["reverse"]:
        ways["scan_input_directions"] = [1] * len(stacked)
        if len(outputs) > carries:
            ways["scan_output_directions"] = [1] * (len(outputs) - carries)
    result = b.op(
        "Scan",
        *operands[:carries],
        *stacked,
        outputs=len(outputs),
        body=proto,
        num_scan_inputs=len(stacked),
        **ways,
    )
    return [result] if isinstance(result, str) else result


def _tiles(b: Builder, node: Node, *operands: str) -> list[str]:
    """A Loop, which cuts its tiles itself: the slices of a Scan are all of one size."""
    body, carries, tile = node.attrs["body"], node.attrs["carries"], node.attrs["tile"]
    rest = carries + node.attrs["sequences"]
    sequences = operands[carries:rest]
    steps = b.op(
        "Div", b.op("Add", b.op("Shape", sequences[0], start=0, end=1), b.ints(tile - 1)), b.ints(tile)
    )
    inner = b.nested(body)

    def value(name: str, type: Type) -> ValueInfoProto:
        return value_info(inner.fresh(f"{body.name}/{name}"), type)

    step, going_on = value("step", Type(i64, ())), value("going_on", Type(bool_, ()))
    still = inner.op("Identity", going_on.name)
    start = inner.op("Mul", inner.op("Reshape", step.name, b.ints(1)), b.ints(tile))
    stop = inner.op("Add", start, b.ints(tile))
    names = {x: inner.fresh(f"{body.name}/{x.attrs['name']}") for x in body.inputs[:carries]}
    names |= {
        x: inner.op("Slice", sequence, start, stop, b.ints(0))
        for x, sequence in zip(body.inputs[carries:rest], sequences, strict=True)
    }
    names |= dict(zip(body.inputs[rest:], operands[rest:], strict=True))
    outputs = [inner.fresh(f"{body.name}/out") for _ in body.outputs]
    proto = inner.finish(body.name, body.inputs[:carries], names, body.outputs, outputs)
    taken, given = (
        [step, going_on, *proto.input],
        [value_info(still, Type(bool_, ())), *proto.output[:carries]],
    )
    first = [*operands[:carries]]
    for item, made in zip(body.outputs[carries:], outputs[carries:], strict=True):  # joined to those before
        before = value("before", item.ty.with_shape((symbol("before"), *item.shape[1:])))
        joined = value("joined", item.ty.with_shape((symbol("joined"), *item.shape[1:])))
        proto.node.append(
            helper.make_node("Concat", [before.name, made], [joined.name], name=joined.name, axis=0)
        )
        b.places[joined.name] = node.where
        taken.append(before)
        given.append(joined)
        first.append(b.const(np.zeros((0, *item.shape[1:]), item.dtype.numpy)))
    loop = helper.make_graph(proto.node, body.name, taken, given)
    results = b.op("Loop", b.op("Squeeze", steps), b.const(np.True_), *first, outputs=len(outputs), body=loop)
    return [results] if isinstance(results, str) else list(results)


@emit(ops.cond)
def _(b: Builder, node: Node, condition: str, *operands: str) -> Any:
    branches = {}
    for branch, graph in (("then", node.attrs["then"]), ("else", node.attrs["otherwise"])):
        inner = b.nested(graph)
        names = dict(zip(graph.inputs, operands, strict=True))
        outputs = [inner.fresh(f"{graph.name}/out") for _ in graph.outputs]
        branches[f"{branch}_branch"] = inner.finish(graph.name, (), names, graph.outputs, outputs)
    result = b.op("If", condition, outputs=len(node.attrs["then"].outputs), **branches)
    return [result] if isinstance(result, str) else result


@emit(ops.get)
def _(b: Builder, node: Node, x: list[str]) -> Any:
    return x[node.attrs["index"]]
