"""Connectionist temporal classification: the loss of labels whose places in a sequence are not known."""

from __future__ import annotations

from collections.abc import Sequence

from ir import ops
from ir.dims import Dim
from ir.errors import DTypeError, ShapeError
from ir.node import Graph, Node
from ir.op import leaf, scalar
from ir.types import Type, bool_, i64
from lenetc.evaluation.cell import Context
from lenetc.evaluation.ranges import require_range
from lenetc.evaluation.tracing import here
from lenetc.nn.functional.losses.reduction import check_reduction, total
from lenetc.operations import creation, elementwise
from lenetc.operations.autocast import autocasts
from lenetc.tensors.arrays import index_of
from lenetc.tensors.tensor import Tensor, apply, require_tensors

_NEVER = -1e30  # the logarithm of no chance: infinity would spoil gradients


@autocasts
def ctc_loss(
    log_probs: Tensor,
    targets: Tensor,
    input_lengths: Tensor | Sequence[int],
    target_lengths: Tensor | Sequence[int],
    blank: int = 0,
    reduction: str = "mean",
    zero_infinity: bool = False,
) -> Tensor:
    """Minus the log-probability of all ways to read the targets in log_probs[T,N,C] (Graves et al. 2006).

    N may be left out. targets[N,S], or all one after the other; lengths [N]. A reading repeats labels, and puts the
    class `blank` between them. zero_infinity: 0 for targets that do not fit. The mean is over labels, then over N. The
    gradient is that for scores of which log_probs is the log_softmax, as in PyTorch. Raises ShapeError, DTypeError and
    LabelError for what does not fit. Source: torch.nn.functional.ctc_loss.
    """
    check_reduction(reduction)
    require_tensors("ctc_loss", log_probs, targets)
    if log_probs.ndim not in (2, 3) or not log_probs.dtype.is_float:
        raise ShapeError(
            f"ctc_loss: log_probs must be floating point [T,N,C] or [T,C], but it is {log_probs.type_text()}"
        ).at(here())
    single = log_probs.ndim == 2
    logs = log_probs.unsqueeze(1) if single else log_probs
    steps, batch, classes = logs.shape
    blank = index_of("ctc_loss: blank", blank)
    if not 0 <= blank < classes:
        raise ShapeError(f"ctc_loss: blank must be in label range 0..{classes - 1}, not {blank}").at(here())
    inputs = _lengths("input_lengths", input_lengths, batch, int(steps))
    if targets.dtype.kind != "int" or targets.ndim not in (1, 2):
        raise DTypeError(f"ctc_loss: the targets are integers [N,S] or [sum], not {targets.type_text()}").at(
            here()
        )
    padded = targets.to(i64)
    if targets.ndim == 2:
        lengths = _lengths("target_lengths", target_lengths, batch, int(targets.shape[1]))
    else:
        lengths = _lengths("target_lengths", target_lengths, batch, int(targets.shape[0]))
        padded = padded.reshape(1, -1) if batch == 1 else _padded(padded, lengths)
    if padded.shape[0] != batch:
        raise ShapeError(
            f"ctc_loss: targets {targets.type_text()} for a batch of {batch} in {log_probs.type_text()}"
        ).at(here())

    def within(labels: Node, count: Node) -> Node:
        places = ops.reshape(ops.iota(size=labels.shape[1], dtype=i64), shape=(1, labels.shape[1]))
        counts = ops.less(places, ops.reshape(count, shape=(count.shape[0], 1)))
        return ops.where(counts, labels, scalar(blank, i64))

    labels = apply("", within, padded, lengths)
    require_range(
        "ctc_loss", "label", labels, int(classes), None, f"{classes} classes in {log_probs.type_text()}"
    )

    def build(x: Node, y: Node, many: Node, count: Node) -> Node:
        return _losses(x, y, many, count, blank)

    losses = apply("CtcLossBackward0", build, logs, labels, inputs, lengths, edges=(logs,))
    if zero_infinity:
        losses = elementwise.where(losses < float("inf"), losses, creation.zeros_like(losses))
    if reduction == "mean":
        losses = losses / elementwise.clamp(lengths, min=1).to(losses.dtype)
    return total(losses.reshape(()) if single else losses, reduction)


def _lengths(name: str, given: Tensor | Sequence[int] | int, batch: Dim, most: int) -> Tensor:
    """Lengths as i64[N]. Raises ShapeError for another number, LabelError for one out of range."""
    tensor = given if isinstance(given, Tensor) else creation.tensor(given)
    if tensor.dtype.kind != "int":
        raise DTypeError(f"ctc_loss: {name} must be integral, but they are {tensor.type_text()}").at(here())
    tensor = tensor.to(i64).reshape(-1)
    if tensor.shape[0] != batch:
        raise ShapeError(f"ctc_loss: {name} must be of size batch_size {batch}, not {tensor.type_text()}").at(
            here()
        )
    require_range("ctc_loss", f"value of {name}", tensor, most + 1, None, f"the longest has {most}")
    return tensor


def _padded(targets: Tensor, lengths: Tensor) -> Tensor:
    """targets one after the other as [N,S], S the longest; all of them where only the program knows the lengths."""
    given = targets.shape[0]
    longest = given if Context.trace is not None else max(1, int(lengths.detach().numpy().max(initial=0)))

    def build(y: Node, counts: Node) -> Node:
        starts = ops.reshape(ops.cumsum(counts, axis=0) - counts, shape=(counts.shape[0], 1))
        places = starts + ops.reshape(ops.iota(size=longest, dtype=i64), shape=(1, longest))
        return ops.gather(ops.pad(y, low=(0,), high=(1,)), ops.minimum(places, given), axis=0)

    return apply("", build, targets, lengths)


def _losses(x: Node, labels: Node, inputs: Node, count: Node, blank: int) -> Node:
    """Of log-probabilities x[T,N,C] and labels[N,S], of which `count` and in the first `inputs` steps, [N]."""
    steps, batch, _ = x.shape
    size = labels.shape[1]
    length = 2 * size + 1
    # Blanks between the labels, and around them.
    zeros = ops.broadcast_to(scalar(blank, i64), shape=(batch, size, 1))
    pairs = ops.concat(zeros, ops.reshape(labels, shape=(batch, size, 1)), axis=2)
    last = ops.broadcast_to(scalar(blank, i64), shape=(batch, 1))
    states = ops.concat(ops.reshape(pairs, shape=(batch, 2 * size)), last, axis=1)
    before = ops.slice(
        ops.pad(states, low=(0, 2), high=(0, 0), value=blank),
        starts=(0, 0),
        stops=(batch, length),
        steps=(1, 1),
    )
    leaps = ops.logical_and(
        ops.logical_not(ops.equal(states, blank)), ops.logical_not(ops.equal(states, before))
    )
    spread = ops.broadcast_to(ops.reshape(states, shape=(1, batch, length)), shape=(steps, batch, length))
    emitted = ops.take_along_axis(x, spread, axis=2)
    places = ops.reshape(ops.iota(size=length, dtype=i64), shape=(1, length))
    start = ops.where(ops.equal(places, 0), scalar(0, x.dtype), scalar(_NEVER, x.dtype))
    start = ops.broadcast_to(start, shape=(batch, length))
    times = ops.iota(size=steps, dtype=i64)
    body = _step(Type(x.dtype, (batch, length)))
    run = ops.scan(start, emitted, times, leaps, inputs, body=body, carries=1, sequences=2, length=steps)
    final = ops.get(run, index=0)
    end = ops.reshape(count * 2, shape=(batch, 1))
    is_end = ops.logical_or(ops.equal(places, end), ops.equal(places, end - 1))
    found = -_log_sum(ops.where(is_end, final, scalar(_NEVER, x.dtype)))
    running = ops.less(ops.reshape(times, shape=(steps, 1, 1)), ops.reshape(inputs, shape=(1, batch, 1)))
    mass = ops.sum(ops.where(running, ops.exp(x), scalar(0, x.dtype)), axes=(0, 2))
    with_slope = ops.with_gradient(found, found + mass)  # of the log_softmax that x is
    return ops.where(ops.greater(found, -_NEVER / 2), scalar(float("inf"), x.dtype), with_slope)


def _log_sum(x: Node) -> Node:
    """The logarithm of the sum of exponentials over the last axis."""
    axis = x.rank - 1
    largest = ops.stop_gradient(ops.reduce_max(x, axes=(axis,), keepdims=True))
    summed = ops.log(ops.sum(ops.exp(x - largest), axes=(axis,)))
    return summed + ops.reshape(largest, shape=summed.shape)


def _step(type: Type) -> Graph:
    """One step: each state is reached from itself, the one before, and over a blank where `leaps` allows."""
    batch, length = type.shape
    alpha, emitted = leaf("alpha", type), leaf("emitted", type)
    time, leaps = leaf("time", Type(i64, ())), leaf("leaps", Type(bool_, type.shape))
    inputs = leaf("inputs", Type(i64, (batch,)))
    never = scalar(_NEVER, type.dtype)

    def moved(by: int) -> Node:
        padded = ops.pad(alpha, low=(0, by), high=(0, 0), value=_NEVER)
        return ops.slice(padded, starts=(0, 0), stops=(batch, length), steps=(1, 1))

    ways = [alpha, moved(1), ops.where(leaps, moved(2), never)]
    stacked = ops.concat(*(ops.reshape(way, shape=(batch, length, 1)) for way in ways), axis=2)
    following = ops.maximum(_log_sum(stacked) + emitted, never)
    runs = ops.reshape(ops.less(time, inputs), shape=(batch, 1))
    return Graph.make(
        "ctc", (alpha, emitted, time, leaps, inputs), (("alpha", ops.where(runs, following, alpha)),)
    )
