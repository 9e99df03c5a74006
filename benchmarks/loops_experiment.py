"""A/A runs: how often an experiment without any effect is said to have one.

`python -m benchmarks.loops experiment [--full]`: in 1,000 simulated companies leads are given
their arms by salted hash, and nothing is done to any of them. Bars (loops.md 4): at most
6.5 % of the runs find a difference at the 5 % level, and at least 3.5 % from 50 conversions an arm.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from data.schema_steps import ExperimentSection
from serving.figures.experiment import assign, compare_arms

RUNS = 1_000
CONVERSIONS = (5, 10, 25, 50, 200)  # in each arm
RATE = 0.065
LEADS_AN_ACCOUNT = 3
MOST, LEAST, FROM = 0.065, 0.035, 50


Verdict = tuple[bool, str, str, str]


def measure(*, full: bool) -> list[Verdict]:
    """Print a line for each size and unit, and give its bars; `full`: 4,000 runs each."""
    runs = 4 * RUNS if full else RUNS
    verdicts: list[Verdict] = []
    print(f"{runs:,} runs without an effect, level 5 %: share that finds one")
    heads = f"{'leads':>8}{'plain':>9}{'adjusted':>10}{'any look':>10}"
    print(f"{'unit':<9}{'conversions an arm':>20}{heads}")
    for unit in ("lead", "account"):
        for conversions in CONVERSIONS:
            leads = round(2 * conversions / RATE)
            shares = count_false_positives(unit, leads, runs, seed=conversions)
            print(f"{unit:<9}{conversions:>20}{leads:>8,}" + "".join(f"{s:>9.1%} " for s in shares))
            for name, share in zip(("plain", "adjusted"), shares, strict=False):
                met = share <= MOST and (share >= LEAST or conversions < FROM)
                bar = f"<= {MOST:.1%}" + (f", >= {LEAST:.1%}" if conversions >= FROM else "")
                what = f"A/A by {unit}, {conversions} conversions an arm, {name}"
                verdicts.append((met, what, f"{share:.1%}", bar))
    return verdicts


def count_false_positives(
    unit: str, leads: int, runs: int, *, seed: int
) -> tuple[float, float, float]:
    """Share of runs with a false difference: plain, adjusted, and by the always-valid range."""
    found = np.zeros(3)
    counted = 0
    for run in range(runs):
        ids, account, fit, outcome = company(leads, seed * 100_000 + run)
        units = ids if unit == "lead" else account
        clusters = None if unit == "lead" else account
        covariates = pd.DataFrame({"fit": fit})
        section = ExperimentSection(arms={"control": 1, "score": 1}, salt=f"run {run}")
        arm = assign(units, section, name="aa")
        if len(set(arm)) < 2:
            continue
        counted += 1
        each = compare_arms(outcome, arm, "control", covariates=covariates, clusters=clusters)
        told = each["score"]
        adjusted = told.plain if told.adjusted is None else told.adjusted
        valid = told.always_valid
        found += [
            told.plain.p_value < 0.05,
            adjusted.p_value < 0.05,
            not valid.low <= 0 <= valid.high,
        ]
    plain, best, looks = (found / max(counted, 1)).tolist()
    return plain, best, looks


def company(leads: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Simulate leads of accounts that are alike: ids, accounts, what is known of them, outcome."""
    rng = np.random.default_rng(seed)
    account = np.arange(leads) // LEADS_AN_ACCOUNT
    fit = rng.normal(size=account.max() + 1)[account] + rng.normal(size=leads)
    log_odds = np.log(RATE / (1 - RATE)) - 0.35 + 0.6 * fit
    outcome = (rng.random(leads) < 1 / (1 + np.exp(-log_odds))).astype(int)
    ids = np.array([f"L{i:06d}" for i in range(leads)], object)
    return ids, np.array([f"A{i}" for i in account], object), fit, outcome
