"""Functions of networks: shapes, dtypes, errors, randomness, symbolic sizes, compiled code."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import lenetc
import lenetc.nn as nn
import lenetc.nn.functional as F
from ir.dims import symbol
from ir.errors import DTypeError, LenetcError, ShapeError
from ir.interpret import run
from ir.node import Graph
from ir.op import leaf
from ir.types import Type, f32, i64
from lenetc.evaluation.lazy import through
from lenetc.evaluation.tracing import Trace, tracing

N = symbol("N")


def symbolic(function: Callable[..., Any], *types: Type) -> Graph:
    """The graph of `function` over inputs of `types`, traced."""
    leaves = [leaf(f"x{i}", type) for i, type in enumerate(types)]
    with tracing(Trace()):
        result = function(*(lenetc.Tensor._from_node(x) for x in leaves))
        return Graph.make("f", leaves, [("y", through(result.node))])


def test_linear_is_a_product_with_the_transpose_plus_the_bias() -> None:
    graph = symbolic(F.linear, Type(f32, (N, 4)), Type(f32, (3, 4)), Type(f32, (3,)))
    assert [node.op.name for node in graph.operations()] == ["transpose", "matmul", "add"]
    assert graph.outputs[0].shape == (N, 3)


@pytest.mark.parametrize(
    ("function", "shape", "result"),
    [
        (lambda x: F.max_pool2d(x, 2), (N, 3, 8, 8), (N, 3, 4, 4)),
        (lambda x: F.avg_pool2d(x, (2, 4)), (N, 3, 8, 8), (N, 3, 4, 2)),
        (lambda x: F.adaptive_avg_pool2d(x, 1), (N, 3, 8, 8), (N, 3, 1, 1)),
        (lambda x: F.adaptive_avg_pool2d(x, (2, None)), (N, 3, 8, 8), (N, 3, 2, 8)),
        (lambda x: lenetc.flatten(x, 1), (N, 3, 8, 8), (N, 192)),
        (lambda x: F.softmax(x, 1), (N, 5), (N, 5)),
        (lambda x: F.gelu(x, "tanh"), (N, 5), (N, 5)),
        (lambda x: F.pad(x, (1, 2)), (N, 5), (N, 8)),
        (lambda x: F.dropout(x), (N, 5), (N, 5)),
        (lambda x: F.layer_norm(x, (5,)), (N, 5), (N, 5)),
        (lambda x: F.batch_norm(x, None, None, training=True), (N, 3, 2, 2), (N, 3, 2, 2)),
        (lambda x: F.normalize(x), (N, 5), (N, 5)),
        (lambda x: F.mse_loss(x, x * 2), (N, 5), ()),
        (lambda x: F.binary_cross_entropy_with_logits(x, x, reduction="none"), (N, 5), (N, 5)),
        (lambda x: F.linear(x, lenetc.ones(2, 5), lenetc.ones(2)), (N, 4, 5), (N, 4, 2)),
    ],
)
def test_symbolic_batch(function: Any, shape: Any, result: Any) -> None:
    assert symbolic(function, Type(f32, shape)).outputs[0].shape == result


def test_the_mean_over_a_symbolic_batch_divides_by_its_size() -> None:
    rng = np.random.default_rng(0)
    graph = symbolic(F.cross_entropy, Type(f32, (N, 4)), Type(i64, (N,)))
    squares = symbolic(F.mse_loss, Type(f32, (N, 4)), Type(f32, (N, 4)))
    for batch in (1, 3, 8):
        x, y = rng.standard_normal((batch, 4)).astype(np.float32), rng.integers(0, 4, batch)
        (loss,) = run(graph, (x, y))
        assert loss == pytest.approx(
            F.cross_entropy(lenetc.from_numpy(x), lenetc.from_numpy(y)).item(), rel=1e-6
        )
        assert run(squares, (x, -x))[0] == pytest.approx(np.mean((2 * x) ** 2), rel=1e-6)


@pytest.mark.parametrize("padding", ["same", "valid", 1, (0, 2)])
def test_conv2d_padding(padding: Any) -> None:
    sizes = {"same": (5, 6), "valid": (3, 4), 1: (5, 6), (0, 2): (3, 8)}[padding]
    x, w = lenetc.ones(1, 1, 5, 6), lenetc.ones(1, 1, 3, 3)
    y = F.conv2d(x, w, padding=padding)
    assert y.shape == (1, 1, *sizes)
    assert y.numpy().max() == 9 and y.numpy().min() == {"same": 4, "valid": 9, 1: 4, (0, 2): 3}[padding]


def test_a_single_image_is_a_batch_of_one() -> None:
    image, weight = lenetc.randn(2, 5, 5), lenetc.randn(3, 2, 3, 3)
    one = F.conv2d(image, weight)
    assert one.shape == (3, 3, 3)
    np.testing.assert_array_equal(one.numpy(), F.conv2d(image.unsqueeze(0), weight).numpy()[0])
    assert F.max_pool2d(image, 2).shape == (2, 2, 2) and F.avg_pool2d(image, 2).shape == (2, 2, 2)


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (
            lambda: F.conv2d(lenetc.ones(1, 3, 8, 8), lenetc.ones(6, 1, 5, 5)),
            ShapeError,
            r"f32\[6,1,5,5\].*f32\[1,3,8,8\]",
        ),
        (lambda: F.conv2d(lenetc.ones(8, 8), lenetc.ones(6, 1, 5, 5)), ShapeError, r"\[C,H,W\].*f32\[8,8\]"),
        (lambda: F.conv2d(lenetc.ones(1, 1, 8, 8), lenetc.ones(6, 25)), ShapeError, r"f32\[6,25\]"),
        (
            lambda: F.conv2d(lenetc.ones(1, 8, 8), lenetc.ones(1, 1, 3, 3), stride=0),
            ValueError,
            "must be positive",
        ),
        (
            lambda: F.conv2d(lenetc.ones(1, 8, 8), lenetc.ones(1, 1, 3, 3), stride=(1, 2, 3)),
            ValueError,
            "two ints",
        ),
        (
            lambda: F.conv2d(lenetc.ones(1, 8, 8), lenetc.ones(1, 1, 3, 3), padding=-1),
            LenetcError,
            "negative padding",
        ),
        (
            lambda: F.conv2d(lenetc.ones(1, 8, 8), lenetc.ones(1, 1, 3, 3), padding="full"),
            LenetcError,
            "'full'",
        ),
        (lambda: nn.Conv2d(1, 1, 3, padding_mode="mirror"), ValueError, "padding_mode.*'mirror'"),
        (
            lambda: F.linear(lenetc.ones(2, 5), lenetc.ones(3, 4)),
            ShapeError,
            r"f32\[2,5\].*5 features.*f32\[3,4\] takes 4",
        ),
        (
            lambda: F.linear(lenetc.ones(2, 4), lenetc.ones(3, 4), lenetc.ones(2)),
            ShapeError,
            r"f32\[2\].*f32\[3,4\]",
        ),
        (
            lambda: F.linear(lenetc.ones(2, 4).double(), lenetc.ones(3, 4)),
            DTypeError,
            r"f64\[2,4\].*f32\[3,4\]",
        ),
        (lambda: F.max_pool2d(lenetc.ones(1, 4, 4), 0), ValueError, "kernel must be positive"),
        (
            lambda: F.avg_pool2d(lenetc.ones(1, 4, 4), 2, padding=-1),
            ValueError,
            "padding must not be negative",
        ),
        (lambda: F.adaptive_avg_pool2d(lenetc.ones(5, 5), 2), ShapeError, r"f32\[5,5\]"),
        (lambda: F.pad(lenetc.ones(2), (1, 1, 1, 1)), ShapeError, r"got 4 for f32\[2\]"),
        (
            lambda: F.pad(lenetc.ones(2), (1, 1), mode="reflect"),
            LenetcError,
            "not supported.*in mode 'reflect'",
        ),
        (lambda: F.gelu(lenetc.ones(2), "erf"), LenetcError, "'none' or 'tanh'"),
        (lambda: F.batch_norm(lenetc.ones(2, 3), None, None), LenetcError, "running_mean and running_var"),
        (
            lambda: F.batch_norm(lenetc.ones(2, 3), lenetc.ones(2), None, training=True),
            ShapeError,
            r"3 elements.*f32\[2\]",
        ),
        (lambda: F.layer_norm(lenetc.ones(2, 3), (3,), lenetc.ones(2)), ShapeError, r"\[3\].*f32\[2\]"),
        (lambda: F.embedding(lenetc.ones(2), lenetc.ones(3, 4)), DTypeError, r"integers.*f32\[2\]"),
        (
            lambda: F.embedding(lenetc.tensor([3]), lenetc.ones(3, 4)),
            F.LabelError,
            r"index 3 .*0\.\.2 .*f32\[3,4\]",
        ),
        (lambda: F.one_hot(lenetc.tensor([1.0])), DTypeError, r"i64, not f32\[1\]"),
        (lambda: F.one_hot(lenetc.tensor([1]), 0), ValueError, "num_classes must be positive"),
    ],
)
def test_errors_say_what_is_wrong(call: Any, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        call()


def test_errors_know_the_line() -> None:
    with pytest.raises(ShapeError, match=r"at .*test_functional\.py:\d+$"):
        F.linear(lenetc.ones(2, 5), lenetc.ones(3, 4))


# Dropout.


def test_dropout_keeps_the_mean_and_draws_anew() -> None:
    lenetc.manual_seed(0)
    x = lenetc.ones(200, 100)
    first, second = (F.dropout(x, 0.25).numpy() for _ in range(2))
    np.testing.assert_allclose(np.unique(first), [0, 4 / 3], rtol=1e-6)
    assert (first == 0).mean() == pytest.approx(0.25, abs=0.01)
    assert (first != second).mean() == pytest.approx(2 * 0.25 * 0.75, abs=0.02)
    lenetc.manual_seed(0)
    np.testing.assert_array_equal(F.dropout(x, 0.25).numpy(), first)


def test_dropout_passes_gradients_where_it_passes_values() -> None:
    x = lenetc.ones(50, requires_grad=True)
    y = F.dropout(x)
    y.sum().backward()
    assert x.grad is not None
    np.testing.assert_array_equal(x.grad.numpy(), y.detach().numpy())


def test_dropout_in_eval_mode_does_nothing() -> None:
    layer, x = nn.Dropout(0.9), lenetc.ones(10)
    assert (layer(x).numpy() == 0).any()
    assert layer.eval()(x) is x
    y = x * 1
    assert nn.Dropout(0.5, inplace=True)(y) is y and set(y.tolist()) <= {0.0, 2.0}


def test_compiled_dropout_draws_a_new_mask_in_each_run() -> None:
    layer = nn.Dropout(0.5)
    step = lenetc.compile(lambda x: layer(x))
    x = lenetc.ones(64)
    lenetc.manual_seed(3)
    runs = [step(x).numpy() for _ in range(3)]
    assert not np.array_equal(runs[0], runs[1]) and not np.array_equal(runs[1], runs[2])
    lenetc.manual_seed(3)
    np.testing.assert_array_equal(step(x).numpy(), runs[0])
    layer.eval()
    np.testing.assert_array_equal(step(x).numpy(), x.numpy())


# Normalization.


def test_compiled_batch_norm_moves_its_statistics() -> None:
    rng = np.random.default_rng(0)
    plain, compiled = nn.BatchNorm2d(3, momentum=None), nn.BatchNorm2d(3, momentum=None)
    step = lenetc.compile(lambda x: compiled(x))
    for _ in range(3):
        x = lenetc.from_numpy(rng.standard_normal((4, 3, 2, 2)).astype(np.float32))
        np.testing.assert_allclose(step(x).detach().numpy(), plain(x).detach().numpy(), rtol=1e-5, atol=1e-6)
    for (name, found), expected in zip(compiled.named_buffers(), plain.buffers(), strict=True):
        np.testing.assert_allclose(found.numpy(), expected.numpy(), rtol=1e-5, atol=1e-6, err_msg=name)
    assert compiled.num_batches_tracked is not None and compiled.num_batches_tracked.item() == 3


def test_batch_norm_statistics_by_definition() -> None:
    x = np.random.default_rng(0).standard_normal((6, 2, 3)).astype(np.float32)
    layer = nn.BatchNorm1d(2, momentum=0.25)
    y = layer(lenetc.from_numpy(x)).detach().numpy()
    np.testing.assert_allclose(y.mean((0, 2)), 0, atol=1e-6)
    np.testing.assert_allclose(y.var((0, 2)), 1, atol=1e-4)
    assert layer.running_mean is not None and layer.running_var is not None
    np.testing.assert_allclose(layer.running_mean.numpy(), 0.25 * x.mean((0, 2)), rtol=1e-5)
    np.testing.assert_allclose(layer.running_var.numpy(), 0.75 + 0.25 * x.var((0, 2), ddof=1), rtol=1e-5)
    layer.reset_running_stats()
    assert layer.running_mean.tolist() == [0, 0] and layer.running_var.tolist() == [1, 1]


def test_running_statistics_have_no_history() -> None:
    layer = nn.BatchNorm1d(2)
    layer(lenetc.randn(4, 2, requires_grad=True))
    assert not any(buffer.requires_grad for buffer in layer.buffers())


# Embedding and one-hot.


def test_embedding_adds_up_gradients_of_equal_indices() -> None:
    table = nn.Embedding(4, 2, padding_idx=0)
    assert table.weight.detach().numpy()[0].tolist() == [0, 0]
    table(lenetc.tensor([[1, 1], [3, 0]])).sum().backward()
    assert table.weight.grad is not None
    assert table.weight.grad.tolist() == [[0, 0], [2, 2], [0, 0], [1, 1]]


def test_indices_are_checked_before_a_compiled_run() -> None:
    table = nn.Embedding(4, 2)
    step = lenetc.compile(lambda i: table(i.reshape(-1)))
    assert step(lenetc.tensor([[0, 3]])).shape == (2, 2)
    with pytest.raises(LenetcError, match=r"embedding: index.*0\.\.3"):
        step(lenetc.tensor([[0, 4]]))


def test_one_hot_by_definition() -> None:
    assert F.one_hot(lenetc.tensor([2, 0])).tolist() == [[0, 0, 1], [1, 0, 0]]
    assert F.one_hot(lenetc.tensor(1), 2).tolist() == [0, 1]


# The warning, and numbers far out.


def test_an_implicit_softmax_dimension_warns_at_the_users_line() -> None:
    with pytest.warns(UserWarning, match="Implicit dimension choice for softmax") as warned:
        F.softmax(lenetc.ones(2, 2))
    assert warned[0].filename == __file__


def test_softplus_keeps_both_tails() -> None:
    x = lenetc.tensor([-90.0, -20.0, 0.0, 30.0, 90.0])
    expected = [8.194013e-40, 2.0611537e-09, 0.6931472, 30.0, 90.0]
    np.testing.assert_allclose(F.softplus(x).numpy(), expected, rtol=1e-6, atol=1e-37)
    np.testing.assert_allclose(F.logsigmoid(-x).numpy(), [-v for v in expected], rtol=1e-6, atol=1e-37)


def test_the_norm_of_zeros_has_a_gradient_of_zero() -> None:
    x = lenetc.zeros(3, requires_grad=True)
    x.norm().backward()
    assert x.grad is not None and x.grad.tolist() == [0, 0, 0]
