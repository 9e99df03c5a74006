"""Loop 1, retrain -> gate -> promote: the gate's own function in years whose truth is known.

Companies of retrain_world live twelve monthly retrains in three streams (none, two, four months of
twelve on broken data) under four ways of promoting: newest always, never, the sign of the measured
difference, and the gate. Regret is the true log loss of the champion beyond that of the best model
so far, as a share of it. A decision is judged by what the challenger would truly change.
The full form also drives the commands (benchmarks.retrain_commands).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from benchmarks.in_parts import Verdict
from benchmarks.retrain_streams import (
    BASES,
    SIZES,
    STREAMS,
    Case,
    Policy,
    Walked,
    bands,
    broken_months,
    in_parallel,
    simulate,
    walk,
)
from benchmarks.retrain_world import Year
from training.gate import compare_losses, judge

SHORT = {40: 24, 100: 24, 250: 16, 700: 12, 2000: 5}
FULL = dict.fromkeys(SIZES, 200)
PROVEN_FROM = 700
"""Conversions from which on wrong decisions have a bar."""
CLEAR = 0.01
"""A true change of log loss by more than that makes a challenger clearly worse."""


@dataclass(frozen=True, slots=True)
class Lived:
    """One company's year in one stream under one policy."""

    case: Case
    stream: str
    policy: str
    walked: Walked


def newest(_: Year, __: int, ___: int, ____: int) -> bool:
    """Promote whatever comes."""
    return True


def never(_: Year, __: int, ___: int, ____: int) -> bool:
    """Keep the first model for ever."""
    return False


def by_sign(year: Year, month: int, old: int, new: int) -> bool:
    """Promote what measured better, by however little."""
    p = year.test[month]
    return compare_losses(year.y[month], p[old], p[new], year.groups[month]).change < 0


def by_gate(base: float) -> Policy:
    """Promote as the product does."""

    def promote(year: Year, month: int, old: int, new: int) -> bool:
        p = year.test[month]
        moved = bands(p[new], base) - bands(p[old], base)
        return judge(year.y[month], p[old], p[new], moved=moved, groups=year.groups[month]).promote

    return promote


def live(case: Case) -> list[Lived]:
    """Live the year of one company in every stream under every policy."""
    year = simulate(case)
    policies = {"newest": newest, "never": never, "sign": by_sign, "gate": by_gate(case.base)}
    return [
        Lived(case, stream, name, walk(year, broken_months(case, many), policy))
        for stream, many in STREAMS.items()
        for name, policy in policies.items()
    ]


def measure(*, full: bool) -> list[Verdict]:
    """Live all years, print both tables, and judge them."""
    repeats = FULL if full else SHORT
    cases = [
        Case(size, BASES[seed % len(BASES)], seed)
        for size in SIZES
        for seed in range(repeats[size])
    ]
    lived = [each for year in in_parallel(live, cases) for each in year]
    verdicts = [*_regrets(lived), *_decisions(lived)]
    if full:
        from benchmarks.retrain_commands import through_the_commands

        verdicts += through_the_commands()
    return verdicts


def _regrets(lived: list[Lived]) -> list[Verdict]:
    frame = pd.DataFrame(
        {
            "conversions": each.case.conversions,
            "stream": each.stream,
            "policy": each.policy,
            "regret": 100 * each.walked.regret.mean(),
        }
        for each in lived
    )
    means = frame.groupby(["conversions", "stream", "policy"])["regret"].mean().unstack()
    print("regret, % of log loss, mean over twelve months")
    print(means[["newest", "never", "sign", "gate"]].round(3).to_string())
    verdicts: list[Verdict] = []
    for (size, stream), row in means.iterrows():  # type: ignore[misc]
        name = f"retrain: regret, {size:,} conversions, {stream}"
        if stream == "clean":
            limit = row["newest"] + 0.2
            bar = f"<= {limit:.2f} % (newest always + .2 %)"
        else:
            limit = min(row["newest"], row["never"]) / 2
            bar = f"<= {limit:.2f} % (half of newest always or never)"
        verdicts.append((bool(row["gate"] <= limit), name, f"{row['gate']:.2f} %", bar))
    return verdicts


def _decisions(lived: list[Lived]) -> list[Verdict]:
    """Share of challengers promoted, by what they would truly change; bars from 700 conversions."""
    print("\nshare of challengers promoted by the gate, by their true change of log loss")
    verdicts: list[Verdict] = []
    for size in SIZES:
        walked = [e.walked for e in lived if e.policy == "gate" and e.case.conversions == size]
        change = np.concatenate([each.change for each in walked])
        promoted = np.concatenate([each.promoted for each in walked])
        kinds = {"worse by > 1 %": change > CLEAR, "better": change < 0}
        kinds["better by > 1 %"] = change < -CLEAR
        shares = {
            name: float(promoted[of].mean()) if of.any() else np.nan for name, of in kinds.items()
        }
        counts = {name: int(of.sum()) for name, of in kinds.items()}
        print(
            f"  {size:>5,} conversions: "
            + ", ".join(f"{name} {shares[name]:.1%} of {counts[name]:,}" for name in kinds)
        )
        if size >= PROVEN_FROM:
            worse, better = shares["worse by > 1 %"], shares["better"]
            name = f"retrain: promoted, {size:,} conversions"
            verdicts += [
                (worse <= 0.05, f"{name}, worse by > 1 %", f"{worse:.1%}", "<= 5 %"),
                (better >= 0.80, f"{name}, truly better", f"{better:.1%}", ">= 80 %"),
            ]
    return verdicts
