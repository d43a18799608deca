"""Averages of states: of several clients, and over a training."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from ir.errors import DTypeError, LenetcError, ShapeError
from ir.types import Array
from lenetc.artifact.checkpoint import load_tensors
from lenetc.evaluation.tracing import here
from lenetc.tensors.tensor import Tensor

State: TypeAlias = Mapping[str, Any] | str | Path


def average_states(states: Sequence[State], weights: Sequence[float] | None = None) -> dict[str, Array]:
    """The mean of states, as an artifact saves and loads them: sum(w * s) / sum(w), in f64, rounded to the dtype that
    each tensor has.

    states: dicts of arrays or tensors, or safetensors files of them, at least one. weights: of each, 0 or more and not
    all 0, the samples of each client say; equal by default. Floats are averaged, optimizer state and statistics of
    batch normalization too; what is no float (step counts, random keys) is that of the first state.

    Raises LenetcError for names that differ, and weights that are none; DTypeError and ShapeError for tensors that
    differ; CheckpointError for a file that cannot be read.
    Source: McMahan et al., Communication-efficient learning of deep networks from decentralized data, 2017 (FedAvg).
    """
    if isinstance(states, (str, Path, Mapping)) or not len(states):
        raise LenetcError("average_states takes a list of at least one state").at(here())
    weights = [1.0] * len(states) if weights is None else list(weights)
    are_numbers = all(_is_number(w) and w >= 0 for w in weights)
    if len(weights) != len(states) or not are_numbers or not sum(weights):
        raise LenetcError(
            f"average_states takes a weight for each of the {len(states)} states, 0 or more and not all 0, "
            f"not {weights}"
        ).at(here())
    return _combined(
        "average_states", [_arrays(state) for state in states], [w / sum(weights) for w in weights], 0
    )


def ema_state(average: State, new: State, decay: float = 0.999) -> dict[str, Array]:
    """decay * average + (1 - decay) * new, in f64, rounded to the dtype that each tensor has; what is no float (step
    counts, random keys) is that of `new`.

    average, new: dicts of arrays or tensors, or safetensors files of them. Raises what `average_states` raises, and
    LenetcError for a decay outside [0, 1].
    Source: torch.optim.swa_utils.get_ema_avg_fn, on a file.
    """
    if not _is_number(decay) or not 0 <= decay <= 1:
        raise LenetcError(f"ema_state takes a decay between 0 and 1, not {decay}").at(here())
    return _combined("ema_state", [_arrays(average), _arrays(new)], [decay, 1 - decay], 1)


def _combined(
    what: str, states: list[dict[str, Array]], shares: Sequence[float], whose: int
) -> dict[str, Array]:
    """The sum of shares of floats; of other tensors those of the state `whose`."""
    first = states[0]
    for number, state in enumerate(states[1:], 1):
        if different := sorted(first.keys() ^ state.keys()):
            which = 0 if different[0] in first else number
            raise LenetcError(
                f"{what}: states 0 and {number} are not of one model: only state {which} has {different[0]!r} "
                f"({len(different)} names differ)"
            ).at(here())
        for name, array in state.items():
            other = first[name]
            if array.dtype != other.dtype or array.shape != other.shape:
                error = ShapeError if array.dtype == other.dtype else DTypeError
                raise error(
                    f"{what}: {name!r} is {other.dtype} {list(other.shape)} in state 0 and {array.dtype} "
                    f"{list(array.shape)} in state {number}"
                ).at(here())

    def combined(name: str) -> Array:
        if first[name].dtype.kind not in "fV":  # V: bfloat16
            return states[whose][name].copy()
        parts = (
            share * state[name].astype(np.float64)
            for state, share in zip(states, shares, strict=True)
            if share
        )
        return np.asarray(sum(parts)).astype(first[name].dtype)

    return {name: combined(name) for name in first}


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | np.integer | np.floating) and math.isfinite(value)


def _arrays(state: State) -> dict[str, Array]:
    if not isinstance(state, Mapping):
        return load_tensors(state)[0]
    return {name: np.asarray(v.detach() if isinstance(v, Tensor) else v) for name, v in state.items()}
