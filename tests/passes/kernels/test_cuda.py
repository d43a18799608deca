"""Every rule for CUDA against what is expected of it, by graph and by value."""

from __future__ import annotations

import pytest

from ir import Node, ops
from ir.types import bf16, bool_, f32, f64, i32, i64, u8
from passes.kernels.cuda import PIECES, RULES
from passes.rewrite.driver import rewrite
from tests.passes.rewriting import Case, N, Rewrites, arg, check_rule, graph_of, only

X, K, S, B = arg("x", N, 3), arg("k", N, 3, dtype=i64), arg("s", N, 3, dtype=u8), arg("b", N, 3, dtype=bf16)


def to(x: Node, dtype: object) -> Node:
    return ops.cast(x, dtype=dtype)


def part(x: Node, start: int, stop: int) -> Node:
    return ops.slice(x, starts=(0, start), stops=(x.shape[0], stop), steps=(1, 1))


def block(value: int, *shape: object) -> Node:
    return ops.broadcast_to(ops.scalar(value, i64), shape=shape)


UNEQUAL = ops.split(X, axis=1, sizes=(1, 2))
MANY = [arg(f"m{i:02}", 2, 1) for i in range(PIECES + 1)]
IMAGES, ROWS, WEIGHT = arg("images", N, 2, 3, 4), arg("rows", 5, 2, 3), arg("w", 4, 2)
PLACES, UPDATES = ops.mod(arg("places", N, 2, dtype=i64), 3), arg("updates", N, 2)
LAST = ops.scatter(
    block(-1, N, 3),
    PLACES,
    ops.broadcast_to(ops.reshape(ops.iota(size=2), shape=(1, 2)), shape=(N, 2)),
    axis=1,
    reduction="max",
)
CASES: dict[str, Rewrites] = {
    "in_a_wider_dtype": [
        (to(ops.floor(B), f32), to(to(ops.floor(to(B, f32)), bf16), f32)),
        (ops.greater(B, B * 2.0), ops.greater(to(B, f32), to(B * 2.0, f32))),
        (ops.mod(S, S + S), to(ops.mod(to(S, i32), to(S + S, i32)), u8)),
    ],
    "argmax_of_floats": [(ops.argmax(K, axis=1), ops.argmax(to(K, f64), axis=1))],
    "last_update": [
        (
            ops.scatter(X, PLACES, UPDATES, axis=1),
            ops.where(ops.less(LAST, 0), X, ops.take_along_axis(UPDATES, ops.maximum(LAST, 0), axis=1)),
        )
    ],
    "relu_of_integers": [(ops.relu(K), ops.maximum(K, 0))],
    "pad_by_concat": [
        (
            ops.pad(K, low=(1, 0), high=(0, 2), value=7.0),
            ops.concat(ops.concat(block(7, 1, 3), K, axis=0), block(7, N + 1, 2), axis=1),
        )
    ],
    "sum_in_two_stages": [
        (ops.sum(IMAGES, axes=(0, 2, 3)), ops.sum(ops.sum(IMAGES, axes=(2, 3)), axes=(0,))),
    ],
    "slice_of_split": [
        ((ops.get(UNEQUAL, index=0), ops.get(UNEQUAL, index=1)), (part(X, 0, 1), part(X, 1, 3)))
    ],
    "concat_in_groups": [
        (
            ops.concat(*MANY, axis=1),
            ops.concat(ops.concat(*MANY[:PIECES], axis=1), MANY[PIECES], axis=1),
        )
    ],
    "matmul_of_equal_batches": [
        (WEIGHT @ ROWS, ops.broadcast_to(WEIGHT, shape=(5, 4, 2)) @ ROWS),
    ],
}
REFUSED: dict[str, tuple[str, Case]] = {
    "f32": ("in_a_wider_dtype", lambda: ops.log(X)),
    "floats padded": ("pad_by_concat", lambda: ops.pad(X, low=(1, 0), high=(0, 2))),
    "axes at one end": ("sum_in_two_stages", lambda: ops.sum(IMAGES, axes=(2, 3))),
    "all axes": ("sum_in_two_stages", lambda: ops.sum(IMAGES, axes=(0, 1, 2, 3))),
    "equal parts": (
        "slice_of_split",
        lambda: ops.get(ops.split(arg("y", N, 4), axis=1, sizes=(2, 2)), index=1),
    ),
    "few pieces": ("concat_in_groups", lambda: ops.concat(*MANY[:PIECES], axis=1)),
    "one factor for all": ("matmul_of_equal_batches", lambda: ROWS @ arg("v", 3, 4)),
    "bool": ("argmax_of_floats", lambda: ops.argmax(to(arg("c", N, 3, dtype=bool_), f32), axis=1)),
}


def test_every_rule_has_a_case() -> None:
    assert {rule.__name__ for _, rule in RULES} == set(CASES)
    assert all("=>" in (rule.__doc__ or "") for _, rule in RULES)


@pytest.mark.parametrize("name", CASES)
def test_rule(name: str) -> None:
    check_rule(RULES, name, CASES[name], runs=name != "in_a_wider_dtype")  # a CPU lacks these too


@pytest.mark.parametrize("why", REFUSED)
def test_rule_refuses(why: str) -> None:
    name, build = REFUSED[why]
    before = graph_of(build())
    assert rewrite(before, only(RULES, name)) is before
