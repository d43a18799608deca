"""What bad input gets: an error that names the module, the user's line, both types and what to do; nothing
is lost."""

from __future__ import annotations

import os
import pickle
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lenetc
from ir import ops
from ir.errors import DTypeError, LenetcError, ShapeError
from ir.op import literal
from lenetc import nn, optim
from lenetc.artifact.checkpoint import CheckpointError
from lenetc.autograd import AnomalyError, detect_anomaly
from lenetc.compiler.structure import ArgumentError
from lenetc.evaluation.ranges import LabelError
from lenetc.evaluation.tracing import ValueDependentError
from lenetc.nn import functional as F
from lenetc.optim.lr_scheduler import StepLR
from lenetc.runtime import DeviceError, RunError
from lenetc.tensors.tensor import apply

HERE = Path(__file__)
ROOT = HERE.parents[2]
IMAGES = np.random.default_rng(0).normal(size=(4, 1, 12, 12)).astype(np.float32)
LABELS = np.array([0, 1, 2, 1])


class Net(nn.Module):
    """[N,1,12,12] -> [N,3], small, with a nested part."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 2, 3)
        self.features = nn.Sequential(nn.ReLU(), nn.Conv2d(2, 3, 3))
        self.fc = nn.Linear(3 * 4 * 4, 3)

    def forward(self, x: Any) -> Any:
        x = self.conv1(x)  # conv1 line
        x = self.features(x)  # features line
        x = F.max_pool2d(x, 2)
        return self.fc(lenetc.flatten(x, 1))  # fc line


class Training:
    """A network in training, after one step, with momentum; `step` is compiled or not."""

    def __init__(self, compiled: bool) -> None:
        lenetc.manual_seed(0)
        net = self.net = Net()
        optimizer = self.optimizer = optim.SGD(net.parameters(), lr=0.05, momentum=0.9)

        def step(images: Any, labels: Any) -> Any:
            optimizer.zero_grad()
            loss = F.cross_entropy(net(lenetc.as_tensor(images)), lenetc.as_tensor(labels))  # loss line
            loss.backward()
            optimizer.step()
            return loss

        self.compiled = compiled
        self.step: Callable[..., Any] = lenetc.compile(step) if compiled else step
        self.step(IMAGES, LABELS)
        self.before = self.state()

    def state(self) -> list[bytes]:
        momentum = [e["momentum_buffer"] for e in self.optimizer.state.values()]
        tensors = [*self.net.state_dict().values(), *momentum]
        return [t.detach().numpy().tobytes() for t in tensors]

    def assert_unchanged(self) -> None:
        """Nothing is lost: the state is as it was, and training goes on."""
        assert self.state() == self.before
        assert np.isfinite(self.step(IMAGES, LABELS).item())
        assert self.state() != self.before
        for parameter in self.net.parameters():
            assert parameter.requires_grad


@pytest.fixture(params=[False, True], ids=["lazy", "compiled"])
def training(request: pytest.FixtureRequest) -> Iterator[Training]:
    made = Training(request.param)
    yield made
    made.assert_unchanged()


def line_with(mark: str) -> str:
    """`file:line` of the first line here that ends with the comment `mark`."""
    number = next(i for i, text in enumerate(HERE.read_text().splitlines(), 1) if text.endswith(f"# {mark}"))
    return f"{HERE}:{number}"


def calling_line(depth: int = 1) -> str:
    frame = sys._getframe(depth)
    return f"{HERE}:{frame.f_lineno}"


# Batches that do not fit the network.


@pytest.mark.parametrize(
    ("images", "error", "says", "place"),
    [
        (
            IMAGES.astype(np.float64),
            DTypeError,
            r"f64\[4,1,12,12\].*f32\[2,1,3,3\].*astype\(np.float32\).*\.double\(\)",
            "conv1",
        ),
        (
            (IMAGES * 9).astype(np.int64),
            DTypeError,
            r"i64\[4,1,12,12\].*f32\[2,1,3,3\].*\.to\(lenetc.float32\)",
            "conv1",
        ),
        (
            (IMAGES * 9).astype(np.uint8),
            DTypeError,
            r"u8\[4,1,12,12\].*f32\[2,1,3,3\].*astype\(np.float32\)",
            "conv1",
        ),
        (
            np.zeros((4, 3, 12, 12), np.float32),
            ShapeError,
            r"f32\[2,1,3,3\].*1 " r"channels.*f32\[4,3,12,12\]",
            "conv1",
        ),
        (
            np.zeros((12, 12), np.float32),
            ShapeError,
            r"3D.*\[C,H,W\].*4D.*\[N,C,H,W\].*f32\[12,12\]",
            "conv1",
        ),
        (np.zeros((4, 1, 2, 2), np.float32), ShapeError, r"3x3.*does not fit.*f32\[4,1,2,2\]", "conv1"),
        (np.zeros((4, 1, 4, 4), np.float32), ShapeError, r"3x3.*does not fit.*f32\[4,2,2,2\]", "features.1"),
        (
            np.zeros((4, 1, 16, 16), np.float32),
            ShapeError,
            r"f32\[4,108\] has 108.*f32\[3,48\] takes " r"48.*Linear\(108, 3\)",
            "fc",
        ),
    ],
    ids=["f64", "i64", "u8", "channels", "rank", "small", "nested", "spatial"],
)
def test_wrong_images(training: Training, images: Any, error: type[Exception], says: str, place: str) -> None:
    with pytest.raises(error, match=says) as raised:
        training.step(images, LABELS)
    module = place.partition(".")[0]
    assert str(raised.value).endswith(f"\n  at {place}, {line_with(f'{module} line')}")


@pytest.mark.parametrize(
    ("labels", "error", "says"),
    [
        (LABELS.astype(np.float32), DTypeError, r"i64.*f32\[4,3\].*f32\[4\].*\.long\(\)"),
        (LABELS.astype(np.int32), DTypeError, r"i64.*f32\[4,3\].*i32\[4\].*\.long\(\)"),
        (LABELS[:2], ShapeError, r"f32\[4,3\] takes labels of shape \[4\].*i64\[2\]"),
        (np.eye(3, dtype=np.int64)[LABELS], DTypeError, r"floating point.*i64\[4,3\].*f32\[4,3\]"),
        (
            np.array([0, 1, 3, 1]),
            LabelError,
            r"label 3 is out of bounds.*0\.\.2 \(3 classes in "
            r"f32\[4,3\]\).*ignore_index "
            r"-100; .*\[2\]",
        ),
        (
            np.array([0, -1, 0, 1]),
            LabelError,
            r"label -1 is out of bounds.*first met at .*\[1\]\. " r"Nothing was run",
        ),
    ],
    ids=["float", "i32", "count", "one-hot", "too large", "negative"],
)
def test_wrong_labels(training: Training, labels: Any, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says) as raised:
        training.step(IMAGES, labels)
    assert str(raised.value).endswith(f"\n  at {line_with('loss line')}")


def test_the_ignored_label_is_no_label_out_of_range(training: Training) -> None:
    before = training.before
    assert np.isfinite(training.step(IMAGES, np.array([0, -100, 2, 1])).item())
    training.before = training.state()
    assert training.before != before


def test_wrong_labels_in_a_scan_name_the_step() -> None:
    training = Training(compiled=True)
    labels = np.stack([LABELS, [0, 1, 7, 1]])
    with pytest.raises(LabelError, match=r"label 7 .*first met at labels\[1, 2\]"):
        training.step.scan(np.stack([IMAGES, IMAGES]), labels)  # type: ignore[attr-defined]
    training.assert_unchanged()


def test_wrong_labels_that_the_function_holds() -> None:
    labels = lenetc.tensor([0, 1, 2, 1])
    scores = np.zeros((4, 3), np.float32)
    loss = lenetc.compile(lambda x: F.cross_entropy(x, labels))
    assert loss(scores).item() == pytest.approx(np.log(3))
    labels.copy_(np.array([0, 1, 2, 3]))
    with pytest.raises(LabelError, match=r"label 3 .*first met at labels\[3\]"):
        loss(scores)
    labels.copy_(np.array([0, 0, 0, 0]))
    assert loss(scores).item() == pytest.approx(np.log(3))


def test_two_losses_check_the_labels_both() -> None:
    @lenetc.compile
    def losses(few: Any, many: Any, labels: Any) -> Any:
        return F.cross_entropy(few, labels), F.cross_entropy(many, labels)

    few, many = np.zeros((2, 3), np.float32), np.zeros((2, 9), np.float32)
    with pytest.raises(LabelError, match=r"0\.\.2 \(3 classes"):
        losses(few, many, np.array([0, 4]))
    with pytest.raises(LabelError, match=r"0\.\.8 \(9 classes"):
        losses(many, many, np.array([0, 9]))


def test_an_array_where_a_tensor_is_needed() -> None:
    net = Net()
    with pytest.raises(
        DTypeError, match=r"conv2d takes tensors, not a numpy.ndarray of shape \[4, 1, 12, 12\].*from_numpy"
    ) as raised:
        net(IMAGES)
    assert f"at conv1, {line_with('conv1 line')}" in str(raised.value)
    scores = net(lenetc.tensor(IMAGES))
    for call in (
        lambda: F.cross_entropy(scores, LABELS),
        lambda: F.nll_loss(scores, LABELS),
        lambda: F.linear(np.ones((2, 3)), net.fc.weight),
        lambda: F.relu(IMAGES),
        lambda: F.tanh(IMAGES),
        lambda: F.max_pool2d(IMAGES, 2),
        lambda: F.softmax(IMAGES, 1),
        lambda: F.mse_loss(scores, np.zeros((4, 3))),
        lambda: F.embedding(LABELS, net.fc.weight),
        lambda: lenetc.cat([scores, IMAGES]),
    ):
        with pytest.raises(DTypeError, match=r"takes tensors, not a numpy.ndarray"):
            call()


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (None, "this NoneType, whose values are no numbers"),
        ("abc", "this str, whose values are no numbers"),
        ([[1, 2], [3]], "this list: .*inhomogeneous"),
        ([object()], "this list, whose values are no numbers"),
        (
            np.array([1j]),
            r"of shape \[1\]: arrays of dtype complex128 are not supported; convert to one of float32",
        ),
    ],
)
def test_what_cannot_be_a_tensor(data: Any, says: str) -> None:
    for make in (lenetc.tensor, lenetc.as_tensor, lenetc.compile(lenetc.as_tensor)):
        if isinstance(data, np.ndarray) and make is not lenetc.tensor:
            continue
        with pytest.raises(DTypeError, match=f"cannot make a tensor (of )?{says}"):
            make(data)


# Optimizers and schedules.


def test_an_unknown_option_and_its_neighbour() -> None:
    net = Net()
    with pytest.raises(
        TypeError,
        match=r"SGD has no option 'momentun' \(did you mean 'momentum'\?\); its options are lr, momentum",
    ):
        optim.SGD(net.parameters(), lr=0.1, momentun=0.9)
    with pytest.raises(TypeError, match=r"Adam has no option 'beta1'.*betas"):
        optim.Adam(net.parameters(), beta1=0.9)
    with pytest.raises(ValueError, match="lr of param group 0 must be a number of at least 0, got -1"):
        optim.SGD(net.parameters(), lr=-1)


def test_a_parameter_given_twice() -> None:
    net = Net()
    with pytest.raises(
        ValueError,
        match=r"f32\[2,1,3,3\] is given twice, as number 0 of param group 0 and again as number 6 of "
        r"param group 0",
    ):
        optim.SGD([*net.parameters(), net.conv1.weight], lr=0.1)
    optimizer = optim.SGD(net.parameters(), lr=0.1)
    with pytest.raises(
        ValueError, match="as number 1 of param group 0 and again as number 0 of param group 1; leave it out"
    ):
        optimizer.add_param_group({"params": [net.conv1.bias]})
    assert len(optimizer.param_groups) == 1


def test_a_module_in_place_of_its_parameters() -> None:
    with pytest.raises(
        TypeError, match=r"SGD: params must be an iterable.*but it is a Net: give its \.parameters\(\)"
    ):
        optim.SGD(Net(), lr=0.1)


def test_a_schedule_inside_a_compiled_function() -> None:
    training = Training(compiled=True)
    schedule = StepLR(training.optimizer, 1)

    def step(images: Any, labels: Any) -> Any:
        loss = training.step(images, labels)
        schedule.step()  # schedule line
        return loss

    compiled = lenetc.compile(step)
    with pytest.warns(lenetc.RetraceWarning, match=r"it calls StepLR.step\(\) \(.*test_errors.py"):
        compiled(IMAGES, LABELS)
    compiled(IMAGES, LABELS)
    assert schedule.last_epoch == 2
    assert training.optimizer.param_groups[0]["lr"] == pytest.approx(0.05 * 0.1**2)


def test_the_state_of_something_else_in_an_optimizer() -> None:
    training = Training(compiled=False)
    for state, says in (
        (
            {"model": {}},
            "SGD: this is not the state of an optimizer.*'state' and 'param_groups', but one of 'model'",
        ),
        (optim.Adam(training.net.parameters()).state_dict(), "SGD: .* lacks .*momentum.*another optimizer"),
        (
            optim.SGD([training.net.conv1.weight], lr=0.1).state_dict(),
            "has 1 parameters in the loaded state and 6",
        ),
    ):
        with pytest.raises(ValueError, match=says):
            training.optimizer.load_state_dict(state)
    training.assert_unchanged()


# Not a number.


@pytest.mark.parametrize("compiled", [False, True])
def test_anomalies_name_the_first_op_and_keep_the_state(compiled: bool) -> None:
    w = lenetc.tensor([1.0, 0.0, 2.0], requires_grad=True)
    optimizer = optim.SGD([w], lr=0.1, momentum=0.9)

    def step(x: Any) -> Any:
        optimizer.zero_grad()
        logs = lenetc.log(w)  # log line
        loss = (logs * lenetc.as_tensor(x)).sum()
        loss.backward()
        optimizer.step()
        return loss

    run = lenetc.compile(step) if compiled else step
    with (
        pytest.raises(
            AnomalyError,
            match=r"log \(forward\) made 1 infinite of 3 values out of finite operands: f32\[3\] -> "
            r"f32\[3\]. Nothing was changed",
        ) as raised,
        detect_anomaly(),
    ):
        run(np.ones(3, np.float32))
    assert f"at {line_with('log line')}" in str(raised.value)
    assert w.tolist() == [1.0, 0.0, 2.0]
    assert all(not s["momentum_buffer"].numpy().any() for s in optimizer.state.values())
    w.data.add_(1.0)
    with detect_anomaly():
        assert np.isfinite(run(np.ones(3, np.float32)).item())
    assert w.tolist() == pytest.approx([2.0 - 0.05, 1.0 - 0.1, 3.0 - 0.1 / 3])


@pytest.mark.parametrize("compiled", [False, True])
def test_an_anomaly_in_the_gradient_alone(compiled: bool) -> None:
    w = lenetc.zeros(2, requires_grad=True)
    optimizer = optim.SGD([w], lr=0.1)

    def step() -> Any:
        optimizer.zero_grad()
        loss = lenetc.sqrt(w).sum()  # root line
        loss.backward()
        optimizer.step()
        return loss

    run = lenetc.compile(step) if compiled else step
    with (
        pytest.raises(AnomalyError, match=r"\(backward\) made 2 infinite of 2 values") as raised,
        detect_anomaly(),
    ):
        run()
    assert f"at {line_with('root line')}" in str(raised.value)
    assert w.tolist() == [0.0, 0.0]


def test_an_anomaly_names_the_module() -> None:
    net = nn.Sequential(nn.Linear(3, 3), nn.ReLU())
    net[0].weight.data.fill_(3e38)
    with (
        pytest.raises(AnomalyError, match=r"matmul \(forward\) made 6 infinite of 6 values") as raised,
        detect_anomaly(),
    ):
        net(lenetc.ones(2, 3)).sum().item()
    assert "\n  at 0, " in str(raised.value)


def test_an_anomaly_in_the_input_blames_nobody_else() -> None:
    bad = np.array([1.0, np.nan], np.float32)
    double = lenetc.compile(lambda x: x * 2.0)
    with detect_anomaly():
        with pytest.raises(
            AnomalyError,
            match=r"the input x of type f32\[2\] holds 1 NaN of 2 values before anything ran; mul",
        ):
            double(bad)
        with pytest.raises(AnomalyError, match=r"holds 1 NaN of 2 values before anything ran; mul"):
            (lenetc.tensor(bad) * 2.0).sum().item()
    assert np.isnan(double(bad).numpy()).tolist() == [False, True]


def test_an_anomaly_in_a_scan_names_the_step() -> None:
    step = lenetc.compile(lambda x: lenetc.log(x).sum())
    with (
        pytest.raises(AnomalyError, match=r"log \(forward\) in step 2 of 3 made 1 infinite of 2 values"),
        detect_anomaly(),
    ):
        step.scan(np.array([[1, 2], [3, 4], [5, 0]], np.float32))


def test_anomalies_are_about_what_the_block_computes() -> None:
    x = lenetc.log(lenetc.zeros(2))
    with detect_anomaly():
        assert lenetc.ones(2).sum().item() == 2
    with pytest.raises(AnomalyError), detect_anomaly():
        y = lenetc.log(lenetc.zeros(2))  # nobody looks inside of the block
    assert np.isinf(x.numpy()).all() and np.isinf(y.numpy()).all()
    with pytest.raises(LenetcError, match="put it around the call"):
        lenetc.compile(lambda v: detect_anomaly().__enter__())(IMAGES)


# Code that cannot be compiled.


def _if(x: Any) -> Any:
    return x if x.sum() > 0 else -x  # if line


def _while(x: Any) -> Any:
    while x.sum() > 3:  # while line
        x = x - 1
    return x


def _float(x: Any) -> Any:
    return x * float(x.sum())  # float line


def _item(x: Any) -> Any:
    return x * x.sum().item()  # item line


def _numpy(x: Any) -> Any:
    return x + x.numpy().mean()  # numpy line


def _array(x: Any) -> Any:
    return np.asarray(x)  # array line


def _format(x: Any) -> Any:
    return x, f"{x.sum():.3f}"  # format line


def _range(x: Any) -> Any:
    return sum(x * i for i in range(x.argmax()))  # range line


def _index(x: Any) -> Any:
    return [1, 2][x.argmax()]  # index line


def _list(x: Any) -> Any:
    return x.tolist()  # list line


def _assert(x: Any) -> Any:
    assert (x > 0).all()  # assert line
    return x


@pytest.mark.parametrize(
    "function", [_if, _while, _float, _item, _numpy, _array, _format, _range, _index, _list, _assert]
)
def test_looking_at_a_value_inside_of_compile(function: Callable[[Any], Any]) -> None:
    with pytest.raises(
        ValueDependentError,
        match=r"the value of a tensor (f32|i64|bool).* inside a compiled function.*lenetc.where",
    ) as raised:
        lenetc.compile(function)(IMAGES)
    assert f"at {line_with(function.__name__[1:] + ' line')}" in str(raised.value)
    assert lenetc.ones(2).sum().item() == 2  # the trace is over


def test_a_branch_in_a_module_names_the_module() -> None:
    class Gate(nn.Module):
        def forward(self, x: Any) -> Any:
            return x if x.mean() > 0 else -x  # gate line

    net = nn.Sequential(nn.Linear(12, 2), nn.Sequential(nn.ReLU(), Gate()))
    with pytest.raises(ValueDependentError) as raised:
        lenetc.compile(net)(IMAGES)
    assert str(raised.value).endswith(f"at 1.1, {line_with('gate line')}")


def test_what_depends_on_shapes_only_compiles() -> None:
    @lenetc.compile
    def rows(x: Any) -> Any:
        total = x[0] if x.shape[0] > 1 else x
        for row in x:  # as many as there are
            total = total + row
        return total, x.type_text(), lenetc.tensor([1.0, 2.0]).sum() + lenetc.arange(3.0).sum()

    total, text, constant = rows(IMAGES)
    np.testing.assert_allclose(total.numpy(), IMAGES[0] + IMAGES.sum(0), rtol=1e-5, atol=1e-6)
    assert text == "f32[4,1,12,12]" and constant.item() == 6


def test_a_mask_as_an_index() -> None:
    with pytest.raises(LenetcError, match=r"the shape of the result depends on the values.*lenetc.where"):
        lenetc.compile(lambda x: x[x > 0])(IMAGES)


def test_arguments_that_a_compiled_function_does_not_take() -> None:
    training = Training(compiled=True)
    for arguments, says in (
        (
            (IMAGES,),
            r"step\(images, labels\) was called with the wrong arguments: missing a required "
            r"argument: 'labels'",
        ),
        ((IMAGES, LABELS, 3), "too many positional arguments"),
        ((IMAGES, {1, 2}), "cannot make a tensor of this set, whose values are no numbers"),
        (
            (IMAGES.astype(complex), LABELS),
            r"the argument images of shape \[4, 1, 12, 12\]: arrays of dtype complex128",
        ),
        ((IMAGES.astype(object), LABELS), r"the argument images of shape .*dtype object"),
    ):
        with pytest.raises((ArgumentError, DTypeError), match=says) as raised:
            training.step(*arguments)
        assert f"\n  at {HERE}:" in str(raised.value)
    with pytest.raises(ArgumentError, match="missing a required argument: 'labels'"):
        training.step(IMAGES, labelz=LABELS)
    with pytest.raises(TypeError, match="3 is not a callable object"):
        lenetc.compile(3)  # type: ignore[call-overload]
    with pytest.raises(
        ShapeError,
        match=r"scan: every array needs the same leading axis.*images f32\[4,1,12,12\], labels i64\[2\]",
    ):
        training.step.scan(IMAGES, LABELS[:2])  # type: ignore[attr-defined]
    training.assert_unchanged()


def test_what_leaves_a_compiled_function_by_a_side_door() -> None:
    """Where nothing is run, what a trace has left behind has no value."""
    kept: list[Any] = []

    @lenetc.compile
    def leak(x: Any) -> Any:
        kept.append(x * 2)  # leak line
        return x

    leak.lower(IMAGES)
    says = r"the value of this f32\[4,1,12,12\] is not stored: it was made inside a compiled function"
    for look in (kept[0].numpy, lambda: print(kept[0])):
        with pytest.raises(LenetcError, match=says) as raised:
            look()
        assert f"at {line_with('leak line')}" in str(raised.value)
    later = kept[0] + 1
    other = lenetc.ones(3) * 2
    assert other.sum().item() == 6  # what waits beside it is computed all the same
    with pytest.raises(LenetcError, match=says):
        later.sum().item()


# Devices.


def test_cuda_where_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "lenetc.runtime.device.cuda_missing", lambda: "there is no NVIDIA driver on this machine"
    )
    net = Net()
    for use in (
        lambda: lenetc.compile(net, device="cuda"),
        lambda: lenetc.zeros(3).cuda(),
        lambda: lenetc.zeros(3).to("cuda:0"),
        lambda: lenetc.zeros(3, device="cuda"),
        lambda: lenetc.tensor([1.0], device="cuda"),
        net.cuda,
        lambda: net.to("cuda"),
    ):
        with pytest.raises(
            DeviceError,
            match=r"device='cuda' cannot be used: there is no NVIDIA driver.*lenetc\[cuda\].*'cpu' do "
            r"without",
        ) as raised:
            use()
        assert f"\n  at {HERE}:" in str(raised.value)
    with pytest.raises(DeviceError, match="unknown device 'tpu'; use 'auto', 'cpu' or 'cuda'"):
        lenetc.compile(net, device="tpu")
    assert net.conv1.weight.device == "cpu" and lenetc.compile(net, device="auto").device == "cpu"


# What is not there.


def test_names_that_lenetc_lacks() -> None:
    for owner, name, says in (
        (lenetc, "argmaxx", "lenetc has no 'argmaxx': not all of PyTorch is here. Did you mean argmax"),
        (lenetc, "stft", "lenetc has no 'stft'.*autograd.Function"),
        (nn, "LSTMCel", "lenetc.nn has no 'LSTMCel'.*Did you mean LSTMCell"),
        (F, "grid_sampl", "lenetc.nn.functional has no 'grid_sampl'.*Did you mean grid_sample"),
        (optim, "Adamm", "lenetc.optim has no 'Adamm'.*Did you mean Adam"),
        (lenetc.zeros(3), "cumsumm", "Tensor has no 'cumsumm'.*Compose it"),
    ):
        with pytest.raises(AttributeError, match=says):
            getattr(owner, name)
        assert not hasattr(owner, "__no_such__")
    with pytest.raises(AttributeError, match="'Net' object has no attribute 'conv3'"):
        _ = Net().conv3
    with pytest.raises(AttributeError, match=re.escape(f"at {HERE}:")):
        lenetc.zeros(3).no_such_method()


# Gradients.


class Halves(lenetc.autograd.Function):
    """x * y, with a backward that `returned` replaces."""

    returned: Any = None

    @staticmethod
    def forward(ctx: Any, x: Any, y: Any) -> Any:
        return x * y

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        return Halves.returned(g)


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize(
    ("returned", "says"),
    [
        (
            lambda g: g,
            "Halves.backward returned 1 gradients, but forward took 2 arguments; return one for each",
        ),
        (lambda g: (g, g, g), "Halves.backward returned 3 gradients, but forward took 2 arguments"),
        (lambda g: (g.sum(), None), r"a gradient of shape \[\] for an argument of shape \[3\]"),
        (lambda g: (3.0, None), r"returned a float for an argument f32\[3\]; gradients are tensors, or None"),
    ],
    ids=["too few", "too many", "shape", "number"],
)
def test_a_function_with_wrong_gradients(
    compiled: bool, returned: Any, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Halves, "returned", returned)
    w = lenetc.ones(3, requires_grad=True)

    def backward(x: Any) -> Any:
        product = Halves.apply(w, lenetc.as_tensor(x))  # apply line
        product.sum().backward()
        return w.grad

    with pytest.raises(LenetcError, match=says) as raised:
        (lenetc.compile(backward) if compiled else backward)(np.ones(3, np.float32))
    assert f"at {line_with('apply line')}" in str(raised.value)
    assert w.grad is None
    monkeypatch.setattr(Halves, "returned", lambda g: (g, None))
    assert backward(np.ones(3, np.float32)).tolist() == [1, 1, 1]


def test_a_function_without_backward() -> None:
    class Incomplete(lenetc.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            return x * 2

    with pytest.raises(LenetcError, match=r"Incomplete lacks a static method backward\(ctx, ...\)"):
        Incomplete.apply(lenetc.ones(2))


@pytest.mark.parametrize("compiled", [False, True])
def test_backward_twice(compiled: bool) -> None:
    w = lenetc.ones(3, requires_grad=True)

    def twice(x: Any) -> Any:
        loss = (w * w * lenetc.as_tensor(x)).sum()
        loss.backward()
        loss.backward()  # second line
        return loss

    with pytest.raises(
        LenetcError, match=r"backward through the graph a second time.*retain_graph=True"
    ) as raised:
        (lenetc.compile(twice) if compiled else twice)(np.ones(3, np.float32))
    assert f"at {line_with('second line')}" in str(raised.value)
    if compiled:
        assert w.grad is None
    else:
        assert w.grad is not None and w.grad.tolist() == [2, 2, 2]


def test_backward_of_what_has_no_gradient() -> None:
    w = lenetc.ones(3, requires_grad=True)
    for call, says in (
        (lambda: lenetc.ones(3).sum().backward(), "does not require grad"),
        (lambda: (w * 2).backward(), r"scalar outputs, but the output is f32\[3\]"),
        (lambda: (w * 2).backward(lenetc.ones(4)), r"the gradient has shape \[4\], the output \[3\]"),
        (
            lambda: lenetc.tensor([1, 2], requires_grad=True),
            r"floating point dtype can require gradients, not i64\[2\]",
        ),
    ):
        with pytest.raises(LenetcError, match=says) as raised:
            call()
        assert f"\n  at {HERE}:" in str(raised.value)
    assert w.grad is None


def test_in_place_changes_that_cannot_be() -> None:
    x, w = lenetc.zeros(2, 3), lenetc.ones(3, requires_grad=True)
    for call, says in (
        (lambda: x[0].expand(2, 3).add_(1), "in-place changes of a view"),
        (lambda: x.unfold(1, 2, 1).fill_(1), "in-place changes of a view"),
        (lambda: w.add_(1), "a leaf variable that requires grad.*no_grad"),
        (lambda: x.add_(lenetc.ones(4, 2, 3)), r"the result has shape \[4, 2, 3\], the tensor \[2, 3\]"),
        (lambda: lenetc.tensor([1, 2]).add_(1.5), r"f32\[2\], which cannot be stored in i64\[2\]"),
    ):
        with pytest.raises(LenetcError, match=says) as raised:
            call()
        assert f"\n  at {HERE}:" in str(raised.value)
    assert not x.numpy().any() and w.tolist() == [1, 1, 1]


def test_shapes_that_do_not_go_together() -> None:
    a, b = lenetc.ones(2, 3), lenetc.ones(2, 4)
    for call, says in (
        (lambda: a + b, r"\[2, 3\] and \[2, 4\] do not broadcast"),
        (lambda: a @ a, r"f32\[2,3\] and f32\[2,3\] do not multiply"),
        (lambda: a.view(5), r"shape \[5\] is invalid for a tensor f32\[2,3\] with 6 elements"),
        (lambda: lenetc.cat([a, b]), r"f32\[2,3\] and f32\[2,4\] differ"),
        (
            lambda: lenetc.stack([a, b]),
            r"stack: every tensor must have the same shape, but they are f32\[2,3\] and f32\[2,4\]",
        ),
        (lambda: lenetc.cat([]), "there are no tensors to join"),
        (lambda: F.mse_loss(a, b), r"\[2, 3\] and \[2, 4\] do not broadcast"),
    ):
        with pytest.raises(ShapeError, match=says) as raised:
            call()
        assert f"\n  at {HERE}:" in str(raised.value)


def test_indices_that_cannot_be() -> None:
    x = lenetc.ones(2, 3)
    for index, says in (
        (5, r"index 5 is out of bounds for dimension 0 of f32\[2,3\]"),
        ((0, 0, 0), r"too many indices: 3 for f32\[2,3\]"),
        ("a", r"f32\[2,3\] takes ints, slices.*not a str"),
        (1.5, "not a float"),
    ):
        with pytest.raises(IndexError, match=says):
            x[index]


def beyond(x: lenetc.Tensor) -> lenetc.Tensor:
    """What only the runtime refuses: an index out of range, past the check that x[...] makes."""
    return apply("", lambda a: ops.gather(a, literal(np.array([7])), axis=0), x)  # gather line


def test_a_failure_at_run_time_stays_with_its_tensor() -> None:
    w = lenetc.ones(2, requires_grad=True)
    optimizer = optim.SGD([w], lr=0.5)
    rows = lenetc.ones(2, 3)
    outside = beyond(rows)
    assert (rows * 2).sum().item() == 12
    with pytest.raises(RunError, match="gather") as raised:
        outside.numpy()
    assert f"at {line_with('gather line')}" in str(raised.value)
    # A step whose gradient cannot be computed leaves the parameter as it is.
    (w * beyond(rows).sum()).sum().backward()
    with pytest.raises(RunError):
        optimizer.step()
    assert w.tolist() == [1, 1]
    optimizer.zero_grad()
    (w * 3).sum().backward()
    optimizer.step()
    assert w.tolist() == [-0.5, -0.5]


# Checkpoints.


def test_files_that_are_no_checkpoint(tmp_path: Path) -> None:
    net = Net()
    path = tmp_path / "net.safetensors"
    lenetc.save(net.state_dict(), path)
    whole = path.read_bytes()
    cases: list[tuple[bytes, str]] = [
        (pickle.dumps({"a": 1}), "is a pickle.*lenetc never reads them"),
        (whole[: len(whole) // 2], "truncated, corrupt or not a safetensors file"),
        (whole[:-9] + bytes([whole[-9] ^ 1]) + whole[-8:], "is corrupt: the checksum"),
        (b"", r"\(0 bytes\)"),
        (b"not a checkpoint at all", "not a safetensors file"),
    ]
    for content, says in cases:
        path.write_bytes(content)
        with pytest.raises(CheckpointError, match=says) as raised:
            net.load_state_dict(lenetc.load(path))
        assert str(path) in str(raised.value)
    with pytest.raises(FileNotFoundError, match="nowhere: it does not exist"):
        lenetc.load(tmp_path / "nowhere")
    with pytest.raises(CheckpointError, match="is not an exported artifact"):
        lenetc.load(tmp_path)


def test_half_a_checkpoint_is_not_taken_for_a_pickle(tmp_path: Path) -> None:
    """A pickle begins with the byte 0x80; so does a checkpoint whose header is 128 bytes long, or 384, ..."""
    path = tmp_path / "x.safetensors"
    lengths = set()
    for size in range(0, 300, 8):
        lenetc.save({"w" * (size + 1): np.ones(3, np.float32)}, path)
        content = path.read_bytes()
        lengths.add(content[0])
        path.write_bytes(content[:-3])
        with pytest.raises(CheckpointError, match="truncated, corrupt or not a safetensors file"):
            lenetc.load(path)
    assert 0x80 in lengths


def test_a_state_dict_that_does_not_fit_changes_nothing() -> None:
    training = Training(compiled=True)
    net = training.net
    good = {name: tensor.detach().numpy() + 1 for name, tensor in net.state_dict().items()}
    missing = {name: value for name, value in good.items() if name != "fc.bias"}
    for state, says in (
        (missing, r'Missing key\(s\) in state_dict: "fc.bias"'),
        ({**good, "fc9.bias": good["fc.bias"]}, r'Unexpected key\(s\) in state_dict: "fc9.bias"'),
        (
            {**good, "fc.bias": np.zeros(7)},
            r"size mismatch for fc.bias: .*\[7\].*the shape in current model is .*\[3\]",
        ),
        ({**good, "fc.bias": "text"}, 'the parameter named "fc.bias", expected a tensor or an array'),
        ({"model": good}, "load its entry 'model'"),
    ):
        with pytest.raises(LenetcError, match=r"(?s)loading state_dict for Net:.*" + says):
            net.load_state_dict(state)
    with pytest.raises(TypeError, match=r"dict-like.*lenetc.load\(path\)"):
        net.load_state_dict("net.safetensors")  # type: ignore[arg-type]
    training.assert_unchanged()


def test_a_save_that_fails_keeps_the_file_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    net = Net()
    path = tmp_path / "net.safetensors"
    lenetc.save(net.state_dict(), path)
    before = path.read_bytes()

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    net.conv1.weight.data.add_(1)
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(
            CheckpointError,
            match=r"No space left on device. A previous file of that name is as it was; make room",
        ):
            lenetc.save(net.state_dict(), path)
    assert path.read_bytes() == before and [p.name for p in tmp_path.iterdir()] == [path.name]
    with pytest.raises(TypeError, match="cannot save the object: a Net is neither dict"):
        lenetc.save(net, path)
    assert path.read_bytes() == before


def test_state_goes_out_and_comes_back(tmp_path: Path) -> None:
    trained, fresh = Training(compiled=True), Training(compiled=False)
    for _ in range(3):
        trained.step(IMAGES, LABELS)
    path = tmp_path / "run.safetensors"
    lenetc.save(
        {"model": trained.net.state_dict(), "optimizer": trained.optimizer.state_dict(), "epoch": 3}, path
    )
    loaded = lenetc.load(path)
    assert loaded["epoch"] == 3
    fresh.net.load_state_dict(loaded["model"])
    fresh.optimizer.load_state_dict(loaded["optimizer"])
    assert fresh.state() == trained.state()
    assert fresh.step(IMAGES, LABELS).item() == pytest.approx(trained.step(IMAGES, LABELS).item(), rel=1e-6)


def test_an_exported_state_loads_into_the_module(tmp_path: Path) -> None:
    lenetc.manual_seed(1)
    net = Net()
    optimizer = optim.Adam(net.parameters())

    @lenetc.compile
    def step(images: Any, labels: Any) -> Any:
        optimizer.zero_grad()
        loss = F.cross_entropy(F.dropout(net(images), 0.1), labels)
        loss.backward()
        optimizer.step()
        return loss

    step(IMAGES, LABELS)
    step.lower(IMAGES, LABELS).export(tmp_path, net)
    values = lenetc.load(tmp_path / "state.safetensors")
    assert {"conv1.weight.exp_avg", "optimizer.step", "rng.key"} <= values.keys()
    other = Net()
    other.load_state_dict(values)
    for name, tensor in net.state_dict().items():
        assert tensor.numpy().tobytes() == other.state_dict()[name].numpy().tobytes()
    with pytest.raises(LenetcError, match=r'Unexpected key\(s\) in state_dict: "fc.weights"'):
        other.load_state_dict({**values, "fc.weights": values["fc.weight"]})


def test_inputs_that_an_artifact_does_not_take(tmp_path: Path) -> None:
    training = Training(compiled=True)
    training.step.lower(IMAGES, LABELS).export(tmp_path)  # type: ignore[attr-defined]
    artifact = lenetc.load(tmp_path)
    before = {name: array.tobytes() for name, array in artifact.state.items()}
    for inputs, error, says in (
        ({"images": IMAGES}, LenetcError, r"takes images, labels; missing: \['labels'\]"),
        ({"images": IMAGES, "labels": LABELS, "rate": 1}, LenetcError, r"unknown: \['rate'\]"),
        (
            {"images": IMAGES[:, :, :9], "labels": LABELS},
            ShapeError,
            r"images is float32 \['N', 1, 12, 12\], but was given float32 \[4, 1, 9, 12\]",
        ),
        (
            {"images": IMAGES, "labels": LABELS[:3]},
            ShapeError,
            r"labels is int64 \['N'\], but was given int64 \[3\], where N is 4",
        ),
        (
            {"images": IMAGES, "labels": LABELS + 0.5},
            DTypeError,
            r"labels is int64 .* given float64 \[4\]; convert it with .astype\(np.int64\)",
        ),
        (
            {"images": IMAGES, "labels": LABELS + 2},
            LabelError,
            r"label 3 is out of bounds: it must be in 0..2 .*labels\[1\]",
        ),
    ):
        with pytest.raises(error, match=says):
            artifact(**inputs)
        assert {name: array.tobytes() for name, array in artifact.state.items()} == before
    loss = artifact(images=IMAGES, labels=[0, -100, 2, 1])["loss"]
    expected = training.step(IMAGES, np.array([0, -100, 2, 1])).item()
    assert loss == pytest.approx(expected, rel=1e-5)


# An installation that is not whole.


def import_lenetc(folder: Path, *, before: str = "") -> str:
    """What `import lenetc` prints to stderr in a fresh process, with `folder` first on the path."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), str(ROOT)])}
    command = [sys.executable, "-c", f"{before}\nimport lenetc"]
    return subprocess.run(
        command, env=environment, capture_output=True, text=True, cwd=folder, timeout=120
    ).stderr


@pytest.mark.parametrize("name", ["ir", "passes"])
@pytest.mark.parametrize("kind", ["module", "package"])
def test_a_foreign_module_in_the_place_of_ours(tmp_path: Path, name: str, kind: str) -> None:
    file = tmp_path / f"{name}.py" if kind == "module" else tmp_path / name / "__init__.py"
    file.parent.mkdir(exist_ok=True)
    file.write_text("x = 1\n")
    says = f"ImportError: {file} hides lenetc's package '{name}', which is in {ROOT}"
    assert says in import_lenetc(tmp_path) and "Rename it" in import_lenetc(tmp_path, before=f"import {name}")


def test_a_folder_without_init_hides_nothing(tmp_path: Path) -> None:
    (tmp_path / "ir").mkdir()
    assert import_lenetc(tmp_path) == ""


def test_a_python_that_is_too_old(tmp_path: Path) -> None:
    assert "ImportError: lenetc needs Python 3.11 or newer, this is Python 3.8.1" in import_lenetc(
        tmp_path, before="import sys; sys.version_info = (3, 8, 1)"
    )


@pytest.mark.parametrize(
    ("content", "why"),
    [("raise ImportError('no module of that name')", "no module of that name"), ("", "cannot import name")],
)
def test_no_runtime(tmp_path: Path, content: str, why: str) -> None:
    (tmp_path / "onnxruntime.py").write_text(content)
    error = import_lenetc(tmp_path)
    assert f"lenetc needs ONNX Runtime, which cannot be imported ({why}" in error
    assert "pip install onnxruntime-gpu" in error and "pip install onnxruntime`" in error


@pytest.mark.parametrize(
    "how", ["raise KeyboardInterrupt", "raise ImportError('initialization failed') from KeyboardInterrupt()"]
)
def test_ctrl_c_while_the_runtime_is_imported_is_no_broken_installation(tmp_path: Path, how: str) -> None:
    """A module written in C makes an ImportError of it."""
    (tmp_path / "onnxruntime.py").write_text(how)
    error = import_lenetc(tmp_path)
    assert error.rstrip().endswith("KeyboardInterrupt")
    assert "pip install" not in error
