"""Constructors: dtypes, shapes, requires_grad and errors are PyTorch's."""

from __future__ import annotations

import pytest

from tests.parity.kinds.alike import check_all

TENSOR = [
    *("t.Tensor()", "t.Tensor([1, 2])", "t.Tensor((1, 2))", "t.Tensor([True])", "t.Tensor(np.array([1, 2]))"),
    *(
        "t.Tensor(np.array([1., 2.]))",
        "t.Tensor(2.5)",
        "t.Tensor(np.float32(2))",
        "t.Tensor(t.tensor([1, 2]))",
    ),
    *(
        "t.Tensor(t.tensor(2.))",
        "t.Tensor([[1, 2], [3, 4]])",
        "t.Tensor('a')",
        "t.Tensor(None)",
        "t.Tensor(range(3))",
    ),
    *(
        "t.Tensor(2, 3).shape",
        "t.Tensor(3).shape",
        "t.Tensor(np.int64(2)).shape",
        "t.Tensor(t.ones(2, 3).shape).shape",
    ),
    *("t.Tensor([t.tensor(1.), t.tensor(2.)])", "t.Tensor([1, 2]).long()", "t.Tensor([])"),
    *(
        "t.tensor([1, 2])",
        "t.tensor([1, 2.5])",
        "t.tensor([1, True])",
        "t.tensor([])",
        "t.tensor(1, dtype=t.bool)",
    ),
    *("t.tensor([1.5], dtype=t.int64)", "t.tensor([-1], dtype=t.uint8)", "t.tensor([300], dtype=t.uint8)"),
    *(
        "t.tensor(np.array([300]), dtype=t.uint8)",
        "t.tensor('a')",
        "t.tensor([[1], [2, 3]])",
        "t.tensor(None)",
    ),
    *(
        "t.tensor(np.float64(2))",
        "t.tensor([np.float32(1), 2])",
        "t.tensor(np.int32(3))",
        "t.tensor(range(3))",
    ),
    *("t.tensor([1., 2.], requires_grad=True).requires_grad", "t.tensor([1, 2], requires_grad=True)"),
    *(
        "t.tensor([[t.tensor(1), 2]])",
        "t.as_tensor([1, 2])",
        "t.as_tensor(2.5)",
        "t.as_tensor(np.array([1.]))",
    ),
    *(
        "t.from_numpy(np.array([1, 2]))",
        "t.tensor([1.], dtype=np.float32)",
        "t.tensor(2**63)",
        "t.tensor(-2**63)",
    ),
]
FILLED = [
    *(
        "t.full((2,), True)",
        "t.full((2,), 3)",
        "t.full((2,), 2.5)",
        "t.full((2,), 2.5, dtype=t.int64)",
        "t.full((), 1)",
    ),
    *(
        "t.full((2,), -1, dtype=t.uint8)",
        "t.full((2,), 300, dtype=t.uint8)",
        "t.full(2, 1.0)",
        "t.full([2], 1.)",
    ),
    *(
        "t.full((2,), t.tensor(3))",
        "t.full((2,), 'a')",
        "t.full((-1,), 1)",
        "t.full((2.5,), 1)",
        "t.full((2,), np.float64(2))",
    ),
    *(
        "t.full((2,), np.int64(2))",
        "t.zeros(2, 3)",
        "t.zeros((2, 3))",
        "t.zeros(size=(2, 3))",
        "t.zeros([2, 3])",
    ),
    *(
        "t.zeros()",
        "t.zeros(())",
        "t.zeros(2, dtype=t.int64)",
        "t.zeros(-1)",
        "t.zeros(2.5)",
        "t.ones(np.int64(2))",
    ),
    *(
        "t.ones(t.tensor(2))",
        "t.ones(2, dtype=t.bool)",
        "t.empty(2, 3).shape",
        "t.ones(3, requires_grad=True).requires_grad",
    ),
    *(
        "t.ones(3, dtype=t.int64, requires_grad=True)",
        "t.ones_like(t.ones(2), dtype=t.int64)",
        "t.zeros(2, dtype='a')",
    ),
    *(
        "t.full_like(t.ones(2, dtype=t.int64), 2.5)",
        "t.full_like(t.ones(2), True)",
        "t.full_like(t.ones(2).bool(), 3)",
    ),
    *(
        "t.full_like(t.ones(2), 3, requires_grad=True).requires_grad",
        "t.zeros_like(t.ones(2), requires_grad=True).grad",
    ),
    *(
        "t.full_like(t.ones(2, dtype=t.uint8), 300)",
        "t.zeros(2, dtype=t.int64).fill_(2.5)",
        "t.zeros(2).fill_(t.ones(2))",
    ),
]
SEQUENCES = [
    *(
        "t.arange(3)",
        "t.arange(3.)",
        "t.arange(1, 3)",
        "t.arange(1, 3, 0.5)",
        "t.arange(3, dtype=t.float64)",
        "t.arange(1.0, 5.1, 2.0, dtype=t.uint8)",
        "t.arange(5, 1)",
    ),
    *(
        "t.arange(5, 1, -2)",
        "t.arange(1, 2, 0)",
        "t.arange(True)",
        "t.arange(np.int64(3))",
        "t.arange(np.float32(3))",
    ),
    *(
        "t.arange(t.tensor(3))",
        "t.arange(start=1, end=3)",
        "t.arange(end=3)",
        "t.arange(2, requires_grad=True)",
    ),
    *(
        "t.arange(2., requires_grad=True).requires_grad",
        "t.arange(1, 10, 4, dtype=t.uint8)",
        "t.arange(1, end=4, step=2)",
    ),
    *(
        "t.linspace(0, 1, 3)",
        "t.linspace(0, 1, 1)",
        "t.linspace(0, 1, -1)",
        "t.linspace(0, 10, 3, dtype=t.int64)",
    ),
    *(
        "t.linspace(t.tensor(0.), 1, 3)",
        "t.eye(2)",
        "t.eye(2, 3)",
        "t.eye(-1)",
        "t.eye(2, dtype=t.bool)",
        "t.eye(2, m=3)",
    ),
    *(
        "t.cat((t.ones(2), t.zeros(2, dtype=t.int64)))",
        "t.cat([t.ones(2, 2), t.zeros(0)])",
        "t.cat([])",
        "t.cat(t.ones(2, 2))",
    ),
    *(
        "t.stack(t.ones(2, 2))",
        "t.stack((t.ones(2), t.zeros(2)), 1)",
        "t.cat([t.ones(()), t.ones(())])",
        "t.stack([])",
    ),
]
OPTIONS = [
    *(
        "t.zeros(2, out=t.empty(2))",
        "t.zeros(2, 3, out=t.empty(0)).shape",
        "t.ones(2, out=t.zeros(2).long())",
    ),
    *(
        "t.zeros(2, dtype=t.int64, out=t.empty(2))",
        "t.arange(3, out=t.empty(3))",
        "t.full((2,), 3, out=t.empty(2))",
    ),
    *(
        "t.zeros(2, device='cpu', pin_memory=False, layout=None)",
        "t.zeros(2, foo=3)",
    ),
    *("t.zeros_like(t.ones(2), device='cpu', memory_format=None)", "t.empty_like(t.ones(2, 3)).shape"),
    *("t.scalar_tensor(3)", "t.scalar_tensor(3, dtype=t.int64)", "t.asarray([1, 2.])", "t.from_numpy([1])"),
    *(
        "t.asarray(t.ones(2), copy=True)",
        "t.frombuffer(bytearray(8), dtype=t.int32)",
        "t.range(0, 3)",
        "t.range(1, 2, .3)",
    ),
    *("t.logspace(0, 2, 3)", "t.logspace(0, 3.5, 4, dtype=t.int32)", "t.logspace(0., 1., 4, base=2)"),
    *(
        "t.linspace(0, 1, 5, dtype=t.int64)",
        "t.linspace(5, -2, 4, dtype=t.int64)",
        "t.arange(-2.5, 4, 1.5, dtype=t.int64)",
    ),
    *(
        "t.linspace(0, 1, steps=3)",
        "t.linspace(start=0, end=1, steps=2)",
        "t.eye(2, dtype=t.int64, out=t.empty(2).long())",
    ),
    *("t.empty_permuted((2, 3), (1, 0)).shape", "t.empty_permuted((2,), (0, 1))"),
]
TYPED = [
    *("t.FloatTensor(2, 3).shape", "t.FloatTensor([1, 2])", "t.FloatTensor()", "t.FloatTensor(3.5)"),
    *("t.LongTensor([1.5, 2])", "t.LongTensor(3).shape", "t.LongTensor(t.ones(2))", "t.BoolTensor([1, 0])"),
    *(
        "t.DoubleTensor([1, 2])",
        "t.IntTensor([1])",
        "t.ByteTensor([1])",
        "t.HalfTensor([1])",
        "t.ShortTensor([1])",
    ),
    *(
        "t.FloatTensor(t.Size([2, 3])).shape",
        "isinstance(t.ones(2), t.FloatTensor)",
        "isinstance(t.ones(2), t.LongTensor)",
    ),
    *(
        "t.ones(2).new(3).shape",
        "t.ones(2).long().new([1, 2])",
        "t.ones(2).new(t.ones(3))",
        "t.ones(2).new()",
    ),
    *("t.ones(2).new_tensor([1, 2])", "t.ones(2).new_tensor(3, dtype=t.int64)", "t.ones(2).new_zeros(2, 3)"),
    *("t.ones(2).long().new_ones((2,))", "t.ones(2).new_full((2,), 3)", "t.ones(2).new_empty((2,)).shape"),
    *(
        "t.ones(2).new_zeros(size=(2,), dtype=t.int64)",
        "t.ones(2).new_ones(2, requires_grad=True).requires_grad",
    ),
]
RANDOM = [
    *(
        "t.randint_like(t.ones(3), 5)",
        "t.randint_like(t.ones(3), 2, 5)",
        "t.normal(2., 3., (2,))",
        "t.normal(2., 3.)",
    ),
    *("t.normal(t.zeros(2), -1.)", "t.normal(t.zeros(2).long(), 1.)", "t.normal(t.ones(3, 1), t.ones(2))"),
    *(
        "t.normal(0., t.ones(3))",
        "t.bernoulli(t.tensor([1, 0]))",
        "t.bernoulli(t.ones(3), 0.5)",
        "t.ones(3).bernoulli()",
    ),
    *("t.multinomial(t.ones(3), 4)", "t.multinomial(t.ones(3), 0)", "t.multinomial(t.ones(2, 3), 5, True)"),
    *(
        "t.multinomial(t.ones(2, 3, 4), 1)",
        "t.multinomial(t.ones(3).long(), 1)",
        "t.multinomial(t.tensor([-1., 1]), 1)",
    ),
    *(
        "t.multinomial(t.zeros(3), 1)",
        "t.ones(3).multinomial(2)",
        "t.ones(3).long().uniform_()",
        "t.ones(3).uniform_(3, 1)",
    ),
    *(
        "t.ones(3).uniform_(to=3)",
        "t.ones(3).normal_(0, -1)",
        "t.ones(3).exponential_(-1)",
        "t.ones(3).exponential_()",
    ),
    *(
        "t.ones(3).geometric_(1.)",
        "t.ones(3).long().geometric_(0.5)",
        "t.ones(3).random_(5, 2)",
        "t.ones(3).random_()",
    ),
    *(
        "t.ones(3).int().random_(to=5)",
        "t.ones(3).bernoulli_(2.)",
        "t.ones(3).bernoulli_(t.ones(3))",
        "t.ones(3).cauchy_()",
    ),
    *("t.ones(3).log_normal_()", "t.ones(3, requires_grad=True).normal_()", "t.rand(2, out=t.empty(2))"),
    *(
        "t.rand(2, generator=3)",
        "t.rand(2, generator=t.Generator().manual_seed(3))",
        "t.randint(300, (2,), dtype=t.uint8)",
    ),
    *(
        "t.randn(2, generator=None)",
        "t.randperm(3, generator=t.Generator())",
        "t.manual_seed(2**64) and t.ones(1)",
    ),
    *("t.get_rng_state().new_zeros(1)", "F.dropout(t.ones(3), 1.5)", "F.dropout(t.ones(3).long(), 0.5)"),
    *("F.dropout1d(t.ones(3), 0.5)", "F.dropout1d(t.ones(2, 3, 4), 0.5)", "F.dropout2d(t.ones(3), 0.5)"),
    *(
        "F.dropout3d(t.ones(2, 2, 2, 2), 0.5)",
        "F.alpha_dropout(t.ones(3), -1)",
        "F.feature_alpha_dropout(t.ones(3, 2), 0.5, True)",
    ),
    *(
        "F.feature_alpha_dropout(t.ones(3), 0.5, True)",
        "nn.Dropout2d(1.5)(t.ones(1))",
        "nn.init.sparse_(t.ones(3), 0.5)",
    ),
    *(
        "nn.init.sparse_(t.ones(3, 4), 0.5)",
        "nn.init.uniform_(t.ones(3), 3, 1)",
        "nn.init.normal_(t.ones(3), 0, -1)",
    ),
    *(
        "nn.init.uniform_(t.ones(3).long())",
        "nn.init.xavier_uniform_(t.ones(0, 3))",
        "nn.init.kaiming_uniform_(t.ones(0, 3))",
    ),
    *("nn.init.kaiming_normal(t.ones(2, 3))", "nn.init.orthogonal_(t.ones(0, 3))"),
    *(
        "t.rand(2, 3)",
        "t.rand((2, 3))",
        "t.rand(size=(2,))",
        "t.rand(2, dtype=t.int64)",
        "t.randn(2, dtype=t.float64)",
    ),
    *(
        "t.randn()",
        "t.rand_like(t.ones(2), dtype=t.float64)",
        "t.randn_like(t.ones(2, dtype=t.int64))",
        "t.rand(2.5)",
    ),
    *(
        "t.randn_like(t.ones(2, dtype=t.int64), dtype=t.float32)",
        "t.rand_like(t.ones(2).half())",
        "t.randint(10, (2, 3))",
    ),
    *(
        "t.randint(1, 10, (2, 3))",
        "t.randint(low=1, high=10, size=(2,))",
        "t.randint(high=10, size=(2,))",
        "t.randint(10, [2])",
    ),
    *(
        "t.randint(10, (2,), dtype=t.float32)",
        "t.randint(10, size=(2,), dtype=t.int32)",
        "t.randint(0, (2,))",
    ),
    *(
        "t.randint(5, 2, (2,))",
        "t.randint(10, 5)",
        "t.randint(0, 2, 5)",
        "t.randint(1.5, (2,))",
        "t.randint(3, 4, (5,)).sum()",
    ),
    *("t.randperm(4)", "t.randperm(-1)", "t.randperm(3, dtype=t.int32)"),
]


KINDS = {"tensor": TENSOR, "filled": FILLED, "sequences": SEQUENCES, "options": OPTIONS, "typed": TYPED}


@pytest.mark.parametrize("codes", KINDS.values(), ids=KINDS)
def test_constructors(codes: list[str]) -> None:
    check_all(codes, {})


def test_random_numbers_by_dtype_and_shape() -> None:
    codes = [
        code if ".sum()" in code else f"x = {code}; (x.shape, repr(x.dtype).split('.')[-1])"
        for code in RANDOM
    ]
    check_all(codes, {})


def test_attributes_of_batch_norm_are_read_at_each_call() -> None:
    make = "m = nn.BatchNorm1d(3)"
    state = "(m(x), m.running_mean, m.running_var, m.num_batches_tracked)"
    codes = [
        f"{make}; m.track_running_stats = False; {state}",
        f"{make}; y = m(x); m.track_running_stats = False; m.eval() and None; {state}",
        "m = nn.BatchNorm1d(3, track_running_stats=False); m.eval() and None; m(x)",
        "m = nn.BatchNorm1d(3, track_running_stats=False); m.track_running_stats = True; m(x)",
        f"m = nn.BatchNorm1d(3, momentum=None); y = m(x); m.track_running_stats = False; {state}",
        f"{make}; m.running_mean = None; m.running_var = None; m.eval() and None; m(x)",
        f"{make}; m.running_mean = None; m.eval() and None; m(x)",
        f"{make}; m.momentum = 0.5; {state}",
        f"{make}; m.eps = 1.0; {state}",
    ]
    check_all(codes, {"x": ([[0.0, 1, 2], [3, 5, 4], [7, 6, 9], [8, 1, 3]], "f32")})
