"""Normalizations against live PyTorch: values, gradients and running statistics."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import lenetc  # noqa: E402
import lenetc.nn as nn  # noqa: E402
import lenetc.nn.functional as F  # noqa: E402
from tests.parity.both import check, check_modules  # noqa: E402

tnn, tF = torch.nn, torch.nn.functional
rng = np.random.default_rng(5)


def normal(*shape: int) -> Any:
    return rng.standard_normal(shape).astype(np.float32)


MODULES: list[tuple[str, tuple[Any, ...], dict[str, Any], tuple[int, ...]]] = [
    ("BatchNorm3d", (3,), {"momentum": None}, (2, 3, 2, 3, 2)),
    ("BatchNorm2d", (3,), {"bias": False, "eps": 1e-3}, (2, 3, 3, 2)),
    ("BatchNorm1d", (3,), {"affine": False, "track_running_stats": False}, (4, 3)),
    ("GroupNorm", (2, 6), {}, (2, 6, 3, 2)),
    ("GroupNorm", (1, 6), {"bias": False}, (4, 6)),
    ("GroupNorm", (6, 6), {"affine": False}, (2, 6, 5)),
    ("InstanceNorm1d", (3,), {"affine": True, "track_running_stats": True}, (2, 3, 5)),
    ("InstanceNorm2d", (3,), {}, (3, 4, 5)),
    ("InstanceNorm3d", (3,), {"affine": True, "bias": False}, (2, 3, 2, 2, 2)),
    ("LayerNorm", ((3, 4),), {"bias": False}, (2, 3, 4)),
    ("RMSNorm", (4,), {}, (2, 3, 4)),
    ("RMSNorm", ((3, 4),), {"elementwise_affine": False, "eps": 0.1}, (2, 3, 4)),
    ("LocalResponseNorm", (2,), {"alpha": 0.3, "k": 2.0}, (2, 5, 3)),
    ("LocalResponseNorm", (3,), {"beta": 0.5}, (5, 3, 2, 2)),
]


@pytest.mark.parametrize(("name", "arguments", "options", "shape"), MODULES)
def test_module(
    name: str, arguments: tuple[Any, ...], options: dict[str, Any], shape: tuple[int, ...]
) -> None:
    mine, reference = getattr(nn, name)(*arguments, **options), getattr(tnn, name)(*arguments, **options)
    check_modules(mine, reference, normal(*shape), chains=False, rtol=1e-4, atol=1e-5)
    check_modules(mine.eval(), reference.eval(), normal(*shape), chains=False, rtol=1e-4, atol=1e-5)


def test_functions_in_f64() -> None:
    x, w, b = (rng.standard_normal(shape) for shape in ((2, 4, 5), (4,), (4,)))
    for name, arguments in (("group_norm", (2,)), ("instance_norm", (None, None))):
        check(
            lambda *t, n=name, a=arguments: getattr(F, n)(t[0], *a, *t[1:]),
            lambda *t, n=name, a=arguments: getattr(tF, n)(t[0], *a, *t[1:]),
            x,
            w,
            b,
            chains=False,
            rtol=1e-9,
        )
    check(lambda t: F.rms_norm(t, (5,)), lambda t: tF.rms_norm(t, (5,)), x, chains=False, rtol=1e-9)
    check(lambda t: F.normalize(t, 1, 2), lambda t: tF.normalize(t, 1, 2), x, chains=False, rtol=1e-9)


def test_half() -> None:
    x = normal(2, 4, 6).astype(np.float16)
    for call in ("group_norm(x, 2)", "rms_norm(x, (6,))", "instance_norm(x)", "layer_norm(x, (4, 6))"):
        mine = eval(f"F.{call}", {"F": F, "x": lenetc.tensor(x)})
        reference = eval(f"F.{call}", {"F": tF, "x": torch.tensor(x)})
        assert mine.dtype is lenetc.float16
        np.testing.assert_allclose(mine.numpy(), reference.numpy(), rtol=2e-3, atol=2e-3)


@pytest.mark.parametrize(
    "call",
    [
        "F.group_norm(ones(2, 5), 2)",
        "F.group_norm(ones(4), 2)",
        "F.group_norm(ones(1, 2), 2)",
        "F.instance_norm(ones(2, 3, 1))",
        "F.instance_norm(ones(2, 3, 4), use_input_stats=False)",
        "F.rms_norm(ones(2, 3), (2,))",
        "F.batch_norm(ones(2, 3), None, None, training=True, eps=0.0)",
        "F.local_response_norm(ones(2, 3), 2)",
        "nn.GroupNorm(2, 5)",
        "nn.BatchNorm3d(3)(ones(2, 3, 4, 4))",
        "nn.InstanceNorm2d(3, affine=True)(ones(2, 4, 3, 3))",
    ],
)
def test_refusals(call: str) -> None:
    for names in ({"F": tF, "nn": tnn, "ones": torch.ones}, {"F": F, "nn": nn, "ones": lenetc.ones}):
        with pytest.raises((ValueError, RuntimeError)):
            eval(call, dict(names))


def test_sync_batch_norm_is_refused() -> None:
    with pytest.raises(NotImplementedError, match="BatchNorm1d"):
        nn.SyncBatchNorm(3)


@pytest.mark.filterwarnings("ignore:Lazy modules")
@pytest.mark.parametrize(
    ("name", "arguments", "shape"),
    [
        ("LazyBatchNorm2d", (), (2, 3, 4, 4)),
        ("LazyInstanceNorm1d", (), (2, 3, 5)),
        ("LazyInstanceNorm2d", (1e-3, 0.2, True, False), (2, 3, 4, 4)),
        ("LazyLinear", (4,), (2, 3)),
    ],
)
def test_lazy_modules(name: str, arguments: tuple[Any, ...], shape: tuple[int, ...]) -> None:
    mine, reference = getattr(nn, name)(*arguments), getattr(tnn, name)(*arguments)
    assert repr(mine) == repr(reference)
    x = normal(*shape)
    mine(lenetc.tensor(x)), reference(torch.tensor(x))
    assert type(mine).__name__ == type(reference).__name__ == name.removeprefix("Lazy")
    check_modules(mine, reference, x, chains=False, rtol=1e-4, atol=1e-5)
