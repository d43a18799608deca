"""A line search with the strong Wolfe conditions, as PyTorch's LBFGS makes it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ir.types import Array


@dataclass(slots=True)
class Point:
    """A step length, and what the function is there: its value, gradient, and slope along the line."""

    t: float
    f: float
    g: Array
    slope: float


def strong_wolfe(
    at: Callable[[float], tuple[float, Array]],
    t: float,
    largest: float,
    f: float,
    g: Array,
    slope: float,
    direction: Array,
    max_evaluations: int,
    c1: float = 1e-4,
    c2: float = 0.9,
    tolerance_change: float = 1e-9,
) -> tuple[float, Array, float, int]:
    """(value, gradient, step length, evaluations) of a point that is lower by c1 of what the slope promises and where
    the slope is c2 of what it was, or of the lowest that was found.

    at: the value and the gradient for a step length. t: the first to try. largest: the largest element of `direction`.
    f, g, slope: where it starts. Source: Nocedal and Wright, Numerical optimization, 2006, algorithms 3.5 and 3.6.
    """

    def evaluated(t: float) -> Point:
        value, gradient = at(t)
        return Point(t, value, gradient, float(np.dot(gradient, direction)))

    start = before = Point(0.0, f, g, slope)
    now = evaluated(t)
    evaluations, tries = 1, 0
    bracket: list[Point] = []
    is_done = False
    while tries < max_evaluations:
        if now.f > f + c1 * now.t * slope or (tries > 1 and now.f >= before.f):
            bracket = [before, now]
            break
        if abs(now.slope) <= -c2 * slope:
            bracket, is_done = [now], True
            break
        if now.slope >= 0:
            bracket = [before, now]
            break
        bounds = (now.t + 0.01 * (now.t - before.t), now.t * 10)
        further = between(before, now, bounds)
        before, now = now, evaluated(further)
        evaluations += 1
        tries += 1
    if tries == max_evaluations:
        bracket = [start, now]

    is_stuck = False
    low, high = (0, 1) if bracket[0].f <= bracket[-1].f else (1, 0)
    while not is_done and tries < max_evaluations:
        least, most = sorted((bracket[0].t, bracket[1].t))
        if (most - least) * largest < tolerance_change:
            break
        t = between(bracket[0], bracket[1])
        # Twice in a row near to a bound, or on it: a tenth of the bracket away from it.
        margin = 0.1 * (most - least)
        if min(most - t, t - least) < margin:
            if is_stuck or t >= most or t <= least:
                t = most - margin if abs(t - most) < abs(t - least) else least + margin
                is_stuck = False
            else:
                is_stuck = True
        else:
            is_stuck = False
        now = evaluated(t)
        evaluations += 1
        tries += 1
        if now.f > f + c1 * now.t * slope or now.f >= bracket[low].f:
            bracket[high] = now
            low, high = (0, 1) if bracket[0].f <= bracket[1].f else (1, 0)
        else:
            if abs(now.slope) <= -c2 * slope:
                is_done = True
            elif now.slope * (bracket[high].t - bracket[low].t) >= 0:
                bracket[high] = bracket[low]
            bracket[low] = now
    found = bracket[low]
    return found.f, found.g, found.t, evaluations


def between(a: Point, b: Point, bounds: tuple[float, float] | None = None) -> float:
    """Where the cubic through two points with their slopes is lowest, within `bounds` or between them."""
    least, most = bounds or (min(a.t, b.t), max(a.t, b.t))
    d1 = a.slope + b.slope - 3 * (a.f - b.f) / (a.t - b.t)
    square = d1 * d1 - a.slope * b.slope
    if not square >= 0:
        return (least + most) / 2.0
    d2 = math.sqrt(square)
    first, last = (a, b) if a.t <= b.t else (b, a)
    lowest = last.t - (last.t - first.t) * ((last.slope + d2 - d1) / (last.slope - first.slope + 2 * d2))
    return min(max(lowest, least), most)
