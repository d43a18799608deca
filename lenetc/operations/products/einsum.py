"""Sums of products over named dimensions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import lenetc.tensors.tensor as t
from ir.dims import product
from ir.errors import DTypeError, LenetcError, ShapeError
from lenetc.evaluation.tracing import here
from lenetc.operations import shaping
from lenetc.operations.autocast import autocasts
from lenetc.operations.elementwise import mul
from lenetc.operations.products.matrices import matmul
from lenetc.operations.reductions.sums import sum
from lenetc.tensors.arrays import axis_of, index_of

if TYPE_CHECKING:
    from ir.types import DType
    from lenetc.tensors.tensor import Tensor

__all__ = ["einsum", "tensordot"]

Label: TypeAlias = (
    "str | int"  # a letter, or the number of a dimension that "..." stands for, counted from the end
)
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


class Named(NamedTuple):
    """A tensor with a label for each of its dimensions."""

    x: Tensor
    labels: tuple[Label, ...]

    def size(self, label: Label) -> Any:
        return self.x.shape[self.labels.index(label)]

    def summed(self, gone: Sequence[Label], dtype: DType | None = None) -> Named:
        """Without the dimensions `gone`, summed over, in the dtype of `sum` or the one given."""
        if not gone:
            return self
        axes = [self.labels.index(label) for label in gone]
        kept = tuple(label for label in self.labels if label not in gone)
        return Named(sum(self.x, axes, dtype=dtype), kept)

    def ordered(self, *labels: Label) -> Named:
        if labels == self.labels:
            return self
        return Named(shaping.permute(self.x, [self.labels.index(label) for label in labels]), labels)


@autocasts
def einsum(*args: Any) -> Tensor:
    """Products of the operands' elements, summed over the dimensions that the result does not name (torch.einsum).

    einsum("bij,bjk->bik", x, y), or with numbers einsum(x, [0, 1], y, [1, 2], [0, 2]). "..." stands for the other
    dimensions, which broadcast; without "->" the result has these, and the labels that stand only once, in order.
    Raises LenetcError for an equation that is none, ShapeError where sizes do not fit, DTypeError where dtypes in a
    sum of products differ.
    """
    equation, operands = _given(args)
    t.require_tensors("einsum", *operands)
    if not operands:
        raise LenetcError("einsum(): must provide at least one operand").at(here())
    inputs, output = _parsed(equation, operands)
    return contracted(
        [_without_repeats(x, labels) for x, labels in zip(operands, inputs, strict=True)], output
    )


def _given(args: Sequence[Any]) -> tuple[str, list[Any]]:
    """The equation as text, and the operands."""
    if not args:
        raise LenetcError("einsum(): must specify the equation string and at least one operand").at(here())
    if isinstance(args[0], str):
        several = len(args) == 2 and isinstance(args[1], (list, tuple))
        return args[0], list(args[1]) if several else list(args[1:])

    def text(numbers: Any) -> str:
        parts = []
        for number in numbers:
            if number is not Ellipsis and not (isinstance(number, int) and 0 <= number < len(_LETTERS)):
                raise LenetcError(
                    f"einsum(): a subscript is a number in [0, 52) or an ellipsis, not {number}"
                ).at(here())
            parts.append("..." if number is Ellipsis else _LETTERS[number])
        return "".join(parts)

    pairs, rest = args[: len(args) // 2 * 2], args[len(args) // 2 * 2 :]
    equation = ",".join(text(numbers) for numbers in pairs[1::2])
    return (f"{equation}->{text(rest[0])}" if rest else equation), list(pairs[::2])


def _parsed(equation: str, operands: Sequence[Tensor]) -> tuple[list[tuple[Label, ...]], tuple[Label, ...]]:
    """The labels of each operand's dimensions, and those of the result's."""

    def refuse(why: str, kind: type[LenetcError] = LenetcError) -> LenetcError:
        return kind(f"einsum(): {why}, in {equation!r}").at(here())

    given, arrow, wanted = equation.replace(" ", "").partition("->")
    terms = given.split(",")
    if len(terms) != len(operands):
        raise refuse(f"{len(terms)} subscripts are given for {len(operands)} operands")
    inputs: list[tuple[Label, ...]] = []
    for term, x in zip(terms, operands, strict=True):
        before, dots, after = term.partition("...")
        if any(c not in _LETTERS for c in before + after):
            raise refuse(f"subscripts are letters and one ellipsis '...', not {term!r}")
        hidden = x.ndim - len(before) - len(after)
        if hidden < 0 or (hidden and not dots):
            raise refuse(
                f"the subscripts {term!r} do not match the dimensions of {x.type_text()}", ShapeError
            )
        inputs.append((*before, *range(-hidden, 0), *after))
    letters = [label for labels in inputs for label in labels if isinstance(label, str)]
    rest = tuple(range(min((i for labels in inputs for i in labels if isinstance(i, int)), default=0), 0))
    if not arrow:
        return inputs, (*rest, *sorted(c for c in set(letters) if letters.count(c) == 1))
    before, dots, after = wanted.partition("...")
    for c in before + after:
        if c not in letters:
            raise refuse(f"the output subscript {c!r} does not appear in the equation for any input operand")
        if wanted.count(c) > 1:
            raise refuse(f"the output subscript {c!r} appears more than once in the output")
    return inputs, (*before, *(rest if dots else ()), *after)


def _without_repeats(x: Tensor, labels: tuple[Label, ...]) -> Named:
    """x with one dimension for each label: the diagonal of those that have the same."""
    for label in labels:
        while labels.count(label) > 1:
            first = labels.index(label)
            second = labels.index(label, first + 1)
            if x.shape[first] != x.shape[second]:
                raise ShapeError(
                    f"einsum(): the subscript {label!r} is repeated, but its sizes in {x.type_text()} differ"
                ).at(here())
            rest = tuple(k for i, k in enumerate(labels) if i not in (first, second))
            x, labels = shaping.diagonal(x, dim1=first, dim2=second), (*rest, label)
    return Named(x, labels)


def contracted(operands: Sequence[Named], output: tuple[Label, ...]) -> Tensor:
    """The operands multiplied from the left to the right, summed over what the rest and the result do not name."""
    _need_sizes(operands)
    given = list(operands)
    found = given.pop(0)
    while given:
        other = given.pop(0)
        later = {*output, *(label for named in given for label in named.labels)}
        found = _multiplied(found, other, later)
    return found.summed([label for label in found.labels if label not in output]).ordered(*output).x


def _need_sizes(operands: Sequence[Named]) -> None:
    """Raise ShapeError unless each label has one size, or that and 1."""
    sizes: dict[Label, Any] = {}
    for named in operands:
        for label, size in zip(named.labels, named.x.shape, strict=True):
            known = sizes.setdefault(label, size)
            if known == 1:
                sizes[label] = size
            elif size not in (1, known):
                raise ShapeError(
                    f"einsum(): operands do not broadcast: {label!r} has the sizes {known} and {size}"
                ).at(here())


def _multiplied(left: Named, right: Named, later: set[Label]) -> Named:
    """The product, less the dimensions that nobody names later."""
    both = [label for label in left.labels if label in right.labels]
    own = [[label for label in named.labels if label not in both] for named in (left, right)]
    # What only one of them has, or has more than one element of, is summed before it is multiplied.
    ends: list[Named] = []
    for named, other, alone in ((left, right, own[0]), (right, left, own[1])):
        gone = [label for label in alone if label not in later]
        gone += [k for k in both if k not in later and (named.size(k) == 1 or other.size(k) == 1)]
        is_summed = any(named.size(k) != 1 for k in gone)
        ends.append(named.summed(gone, None if is_summed else named.x.dtype))
    left, right = ends
    both = [label for label in both if label in left.labels]
    batch, inner = ([k for k in both if (k in later) is kept] for kept in (True, False))
    rows, columns = ([k for k in named.labels if k not in both] for named in (left, right))
    labels = (*batch, *rows, *columns)
    left, right = left.ordered(*batch, *rows, *inner), right.ordered(*batch, *inner, *columns)
    stack, height = len(batch), len(batch) + len(rows)
    sizes = (*left.x.shape[stack:height], *right.x.shape[stack + len(inner) :])
    if not inner:
        spread = [*right.x.shape[:stack], *(1 for _ in rows), *right.x.shape[stack:]]
        tall = [*left.x.shape, *(1 for _ in columns)]
        return Named(mul(shaping.reshape(left.x, tall), shaping.reshape(right.x, spread)), labels)
    width = product(tuple(left.x.shape[height:]))
    tall = [*left.x.shape[:stack], product(tuple(left.x.shape[stack:height])), width]
    wide = [*right.x.shape[:stack], width, product(tuple(right.x.shape[stack + len(inner) :]))]
    made = matmul(shaping.reshape(left.x, tall), shaping.reshape(right.x, wide))
    return Named(shaping.reshape(made, [*made.shape[:stack], *sizes]), labels)


@autocasts
def tensordot(a: Tensor, b: Tensor, dims: Any = 2) -> Tensor:
    """The sums of products over the last `dims` dimensions of a and the first of b, or over the pairs that two lists
    name (torch.tensordot). Raises ShapeError where the sizes of a pair differ."""
    t.require_tensors("tensordot", a, b)
    if isinstance(dims, t.Tensor):
        dims = dims.tolist()
    if isinstance(dims, (list, tuple)):
        if len(dims) != 2:
            raise LenetcError(f"tensordot: dims are two lists of dimensions, not {dims!r}").at(here())
        mine, yours = ([d] if isinstance(d, int) else list(d) for d in dims)
    else:
        count = index_of("tensordot: dims", dims)
        if count < 0 or count > min(a.ndim, b.ndim):
            raise ShapeError(
                f"tensordot: {count} dimensions are not in both {a.type_text()} and {b.type_text()}"
            ).at(here())
        mine, yours = list(range(a.ndim - count, a.ndim)), list(range(count))
    if len(mine) != len(yours):
        raise ShapeError(
            f"tensordot: both lists must name as many dimensions, but they are {mine} and {yours}"
        ).at(here())
    if a.dtype is not b.dtype:
        raise DTypeError(
            f"tensordot: both must have one dtype, but they are {a.type_text()} and {b.type_text()}"
        ).at(here())
    left: list[Label] = [f"a{i}" for i in range(a.ndim)]
    right: list[Label] = [f"b{i}" for i in range(b.ndim)]
    for i, j in zip(mine, yours, strict=True):
        i, j = axis_of(i, a.ndim, "tensordot"), axis_of(j, b.ndim, "tensordot")
        if 1 not in (a.shape[i], b.shape[j]) and a.shape[i] != b.shape[j]:
            raise ShapeError(
                f"tensordot: contracted dimensions must match, but dimension {i} of {a.type_text()} and {j} of "
                f"{b.type_text()} do not"
            ).at(here())
        right[j] = left[i]
    if len({*left}) + len({*right}) != a.ndim + b.ndim:
        raise LenetcError(f"tensordot: a dimension appears twice in {mine} or {yours}").at(here())
    kept = tuple(k for k in left if k not in right) + tuple(k for k in right if k not in left)
    found = contracted([Named(a, tuple(left)), Named(b, tuple(right))], kept)
    return found if found.dtype.is_float else found.to(a.dtype)  # sums of integers are of i64
