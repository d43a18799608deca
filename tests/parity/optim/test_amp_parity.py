"""GradScaler against PyTorch's: scales, counts and parameters over steps some of which overflow."""

import numpy as np
import pytest

import lenetc
from lenetc.amp import GradScaler

torch = pytest.importorskip("torch")

BIG = float(np.finfo(np.float32).max)
# The factor of the loss: an infinite gradient from time to time.
FACTORS = [1.0, 2.0, BIG, 1.0, float("nan"), 0.5, 1.0, 2.0, 3.0, BIG, 1.0, 1.0]


def run(module, scaler, way, unscale):
    w = module.tensor([1.0, -2.0, 0.5], requires_grad=True)
    v = module.tensor([3.0], requires_grad=True)
    optimizer = module.optim.Adam([w], lr=0.1)
    other = module.optim.SGD([v], lr=0.1, momentum=0.9)

    def step(x, factor):
        optimizer.zero_grad()
        other.zero_grad()
        loss = ((w * x) ** 2).sum() * factor + (v * v).sum()
        scaler.scale(loss).backward()
        if unscale:
            scaler.unscale_(optimizer)
            module.nn.utils.clip_grad_norm_([w], 0.5)
        scaler.step(optimizer)
        scaler.step(other)
        scaler.update()

    call = lenetc.compile(step) if way == "compiled" else step
    seen = []
    for number, factor in enumerate(FACTORS):
        call(module.tensor([1.0, 0.5, 2.0]) * (number + 1.0), module.tensor(factor))
        seen.append([*w.tolist(), *v.tolist(), scaler.get_scale(), scaler.state_dict()["_growth_tracker"]])
    state = optimizer.state_dict()["state"][0]
    seen.append([*np.asarray(state["exp_avg"]).tolist(), float(state["step"])])
    if way == "compiled":
        assert len(call.programs()) == 1
    return seen


@pytest.mark.parametrize("unscale", [False, True], ids=["scaled", "unscaled and clipped"])
def test_steps_and_scales(unscale):
    options = {"init_scale": 1024.0, "growth_interval": 3}
    theirs = run(torch, torch.amp.GradScaler("cpu", **options), "lazily", unscale)
    for way in ("lazily", "compiled"):
        ours = run(lenetc, GradScaler("cpu", **options), way, unscale)
        for number, (mine, other) in enumerate(zip(ours, theirs, strict=True)):
            np.testing.assert_allclose(mine, other, rtol=1e-5, atol=1e-6, err_msg=f"{way}, {number}")


def test_state_goes_both_ways():
    ours, theirs = GradScaler("cpu", init_scale=8.0), torch.amp.GradScaler("cpu", init_scale=2.0)
    theirs.scale(torch.ones(1))
    assert ours.state_dict().keys() == theirs.state_dict().keys()
    ours.load_state_dict(theirs.state_dict())
    assert ours.get_scale() == 2.0
    ours.update(16.0)
    theirs.load_state_dict(ours.state_dict())
    assert theirs.get_scale() == 16.0
    assert GradScaler(enabled=False).state_dict() == torch.amp.GradScaler(enabled=False).state_dict() == {}


def test_functions_of_ones_own():
    def run(torch, half):
        class Product(torch.autograd.Function):
            @staticmethod
            @torch.amp.custom_fwd(device_type="cpu", cast_inputs=torch.float32)
            def forward(ctx, a, b):
                ctx.save_for_backward(a, b)
                return a @ b

            @staticmethod
            @torch.amp.custom_bwd(device_type="cpu")
            def backward(ctx, g):
                a, b = ctx.saved_tensors
                return g @ b.T, a.T @ g

        a = torch.tensor([[1.0, 2.0], [3.0, 4.001]], requires_grad=True)
        with torch.autocast("cpu", dtype=half):
            inner = a @ a
            made = Product.apply(inner, a)
        made.sum().backward()
        return [str(x.dtype).rpartition(".")[2] for x in (inner, made)], made.tolist(), a.grad.tolist()

    (_, ours_dtype), ours, grad = run(lenetc, lenetc.float16)
    (_, theirs_dtype), theirs, other = run(torch, torch.float16)
    assert (ours_dtype, theirs_dtype) == ("f32", "float32")
    np.testing.assert_allclose(ours, theirs, rtol=1e-3)
    np.testing.assert_allclose(grad, other, rtol=2e-3)
