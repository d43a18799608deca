"""Modules: registration, names, walking, modes, state, provenance."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest

import lenetc
import lenetc.nn as nn
from lenetc.evaluation.cell import Counts
from lenetc.evaluation.tracing import Trace, current_scope, tracing


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(2, 3)
        self.layers = nn.ModuleList([nn.Linear(3, 3), nn.Sequential(nn.Linear(3, 1), nn.ReLU())])
        self.scale = nn.Parameter(lenetc.ones(1))
        self.register_buffer("count", lenetc.zeros(1))
        self.register_buffer("scratch", lenetc.zeros(1), persistent=False)

    def forward(self, x: Any) -> Any:
        x = self.first(x)
        for layer in self.layers:
            x = layer(x)
        return x * self.scale


NAMES = [
    "scale",
    "first.weight",
    "first.bias",
    "layers.0.weight",
    "layers.0.bias",
    "layers.1.0.weight",
    "layers.1.0.bias",
]


def test_parameters_register_on_assignment() -> None:
    assert [name for name, _ in Block().named_parameters()] == NAMES
    assert all(p.requires_grad and p.is_leaf for p in Block().parameters())


def test_names_have_the_prefix_and_stop_at_this_module_without_recursion() -> None:
    assert [name for name, _ in Block().named_parameters("net", recurse=False)] == ["net.scale"]
    assert [name for name, _ in Block().named_buffers()] == ["count", "scratch"]
    assert [name for name, _ in Block().named_children()] == ["first", "layers"]
    assert "layers.1.0" in dict(Block().named_modules())


def test_a_shared_parameter_comes_once_but_has_both_names_in_the_state() -> None:
    net = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    net[1].weight = net[0].weight
    assert [name for name, _ in net.named_parameters()] == ["0.weight", "0.bias", "1.bias"]
    assert [n for n, _ in net.named_parameters(remove_duplicate=False)] == [
        "0.weight",
        "0.bias",
        "1.weight",
        "1.bias",
    ]
    assert list(net.state_dict()) == ["0.weight", "0.bias", "1.weight", "1.bias"]


def test_assigning_another_kind_of_part_replaces_the_first() -> None:
    net = Block()
    net.first = nn.Parameter(lenetc.zeros(2))
    assert "first" in dict(net.named_parameters()) and "first" not in dict(net.named_children())
    del net.first
    with pytest.raises(AttributeError, match="'Block' object has no attribute 'first'"):
        net.first  # noqa: B018


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("scale", lenetc.ones(1), "cannot assign 'Tensor' as parameter 'scale'"),
        ("first", 3, "cannot assign 'int' as child module 'first'"),
        ("count", 3, "cannot assign 'int' as buffer 'count'"),
    ],
)
def test_a_registered_name_takes_its_kind_only(name: str, value: Any, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        setattr(Block(), name, value)


@pytest.mark.parametrize("name", ["a.b", "", "first", "forward"])
def test_names_are_plain_and_free(name: str) -> None:
    for register, part in (
        ("add_module", nn.ReLU()),
        ("register_buffer", lenetc.ones(1)),
        ("register_parameter", None),
    ):
        if not (register == "add_module" and name == "first"):  # a child may be replaced
            with pytest.raises(KeyError):
                getattr(Block(), register)(name, part)


@pytest.mark.parametrize("part", [lambda: nn.Linear(1, 1), lambda: nn.Parameter(lenetc.ones(1))])
def test_a_forgotten_init_is_explained(part: Any) -> None:
    class Forgetful(nn.Module):
        def __init__(self) -> None:
            self.part = part()

    with pytest.raises(AttributeError, match=r"before Module.__init__\(\) call: .*super\(\).__init__\(\)"):
        Forgetful()


def test_a_missing_attribute_without_init_is_explained() -> None:
    class Forgetful(nn.Module):
        def __init__(self) -> None:
            pass

    with pytest.raises(AttributeError, match=r"super\(\).__init__\(\)"):
        Forgetful().weight  # noqa: B018


def test_get_submodule_and_parameter() -> None:
    net = Block()
    assert net.get_submodule("layers.1.0") is net.layers[1][0]
    assert net.get_submodule("") is net
    assert net.get_parameter("first.bias") is net.first.bias
    with pytest.raises(AttributeError, match="'7'"):
        net.get_submodule("layers.7")
    with pytest.raises(AttributeError, match=r"first\.b"):
        net.get_parameter("first.b")


def test_apply_goes_children_first() -> None:
    seen: list[str] = []
    Block().apply(lambda module: seen.append(type(module).__name__))
    assert seen == ["Linear", "Linear", "Linear", "ReLU", "Sequential", "ModuleList", "Block"]


def test_modes_reach_every_module_and_count_as_changes() -> None:
    net = Block()
    before = Counts.epoch
    assert net.train() is net and Counts.epoch == before
    net.eval()
    assert Counts.epoch > before and not any(m.training for m in net.modules())


def test_freezing_and_zeroing() -> None:
    net = Block()
    net(lenetc.ones(1, 2)).sum().backward()
    net.zero_grad(set_to_none=False)
    assert net.scale.grad is not None and net.scale.grad.tolist() == [0.0]
    net.zero_grad()
    assert all(p.grad is None for p in net.parameters())
    net.requires_grad_(False)
    assert not net(lenetc.ones(1, 2)).requires_grad


def test_double_converts_parameters_buffers_and_gradients_in_place() -> None:
    net = Block()
    weight, values = net.first.weight, net.first.weight.detach().numpy()
    net(lenetc.ones(1, 2)).sum().backward()
    assert net.double().first.weight is weight
    assert {t.dtype for t in (*net.parameters(), *net.buffers())} == {lenetc.float64}
    assert weight.grad is not None and weight.grad.dtype is lenetc.float64
    np.testing.assert_array_equal(weight.detach().numpy(), values.astype(np.float64))
    net.zero_grad()
    net(lenetc.ones(1, 2, dtype=lenetc.float64)).sum().backward()
    assert net.float().scale.dtype is lenetc.float32


def test_integer_buffers_keep_their_dtype_and_integer_modules_are_refused() -> None:
    norm = nn.BatchNorm2d(2).double()
    assert norm.num_batches_tracked.dtype is lenetc.int64
    with pytest.raises(TypeError, match="floating point"):
        norm.to(lenetc.int64)


def test_an_unknown_device_is_refused() -> None:
    assert Block().to("cpu").cpu() is not None
    with pytest.raises(ValueError, match="tpu"):
        Block().to("tpu")


# State.


def test_state_dict_shares_storage_and_leaves_scratch_out() -> None:
    net = Block()
    state = net.state_dict()
    assert list(state) == ["scale", "count", *NAMES[1:]]
    state["scale"].fill_(5.0)
    assert net.scale.item() == 5.0
    assert not state["scale"].requires_grad
    assert net.state_dict(keep_vars=True)["scale"] is net.scale
    assert list(nn.ReLU().state_dict()) == []


def test_load_state_dict_copies_values() -> None:
    source, target = Block(), Block()
    weight = target.first.weight
    assert repr(target.load_state_dict(source.state_dict())) == "<All keys matched successfully>"
    source.first.weight.data.fill_(9.0)
    assert target.first.weight is weight and weight.detach().numpy().max() < 9
    x = lenetc.ones(1, 2)
    target.load_state_dict({name: value.numpy() for name, value in source.state_dict().items()})
    assert target(x).item() == source(x).item()


def test_load_that_is_not_strict_reports_what_it_passed_over() -> None:
    net = nn.Linear(1, 1)
    found = net.load_state_dict({"weight": np.full((1, 1), 2.0), "other": np.zeros(1)}, strict=False)
    assert found.missing_keys == ["bias"] and found.unexpected_keys == ["other"]
    assert net.weight.item() == 2.0 and net.weight.dtype is lenetc.float32


def test_a_failed_load_changes_nothing() -> None:
    net = nn.Linear(2, 2)
    before = net.weight.detach().numpy()
    with pytest.raises(RuntimeError, match=r"size mismatch for bias: .*\[3\].*\[2\]"):
        net.load_state_dict({"weight": np.zeros((2, 2)), "bias": np.zeros(3)}, strict=False)
    with pytest.raises(RuntimeError, match="but received <class 'int'>"):
        net.load_state_dict({"weight": np.zeros((2, 2)), "bias": 1})
    with pytest.raises(TypeError, match="dict-like"):
        net.load_state_dict([1])  # type: ignore[arg-type]
    np.testing.assert_array_equal(net.weight.detach().numpy(), before)


def test_deepcopy_is_independent() -> None:
    net = Block()
    other = copy.deepcopy(net)
    other.scale.data.fill_(7.0)
    assert net.scale.item() == 1.0 and other.scale.requires_grad
    assert [name for name, _ in other.named_parameters()] == NAMES
    assert other(lenetc.ones(1, 2)).shape == (1, 1)


# Provenance and tracing.


class Probe(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []

    def forward(self, x: Any) -> Any:
        self.seen.append(current_scope())
        return x


def test_the_module_path_follows_calls() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.probe = Probe()
            self.blocks = nn.ModuleList([nn.Sequential(self.probe, nn.Identity())])
            self.inner = nn.Sequential(Probe())

        def forward(self, x: Any) -> Any:
            return self.inner(self.blocks[0](self.probe(x)))

    net = Net()
    net(lenetc.ones(1))
    assert net.probe.seen == ["probe", "blocks.0.0"]
    assert net.inner[0].seen == ["inner.0"]
    net.inner.append(Probe())  # a module that was not there at the first call
    net(lenetc.ones(1))
    assert net.inner[1].seen == ["inner.1"]
    net.probe(lenetc.ones(1))
    assert net.probe.seen[-1] == "" and current_scope() == ""


def test_an_error_names_the_module_and_the_line() -> None:
    with pytest.raises(
        lenetc.nn.functional.LabelError.__mro__[1], match=r"layers\.1\.0, .*test_module\.py:\d+"
    ):
        net = Block()
        net.layers[1][0].in_features = 3
        net.layers[1][0].weight = nn.Parameter(lenetc.zeros(1, 4))
        net(lenetc.ones(1, 2))
    assert current_scope() == ""  # an error leaves no scope behind


def test_a_trace_records_the_modules_that_were_called() -> None:
    net, trace = Block(), Trace()
    with tracing(trace):
        net(lenetc.ones(1, 2))
    assert net in trace.modules and net.first in trace.modules
    assert net.layers not in trace.modules


class Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("state", lenetc.zeros(2))

    def forward(self, x: Any) -> Any:
        before = self.state
        self.state = before * 0.5 + x
        return before + self.state


def test_assigning_a_buffer_while_compiled_updates_its_state() -> None:
    plain, compiled = Recurrent(), Recurrent()
    step = lenetc.compile(compiled)
    kept = [compiled.state]
    with pytest.warns(lenetc.RetraceWarning, match=r"it assigns the buffer 'state' anew"):
        for k in range(3):
            x = lenetc.full((2,), float(k + 1))
            np.testing.assert_allclose(step(x).numpy(), plain(x).numpy())
            kept.append(compiled.state)
    np.testing.assert_allclose(compiled.state.numpy(), plain.state.numpy())
    assert [state.tolist()[0] for state in kept] == [0.0, 1.0, 2.5, 4.25]
    program = step.lower(x)
    assert [name for name, _ in program.graph().updates] == ["state"]  # of an exported program it is state
    assert compiled.state is kept[-1]


def test_changing_a_buffer_in_place_while_compiled_updates_its_state() -> None:
    class Counter(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("count", lenetc.zeros(()))

        def forward(self, x: Any) -> Any:
            self.count += 1
            return x * self.count

    counter = Counter()
    count = counter.count
    step = lenetc.compile(counter)
    assert [step(lenetc.ones(())).item() for _ in range(3)] == [1, 2, 3]
    assert counter.count is count and count.item() == 3


def test_assigning_a_buffer_of_another_type_while_compiled() -> None:
    class Grower(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("seen", lenetc.zeros(1))

        def forward(self, x: Any) -> Any:
            self.seen = lenetc.cat([self.seen, x])
            return self.seen

    grower = Grower()
    step = lenetc.compile(grower)
    with pytest.warns(lenetc.RetraceWarning, match="'seen' anew"):
        assert step(lenetc.ones(1)).tolist() == [0.0, 1.0]
    assert step(lenetc.ones(1)).tolist() == grower.seen.tolist() == [0.0, 1.0, 1.0]
    with pytest.raises(RuntimeError, match=r"'seen' is f32\[3\] and is assigned a f32\[4\]"):
        step.lower(lenetc.ones(1))


def test_state_goes_through_a_file(tmp_path: Any) -> None:
    source, target = Block(), Block()
    lenetc.save(source.state_dict(), tmp_path / "state.safetensors")
    target.load_state_dict(lenetc.load(tmp_path / "state.safetensors"))
    x = lenetc.ones(1, 2)
    assert target(x).item() == source(x).item()


# Containers.


def test_lists_index_slice_insert_and_delete() -> None:
    a, b, c = nn.ReLU(), nn.Tanh(), nn.Sigmoid()
    layers = nn.ModuleList([a, c])
    layers.insert(1, b)
    assert list(layers) == [a, b, c] and layers[-1] is c and isinstance(layers[1:], nn.ModuleList)
    assert list(layers[1:]) == [b, c]
    layers[0] = c
    del layers[1]
    assert list(layers) == [c, c] and list(layers._modules) == ["0", "1"]
    assert layers.pop() is c and len(layers) == 1
    layers += [a]
    with pytest.raises(IndexError, match="length 2"):
        layers[2]


def test_sequential_takes_names_and_joins() -> None:
    net = nn.Sequential({"in": nn.Linear(2, 3), "out": nn.Linear(3, 1)})
    assert list(net.state_dict()) == ["in.weight", "in.bias", "out.weight", "out.bias"]
    assert list(net[1:]._modules) == ["out"]
    assert len(net + nn.Sequential(nn.ReLU())) == 3
    assert net(lenetc.ones(4, 2)).shape == (4, 1)


def test_module_dict_is_a_dict() -> None:
    table = nn.ModuleDict({"a": nn.ReLU()})
    table.update({"b": nn.Tanh()})
    table["a"] = nn.Sigmoid()
    assert sorted(table) == ["a", "b"] and len(table) == 2 and "b" in table
    assert isinstance(table["a"], nn.Sigmoid) and [type(m) for m in table.values()] == [nn.Sigmoid, nn.Tanh]
    assert isinstance(table.pop("b"), nn.Tanh) and list(table.keys()) == ["a"]
    assert dict(table.items()) == {"a": table["a"]}


def test_parameter_list_is_trained() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.factors = nn.ParameterList([lenetc.ones(1), nn.Parameter(lenetc.ones(1))])

        def forward(self, x: Any) -> Any:
            return x * self.factors[0] * self.factors[1]

    net = Net()
    net(lenetc.tensor([3.0])).backward()
    assert [p.grad.item() for p in net.parameters() if p.grad is not None] == [3.0, 3.0]
    assert list(net.state_dict()) == ["factors.0", "factors.1"]
    net.factors[0] = nn.Parameter(lenetc.zeros(1))
    assert net(lenetc.tensor([3.0])).item() == 0.0


def test_a_module_without_forward_says_so() -> None:
    with pytest.raises(
        NotImplementedError, match=r"Module \[ModuleList\] is missing the required \"forward\""
    ):
        nn.ModuleList()(lenetc.ones(1))
