"""Training outcomes and a fitted learner -> what they allow, in sentences and two small tables.

How sure the base rate is, how the model learns from more conversions and about how many more it
needs, how segments differ once chance is taken off, and what was done about a level that moved.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.fit.learner import LeadClassifier
from models.predictor import Floats, calibrated_log_odds
from training.small_data import (
    Need,
    assess,
    conversions_needed,
    learning_curve,
    pool_segments,
)

CURVE_BELOW = 500
"""Of the rarer outcome: from here on the number of conversions is no question any more."""
QUICK = 4000
"""Rows from which on the curve is drawn once, not three times."""


@dataclass(frozen=True, slots=True)
class Advice:
    """What to tell beside the figures; `drawn` are the notes that curve and segments say too.

    `curve`: conversions, log_loss, prior, gain, error, judged; `need`: what it says.
    `segments`: slice, segment, rows, conversions, raw, shift (log-odds), error, overlap, verdict,
    overlaps.
    """

    notes: tuple[str, ...] = ()
    drawn: tuple[str, ...] = ()
    curve: pd.DataFrame = field(default_factory=pd.DataFrame)
    need: Need | None = None
    segments: pd.DataFrame = field(default_factory=pd.DataFrame)


def advise(
    learner: LeadClassifier,
    frame: pd.DataFrame,
    y: NDArray[Any],
    *,
    groups: NDArray[Any] | None = None,
    segments: Mapping[str, NDArray[Any]] | None = None,
    seed: int = 0,
) -> Advice:
    """Advise on a learner fitted to these training rows: (n,) outcomes, groups, segment values."""
    target = np.asarray(y, dtype=np.float64)
    verdict = assess(target, groups)
    notes = [] if verdict.mode == "full" else [verdict.sentence]
    curve, need, drawn = pd.DataFrame(), None, []
    if min(verdict.positives, verdict.negatives) < CURVE_BELOW and verdict.mode != "constant":
        repeats = 3 if len(target) < QUICK else 1
        curve = learning_curve(frame, target, groups=groups, repeats=repeats, seed=seed)
        if len(curve):
            need = conversions_needed(curve)
            drawn.append(f"learning curve: {need.sentence}")
    margins = calibrated_log_odds(learner.parts_.calibration, learner.margins_)
    pooled, told = _pool(margins, target, segments or {}, groups)
    drawn += told
    notes += drawn
    notes += level_words(learner.report_.get("newest_cohort") or {})
    return Advice(tuple(notes), tuple(drawn), curve, need, pooled)


def _pool(
    margins: Floats,
    y: Floats,
    segments: Mapping[str, NDArray[Any]],
    groups: NDArray[Any] | None,
) -> tuple[pd.DataFrame, list[str]]:
    """Pool each slice's segments by themselves: a table of all, and what to warn of."""
    tables, told = [], []
    for name, values in segments.items():
        if len({str(value) for value in values}) < 2:
            continue
        found = pool_segments(margins, y, values, groups=groups)
        tables.append(found.table.assign(slice=name))
        told += [f"{name}: {warning}" for warning in found.warnings]
        clear = found.table[found.table["verdict"] != "unproven"]
        told += [
            f"{name} {row['segment']}: converts {row['verdict']} often "
            f"than the model says, by {row['shift']:+.2f} in log-odds after pooling "
            f"({row['conversions']} conversions): a column that says why is missing"
            for row in clear.to_dict("records")
        ]
    return (pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()), told


def level_words(cohort: Mapping[str, float]) -> list[str]:
    """Say what the newest fifth of training showed about the level, and what was done."""
    if not cohort or not cohort["rows"]:
        return []
    seen = (
        f"the newest fifth of training: {cohort['observed']:.0f} converting snapshots where "
        f"{cohort['expected']:.0f} were expected (z {cohort['z']:+.1f})"
    )
    if cohort["taken"]:
        return [f"{seen}: all probabilities were moved by {cohort['taken']:+.2f} in log-odds"]
    return [f"{seen}: the level was left as it is"]
