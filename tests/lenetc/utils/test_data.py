"""Datasets, samplers and loaders, as scripts use them."""

from __future__ import annotations

import collections
import threading
from typing import Any

import numpy as np
import pytest

import lenetc
from lenetc.evaluation import cell
from lenetc.utils.data import (
    BatchSampler,
    ConcatDataset,
    DataLoader,
    Dataset,
    IterableDataset,
    RandomSampler,
    Subset,
    SubsetRandomSampler,
    TensorDataset,
    WeightedRandomSampler,
    default_collate,
    get_worker_info,
    random_split,
)


class Squares(Dataset[Any]):
    """(i, i * i) as a float array and an int."""

    def __init__(self, n: int) -> None:
        self.n = n

    def __len__(self) -> int:
        return self.n

    def __getitem__(self, i: int) -> Any:
        if i >= self.n:
            raise IndexError(i)
        return np.array([i, i * i], np.float32), i


class Stream(IterableDataset[int]):
    """The numbers below 10, each worker every other one."""

    def __iter__(self) -> Any:
        worker = get_worker_info()
        return iter(range(10) if worker is None else range(worker.id, 10, worker.num_workers))


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_batches_come_in_order_whatever_makes_them(workers: int) -> None:
    loader = DataLoader(Squares(10), batch_size=4, num_workers=workers)
    batches = list(loader)
    assert len(loader) == 3 and [len(y) for _, y in batches] == [4, 4, 2]
    assert np.concatenate([y.numpy() for _, y in batches]).tolist() == list(range(10))
    assert batches[1][0].tolist() == [[i, i * i] for i in range(4, 8)]
    assert batches[0][0].dtype is lenetc.float32 and batches[0][1].dtype is lenetc.int64
    assert len(list(DataLoader(Squares(10), batch_size=4, drop_last=True, num_workers=workers))) == 2


def test_shuffled_epochs_hold_every_sample_and_repeat_with_the_seed() -> None:
    def epochs() -> list[list[int]]:
        lenetc.manual_seed(3)
        loader = DataLoader(Squares(20), batch_size=8, shuffle=True)
        return [np.concatenate([y.numpy() for _, y in loader]).tolist() for _ in range(2)]

    first, second = epochs()
    assert sorted(first) == sorted(second) == list(range(20))
    assert first != second
    assert epochs() == [first, second]


def test_rows_of_tensors_and_their_gradients() -> None:
    x = lenetc.arange(12.0).reshape(6, 2)
    dataset = TensorDataset(x * 2, lenetc.arange(6))
    row, number = dataset[3]
    assert row.tolist() == [12.0, 14.0] and number.item() == 3
    w = lenetc.ones(2, requires_grad=True)
    for rows, numbers in DataLoader(dataset, batch_size=6):
        ((rows * w).sum() + numbers.sum()).backward()
    assert w.grad is not None and w.grad.tolist() == [60.0, 72.0]
    with pytest.raises(ValueError, match="Size mismatch"):
        TensorDataset(x, lenetc.zeros(5))


def test_splits_subsets_and_sums_of_datasets() -> None:
    parts = random_split(Squares(10), [0.7, 0.3])
    assert [len(part) for part in parts] == [7, 3]
    assert sorted(y for part in parts for _, y in (part[i] for i in range(len(part)))) == list(range(10))
    with pytest.raises(ValueError, match="Sum of input lengths"):
        random_split(Squares(10), [5, 4])
    both = Squares(3) + Squares(2)
    assert isinstance(both, ConcatDataset) and [both[i][1] for i in (0, 2, 3, -1)] == [0, 2, 0, 1]
    assert Subset(Squares(9), [4, 2])[1][1] == 2


def test_samplers() -> None:
    assert sorted(RandomSampler(range(5))) == list(range(5))
    assert len(list(RandomSampler(range(5), replacement=True, num_samples=12))) == 12
    endless = iter(
        RandomSampler(range(5), replacement=True, num_samples=10**10)
    )  # minGPT's trainer takes as it needs
    assert {next(endless) for _ in range(200)} == set(range(5))
    assert sorted(SubsetRandomSampler([3, 5, 8])) == [3, 5, 8]
    drawn = collections.Counter(WeightedRandomSampler([0.0, 1.0, 3.0], 4000))
    assert drawn[0] == 0 and 2800 < drawn[2] < 3200
    assert sorted(WeightedRandomSampler([1.0, 0.0, 2.0], 2, replacement=False)) == [0, 2]
    assert list(BatchSampler(range(5), 2, False)) == [[0, 1], [2, 3], [4]]
    assert list(BatchSampler(range(5), 2, True)) == [[0, 1], [2, 3]]


def test_workers_share_an_iterable_dataset_out_themselves() -> None:
    def numbers(**how: Any) -> list[int]:
        return [i for batch in DataLoader(Stream(), batch_size=2, **how) for i in batch.tolist()]

    assert numbers() == list(range(10))
    assert sorted(numbers(num_workers=2)) == list(range(10))
    assert get_worker_info() is None


def test_what_workers_are_told() -> None:
    seen: dict[int, str] = {}

    def begin(number: int) -> None:
        info = get_worker_info()
        assert info is not None and info.id == number and info.num_workers == 2
        seen[number] = threading.current_thread().name

    list(DataLoader(Squares(40), batch_size=2, num_workers=2, worker_init_fn=begin))
    assert set(seen) <= {0, 1} and seen


def test_an_error_comes_where_its_batch_would_have_come() -> None:
    class Broken(Squares):
        def __getitem__(self, i: int) -> Any:
            if i == 5:
                raise KeyError("no sample 5")
            return super().__getitem__(i)

    for workers in (0, 2):
        batches = iter(DataLoader(Broken(8), batch_size=2, num_workers=workers))
        next(batches), next(batches)
        with pytest.raises(KeyError, match="no sample 5"):
            next(batches)


def test_structures_are_put_together() -> None:
    Point = collections.namedtuple("Point", "x y")
    batch = default_collate([{"a": 1.5, "b": [1, "s"], "p": Point(np.int32(1), True)} for _ in range(2)])
    assert batch["a"].dtype is lenetc.float64 and batch["a"].tolist() == [1.5, 1.5]
    assert batch["b"][0].tolist() == [1, 1] and list(batch["b"][1]) == ["s", "s"]
    assert batch["p"].x.dtype is lenetc.int32 and batch["p"].y.dtype is lenetc.bool
    with pytest.raises(ValueError, match="equal size"):
        default_collate([np.zeros(2), np.zeros(3)])
    with pytest.raises(TypeError, match="collate_fn"):
        default_collate([object()])


@pytest.mark.parametrize(
    "how",
    [
        {"shuffle": True, "sampler": [1, 2]},
        {"batch_sampler": [[0]], "batch_size": 3},
        {"num_workers": -1},
        {"batch_size": None, "drop_last": True},
        {"prefetch_factor": 2},
    ],
)
def test_options_that_exclude_one_another(how: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        DataLoader(Squares(4), **how)


class Rows(Dataset[Any]):
    """Parts of tensors, as users' datasets read them."""

    def __init__(self) -> None:
        rng = np.random.default_rng(0)
        self.x = lenetc.from_numpy(rng.standard_normal((12, 3, 8, 8)).astype(np.float32))
        self.y = lenetc.arange(12)

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, i: int) -> Any:
        image = self.x[i]
        return image[..., 1:7, 2:], self.x[i, None, 0], int(self.y[i]), self.y[i]


def test_samples_read_from_tensors_need_no_program(monkeypatch: pytest.MonkeyPatch) -> None:
    data = Rows()

    def refuse() -> None:
        raise AssertionError("something waits to be computed")

    monkeypatch.setattr(cell.Counts, "evaluate_pending", staticmethod(refuse))
    for step, batch in enumerate(DataLoader(data, batch_size=4)):
        rows = slice(4 * step, 4 * step + 4)
        x = data.x._held()[rows]
        expected = (x[..., 1:7, 2:], x[:, None, 0], np.arange(12)[rows], np.arange(12)[rows])
        for mine, theirs in zip(batch, expected, strict=True):
            np.testing.assert_array_equal(mine.numpy(), theirs)
    filled = lenetc.zeros(3, 2)
    for i in range(3):
        filled[i] = i
        filled[i, 1] = data.x[0, 0, 0, 0]
    assert filled[:, 0].tolist() == [0.0, 1.0, 2.0] and [float(v[0]) for v in filled] == [0.0, 1.0, 2.0]
    stacked = lenetc.stack([data.x[i] for i in (3, 1)], 1)
    np.testing.assert_array_equal(stacked.numpy(), data.x._held()[[3, 1]].swapaxes(0, 1))
    chosen = data.x[data.y[2:5]]
    np.testing.assert_array_equal(chosen.numpy(), data.x._held()[2:5])


def test_what_is_read_at_once_is_a_view_all_the_same() -> None:
    x = lenetc.zeros(3, 4)
    row, corner = x[1], x[1][2:]
    row += 1
    assert x.sum() == 4 and corner.tolist() == [1.0, 1.0]
    x[1, 3] = 5
    assert row.tolist() == [1.0, 1.0, 1.0, 5.0] and corner.tolist() == [1.0, 5.0]
    corner.fill_(7)
    assert x[1].tolist() == [1.0, 1.0, 7.0, 7.0]
    copy = x[lenetc.tensor([1, 1])]
    copy += 1
    assert x[1].tolist() == [1.0, 1.0, 7.0, 7.0]
    with pytest.raises(IndexError, match="out of bounds"):
        x[3]
    with pytest.raises(IndexError, match="out of bounds"):
        x[lenetc.tensor([3])]
    w = lenetc.ones(2, requires_grad=True)
    y = (w * x[1, :2]).sum()
    x[1, 0] = 100
    y.backward()
    assert w.grad is not None and w.grad.tolist() == [1.0, 1.0]
