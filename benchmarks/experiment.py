"""Experiments on a real randomised e-mail test (hillstrom), and power against the textbook."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats

from serving.figures.experiment import compare_arms, look
from serving.figures.power import size_test

COVARIATES = ["recency", "history", "mens", "womens", "zip_code", "newbie", "channel"]
CONTROL = "No E-Mail"
TEXTBOOK = ((0.08, 0.09, 12_200), (0.08, 0.10, 3_200), (0.08, 0.12, 880))

Verdict = tuple[bool, str, str, str]


def show_power() -> list[Verdict]:
    verdicts: list[Verdict] = []
    for base, treated, textbook in TEXTBOOK:
        size = size_test(base, treated)
        grouped = size_test(base, treated, cluster_size=3, icc=0.1)
        print(
            f"{base:.0%} to {treated:.0%}: {size.control:,} leads an arm; in accounts of three "
            f"(icc 0.1) {grouped.control:,}"
        )
        gap = abs(size.control / textbook - 1)
        verdicts.append(
            (
                gap <= 0.02,
                f"power {base:.0%} to {treated:.0%} against the textbook",
                f"{gap:.2%}",
                "<= 2 %",
            )
        )
    return verdicts


def show_effects(frame: pd.DataFrame) -> list[Verdict]:
    verdicts: list[Verdict] = []
    visits, arms = frame["visit"].to_numpy(), frame["segment"].to_numpy(dtype=object)
    comparisons = compare_arms(visits, arms, CONTROL, covariates=frame[COVARIATES], alpha=0.10)
    for arm, result in comparisons.items():  # alpha is shared by two arms: 95 % each
        a, b = visits[arms == arm], visits[arms == CONTROL]
        plain = stats.ttest_ind(a, b, equal_var=False).confidence_interval(0.95)
        adjusted = result.adjusted
        assert adjusted is not None
        print(f"{arm}: visits {result.control.value:.2%} -> {result.treated.value:.2%}")
        rows = (("plain", result.plain), ("adjusted", adjusted), ("any look", result.always_valid))
        for name, each in rows:
            print(f"  {name:9} {each.value:+.4f}  95 % {each.low:+.4f} to {each.high:+.4f}")
        gap = max(abs(result.plain.low - plain.low), abs(result.plain.high - plain.high))
        verdicts.append(
            (
                gap < 1e-5,
                f"{arm}: interval against a plain two-sample estimate",
                f"{gap:.1e}",
                "< 1e-5",
            )
        )
        inside = result.plain.low < adjusted.value < result.plain.high
        verdicts.append(
            (
                inside,
                f"{arm}: adjusted effect inside the plain interval",
                f"{adjusted.value:+.4f}",
                "inside",
            )
        )
    return verdicts


def show_looks(frame: pd.DataFrame, repeats: int) -> list[Verdict]:
    """Shuffle who got the mail, look ten times: how often does a look see what is not there?"""
    visits = frame["visit"].to_numpy()
    moments = np.arange(0.1, 1.01, 0.1)
    wrong = {"always valid": 0, "plain 95 %": 0}
    for seed in range(repeats):
        rng = np.random.default_rng(seed)
        rows = rng.choice(len(frame), 6000, replace=False)
        treated, at = rng.random(6000) < 0.5, rng.random(6000)
        seen = look(visits[rows], treated, at, moments, planned=6000)
        wrong["always valid"] += any(not each.low <= 0 <= each.high for each in seen)
        for moment in moments:
            kept = at <= moment
            a, b = visits[rows][kept & treated], visits[rows][kept & ~treated]
            if stats.ttest_ind(a, b, equal_var=False).pvalue < 0.05:
                wrong["plain 95 %"] += 1
                break
    rates = {name: count / repeats for name, count in wrong.items()}
    print(
        f"ten looks at {repeats} experiments without effect, false alarms: "
        + ", ".join(f"{name} {rate:.1%}" for name, rate in rates.items())
    )
    limit = 0.05 + 2 * np.sqrt(0.05 * 0.95 / repeats)
    rate = rates["always valid"]
    return [
        (rate <= limit, "false alarms of the always-valid range", f"{rate:.1%}", f"<= {limit:.1%}")
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--full", action="store_true", help="2,000 shuffled experiments, not 400")
    repeats = 2000 if parser.parse_args().full else 400
    verdicts = show_power()
    data = os.environ.get("LEADSCORE_DATA")
    if not data:
        print("missed  hillstrom  not found: set LEADSCORE_DATA to the folder of the data sets")
        return 1
    frame = pd.read_csv(Path(data) / "hillstrom" / "hillstrom.csv.gz")
    verdicts += show_effects(frame)
    verdicts += show_looks(frame, repeats)
    for met, name, figure, bar in verdicts:
        print(f"{'met' if met else 'missed'}  {name}  {figure}  {bar}")
    return 0 if all(verdict[0] for verdict in verdicts) else 1


if __name__ == "__main__":
    sys.exit(main())
