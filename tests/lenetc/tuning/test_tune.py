"""Costs measured on this machine: the file they are kept in, what tuning does, and how compiling uses them."""

from __future__ import annotations

import json
import logging
import os
import re
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lenetc
from ir.errors import LenetcError
from ir.op import leaf
from ir.types import Type, f32
from lenetc import cli, nn
from lenetc.cli.tune import lenet_program
from lenetc.compiler.function import CompiledFunction
from lenetc.compiler.program import Program
from lenetc.runtime import measured_costs
from lenetc.tuning import tune as tuning
from passes.strategies.choice import unmeasured
from passes.strategies.table import StrategyError
from passes.target import Target
from tests.support import graph_to

COSTS = {"conv2d by conv: f32[1]": (3.0, 2.0), "turned: f32[4,5]": (10.0, 2.0), "moved: f32[4,5]": (4.0, 2.0)}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder for the costs."""
    monkeypatch.setenv("LENETC_CACHE", str(tmp_path / "costs"))
    return tmp_path / "costs"


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 3, 3)
        self.head = nn.Linear(3 * 2 * 2, 2)

    def forward(self, x: Any) -> Any:
        x = nn.functional.max_pool2d(nn.functional.relu(self.conv(x)), 2)
        return self.head(lenetc.flatten(x, 1))


def training(**options: Any) -> tuple[CompiledFunction, Any]:
    """A compiled step of a small net, and its arguments."""
    lenetc.manual_seed(0)
    net = Net()
    optimizer = lenetc.optim.SGD(net.parameters(), lr=0.1)

    def step(images: Any) -> Any:
        optimizer.zero_grad()
        loss = (net(images) ** 2).mean()
        loss.backward()
        optimizer.step()
        return loss

    rng = np.random.default_rng(0)
    compiled = lenetc.compile(step, device="cpu", **options)
    return compiled, rng.standard_normal((4, 2, 6, 6)).astype(np.float32)


def notes(program: Program) -> list[str]:
    return program.stage("strategies").notes


# The file.


def test_costs_come_back_from_the_disk_and_newer_ones_replace_older() -> None:
    assert measured_costs.load("cpu") is None
    measured_costs.save("cpu", COSTS)
    loaded = measured_costs.load("cpu")
    assert loaded is not None
    assert loaded.costs == {key: cost for key, (cost, _) in COSTS.items()}
    assert loaded.scale == 2.0  # the median of 1.5, 5, 2
    measured_costs.save("cpu", {"turned: f32[4,5]": (2.0, 2.0), "new": (1.0, 1.0)})
    again = measured_costs.load("cpu")
    assert again is not None
    assert again.costs["turned: f32[4,5]"] == 2.0 and len(again.costs) == 4
    assert measured_costs.load("cuda") is None  # another device, another file


def test_the_folder_is_the_users_unless_one_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert measured_costs.folder() == tmp_path / "costs"
    monkeypatch.delenv("LENETC_CACHE")
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert measured_costs.folder() == tmp_path / "xdg" / "lenetc"
    monkeypatch.setattr("sys.platform", "darwin")
    assert measured_costs.folder() == Path.home() / "Library" / "Caches" / "lenetc"
    monkeypatch.setattr("sys.platform", "win32")
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "local"))
    assert measured_costs.folder() == tmp_path / "local" / "lenetc"


def _broken(kind: str) -> bytes:
    measured_costs.save("cpu", COSTS)
    content = json.loads(measured_costs.path("cpu").read_bytes())
    if kind == "cut short":
        return measured_costs.path("cpu").read_bytes()[:-20]
    if kind == "another machine":
        content["machine"]["processor"] = "Z80"
    elif kind == "another format":
        content["format"] = 99
    elif kind == "not numbers":
        content["costs"]["turned: f32[4,5]"] = ["fast", 1]
    elif kind == "negative":
        content["costs"]["turned: f32[4,5]"] = [-1.0, 1.0]
    elif kind == "a list":
        content = [content]
    return json.dumps(content).encode()


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ("cut short", "damaged"),
        ("another machine", r"not measured on this machine \(processor\)"),
        ("another format", "format 99, not 1"),
        ("not numbers", "damaged"),
        ("negative", "not a positive number"),
        ("a list", "damaged"),
    ],
)
def test_a_file_that_cannot_be_used_is_ignored_with_a_warning(
    kind: str, told: str, caplog: pytest.LogCaptureFixture
) -> None:
    measured_costs.path("cpu").parent.mkdir(parents=True, exist_ok=True)
    measured_costs.path("cpu").write_bytes(_broken(kind))
    with caplog.at_level(logging.WARNING, "lenetc"):
        assert measured_costs.load("cpu") is None
        assert measured_costs.load("cpu") is None
        step, images = training()
        step(images)
    (record,) = caplog.records  # told once
    assert (
        str(measured_costs.path("cpu")) in record.getMessage()
        and "lenetc tune --clear" in record.getMessage()
    )
    assert re.search(told, record.getMessage())
    measured_costs.save("cpu", COSTS)  # a new measurement replaces it
    assert measured_costs.load("cpu") is not None


def test_writers_do_not_see_half_a_file() -> None:
    """Two that write at the same time: the file is always whole, and one of both is in it."""
    measured_costs.save("cpu", COSTS)
    stop = threading.Event()

    def write(name: str) -> None:
        while not stop.is_set():
            measured_costs.save("cpu", {f"{name}{i}": (1.0, 1.0) for i in range(50)})

    threads = [threading.Thread(target=write, args=(name,)) for name in "ab"]
    for thread in threads:
        thread.start()
    for _ in range(30):
        made, costs = measured_costs.parse(measured_costs.path("cpu").read_bytes())
        assert made == measured_costs.machine("cpu") and COSTS.items() <= costs.items()
    stop.set()
    for thread in threads:
        thread.join()
    assert os.listdir(measured_costs.folder()) == [
        measured_costs.path("cpu").name
    ]  # no temporary file is left


# Tuning.


def test_tuning_measures_all_that_the_choice_asks_for_and_leaves_the_state_alone() -> None:
    step, images = training()
    program = step.lower(images)
    before = {name: cell.numpy() for name, cell in program.capture.cells.items()}
    told: list[tuple[int, int, str]] = []
    result = tuning.tune(program, 20.0, lambda *what: told.append(what))
    assert result.measured > 15 and result.missing == 0
    assert result.builtin > 0 and result.tuned > 0
    assert [done for done, _, _ in told] == sorted(done for done, _, _ in told)
    assert told[-1] == (result.measured, result.measured, "the whole step")
    for name, cell in program.capture.cells.items():
        np.testing.assert_array_equal(cell.numpy(), before[name])
    if result.kept:
        again = tuning.tune(step.lower(images), 20.0)
        assert (again.measured, again.missing) == (0, 0)
        assert len(measured_costs.read("cpu")) == result.measured


def test_without_time_nothing_is_measured_and_this_is_told() -> None:
    step, images = training()
    result = tuning.tune(step.lower(images), 1e-6)
    assert result.measured == 0 and result.missing > 5
    assert not measured_costs.files()


def test_the_next_call_is_compiled_by_the_measured_costs(monkeypatch: pytest.MonkeyPatch) -> None:
    step, images = training()
    plain, images = training(tuned=False)
    assert "conv2d by gather," in notes(step.lower(images))[0]

    def measure(wanted: Any, *_: Any) -> dict[str, tuple[float, float]]:
        return {p.key: (0.1 if "by im2col" in p.key else 500.0, p.estimate) for p in wanted}

    monkeypatch.setattr(tuning, "measure", measure)
    monkeypatch.setattr(tuning, "_steps", lambda *_: [2.0, 1.0])
    expected = float(plain(images))
    assert tuning.tune(step.lower(images)).kept
    assert "conv2d by im2col," in notes(step.lower(images))[0]
    assert "conv2d by gather," in notes(plain.lower(images))[0]
    assert float(step(images)) == pytest.approx(expected, rel=1e-5)


def test_costs_that_make_the_step_slower_are_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    step, images = training()
    monkeypatch.setattr(tuning, "measure", lambda wanted, *_: {p.key: (1.0, p.estimate) for p in wanted})
    monkeypatch.setattr(tuning, "_steps", lambda *_: [1.0, 1.1])
    result = tuning.tune(step.lower(images))
    assert result.measured > 0 and not result.kept and not measured_costs.files()


def test_only_the_program_of_a_compiled_function_can_be_tuned_for() -> None:
    step, images = training()
    step(images)
    (program,) = step.programs()
    with pytest.raises(LenetcError, match=r"step\.lower\(images, labels\)"):
        lenetc.tune(program)


def test_kernels_that_compete_are_run_in_turns_and_the_medians_are_kept() -> None:
    class Fake:
        def __init__(self, name: str, cost: float) -> None:
            self.name, self.cost, self.spent = name, cost, 0.0

        def sample(self) -> None:
            order.append(self.name)
            self.spent += self.cost

    order: list[str] = []
    kernels: Any = [Fake("quick", 0.0), Fake("slow", 1e9)]
    tuning.in_turns(kernels, 0.0)
    assert order[:6] == ["quick", "slow"] * 3
    assert order.count("slow") == 3  # no more than it must be
    x = leaf("x", Type(f32, (2,)))
    ones = lenetc.runtime.to_device(np.ones(2, np.float32), "cpu")
    kernel = tuning.load(graph_to(x + 1.0), {x: ones}, Target())
    for seconds in (5.0, 1.0, 2.0):
        kernel.samples.append(seconds)
    assert kernel.seconds == 2.0


# Strategies by hand.


def test_strategies_by_op_by_module_and_by_both() -> None:
    ways = {"conv2d_weight_grad": "im2col", "conv": "gather", "conv/conv2d_weight_grad": "swapped_conv"}
    expected = [float(training()[0](training()[1]))]
    for chosen, names in (
        ({"conv2d": "im2col"}, ["conv2d by im2col"]),
        ({"conv": "gather"}, ["conv2d by gather", "conv2d_weight_grad by gather"]),
        (ways, ["conv2d by gather", "conv2d_weight_grad by swapped_conv"]),
    ):
        step, images = training(strategies=chosen)
        told = "\n".join(notes(step.lower(images)))
        assert all(f"{name}," in told for name in names), told
        assert float(step(images)) == pytest.approx(expected[0], rel=1e-5)


@pytest.mark.parametrize(
    ("strategies", "told"),
    [
        ({"conv2d": "fast"}, "'conv2d' has no strategy 'fast'; conv2d has conv, .*gather"),
        (
            {"conv": "fast"},
            "'conv' has no strategy 'fast'; conv2d has conv, .*; conv2d_weight_grad has swapped_conv",
        ),
        (
            {"conv9": "gather"},
            "in a module 'conv9'; modules: conv; ops: conv2d, .*; or both, as in 'conv/conv2d'",
        ),
        ({"conv/conv2d": "knockout"}, "'conv/conv2d' has no strategy 'knockout'; conv2d has"),
    ],
)
def test_wrong_names_say_which_there_are(strategies: dict[str, str], told: str) -> None:
    step, images = training(strategies=strategies)
    with pytest.raises(StrategyError, match=told):
        step(images)


def test_a_strategy_that_cannot_compute_the_op_says_why() -> None:
    conv = nn.Conv2d(2, 3, 3).to(lenetc.float64)

    def forward(images: Any) -> Any:
        return conv(images)

    step = lenetc.compile(forward, device="cpu", strategies={"conv2d": "gather"})
    images = np.zeros((2, 2, 5, 5))
    assert "not conv: the runtime has no kernel for f64" in "\n".join(notes(step.lower(images)))


def test_dumps_tell_what_was_chosen_and_what_else_there_is(tmp_path: Path) -> None:
    from ir import parse

    step, images = training()
    program = step.lower(images)
    program.dump(tmp_path / "dump")
    text = (tmp_path / "dump" / "4-strategies.txt").read_text()
    first = text.splitlines()[0]
    assert first.startswith("# conv: conv2d by gather, CHWN, about ") and "; conv: " in first
    assert parse(text) is program.graph("strategies")


def test_parts_are_chosen_for_and_told_by_themselves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They have fewer samples and one thread, and so costs of their own."""
    monkeypatch.setattr("lenetc.runtime.threads._threads", [2])
    program = lenet_program(64, "cpu")
    assert program.split is not None
    asked = [probe.key for graph, target in program.choices for probe in unmeasured(graph, target)]
    assert asked and all("[32," in key or ",32]" in key for key in asked if "conv" in key)
    assert all(key.endswith("on 1 threads") for key in asked)
    written = {path.name for path in program.dump(tmp_path)}
    assert "part0.txt" in written
    told = (tmp_path / "part0.txt").read_text()
    assert told.startswith("# conv1: conv2d by ") and "f32[32,1,32,32]" in told


# The command.


def test_the_command_tunes_shows_and_clears(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["tune", "--batch", "1", "--seconds", "0.5"]) == 0
    out = capsys.readouterr().out
    assert "LeNet, batch 1: " in out and "costs measured" in out and "a step takes" in out
    measured_costs.save("cpu", COSTS)
    assert cli.main(["tune", "--show", "--contains", "turned: f32[4"]) == 0
    out = capsys.readouterr().out
    assert "10.0" in out and "turned: f32[4,5]" in out and "moved" not in out and "of this machine" in out
    assert cli.main(["tune", "--clear"]) == 0
    assert "deleted" in capsys.readouterr().out and not measured_costs.files()
    assert cli.main(["tune", "--show"]) == 0
    assert "nothing is measured yet" in capsys.readouterr().out


PROGRAM = """
import numpy as np
import lenetc
from lenetc import nn

net = nn.Conv2d(1, 2, 3)
step = lenetc.compile(lambda images: net(images), device="cpu")

def program():
    return [step.lower(np.zeros((n, 1, 5, 5), np.float32)) for n in (1, 3)]

def nothing():
    return 5
"""


def test_the_command_takes_the_users_program(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "user_step.py"
    file.write_text(PROGRAM)
    assert cli.main(["tune", f"{file}:program", "--seconds", "2"]) == 0
    out = capsys.readouterr().out
    assert out.count("costs measured") == 2
    assert any("f32[3,1,5,5]" in key for key in measured_costs.read("cpu"))
    for wrong, told in (
        (f"{file}:nothing", "has to return a program, as from step.lower"),
        (f"{file}:missing", "has no function 'missing'"),
        (f"{tmp_path / 'no.py'}:program", "there is no file"),
        ("program", "is not of the form file.py:function"),
    ):
        assert cli.main(["tune", wrong]) == 1
        assert told in capsys.readouterr().err
