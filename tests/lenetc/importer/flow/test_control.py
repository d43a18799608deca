"""If, Loop and Scan of ONNX as ONNX Runtime runs them, traced and not, with gradients to what bodies read."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx.parser
import onnxruntime as ort
import pytest

import lenetc
from ir.errors import LenetcError
from ir.types import Array
from lenetc.importer.errors import OnnxWarning


def _model(text: str, opset: int = 17) -> onnx.ModelProto:
    return onnx.parser.parse_model(f'<ir_version: 8, opset_import: ["" : {opset}]>\n{text}')


def _imported(model: onnx.ModelProto) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", OnnxWarning)  # of a weight that both branches share
        return lenetc.from_onnx(model)


def _numbers(*shape: int) -> Array:
    return np.random.default_rng(len(shape)).standard_normal(shape)


LOOP = """g (double[2,3] x) => (double[2,3] y, double[K,2,3] rows) <double[3] w = {1, 2, 0.5}> {
  n = Constant<value = int64 {5}>()
  y, rows = Loop(n, , x)<body = b (int64 i, bool go, double[2,3] a) => (bool on, double[2,3] o, double[2,3] r) {
    on = Identity(go)
    f = Cast<to = 11>(i)
    s = Mul(a, w)
    t = Add(s, f)
    o = Tanh(t)
    r = Add(o, x)
  }>
}"""
ENDS = """g (double[3] x) => (double[3] y) <double[3] w = {1, 2, 0.5}> {
  n = Constant<value = int64 {50}>()
  most = Constant<value = double {10.0}>()
  t = Constant<value = bool {1}>()
  y = Loop(n, t, x)<body = b (int64 i, bool go, double[3] a) => (bool on, double[3] o) {
    sq = Mul(a, a)
    ws = Mul(sq, w)
    o = Add(a, ws)
    s = ReduceMax<keepdims = 0>(o)
    on = Less(s, most)
  }>
}"""
GROWS = """g (double[3] x) => (double[K] y) {
  n = Constant<value = int64 {3}>()
  y = Loop(n, , x)<body = b (int64 i, bool go, double[M] a) => (bool on, double[L] o) {
    on = Identity(go)
    o = Concat<axis = 0>(a, x)
  }>
}"""
SLICES = """g (double[6] x) => (double[3] y) <int64[1] zero = {0}, int64[1] three = {3}> {
  n = Constant<value = int64 {3}>()
  b = Slice(x, zero, three)
  y = Loop(n, , b)<body = b (int64 i, bool go, double[3] a) => (bool on, double[3] o) {
    on = Identity(go)
    s = Unsqueeze(i, zero)
    e = Add(s, three)
    part = Slice(x, s, e)
    o = Add(a, part)
  }>
}"""
COUNTS = """g (double[3] x) => (double[3] y, int64 count) {
  n = Constant<value = int64 {4}>()
  zero = Constant<value = int64 {0}>()
  y, count = Loop(n, , x, zero)<body = b (int64 i, bool go, double[3] a, int64 k) => (bool on, double[3] o, int64 l) {
    on = Identity(go)
    two = Constant<value = int64 {2}>()
    l = Add(k, two)
    f = Cast<to = 11>(l)
    o = Add(a, f)
  }>
}"""
NEVER = """g (double[2,3] x) => (double[2,3] y, double[K,2,3] rows) {
  n = Constant<value = int64 {0}>()
  y, rows = Loop(n, , x)<body = b (int64 i, bool go, double[2,3] a) => (bool on, double[2,3] o, double[2,3] p) {
    on = Identity(go)
    o = Mul(a, a)
    p = Mul(a, x)
  }>
}"""
STOPS = """g (double[3] x) => (double[3] y, double[K,3] rows) {
  n = Constant<value = int64 {9223372036854775807}>()
  t = Constant<value = bool {1}>()
  y, rows = Loop(n, t, x)<body = b (int64 i, bool go, double[3] a) => (bool on, double[3] o, double[3] p) {
    four = Constant<value = int64 {4}>()
    on = Less(i, four)
    o = Mul(a, x)
    p = Identity(o)
  }>
}"""
NESTED = """g (double[2,3] x) => (double[2,3] y) <double[3] w = {1, 2, 0.5}> {
  n = Constant<value = int64 {3}>()
  y = Loop(n, , x)<body = b (int64 i, bool go, double[2,3] a) => (bool on, double[2,3] o) {
    on = Identity(go)
    m = Constant<value = int64 {2}>()
    q = Loop(m, , a)<body = c (int64 j, bool go2, double[2,3] a2) => (bool on2, double[2,3] o2) {
      on2 = Identity(go2)
      f = Cast<to = 11>(i)
      v = Mul(a2, w)
      u = Add(v, x)
      z = Mul(u, f)
      o2 = Tanh(z)
    }>
    o = Add(q, a)
  }>
}"""
IF = """g (double[2,3] x) => (double[2,3] y) <double[3] w = {1, 2, 0.5}> {
  s = ReduceSum<keepdims = 0>(x)
  zero = Constant<value = double {0.0}>()
  c = Greater(s, zero)
  y = If(c)<then_branch = t () => (double[2,3] a) { a = Mul(x, w) },
            else_branch = e () => (double[2,3] b) { b = Sub(x, w) }>
}"""
SCAN = """g (double[4,3] x, double[3] h) => (double[3] y, double[4,3] r, double[3,4] q) <double[3] w = {1, 2, 0.5}> {
  y, r, q = Scan<num_scan_inputs = 2, scan_input_directions = [0,1], scan_output_directions = [1,0],
                 scan_output_axes = [0,1],
                 body = b (double[3] a, double[3] i, double[3] j) => (double[3] o, double[3] p, double[3] s) {
    m = Mul(a, w)
    t = Add(m, i)
    o = Tanh(t)
    p = Add(o, j)
    s = Mul(o, o)
  }>(h, x, x)
}"""
SCAN_OF_BATCH = """g (float[2,4,3] x, float[2,3] h, int64[2] l) => (float[2,3] y, float[2,4,3] r) {
  y, r = Scan<num_scan_inputs = 2, directions = [0,1],
              body = b (float[3] a, float[3] i, float[3] j) => (float[3] o, float[3] p) {
    t = Add(a, i)
    o = Tanh(t)
    p = Add(o, j)
  }>(l, h, x, x)
}"""

CASES: dict[str, tuple[str, dict[str, Array], int]] = {
    "loop": (LOOP, {"x": _numbers(2, 3)}, 17),
    "ends by a condition": (ENDS, {"x": abs(_numbers(3))}, 17),
    "grows": (GROWS, {"x": _numbers(3)}, 11),
    "slices": (SLICES, {"x": _numbers(6)}, 13),
    "counts": (COUNTS, {"x": _numbers(3)}, 17),
    "never": (NEVER, {"x": _numbers(2, 3)}, 19),
    "stops by its number": (STOPS, {"x": _numbers(3)}, 17),
    "nested": (NESTED, {"x": _numbers(2, 3)}, 17),
    "if": (IF, {"x": _numbers(2, 3)}, 17),
    "else": (IF, {"x": -_numbers(2, 3)}, 17),
    "scan": (SCAN, {"x": _numbers(4, 3), "h": _numbers(3)}, 9),
    "scan of a batch": (
        SCAN_OF_BATCH,
        {
            "x": _numbers(2, 4, 3).astype(np.float32),
            "h": _numbers(2, 3).astype(np.float32),
            "l": np.array([4, 2]),
        },
        8,
    ),
}


def _values(found: Any) -> list[Array]:
    return [value.detach().numpy() for value in (found if isinstance(found, tuple) else (found,))]


@pytest.mark.parametrize("name", CASES)
def test_control_flow_is_that_of_onnx_runtime(name: str) -> None:
    text, inputs, opset = CASES[name]
    model = _model(text, opset)
    wanted = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"]).run(
        None, inputs
    )
    net = _imported(model)
    given = [lenetc.tensor(value) for value in inputs.values()]
    compiled = lenetc.compile(net)
    for found in (net(*given), compiled(*given)):
        for mine, theirs in zip(_values(found), wanted, strict=True):
            np.testing.assert_allclose(mine, theirs, rtol=1e-6, atol=1e-7)
            assert mine.dtype == theirs.dtype


@pytest.mark.parametrize("name", ["loop", "ends by a condition", "nested", "if", "else", "scan"])
def test_gradients_reach_weights_that_bodies_read(name: str) -> None:
    text, inputs, opset = CASES[name]
    net = _imported(_model(text, opset))
    given = [lenetc.tensor(value) for value in inputs.values()]
    (weight,) = net.parameters()

    @lenetc.compile
    def traced(*given: Any) -> Any:
        weight.grad = None
        total = sum((value * value).sum() for value in _tuple(net(*given)))
        total.backward()
        return weight.grad

    direction = np.array([0.3, -1.0, 0.7])
    before = weight.detach().numpy()
    sums = []
    for step in (1e-6, -1e-6):
        weight.data = lenetc.tensor(before + step * direction)
        sums.append(sum(float((value**2).sum()) for value in _values(net(*given))))
    weight.data = lenetc.tensor(before)
    sum((value * value).sum() for value in _tuple(net(*given))).backward()
    assert weight.grad is not None
    slope = (sums[0] - sums[1]) / 2e-6
    np.testing.assert_allclose(weight.grad.numpy() @ direction, slope, rtol=1e-6)
    np.testing.assert_allclose(traced(*given).numpy() @ direction, slope, rtol=1e-6)


def _tuple(found: Any) -> tuple[Any, ...]:
    return found if isinstance(found, tuple) else (found,)


def test_a_loop_of_many_steps_is_as_long_a_program_as_one_of_few() -> None:
    def length(steps: int) -> int:
        net = lenetc.from_onnx(_model(LOOP.replace("{5}", f"{{{steps}}}")))
        program = lenetc.compile(net).lower(lenetc.tensor(_numbers(2, 3)))
        return len(program.text("traced").splitlines())

    assert length(1000) == length(2)


def test_a_loop_over_a_symbolic_axis_is_exported(tmp_path: Path) -> None:
    text = """g (double[T,3] x) => (double[3] y) <double[3] w = {1, 2, 0.5}, int64 zero = {0}> {
      shape = Shape(x)
      n = Gather<axis = 0>(shape, zero)
      first = Constant<value = double[3] {0.0, 0.0, 0.0}>()
      y = Loop(n, , first)<body = b (int64 i, bool go, double[3] a) => (bool on, double[3] o) {
        on = Identity(go)
        row = Gather<axis = 0>(x, i)
        m = Mul(a, w)
        s = Add(m, row)
        o = Tanh(s)
      }>
    }"""
    net = lenetc.from_onnx(_model(text))
    assert [name for name, _ in net.named_parameters()] == ["w"]
    optimizer = lenetc.optim.SGD(net.parameters(), lr=0.1)

    @lenetc.compile
    def step(x: Any) -> Any:
        optimizer.zero_grad()
        loss = net(x).square().sum()
        loss.backward()
        optimizer.step()
        return loss

    step.lower(_numbers(5, 3)).export(tmp_path, infer=net)
    exported = lenetc.load(tmp_path)
    for size in (5, 2, 9):
        x = _numbers(size, 3)
        np.testing.assert_allclose(exported(x=x)["loss"], float(step(x).detach()), rtol=1e-9)


@pytest.mark.parametrize(
    ("text", "inputs", "message"),
    [
        (ENDS.replace("Loop(n, t, x)", "Loop(, t, x)"), {"x": _numbers(3)}, "it needs a trip count M"),
        (
            GROWS.replace("(double[3] x)", "(double[3] x, int64 n)").replace(
                "n = Constant<value = int64 {3}>()", ""
            ),
            {"x": _numbers(3), "n": np.array(3)},
            "it has to be a number",
        ),
        (
            IF.replace("Mul(x, w)", "ReduceSum<keepdims = 0>(x)"),
            {"x": _numbers(2, 3)},
            r"whether this is f64 or f64\[2,3\] depends on values",
        ),
    ],
)
def test_what_no_program_can_do_is_told(
    text: str, inputs: dict[str, Array], message: str, tmp_path: Path
) -> None:
    net = _imported(_model(text))
    with pytest.raises(LenetcError, match=message):
        lenetc.compile(net).lower(*inputs.values()).export(tmp_path)
