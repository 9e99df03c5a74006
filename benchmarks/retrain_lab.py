"""The laboratory of the promotion gate: where the numbers of `training.gate.PRIOR` come from.

    python -m benchmarks.retrain_lab                # about five minutes on one core

Companies of retrain_world, with seeds that benchmarks.loops_retrain does not use, live a year.

1. What retrains do to the true log loss, by size. A sound one changes it by -.029 to -.039 divided
   by the root of the conversions compared, with a spread of .041 to .071 divided by it: `gain` .035
   and `spread` .055. Half the data or another unit cost 1 to 9 %, a leaking column 40 %: `harm` .10
   and `harm_spread` .15 cover the first two, and before the third any prior gives way. `drift` .003
   is the spread at 2,000 conversions beyond what the root explains. `broken` .15 lies between the
   streams.
2. The regret of this prior by size and stream, beside "newest always" and "never".
3. What it costs to halve or to double each number: the mean over sizes of regret over the smaller
   of both, plus the regret in the clean stream beyond newest-always in tenths of a percent.
"""

from __future__ import annotations

import sys
from dataclasses import asdict, dataclass, replace
from typing import Literal

import numpy as np
import pandas as pd

from benchmarks.retrain_streams import (
    BASES,
    SIZES,
    STREAMS,
    Case,
    bands,
    broken_months,
    in_parallel,
    simulate,
    walk,
)
from benchmarks.retrain_world import RETRAINS, Year
from training.gate import PRIOR, PairedLoss, RetrainPrior, compare_losses, compare_movers

FIRST_SEED = 1000
REPEATS = {40: 60, 100: 60, 250: 45, 700: 30, 2000: 12}


@dataclass(frozen=True, slots=True)
class Measured:
    """A year whose comparisons are all made: by (month, champion, challenger)."""

    case: Case
    year: Year
    losses: dict[tuple[int, int, int], PairedLoss]
    contradict: dict[tuple[int, int, int], bool]


def measure(case: Case) -> Measured:
    """Compare every challenger with every model of an earlier month, on the challenger's rows."""
    year = simulate(case)
    losses, contradict = {}, {}
    month_of = {row: month for month, row in year.twin.items()} | {m: m for m in range(13)}
    for month in range(1, RETRAINS + 1):
        y, groups, p = year.y[month], year.groups[month], year.test[month]
        for new in {month, year.twin.get(month, month)}:
            for old in (row for row, known in month_of.items() if known < month):
                key = month, old, new
                moved = bands(p[new], case.base) - bands(p[old], case.base)
                losses[key] = compare_losses(y, p[old], p[new], groups)
                contradict[key] = compare_movers(y, p[old], moved, groups).contradict
    slim = replace(year, y=(), groups=(), test=())
    return Measured(case, slim, losses, contradict)


def regret(
    measured: Measured, stream: str, prior: RetrainPrior | Literal["newest", "never"]
) -> float:
    """Mean regret of a year in % of log loss, by a prior or by promoting the newest, or none."""

    def promote(_: Year, month: int, old: int, new: int) -> bool:
        if not isinstance(prior, RetrainPrior):
            return prior == "newest"
        key = month, old, new
        return measured.losses[key].expected(prior) < 0 and not measured.contradict[key]

    broken = broken_months(measured.case, STREAMS[stream])
    return 100 * float(walk(measured.year, broken, promote).regret.mean())


def table(found: list[Measured], prior: RetrainPrior) -> pd.DataFrame:
    """Tabulate regret in % of log loss by size and stream: newest always, never, this prior."""
    rows = [
        {
            "size": each.case.conversions,
            "stream": stream,
            "newest": regret(each, stream, "newest"),
            "never": regret(each, stream, "never"),
            "gate": regret(each, stream, prior),
        }
        for each in found
        for stream in STREAMS
    ]
    return pd.DataFrame(rows).groupby(["size", "stream"]).mean()


def cost(regrets: pd.DataFrame) -> float:
    """Weigh all sizes and streams alike; see the head of this file."""
    clean = regrets.index.get_level_values("stream") == "clean"
    least = regrets[["newest", "never"]].min(axis=1)
    relative = (regrets["gate"] / least)[~clean].mean()
    beyond = (regrets["gate"] - regrets["newest"])[clean].clip(lower=0).mean()
    return float(relative + beyond / 0.1)


def show_changes(found: list[Measured]) -> None:
    """Print what sound and broken retrains do, where the champion is last month's model."""
    rows = []
    for each in found:
        for (month, old, new), losses in each.losses.items():
            if old == month - 1:
                truth = each.year.truth[:, month]
                kind = "sound" if new == month else "broken"
                rows.append(
                    {
                        "size": each.case.conversions,
                        "kind": kind,
                        "conversions": losses.conversions,
                        "change": 100 * (truth[new] / truth[old] - 1),
                    }
                )
    frame = pd.DataFrame(rows)
    frame["times root n"] = frame["change"] / 100 * np.sqrt(frame["conversions"])
    shown = frame.groupby(["kind", "size"]).agg(
        n=("change", "size"),
        mean=("change", "mean"),
        sd=("change", "std"),
        mean_root=("times root n", "mean"),
        sd_root=("times root n", "std"),
    )
    print(shown.round(3).to_string())


def main() -> int:
    """Print what retrains do, the regret of the product's prior, and how far its numbers matter."""
    cases = [
        Case(size, BASES[i % len(BASES)], FIRST_SEED + i)
        for size in SIZES
        for i in range(REPEATS[size])
    ]
    found = in_parallel(measure, cases)
    show_changes(found)
    regrets = table(found, PRIOR)
    print(f"\n{PRIOR} costs {cost(regrets):.4f}:\n{regrets.round(3).to_string()}\n")
    for name, value in asdict(PRIOR).items():
        halved, doubled = (
            cost(table(found, replace(PRIOR, **{name: factor * value}))) for factor in (0.5, 2.0)
        )
        print(f"{name}: halved {halved:.4f}, doubled {doubled:.4f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
