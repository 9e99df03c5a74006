"""Years of retraining -> what each way of promoting costs, and how often it decides rightly."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from benchmarks.retrain_world import FAULTS, RETRAINS, Floats, Year, make_year

SIZES: Final = (40, 100, 250, 700, 2000)
BASES: Final = (0.03, 0.06, 0.20)
STREAMS: Final = {"clean": 0, "1/6 broken": 2, "1/3 broken": 4}
"""Months of twelve in which the challenger comes from broken data."""
CUTS: Final = (-1.4, 0.0, 1.0)
"""Bands, in log-odds above the base rate."""

T = TypeVar("T")
Policy = Callable[[Year, int, int, int], bool]
"""(year, month, row of the champion, row of the challenger) -> promote."""


@dataclass(frozen=True, slots=True)
class Case:
    """One company: how many conversions it starts with, its base rate, its seed."""

    conversions: int
    base: float
    seed: int


@dataclass(frozen=True, slots=True)
class Walked:
    """A year under one policy: regret by month in log loss, and each decision.

    `change` is the true change of log loss that the challenger would bring, as a share.
    """

    regret: Floats
    change: Floats
    promoted: NDArray[np.bool_]


def simulate(case: Case) -> Year:
    """Simulate one company; a third of its months may also come broken."""
    months = broken_months(case, STREAMS["1/3 broken"])
    kinds = np.random.default_rng([case.seed, 17]).permutation(len(months))
    faults = {month: FAULTS[kind % len(FAULTS)] for month, kind in zip(months, kinds, strict=True)}
    return make_year(case.conversions, case.base, faults, case.seed)


def broken_months(case: Case, many: int) -> list[int]:
    """Draw the broken months; the fewer of one stream are among the more of another."""
    drawn = np.random.default_rng([case.seed, 11]).permutation(np.arange(1, RETRAINS + 1))
    return sorted(drawn[:many].tolist())


def walk(year: Year, broken: Sequence[int], promote: Policy) -> Walked:
    """Live a year: every month a challenger, the first model is champion without a fight."""
    champion, known = 0, [0]
    regret, change, promoted = [], [], []
    for month in range(1, RETRAINS + 1):
        challenger = year.twin[month] if month in broken else month
        known.append(challenger)
        truth = year.truth[:, month]
        change.append(truth[challenger] / truth[champion] - 1)
        promoted.append(promote(year, month, champion, challenger))
        champion = challenger if promoted[-1] else champion
        regret.append(truth[champion] / truth[known].min() - 1)
    return Walked(np.array(regret), np.array(change), np.array(promoted))


def bands(p: Floats, base: float) -> NDArray[np.int64]:
    """Cut probabilities into four bands about the base rate: 0 is the lowest."""
    above = np.log(p / (1 - p)) - np.log(base / (1 - base))
    return np.searchsorted(CUTS, above)


def in_parallel(function: Callable[[Case], T], cases: Sequence[Case]) -> list[T]:
    """Map over cases on two processes, largest cases first; answers in the order of `cases`."""
    order = sorted(range(len(cases)), key=lambda i: -cases[i].conversions)
    with ProcessPoolExecutor(min(2, os.cpu_count() or 1)) as pool:
        answers = dict(zip(order, pool.map(function, [cases[i] for i in order]), strict=True))
    return [answers[i] for i in range(len(cases))]
