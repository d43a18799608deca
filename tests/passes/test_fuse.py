"""Every rule of fuse against its stored before and after, the interpreter and the runtime."""

from __future__ import annotations

from collections import Counter

import pytest

from ir import Graph, Node, ops
from ir.errors import LenetcError
from ir.op import leaf
from ir.types import Type, f32
from ir.verify import verify
from passes.fuse import RULES, fuse
from passes.pipeline import Target
from passes.rewrite import rewrite
from passes.simplify import simplify
from tests.passes import lenet
from tests.passes.rewriting import (
    Case,
    N,
    arg,
    assert_runs_alike,
    assert_same,
    check_rule,
    graph_of,
    only,
    sections,
    values,
)

GOLDEN = "fuse.txt"
A, B = arg("a", N, 4), arg("b", 4, 2)


def turned(x: Node) -> Node:
    return ops.transpose(x, perm=(1, 0))


def adam(count: int, name: str = "p") -> Graph:
    """Adam's update of `count` vectors of 2, 3, ... elements (no bias correction)."""
    lr = arg("lr")
    states: list[Node] = []
    updates: list[tuple[str, Node]] = []
    for i in range(count):
        p, m, v = (leaf(f"{name}{key}{i}", Type(f32, (i + 2,)), "state") for key in ("", "m", "v"))
        g = ops.exp(ops.sum(arg(f"x{i}", 4, i + 2), axes=(0,)))
        m2, v2 = m * 0.9 + g * 0.1, v * 0.99 + g * g * 0.01
        moved = p - m2 * lr / (ops.sqrt(ops.abs(v2)) + 1e-8)
        states += [p, m, v]
        updates += zip((f"{name}{i}", f"{name}m{i}", f"{name}v{i}"), (moved, m2, v2), strict=True)
    images = [arg(f"x{i}", 4, i + 2) for i in range(count)]
    return Graph.make("adam", (lr, *images, *states), (), updates)


def scanned(step: Graph) -> tuple[Node, ...]:
    """Three of these steps, of which the state is carried."""
    states = [node for node in step.inputs if node.attrs["kind"] == "state"]
    rest = [node for node in step.inputs if node.attrs["kind"] != "state"]
    body = Graph.make("step", (*states, *rest), [(key, node) for key, node in step.updates])
    carried = [arg(f"start_{node.attrs['name']}", *node.shape) for node in states]
    run = ops.scan(*carried, *rest, body=body, carries=len(states), sequences=0, length=3)
    return tuple(ops.get(run, index=i) for i in range(len(states)))


CASES: dict[str, Case] = {
    "gemm_takes_transpose": lambda: (
        turned(arg("x", 4, N)) @ B,
        A @ turned(arg("w", 2, 4)),
        ops.gemm(turned(arg("x", 4, N)), turned(arg("w", 2, 4)), arg("c", 2), trans_b=False),
        ops.gemm(turned(A), B, trans_a=True, alpha=2.0),
    ),
    "gemm_turns_vector": lambda: (
        A @ ops.reshape(arg("r", 1, 4), shape=(4, 1)),
        ops.gemm(arg("t", N, 1), ops.reshape(arg("v", 2, 2), shape=(4, 1)), trans_b=True),
        ops.gemm(ops.reshape(arg("u", 2, 2), shape=(1, 4)), arg("w", 1, 3), trans_a=True),
        ops.reshape(arg("s", 1, 4), shape=(4, 1)) @ arg("w", 1, 3),
    ),
    "gemm_takes_factor": lambda: (
        (A * 2.0) @ B,
        ops.tanh(A) @ -B,
        ops.gemm(ops.exp(A) * 3.0, B, arg("c", 2), alpha=0.5, beta=0.25),
    ),
    "transpose_of_gemm": lambda: (
        turned(A @ B),
        turned(ops.gemm(arg("x", 4, N), B, trans_a=True, alpha=2.0)),
    ),
    "factor_into_gemm": lambda: ((A @ B) * 2.0, -ops.gemm(ops.tanh(A), B, arg("c", 2), alpha=0.5)),
    "gemm_takes_bias": lambda: (
        A @ B + arg("c", 2),
        arg("m", N, 2) * 0.5 + ops.exp(A) @ B,
        ops.tanh(A) @ B - arg("m", N, 2),
        arg("c", 2) - ops.abs(A) @ B,
    ),
    "pack_body": lambda: scanned(adam(5)),
    "sum_of_rows": lambda: (
        ops.sum(arg("x", 5, 3), axes=(0,)),
        ops.sum(arg("x", 5, 3) * 2.0, axes=(0,), keepdims=True),
        ops.sum(arg("y", 4, 3, 2), axes=(0,)),
    ),
    "drop_outer_ones": lambda: (
        ops.reshape(arg("r", 4), shape=(1, 4)) + A,
        ops.equal(ops.reshape(arg("one", 1), shape=(1, 1)), ops.reshape(arg("r", 4), shape=(1, 4))),
        ops.reshape(arg("r", 4), shape=(1, 1, 4)) * A,
    ),
}

REFUSED: dict[str, tuple[str, Case]] = {
    "three axes": (
        "gemm_takes_transpose",
        lambda: ops.transpose(arg("x", N, 4, 2), perm=(0, 2, 1)) @ arg("y", N, 4, 3),
    ),
    "a factor that is needed": ("gemm_takes_factor", lambda: ((y := A * 2.0) @ B, y)),
    "a product that is needed": ("gemm_takes_bias", lambda: ((y := A @ B), y + arg("c", 2))),
    "a product that is needed twice": ("transpose_of_gemm", lambda: ((y := A @ B), turned(y))),
    "a bias larger than the product": ("gemm_takes_bias", lambda: A @ B + arg("c", 3, N, 2)),
    "a row that makes the product larger": ("gemm_takes_bias", lambda: arg("x", 1, 4) @ B + arg("c", N, 2)),
    "a factor that f32 lacks": ("factor_into_gemm", lambda: ops.gemm(A, B, alpha=1e-30) * 1e-20),
    "few rows": ("sum_of_rows", lambda: ops.sum(arg("x", 3, 5), axes=(0,))),
    "rows of a batch": ("sum_of_rows", lambda: ops.sum(arg("x", N, 5), axes=(0,))),
    "another axis": ("sum_of_rows", lambda: ops.sum(arg("x", 5, 5), axes=(1,))),
    "one axis": ("sum_of_rows", lambda: ops.sum(arg("x", 5), axes=(0,))),
}


def test_every_rule_has_a_case_and_a_golden() -> None:
    names = {rule.__name__ for _, rule in RULES}
    assert names == set(CASES) == sections(GOLDEN)
    assert all("=>" in (rule.__doc__ or "") for _, rule in RULES)


@pytest.mark.parametrize("name", CASES)
def test_rule(name: str, request: pytest.FixtureRequest) -> None:
    check_rule(RULES, name, CASES[name], GOLDEN, request.config.getoption("--update-goldens"))


@pytest.mark.parametrize("why", REFUSED)
def test_rule_refuses(why: str) -> None:
    name, build = REFUSED[why]
    before = graph_of(build())
    assert rewrite(before, only(RULES, name)) is before


def lowered(graph: Graph) -> Graph:
    return fuse(simplify(graph, Target())[0], Target())[0]


def test_a_layer_and_its_gradients_are_three_gemms() -> None:
    x, w, b, g = arg("x", N, 4), arg("w", 2, 4), arg("b", 2), arg("g", N, 2)
    after = lowered(
        graph_of(
            (x @ turned(w) + b, turned(turned(x) @ g), g @ w, arg("m", 2, 4) * 0.9 + turned(turned(x) @ g))
        )
    )
    assert Counter(node.op.name for node in after.operations()) == {
        "gemm": 2,
        "matmul": 1,
        "mul": 1,
        "add": 1,
    }


def test_momentum_is_the_gemm_of_the_gradient() -> None:
    x, g, m = arg("x", N, 4), arg("g", N, 2), arg("m", 2, 4)
    after = lowered(graph_of(m * 0.5 + turned(turned(x) @ g)))
    (node,) = after.operations()
    assert node is ops.gemm(g, x, m, trans_a=True, beta=0.5)


@pytest.mark.parametrize("batch", [N, 4, 1])
def test_lenet_step_keeps_its_values(batch: object) -> None:
    graph = lenet.train_step(batch)  # type: ignore[arg-type]
    after = lowered(graph)
    verify(after, "fuse")
    assert fuse(after, Target())[0] is after
    names = Counter(node.op.name for node in after.operations())
    biases = 3 if batch == 4 else 0  # whose gradients are sums of rows
    assert (names["gemm"], names["matmul"], names["transpose"], names["greater"]) == (6, 3 + biases, 0, 0)
    inputs = lenet.inputs(graph, 1 if batch == 1 else 4)
    assert_same(graph, after, inputs, rtol=2e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: ops.gemm(A, A), r"f32\[N,4\] and f32\[N,4\].*4 columns meet N rows"),
        (lambda: ops.gemm(A, B, arg("c", 3)), "broadcast"),
        (lambda: ops.gemm(arg("x", 2, N, 4), B), "2 dimensions"),
    ],
)
def test_bad_operands_are_named(build: Case, message: str) -> None:
    with pytest.raises(LenetcError, match=message):
        build()


def test_updates_of_small_vectors_are_packed() -> None:
    before = adam(5)
    after, notes = fuse(before, Target())
    assert "pack x15" in notes
    names = Counter(node.op.name for node in after.operations())
    # Parameters, both moments and gradients go in, parameters and moments come out.
    assert (names["concat"], names["split"], names["sqrt"], names["matmul"]) == (4, 3, 1, 5)
    assert len(after.operations()) < len(before.operations()) / 1.5
    assert_same(before, after, values(before))
    assert_runs_alike(after, values(before))
    assert fuse(after, Target())[0] is after


def test_momentum_of_few_vectors_is_left_alone() -> None:
    """Copying three vectors in and two out takes as long as the four operators do."""
    lr, count = arg("lr"), 5
    p, m, g = ([arg(f"{name}{i}", i + 2) for i in range(count)] for name in "pmg")
    moved = [a * 0.9 + b for a, b in zip(m, g, strict=True)]
    graph = graph_of((*moved, *(a - b * lr for a, b in zip(p, moved, strict=True))))
    assert fuse(graph, Target())[0] is graph


def test_different_formulas_large_vectors_and_matrices_are_not_packed() -> None:
    def update(name: str, *shape: int, rate: float = 0.1) -> Node:
        x = arg(name, *shape)
        for _ in range(6):
            x = ops.cos(x * rate)
        return x

    kinds = [
        update("a", 3),
        update("b", 3, rate=0.2),
        update("c", 3000),
        update("d", 3000),
        update("e", 2, 2),
    ]
    assert fuse(graph_of((*kinds, update("f", 2, 2))), Target())[0].outputs[:5] == tuple(kinds)
    alike = graph_of((*kinds, update("g", 7)))
    assert "pack x2" in fuse(alike, Target())[1]
