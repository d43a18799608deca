"""Layers and functions against live PyTorch: values, gradients, grad_fn chains, names, texts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import lenetc  # noqa: E402
import lenetc.nn as nn  # noqa: E402
import lenetc.nn.functional as F  # noqa: E402
from tests.parity.both import check, check_modules, copy_state  # noqa: E402
from tests.parity.modules.drawn import labels, normal, whole  # noqa: E402

tnn, tF = torch.nn, torch.nn.functional


CONVOLUTIONS: list[tuple[dict[str, Any], tuple[int, ...]]] = [
    ({}, (2, 4, 7, 6)),
    ({}, (4, 7, 6)),
    ({"bias": False}, (2, 4, 7, 6)),
    ({"stride": 2, "padding": (1, 0)}, (2, 4, 8, 7)),
    ({"stride": (1, 2), "padding": 1, "dilation": 2}, (1, 4, 9, 9)),
    ({"groups": 2, "padding": "same"}, (2, 4, 6, 6)),
    ({"groups": 4, "padding": "valid"}, (1, 4, 6, 6)),
]


@pytest.mark.parametrize(("how", "shape"), CONVOLUTIONS)
def test_conv2d(how: dict[str, Any], shape: tuple[int, ...]) -> None:
    check_modules(nn.Conv2d(4, 8, 3, **how), tnn.Conv2d(4, 8, 3, **how), normal(*shape), atol=1e-5)


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")
def test_conv2d_same_padding_of_an_even_kernel() -> None:
    how: dict[str, Any] = {"padding": "same", "dilation": (1, 3)}
    check_modules(
        nn.Conv2d(1, 2, (4, 2), **how), tnn.Conv2d(1, 2, (4, 2), **how), normal(2, 1, 5, 6), atol=1e-5
    )


@pytest.mark.parametrize("shape", [(3, 4), (4,), (2, 3, 4), (1, 1, 4)])
@pytest.mark.parametrize("bias", [True, False])
def test_linear(shape: tuple[int, ...], bias: bool) -> None:
    # Without a bias, PyTorch's chain of views differs for inputs that are not matrices.
    chains = bias or len(shape) == 2
    check_modules(nn.Linear(4, 5, bias=bias), tnn.Linear(4, 5, bias=bias), normal(*shape), chains=chains)


POOLS: list[tuple[dict[str, Any], tuple[int, ...]]] = [
    ({"kernel_size": 2}, (2, 3, 6, 6)),
    ({"kernel_size": (2, 3)}, (2, 7, 7)),
    ({"kernel_size": 3, "stride": 2, "padding": 1}, (1, 2, 7, 8)),
    ({"kernel_size": 3, "stride": 2, "ceil_mode": True}, (1, 2, 6, 6)),
]


@pytest.mark.parametrize(
    ("how", "shape"), [*POOLS, ({"kernel_size": 2, "stride": 1, "dilation": 2}, (1, 2, 5, 5))]
)
def test_max_pool2d_with_ties(how: dict[str, Any], shape: tuple[int, ...]) -> None:
    check_modules(nn.MaxPool2d(**how), tnn.MaxPool2d(**how), whole(*shape))


@pytest.mark.parametrize(
    ("how", "shape"),
    [*POOLS, ({"kernel_size": 3, "stride": 2, "padding": 1, "count_include_pad": False}, (1, 2, 7, 7))],
)
def test_avg_pool2d(how: dict[str, Any], shape: tuple[int, ...]) -> None:
    check_modules(nn.AvgPool2d(**how), tnn.AvgPool2d(**how), normal(*shape))


@pytest.mark.parametrize("size", [1, 2, (3, 2), (None, 1)])
def test_adaptive_avg_pool2d(size: Any) -> None:
    check_modules(nn.AdaptiveAvgPool2d(size), tnn.AdaptiveAvgPool2d(size), normal(2, 3, 6, 6))
    check_modules(nn.AdaptiveAvgPool2d(size), tnn.AdaptiveAvgPool2d(size), normal(3, 6, 6))


ACTIVATIONS: list[tuple[str, tuple[Any, ...]]] = [
    ("ReLU", ()),
    ("Tanh", ()),
    ("Sigmoid", ()),
    ("GELU", ()),
    ("GELU", ("tanh",)),
    ("Softmax", (1,)),
    ("Softmax", (-2,)),
    ("LogSoftmax", (1,)),
    ("Flatten", ()),
    ("Flatten", (0, 1)),
    ("Unflatten", (1, (2, 2))),
    ("Identity", ()),
]


@pytest.mark.parametrize(("name", "arguments"), ACTIVATIONS)
def test_layers_without_parameters(name: str, arguments: tuple[Any, ...]) -> None:
    x = np.concatenate([whole(2, 4, 3), normal(2, 4, 3) * 8])
    check_modules(getattr(nn, name)(*arguments), getattr(tnn, name)(*arguments), x, atol=4e-6)


def test_relu_in_place() -> None:
    def run(lib: Any) -> Any:
        return lambda x: lib.nn.Sequential(lib.nn.Identity(), lib.nn.ReLU(inplace=True))(x * 2)

    check(run(lenetc), run(torch), whole(3, 4), chains=False)
    assert repr(nn.ReLU(inplace=True)) == repr(tnn.ReLU(inplace=True))


@pytest.mark.parametrize("how", [{}, {"beta": 2.0, "threshold": 3.0}])
def test_softplus_and_logsigmoid(how: dict[str, float]) -> None:
    x = np.array([-100, -30, -9, -1, 0, 1, 2, 9, 30, 100], np.float32)
    check(lambda a: F.softplus(a, **how), lambda a: tF.softplus(a, **how), x)
    check(F.logsigmoid, lambda a: tF.logsigmoid(a), x)


@pytest.mark.parametrize(
    ("name", "how", "shape"),
    [
        ("BatchNorm2d", {}, (4, 3, 2, 2)),
        ("BatchNorm2d", {"momentum": None}, (4, 3, 2, 2)),
        ("BatchNorm2d", {"affine": False, "eps": 1e-3}, (4, 3, 2, 2)),
        ("BatchNorm2d", {"track_running_stats": False, "momentum": 0.3}, (4, 3, 2, 2)),
        ("BatchNorm1d", {}, (5, 3)),
        ("BatchNorm1d", {}, (5, 3, 4)),
    ],
)
def test_batch_norm(name: str, how: dict[str, Any], shape: tuple[int, ...]) -> None:
    module, reference = getattr(nn, name)(3, **how), getattr(tnn, name)(3, **how)
    if reference.affine:
        with torch.no_grad():
            reference.weight.copy_(torch.tensor([0.5, -1.0, 2.0]))
            reference.bias.copy_(torch.tensor([1.0, 0.0, -1.0]))
    for seed in (1, 2):  # twice, as running statistics move on
        check_modules(module, reference, normal(*shape, seed=seed) * 3 + 1, atol=1e-5)
    module.eval()
    reference.eval()
    check_modules(module, reference, normal(*shape, seed=3), atol=1e-5)


@pytest.mark.parametrize(
    ("shape", "how"), [(3, {}), ((2, 3), {"bias": False}), (3, {"elementwise_affine": False})]
)
def test_layer_norm(shape: Any, how: dict[str, Any]) -> None:
    check_modules(nn.LayerNorm(shape, **how), tnn.LayerNorm(shape, **how), normal(4, 2, 3), atol=1e-5)


@pytest.mark.parametrize("padding", [None, 1, -1])
def test_embedding(padding: int | None) -> None:
    module, reference = nn.Embedding(5, 3, padding_idx=padding), tnn.Embedding(5, 3, padding_idx=padding)
    check_modules(module, reference, labels(4, 3))


def test_dropout() -> None:
    x = normal(3, 4)
    for p in (0.0, 1.0):
        check(lambda a, p=p: F.dropout(a, p), lambda a, p=p: tF.dropout(a, p), x)
    check(lambda a: F.dropout(a, 0.5, training=False), lambda a: tF.dropout(a, 0.5, training=False), x)
    assert repr(nn.Dropout(0.2)) == repr(tnn.Dropout(0.2))


@pytest.mark.parametrize("p", [2.0, 1.0])
def test_normalize(p: float) -> None:
    x = normal(3, 4)
    x[1] = 0  # a length of zero
    check(lambda a: F.normalize(a, p), lambda a: tF.normalize(a, p), x, chains=False)


@pytest.mark.parametrize("amounts", [(1, 2), (0, 1, 2, 0), (-1, 2), (0, 0)])
def test_pad(amounts: tuple[int, ...]) -> None:
    check(
        lambda a: F.pad(a, amounts, value=1.5),
        lambda a: tF.pad(a, amounts, value=1.5),
        normal(2, 3, 4),
        chains=False,
    )


def test_one_hot() -> None:
    target = labels(2, 3)
    check(lambda a: F.one_hot(a, 6), lambda a: tF.one_hot(a, 6), target)
    check(lambda a: F.one_hot(a), lambda a: tF.one_hot(a), target)


@pytest.mark.filterwarnings("ignore:Implicit dimension choice")
@pytest.mark.parametrize("shape", [(3,), (2, 3), (2, 3, 4), (2, 2, 2, 2)])
def test_softmax_without_a_dimension(shape: tuple[int, ...]) -> None:
    check(F.softmax, lambda a: tF.softmax(a), normal(*shape))


def containers(lib: Any) -> list[Any]:
    layers = lib.nn
    named = {"first": layers.Linear(2, 3), "second": layers.ReLU()}
    block = layers.Sequential(layers.Conv2d(1, 2, 3), layers.BatchNorm2d(2), layers.ReLU(inplace=True))
    return [
        block,
        block[:2],
        layers.Sequential(),
        layers.ModuleList(
            [layers.Linear(2, 2), layers.Linear(2, 2), layers.ReLU(), layers.Sequential(layers.Tanh())]
        ),
        layers.ModuleList(layers.Sequential(layers.Linear(1, 1)) for _ in range(3)),
        layers.ModuleDict(named),
        layers.ModuleDict(),
        layers.ModuleList(),
        layers.Sequential(layers.ModuleDict({"a": layers.ModuleList([layers.Dropout(), layers.Dropout()])})),
    ]


def test_containers_print_and_name_as_in_pytorch() -> None:
    for mine, reference in zip(containers(lenetc), containers(torch), strict=True):
        assert repr(mine) == repr(reference)
        assert list(mine.state_dict()) == list(reference.state_dict())
        assert [n for n, _ in mine.named_modules()] == [n for n, _ in reference.named_modules()]
        assert [n for n, _ in mine.named_parameters()] == [n for n, _ in reference.named_parameters()]
        assert [n for n, _ in mine.named_buffers()] == [n for n, _ in reference.named_buffers()]


@pytest.mark.parametrize("shapes", [(), ((2, 2),), ((2, 3), (4,))])
def test_parameter_list_prints_as_in_pytorch(shapes: tuple[tuple[int, ...], ...]) -> None:
    mine = nn.ParameterList(lenetc.zeros(*shape) for shape in shapes)
    reference = tnn.ParameterList(torch.zeros(*shape) for shape in shapes)
    assert repr(mine).replace("lenetc.", "torch.") == repr(reference)
    assert list(mine.state_dict()) == list(reference.state_dict())


def test_a_parameter_prints_as_in_pytorch() -> None:
    values = normal(3, 2)
    assert repr(nn.Parameter(lenetc.from_numpy(values))) == repr(tnn.Parameter(torch.tensor(values)))


@pytest.mark.parametrize(
    "changes",
    [
        {"0.weight": None},
        {"extra": np.zeros(1, np.float32)},
        {"0.bias": np.zeros((4,), np.float32)},
        {
            "0.weight": None,
            "2.bias": None,
            "a": np.zeros(1, np.float32),
            "0.bias": np.zeros((3, 1), np.float32),
        },
    ],
)
def test_load_state_dict_complains_as_pytorch(changes: dict[str, Any]) -> None:
    def model(lib: Any) -> Any:
        return lib.nn.Sequential(lib.nn.Linear(2, 3), lib.nn.ReLU(), lib.nn.Linear(3, 1))

    mine, reference = model(lenetc), model(torch)
    state = {name: value.numpy() for name, value in reference.state_dict().items()}
    state.update(changes)
    state = {name: value for name, value in state.items() if value is not None}
    before = {name: value.numpy() for name, value in mine.state_dict().items()}
    with pytest.raises(RuntimeError) as expected:
        reference.load_state_dict({name: torch.tensor(value) for name, value in state.items()})
    with pytest.raises(RuntimeError) as found:
        mine.load_state_dict(state)
    assert str(found.value).replace("lenetc.", "torch.") == str(expected.value)
    for name, value in mine.state_dict().items():
        np.testing.assert_array_equal(value.numpy(), before[name])


def clipped(lib: Any, norm: float, how: dict[str, Any]) -> tuple[Any, list[Any]]:
    leaves = [lib.tensor([1.0, -2.0]), lib.tensor([[3.0], [0.5]])]
    for i, leaf in enumerate(leaves):
        leaf.grad = leaf * (i + 2)
    total = lib.nn.utils.clip_grad_norm_(leaves, norm, **how)
    return total, [leaf.grad for leaf in leaves]


@pytest.mark.parametrize("norm", [0.5, 100.0])
@pytest.mark.parametrize("how", [{}, {"norm_type": 1.0}, {"norm_type": float("inf")}])
def test_clip_grad_norm(norm: float, how: dict[str, Any]) -> None:
    (mine, gradients), (reference, expected) = clipped(lenetc, norm, how), clipped(torch, norm, how)
    np.testing.assert_allclose(mine.item(), reference.item(), rtol=1e-6)
    for found, want in zip(gradients, expected, strict=True):
        np.testing.assert_allclose(found.numpy(), want.numpy(), rtol=1e-6)


def test_clip_grad_value_and_vectors() -> None:
    x = lenetc.tensor([1.0, -3.0, 0.2])
    x.grad = lenetc.tensor([1.0, -3.0, 0.2])
    nn.utils.clip_grad_value_([x], 0.5)
    assert x.grad.tolist() == pytest.approx([0.5, -0.5, 0.2])
    module, reference = nn.Linear(2, 3), tnn.Linear(2, 3)
    copy_state(module, reference)
    vector = nn.utils.parameters_to_vector(module.parameters())
    expected = tnn.utils.parameters_to_vector(reference.parameters())
    np.testing.assert_array_equal(vector.detach().numpy(), expected.detach().numpy())
    nn.utils.vector_to_parameters(vector * 2, module.parameters())
    np.testing.assert_array_equal(module.weight.detach().numpy(), reference.weight.detach().numpy() * 2)
