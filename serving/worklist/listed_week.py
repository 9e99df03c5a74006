"""A planned week, and which leads are listed now -> what it expects of those leads alone.

Answers take leads off the list and put others back, filters narrow it: the figures above a list
speak of what it holds. Nothing is planned again: counts and chances are added up by the file, and
the plans of the slider lose what answered leads brought to them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from serving.figures.counts import Shock, cover_count
from serving.worklist.view_parts import Interval
from serving.worklist.view_week import PlanPoint

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class ListedSums:
    """Leads of an owner that are called, or are not: how many, their chances, p (1 - p) added up.

    `shown` of the `leads` have a chance; the score of the others is held back by an experiment.
    """

    owner: str
    called: bool
    leads: int
    shown: int
    chance: float
    spread: float


def expect_of(sums: Iterable[ListedSums], stand_in: float, shock: Shock) -> Interval:
    """Expect opportunities from leads; one without a shown chance counts as `stand_in`."""
    rows = list(sums)
    held = sum(row.leads - row.shown for row in rows)
    mean = sum(row.chance for row in rows) + held * stand_in
    spread = sum(row.spread for row in rows) + held * stand_in * (1 - stand_in)
    found = cover_count(mean, spread, shock)
    return Interval(found.value, found.low, found.high)


def mean_held_back(planned: float, sums: Iterable[ListedSums]) -> float:
    """Give the mean chance of leads whose score is held back: what a plan expects beyond others."""
    rows = list(sums)
    held = sum(row.leads - row.shown for row in rows)
    rest = planned - sum(row.chance for row in rows)
    return min(max(rest / held, 0.0), 1.0) if held else 0.0


@dataclass(frozen=True, slots=True)
class MovedLead:
    """A lead that an answer took off the list (`sign` -1) or put back (+1) since the plan.

    `rank` is how many leads of the plan come before it. Chance and worth are None where its score
    is held back.
    """

    rank: int
    sign: int
    chance: float | None
    worth: float | None


def plan_without(
    points: Sequence[PlanPoint], moved: Sequence[MovedLead], cost: float | None
) -> tuple[PlanPoint, ...]:
    """Say what each number of calls brings, now that some leads are off the list or back on it."""
    if not points or not moved:
        return tuple(points)
    of = _curves(points)
    total = points[-1].calls + sum(lead.sign for lead in moved)
    found = []
    for point in points:
        calls = min(point.calls, max(total, 1))
        reach = _reach(calls, moved, points[-1].calls)
        inside = [lead for lead in moved if lead.rank < reach]
        expected = max(of["expected"](reach) + sum(_chance(x, of) for x in inside), 0.0)
        share = expected / max(of["expected"](reach), 1e-9)
        money = profit = None
        if point.money is not None:
            value = max(of["money"](reach) + sum(_worth(x, of) for x in inside), 0.0)
            part = value / max(of["money"](reach), 1e-9)
            money = Interval(value, of["money_low"](reach) * part, of["money_high"](reach) * part)
            profit = None if point.profit is None or cost is None else value - cost * calls
        found.append(
            replace(
                point,
                calls=calls,
                expected=expected,
                low=of["low"](reach) * share,
                high=of["high"](reach) * share,
                profit=profit,
                money=money,
            )
        )
    return tuple({point.calls: point for point in found}.values())


def best_without(
    best: tuple[int, float], moved: Sequence[MovedLead], cost: float
) -> tuple[int, float]:
    """Move the most profitable number of calls, and its profit, by leads that came and went."""
    calls, profit = best
    for lead in moved:
        gain = (lead.worth or 0.0) - cost
        if gain > 0 and (lead.sign > 0 or lead.rank < best[0]):
            calls, profit = calls + lead.sign, profit + lead.sign * gain
    return max(calls, 0), max(profit, 0.0)


def _reach(calls: int, moved: Sequence[MovedLead], last: int) -> int:
    """Count the leads of the plan among which so many calls are found now."""
    reach = calls
    for _ in range(len(moved) + 1):
        wider = calls - sum(lead.sign for lead in moved if lead.rank < reach)
        if wider == reach:
            break
        reach = wider
    return min(max(reach, 0), last)


def _curves(points: Sequence[PlanPoint]) -> dict[str, Callable[[float], float]]:
    """Read the plan between its points: by name, what so many calls bring."""
    calls = np.array([0, *(point.calls for point in points)], np.float64)
    money = [point.money or Interval(0.0, 0.0, 0.0) for point in points]
    columns = {
        "expected": [point.expected for point in points],
        "low": [point.low for point in points],
        "high": [point.high for point in points],
        "money": [each.value for each in money],
        "money_low": [each.low for each in money],
        "money_high": [each.high for each in money],
    }

    def curve(values: Sequence[float]) -> Callable[[float], float]:
        heights: Floats = np.array([0.0, *values], np.float64)
        return lambda at: float(np.interp(at, calls, heights))

    return {name: curve(values) for name, values in columns.items()}


def _chance(lead: MovedLead, of: dict[str, Callable[[float], float]]) -> float:
    chance = of["expected"](lead.rank + 1) - of["expected"](lead.rank)
    return lead.sign * (chance if lead.chance is None else lead.chance)


def _worth(lead: MovedLead, of: dict[str, Callable[[float], float]]) -> float:
    worth = of["money"](lead.rank + 1) - of["money"](lead.rank)
    return lead.sign * (worth if lead.worth is None else lead.worth)
