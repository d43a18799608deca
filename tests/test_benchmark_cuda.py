"""The benchmark for a GPU, tried out on the CPU: what it compares and what it writes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import cuda
from lenetc.runtime import device


def test_sides_take_turns_and_results_are_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "results" / "cuda.json"
    small = ["--batches", "4", "--precisions", "highest", "--rounds", "2", "--steps", "1", "--out", str(out)]
    cuda.main(["--device", "cpu", "--sides", "lenetc", "lenetc without graphs", *small])
    result = json.loads(out.read_text())
    assert len(result["machine"]["date"]) == 10 and result["machine"]["device"] == "none"
    assert [(row["batch"], row["fed"]) for row in result["rows"]] == [(4, False), (4, True)]
    for row in result["rows"]:
        assert set(row["sides"]) == {"lenetc", "lenetc without graphs"} and row["failed"] == {}
        for figures in row["sides"].values():
            low, high = figures["spread_us"]
            assert 0 < low <= figures["us"] <= high
    assert capsys.readouterr().out.count("batch     4") == 2


def test_without_a_gpu_nothing_is_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "DRIVERS", ("/no/such/driver",))
    with pytest.raises(SystemExit, match="nothing was measured: there is no NVIDIA driver"):
        cuda.main(["--out", str(tmp_path / "cuda.json")])
    assert not list(tmp_path.iterdir())


def test_sides_that_disagree_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cuda.np, "allclose", lambda *given, **how: False)
    with pytest.raises(SystemExit, match="the losses do not agree: lenetc"):
        cuda.compare(("lenetc", "lenetc without graphs"), "highest", "cpu", 2, True, 1, 1)
