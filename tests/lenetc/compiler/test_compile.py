"""compile: one program for forward, backward and update; state found, kept and shown; guards; scan."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lenetc
from ir.errors import LenetcError, ShapeError
from lenetc.evaluation.tracing import ValueDependentError
from tests.lenetc.compiler.regression import Regression, X, traces


def test_compiled_steps_equal_uncompiled_ones() -> None:
    compiled, plain = Regression(), Regression(compiled=False)
    for i in range(6):
        x = X * (i + 1) / 3
        np.testing.assert_allclose(compiled.step(x).item(), plain.step(x).item(), rtol=1e-6)
        for ours, theirs in zip(compiled.values(), plain.values(), strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-7)
    assert compiled.optimizer._step_count == plain.optimizer._step_count == 6
    momentum = [s["momentum_buffer"].numpy() for s in compiled.optimizer.state.values()]
    expected = [s["momentum_buffer"].numpy() for s in plain.optimizer.state.values()]
    for ours, theirs in zip(momentum, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-7)


def test_a_new_shape_specializes_and_is_cached() -> None:
    model = Regression()
    for rows in (6, 2, 6, 2):
        model.step(X[:rows])
    assert traces(model.step) == 2  # type: ignore[arg-type]


def test_the_state_is_shared_between_specializations() -> None:
    compiled, plain = Regression(), Regression(compiled=False)
    for rows in (6, 2, 2, 6, 6, 6, 2, 6):
        compiled.step(X[:rows])
        plain.step(X[:rows])
    np.testing.assert_allclose(compiled.values()[0], plain.values()[0], rtol=1e-5)


def test_the_learning_rate_is_an_input() -> None:
    compiled, plain = Regression(), Regression(compiled=False)
    for i in range(4):
        for model in (compiled, plain):
            model.optimizer.param_groups[0]["lr"] = 0.1 / (i + 1)
            model.step(X)
    np.testing.assert_allclose(compiled.values()[0], plain.values()[0], rtol=1e-5)
    assert traces(compiled.step) == 1  # type: ignore[arg-type]


def test_another_option_that_changes_becomes_an_input() -> None:
    compiled, plain = Regression(), Regression(compiled=False)
    for i in range(5):
        for model in (compiled, plain):
            model.optimizer.param_groups[0]["momentum"] = 0.9 - i / 10
            model.step(X)
    np.testing.assert_allclose(compiled.values()[0], plain.values()[0], rtol=1e-5)
    assert traces(compiled.step) == 2  # type: ignore[arg-type]


def test_a_float_argument_is_an_input_and_a_string_a_constant() -> None:
    @lenetc.compile
    def scaled(x: Any, factor: float, how: str) -> Any:
        return x * factor if how == "times" else x + factor

    assert scaled(X, 2.0, "times").numpy() == pytest.approx(X * 2)
    assert scaled(X, 3.0, "times").numpy() == pytest.approx(X * 3)
    assert scaled(X, 3.0, "plus").numpy() == pytest.approx(X + 3)
    assert traces(scaled) == 2


def test_what_changes_at_every_call_is_told_and_does_not_pile_up() -> None:
    count = 0

    @lenetc.compile(device="cpu")
    def scaled(x: Any) -> Any:
        return x * count

    with pytest.warns(lenetc.RetraceWarning) as told:
        for count in range(12):
            np.testing.assert_array_equal(scaled(X).numpy(), X * count)
    assert traces(scaled) <= 16  # eight that runs may stand for, eight of calls that were traced
    (message,) = [str(one.message) for one in told]
    assert (
        message.startswith("8 programs have been compiled for scaled") and "changed since: count" in message
    )


def test_values_changed_from_outside_are_seen() -> None:
    compiled, plain = Regression(), Regression(compiled=False)
    for i in range(4):
        for model in (compiled, plain):
            model.step(X)
            if i == 1:
                model.w.data.mul_(0.5)
            if i == 2:
                model.optimizer.load_state_dict(model.optimizer.state_dict())
    np.testing.assert_allclose(compiled.values()[0], plain.values()[0], rtol=1e-5)


def test_what_waits_to_be_computed_keeps_the_old_values() -> None:
    model = Regression()
    model.step(
        X
    )  # traced before: tracing computes what waits anyway, a call of a ready program has to as well
    before = model.values()[0]
    doubled = model.w.detach() * 2
    copy = model.w.detach().clone()
    for _ in range(3):
        model.step(X)
    np.testing.assert_array_equal(doubled.numpy(), before * 2)
    np.testing.assert_array_equal(copy.numpy(), before)


def test_arrays_once_taken_stay_as_they_are() -> None:
    model = Regression()
    model.step(X)
    taken = model.values()
    copies = [value.copy() for value in taken]
    for _ in range(3):
        model.step(X)
    del model
    for value, copy in zip(taken, copies, strict=True):
        np.testing.assert_array_equal(value, copy)


def test_a_result_is_not_overwritten_by_later_calls() -> None:
    model = Regression()
    losses = [model.step(X) for _ in range(4)]
    assert len({loss.item() for loss in losses}) == 4


def test_extremes_along_a_dim_have_names_inside_and_outside() -> None:
    def extremes(x: Any) -> Any:
        return x.max(1), x.min(dim=0).values

    for function in (extremes, lenetc.compile(extremes)):
        highest, lowest = function(lenetc.tensor(X))
        np.testing.assert_array_equal(highest.values.numpy(), X.max(1))
        np.testing.assert_array_equal(highest.indices.numpy(), X.argmax(1))
        np.testing.assert_array_equal(lowest.numpy(), X.min(0))


def test_a_branch_on_a_value_names_the_line() -> None:
    @lenetc.compile
    def branch(x: Any) -> Any:
        if x.sum() > 0:  # this line
            return x
        return -x

    with pytest.raises(ValueDependentError) as raised:
        branch(X)
    line = next(
        i for i, text in enumerate(Path(__file__).read_text().splitlines(), 1) if "# this line" in text
    )
    assert f"{__file__}:{line}" in str(raised.value)


def test_a_failing_trace_changes_nothing() -> None:
    model = Regression()
    model.step(X)
    before = model.values()

    def broken(x: Any) -> Any:
        model.optimizer.zero_grad()
        (x @ model.w).sum().backward()
        model.optimizer.step()
        return x @ x

    with pytest.raises(ShapeError, match=r"f32\[6,4\]"):
        lenetc.compile(broken)(X)
    for now, then in zip(model.values(), before, strict=True):
        np.testing.assert_array_equal(now, then)
    model.step(X)


def test_a_tensor_that_escapes_has_its_value() -> None:
    kept: list[Any] = []

    @lenetc.compile
    def leak(x: Any) -> Any:
        kept.append(x * 2)
        return x

    with pytest.warns(lenetc.RetraceWarning, match="it changes kept"):
        leak(X)
    leak(X + 1)
    np.testing.assert_array_equal(kept[0].numpy(), X * 2)
    np.testing.assert_array_equal(kept[1].numpy(), (X + 1) * 2)


def test_scan_is_the_same_as_calls_one_by_one() -> None:
    scanned, called = Regression(), Regression()
    batches = np.stack([X * (i + 1) / 4 for i in range(5)])
    losses = scanned.step.scan(batches)  # type: ignore[attr-defined]
    one_by_one = np.array([called.step(x).item() for x in batches], np.float32)
    np.testing.assert_allclose(losses.numpy(), one_by_one, rtol=1e-6)
    for ours, theirs in zip(scanned.values(), called.values(), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-7)
    assert scanned.optimizer._step_count == called.optimizer._step_count == 5


def test_a_scan_leaves_the_grad_that_its_last_step_was_given() -> None:
    p = lenetc.nn.Parameter(lenetc.ones(2))

    def step(g: Any) -> Any:
        p.grad = g
        return (p * g).sum()

    gradients = lenetc.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    compiled = lenetc.compile(step)
    for _ in range(2):
        p.grad = None
        assert compiled.scan(gradients).tolist() == [3, 7, 11]
        assert p.grad is not None and p.grad.tolist() == [5, 6]


def test_the_steps_of_a_scan_over_a_tensor_get_tensors() -> None:
    """Whose std divides by n - 1, which that of an array does not."""
    x = np.arange(12, dtype=np.float32).reshape(3, 4)
    for given in (x, lenetc.tensor(x)):
        f = lenetc.compile(lambda a: a.std())
        for _ in range(2):
            np.testing.assert_allclose(f.scan(given).numpy(), [f(row).item() for row in given], rtol=1e-6)
    assert f(given[0]).item() == pytest.approx(x[0].std(ddof=1))


def test_scan_wants_one_number_of_steps() -> None:
    @lenetc.compile
    def pair(x: Any, y: Any) -> Any:
        return x + y

    with pytest.raises(ShapeError, match="same leading axis"):
        pair.scan(X, X[:3])


def test_random_numbers_differ_from_call_to_call_and_repeat_with_the_seed() -> None:
    @lenetc.compile
    def noise(x: Any) -> Any:
        return x + lenetc.rand(6, 4)

    def three() -> list[np.ndarray[Any, Any]]:
        lenetc.manual_seed(3)
        return [noise(X).numpy() for _ in range(3)]

    first, again = three(), three()
    assert not np.array_equal(first[0], first[1])
    np.testing.assert_array_equal(first, again)
    lenetc.manual_seed(3)
    stacked = noise.scan(np.stack([X, X, X])).numpy()
    np.testing.assert_array_equal(stacked, first)
    lenetc.manual_seed(3)
    eager = [X + lenetc.rand(6, 4).numpy() for _ in range(3)]
    np.testing.assert_array_equal(eager, first)


def test_results_keep_their_structure() -> None:
    @lenetc.compile
    def several(x: Any) -> Any:
        return {"sum": x.sum(), "rows": [x[0], x[1]], "name": "kept", "pair": (x.mean(), 3)}

    result = several(X)
    assert result["name"] == "kept" and result["pair"][1] == 3
    np.testing.assert_array_equal(result["rows"][1].numpy(), X[1])


def test_compiled_functions_compose() -> None:
    double = lenetc.compile(lambda x: x * 2)

    @lenetc.compile
    def outer(x: Any) -> Any:
        return double(x) + 1

    np.testing.assert_allclose(outer(X).numpy(), X * 2 + 1)


def test_lower_does_not_run() -> None:
    model = Regression()
    before = model.values()
    program = model.step.lower(X)  # type: ignore[attr-defined]
    np.testing.assert_array_equal(model.values()[0], before[0])
    assert program.stages()[:2] == ["forward", "traced"] and program.stages()[-1] == "order"
    with pytest.raises(KeyError, match="the stages are forward, traced"):
        program.text("no such")


def test_the_same_bits_in_100_runs() -> None:
    def run() -> bytes:
        model = Regression()
        model.step(X)
        return model.values()[0].tobytes()

    model = Regression()
    start = [value.copy() for value in model.values()]
    seen = set()
    for _ in range(100):
        model.w.data.copy_(start[0])
        model.b.data.copy_(start[1])
        for state in model.optimizer.state.values():
            state["momentum_buffer"].zero_()
        model.step(X)
        seen.add(model.values()[0].tobytes())
    assert len(seen) == 1 and run() in seen


def test_detect_anomaly_names_the_first_op_and_keeps_the_state() -> None:
    model = Regression()
    model.step(X)
    before = model.values()
    bad = X.copy()
    bad[0, 0] = 3e38

    @lenetc.compile
    def overflow(x: Any) -> Any:
        with lenetc.no_grad():
            model.w.mul_(1.0)
        return (x * 10.0).sum()

    with (
        lenetc.autograd.detect_anomaly(),
        pytest.raises(lenetc.autograd.AnomalyError, match=r"mul \(forward\).*infinite"),
    ):
        overflow(bad)
    np.testing.assert_array_equal(model.values()[0], before[0])


def test_exported_files_train_as_the_compiled_step_does(tmp_path: Any) -> None:
    model = Regression()
    program = model.step.lower(X)  # type: ignore[attr-defined]
    program.export(tmp_path)
    artifact = lenetc.load(tmp_path)
    for rows in (6, 5, 6):
        loss = model.step(X[:rows]).item()
        np.testing.assert_allclose(artifact(x=X[:rows])["loss"], loss, rtol=1e-5)
    np.testing.assert_allclose(artifact.state["w"], model.values()[0], rtol=1e-5)
    (tmp_path / "train.onnx").write_bytes(b"something else")
    with pytest.raises(LenetcError, match=r"train\.onnx has 14 bytes, and was exported with"):
        lenetc.load(tmp_path)


def test_a_mask_that_is_made_of_constants_picks_in_a_compiled_function() -> None:
    def others(x: lenetc.Tensor) -> lenetc.Tensor:
        n = x.shape[0]
        return x[~lenetc.eye(n, dtype=lenetc.bool)].view(n, -1)

    x = lenetc.arange(9.0).view(3, 3)
    assert lenetc.compile(others)(x).tolist() == others(x).tolist() == [[1, 2], [3, 5], [6, 7]]


def test_gradients_pass_two_optimizers_in_one_step() -> None:
    """A new weight is made of a gradient that the other network is a part of; nothing goes back through it."""

    def trained(is_compiled: bool) -> list[Any]:
        lenetc.manual_seed(0)
        makes, judges = lenetc.nn.Linear(3, 3), lenetc.nn.Linear(3, 1)
        first, second = (lenetc.optim.SGD(net.parameters(), lr=0.1) for net in (judges, makes))

        def step(z: lenetc.Tensor) -> lenetc.Tensor:
            first.zero_grad()
            judges(makes(z)).mean().backward()
            first.step()
            second.zero_grad()
            loss = judges(makes(z)).pow(2).mean()
            loss.backward()
            second.step()
            return loss

        turn = lenetc.compile(step) if is_compiled else step
        turn(lenetc.ones(2, 3))
        return [turn(lenetc.ones(2, 3)).item(), *(p.tolist() for p in makes.parameters())]

    compiled, lazy = trained(True), trained(False)
    for found, expected in zip(compiled, lazy, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-5)


@pytest.mark.parametrize("is_tensor", [False, True])
def test_an_argument_may_have_the_name_of_an_option(is_tensor: bool) -> None:
    w = lenetc.tensor([1.0, 2.0], requires_grad=True)
    optimizer = lenetc.optim.SGD([w], lr=0.1)

    @lenetc.compile
    def step(lr: Any) -> lenetc.Tensor:
        optimizer.zero_grad()
        loss = w.sum() * lr
        loss.backward()
        optimizer.step()
        return loss

    for value in (0.5, 0.25):
        step(lenetc.tensor(value) if is_tensor else value)
    np.testing.assert_allclose(w.detach().numpy(), [0.925, 1.925], rtol=1e-6)
