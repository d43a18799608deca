"""Every rule of simplify against what is expected of it, by graph and by value; the driver; random graphs."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ir import Graph, Node, ops
from ir.interpret import run
from ir.types import f32
from ir.verify import verify
from passes.rewrite.driver import RewriteError, rewrite, used_once
from passes.rewrite.match import Rules
from passes.rewrite.simplify import RULES, simplify
from passes.target import Target
from tests.passes import lenet
from tests.passes.rewrite import algebra_cases, empty_cases, nn_cases, shape_cases  # noqa: F401  (they register)
from tests.passes.rewrite.cases import CASES, REFUSED
from tests.passes.rewriting import (
    N,
    arg,
    assert_same,
    check_rule,
    graph_of,
    only,
    values,
)


def test_every_rule_has_a_case() -> None:
    assert {rule.__name__ for _, rule in RULES} == set(CASES)
    assert all("=>" in (rule.__doc__ or "") for _, rule in RULES)


@pytest.mark.parametrize("name", CASES)
def test_rule(name: str) -> None:
    check_rule(RULES, name, CASES[name]())


@pytest.mark.parametrize(("name", "build"), REFUSED, ids=[name for name, _ in REFUSED])
def test_rule_refuses(name: str, build: object) -> None:
    before = graph_of(build())  # type: ignore[operator]
    assert rewrite(before, only(RULES, name)) is before


def simplified(graph: Graph) -> Graph:
    return simplify(graph, Target())[0]


@pytest.mark.parametrize("name", CASES)
def test_simplified_twice_is_the_same_object(name: str) -> None:
    for expression, _ in CASES[name]():
        before = graph_of(expression, name)
        once = simplified(before)
        verify(once, "simplify")
        assert simplified(once) is once
        assert_same(before, once, values(before))


@pytest.mark.parametrize("batch", [N, 4])
def test_lenet_step_keeps_its_values(batch: object) -> None:
    graph = lenet.train_step(batch)  # type: ignore[arg-type]
    after, notes = simplify(graph, Target())
    assert simplified(after) is after
    assert len(after.operations()) < len(graph.operations())
    assert "relu_grad_before_pool_grad x2" in notes
    # Pixels of the background tie, and so do all the pooled windows of a dead channel.
    assert_same(graph, after, lenet.inputs(graph, 4), rtol=2e-4, atol=1e-5)


@pytest.mark.parametrize("stride", [(2, 2), (1, 1), (2, 3)])
@pytest.mark.parametrize("padding", [(0, 0), (1, 1)])
def test_pooling_before_relu_has_the_same_gradient_at_ties(
    stride: tuple[int, int], padding: tuple[int, int]
) -> None:
    """Windows of equal elements, positive, zero, negative, infinite and NaN, overlapping and padded: not one bit
    differs."""
    x = arg("x", 2, 3, 6, 7)
    r = ops.relu(x)
    how = {"kernel": (3, 2), "stride": stride, "padding": padding}
    pooled = ops.max_pool2d(r, **how)
    g = arg("g", *pooled.shape)
    before = graph_of((pooled, ops.relu_grad(ops.max_pool2d_grad(g, r, **how), r)))
    after = simplified(before)
    reordered = ops.max_pool2d_grad(g, r, **how) not in after.nodes()
    assert reordered == (pooled.ty.size <= x.ty.size)  # else there would be more to do, not less
    rng = np.random.default_rng(0)
    for trial in range(20):
        values_of_x = rng.choice(np.float32([-2, -1, 0, 1, np.inf, np.nan][: 4 + trial % 3]), (2, 3, 6, 7))
        values_of_g = rng.choice(np.float32([-4, 0, 1, 5, np.inf, np.nan][: 4 + trial % 3]), pooled.shape)
        feeds = {"x": values_of_x, "g": values_of_g}
        for want, got in zip(run(before, feeds), run(after, feeds), strict=True):
            np.testing.assert_array_equal(got, want)


def test_the_driver_is_linear() -> None:
    """Four times the nodes, at most a little over four times the rules tried."""

    def tried(length: int) -> int:
        count = 0

        def counted(rule: object) -> object:
            def wrapper(node: Node) -> Node | None:
                nonlocal count
                count += 1
                return rule(node)  # type: ignore[operator, no-any-return]

            wrapper.__name__ = rule.__name__  # type: ignore[attr-defined]
            return wrapper

        x, w = arg("x", N, 4), arg("w", 4, 4)
        for i in range(length // 8):
            step = ops.transpose(ops.transpose(x @ w, perm=(1, 0)), perm=(1, 0)) * 2.0 * 0.3
            x = ops.reshape(ops.relu(-(-step + 0.0)), shape=(N, 4)) + float(i)
        graph = graph_of(x)
        assert len(graph.nodes()) > length
        rules = Rules((op, counted(rule)) for op, rule in RULES)  # type: ignore[misc]
        assert len(rewrite(graph, rules).nodes()) < len(graph.nodes()) * 0.7
        return count

    assert tried(2000) < 4.4 * tried(500)


def test_a_rule_is_tried_again_where_it_may_fire_now() -> None:
    """And only there: it depends on the node, which never changes, and on whether others read its operands."""
    tried: list[Node] = []

    def merge(node: Node) -> Node | None:
        """exp(log(x)) => x, where the log is read once"""
        tried.append(node)
        inner = node.inputs[0]
        return inner.inputs[0] if inner.op is ops.log and used_once(inner) else None

    def never(node: Node) -> Node | None:
        """exp(x) => exp(x)"""
        tried.append(node)
        return None

    x = arg("x", 3)
    log = ops.log(x)
    y, z = ops.exp(log), ops.exp(x)
    twice, once = graph_of((y, log, z)), graph_of((y, z))
    assert rewrite(twice, [("exp", merge)]) is twice
    tried.clear()
    assert rewrite(twice, [("exp", merge)]) is twice
    assert not tried
    assert rewrite(twice, [("exp", merge), ("exp", never)]) is twice
    assert tried == [y, z]  # by the other rule
    tried.clear()
    assert rewrite(once, [("exp", merge)]) is graph_of((x, z))
    assert tried == [y]


def test_rules_that_undo_each_other_are_an_error() -> None:
    def there(node: Node) -> Node:
        """exp(x) => log(x)"""
        return ops.log(node.inputs[0])

    def back(node: Node) -> Node:
        """log(x) => exp(x)"""
        return ops.exp(node.inputs[0])

    with pytest.raises(RewriteError, match="rest"):
        rewrite(graph_of(ops.exp(arg("x", 3))), [("exp", there), ("log", back)])


def test_a_rule_that_changes_the_type_is_an_error() -> None:
    def wrong(node: Node) -> Node:
        """exp(x) => sum(x)"""
        return ops.sum(node.inputs[0], axes=(0,))

    with pytest.raises(RewriteError, match="wrong turned"):
        rewrite(graph_of(ops.exp(arg("x", 3))), [("exp", wrong)])


def _grow(draw: st.DrawFn, pool: list[Node]) -> Node:
    """One more node over those in `pool`, all f32[N,2,3] or f32[N*6], f32[2,3] and scalars."""
    cube = [x for x in pool if x.shape == (N, 2, 3)]
    x = draw(st.sampled_from(cube))
    y = draw(st.sampled_from(pool))
    number = draw(st.sampled_from([0.0, 1.0, -1.0, 2.0, 0.5, 3.0, -4.0]))
    binary = draw(st.sampled_from([ops.add, ops.sub, ops.mul, ops.maximum, ops.minimum]))
    choices = {
        "binary": lambda: binary(x, y),
        "swapped": lambda: binary(y, x),
        "number": lambda: binary(x, number),
        "number first": lambda: binary(ops.scalar(number, f32), x),
        "div": lambda: x / (number or 8.0),
        "unary": lambda: draw(st.sampled_from([ops.neg, ops.relu, ops.abs, ops.sign, ops.tanh, ops.floor]))(
            x
        ),
        "mask": lambda: x * ops.cast(ops.greater(x, number), dtype=f32),
        "where": lambda: ops.where(ops.less(x, number), x, ops.broadcast_to(y, shape=(N, 2, 3))),
        "transpose": lambda: ops.transpose(ops.transpose(x, perm=(2, 0, 1)), perm=(1, 2, 0)),
        "reshape": lambda: ops.reshape(ops.reshape(x, shape=(6 * N,)) * number, shape=(N, 2, 3)),
        "broadcast": lambda: ops.broadcast_to(y, shape=(N, 2, 3)),
        "sum": lambda: ops.broadcast_to(ops.sum(x, axes=(1,), keepdims=True) * 0.125, shape=(N, 2, 3)),
        "sum of sum": lambda: x * (ops.sum(ops.sum(x, axes=(2,)), axes=(0, 1)) * 0.125),
        "pad": lambda: ops.slice(
            ops.pad(x, low=(0, 1, 0), high=(0, 0, 1)), starts=(0, 1, 0), stops=(N, 3, 3), steps=(1, 1, 1)
        ),
        "concat": lambda: ops.slice(
            ops.concat(x, ops.reverse(x, axes=(1,)), axis=2),
            starts=(0, 0, 3),
            stops=(N, 2, 6),
            steps=(1, 1, 1),
        ),
    }
    return choices[draw(st.sampled_from(sorted(choices)))]()


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    """Random graphs of elementwise and shape operations, with a symbolic batch."""
    pool = [arg("x", N, 2, 3), arg("row", 2, 3), arg("s")]
    for _ in range(draw(st.integers(1, 12))):
        pool.append(_grow(draw, pool))
    return graph_of((pool[-1], *draw(st.lists(st.sampled_from(pool[3:]), max_size=2))))


@settings(max_examples=150, deadline=None)
@given(graphs(), st.integers(0, 5))
def test_random_graphs_keep_their_values(graph: Graph, seed: int) -> None:
    after = simplified(graph)
    verify(after, "simplify")
    assert simplified(after) is after
    # Small halves add and multiply exactly: no difference in rounding can flip a mask.
    inputs = [np.round(x * 2).astype(x.dtype) / 2 for x in values(graph, seed)]
    want, got = run(graph, inputs), run(after, inputs)
    for a, b in zip(want, got, strict=True):
        np.testing.assert_allclose(b, a, rtol=1e-4, atol=1e-4)


def biased_pool(*more: str) -> Graph:
    """A convolution with a bias, pooled, with the pool's gradient; and what `more` names as results besides."""
    image, weight, bias = arg("x", N, 1, 7, 7), arg("w", 2, 1, 2, 2), arg("b", 2)
    conv = ops.conv2d(image, weight, bias)
    pool = {"kernel": (2, 2), "stride": (2, 2)}
    pooled = ops.max_pool2d(conv, **pool)
    grad = ops.max_pool2d_grad(arg("g", N, 2, 3, 3), conv, **pool)
    extra = {
        "conv": conv,
        "summed": ops.sum(conv, axes=(0, 2, 3)),
        "paid": ops.max_pool2d_grad(conv, arg("y", N, 2, 12, 12), **pool),
    }
    return graph_of((pooled, grad, *(extra[name] for name in more)))


def test_a_bias_is_added_after_the_pool() -> None:
    graph = biased_pool()
    after = simplified(graph)
    (conv,) = (node for node in after.nodes() if node.op is ops.conv2d)
    assert len(conv.inputs) == 2
    added = next(node for node in after.nodes() if node.op is ops.add)
    assert added.inputs[0].op is ops.max_pool2d
    assert_same(graph, after, values(graph))


@pytest.mark.parametrize("reader", ["conv", "summed", "paid"])
def test_a_bias_stays_where_the_convolution_is_read_elsewhere(reader: str) -> None:
    after = simplified(biased_pool(reader))
    assert [len(node.inputs) for node in after.nodes() if node.op is ops.conv2d] == [3]
