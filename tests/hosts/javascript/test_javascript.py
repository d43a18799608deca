"""Hosts in JavaScript: Node on both of its runtimes, and the page in a browser, whose files others can use."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

import lenetc
from lenetc.data import load_mnist
from lenetc.lenet import LeNet
from tests.hosts.reference import HOSTS, ROOT, Reference

PAGE = ROOT / "examples" / "web"


def run(*command: str | Path, **variables: str) -> str:
    """What the command prints; where it fails, the test does, with all that it said."""
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=600, env={**os.environ, **variables}
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.mark.parametrize("runtime", ["onnxruntime-node", "onnxruntime-web"])
def test_node_trains_as_the_compiled_step_does(runtime: str, reference: Reference, tmp_path: Path) -> None:
    source = HOSTS / "node" / "train.js"
    assert len(source.read_text().splitlines()) < 60
    trained = tmp_path / "trained.safetensors"
    reference.check(run("node", source, runtime, *reference.given, trained))
    state = lenetc.load(trained)
    found, _ = reference.evaluated({name: value.numpy() for name, value in state.items()})
    assert abs(found - reference.test_loss) < 1e-4


def test_the_page_trains_and_what_it_saves_is_of_use_elsewhere(tmp_path: Path) -> None:
    print(run("node", "--test", PAGE / "test" / "page.test.js", OUT=str(tmp_path)))
    digits = load_mnist()
    session = onnxruntime.InferenceSession(tmp_path / "lenet.onnx")
    assert [value.name for value in session.get_inputs()] == ["images"]
    (scores,) = session.run(None, {"images": digits.test_images.astype(np.float32)})
    assert (
        np.mean(scores.argmax(1) == digits.test_labels) >= 0.9
    )  # it has learned on since it had 95 %, up or down

    net = LeNet()
    state = lenetc.load(tmp_path / "lenet.safetensors")
    parameters = {name: state.pop(name) for name in net.state_dict()}
    net.load_state_dict(parameters)
    assert set(state) == {f"{name}.momentum_buffer" for name in parameters}
    inputs = lenetc.from_numpy(lenetc.data.prepare(digits.test_images))
    np.testing.assert_allclose(net(inputs).detach().numpy(), scores, rtol=1e-3, atol=1e-3)
