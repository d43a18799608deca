"""Layers over lines, images and volumes against live PyTorch: values, gradients, state, texts."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import lenetc  # noqa: E402
import lenetc.nn as nn  # noqa: E402
from ir.errors import LenetcError, UnsupportedError  # noqa: E402
from tests.parity.both import check, check_modules, copy_state  # noqa: E402

tnn = torch.nn
SHAPES = {1: (2, 4, 9), 2: (2, 4, 6, 7), 3: (2, 4, 3, 5, 4)}


def normal(*shape: int, seed: int = 0) -> Any:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def both(name: str, *arguments: Any, **how: Any) -> tuple[Any, Any]:
    return getattr(nn, name)(*arguments, **how), getattr(tnn, name)(*arguments, **how)


CONVOLUTIONS: list[dict[str, Any]] = [
    {},
    {"stride": 2, "padding": 1, "bias": False},
    {"dilation": 2, "groups": 2, "padding": "same"},
    {"padding": 1, "padding_mode": "reflect"},
    {"padding": "same", "padding_mode": "replicate"},
    {"padding": 2, "stride": 2, "padding_mode": "circular"},
]


@pytest.mark.parametrize("how", CONVOLUTIONS, ids=str)
@pytest.mark.parametrize("dims", [1, 2, 3])
def test_convolutions(dims: int, how: dict[str, Any]) -> None:
    kernel = 2 if how.get("padding") == "same" and dims > 1 else 3
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        check_modules(
            *both(f"Conv{dims}d", 4, 6, kernel, **how), normal(*SHAPES[dims]), chains=False, atol=1e-5
        )


TRANSPOSED: list[dict[str, Any]] = [
    {},
    {"stride": 2, "padding": 1, "output_padding": 1, "bias": False},
    {"stride": 2, "dilation": 3, "output_padding": 2, "padding": 1},
    {"groups": 2, "dilation": 2},
]


@pytest.mark.parametrize("how", TRANSPOSED, ids=str)
@pytest.mark.parametrize("dims", [1, 2, 3])
def test_transposed_convolutions(dims: int, how: dict[str, Any]) -> None:
    pair = both(f"ConvTranspose{dims}d", 4, 6, 3, **how)
    check_modules(*pair, normal(*SHAPES[dims]), chains=False, atol=1e-5)
    unbatched = normal(*SHAPES[dims][1:])
    check(*pair, unbatched, chains=False, atol=1e-5)


def test_output_size_of_a_transposed_convolution() -> None:
    module, reference = both("ConvTranspose2d", 4, 3, 3, stride=2, padding=1)
    copy_state(module, reference)
    for size in ((12, 13), (2, 3, 11, 14)):
        check(
            lambda x, s=size: module(x, output_size=s),
            lambda x, s=size: reference(x, output_size=s),
            normal(2, 4, 6, 7),
            chains=False,
            atol=1e-5,
        )
    for library, net in ((lenetc, module), (torch, reference)):
        with pytest.raises(ValueError, match="requested an output size of"):
            net(library.randn(2, 4, 6, 7), output_size=(20, 20))


LAYERS: list[tuple[str, tuple[Any, ...], dict[str, Any], tuple[int, ...]]] = [
    ("MaxPool1d", (2,), {}, (2, 3, 7)),
    ("MaxPool2d", (3, 2, 1, 1, False, True), {}, (2, 3, 6, 7)),
    ("MaxPool3d", (3,), {"stride": 2, "padding": 1, "ceil_mode": True}, (2, 3, 5, 6, 4)),
    ("MaxPool3d", (2,), {"stride": 1, "dilation": 2}, (3, 5, 6, 4)),
    ("AvgPool1d", (3, 2, 1), {}, (2, 3, 7)),
    ("AvgPool2d", (2,), {"divisor_override": 3, "ceil_mode": True}, (2, 3, 5, 6)),
    ("AvgPool3d", (2,), {"padding": 1, "count_include_pad": False}, (2, 3, 5, 6, 4)),
    ("AvgPool3d", (3, 2), {"divisor_override": 5, "ceil_mode": True}, (2, 3, 5, 6, 4)),
    ("LPPool1d", (2, 3), {}, (2, 3, 7)),
    ("LPPool2d", (2, (2, 3)), {"stride": 1}, (2, 3, 5, 6)),
    ("LPPool3d", (1, 2), {}, (2, 3, 4, 4, 4)),
    ("AdaptiveAvgPool1d", (3,), {}, (2, 3, 7)),
    ("AdaptiveAvgPool2d", ((3, None),), {}, (2, 3, 7, 5)),
    ("AdaptiveAvgPool3d", ((2, 3, 1),), {}, (3, 5, 4, 6)),
    ("AdaptiveMaxPool1d", (3,), {}, (2, 3, 7)),
    ("AdaptiveMaxPool2d", (4,), {}, (2, 3, 7, 6)),
    ("AdaptiveMaxPool3d", ((2, 3, 1),), {}, (2, 3, 5, 4, 6)),
    ("ZeroPad1d", ((1, 2),), {}, (2, 3, 7)),
    ("ZeroPad2d", ((1, -1, 0, 2),), {}, (2, 3, 4, 5)),
    ("ZeroPad3d", (1,), {}, (2, 3, 4, 5, 3)),
    ("ConstantPad1d", (1, 2.5), {}, (2, 3, 7)),
    ("ConstantPad2d", (1, -1), {}, (3, 4, 5)),
    ("ConstantPad3d", (1, 2.5), {}, (2, 3, 4, 5, 3)),
    ("ReflectionPad1d", ((2, -1),), {}, (2, 3, 7)),
    ("ReflectionPad2d", (2,), {}, (3, 4, 5)),
    ("ReflectionPad3d", (1,), {}, (2, 3, 4, 5, 3)),
    ("ReplicationPad1d", ((2, 9),), {}, (2, 3, 7)),
    ("ReplicationPad2d", ((1, 2, -1, 0),), {}, (2, 3, 4, 5)),
    ("ReplicationPad3d", (1,), {}, (2, 3, 4, 5, 3)),
    ("CircularPad1d", (3,), {}, (2, 3, 7)),
    ("CircularPad2d", ((1, 2, 0, -1),), {}, (2, 3, 4, 5)),
    ("CircularPad3d", (2,), {}, (2, 3, 4, 5, 3)),
    ("Upsample", (), {"scale_factor": 2}, (2, 3, 4, 5)),
    ("Upsample", ((7, 3),), {"mode": "bilinear"}, (2, 3, 4, 5)),
    ("Upsample", (), {"scale_factor": (1.5, 2), "mode": "bicubic", "align_corners": True}, (2, 3, 4, 5)),
    ("UpsamplingNearest2d", (), {"scale_factor": 1.7}, (2, 3, 4, 5)),
    ("UpsamplingBilinear2d", (9,), {}, (2, 3, 4, 5)),
    ("Unfold", (2,), {"dilation": 2, "padding": 1, "stride": 2}, (2, 3, 6, 5)),
    ("Fold", ((4, 5), (2, 3)), {}, (2, 12, 9)),
    ("PixelShuffle", (2,), {}, (2, 8, 3, 4)),
    ("PixelUnshuffle", (2,), {}, (2, 6, 4)),
    ("ChannelShuffle", (3,), {}, (2, 6, 4, 3)),
    ("LocalResponseNorm", (3,), {"k": 2.0, "alpha": 0.1}, (2, 5, 4)),
    ("LocalResponseNorm", (4,), {}, (2, 5, 3, 4)),
]


@pytest.mark.parametrize(("name", "arguments", "how", "shape"), LAYERS)
def test_layers(name: str, arguments: tuple[Any, ...], how: dict[str, Any], shape: tuple[int, ...]) -> None:
    pair = both(name, *arguments, **how)
    check_modules(*pair, normal(*shape), chains=False, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("dims", [1, 2, 3])
@pytest.mark.parametrize(("kernel", "stride"), [(2, 2), (3, 1)])
def test_unpooling(dims: int, kernel: int, stride: int) -> None:
    """Where windows overlap, several name one place."""
    pool, pool_reference = both(f"MaxPool{dims}d", kernel, stride, return_indices=True)
    back, back_reference = both(f"MaxUnpool{dims}d", kernel, stride)
    assert repr(back) == repr(back_reference)
    x = normal(*SHAPES[dims])

    def through(pool: Any, back: Any) -> Any:
        def run(a: Any) -> Any:
            values, indices = pool(a)
            return back(values * 2, indices, output_size=a.size()) + indices.sum()

        return run

    check(through(pool, back), through(pool_reference, back_reference), x, chains=False)


@pytest.mark.parametrize(("dims", "how"), [(2, {"output_size": (3, 2)}), (3, {"output_ratio": 0.5})])
def test_fractional_pools(dims: int, how: dict[str, Any]) -> None:
    """At the same places; those that are drawn lie inside."""
    shape = {2: (2, 3, 7, 6), 3: (2, 3, 5, 6, 7)}[dims]
    drawn = np.random.default_rng(3).random((2, 3, dims)).astype(np.float32)
    module = getattr(nn, f"FractionalMaxPool{dims}d")(2, **how, _random_samples=lenetc.from_numpy(drawn))
    reference = getattr(tnn, f"FractionalMaxPool{dims}d")(2, **how, _random_samples=torch.from_numpy(drawn))
    x = np.round(normal(*shape) * 2)
    check_modules(module, reference, x, chains=False)
    module.return_indices = reference.return_indices = True
    assert np.array_equal(module(lenetc.from_numpy(x))[1].numpy(), reference(torch.from_numpy(x))[1].numpy())
    module = getattr(nn, f"FractionalMaxPool{dims}d")(2, **how, return_indices=True)
    values, places = module(lenetc.from_numpy(x))
    assert np.array_equal(
        lenetc.from_numpy(x).flatten(2).gather(2, places.flatten(2)).numpy(), values.flatten(2).numpy()
    )


LAZY: list[tuple[str, tuple[Any, ...], tuple[int, ...]]] = [
    ("LazyConv1d", (6, 3), (2, 4, 9)),
    ("LazyConv2d", (6, 3), (4, 6, 7)),
    ("LazyConv3d", (6, 2), (2, 4, 3, 5, 4)),
    ("LazyConvTranspose2d", (6, 3), (2, 4, 6, 7)),
    ("LazyLinear", (3,), (2, 5)),
    ("LazyBatchNorm1d", (), (4, 3)),
    ("LazyBatchNorm2d", (1e-3,), (2, 3, 4, 5)),
    ("LazyInstanceNorm1d", (), (2, 3, 4)),
]


@pytest.mark.parametrize(("name", "arguments", "shape"), LAZY)
def test_lazy_layers(name: str, arguments: tuple[Any, ...], shape: tuple[int, ...]) -> None:
    module, reference = both(name, *arguments)
    assert repr(module) == repr(reference)
    assert repr(module.state_dict()["weight"]) == repr(reference.state_dict()["weight"])
    with pytest.raises(LenetcError, match="no shape of an uninitialized"):
        module.weight.shape  # noqa: B018
    optimizer = lenetc.optim.SGD(module.parameters(), lr=0.1)
    x = normal(*shape)
    module(lenetc.from_numpy(x)), reference(torch.from_numpy(x))
    assert type(module) is getattr(nn, name.removeprefix("Lazy"))
    check_modules(module, reference, x, chains=False, atol=1e-5)
    before = module.weight.detach().numpy()
    optimizer.step()
    assert np.abs(module.weight.detach().numpy() - before).max() > 0
    loaded = getattr(nn, name)(*arguments)
    loaded.load_state_dict(module.state_dict())
    module.eval(), loaded.eval()
    found, expected = (net(lenetc.from_numpy(x)).detach().numpy() for net in (loaded, module))
    assert np.array_equal(found, expected)


def test_what_is_not_here_says_what_to_use() -> None:
    with pytest.raises(UnsupportedError, match=r"is not supported; use LocalResponseNorm\(2"):
        nn.CrossMapLRN2d(2)
