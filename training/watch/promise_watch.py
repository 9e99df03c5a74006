"""A model's promises and what came of them -> wrong level, lost order, and what cannot be judged.

Mature leads that the model never saw are counted against its promises. Whether it still tells good
leads from bad ones shows earlier: the conversions so far of new leads, by what the model said of
them, have a slope that is compared with the slope on the test rows. CBPE (confidence-based
performance estimation) says how well the model should rank if its promises hold.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from data.clock import DAY
from data.incidence import Incidence
from data.tables import LabelledSnapshots, Outcomes, Snapshots, Tables
from training.evaluate import level_z
from training.model_card import ModelCard
from training.watch.conversion_level import USUAL_SPREAD
from training.watch.signal import Signal, State, day_of

Floats = NDArray[np.float64]

LEAST_ROWS: Final = 100
CHANCE: Final = (1e-4, 1e-3)
FAR: Final = 0.25
"""Observed / expected may be off by this much before it is red."""
SLOPE: Final = (0.5, 0.7)
"""The share of the test slope that is left, below which the order is red and yellow."""
LEAST_CONVERSIONS: Final = 20.0
SINCE: Final = (5, 8, 12, 18)
"""Weeks of new leads that are looked at, the newest first."""


@dataclass(frozen=True, slots=True, order=True)
class Slope:
    """How strongly outcomes follow log-odds, 1 where promises are right, and its standard error."""

    value: float
    error: float


def compare_with_outcomes(
    y: Floats,
    p: Floats,
    groups: NDArray[np.int64],
    *,
    weeks: NDArray[np.int64] | None = None,
    trained_on: float = np.inf,
) -> Signal:
    """Compare the probabilities of unseen snapshots with their outcomes, (n,) each.

    Snapshots of one group (a lead, an account) share an outcome, those of one week its good or bad
    luck, and the level itself was learned from `trained_on` conversions: the variance allows for
    all three.
    """
    observed, expected = float(y.sum()), float(p.sum())
    own = ((observed - expected) / max(abs(level_z(y, p, groups)), 1e-9)) ** 2
    variance = own if observed != expected else max(expected, 1e-9)
    if weeks is not None:
        by_week = np.bincount(weeks - weeks.min(), weights=p)
        variance += USUAL_SPREAD**2 * float((by_week**2).sum())
        variance += expected**2 * (1 / max(trained_on, 1.0) + USUAL_SPREAD**2 / 26)
    z = (observed - expected) / np.sqrt(max(variance, 1e-9))
    chance = 2 * float(stats.norm.sf(abs(z)))
    ratio = observed / max(expected, 1e-9)
    far = abs(np.log(max(ratio, 1e-9))) > np.log(1 + FAR)
    state: State = "green"
    if chance < CHANCE[1]:
        state = "red" if chance < CHANCE[0] and far else "yellow"
    return Signal(
        "converting snapshots since training, observed / expected",
        state,
        f"{observed:.0f} / {expected:.0f} = {ratio:.2f} (z {z:+.1f})",
        f"chance over {CHANCE[1]:g}",
        what_to_do="" if state == "green" else "retrain: the level of the scores is wrong",
    )


def not_yet(
    unseen: LabelledSnapshots, waiting: NDArray[np.int64], horizon: int, as_of: int
) -> Signal:
    """Say when enough unseen snapshots will have passed their horizon; `waiting` closes (n,)."""
    closes = np.sort(waiting)
    missing = LEAST_ROWS - len(unseen)
    at = int(closes[missing - 1]) if len(closes) >= missing else as_of + horizon
    return Signal(
        "converting snapshots since training, observed / expected",
        "green",
        f"cannot be judged before {day_of(at)}: {len(unseen)} snapshots that the model did not "
        "see have passed their horizon",
        f"{LEAST_ROWS} snapshots",
    )


def slope_of(y: Floats, e: Floats, x: Floats, weeks: NDArray[np.int64]) -> Slope | None:
    """Estimate the slope of outcomes `y` in log-odds `x` beside expectations `e`: (n,) each.

    One Newton step from 1, after the level of every week was put right; None where there are too
    few conversions.
    """
    code = np.unique(weeks, return_inverse=True)[1]
    came, due = np.bincount(code, weights=y), np.bincount(code, weights=e)
    e = e * (came / np.maximum(due, 1e-9))[code]
    total = float(e.sum())
    if total < LEAST_CONVERSIONS:
        return None
    centred = x - (np.bincount(code, weights=e * x) / np.maximum(came, 1e-9))[code]
    information = float(np.sum(e * centred**2))
    if information <= 0:
        return None
    step = float(np.sum((y - e) * centred)) / information
    return Slope(1 + max(min(step, 2.0), -2.0), 1 / float(np.sqrt(information)))


def watch_order(
    tables: Tables,
    outcomes: Outcomes,
    snapshots: Snapshots,
    p: Floats,
    card: ModelCard,
    curve: Incidence,
    *,
    as_of: int,
) -> Signal:
    """Compare how conversions so far follow the promises with how the test rows did.

    `snapshots` are the unlabelled ones, one for each lead, at its youngest age of training; `p`
    their promises within the horizon, of which `curve` says how much is due by now.
    """
    name = "conversions follow the scores"
    figure = card.figure("slope")
    lead, seen = snapshots.lead, snapshots.as_of
    converted = outcomes.converted_at[lead]
    y = ((converted >= seen) & (converted < as_of)).astype(np.float64)
    assert tables.created_at is not None
    start = (seen - tables.created_at[lead]) / DAY
    due = curve.share_by((as_of - tables.created_at[lead]) / DAY) - curve.share_by(start)
    whole = curve.share_by(start + card.horizon_days) - curve.share_by(start)
    e = p * np.clip(due / np.maximum(whole, 1e-9), 0, 1)
    x = np.log(np.clip(p, 1e-6, 1 - 1e-6) / np.clip(1 - p, 1e-6, 1))
    weeks = (as_of - 1 - seen) // (7 * DAY)
    slopes = []
    for back in SINCE:
        new = weeks < back
        slope = slope_of(y[new], e[new], x[new], weeks[new])
        if slope is not None:
            slopes.append((back, slope))
    if not slopes or figure is None:
        return Signal(
            name,
            "green",
            f"cannot be judged: {y.sum():.0f} conversions of leads that the model did not learn "
            "from",
            f"{LEAST_CONVERSIONS:.0f} conversions",
        )
    test = Slope(figure["value"], (figure["high"] - figure["low"]) / (2 * 1.96))
    chance, back, slope = min((_steeper(slope, test), w, slope) for w, slope in slopes)
    came = float(y[weeks < back].sum())
    left = slope.value / max(test.value, 1e-9)
    state: State = "green"
    for colour, limit, share in (("yellow", CHANCE[1], SLOPE[1]), ("red", CHANCE[0], SLOPE[0])):
        if chance < limit and left < share:
            state = "red" if colour == "red" else "yellow"
    return Signal(
        name if state == "green" else "the scores no longer tell who converts",
        state,
        f"slope {slope.value:.2f} ± {slope.error:.2f} among {came:.0f} conversions so far, on "
        f"the test rows {test.value:.2f}",
        f"over {SLOPE[1]:.0%} of the test slope",
        "check" if state == "green" else "cause",
        "" if state == "green" else day_of(max(int(seen.min()), as_of - back * 7 * DAY)),
        "" if state == "green" else "what makes a good lead has changed: retrain",
        35.0,
    )


def _steeper(slope: Slope, test: Slope) -> float:
    """Give the chance of a slope so small where the one on the test rows still holds."""
    error = float(np.hypot(1.3 * slope.error, test.error))
    return float(stats.norm.cdf((slope.value - test.value) / error))


def estimate_ranking(p: Floats, card: ModelCard) -> Signal:
    """Say how well the model should rank recent snapshots if its promises hold (CBPE).

    Blind to a change in what makes a lead convert, which only outcomes show.
    """
    name = "ranking expected without outcomes (CBPE)"
    figure = card.figure("auc")
    if len(p) < LEAST_ROWS or figure is None:
        why = "no AUC was measured in the test" if figure is None else f"{len(p)} recent snapshots"
        return Signal(name, "green", f"cannot be said: {why}", f"{LEAST_ROWS} snapshots")
    area = expected_auc(p)
    low = area < figure["low"] - 0.05
    return Signal(
        name,
        "yellow" if low else "green",
        f"AUC {area:.3f}, in the test {figure['value']:.3f} ({figure['low']:.3f} to "
        f"{figure['high']:.3f}); blind to a change in what makes a lead convert",
        f"over {figure['low'] - 0.05:.3f}",
        what_to_do="look at the features that moved" if low else "",
    )


def expected_auc(p: Floats) -> float:
    """Give the AUC that rows with these probabilities have on average."""
    order = np.argsort(p, kind="stable")
    hit, miss = p[order], 1 - p[order]
    below = np.cumsum(miss) - miss / 2
    return float(np.sum(hit * below) / max(hit.sum() * miss.sum(), 1e-12))
