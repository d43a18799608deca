"""NumPy arrays as arguments: inside they are arrays of NumPy's, whose methods, operators and dtypes are NumPy's."""

from __future__ import annotations

import numpy as np

from tests.semantics.case import case, refused
from tests.semantics.programs import expressions

# Each is returned by f(a, i, k) as a tensor: of floats, of integers, and of a float.
GIVEN = {
    "std": "a.std()",
    "var with ddof": "a.var(ddof=1)",
    "max of an axis": "a.max(0)",
    "mean of integers": "i.mean()",
    "sum of integers": "i.sum(0)",
    "repeat": "a.repeat(2)",
    "transpose by all axes": "a[None].transpose(2, 0, 1) * 1",
    "transpose by two axes": "a.transpose(0, 1) * 1",
    "size": "a * a.size",
    "dtype compared": "a * (2.0 if a.dtype == np.float64 else 3.0)",
    "divided integers": "i / i",
    "integers and a float": "i + 1.5",
    "floor division": "(a // 2, i // 2)[0]",
    "division by zero": "i // 0 + i % 0",
    "power": "i ** 2 + 2.0 ** abs(i)",
    "list beside": "i + [1, 2, 3]",
    "float beside": "i * k + k",
    "compared": "np.where(a > k, a, 0)",
    "matrix product": "a @ i.T",
    "clip": "a.clip(1, k)",
    "argmax": "a.argmax(1) + a.argmax()",
    "index": "a[0, 1] + a[1][2] + a[-1, ...]",
    "lists as an index": "a[[0, 1], [2, 0]]",
    "numbers and lists as an index": "a[None][0, :, [1, 2]]",
    "array as an index": "a[0][i[0]]",
    "iterated": "sum(row * n for n, row in enumerate(a))",
    "concatenate": "np.concatenate([a, i], axis=1)",
    "ufuncs": "np.sqrt(np.maximum(a, 0)) + np.exp(-a) + np.sign(i)",
    "isinstance": "a * (2.0 if isinstance(a, np.ndarray) and not isinstance(a, torch.Tensor) else 3.0)",
    "hasattr": "a * (2.0 if hasattr(a, 'detach') else 3.0)",
    "from_numpy": "torch.from_numpy(a).std()",
    "tensor of a copy": "torch.tensor(a).std(0)",
    "beside a tensor": "torch.ones(3) + a - torch.ones(2, 1)",
    "scalar kept over a change": "another.kept_over_a_change(a)",
}
CHANGED = {
    "added to": "a += k",
    "item set": "a[0, 1] = k",
    "part set": "a[:, 1] = a[:, 0] * 2",
    "set by a mask": "a[a > 2] = 0",
    "reversed": "a[::-1] = a * 2",
    "transposed changed": "b = a.T\nb[0] = 7",
    "sorted": "a.sort()",
    "out": "np.add(a, 1, out=a)",
    "standardized": "a -= a.mean(0)\na /= a.std(0) + 1",
    "integers": "i //= 2\ni[0] = 1.7",
}
_TEXT = """
def f(a, i, k):
    {use}
    return torch.as_tensor({result})
f, made = compile(f), []
for k in (2.0, 3.0):
    a = np.array([[3.5, -1, 2], [6, 5, 4.25]]) * k
    i = np.array([[1, -1, 2], [2, 0, 1]], np.int32)
    made.append((f(a, i, k), a.tolist(), i.tolist()))
return made
"""


def _cases():
    for name, use in GIVEN.items():
        yield from expressions("arrays", {name: f"y = {use}"}, _TEXT.replace("{result}", "y"), {})
    for name, use in CHANGED.items():
        yield from expressions("arrays", {name: use}, _TEXT.replace("{result}", "a * 1"), {})


TABLE = list(_cases())


@refused("strides", "NumPy")
def strides(torch, compile):
    return compile(lambda a: a.strides[0] * torch.ones(1))(np.ones(3))


@refused("memory", "copy")
def change_of_what_may_be_a_copy(torch, compile):
    def f(a):
        b = a.reshape(-1)
        b += 1
        return torch.as_tensor(a * 1)

    return compile(f)(np.ones((2, 2)))


@refused("memory", "NumPy")
def function_that_is_not_there(torch, compile):
    return compile(lambda a: torch.as_tensor(np.median(a)))(np.ones(3))


@case
def array_kept_and_returned(torch, compile):
    kept = []

    def f(a):
        kept.append(a)
        return a

    f, arrays = compile(f), [np.ones(2), np.zeros(3)]
    return [f(a) is a for a in arrays], [k is a for k, a in zip(kept, arrays, strict=True)]


@case
def numpy_raises(torch, compile):
    made = []
    for wrong in (
        lambda a: a.sum(5),
        lambda a: a[7],
        lambda a: a[0, 0, 0],
        lambda a: len(a.sum()),
        lambda a: {a: 1},
    ):
        try:
            compile(wrong)(np.ones((2, 3)))
        except (TypeError, IndexError, ValueError) as error:
            made.append(type(error).__name__ if type(error) is not IndexError else "IndexError")
    return made
