"""Datasets: samples by number, or one after another (torch.utils.data)."""

from __future__ import annotations

import bisect
import itertools
import math
from collections.abc import Iterator, Sequence
from typing import Any, Generic, TypeVar

from lenetc.tensors.tensor import Tensor
from lenetc.utils.data.draws import permutation

T = TypeVar("T", covariant=True)


class Dataset(Generic[T]):
    """Samples by number: a subclass has `__getitem__(index)`, and `__len__` (torch.utils.data.Dataset)."""

    def __getitem__(self, index: Any) -> T:
        raise NotImplementedError("Subclasses of Dataset should implement __getitem__.")

    def __add__(self, other: Dataset[Any]) -> ConcatDataset:
        return ConcatDataset([self, other])


class IterableDataset(Dataset[T]):
    """Samples one after another: a subclass has `__iter__` (torch.utils.data.IterableDataset)."""

    def __iter__(self) -> Iterator[T]:
        raise NotImplementedError("Subclasses of IterableDataset should implement __iter__.")

    def __add__(self, other: Dataset[Any]) -> Any:
        return ChainDataset([self, other])


class TensorDataset(Dataset[tuple[Tensor, ...]]):
    """Sample i is the i-th row of each tensor (torch.utils.data.TensorDataset).

    tensors: [N, ...] each, of one N. Raises ValueError where the N differ.
    """

    def __init__(self, *tensors: Tensor) -> None:
        if any(len(tensor) != len(tensors[0]) for tensor in tensors):
            sizes = ", ".join(str(len(tensor)) for tensor in tensors)
            raise ValueError(f"Size mismatch between tensors: they have {sizes} rows")
        self.tensors = tensors

    def __getitem__(self, index: Any) -> tuple[Tensor, ...]:
        # Rows of values that are there need no program.
        return tuple(Tensor._from_array(tensor.detach()._held()[index]) for tensor in self.tensors)

    def __len__(self) -> int:
        return len(self.tensors[0])


class StackDataset(Dataset[Any]):
    """Samples put together of those of several datasets: a tuple, or by name a dict
    (torch.utils.data.StackDataset)."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if bool(args) == bool(kwargs):
            raise ValueError(
                "StackDataset takes datasets either as arguments or by name, at least one of them"
            )
        self.datasets: Any = args or kwargs
        sizes = {len(part) for part in (args or kwargs.values())}
        if len(sizes) > 1:
            raise ValueError(f"Size mismatch between datasets: {sorted(sizes)}")
        (self._length,) = sizes

    def __getitem__(self, index: Any) -> Any:
        if isinstance(self.datasets, dict):
            return {key: part[index] for key, part in self.datasets.items()}
        return tuple(part[index] for part in self.datasets)

    def __len__(self) -> int:
        return self._length


class ConcatDataset(Dataset[Any]):
    """The samples of several datasets, one dataset after another (torch.utils.data.ConcatDataset)."""

    def __init__(self, datasets: Any) -> None:
        self.datasets = list(datasets)
        if not self.datasets:
            raise ValueError("datasets should not be an empty iterable")
        if any(isinstance(part, IterableDataset) for part in self.datasets):
            raise TypeError("ConcatDataset does not support IterableDataset")
        self.cumulative_sizes = list(itertools.accumulate(map(len, self.datasets)))

    def __len__(self) -> int:
        return self.cumulative_sizes[-1]

    def __getitem__(self, index: int) -> Any:
        if not -len(self) <= index < len(self):
            raise ValueError(f"index {index} is out of range for a dataset of {len(self)} samples")
        index %= len(self)
        which = bisect.bisect_right(self.cumulative_sizes, index)
        return self.datasets[which][index - (self.cumulative_sizes[which - 1] if which else 0)]


class ChainDataset(IterableDataset[Any]):
    """The samples of several iterable datasets, one dataset after another (torch.utils.data.ChainDataset)."""

    def __init__(self, datasets: Any) -> None:
        self.datasets = datasets

    def __iter__(self) -> Iterator[Any]:
        return itertools.chain.from_iterable(self.datasets)

    def __len__(self) -> int:
        return sum(len(part) for part in self.datasets)


class Subset(Dataset[Any]):
    """The samples of a dataset at some indices (torch.utils.data.Subset)."""

    def __init__(self, dataset: Any, indices: Sequence[int]) -> None:
        self.dataset = dataset
        self.indices = indices

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, list):
            return self.dataset[[self.indices[i] for i in index]]
        return self.dataset[self.indices[index]]

    def __len__(self) -> int:
        return len(self.indices)


def random_split(dataset: Any, lengths: Sequence[float], generator: Any = None) -> list[Subset]:
    """Parts of a dataset, drawn without replacement (torch.utils.data.random_split).

    lengths: numbers of samples, or fractions that sum to 1, of which what is left over goes round. Raises ValueError
    where they do not sum to the dataset's length.
    """
    if math.isclose(sum(lengths), 1) and sum(lengths) <= 1:
        counts = []
        for i, fraction in enumerate(lengths):
            if not 0 <= fraction <= 1:
                raise ValueError(f"Fraction at index {i} is not between 0 and 1")
            counts.append(math.floor(len(dataset) * fraction))
        for i in range(len(dataset) - sum(counts)):
            counts[i % len(counts)] += 1
    else:
        counts = [int(length) for length in lengths]
    if sum(counts) != len(dataset):
        raise ValueError(
            f"Sum of input lengths does not equal the length of the input dataset: {sum(counts)} and {len(dataset)}"
        )
    indices = permutation(len(dataset), generator)
    stops = list(itertools.accumulate(counts))
    return [Subset(dataset, indices[stop - count : stop]) for count, stop in zip(counts, stops, strict=True)]
