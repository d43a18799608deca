"""nn.utils against live PyTorch: clipping, parametrized weights, fusion, and calls with other parameters."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import lenetc  # noqa: E402
import lenetc.nn as nn  # noqa: E402
from lenetc import optim  # noqa: E402
from lenetc.func import functional_call  # noqa: E402
from tests.parity.both import assert_equal, check, copy_state, ours, theirs  # noqa: E402

tnn = torch.nn
rng = np.random.default_rng(23)


def normal(*shape: int) -> Any:
    return rng.standard_normal(shape).astype(np.float32)


NORMS = [
    ("parametrizations.weight_norm", {}),
    ("parametrizations.weight_norm", {"dim": 1}),
    ("parametrizations.weight_norm", {"dim": None}),
    ("parametrizations.spectral_norm", {}),
    ("parametrizations.spectral_norm", {"n_power_iterations": 3, "dim": 1}),
    ("weight_norm", {"dim": 1}),
    ("spectral_norm", {"n_power_iterations": 2}),
]


def named(library: Any, path: str) -> Any:
    for name in path.split("."):
        library = getattr(library, name)
    return library


@pytest.mark.filterwarnings("ignore:.*weight_norm. is deprecated", "ignore::FutureWarning")
@pytest.mark.parametrize(("path", "options"), NORMS)
def test_norms_of_weights_in_training(path: str, options: dict[str, Any]) -> None:
    mine = named(nn.utils, path)(nn.Linear(3, 4), **options)
    reference = named(tnn.utils, path)(tnn.Linear(3, 4), **options)
    assert repr(mine) == repr(reference)
    state = reference.state_dict()
    assert {k: tuple(v.shape) for k, v in mine.state_dict().items()} == {
        k: tuple(v.shape) for k, v in state.items()
    }
    copy_state(mine, reference)
    ahead, behind = optim.SGD(mine.parameters(), lr=0.1), torch.optim.SGD(reference.parameters(), lr=0.1)

    def step(module: Any, optimizer: Any, x: Any) -> Any:
        optimizer.zero_grad()
        loss = (module(x) ** 2).mean()
        loss.backward()
        optimizer.step()
        return loss

    compiled = lenetc.compile(lambda x: step(mine, ahead, x))
    x = normal(5, 3)
    for run in (lambda x: step(mine, ahead, x), compiled, compiled):
        assert run(ours(x)).item() == pytest.approx(step(reference, behind, theirs(x)).item(), rel=1e-4)
    for name, value in reference.state_dict().items():
        assert_equal(mine.state_dict()[name], value, name, 1e-4, 1e-5)
    mine.eval(), reference.eval()
    twin = copy.deepcopy(mine)
    assert_equal(twin(ours(x)), reference(theirs(x)), "a copy", 1e-4, 1e-5)
    kind = path.rpartition(".")[2]
    if path == kind:
        getattr(nn.utils, f"remove_{kind}")(mine)
    else:
        nn.utils.parametrize.remove_parametrizations(mine, "weight")
    assert sorted(mine.state_dict()) == ["bias", "weight"] and type(mine) is nn.Linear
    assert_equal(mine(ours(x)), reference(theirs(x)), "the weight left", 1e-4, 1e-5)


def test_a_parametrization_of_ones_own() -> None:
    class Symmetric(nn.Module):
        def forward(self, x: Any) -> Any:
            return (x + x.T) / 2

        def right_inverse(self, x: Any) -> Any:
            return x

    layer = nn.Linear(3, 3)
    nn.utils.parametrize.register_parametrization(layer, "weight", Symmetric())
    assert nn.utils.parametrize.is_parametrized(layer, "weight")
    assert lenetc.equal(layer.weight, layer.weight.T)
    layer.weight = lenetc.ones(3, 3)
    assert layer.parametrizations.weight.original.tolist() == [[1] * 3] * 3
    with pytest.raises(ValueError, match="does not have a parameter"):
        nn.utils.parametrize.register_parametrization(layer, "height", Symmetric())
    with pytest.raises(ValueError, match="may not change dtype or shape"):
        nn.utils.parametrize.register_parametrization(nn.Linear(3, 3), "weight", nn.Flatten(0))


@pytest.mark.parametrize(
    "shape, options",
    [
        ((3, 3), {}),
        ((5, 3), {}),
        ((3, 5), {"orthogonal_map": "cayley", "use_trivialization": False}),
        ((2, 4, 3), {"orthogonal_map": "matrix_exp"}),
    ],
)
def test_orthogonal_weights(shape: tuple[int, ...], options: dict[str, Any]) -> None:
    start, step, scores = normal(*shape), np.tril(normal(*shape), -1), normal(*shape)
    mine, reference = nn.Module(), tnn.Module()
    mine.w, reference.w = nn.Parameter(ours(start)), tnn.Parameter(theirs(start))
    nn.utils.parametrizations.orthogonal(mine, "w", **options)
    tnn.utils.parametrizations.orthogonal(reference, "w", **options)
    assert_equal(mine.w, reference.w, "at first", 1e-5, 1e-5)
    with torch.no_grad():
        reference.parametrizations.w.original += theirs(step)
    copy_state(mine, reference)

    def loss(module: Any, factors: Any) -> Any:
        found = (module.w * factors).sum()
        found.backward()
        return found

    compiled = lenetc.compile(lambda factors: loss(mine, factors))
    assert compiled(ours(scores)).item() == pytest.approx(loss(reference, theirs(scores)).item(), rel=1e-4)
    slopes = [module.parametrizations.w.original.grad for module in (mine, reference)]
    assert_equal(*slopes, "gradient", 1e-4, 1e-5)


def test_orthogonal_weights_refused() -> None:
    for name, options in (("bias", {}), ("weight", {"orthogonal_map": "svd"}), ("height", {})):
        with pytest.raises(ValueError):
            nn.utils.parametrizations.orthogonal(nn.Linear(2, 2), name, **options)
    with pytest.raises(NotImplementedError, match="use_trivialization=True"):
        nn.utils.parametrizations.orthogonal(
            nn.Linear(2, 2), orthogonal_map="householder", use_trivialization=False
        )


def test_total_norms() -> None:
    arrays = [normal(3, 2), normal(4)]
    for norm_type in (1.0, 2.0, float("inf")):
        found = nn.utils.get_total_norm([ours(a) for a in arrays], norm_type)
        assert_equal(found, tnn.utils.get_total_norm([theirs(a) for a in arrays], norm_type), "norm", 1e-5, 0)
    x = lenetc.tensor([1.0, 2.0], requires_grad=True)
    (x * lenetc.tensor([1.0, float("inf")])).sum().backward()
    with pytest.raises(RuntimeError, match="non-finite"):
        nn.utils.clip_grad_norm_([x], 1.0, error_if_nonfinite=True)
    nn.utils.clip_grad_value_(iter([x]), 0.5, foreach=True)
    assert x.grad is not None and x.grad.tolist() == [0.5, 0.5]


def test_fusion() -> None:
    for mine, reference, shape in (
        ((nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3)), (tnn.Conv2d(2, 3, 3), tnn.BatchNorm2d(3)), (2, 2, 5, 5)),
        (
            (nn.Linear(2, 3, bias=False), nn.BatchNorm1d(3)),
            (tnn.Linear(2, 3, bias=False), tnn.BatchNorm1d(3)),
            (4, 2),
        ),
    ):
        reference[1](reference[0](theirs(normal(*shape))))
        for a, b in zip(mine, reference, strict=True):
            copy_state(a, b)
            a.eval(), b.eval()
        name = "fuse_conv_bn_eval" if len(shape) == 4 else "fuse_linear_bn_eval"
        x = normal(*shape)
        fused = getattr(nn.utils, name)(*mine)
        assert_equal(fused(ours(x)), reference[1](reference[0](theirs(x))), name, 1e-4, 1e-5)


def test_functional_call() -> None:
    mine, reference = (
        nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1)),
        tnn.Sequential(tnn.Linear(2, 3), tnn.Linear(3, 1)),
    )
    copy_state(mine, reference)
    weights = normal(3, 2)
    check(
        lambda w: functional_call(mine, {"0.weight": w}, (ours(np.ones((1, 2), np.float32)),)),
        lambda w: torch.func.functional_call(
            reference, {"0.weight": w}, (theirs(np.ones((1, 2), np.float32)),)
        ),
        weights,
        chains=False,
    )
    assert isinstance(mine[0].weight, nn.Parameter)
    with pytest.raises(RuntimeError, match=r"no parameter or buffer '1\.height'"):
        functional_call(mine, {"1.height": lenetc.ones(1)}, lenetc.ones(1, 2), strict=True)
