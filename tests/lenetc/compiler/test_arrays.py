"""NumPy arrays among the arguments: in a compiled function every member of ndarray gives what NumPy gives, or is
refused by name."""

from __future__ import annotations

import copy
import operator
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import lenetc
from ir.errors import LenetcError
from ir.types import dtype_of
from lenetc.compiler.arrays.operators import UFUNCS

ARRAYS = {
    "f32": np.array([[3.5, -1, 2], [6, 5, 4.25]], np.float32),
    "f64": np.array([[3.5, np.nan, 2], [-np.inf, 5, -0.0]]),
    "i32": np.array([[3, -1, 2], [6, 0, 4]], np.int32),
    "u8": np.array([[3, 1, 2], [255, 0, 4]], np.uint8),
    "bool": np.array([[True, False, True], [False, False, True]]),
}
REFUSED = "refused"
# What is tried of each member of ndarray, of `a`; members that are refused name what is to be read in the message.
MEMBERS: dict[str, list[str] | str] = {
    "T": ["a.T", "a.T[0]"],
    "all": ["a.all()", "a.all(0)", "a.all(axis=1, keepdims=True)"],
    "any": ["a.any()", "a.any((0, 1))"],
    "argmax": ["a.argmax()", "a.argmax(1)", "a.argmax(axis=0, keepdims=True)"],
    "argmin": ["a.argmin()", "a.argmin(0)", "a.argmin(keepdims=True)"],
    "argpartition": REFUSED,
    "argsort": ["a.argsort(kind='stable')"],
    "astype": ["a.astype('f4')", "a.astype(np.float64)", "a.astype(bool)", "a.astype(a.dtype, copy=False)"],
    "base": REFUSED,
    "byteswap": REFUSED,
    "choose": REFUSED,
    "clip": ["a.clip(1, 3)", "a.clip(max=2)", "a.clip(0, a)", "a.clip(1.5, 2.5)"],
    "compress": REFUSED,
    "conj": ["a.conj()"],
    "conjugate": ["a.conjugate()"],
    "copy": ["a.copy()", "a.copy('F')"],
    "ctypes": REFUSED,
    "cumprod": ["a.cumprod()", "a.cumprod(1)"],
    "cumsum": ["a.cumsum()", "a.cumsum(0)", "a.cumsum(axis=-1)"],
    "data": REFUSED,
    "device": ["a.device"],
    "diagonal": ["a.diagonal()", "a.diagonal(1)"],
    "dot": ["a.dot(a.T)", "a.dot(2)", "a[0].dot(a[1])", "a.dot(a[0])"],
    "dtype": ["a.dtype", "a.dtype == np.float32", "a.dtype.kind", "(a * 2).dtype.name"],
    "dump": REFUSED,
    "dumps": REFUSED,
    "fill": ["done(a.copy(), lambda c: c.fill(1))"],
    "flags": REFUSED,
    "flat": REFUSED,
    "flatten": ["a.flatten()", "a.flatten('F')"],
    "getfield": REFUSED,
    "imag": ["a.imag"],
    "item": REFUSED,
    "itemsize": ["a.itemsize"],
    "mT": ["a.mT"],
    "max": ["a.max()", "a.max(0)", "a.max(axis=1, keepdims=True)", "a.max((0, 1))"],
    "mean": ["a.mean()", "a.mean(0)", "a.mean((0, 1), keepdims=True)", "a.mean(dtype=np.float64)"],
    "min": ["a.min()", "a.min(1)"],
    "nbytes": ["a.nbytes"],
    "ndim": ["a.ndim"],
    "nonzero": REFUSED,
    "partition": REFUSED,
    "prod": ["a.prod()", "a.prod(0)", "a.prod(dtype=np.float64)"],
    "put": REFUSED,
    "ravel": ["a.ravel()"],
    "real": ["a.real"],
    "repeat": ["a.repeat(2)", "a.repeat(2, 1)", "a.repeat([1, 2], axis=0)"],
    "reshape": ["a.reshape(3, 2)", "a.reshape((3, 2))", "a.reshape(-1)", "a.reshape(3, -1, order='F')"],
    "resize": REFUSED,
    "round": ["a.round()", "a.round(1)"],
    "searchsorted": REFUSED,
    "setfield": REFUSED,
    "setflags": REFUSED,
    "shape": ["a.shape", "type(a.shape).__name__", "a.shape == (2, 3)", "a.shape[0] * 2"],
    "size": ["a.size", "a.size + 1", "type(a.size).__name__", "a[0].size"],
    "sort": ["done(a.copy(), lambda c: c.sort())", "done(a.copy(), lambda c: c.sort(0))"],
    "squeeze": ["a.squeeze()", "a[:1].squeeze()", "a[:1].squeeze(0)"],
    "std": ["a.std()", "a.std(0)", "a.std(axis=1, ddof=1)", "a.std(keepdims=True)"],
    "strides": REFUSED,
    "sum": [
        "a.sum()",
        "a.sum(0)",
        "a.sum(axis=(0, 1))",
        "a.sum(1, keepdims=True)",
        "a.sum(dtype=np.float64)",
    ],
    "swapaxes": ["a.swapaxes(0, 1)"],
    "take": ["a.take([0, 5])", "a.take([2, 0], axis=1)", "a.take([[0], [1]])"],
    "to_device": ["a.to_device('cpu')"],
    "tobytes": REFUSED,
    "tofile": REFUSED,
    "tolist": REFUSED,
    "trace": ["a.trace()", "a.trace(1)"],
    "transpose": ["a.transpose()", "a.transpose(1, 0)", "a.transpose((0, 1))", "a.transpose(0, 1)"],
    "var": ["a.var()", "a.var(1)", "a.var(ddof=1)"],
    "view": ["a.view(a.dtype)"],
}
ARGUMENTS = {  # of refused methods
    "argpartition": "1",
    "choose": "[a, a]",
    "compress": "[True, False]",
    "dump": "'file'",
    "getfield": "np.int8",
    "partition": "1",
    "put": "[0], 5",
    "resize": "(3, 2)",
    "searchsorted": "2",
    "setfield": "1, np.int8",
    "tofile": "'file'",
}
ATTRIBUTES = ("base", "ctypes", "data", "flags", "flat", "strides")
OPERATORS = (
    "-a|+a|abs(a)|~a|a + 1|a + 1.5|1 - a|a * a|a / a|a / 2|2 / a|a // 2|a // 2.0|7 // a|a % 2|a % -1.5|"
    "a ** 2|a ** 0.5|a ** 3|2.0 ** a|divmod(a, 2)[1]|a & a|a | 1|1 ^ a|a << 1|a >> 1|1 << abs(a)|a @ a.T|"
    "a == a|a != 2|a < 3|2.5 <= a|a > 300|a + np.float64(1)|np.float64(2) * a|a * np.float32(2)|"
    "a + np.int64(1)|a + np.arange(3)|np.arange(3) - a|a + True|[1, 2, 3] + a|a * [1.5, 2, 3]|"
    "a.sum(dtype='f8') + a|a[0] * a[0, 0]|a + np.int8(1)|np.ones((2, 1), 'f4') / a|max(1, 2) * a|len(a)|"
    "sum(a)|a is a|a is not None"
).split("|")
INDEXING = (
    "a[0]|a[0, 0]|a[-1, ...]|a[:, 1:]|a[::-1]|a[:, ::-2]|a[..., 0]|a[None]|a[:, np.newaxis]|a[[0, 1]]|"
    "a[[0, 1], [1, 2]]|a[:, [2, 0]]|a[0, [1, 2]]|a[0, :][[1, 2]]|a[None][0, :, [1, 2]]|"
    "a[np.array([True, False])]|a[[[0, 1], [1, 0]]]|a[()]|a[True]|a[np.ix_([0, 1], [0, 2])]|a[0, 0, ...]|"
    "a[1:0]|a[(a > 0).shape[0] - 1]|a[np.int64(1)]|[*a][1]|list(a[0])[2]|"
    "done(a.copy(), lambda c: c.__setitem__(0, 1))|"
    "done(a.copy(), lambda c: c.__setitem__([0, 0], [[1] * 3, [0] * 3]))|"
    "done(a.copy(), lambda c: c.__setitem__(slice(None, None, -1), a))|"
    "done(a.copy(), lambda c: c.__setitem__(c > 2, 1))|done(a.copy(), lambda c: c.__setitem__((0, 1), 1.7))|"
    "done(a.copy(), lambda c: c.__setitem__(..., a[:1]))"
).split("|")
FUNCTIONS = (
    "np.sum(a, dtype='f8')|np.mean(a, 0)|np.max(a)|np.amin(a, 1)|np.ptp(a)|np.any(a)|np.argmax(a, axis=1)|"
    "np.var(a)|np.concatenate([a, a])|np.concatenate((a, np.ones((2, 1))), axis=1)|"
    "np.concatenate([a, a], axis=None)|np.stack([a, a], -1)|np.vstack([a[0], a])|np.hstack([a, a])|"
    "np.where(a > 2, a, 0)|np.where(a, a, 1.5)|np.maximum(a, 2)|np.exp(a / 4)|np.sqrt(a)|np.add(a, 1)|"
    "np.shape(a)|np.ndim(a)|np.size(a)|np.zeros_like(a)|np.ones_like(a, dtype=int)|np.full_like(a, 1)|"
    "np.dot(a, a.T)|np.dot(a[None], a.T[None])|np.expand_dims(a, 0)|np.moveaxis(a, 0, 1)|np.isnan(a)|"
    "np.linalg.norm(a)|np.linalg.norm(a, axis=1)|np.transpose(a, (1, 0))|np.clip(a, 1, None)|"
    "np.clip(a, a_min=1, a_max=2)|np.broadcast_to(a, (2, 2, 3))|np.tile(a, 2)|np.tile(a, (2, 1))|np.flip(a)|"
    "np.flip(a, 0)|np.roll(a, 1)|np.sort(a)|np.reshape(a, (3, 2))|np.triu(a)|a[0, 0].max(0)|"
    "a[0, 0].repeat(2, 0)|np.round(a, 1)|np.around(a)|np.repeat(a, 2)|np.take(a, 1)|np.cumsum(a, dtype='f8')|"
    "np.result_type(a, np.float32)|isinstance(a, np.ndarray)|isinstance(a, lenetc.Tensor)|"
    "isinstance(a[0, 0], np.generic)|isinstance(a.mean(), float)|lenetc.is_tensor(a)|lenetc.tensor(a)|"
    "lenetc.from_numpy(a)|lenetc.as_tensor(a)|lenetc.Tensor(a)|lenetc.from_numpy(a).size()|callable(a)|"
    "f'{a.shape}'|lenetc.ones(3) + a|a - lenetc.ones(3)|a == lenetc.ones(3)|{a.dtype: 1}[a.dtype]|"
    "lenetc.arange(3) * a[0, 0]|lenetc.ones(()) * a.max()|type(a).__name__|lenetc.tensor(a).float().std()"
).split("|")
LOOKS = (
    "bool(a[0, 0])|float(a[0, 0])|int(a.max())|3 in a|str(a)|f'{a[0, 0]}'|np.asarray(a)|np.array(a)|"
    "np.array([a, a])|sorted(a[0])|a[a > 2]|range(a.argmax())|a == None|a == 'x'|np.median(a)|"
    "np.add.reduce(a)|np.einsum('ij->i', a)|np.linalg.norm(a, 2)|np.add(a, a, where=a > 2)|a.sum(initial=1)|"
    "np.add(a, lenetc.ones(3))|hash(a[0, 0])|done(a.reshape(-1), lambda c: c.fill(1)) + a|"
    "operator.iadd(a[::-1], 1) + a|operator.iadd(np.flip(a), 1) + a|np.random.permutation(a)|"
    "np.random.shuffle(a)"
).split("|")


def done(array: Any, change: Callable[[Any], Any]) -> Any:
    change(array)
    return array


def _evaluated(text: str) -> Callable[[Any], Any]:
    space = {"np": np, "lenetc": lenetc, "operator": operator, "copy": copy, "done": done}
    function: Callable[[Any], Any] = eval(f"lambda a: {text}", space)
    return function


def _plain(value: Any) -> Any:
    return value.detach().numpy() if isinstance(value, lenetc.Tensor) else value


def _quietly(function: Callable[[Any], Any], array: Any) -> Any:
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        return function(array)


@pytest.mark.parametrize("kind", ARRAYS)
def test_what_numpy_gives(kind: str) -> None:
    """One program of all that works uncompiled."""
    array = ARRAYS[kind]
    listed = [text for found in MEMBERS.values() if found != REFUSED for text in found]
    wanted = {}
    for text in (*listed, *OPERATORS, *INDEXING, *FUNCTIONS):
        try:
            found = _quietly(_evaluated(text), array.copy())
            if isinstance(found, (np.ndarray, np.generic)):
                dtype_of(np.asarray(found))
        except Exception:
            continue  # looked at below
        wanted[text] = found
    # As one lambda: looking for what many read takes long.
    compiled = lenetc.compile(_evaluated("{" + ", ".join(f"{text!r}: {text}" for text in wanted) + "}"))
    given = array.copy()
    found = _quietly(compiled, given)
    assert len(wanted) > 150
    for text, want in wanted.items():
        want, got = _plain(want), _plain(found[text])
        if isinstance(want, (np.ndarray, np.generic)):
            assert (got.dtype, got.shape) == (want.dtype, want.shape), text
            within = {np.dtype("f4"): 1e-5, np.dtype("f2"): 4e-3}.get(want.dtype, 1e-12)
            assert np.allclose(got, want, within, within, equal_nan=True), (text, got, want)
        else:
            assert (type(got), got) == (type(want), want), text
    assert np.array_equal(given, array, equal_nan=True)


@pytest.mark.parametrize("kind", ["u8", "bool"])
def test_what_numpy_raises_or_programs_lack(kind: str) -> None:
    """The same exceptions; or an error that names the member, the argument and the line."""
    array = ARRAYS[kind]
    listed = [text for found in MEMBERS.values() if found != REFUSED for text in found]
    tried = 0
    for text in (
        *listed,
        *OPERATORS,
        *INDEXING,
        "a[2]",
        "a[0, 0, 0]",
        "a['x']",
        "a[1.5]",
        "a.sum(2)",
        "a.foo",
        "a + None",
    ):
        function, raised = _evaluated(text), None
        try:
            want = np.asarray(_plain(_quietly(function, array)))
            dtype_of(want) if want.dtype.kind in "biuf" else None
            continue
        except TypeError as error:
            raised = LenetcError if "are not supported" in str(error) and kind != "x" else type(error)
        except Exception as error:
            raised = type(error)
        with pytest.raises((raised, LenetcError)):
            _quietly(lenetc.compile(function), array)
        tried += 1
    assert tried > 5


def test_every_member_is_given_or_refused() -> None:
    public = {name for name in dir(np.ndarray) if not name.startswith("_")}
    assert public == MEMBERS.keys()
    array = ARRAYS["f32"]
    refused = [name for name, found in MEMBERS.items() if found == REFUSED]
    texts = {
        name: f"a.{name}" if name in ATTRIBUTES else f"a.{name}({ARGUMENTS.get(name, '')})"
        for name in refused
    }
    for name, text in [*texts.items(), *((text, text) for text in LOOKS)]:
        with pytest.raises(LenetcError) as raised:
            _quietly(lenetc.compile(_evaluated(text)), array)
        message = str(raised.value)
        assert "the argument a" in message and "at <string>:1" in message, text
        assert name in texts.values() or name not in texts or f"ndarray.{name}" in message


VALUES = {
    "f": [-np.inf, -1e30, -7.5, -2.5, -1, -0.0, 0.0, 0.5, 1, 1.5, 2.5, 3, 88, np.inf, np.nan],
    "i": [-(2**31), -7, -3, -1, 0, 1, 2, 3, 7, 31, 32, 2**31 - 1],
    "b": [True, False],
}


@pytest.mark.parametrize(("kind", "dtype"), [("f", "f4"), ("f", "f8"), ("i", "i4"), ("b", "?")])
def test_ufuncs_over_values(kind: str, dtype: str) -> None:
    """All pairs of numbers that are special to some of them."""
    x, y = (m.reshape(-1) for m in np.meshgrid(*[np.array(VALUES[kind], dtype)] * 2))
    wanted: dict[Any, Any] = {}
    for ufunc in UFUNCS:
        if ufunc is not np.matmul and not (ufunc is np.power and kind == "i"):
            try:
                wanted[ufunc] = _quietly(lambda a, ufunc=ufunc: ufunc(*(a, y)[: ufunc.nin]), x)
            except TypeError:
                continue
    compiled = lenetc.compile(lambda a, b: [ufunc(*(a, b)[: ufunc.nin]) for ufunc in wanted])
    for (ufunc, want), found in zip(wanted.items(), compiled(x, y), strict=True):
        got = found.numpy()
        assert got.dtype == want.dtype, ufunc
        within = {np.dtype("f4"): 2e-6, np.dtype("f2"): 2e-3}.get(want.dtype, 1e-12)
        with np.errstate(all="ignore"):
            assert np.allclose(got, want, within, 1e-37, equal_nan=True), ufunc


CHANGES = [
    "a += 1",
    "a *= a",
    "a[0] = 7",
    "a[:, 1] += a[:, 0]",
    "b = a[0]; b += 1",
    "b = a.T; b[0] = 7",
    "a[[0, 1], [1, 2]] = 5",
    "a[::-1] = a * 2",
    "a[a > 2] = 0",
    "a.fill(3)",
    "a.sort()",
    "np.add(a, 1, out=a)",
    "for row in a: row -= 1",
    "x = a[0, 0]; a[0, 0] = 9; kept = x",
    "x = a[0, 0, ...]; a[0, 0] = 9; kept = x",
    "b = a.copy(); b += 1",
    "b = a.astype(a.dtype, copy=False); b += 1",
    "b = (a * 2).reshape(-1); b += 1; kept = b",
    "s = a.sum(); t = s; s *= 2; kept = t",
    "b = a.flatten(); b[0] = 100",
    "x = a[0, 0]; x.fill(2); kept = x",
    "t = lenetc.from_numpy(a); t += 1",
    "t = lenetc.tensor(a); t[0] = 1; kept = t",
    "kept = a; a -= a.mean(0)",
]


@pytest.mark.parametrize("text", CHANGES)
def test_changes_in_place(text: str) -> None:
    space: dict[str, Any] = {"np": np, "lenetc": lenetc}
    lines = "".join(f"    {line}\n" for line in text.split("; "))
    exec(f"def f(a):\n    kept = None\n{lines}    return kept if kept is not None else a * 1\n", space)
    one, two = ARRAYS["f32"].copy(), ARRAYS["f32"].copy()
    compiled = lenetc.compile(space["f"])
    for _ in range(2):
        want, found = _plain(space["f"](one)), _plain(compiled(two))
        assert np.allclose(want, found) and np.allclose(one, two), text


def test_a_change_of_what_may_be_a_copy_is_refused() -> None:
    def through(a: Any) -> Any:
        b = a.reshape(-1)
        b += 1  # the line
        return a * 1

    with pytest.raises(LenetcError, match=r"may lie in the same memory or be a copy.*copy\(\)"):
        lenetc.compile(through)(np.ones((2, 3)))
    with pytest.raises(ValueError, match="read-only"):
        lenetc.compile(lambda a: operator.iadd(a.diagonal(), 1))(np.ones((2, 2)))


def test_arrays_that_are_kept() -> None:
    """What a function keeps is the array itself, or a tensor of what it computed."""
    kept: list[Any] = []
    table: dict[str, Any] = {}

    def keep(a: Any) -> Any:
        kept.append(a)
        table["sum"] = a.sum()
        return a

    array = np.ones(3)
    with pytest.warns(lenetc.RetraceWarning):
        assert lenetc.compile(keep)(array) is array
    assert kept[0] is array and table["sum"].item() == 3
    kept.clear()
    with pytest.warns(lenetc.RetraceWarning):
        lenetc.compile(lambda a: kept.append((a, {"sum": (a.sum(), 1)})))(array)
    assert kept[0][0] is array and kept[0][1]["sum"][0].item() == 3
    with pytest.raises(LenetcError, match=r"in a tuple beyond the call: keep a tensor"):
        lenetc.compile(lambda a: kept.append(iter((a, 1))))(array)


def test_what_kind_of_thing_an_array_is() -> None:
    def kinds(a: Any) -> Any:
        return (
            hasattr(a, "detach"),
            hasattr(a, "numpy"),
            getattr(a, "float", 0),
            copy.copy(a),
            copy.deepcopy(a),
        )

    *found, one, two = lenetc.compile(kinds)(np.ones(3))
    assert found == [False, False, 0] and one.tolist() == two.tolist() == [1, 1, 1]


def test_the_very_class_of_an_array_is_refused() -> None:
    def asks(a: Any) -> Any:
        return a * (2 if type(a) is np.ndarray else 3)  # the class

    with pytest.raises(LenetcError, match=r"type\(...\) with numpy.ndarray.*isinstance") as raised:
        lenetc.compile(asks)(np.ones(3))
    line = asks.__code__.co_firstlineno + 1
    assert f"{__file__}:{line}" in str(raised.value)
    assert lenetc.compile(asks)(lenetc.ones(3)).tolist() == [3, 3, 3]


def test_the_very_class_of_an_array_is_no_key() -> None:
    scales = {np.ndarray: 2.0, np.float64: 5.0}
    for asks in (
        lambda a: a * scales.get(type(a), 3.0),
        lambda a: a * scales.get(type(a[0]), 3.0),
        lambda a: a * (type(a) in scales),
        lambda a: a * len({type(a), np.ndarray}),
    ):
        with pytest.raises(LenetcError, match=r"(?s)by type\(...\).*a.__class__.*test_arrays.py"):
            lenetc.compile(asks)(np.ones(3))
    assert lenetc.compile(lambda a: a * scales[a.__class__])(np.ones(3)).tolist() == [2, 2, 2]
    assert lenetc.compile(lambda a: a * scales[a[0].__class__])(np.ones(3)).tolist() == [5, 5, 5]


def test_steps_take_arrays_as_tensors() -> None:
    """Functions and modules of this package, and methods in PyTorch's words, that NumPy refuses."""
    net = lenetc.nn.Linear(4, 2)
    x = np.ones((3, 2, 2), np.float32)

    def step(x: Any) -> Any:
        return (
            net(x.view(x.size(0), -1)).sum() + x.flatten(1).sum(dim=1).sum() + x.float().unsqueeze(0).mean()
        )

    found = lenetc.compile(step)(x)
    want = net(lenetc.tensor(x).flatten(1)).sum() + 12 + 1
    assert abs(found.item() - want.item()) < 1e-5


def test_floats_beside_arrays_are_inputs() -> None:
    step = lenetc.compile(lambda a, k, s: (a * k + k * a, s * a))
    array = np.arange(3, dtype=np.float32)
    for k in (1.0, 2.0, 3.0):
        first, second = step(array, k, np.float64(k))
        assert first.numpy().tolist() == (2 * k * array).tolist() and first.dtype is lenetc.float32
        assert second.dtype is lenetc.float64
    assert "traced 1 times, 1 programs" in step.explain()


def test_one_array_twice() -> None:
    compiled = lenetc.compile(lambda a, b, k: (a * (2 if a is b else 3), operator.iadd(a, k), b * [k, 1]))
    one, other = np.ones(2), np.ones(2)
    for a, b, k in ((one, other, 1.0), (one, one, 1.0), (one, one, 3.0), (other, one, 1.0)):
        x, y = a.copy(), b.copy()
        y = x if a is b else y
        want = x * (2 if a is b else 3), operator.iadd(x, k), y * [k, 1]
        found = compiled(a, b, k)
        assert [_plain(part).tolist() for part in found] == [part.tolist() for part in want]
        assert a.tolist() == x.tolist() and found[1] is a


def test_arrays_know_no_mixed_precision() -> None:
    array = np.ones((2, 2), np.float32)
    with lenetc.autocast("cpu"):
        assert lenetc.compile(lambda a: a @ a + np.dot(a, a))(array).dtype is lenetc.float32
