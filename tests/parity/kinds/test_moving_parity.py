"""Functions that move elements, and those that write by index: values, gradients and errors are PyTorch's."""

from __future__ import annotations

import numpy as np
import pytest

import lenetc
from ir.errors import LenetcError
from tests.parity.kinds.alike import check_all

X, V = np.arange(12.0).reshape(3, 4) - 5, np.arange(1.0, 13.0).reshape(3, 4)
INDEX = [[0, 2, 1, 0], [2, 2, 0, 1]]

MOVED = [
    *("t.hstack([x, v])", "t.vstack([x[0], v])", "t.dstack([x, v])", "t.column_stack([x[:, 0], v])"),
    *(
        "t.block_diag(x, v[0])",
        "t.tensor_split(x, 3, 1)",
        "x.tensor_split([1, 2])",
        "x.hsplit(2)",
        "x.vsplit(2)",
    ),
    *("x.unbind(1)", "x.split_with_sizes([1, 3], 1)", "x.roll(3)", "x.roll((1, -1), (0, 1))", "x.flip(0, 1)"),
    *("x.rot90(3)", "t.rot90(x, -2, (1, 0))", "x.movedim(0, -1)", "x.swapaxes(0, 1)", "x.adjoint()", "x.mT"),
    *(
        "x.triu(1)",
        "x.tril(-1)",
        "x.diag(-1)",
        "x[0].diag(2)",
        "x.diagonal(1, 1, 0)",
        "t.diag_embed(x, -1, 0, 2)",
    ),
    *(
        "x.diagonal_scatter(v[:, 0])",
        "x.select_scatter(v[0], 0, -1)",
        "x.slice_scatter(v[:, :2], 1, 0, 4, 2)",
    ),
    *(
        "x.trace()",
        "x.repeat(2, 1, 3)",
        "x.tile(2)",
        "x.repeat_interleave(2, 1)",
        "t.repeat_interleave(x, t.tensor([1, 0, 2]), 0)",
    ),
    *(
        "x.unfold(1, 2, 1)",
        "x.unfold(1, 5, 1)",
        "x.unflatten(1, (2, -1))",
        "x.unflatten(1, (3, -1))",
        "x.narrow(1, -3, 2)",
    ),
    *("t.meshgrid(x[0], v[:, 0], indexing='xy')", "t.cartesian_prod(x[0], v[0])", "t.combinations(x[0], 3)"),
    *(
        "t.broadcast_tensors(x, v[:, :1])",
        "t.broadcast_shapes((3, 1), (4,))",
        "t.broadcast_shapes((3,), (4,))",
    ),
    *(
        "t.atleast_3d(x, v[0])",
        "t.vander(x[0], 3)",
        "x.squeeze((0, 1))",
        "x.expand(2, -1, 4)",
        "x.flatten(1, 0)",
    ),
]
WRITTEN = [
    *("x.scatter(0, i, v[:2])", "x.scatter(0, i, 3)", "x.scatter(0, i, v)", "x.scatter(0, i + 2, v[:2])"),
    *("x.scatter_add(0, i, v[:2])", "x.scatter(0, i, v[:2], reduce='multiply')", "x.put(i[0], v[0], True)"),
    *(
        f"x.scatter_reduce(0, i, v[:2], '{how}', include_self={own})"
        for how in ("sum", "prod", "mean", "amax")
        for own in (True, False)
    ),
    *(
        "x.index_add(0, i[:, 0], v[:2], alpha=2)",
        "x.index_copy(1, i[0, :2], v[:, :2])",
        "x.index_fill(1, i[1, 2:] - 1, 9)",
    ),
    *(
        "x.index_put((i[0, :2], i[1, :2]), v[0, :2], True)",
        "x.take(i - 3)",
        "x.take_along_dim(i, 0)",
        "x.take_along_dim(i)",
        "x.take_along_dim(-i)",
        "x.gather(0, i)",
    ),
    *(
        "x.masked_fill(x > 0, 2)",
        "x.masked_scatter(x > 0, v)",
        "x.masked_scatter(x > 0, v[0])",
        "x.masked_select(x > 2)",
    ),
    *(
        "x[i]",
        "x[i, i]",
        "x[i[0], :, None]",
        "x[None, i[:, :1], ..., 1]",
        "x[x > 0]",
        "x[:, x[0] > -4]",
        "x[i, t.tensor([1, 2, 3])]",
    ),
    *("x[True, 1]", "x[i[0], False]", "x.nonzero()", "x.argwhere()", "x.nonzero(as_tuple=True)"),
]


@pytest.mark.parametrize("dtype", ["f32", "i64", "bool"])
def test_values(dtype: str) -> None:
    values = {"x": (X, dtype), "v": (V, dtype), "i": (INDEX, "i64")}
    check_all([code for code in (*MOVED, *WRITTEN) if dtype != "bool" or "'mean'" not in code], values)


def test_gradients() -> None:
    tail = "; (y * t.arange(1., 1 + y.numel()).reshape(y.shape)).sum().backward(); (x.grad, v.grad)"
    # Several results; and what PyTorch does not differentiate, or only for a src of the index's shape.
    several = (
        "vander",
        "(0, i, v)",
        "multiply",
        "split",
        "unbind",
        "meshgrid",
        "broadcast",
        "atleast",
        "nonzero",
        "argwhere",
    )
    codes = [code for code in (*MOVED, *WRITTEN) if not any(word in code for word in several)]
    check_all(
        [f"y = {code}{tail}" for code in codes],
        {"x": (X, "f32"), "v": (V, "f32"), "i": (INDEX, "i64")},
        grad=True,
    )


@pytest.mark.parametrize("repeats", [[0, 1, 2], [3, 0, 0], [1, 1, 0], [2, 2, 1], [-1, 3, 1]])
def test_repeat_interleave_of_a_told_size(repeats: list[int]) -> None:
    def repeated(x: lenetc.Tensor, times: lenetc.Tensor) -> lenetc.Tensor:
        return lenetc.repeat_interleave(x, times, 0, output_size=3)

    x, times = np.float32(X), np.array(repeats)
    compiled = lenetc.compile(repeated)
    if sum(repeats) != 3 or min(repeats) < 0:
        with pytest.raises(LenetcError, match="out of data bounds"):
            compiled(lenetc.tensor(x), lenetc.tensor(times)).numpy()
        return
    found = compiled(lenetc.tensor(x), lenetc.tensor(times)).numpy()
    np.testing.assert_array_equal(found, np.repeat(x, times, 0))
