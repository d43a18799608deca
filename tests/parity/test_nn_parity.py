"""Layers, losses and functions against live PyTorch: values, gradients, grad_fn chains, names, texts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import lenetc  # noqa: E402
import lenetc.nn as nn  # noqa: E402
import lenetc.nn.functional as F  # noqa: E402
from tests.parity.both import check, check_modules, copy_state  # noqa: E402

pytestmark = pytest.mark.parity

tnn, tF = torch.nn, torch.nn.functional


def normal(*shape: int, seed: int = 0) -> Any:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def whole(*shape: int, span: int = 2, seed: int = 0) -> Any:
    """Small whole numbers as floats: full of ties."""
    return np.random.default_rng(seed).integers(-span, span + 1, shape).astype(np.float32)


def labels(*shape: int, classes: int = 5, seed: int = 0) -> Any:
    return np.random.default_rng(seed).integers(0, classes, shape)


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


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize(
    ("name", "how"),
    [
        ("MSELoss", {}),
        ("L1Loss", {}),
        ("SmoothL1Loss", {}),
        ("SmoothL1Loss", {"beta": 0.5}),
        ("SmoothL1Loss", {"beta": 0.0}),
        ("HuberLoss", {"delta": 2.0}),
    ],
)
def test_regression_losses(name: str, how: dict[str, Any], reduction: str) -> None:
    module = getattr(nn, name)(reduction=reduction, **how)
    reference = getattr(tnn, name)(reduction=reduction, **how)
    check_modules(
        module, reference, whole(4, 3), whole(4, 3, seed=1)
    )  # differences of 0, beta and delta among them
    check_modules(module, reference, normal(4, 3), normal(4, 3, seed=1))


@pytest.mark.parametrize("name", ["mse_loss", "l1_loss", "huber_loss"])
def test_losses_of_different_sizes_warn_and_broadcast(name: str) -> None:
    sizes = [rf"\(\w+.Size\(\[{size}\]\)\)" for size in ("4", "3, 1")]
    message = f"Using a target size {sizes[0]} that is different to the input size {sizes[1]}"
    with pytest.warns(UserWarning, match=message):
        check(getattr(F, name), getattr(tF, name), normal(3, 1), normal(4, seed=1))


CLASSIFIERS: list[tuple[tuple[int, ...], tuple[int, ...]]] = [
    ((4, 5), (4,)),
    ((5,), ()),
    ((3, 5, 2), (3, 2)),
    ((2, 5, 2, 3), (2, 2, 3)),
    ((2, 5, 2, 1, 2), (2, 2, 1, 2)),
]


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize(("scores", "places"), CLASSIFIERS)
def test_cross_entropy(scores: tuple[int, ...], places: tuple[int, ...], reduction: str) -> None:
    module, reference = nn.CrossEntropyLoss(reduction=reduction), tnn.CrossEntropyLoss(reduction=reduction)
    check_modules(module, reference, normal(*scores) * 5, labels(*places), chains=len(scores) in (1, 2, 4))


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize(
    "how", [{}, {"label_smoothing": 0.1}, {"ignore_index": 2}, {"label_smoothing": 0.3, "ignore_index": 2}]
)
@pytest.mark.parametrize("weighted", [False, True])
def test_cross_entropy_options(how: dict[str, Any], weighted: bool, reduction: str) -> None:
    weight = np.array([0.5, 1, 2, 3, 0], np.float32)
    kwargs = {**how, "reduction": reduction}
    module = nn.CrossEntropyLoss(lenetc.from_numpy(weight) if weighted else None, **kwargs)
    reference = tnn.CrossEntropyLoss(torch.tensor(weight) if weighted else None, **kwargs)
    target = np.array([0, 2, 4, 2, 1, how.get("ignore_index", -100)])
    check_modules(module, reference, normal(6, 5), target, chains=False)


def test_cross_entropy_where_a_score_is_minus_infinity() -> None:
    scores = normal(3, 5)
    scores[:, 4] = -np.inf
    check(F.cross_entropy, tF.cross_entropy, scores, np.array([0, 1, 2]))


def test_cross_entropy_of_ignored_labels_only_is_nan() -> None:
    assert np.isnan(F.cross_entropy(lenetc.from_numpy(normal(2, 3)), lenetc.tensor([-100, -100])).item())


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("shape", [(4, 5), (5,), (2, 5, 3)])
@pytest.mark.parametrize("how", [{}, {"label_smoothing": 0.2}])
def test_cross_entropy_of_probabilities(shape: tuple[int, ...], how: dict[str, Any], reduction: str) -> None:
    weight = np.array([0.5, 1, 2, 3, 0], np.float32)
    target = np.abs(normal(*shape, seed=3))
    for given in (None, weight):
        module = nn.CrossEntropyLoss(
            None if given is None else lenetc.from_numpy(given), reduction=reduction, **how
        )
        reference = tnn.CrossEntropyLoss(
            None if given is None else torch.tensor(given), reduction=reduction, **how
        )
        check_modules(module, reference, normal(*shape), target, chains=False)


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_nll_loss(reduction: str) -> None:
    weight = np.array([0.5, 1, 2, 3, 4], np.float32)
    module = nn.NLLLoss(lenetc.from_numpy(weight), ignore_index=1, reduction=reduction)
    reference = tnn.NLLLoss(torch.tensor(weight), ignore_index=1, reduction=reduction)
    check_modules(module, reference, normal(6, 5), np.array([0, 1, 2, 3, 4, 1]))
    check_modules(
        nn.NLLLoss(reduction=reduction), tnn.NLLLoss(reduction=reduction), normal(2, 5, 3, 2), labels(2, 3, 2)
    )


def test_grad_fn_of_the_usual_losses() -> None:
    check(F.cross_entropy, tF.cross_entropy, normal(4, 5), labels(4), chains=True)
    check(F.cross_entropy, tF.cross_entropy, normal(4, 5, 2), labels(4, 2), chains=True)


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("weighted", [False, True])
def test_bce_loss(weighted: bool, reduction: str) -> None:
    weight = np.array([1, 2, 0.5, 3], np.float32)
    module = nn.BCELoss(lenetc.from_numpy(weight) if weighted else None, reduction=reduction)
    reference = tnn.BCELoss(torch.tensor(weight) if weighted else None, reduction=reduction)
    rng = np.random.default_rng(0)
    x, y = (rng.uniform(0.01, 0.99, (3, 4)).astype(np.float32) for _ in range(2))
    check_modules(module, reference, x, y, rtol=2e-5)
    # At the ends only the input's gradient: the target's is infinite in PyTorch, though it cuts the loss off.
    ends = np.array([[0, 1, 0, 1], [1, 0, 0.5, 1e-9]], np.float32)
    targets = np.array([[0, 1, 1, 0], [0.5, 0.5, 1, 1]], np.float32)
    check(lambda a, b: module(a, b.detach()), lambda a, b: reference(a, b.detach()), ends, targets, rtol=2e-5)


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("names", [(), ("weight",), ("pos_weight",), ("weight", "pos_weight")])
def test_bce_with_logits_loss(names: tuple[str, ...], reduction: str) -> None:
    factors = {
        "weight": np.array([1, 2, 0.5, 3], np.float32),
        "pos_weight": np.array([3, 1, 2, 0.5], np.float32),
    }
    module = nn.BCEWithLogitsLoss(**{n: lenetc.from_numpy(factors[n]) for n in names}, reduction=reduction)
    reference = tnn.BCEWithLogitsLoss(**{n: torch.tensor(factors[n]) for n in names}, reduction=reduction)
    x = np.concatenate([normal(4, 4), [[0, 20, -20, 90]]]).astype(np.float32)
    y = np.concatenate([np.random.default_rng(1).uniform(0, 1, (4, 4)), [[0, 1, 0, 1]]]).astype(np.float32)
    check_modules(module, reference, x, y)


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


# Bad input: refused where PyTorch refuses.


REFUSED: list[tuple[str, Any, tuple[Any, ...]]] = [
    ("channels", lambda lib, x: lib.nn.Conv2d(1, 6, 5)(x), (normal(1, 3, 32, 32),)),
    ("rank", lambda lib, x: lib.nn.Conv2d(1, 6, 5)(x), (normal(32, 32),)),
    ("too small", lambda lib, x: lib.nn.Conv2d(1, 6, 5)(x), (normal(1, 1, 3, 3),)),
    ("dtype", lambda lib, x: lib.nn.Conv2d(1, 6, 5)(x), (normal(1, 1, 9, 9).astype(np.float64),)),
    ("integers", lambda lib, x: lib.nn.Conv2d(1, 6, 5)(x), (labels(1, 1, 9, 9),)),
    ("padding name", lambda lib: lib.nn.Conv2d(1, 6, 5, padding="full"), ()),
    ("same with stride", lambda lib: lib.nn.Conv2d(1, 6, 5, padding="same", stride=2), ()),
    ("groups", lambda lib: lib.nn.Conv2d(3, 6, 5, groups=2), ()),
    ("no groups", lambda lib: lib.nn.Conv2d(3, 6, 5, groups=0), ()),
    ("features", lambda lib, x: lib.nn.Linear(4, 3)(x), (normal(2, 5),)),
    ("a scalar", lambda lib, x: lib.nn.Linear(4, 3)(x), (normal(),)),
    ("linear dtype", lambda lib, x: lib.nn.Linear(4, 3)(x), (normal(2, 4).astype(np.float64),)),
    ("pool rank", lambda lib, x: lib.nn.functional.max_pool2d(x, 2), (normal(4, 4),)),
    ("pool padding", lambda lib, x: lib.nn.functional.max_pool2d(x, 2, padding=2), (normal(1, 1, 4, 4),)),
    ("pool size", lambda lib, x: lib.nn.functional.max_pool2d(x, 2), (normal(1, 1, 1, 1),)),
    (
        "label too large",
        lambda lib, x, y: lib.nn.CrossEntropyLoss()(x, y),
        (normal(3, 4), np.array([0, 1, 4])),
    ),
    (
        "label negative",
        lambda lib, x, y: lib.nn.CrossEntropyLoss()(x, y),
        (normal(3, 4), np.array([0, 1, -1])),
    ),
    (
        "label dtype",
        lambda lib, x, y: lib.nn.CrossEntropyLoss()(x, y),
        (normal(3, 4), np.array([0, 1, 2], np.int32)),
    ),
    ("label float", lambda lib, x, y: lib.nn.CrossEntropyLoss()(x, y), (normal(3, 4), normal(3))),
    ("label count", lambda lib, x, y: lib.nn.CrossEntropyLoss()(x, y), (normal(3, 4), np.array([0, 1]))),
    ("label ones", lambda lib, x, y: lib.nn.CrossEntropyLoss()(x, y), (normal(3, 4), labels(3, 4))),
    (
        "label column",
        lambda lib, x, y: lib.nn.CrossEntropyLoss()(x, y),
        (normal(3, 4), labels(3, 1, classes=4)),
    ),
    (
        "label places",
        lambda lib, x, y: lib.nn.CrossEntropyLoss()(x, y),
        (normal(3, 4, 5), labels(3, 4, classes=4)),
    ),
    (
        "weights",
        lambda lib, x, y, w: lib.nn.CrossEntropyLoss(w)(x, y),
        (normal(3, 4), labels(3, classes=4), normal(3)),
    ),
    (
        "smoothing",
        lambda lib, x, y: lib.nn.CrossEntropyLoss(label_smoothing=2.0)(x, y),
        (normal(3, 4), labels(3, classes=4)),
    ),
    (
        "reduction",
        lambda lib, x, y: lib.nn.CrossEntropyLoss(reduction="x")(x, y),
        (normal(3, 4), labels(3, classes=4)),
    ),
    (
        "ignored",
        lambda lib, x, y: lib.nn.CrossEntropyLoss(ignore_index=1)(x, y),
        (normal(3, 4), normal(3, 4)),
    ),
    (
        "integer scores",
        lambda lib, x, y: lib.nn.CrossEntropyLoss()(x, y),
        (labels(3, 4), labels(3, classes=4)),
    ),
    ("integer mse", lambda lib, x, y: lib.nn.MSELoss()(x, y), (labels(3), labels(3))),
    ("bce sizes", lambda lib, x, y: lib.nn.BCELoss()(x, y), (normal(3), normal(4))),
    ("logit sizes", lambda lib, x, y: lib.nn.BCEWithLogitsLoss()(x, y), (normal(3), normal(4))),
    ("delta", lambda lib, x: lib.nn.functional.huber_loss(x, x, delta=0.0), (normal(3),)),
    ("beta", lambda lib, x: lib.nn.functional.smooth_l1_loss(x, x, beta=-1.0), (normal(3),)),
    ("probability", lambda lib, x: lib.nn.functional.dropout(x, 2.0), (normal(3),)),
    ("dropout module", lambda lib: lib.nn.Dropout(2.0), ()),
    ("batch norm rank", lambda lib, x: lib.nn.BatchNorm2d(3)(x), (normal(1, 3),)),
    ("batch norm size", lambda lib, x: lib.nn.BatchNorm2d(3)(x), (normal(1, 4, 2, 2),)),
    ("one value", lambda lib, x: lib.nn.BatchNorm2d(3)(x), (normal(1, 3, 1, 1),)),
    ("layer norm", lambda lib, x: lib.nn.LayerNorm(3)(x), (normal(2, 4),)),
    ("index", lambda lib, x: lib.nn.Embedding(3, 2)(x), (np.array([3]),)),
    ("index dtype", lambda lib, x: lib.nn.Embedding(3, 2)(x), (normal(2),)),
    ("one-hot", lambda lib, x: lib.nn.functional.one_hot(x, 3), (np.array([4]),)),
    ("negative one-hot", lambda lib, x: lib.nn.functional.one_hot(x, 3), (np.array([-1]),)),
    ("softmax", lambda lib, x: lib.nn.functional.softmax(x, 0), (labels(3),)),
    ("no forward", lambda lib: lib.nn.Module()(1), ()),
    ("no attribute", lambda lib: lib.nn.Linear(1, 1).wieght, ()),
]


@pytest.mark.filterwarnings("ignore:Using a target size")
@pytest.mark.parametrize(
    ("call", "arrays"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED]
)
def test_refused_as_in_pytorch(call: Any, arrays: tuple[Any, ...]) -> None:
    with pytest.raises(Exception) as expected:
        call(torch, *map(torch.from_numpy, map(np.asarray, arrays)))
    with pytest.raises(Exception) as found:
        call(lenetc, *map(lenetc.from_numpy, arrays))
    kind = type(expected.value)
    if kind is NotImplementedError and "not implemented for" in str(expected.value):
        kind = TypeError  # a dtype that a kernel lacks
    if kind is AssertionError:
        kind = ValueError
    assert isinstance(found.value, kind), (type(found.value), str(found.value), str(expected.value))
