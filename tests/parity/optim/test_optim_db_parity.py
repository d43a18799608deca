"""PyTorch's optimizer database: each optimizer over all its inputs beside PyTorch's, lazily and compiled, and what it
refuses."""

import copy
import importlib

import numpy as np
import pytest

import lenetc
from ir.errors import UnsupportedError
from lenetc import optim

torch = pytest.importorskip("torch")
pytest.importorskip("expecttest")  # that the database imports

STEPS = 10
SHAPES = {"vector": (4,), "number": (), "box": (2, 3, 2)}
DTYPES = {"f32": (np.float32, 2e-6), "f64": (np.float64, 2e-7)}
NAMES = (
    *(
        "ASGD",
        "Adadelta",
        "Adafactor",
        "Adagrad",
        "Adam",
        "AdamW",
        "Adamax",
        "Muon",
        "NAdam",
        "RAdam",
        "RMSprop",
    ),
    *("Rprop", "SGD"),
)
# Muon computes in bf16, where the order of sums decides on the last digit, several times in a row: a part of a step.
MUON = 0.03


@pytest.fixture(scope="module")
def database():
    """The optimizers' infos by name: imported here, as that takes seconds."""
    common = importlib.import_module("torch.testing._internal.common_optimizers")
    infos = {info.name: info for info in common.optim_db}
    assert infos.keys() == {*NAMES, "LBFGS", "SparseAdam"}
    return infos


def options(optimizer_input):
    """Keyword arguments for both, without PyTorch's capturable=True, for which PyTorch wants CUDA."""
    kwargs = {k: v for k, v in optimizer_input.kwargs.items() if k != "capturable"}
    ours = {k: as_ours(v) for k, v in kwargs.items()}
    return ours, kwargs


def as_ours(value):
    if isinstance(value, tuple):
        return tuple(map(as_ours, value))
    return lenetc.tensor(value.numpy()) if isinstance(value, torch.Tensor) else value


def close(ours, theirs, tolerance, scale, what):
    ours, theirs = np.asarray(ours), theirs.detach().numpy()
    assert ours.shape == theirs.shape, what
    np.testing.assert_allclose(
        ours, theirs, rtol=0, atol=tolerance * max(scale, np.abs(theirs).max()), err_msg=what
    )


@pytest.mark.parametrize("name", NAMES)
def test_inputs_of_the_database(name, database):
    given = database[name].optim_inputs_func(device="cpu")
    assert given
    for number, optimizer_input in enumerate(given):
        # Muon's programs take long to make.
        ways = ("lazily", "compiled") if name != "Muon" or number % 3 == 0 else ("lazily",)
        compare(name, optimizer_input, "f32" if name == "Muon" or number % 4 else "f64", ways)


def compare(name, optimizer_input, kind, ways):
    rng = np.random.default_rng(0)
    shapes = {"wide": (3, 4), "tall": (4, 3)} if name == "Muon" else SHAPES
    ours_options, theirs_options = options(optimizer_input)
    dtype, tolerance = DTYPES[kind]
    if name == "Muon":
        tolerance = MUON * float(theirs_options.get("lr", 1e-3))
    start = {key: rng.normal(size=shape).astype(dtype) for key, shape in shapes.items()}
    grads = [{k: rng.normal(size=s).astype(dtype) for k, s in shapes.items()} for _ in range(STEPS)]
    theirs = {key: torch.nn.Parameter(torch.tensor(value)) for key, value in start.items()}
    reference = getattr(torch.optim, name)(theirs.values(), **copy.deepcopy(theirs_options))
    runs = []
    for way in ways:
        params = {key: lenetc.tensor(value, requires_grad=True) for key, value in start.items()}
        optimizer = getattr(optim, name)(params.values(), **copy.deepcopy(ours_options))

        def step(given, params=params, optimizer=optimizer):
            for key, param in params.items():
                param.grad = given[key] * 1.0  # one of its own: with the caller's, every call would be traced
            optimizer.step()

        runs.append((way, params, optimizer, lenetc.compile(step) if way == "compiled" else step))
    for number, given in enumerate(grads):
        for key, param in theirs.items():
            param.grad = torch.tensor(given[key])
        reference.step()
        for way, params, _, step in runs:
            step({key: lenetc.tensor(value) for key, value in given.items()})
            for key, param in params.items():
                close(param.detach(), theirs[key], tolerance, 1.0, f"{kind} {way} step {number}: {key}")
    saved = reference.state_dict()
    for way, _, optimizer, step in runs:
        state = optimizer.state_dict()
        assert state["state"].keys() == saved["state"].keys()
        for index, entry in saved["state"].items():
            for key, value in entry.items():
                if value is not None:
                    what = f"{kind} {way}: {key} of {index}"
                    close(state["state"][index][key], value, tolerance, 0.1, what)
        for group, other in zip(state["param_groups"], saved["param_groups"], strict=True):
            assert group.keys() == other.keys()
        if way == "compiled":
            assert len(step.programs()) == 1


@pytest.mark.filterwarnings(
    "ignore:Converting a tensor with requires_grad=True"
)  # which PyTorch's LBFGS does
def test_lbfgs(database):
    for optimizer_input in database["LBFGS"].optim_inputs_func(device="cpu"):
        compare_lbfgs(*options(optimizer_input))


def compare_lbfgs(ours_options, theirs_options):
    rng = np.random.default_rng(1)
    data, target = rng.normal(size=(12, 5)), rng.normal(size=(12, 2))
    start = [rng.normal(size=shape) for shape in ((5, 2), (2,))]
    results = []
    for module, given in ((torch, theirs_options), (lenetc, ours_options)):
        w, b = (module.tensor(value, requires_grad=True) for value in start)
        x, y = module.tensor(data), module.tensor(target)
        optimizer = module.optim.LBFGS([w, b], **given)

        def closure(module=module, optimizer=optimizer, w=w, b=b, x=x, y=y):
            optimizer.zero_grad()
            loss = ((module.tanh(x @ w + b) - y) ** 2).mean()
            loss.backward()
            return loss

        losses = [float(optimizer.step(closure)) for _ in range(4)]
        state = optimizer.state_dict()["state"][0]
        counts = (state["func_evals"], state["n_iter"])
        results.append((losses, counts, np.asarray(w.detach()), np.asarray(b.detach())))
    (theirs, their_counts, *their_params), (ours, our_counts, *our_params) = results
    assert our_counts == their_counts
    np.testing.assert_allclose(ours, theirs, rtol=1e-6)
    for mine, other in zip(our_params, their_params, strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", [*NAMES, "LBFGS"])
def test_what_the_database_wants_refused(name, database):
    for wrong in database[name].optim_error_inputs_func(device="cpu", dtype=torch.float32):
        given = wrong.optimizer_error_input
        params = [torch.nn.Parameter(torch.zeros(2, 2))] if given.params is None else given.params
        # A parameter given twice is warned about in PyTorch.
        expected = (ValueError,) if wrong.error_type is UserWarning else (wrong.error_type, UnsupportedError)
        with pytest.raises(expected):
            optimizer = getattr(optim, name)(
                parameters(params), **{k: as_ours(v) for k, v in given.kwargs.items()}
            )
            if wrong.error_on.name == "STEP_ERROR":
                optimizer.step()
            pytest.fail(f"{name}: not refused: {given.desc or given}")


def parameters(given, seen=None):
    """The parameters of an input as ours, the same ones where it has the same ones."""
    seen = {} if seen is None else seen
    if isinstance(given, torch.Tensor):
        if given.is_complex():
            raise UnsupportedError("complex numbers are not supported")
        if id(given) not in seen:
            seen[id(given)] = given, lenetc.tensor(given.detach().numpy(), requires_grad=True)
        return seen[id(given)][1]
    if isinstance(given, dict):
        return {
            key: parameters(value, seen) if key == "params" else as_ours(value)
            for key, value in given.items()
        }
    if isinstance(given, (list, tuple)):
        return type(given)(parameters(value, seen) for value in given)
    return given
