"""Functions over lines, images and volumes against live PyTorch, a line of code each: values, gradients, errors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import lenetc  # noqa: E402
from ir.types import f32, f64  # noqa: E402
from lenetc.nn.functional.spatial.resize import sources  # noqa: E402
from tests.parity.kinds.alike import check_all  # noqa: E402

F = torch.nn.functional
RNG = np.random.default_rng(5)


def normal(*shape: int) -> Any:
    return RNG.standard_normal(shape)


def ties(*shape: int) -> Any:
    return RNG.integers(-2, 3, shape)


def with_gradients(expressions: list[str], *names: str) -> list[str]:
    """Each expression, and the gradients of its squares for what is named."""
    return [
        code
        for e in expressions
        for code in (e, *(f"y = {e}; (y * y * 0.5).sum().backward(); {name}.grad" for name in names))
    ]


@pytest.mark.parametrize("dims", [1, 2, 3])
def test_convolutions(dims: int) -> None:
    shape = (2, 4, 7, 6, 5)[: dims + 2]
    values = {
        "x": (normal(*shape), "f64"),
        "w": (normal(6, 4, *(3,) * dims), "f64"),
        "v": (normal(6, 2, *(2, 3, 1)[:dims]), "f64"),
        "u": (normal(4, 3, *(3, 2, 1)[:dims]), "f64"),
        "b": (normal(6), "f64"),
        "big": (normal(6, 4, *(9,) * dims), "f64"),
    }
    f, g = f"F.conv{dims}d", f"F.conv_transpose{dims}d"
    codes = [
        f"{f}(x, w, b)",
        f"{f}(x[0], w, b, padding='valid')",
        f"{f}(x, w, stride={(2, 1, 3)[:dims]}, padding={(0, 2, 1)[:dims]}, dilation={(2, 1, 2)[:dims]})",
        f"{f}(x, v, b, 1, 'same', 2, 2)",
        f"{g}(x, u, stride=2, padding=1, output_padding=1)",
        f"{g}(x[0], u, b, {(2, 3, 1)[:dims]}, 0, 0, 2, 2)",
        f"{g}(x, u, None, 1, 1, 2, 1, 3)",
    ]
    check_all(with_gradients(codes, "x"), values, grad=True)
    wrong = [
        f"{f}(x, v, b)",
        f"{f}(x, w, x)",
        f"{f}(x, w, padding='same', stride=2)",
        f"{f}(x, big)",
        f"{f}(x, w, padding=-1)",
        f"{f}(x[0, 0], w)",
        f"{f}(x, w, stride=0)",
        f"{g}(x, w)",
        f"{g}(x, u, b)",
        f"{g}(x, u, padding=9)",
        f"{g}(x, u, output_padding=1)",
    ]
    check_all([f"y = F.conv_transpose2d(x, u); u.grad, {wrong[0]}", *wrong], values)
    weights = [f"{f}(x, v, b, groups=2, padding=1)", f"{g}(x, u, b, groups=2, stride=2)"]
    check_all(
        with_gradients(weights[:1], "v", "b") + with_gradients(weights[1:], "u", "b"), values, grad=True
    )


def pools(dims: int) -> list[str]:
    window = [(2, 1, 2)[:dims], (3, 2, 1)[:dims]]
    f, g = f"F.max_pool{dims}d", f"F.avg_pool{dims}d"
    codes = [
        f"{f}(x, 2)",
        f"{f}(x[0], 3, 2, 1)",
        f"{f}(x, 2, 1, 0, 2)",
        f"{f}(x, 3, 2, 1, ceil_mode=True)",
        f"{f}(x, {window[0]}, {window[1]})",
        f"{f}(x, 3, [])",
        f"{g}(x, 3, 2, 1, True)",
        f"{g}(x, 3, 2, 1, True, False)",
        f"{g}(x[0], {window[0]}, {window[1]})",
    ]
    if dims > 1:
        codes += [f"{g}(x, 3, 2, 1, True, divisor_override=-5)", f"{g}(x, 2, divisor_override=0)"]
    for size in (1, 2, 4, (3, 2, 1)[:dims], 9):
        codes += [f"F.adaptive_avg_pool{dims}d(x, {size})", f"F.adaptive_max_pool{dims}d(x[0], {size})"]
    return codes


def indexed(dims: int) -> list[str]:
    f = f"F.max_pool{dims}d"
    return [
        f"{f}(x, 2, return_indices=True)",
        f"{f}(x, 3, 2, 1, 1, True, True)",
        f"{f}(x[0], 2, 1, 0, 2, return_indices=True)",
        f"F.adaptive_max_pool{dims}d(x, 2, True)",
        f"F.adaptive_max_pool{dims}d(x, {(3, 2, 1)[:dims]}, return_indices=True)",
        f"{f}(x, 20)",
        f"{f}(x, 2, 1, 2)",
        f"F.avg_pool{dims}d(x, 2, 1, 2)",
        f"{f}(x, -1)",
        f"F.adaptive_avg_pool{dims}d(x, -1)",
        f"{f}(x, 2.5)",
    ]


@pytest.mark.parametrize("dims", [1, 2, 3])
def test_pools(dims: int) -> None:
    """Where elements are equal, NaN or -inf the first one, the last one or any of the window is found."""
    shape = (2, 3, 5, 7, 6)[: dims + 2]
    odd = ties(*shape).astype(np.float64)
    odd[0, 0, 2:4] = np.nan
    odd[1, 1] = -np.inf
    odd[1, 2, ..., 4] = np.nan
    for x in (ties(*shape), odd):
        values = {"x": (x, "f32")}
        check_all(with_gradients(pools(dims), "x"), values, grad=True)
        check_all(indexed(dims), values)
    positive = {"x": (np.abs(normal(*shape)) + 0.1, "f64")}
    norms = [f"F.lp_pool{dims}d(x, {p}, 2)" for p in (1, 2.5, "inf", "-inf")] + [
        f"F.lp_pool{dims}d(x, 3, 3, 2, True)"
    ]
    check_all(with_gradients(norms, "x"), positive, grad=True)


PADS = [
    "F.pad({x}, {pad}, 'reflect')",
    "F.pad({x}, {pad}, 'replicate')",
    "F.pad({x}, {pad}, 'circular')",
    "F.pad({x}, {pad}, value=2.5)",
]
AMOUNTS = [
    (1, 1),
    (-1, 2),
    (0, 0),
    (3, 2),
    (4, 4),
    (5, 5),
    (-2, -3),
    (1, 2, 3, 0),
    (-1, 2, 2, -1),
    (1, 0, 2, 1, 1, 2),
]


@pytest.mark.parametrize("form", PADS)
def test_pads(form: str) -> None:
    codes = [
        form.format(x=x, pad=pad) for pad in AMOUNTS for x in ("x", "x[0]", "x[0, 0]", "x[0, 0, 0]") if pad
    ]
    values = {"x": (normal(1, 2, 4, 4, 5), "f64")}
    check_all(codes, values)
    check_all(with_gradients([codes[9], codes[-4]], "x"), values, grad=True)


def test_pads_of_integers_and_bools() -> None:
    values = {"i": ([[1, 2, 3]], "i64"), "b": ([[True, False, True]], "bool")}
    check_all(
        [
            "F.pad(i, (1, 2), value=7)",
            "F.pad(b, (1, 0))",
            "F.pad(i, (1, 2), 'reflect')",
            "F.pad(i, (1, 2), 'x')",
        ],
        values,
    )


def test_columns_and_shuffles() -> None:
    values = {"x": (normal(2, 12, 6, 4), "f64"), "c": (normal(2, 12, 9), "f64")}
    codes = [
        "F.unfold(x, 3, 1, 1, 2)",
        "F.unfold(x[0], (2, 3), padding=(0, 1))",
        "F.unfold(x, 2, dilation=(2, 1))",
        "F.pixel_shuffle(x, 2)",
        "F.pixel_unshuffle(x[0], 2)",
        "F.channel_shuffle(x, 3)",
        "F.local_response_norm(x, 5, 0.1, 0.5, 2.0)",
    ]
    check_all(with_gradients(codes, "x"), values, grad=True)
    folded = [
        "F.fold(c, (4, 5), (2, 3))",
        "F.fold(c[0], (4, 4), 2, stride=1)",
        "F.fold(c, 6, 2, 2, 0, (1, 2))",
    ]
    check_all(with_gradients(folded, "c"), values, grad=True)
    wrong = ["F.unfold(x, 7)", "F.pixel_shuffle(x, 5)", "F.pixel_unshuffle(x, 5)", "F.channel_shuffle(x, 5)"]
    check_all([*wrong, "F.fold(c, (4, 4), (2, 3))", "F.fold(c, (4, 5), 5)", "F.pixel_shuffle(x, 0)"], values)


SIZES = [
    "size=4",
    "size=11",
    "scale_factor=2",
    "scale_factor=1.7",
    "scale_factor=0.6, recompute_scale_factor=True",
]


@pytest.mark.parametrize("dims", [1, 2, 3])
def test_interpolate(dims: int) -> None:
    values = {"x": (normal(2, 3, 5, 4, 3)[(slice(None),) * 2 + (0,) * (3 - dims)], "f64")}
    modes = ["'nearest'", "'nearest-exact'", "'area'"]
    smooth = [["'linear'"], ["'bilinear'", "'bicubic'"], ["'trilinear'"]][dims - 1]
    modes += smooth + [f"{mode}, align_corners=True" for mode in smooth]
    codes = [f"F.interpolate(x, {size}, mode={mode})" for mode in modes for size in SIZES]
    check_all(codes, values)
    # Of volumes PyTorch's own gradient is wrong where `scale_factor` is no ratio of sizes.
    steps = [code for code in codes if "size=" in code or "scale_factor=2" in code]
    check_all(with_gradients(steps, "x")[1::2], values, grad=True)
    wrong = [
        "size=3, scale_factor=2",
        "",
        "size=(3,) * 4",
        "size=0",
        "size=3, mode='nearest', align_corners=True",
    ]
    check_all([f"F.interpolate(x, {how})" for how in wrong] + ["F.interpolate(x, 3, mode='cubic')"], values)


def test_interpolate_with_antialias() -> None:
    values = {"x": (normal(2, 3, 9, 12), "f64")}
    sizes = ["size=(4, 5)", "size=(20, 12)", "size=1", "scale_factor=0.4", "scale_factor=(0.3, 1.7)"]
    modes = ["'bilinear'", "'bicubic'", "'bicubic', align_corners=True"]
    codes = [f"F.interpolate(x, {size}, mode={mode}, antialias=True)" for mode in modes for size in sizes]
    check_all(codes, values)
    check_all(with_gradients(codes, "x")[1::4], values, grad=True)
    check_all(["F.interpolate(x, 3, mode='nearest', antialias=True)"], values)


def test_places_that_resizing_reads_are_pytorchs_for_every_size() -> None:
    for size in (*range(1, 40, 3), 57, 100, 224):
        line = np.arange(size).reshape(1, 1, size)
        for wanted in (1, 2, 3, 7, 16, 31, 100, 133):
            for mode in ("nearest", "nearest-exact"):
                for kind, dtype in ((f32, np.float32), (f64, np.float64)):
                    for scale in (None, (wanted + 0.5) / size):
                        how = {"size": wanted} if scale is None else {"scale_factor": scale}
                        expected = F.interpolate(
                            torch.from_numpy(line.astype(dtype)), mode=mode, **how
                        ).numpy()[0, 0]
                        places, _ = sources(mode, size, len(expected), scale, False, kind)
                        assert np.array_equal(places[:, 0], expected), (size, wanted, mode, dtype, scale)


@pytest.mark.parametrize("padding", ["zeros", "border", "reflection"])
def test_grid_sample(padding: str) -> None:
    far = normal(1, 3, 4, 2) * 4
    far[0, 0, 0, 0], far[0, 1, 1, 1], far[0, 2, 2], far[0, 2, 1] = np.nan, np.inf, 1e30, (-1, 1)
    values = {
        "x": (normal(2, 3, 5, 4), "f64"),
        "g": (normal(2, 4, 3, 2) * 1.2, "f64"),
        "v": (normal(2, 3, 4, 5, 3), "f64"),
        "h": (normal(2, 2, 3, 2, 3) * 1.1, "f64"),
        "far": (far, "f64"),
    }
    images, volumes, strange = [], [], []
    for aligned in (False, True):
        for mode in ("bilinear", "nearest", "bicubic"):
            how = f"'{mode}', '{padding}', {aligned}"
            images.append(f"F.grid_sample(x, g, {how})")
            volumes.append(f"F.grid_sample(v, h, {how})")
            strange += [] if mode == "bicubic" else [f"F.grid_sample(x[:1], far, {how})"]
    check_all(with_gradients(images, "x", "g"), values, grad=True)
    check_all(with_gradients(volumes[:2], "v", "h"), values, grad=True)
    check_all([*strange, volumes[2], "F.grid_sample(x, h)", "F.grid_sample(x, g, 'linear')"], values)


def test_affine_grid() -> None:
    values = {"a": (normal(2, 2, 3), "f64"), "b": (normal(2, 3, 4), "f64")}
    codes = [f"F.affine_grid({{}}, {{}}, {aligned})" for aligned in (False, True)]
    check_all(with_gradients([code.format("a", (2, 3, 1, 5)) for code in codes], "a"), values, grad=True)
    check_all(with_gradients([code.format("b", (2, 3, 4, 5, 3)) for code in codes], "b"), values, grad=True)
    check_all(["F.affine_grid(a, (2, 3, 4))", "F.affine_grid(a, (2, 3, 4, 5, 6))"], values)


@pytest.mark.parametrize("aligned", [False, True])
def test_affine_grid_is_pytorchs_to_the_last_bit(aligned: bool) -> None:
    """As spatial transformers start: at the identity each place is that of an element, where slopes have a corner."""
    theta = np.eye(2, 3, dtype=np.float32)[None]
    found = lenetc.nn.functional.affine_grid(lenetc.from_numpy(theta), [1, 1, 28, 21], align_corners=aligned)
    wanted = torch.nn.functional.affine_grid(torch.from_numpy(theta), [1, 1, 28, 21], align_corners=aligned)
    assert np.array_equal(found.numpy(), wanted.numpy())
    for count in (2, 28, 64):
        assert np.array_equal(
            lenetc.linspace(-3.3, 2.1, count).numpy(), torch.linspace(-3.3, 2.1, count).numpy()
        )


def test_what_a_compiled_step_gives_is_what_is_computed_lazily() -> None:
    """A pool with indices, a transposed convolution and a volume in one program, with a second call of other values."""
    weight = lenetc.from_numpy(normal(3, 4, 2, 2).astype(np.float32)).requires_grad_()

    def step(x: Any) -> Any:
        nn = lenetc.nn.functional
        values, indices = nn.max_pool2d(x, 2, return_indices=True)
        y = nn.conv_transpose2d(nn.max_unpool2d(values, indices, 2), weight, stride=2)
        y = nn.interpolate(nn.pad(y, (1, 2, 2, 1), "reflect"), scale_factor=0.5, mode="bilinear")
        z = nn.conv3d(y.unsqueeze(1), nn.pad(weight, (1, 0)).unsqueeze(1)[:1, :1]).sum()
        weight.grad = None
        z.backward()
        return z, weight.grad

    compiled = lenetc.compile(step)
    for _ in range(2):
        x = lenetc.from_numpy(normal(2, 3, 6, 8).astype(np.float32))
        for mine, expected in zip(compiled(x), step(x), strict=True):
            np.testing.assert_allclose(mine.detach().numpy(), expected.detach().numpy(), rtol=2e-4, atol=1e-4)


def test_integers() -> None:
    """Exactly, also where floats would not hold them."""
    big = 1 << 60
    values = {
        "x": (RNG.integers(-9, 10, (2, 4, 6, 5)), "i64"),
        "w": (RNG.integers(-9, 10, (6, 2, 3, 2)), "i64"),
        "u": (RNG.integers(-9, 10, (4, 3, 3, 2)), "i64"),
        "large": (RNG.integers(0, 3, (2, 3, 6, 5)) + big, "i64"),
        "bytes": (RNG.integers(0, 2, (2, 3, 5, 4, 5)), "u8"),
        "v": (RNG.integers(-9, 10, (2, 3, 5, 4, 5)), "i64"),
    }
    codes = [
        "F.conv2d(x, w, groups=2, padding=1, stride=2)",
        "F.conv2d(x, w, groups=2, dilation=2)",
        "F.conv_transpose2d(x, u, stride=2, padding=1, output_padding=1)",
        "F.conv_transpose2d(x, u, dilation=2)",
        "F.conv3d(v, v[:, :, :3, :2, :3])",
        "F.max_pool2d(large, 3, 2, 1, ceil_mode=True, return_indices=True)",
        "F.max_pool3d(bytes, 3, 2, 1, return_indices=True)",
        "F.avg_pool2d(x, 3, 2, 1, True, False)",
        "F.avg_pool3d(v, 3, 2, 1, True, divisor_override=-5)",
        "F.adaptive_avg_pool2d(x, 2)",
        "F.unfold(x, 2)",
    ]
    check_all(codes, values)
