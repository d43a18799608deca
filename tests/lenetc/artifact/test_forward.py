"""eval.onnx and infer.onnx: what they take and give, in evaluation mode, over one naming of the state."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

import lenetc
from ir.errors import LenetcError
from lenetc import nn
from lenetc.evaluation.ranges import LabelError
from tests.lenetc.artifact.host import Host

F = nn.functional


def network() -> nn.Module:
    lenetc.manual_seed(2)
    return nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout(0.5), nn.Flatten(), nn.Linear(64, 5)
    )


def stepping(net: nn.Module) -> Any:
    optimizer = lenetc.optim.SGD(net.parameters(), 0.1)

    def step(images: Any, labels: Any) -> Any:
        loss = F.cross_entropy(net(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    return step


def batch(n: int = 6) -> tuple[Any, Any]:
    rng = np.random.default_rng(n)
    return rng.standard_normal((n, 1, 6, 6), np.float32), rng.integers(0, 5, n)


def test_evaluation_follows_training_and_inference_keeps_what_was_exported(tmp_path: Path):
    net = network()
    step = lenetc.compile(stepping(net))

    def evaluate(images: Any, labels: Any) -> dict[str, Any]:
        logits = net(images)
        return {"loss": F.cross_entropy(logits, labels), "hits": (logits.argmax(1) == labels).sum()}

    step.lower(*batch()).export(tmp_path, infer=net, evaluate=evaluate)
    host = Host(tmp_path)
    (before, _) = host.run("infer", {}, images=batch(3)[0])
    net.eval()
    np.testing.assert_allclose(
        before["output"], net(lenetc.from_numpy(batch(3)[0])).detach().numpy(), rtol=1e-4
    )
    net.train()
    state = host.state
    images, labels = batch()
    for _ in range(3):
        _, state = host.run("train", state, images=images, labels=labels)
    for name, value in state.items():
        if not name.startswith("rng"):
            net.state_dict()[name].copy_(lenetc.from_numpy(value))
    net.eval()
    images, labels = batch(4)
    found, after = host.run("eval", state, images=images, labels=labels)
    assert after is not state and all(after[name] is state[name] for name in state)
    expected = evaluate(lenetc.from_numpy(images), lenetc.from_numpy(labels))
    np.testing.assert_allclose(found["loss"], expected["loss"].detach().numpy(), rtol=1e-4)
    assert found["hits"] == expected["hits"].numpy() and found["valid"]
    assert not host.run("eval", state, images=images, labels=labels + 5)[0]["valid"]
    assert set(host.models["eval"]["state"]) == {n for n in net.state_dict() if "tracked" not in n}


def test_weights_are_inside_of_infer_under_the_states_names(tmp_path: Path):
    net = network()
    lenetc.compile(stepping(net)).lower(*batch()).export(tmp_path, infer=net)
    host = Host(tmp_path)
    model = onnx.load(tmp_path / "infer.onnx")
    onnx.checker.check_model(model, full_check=True)
    assert [value.name for value in model.graph.input] == ["images"]
    inside = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    for name in host.models["eval"]["state"]:
        np.testing.assert_array_equal(inside[name], host.state[name], err_msg=name)
    assert not any(net.training != part.training for part in net.modules()) and net.training


def test_a_generator_takes_what_the_step_calls_it_with(tmp_path: Path):
    lenetc.manual_seed(0)
    G, D = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4)), nn.Linear(4, 1)
    both = [lenetc.optim.SGD(net.parameters(), 0.1) for net in (D, G)]

    def step(real: Any, noise: Any) -> tuple[Any, Any]:
        fake = G(noise)
        for optimizer in both:
            optimizer.zero_grad()
        first = D(real).mean() - D(fake.detach()).mean()
        first.backward()
        both[0].step()
        second = D(fake).square().mean()
        second.backward()
        both[1].step()
        return first, second

    lenetc.compile(step).lower(lenetc.ones(6, 4), lenetc.ones(5, 3)).export(tmp_path, infer=G)
    host = Host(tmp_path)
    assert host.models["infer"]["inputs"] == [{"name": "noise", "dtype": "float32", "shape": [5, 3]}]
    names = {entry["name"] for entry in host.manifest["state"]}
    assert {"G.0.weight", "G.1.running_mean", "D.weight"} <= names
    assert set(host.models["eval"]["state"]) <= names and "G.0.weight" in host.models["eval"]["state"]
    assert host.run("infer", {}, noise=np.ones((5, 3), np.float32))[0]["output"].shape == (5, 4)


class Two(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(4, 3)

    def forward(self, x: Any, mask: Any, scale: float = 1.0) -> tuple[Any, Any]:
        h = self.inner(x) * scale
        pooled = (h * mask).sum(0)
        return h, pooled


def test_several_inputs_outputs_and_computed_ones(tmp_path: Path):
    net, head = Two(), nn.Linear(3, 2)
    optimizer = lenetc.optim.SGD([*net.parameters(), *head.parameters()], 0.1)

    def step(raw: Any, y: Any) -> Any:
        mask = (raw.sum(1, keepdim=True) > 0).float()
        h, pooled = net(raw / 255.0, mask, scale=0.5)
        loss = F.cross_entropy(head(h), y) + pooled.square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    def classify(raw: Any, temperature: float = 2.0) -> Any:
        h, _ = net(raw / 255.0, lenetc.ones(raw.shape[0], 1))
        probabilities = F.softmax(head(h) / temperature, 1)
        return probabilities

    program = lenetc.compile(step).lower(lenetc.ones(5, 4), lenetc.zeros(5, dtype=lenetc.int64))
    program.export(tmp_path, infer=net, evaluate=classify)
    host = Host(tmp_path)
    infer, evaluate = host.models["infer"], host.models["eval"]
    assert [entry["name"] for entry in infer["inputs"]] == ["x", "mask"]
    assert [(entry["name"], entry["shape"]) for entry in infer["results"]] == [
        ("h", ["N", 3]),
        ("pooled", [3]),
    ]
    assert evaluate["hyperparameters"] == ["temperature"] and host.numbers["temperature"] == 2.0
    raw = np.arange(8, dtype=np.float32).reshape(2, 4)
    (found, _) = host.run("eval", host.state, raw=raw)
    np.testing.assert_allclose(
        found["probabilities"], classify(lenetc.from_numpy(raw)).detach().numpy(), rtol=1e-5
    )
    (found, _) = host.run("infer", {}, x=raw, mask=np.ones((2, 1), np.float32))
    np.testing.assert_allclose(
        found["h"], (net.inner(lenetc.from_numpy(raw)) * 0.5).detach().numpy(), rtol=1e-5
    )


class Difference(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(3, 2)

    def forward(self, a: Any, b: Any) -> Any:
        return self.inner(a) - 2 * self.inner(b)


def test_a_step_may_call_a_module_with_its_names_in_another_order(tmp_path: Path):
    net = Difference()
    optimizer = lenetc.optim.SGD(net.parameters(), 0.1)

    def step(a: Any, b: Any) -> Any:
        optimizer.zero_grad()
        loss = net(b, a).square().mean()
        loss.backward()
        optimizer.step()
        return loss

    a, b = np.eye(4, 3, dtype=np.float32), np.ones((4, 3), np.float32)
    lenetc.compile(step).lower(a, b).export(tmp_path, infer=net)
    (found, _) = Host(tmp_path).run("infer", {}, a=a, b=b)
    expected = net(lenetc.from_numpy(b), lenetc.from_numpy(a)).detach().numpy()
    np.testing.assert_allclose(found["output"], expected, rtol=1e-5)


def test_state_that_training_does_not_know_joins_it(tmp_path: Path):
    net, encoder = nn.Linear(4, 2), nn.Linear(6, 4)
    optimizer = lenetc.optim.SGD(net.parameters(), 0.1)

    def step(codes: Any) -> Any:
        loss = net(codes).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    def predict(x: Any = lenetc.zeros(3, 6)) -> Any:  # noqa: B008
        return net(encoder(x))

    lenetc.compile(step).lower(lenetc.ones(5, 4)).export(tmp_path, infer=predict)
    host = Host(tmp_path)
    entries = {entry["name"]: entry for entry in host.manifest["state"]}
    others = [name for name, entry in entries.items() if not entry["trained"]]
    assert len(others) == 2 and not any(entries[name]["initialized"] for name in others)
    x = np.ones((3, 6), np.float32)
    for kind in ("infer", "eval"):
        found, _ = host.run(kind, host.state, x=x)
        np.testing.assert_allclose(found["output"], predict(lenetc.from_numpy(x)).detach().numpy(), rtol=1e-5)


@pytest.mark.parametrize("kind", ["infer", "evaluate"])
def test_a_module_in_training_mode_is_put_back(kind: str, tmp_path: Path):
    net = network()
    net[1].eval()
    modes = [part.training for part in net.modules()]
    lenetc.compile(stepping(net)).lower(*batch()).export(tmp_path, **{kind: net})
    assert [part.training for part in net.modules()] == modes


def test_indices_that_a_module_takes_have_their_range_under_the_name_of_the_step(tmp_path: Path):
    table, head = nn.Embedding(7, 4), nn.Linear(4, 3)

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table, self.head = table, head

        def forward(self, indices: Any) -> Any:
            return self.head(self.table(indices).mean(1))

    net = Net()
    step = lenetc.compile(stepping(net))
    tokens = np.arange(12).reshape(4, 3) % 7
    step.lower(tokens, np.array([0, 1, 2, 0])).export(tmp_path, infer=net)
    loaded = lenetc.load(tmp_path)
    assert loaded.predict(images=tokens)["output"].shape == (4, 3)
    for run in (loaded.predict, loaded.evaluate):
        for wrong in (tokens - 1, tokens + 1):  # -1 would be the last row for the runtime
            with pytest.raises(LabelError, match=r"images: label (-1|7) is out of bounds"):
                run(images=wrong)


@pytest.mark.parametrize(
    ("function", "given"),
    [
        (lambda x: {"valid": x.sum() > 0}, [lenetc.ones(2, 3)]),
        (lambda x, valid: F.cross_entropy(x, valid), [lenetc.ones(2, 3), lenetc.tensor([0, 1])]),
    ],
)
def test_valid_is_no_name_of_the_users(function: Any, given: Any, tmp_path: Path):
    with pytest.raises(LenetcError, match="'valid' is the result of a file that says whether"):
        lenetc.compile(function).lower(*given).export(tmp_path)


@pytest.mark.parametrize("asked", ["evaluate", "infer"])
def test_an_evaluation_that_changes_state_is_refused(asked: str, tmp_path: Path):
    net = network()
    step = lenetc.compile(stepping(net))

    def noisy(images: Any) -> Any:
        return net(images + lenetc.randn_like(images))

    with pytest.raises(
        LenetcError, match=r"changes rng.counter, .* changes no state: give it random numbers"
    ):
        step.lower(*batch()).export(tmp_path, **{asked: noisy})


def test_files_of_an_earlier_export_go(tmp_path: Path):
    net = network()
    program = lenetc.compile(stepping(net)).lower(*batch())
    (tmp_path / "notes.txt").write_text("mine")
    program.export(tmp_path, infer=net)
    program.export(tmp_path)
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {*Host(tmp_path).manifest["files"], "manifest.json", "notes.txt"}
    assert "infer.onnx" not in left and "eval.onnx" not in left


def test_a_number_is_a_constant_of_infer_and_an_input_of_the_evaluation_that_follows_it(tmp_path: Path):
    net = network()

    def predict(images: Any, temperature: float = 2.0) -> Any:
        return net(images) / temperature

    lenetc.compile(stepping(net)).lower(*batch()).export(tmp_path, infer=predict)
    host = Host(tmp_path)
    assert host.models["infer"]["hyperparameters"] == [] and host.numbers["temperature"] == 2.0
    inferred, _ = host.run("infer", {}, images=batch(3)[0])
    evaluated, _ = host.run("eval", host.state, images=batch(3)[0])
    np.testing.assert_allclose(evaluated["output"], inferred["output"], rtol=1e-5, atol=1e-6)
