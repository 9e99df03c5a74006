"""Calibrated probabilities and a team's capacity -> whom to call, and conversions to expect.

The list is ranked by probability. A range covers chance (each lead converts or not, with its own
probability) and the shock that all leads share, as far as past forecasts show how large it is
(serving.figures.counts).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from serving.figures.counts import NO_SHOCK, CountRange, Shock, cover_count

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class OwnerShare:
    """One owner's part of the list, and what to expect from the owner's leads not called."""

    owner: str
    open_leads: int
    calls: int
    expected: CountRange
    left_behind: CountRange


@dataclass(frozen=True, slots=True)
class CallPlan:
    """The leads to call: `rows` in calling order, at most `capacity`.

    `left_behind` is what to expect from eligible leads not called, `n_left` how many those are.
    """

    capacity: int
    rows: NDArray[np.int64]
    expected: CountRange
    left_behind: CountRange
    n_left: int
    owners: tuple[OwnerShare, ...]


@dataclass(frozen=True, slots=True)
class WhatIf:
    """What one capacity brings; `money` None where values, `profit` where costs are unknown too."""

    capacity: int
    expected: CountRange
    profit: float | None
    money: CountRange | None = None


def plan_calls(
    probability: Floats,
    capacity: int,
    *,
    owner: NDArray[np.object_] | None = None,
    order: NDArray[np.int64] | None = None,
    counted: Floats | None = None,
    shock: Shock = NO_SHOCK,
) -> CallPlan:
    """Take the best `capacity` leads; `probability` is (n,), ties in row order.

    `order` lists those that may be called, in another order; `counted` are the chances by which
    those not called add up, where they are others.
    """
    p = _checked(probability)
    rest = p if counted is None else _checked(counted)
    ranked = np.argsort(-p, kind="stable") if order is None else order
    rows, left = ranked[: max(capacity, 0)], ranked[max(capacity, 0) :]
    return CallPlan(
        capacity,
        rows,
        expect_count(p[rows], shock),
        expect_count(rest[left], shock),
        len(left),
        () if owner is None else _share_by_owner(p, rest, rows, left, owner, shock),
    )


def expect_count(p: Floats, shock: Shock = NO_SHOCK) -> CountRange:
    """Compute the expected conversions among leads with these probabilities, with a range."""
    return cover_count(float(p.sum()), float((p * (1 - p)).sum()), shock)


def what_if(
    probability: Floats,
    capacities: Sequence[int],
    *,
    value: float | Floats | None = None,
    cost: float | None = None,
    order: NDArray[np.int64] | None = None,
    shock: Shock = NO_SHOCK,
) -> tuple[WhatIf, ...]:
    """Compare capacities: the table under the call list; see `plan_calls`."""
    p = _checked(probability)
    points = []
    for capacity in capacities:
        plan = plan_calls(p, capacity, order=order, shock=shock)
        profit = money = None
        if value is not None:
            worth = np.broadcast_to(np.asarray(value, dtype=np.float64), len(p))
            money = expect_money(p[plan.rows], worth[plan.rows], shock)
        if money is not None and cost is not None:
            profit = money.value - cost * len(plan.rows)
        points.append(WhatIf(capacity, plan.expected, profit, money))
    return tuple(points)


def capacities_of(capacity: int, n_leads: int, most: int = 60) -> tuple[int, ...]:
    """Choose capacities from one to all leads, close together where they are few.

    >>> capacities_of(3, 5), capacities_of(40, 200, most=8)
    ((1, 2, 3, 4, 5), (1, 2, 5, 10, 21, 40, 44, 94, 200))
    """
    last = max(n_leads, 1)
    wanted = set(range(1, last + 1))
    if last > most:
        wanted = {round(float(each)) for each in np.geomspace(1, last, most)} | {capacity}
    return tuple(sorted(each for each in wanted if 1 <= each <= last))


def expect_money(p: Floats, worth: Floats, shock: Shock = NO_SHOCK) -> CountRange:
    """Compute what leads are expected to bring, with a range: (n,) chances and amounts.

    The sum is covered like a count of deals of one size, the size at which mean and variance of
    the sum are right.
    """
    mean = float(p @ worth)
    if mean <= 0:
        return CountRange(0.0, 0.0, 0.0)
    size = float(p @ worth**2) / mean
    variance = float((p * (1 - p)) @ worth**2)
    deals = cover_count(mean / size, variance / size**2, shock)
    return CountRange(mean, deals.low * size, deals.high * size)


def _share_by_owner(
    p: Floats,
    rest: Floats,
    rows: NDArray[np.int64],
    left: NDArray[np.int64],
    owner: NDArray[np.object_],
    shock: Shock,
) -> tuple[OwnerShare, ...]:
    """Split the list by owner, most calls first."""
    names = ["" if each is None or each != each else str(each) for each in owner]
    found, code = np.unique(np.array(names, str), return_inverse=True)
    shares = []
    groups = zip(by_code(code[rows], len(found)), by_code(code[left], len(found)), strict=True)
    for name, (of_calls, of_rest) in zip(found.tolist(), groups, strict=True):
        called, others = rows[of_calls], left[of_rest]
        if not len(called) and not len(others):
            continue
        shares.append(
            OwnerShare(
                name,
                len(called) + len(others),
                len(called),
                expect_count(p[called], shock),
                expect_count(rest[others], shock),
            )
        )
    return tuple(sorted(shares, key=lambda share: (-share.calls, share.owner)))


def by_code(code: NDArray[np.integer], n: int) -> list[NDArray[np.int64]]:
    """Give the positions of each code from 0 to n - 1, rising, in one pass over all codes."""
    order = np.argsort(code, kind="stable")
    ends = np.cumsum(np.bincount(code, minlength=n))[:-1]
    return np.split(order, ends)[:n]


def _checked(probability: Floats) -> Floats:
    """Raise ValueError for a probability outside 0 to 1."""
    p = np.asarray(probability, dtype=np.float64)
    if not ((p >= 0) & (p <= 1)).all():
        raise ValueError("probabilities are between 0 and 1")
    return p
