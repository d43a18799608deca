"""`lenetc.printing` against the live `repr` of PyTorch's tensors."""

from pathlib import Path

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lenetc.tensors.printing import format_array, set_printoptions

torch = pytest.importorskip("torch")

GOLDENS = Path(__file__).parents[2] / "lenetc" / "goldens" / "printing.txt"
FLOATS = {"float16": 16, "float32": 32, "float64": 64}
EXACT = ("int64", "int32", "uint8", "bool")


def torch_text(array: np.ndarray, suffixes: tuple[str, ...] = ()) -> str:
    """PyTorch's text for the array, made to carry the suffix by an operation of that name."""
    tensor = torch.from_numpy(array.copy())
    for suffix in suffixes:
        tensor.requires_grad_()
        if suffix.startswith("grad_fn=<"):
            name = suffix.removeprefix("grad_fn=<").removesuffix(">")
            tensor = named_function(name).apply(tensor)
    return repr(tensor).replace("torch.", "lenetc.")


def named_function(backward_name: str) -> type:
    """An autograd function whose grad_fn PyTorch prints with this name, which must end in Backward."""

    def forward(ctx, x):
        return x.clone()

    name = backward_name.removesuffix("0").removesuffix("Backward")
    function = type(name, (torch.autograd.Function,), {"forward": staticmethod(forward)})
    function._backward_cls.__name__ = backward_name
    return function


def golden_cases() -> list[tuple[str, str]]:
    blocks = GOLDENS.read_text().removeprefix(">>> ").split("\n>>> ")
    return [tuple(block.rstrip("\n").split("\n", 1)) for block in blocks]


@pytest.mark.parametrize(("expression", "text"), golden_cases(), ids=lambda part: part[:40].split("\n")[0])
def test_goldens_are_what_pytorch_prints(expression, text):
    case = eval(expression, {"np": np})
    array, *suffixes = case if isinstance(case, tuple) else (case,)
    assert torch_text(array, tuple(suffixes)) == text


OPTIONS = [
    {"precision": 2},
    {"sci_mode": True, "precision": 6},
    {"sci_mode": False},
    {"threshold": 5, "edgeitems": 1},
    {"threshold": 5, "edgeitems": 0},
    {"linewidth": 40},
    {"profile": "short", "linewidth": 60},
    {"profile": "full"},
]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_print_options(options):
    arrays = [
        np.array([1.5, -22.25, 1e-7, np.inf, np.nan]),
        np.array([[1.0, 2000.0], [0.0, 3.0]], np.float32),
        np.linspace(-1, 1, 60, dtype=np.float32).reshape(3, 20),
        np.arange(1200),
        np.array(123456.0, np.float32),
    ]
    try:
        torch.set_printoptions(**options)
        set_printoptions(**options)
        for array in arrays:
            assert format_array(array) == torch_text(array)
    finally:
        torch.set_printoptions(profile="default")
        set_printoptions(profile="default")


def shapes(max_dims: int = 4, max_side: int = 9) -> st.SearchStrategy[tuple[int, ...]]:
    return hnp.array_shapes(min_dims=0, max_dims=max_dims, min_side=0, max_side=max_side).filter(
        lambda shape: np.prod(shape) <= 400
    )


def suffix_lists() -> st.SearchStrategy[tuple[str, ...]]:
    named = st.integers(1, 70).map(lambda length: (f"grad_fn=<{'A' * length}Backward>",))
    return st.one_of(st.just(()), st.just(("requires_grad=True",)), named)


@st.composite
def float_arrays(draw) -> np.ndarray:
    """Arrays whose values share a range, so that all formats occur, with now and then a special value."""
    name = draw(st.sampled_from(sorted(FLOATS)))
    width = FLOATS[name]
    bound = draw(st.sampled_from([1.0, 10.0, 999.0, 1e4]))
    values = draw(
        st.sampled_from(
            [
                st.floats(width=width),
                st.floats(-bound, bound, width=width),
                st.floats(0.125, 100.0, width=width),
                st.integers(-2000, 2000).map(float),
            ]
        )
    )
    special = st.sampled_from([0.0, -0.0, float("nan"), float("inf"), float("-inf")])
    mixed = st.one_of(values, values, values, special) if draw(st.booleans()) else values
    return draw(hnp.arrays(np.dtype(name), draw(shapes()), elements=mixed))


@settings(max_examples=250, deadline=None)
@given(float_arrays(), suffix_lists())
def test_floats(array, suffixes):
    assert format_array(array, suffixes=suffixes) == torch_text(array, suffixes)


@settings(max_examples=120, deadline=None)
@given(st.sampled_from(EXACT).flatmap(lambda name: hnp.arrays(np.dtype(name), shapes())))
def test_integers_and_bools(array):
    assert format_array(array) == torch_text(array)


@settings(max_examples=60, deadline=None)
@given(
    hnp.array_shapes(min_dims=1, max_dims=4, min_side=1, max_side=1100).filter(
        lambda shape: 900 <= np.prod(shape) <= 3000
    )
    | st.permutations([2, 7, 80]).map(tuple)
    | st.permutations([6, 8, 5, 5]).map(tuple),
    st.sampled_from(["float32", "float64", "int64", "uint8", "bool"]),
    st.integers(0, 2**32 - 1),
    suffix_lists(),
)
def test_summarized(shape, name, seed, suffixes):
    array = (np.random.default_rng(seed).standard_normal(shape) * 100).astype(name)
    if not name.startswith("float"):
        suffixes = ()
    assert format_array(array, suffixes=suffixes) == torch_text(array, suffixes)


@pytest.mark.parametrize("edge", [1000.0, 1e8, 1e-4])
@pytest.mark.parametrize("name", ["float32", "float64"])
def test_both_sides_of_the_bounds_of_scientific_notation(edge, name):
    dtype = np.dtype(name).type
    for value in (dtype(edge), np.nextafter(dtype(edge), dtype(0)), np.nextafter(dtype(edge), dtype(np.inf))):
        for array in (np.array([value]), np.array([1, value], dtype), np.array([0.5, value], dtype)):
            assert format_array(array) == torch_text(array)
