"""Indexing and assignment by index: values, gradients and errors are PyTorch's."""

from __future__ import annotations

import numpy as np
import pytest

import lenetc
from ir.errors import LenetcError
from tests.parity.kinds.alike import DTYPES, check_all

X, V = np.arange(12.0).reshape(3, 4), np.arange(1.0, 13.0).reshape(3, 4)

READ = [
    *("x[5]", "x[-5]", "x[-3]", "x[3:]", "x[-10:10]", "x[2:1]", "x[::2]", "x[::-1]", "x[::0]", "x[None, 1]"),
    *(
        "x[..., None]",
        "x[0, 0, 0]",
        "x[1.0]",
        "x['a']",
        "x[()]",
        "x[...]",
        "x[[]]",
        "x[:, []]",
        "x[np.int64(1)]",
    ),
    *(
        "x[np.array([0, 2])]",
        "x[np.array([-1])]",
        "x[slice(None, 2)]",
        "x[(1, 2)]",
        "x[[1, 2]]",
        "x[1, [0, 1]]",
    ),
    *(
        "x[[0, 1], 1]",
        "x[[0, -1]]",
        "x[[0, 5]]",
        "x[[-5]]",
        "x[t.tensor(1)]",
        "x[t.tensor(-1)]",
        "x[t.tensor(5)]",
    ),
    *(
        "x[t.tensor(1), t.tensor(2)]",
        "x[t.tensor(1):]",
        "x[:t.tensor(2)]",
        "x[t.tensor([0.5])]",
        "x[range(2)]",
    ),
    *("x[x[0, :2].to(t.int64)]", "x[t.tensor([-5])]", "x[t.tensor([3])]", "x[t.tensor([[0, 1], [2, -3]])]"),
]
INDICES = {
    **{
        "good": [0, 2],
        "negative": [-1, 0],
        "too large": [0, 3],
        "far too large": [2**40],
        "too negative": [-4],
    },
    **{"none": [], "matrix": [[0, 1], [2, 0]], "one": 1, "minus one": -1, "one too large": 5},
}
BY_TENSOR = [
    *("x[i]", "x[:, i]", "x[i, 0]", "x[0, i]", "x[..., i]", "x[1:, i]", "x[i + 1]", "x[i - 1]", "x[i * 1]"),
    *("x.index_select(0, i)", "x.index_select(1, i)", "t.index_select(x, -1, i)", "x.index_select(2, i)"),
    *(
        "x.gather(0, i)",
        "x.gather(0, i.reshape(1, -1))",
        "x.gather(1, i.reshape(-1, 1))",
        "t.gather(x, -1, i)",
    ),
    *("F.embedding(i, x)", "F.embedding(i, x, padding_idx=-1)", "F.one_hot(i)", "F.one_hot(i, 3)"),
    *("F.nll_loss(x[:2], i)", "F.cross_entropy(x[:2], i)", "F.cross_entropy(x[:2], i, ignore_index=-1)"),
    *("F.cross_entropy(x[:2], i, ignore_index=3)", "F.cross_entropy(x[0], i)"),
]


def test_reading() -> None:
    check_all(READ, {"x": (X, "f32")})
    check_all(["x[-1]", "x[1:, ::2]", "x[[0, 2]]"], {"x": (X % 2, "bool")})


@pytest.mark.parametrize("name", INDICES)
@pytest.mark.parametrize("dtype", ["i64", "i32", "f32"])
def test_reading_by_tensors(name: str, dtype: str) -> None:
    if name == "far too large" and dtype == "i32":
        return
    values = {"x": (X, "f32"), "i": (INDICES[name], dtype)}
    check_all(BY_TENSOR, values)


def test_bytes_are_no_index() -> None:
    """PyTorch takes them for a mask, and warns; people mean positions."""
    index = lenetc.tensor([0, 1], dtype=lenetc.uint8)
    x = lenetc.ones(2, 2)
    for read in (
        lambda: x[index],
        lambda: x.index_select(0, index),
        lambda: x.gather(0, index.reshape(1, 2)),
    ):
        with pytest.raises(LenetcError, match=r"long\(\)"):
            read()
    with pytest.raises(IndexError, match=r"\.bool\(\) or with \.long\(\)\n  at .*test_indexing_parity"):
        x[index] = 1


def test_gradients_of_reading() -> None:
    read = ("x[i]", "x[:, i]", "x.index_select(0, i)", "x.gather(0, i.reshape(1, -1))", "F.embedding(i, x)")
    tail = "; w = t.arange(1., 25.); (y.reshape(-1) * w[:y.numel()]).sum().backward(); x.grad"
    for index in ([0, 2], [-1, 0], [1, 1]):
        codes = [f"y = {code}{tail}" for code in (*read, "F.embedding(i, x, padding_idx=0)")]
        check_all(codes, {"x": (X, "f32"), "i": (index, "i64")}, grad=True)


TARGETS = [
    *("x[0] = v[1]", "x[:] = v", "x[...] = v", "x[()] = v", "x[None] = v", "x[-1] = v[0]", "x[-2:] = v[:2]"),
    *(
        "x[1, 1:3] = v[0, :2]",
        "x[:, 1] = v[:, 0]",
        "x[..., 1] = v[:, 0]",
        "x[1:, ::2] = v[:2, :2]",
        "x[::2] = v[:2]",
    ),
    *(
        "x[1::2] = v[:1]",
        "x[0:3:2, 1] = v[:2, 1]",
        "x[None, :, None] = v[None, :, None]",
        "x[2, None] = v[0]",
    ),
    *(
        "x[0, 0] = v[0, 0]",
        "x[0] = v[0, 0]",
        "x[0:2] = v[:2, :1]",
        "x[:, None, 0] = v[:, :1]",
        "x[1:1] = v[0]",
    ),
    *("x[[2, 0]] = v[:2]", "x[[-1, 0]] = v[:2]", "x[:, [3, 1]] = v[:, :2]", "x[[0, 1], [1, 2]] = v[0, :2]"),
    *("x[t.tensor(1)] = v[0]", "x[t.tensor(2), 1:] = v[0, :3]", "x[1:, t.tensor([0, 2])] = v[:2, :2]"),
    *(
        "x[0, t.tensor([1, 2])] = v[0, :2]",
        "x[t.tensor([1, 2]), 0] = v[0, :2]",
        "x[t.tensor([1]), 2] = v[0, 0]",
    ),
    *("x[t.tensor([0, 1]), t.tensor([[2], [3]])] = v[0, 0]", "x[t.tensor([0, 2]), None] = v[:2, None]"),
    *(
        "x[x > 5] = v[0, 0]",
        "x[t.tensor([True, False, True])] = v[:2]",
        "x[t.tensor([True, False, True])] = v[0]",
    ),
    *(
        "x[:, t.tensor([True, False, True, False])] = v[:, :2]",
        "x[t.tensor([True, False, True]), :2] = v[:2, :2]",
    ),
    *(
        "x[(x > 3) & (x < 8)] = v[0, :4]",
        "x[x > 100] = v[0, 0]",
        "x[t.tensor([True, False, True]), 1] = v[0, :2]",
    ),
]
NUMBERS = [
    f"x[{index}] = {value}" for index in ("0", "[0, 2]", "x > 0", "1:, ::2") for value in ("7", "2.7", "True")
]
REPEATED = [
    *(
        "x[t.tensor([0, 0])] = v[:2]",
        "x[t.tensor([0, 2, 0])] = v",
        "x[[1, 1], [2, 2]] = v[0, :2]",
        "x[[0, 0]] = 5",
    ),
    *(
        "x[t.tensor([0, 0])] = v[0]",
        "x[:, t.tensor([1, 1])] = v[:, :2]",
        "x[t.tensor([[0, 1], [1, 2]])] = v[:2][None]",
    ),
    *("x[[0, -3]] = v[:2]", "x[[0, 1, 1], [1, 2, 2]] = v[0, :3]", "x[t.tensor([2, 2, 2])] = v"),
]
WRONG = [
    *(
        "x[5] = 7",
        "x[-4] = 7",
        "x[t.tensor([5])] = 7",
        "x[t.tensor([-5])] = 7",
        "x[0, 0, 0] = 7",
        "x[1.0] = 7",
    ),
    *(
        "x['a'] = 7",
        "x[::-1] = v",
        "x[0] = v",
        "x[0] = v[0, :2]",
        "x[1:1] = v",
        "x[t.tensor([True, False])] = 7",
    ),
    *("x[x > 5] = v[0]", "x[t.tensor([0, 1]), t.tensor([0, 1, 2])] = 5", "x[0] = 'a'", "x[0] = None"),
    *(
        "x[t.tensor([0])] = v[1].double()",
        "x[t.tensor([0])] = t.tensor(2)",
        "x[0] = v[1].double()",
        "x[x > 5] = t.tensor(2)",
    ),
    *(
        "x[t.tensor([0.])] = 7",
        "x[[True, False, True]] = 7",
        "x[[]] = 7",
        "x[5:] = 7",
        "x[np.array([0, 1])] = 7",
    ),
]


@pytest.mark.parametrize("dtype", DTYPES)
def test_assigning(dtype: str) -> None:
    codes = [f"{code}; x" for code in (*TARGETS, *NUMBERS, *REPEATED, *WRONG)]
    check_all(codes, {"x": (X, dtype), "v": (V, dtype)})


def test_gradients_of_assigning() -> None:
    tail = "; w = t.arange(1., 13.).reshape(3, 4); (y * y * w).sum().backward(); (y.detach(), x.grad, v.grad)"
    written = [code.replace("x", "y") for code in TARGETS]
    check_all([f"y = x * 1; {code}{tail}" for code in written], {"x": (X, "f32"), "v": (V, "f32")}, grad=True)
    numbers = [
        f"y = x * 1; {code.replace('x', 'y')}{tail.replace(', v.grad', '')}"
        for code in (*NUMBERS, "y[[0, 0]] = 5")
    ]
    check_all(numbers, {"x": (X, "f32"), "v": (V, "f32")}, grad=True)


def test_the_gradient_through_an_index_that_repeats() -> None:
    """Each value gets that of its place, as PyTorch's do."""
    tail = "; (y * t.arange(12.).reshape(3, 4)).sum().backward(); (y.detach(), x.grad, v.grad)"
    check_all(
        [f"y = x * 1; {code}{tail}" for code in ("y[[1, 1]] = v[:2]", "y[[0, 0], [1, 1]] = v[0, :2]")],
        {"x": (X, "f32"), "v": (V, "f32")},
        grad=True,
    )


ASSIGNED = [code for code in (*TARGETS, *NUMBERS, *REPEATED) if "v[0, :4]" not in code]


@pytest.mark.parametrize("code", ASSIGNED)
def test_assigning_in_compiled_functions(code: str) -> None:
    """The same as uncompiled, or refused: where the shape of what is assigned depends on a value."""
    space = {"t": lenetc, "np": np}
    exec(f"def assign(x, v):\n    x = x * 1\n    {code}\n    return x", space)
    values = [lenetc.tensor(a, dtype=lenetc.float32) for a in (X, V)]
    expected = space["assign"](*values)
    try:
        found = lenetc.compile(space["assign"])(*values)
    except LenetcError as error:
        assert "depends on the values" in str(error) and "x >" in code
        return
    np.testing.assert_array_equal(found.numpy(), expected.numpy())


def test_assigning_at_positions_that_a_compiled_function_is_given() -> None:
    @lenetc.compile
    def assign(x: lenetc.Tensor, i: lenetc.Tensor, v: lenetc.Tensor) -> lenetc.Tensor:
        x = x * 1
        x[:, i] = v
        return x

    for index in ([3, 1, 3], [0, 0, 0], [-1, 3, 2]):
        x, expected = lenetc.tensor(X), X.copy()
        expected[:, index] = V[:, :3]
        found = assign(x, lenetc.tensor(index), lenetc.tensor(V[:, :3]))
        np.testing.assert_array_equal(found.numpy(), expected)
    with pytest.raises(IndexError, match="out of bounds"):
        assign(lenetc.tensor(X), lenetc.tensor([0, 4, 1]), lenetc.tensor(V[:, :3]))
