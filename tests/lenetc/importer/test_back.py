"""Back out: a network that was trained as it is leaves in its own file, with new numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper

import lenetc
import lenetc.nn.functional as F
from lenetc import nn

RNG = np.random.default_rng(1)
IMAGE, LABEL = RNG.standard_normal((6, 1, 8, 8)).astype(np.float32), RNG.integers(0, 3, 6)


def exported(net: Any, infer: Any, folder: Path) -> onnx.ModelProto:
    """infer.onnx after a step."""
    optimizer = lenetc.optim.SGD(net.parameters(), lr=0.1)

    def step(image: Any, label: Any) -> Any:
        optimizer.zero_grad()
        loss = F.cross_entropy(net(image), label)
        loss.backward()
        optimizer.step()
        return loss

    compiled = lenetc.compile(step)
    compiled(IMAGE, LABEL)
    compiled.lower(IMAGE, LABEL).export(folder, infer=infer)
    return onnx.load(folder / "infer.onnx")


def without_numbers(model: onnx.ModelProto) -> bytes:
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    for tensor in copy.graph.initializer:
        if tensor.data_type == onnx.TensorProto.FLOAT:
            tensor.ClearField("raw_data")
    return copy.SerializeToString(deterministic=True)


def test_infer_is_the_original_file_with_the_weights_of_now(model: onnx.ModelProto, tmp_path: Path) -> None:
    net = lenetc.from_onnx(model)
    before = {name: value.numpy().copy() for name, value in net.state_dict().items()}
    back = exported(net, net, tmp_path)
    assert without_numbers(back) == without_numbers(model)
    arrays = {tensor.name: numpy_helper.to_array(tensor) for tensor in back.graph.initializer}
    for name, value in net.state_dict().items():
        np.testing.assert_array_equal(arrays[name], value.numpy())
        assert not np.array_equal(arrays[name], before[name])
    artifact = lenetc.load(tmp_path)
    np.testing.assert_allclose(
        artifact.predict(image=IMAGE[:2])["logits"], net(IMAGE[:2]).detach().numpy(), rtol=1e-5, atol=1e-6
    )
    # What a host trains goes in as well.
    artifact(image=IMAGE, label=LABEL)
    (baked,) = artifact.bake(tmp_path / "baked.onnx")
    assert without_numbers(onnx.load(baked)) == without_numbers(model)
    np.testing.assert_array_equal(
        numpy_helper.to_array(onnx.load(baked).graph.initializer[0]), artifact.state["conv.weight"]
    )


def test_a_part_of_another_network_leaves_with_that(model: onnx.ModelProto, tmp_path: Path) -> None:
    net = nn.Sequential(lenetc.from_onnx(model), nn.Linear(3, 3))
    back = exported(net, net, tmp_path)
    assert len(back.graph.node) != len(model.graph.node)
    found = lenetc.load(tmp_path).predict(**{back.graph.input[0].name: IMAGE[:2]})
    np.testing.assert_allclose(
        next(iter(found.values())), net(IMAGE[:2]).detach().numpy(), rtol=1e-5, atol=1e-6
    )


def test_a_network_that_was_cut_is_no_longer_its_file(model: onnx.ModelProto, tmp_path: Path) -> None:
    net = nn.Sequential(lenetc.from_onnx(model, outputs=["flat"]), nn.Linear(64, 3))
    back = exported(net, net[0], tmp_path)
    assert back.graph.output[0].name == "flat"
    np.testing.assert_allclose(
        lenetc.load(tmp_path).predict(**{back.graph.input[0].name: IMAGE[:2]})["flat"],
        net[0](IMAGE[:2]).detach().numpy(),
        rtol=1e-5,
        atol=1e-6,
    )


def test_what_has_other_names_in_the_state_is_baked_all_the_same(
    model: onnx.ModelProto, tmp_path: Path
) -> None:
    """In its own file the weights have names that the state does not know."""
    net = nn.Sequential(lenetc.from_onnx(model), nn.Linear(3, 3))
    exported(net, net[0], tmp_path)
    artifact = lenetc.load(tmp_path)
    artifact(image=IMAGE, label=LABEL)
    (baked,) = artifact.bake(tmp_path / "baked.onnx")
    inside = {t.name: numpy_helper.to_array(t) for t in onnx.load(baked).graph.initializer}
    (name,) = (name for name in artifact.state if name.endswith("conv.weight"))
    np.testing.assert_array_equal(inside[name], artifact.state[name])
