"""Training outcomes and a fitted learner -> what they allow, in sentences and two small tables.

How certain the base rate is, how the model gains from more conversions and about how many more it
needs, how segments differ beyond chance, and what was done about a base rate that moved.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.fit.learner import LeadClassifier
from models.note import Note
from models.predictor import Floats, calibrated_log_odds
from training.small_data import (
    Need,
    assess,
    conversions_needed,
    learning_curve,
    pool_segments,
)

CURVE_BELOW = 500
"""Outcomes of the rarer kind from which on the learning curve is not needed any more."""
ONE_REPEAT_FROM = 4000
"""Rows from which on the learning curve is measured once, not three times."""


@dataclass(frozen=True, slots=True)
class Advice:
    """Notes beside the figures; `shown` are those that `curve` and `segments` show too.

    `curve`: conversions, log_loss, prior, gain, error, judged; `need`: what it says.
    `segments`: slice, segment, rows, conversions, raw, shift (log-odds), error, overlap, verdict,
    overlaps.
    """

    notes: tuple[str, ...] = ()
    shown: tuple[str, ...] = ()
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
    row_weights: Floats | None = None,
    seed: int = 0,
    curve: pd.DataFrame | None = None,
) -> Advice:
    """Advise on a learner fitted to these training rows: (n,) outcomes, groups, segment values.

    `row_weights` (n,) say how often each row counts; None: once. `curve` is the learning curve of
    these rows where it is known: it is the same for every learner.
    """
    target = np.asarray(y, dtype=np.float64)
    assessment = assess(target, groups, row_weights)
    notes = [] if assessment.mode == "full" else [assessment.sentence]
    need, shown, rarer = None, [], min(assessment.positives, assessment.negatives)
    if curve is None and (rarer >= CURVE_BELOW or assessment.mode == "constant"):
        curve = pd.DataFrame()
    elif curve is None:
        repeats = 3 if len(target) < ONE_REPEAT_FROM else 1
        curve = learning_curve(
            frame, target, groups=groups, repeats=repeats, seed=seed, row_weights=row_weights
        )
    if len(curve):
        need = conversions_needed(curve)
        shown.append(f"learning curve: {need.sentence}")
    margins = calibrated_log_odds(learner.parts_.calibration, learner.margins_)
    pooled, segment_notes = _pool_each_slice(margins, target, segments or {}, groups, row_weights)
    shown += segment_notes
    notes += shown
    notes += level_notes(learner.report_.get("newest_cohort") or {})
    return Advice(tuple(notes), tuple(shown), curve, need, pooled)


def _pool_each_slice(
    margins: Floats,
    y: Floats,
    segments: Mapping[str, NDArray[Any]],
    groups: NDArray[Any] | None,
    row_weights: Floats | None,
) -> tuple[pd.DataFrame, list[str]]:
    """Pool the segments of each slice separately: a table of all, and notes."""
    tables, notes = [], []
    for name, values in segments.items():
        if len({str(value) for value in values}) < 2:
            continue
        pooled = pool_segments(margins, y, values, groups=groups, row_weights=row_weights)
        tables.append(pooled.table.assign(slice=name))
        notes += [f"{name}: {warning}" for warning in pooled.warnings]
        clear = pooled.table[pooled.table["verdict"] != "unproven"]
        notes += [
            f"{name} {row['segment']}: converts {row['verdict']} often "
            f"than the model says, by {row['shift']:+.2f} in log-odds after pooling "
            f"({row['conversions']} conversions): a column that says why is missing"
            for row in clear.to_dict("records")
        ]
    return (pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()), notes


def level_notes(cohort: Mapping[str, Any]) -> list[str]:
    """Say whether the newest fifth of training shows another base rate, and what was done."""
    if not cohort or not cohort["rows"]:
        return []
    seen = Note(
        "the newest fifth of training: {observed:.0f} converting snapshots where {expected:.0f} "
        "were expected",
        observed=cohort["observed"],
        expected=cohort["expected"],
    )
    return [Note("{seen}; {done}", seen=seen, done=_what_was_done(cohort))]


def _what_was_done(cohort: Mapping[str, Any]) -> Note:
    if cohort["lasting"] is None:
        return Note(
            "all outcomes are too few to tell whether changes of the base rate last: the level "
            "was left as it is"
        )
    if not cohort["taken"]:
        return Note(
            "that changes of the base rate lasted is {lasting:.0%} likely: the level was left as "
            "it is",
            lasting=cohort["lasting"],
        )
    return Note(
        "that changes of the base rate lasted is {lasting:.0%} likely: all probabilities were "
        "moved by {taken:+.2f} in log-odds",
        lasting=cohort["lasting"],
        taken=cohort["taken"],
    )
